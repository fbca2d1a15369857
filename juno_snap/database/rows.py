"""Rows that show whether they are what was written.

A row of a table with a column ``checksum`` carries the CRC-32 of its other columns: the database
notices a broken page, not a changed letter in it.
"""

import zlib
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sql

Row: TypeAlias = dict[str, object]

Found: TypeAlias = Mapping[str, Any]
"""A row that was read and is whole."""

Condition: TypeAlias = sql.ColumnElement[bool]

Connection: TypeAlias = sql.Connection
"""For those who pass it on and ask nothing of it themselves."""


class BrokenRowError(Exception):
    """A row is not what was written; becomes the refusal of a damaged file."""


NOT_CHECKED: Final = frozenset({"place", "checksum"})
"""Columns that the database sets, or that are made of the others."""


def checked(table: sql.Table, row: Mapping[str, object]) -> Row:
    """``row`` with its checksum; it has every column but the ones that the database sets."""
    return {**row, "checksum": checksum(table, row)}


def is_whole(table: sql.Table, row: Mapping[str, object]) -> bool:
    """Whether ``row`` is what was written."""
    return row["checksum"] == checksum(table, row)


def checksum(table: sql.Table, row: Mapping[str, object]) -> int:
    """CRC-32 of the columns: of each a letter for its type, its length, and its bytes."""
    crc = 0
    for column in table.columns:
        if column.name not in NOT_CHECKED:
            kind, data = _bytes_of(row[column.name])
            crc = zlib.crc32(data, zlib.crc32(f"{kind}{len(data)}:".encode(), crc))
    return crc


def _bytes_of(value: object) -> tuple[Literal["n", "b", "t", "i"], bytes]:
    match value:
        case None:
            return "n", b""
        case bytes():
            return "b", value
        case str():
            return "t", value.encode()
        case _:
            return "i", str(value).encode()


def find(
    connection: sql.Connection,
    table: sql.Table,
    condition: Condition,
    *order: sql.ColumnElement[Any],
    limit: int | None = None,
) -> list[Found]:
    """The rows that meet ``condition``.

    Raises:
        BrokenRowError: One is not what was written.
    """
    query = sql.select(table).where(condition).order_by(*order).limit(limit)
    rows = list(connection.execute(query).mappings())
    for row in rows:
        if not is_whole(table, dict(row)):
            raise BrokenRowError(f"a row of {table.name} was changed")
    return [dict(row) for row in rows]


def add(connection: sql.Connection, table: sql.Table, row: Row) -> None:
    """Add a row."""
    connection.execute(sql.insert(table), checked(table, row))


def replace(connection: sql.Connection, table: sql.Table, condition: Condition, row: Row) -> None:
    """Write ``row`` in the place of the one that meets ``condition``."""
    connection.execute(sql.update(table).where(condition).values(checked(table, row)))
