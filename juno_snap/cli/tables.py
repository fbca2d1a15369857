"""Tables and figures for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from juno_snap.cli.words import printable
from juno_snap.units import GIB, KIB, MIB, NS_PER_SECOND, TRILLION_CYCLES

UNITS: Final = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
BILLION: Final = 1_000_000_000


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """One fact a line: its name and what it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name, style="bold"), _cell(value))
    return table


def facts_of(document: Mapping[str, object]) -> Table:
    """A JSON document without inner ones: names in words, sizes in units, a list line by line."""
    return facts(_in_words(document))


def _in_words(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        name = key.removesuffix("_bytes").replace("_", " ")
        if isinstance(value, list):
            yield from ((name.removesuffix("s"), each) for each in value)
        elif key.endswith("_bytes") and isinstance(value, int):
            yield name, size(value)
        elif key != "schema":
            yield name, value


def listing(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table with headings; ids are folded rather than cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def size(size_bytes: int) -> str:
    """A size in the largest unit that it fills."""
    for unit_bytes, name in UNITS:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:.1f} {name}"
    return f"{size_bytes} B"


def cycles(amount: int) -> str:
    """Cycles in trillions or billions."""
    if amount >= TRILLION_CYCLES // 100:
        return f"{amount / TRILLION_CYCLES:.3f} T"
    if amount >= BILLION // 100:
        return f"{amount / BILLION:.2f} G"
    return str(amount)


def moment(at_ns: int) -> str:
    """A time in UTC, to the second."""
    return f"{datetime.fromtimestamp(at_ns // NS_PER_SECOND, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def _cell(value: object) -> Text:
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(printable(str(value)))
