"""Rows that show whether they are what was written.

A row of a table with a column ``checksum`` carries the CRC-32 of its other columns: the database
notices a broken page, not a changed letter in it.

Statements that only ask for equal values are built once: to build one costs several times what
SQLite takes to run it.
"""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sql
from sqlalchemy.dialects import sqlite

Row: TypeAlias = dict[str, object]

Found: TypeAlias = Mapping[str, Any]
"""A row that was read and is whole."""

Condition: TypeAlias = sql.ColumnElement[bool]

Where: TypeAlias = Mapping[str, object]
"""Names of columns, and the value that each has."""

Shape: TypeAlias = tuple[tuple[str, bool], ...]

Connection: TypeAlias = sql.Connection
"""For those who pass it on and ask nothing of it themselves."""


class BrokenRowError(Exception):
    """A row is not what was written; becomes the refusal of a damaged file."""


CHECKSUM: Final = "checksum"

NOT_CHECKED: Final = frozenset({"place", CHECKSUM})
"""Columns that the database sets, or that are made of the others."""

AT: Final = "at_"
STATEMENTS_KEPT: Final = 128
DIALECT: Final = sqlite.dialect()


def checked(table: sql.Table, row: Mapping[str, object]) -> Row:
    """``row`` with its checksum; it has every column but the ones that the database sets."""
    return {**row, CHECKSUM: checksum(table, row)}


def is_whole(table: sql.Table, row: Mapping[str, object]) -> bool:
    """Whether ``row`` is what was written."""
    return row[CHECKSUM] == checksum(table, row)


def checksum(table: sql.Table, row: Mapping[str, object]) -> int:
    """CRC-32 of the columns: of each a letter for its type, its length, and its bytes."""
    crc = 0
    for name in _checked_columns(table):
        kind, data = _bytes_of(row[name])
        crc = zlib.crc32(data, zlib.crc32(f"{kind}{len(data)}:".encode(), crc))
    return crc


@lru_cache(maxsize=STATEMENTS_KEPT)
def _checked_columns(table: sql.Table) -> tuple[str, ...]:
    return tuple(c.name for c in table.columns if c.name not in NOT_CHECKED)


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
    where: Where | Condition,
    *order: sql.ColumnElement[Any],
    limit: int | None = None,
) -> list[Found]:
    """The rows that meet ``where``; ``order`` is columns, or what a module keeps as constants.

    Raises:
        BrokenRowError: One is not what was written.
    """
    if isinstance(where, Mapping):
        statement = _selection(table, _shape(where), order, limit)
        rows = _rows(table, _run(connection, statement, _at(where)))
    else:
        query = sql.select(table).where(where).order_by(*order).limit(limit)
        rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        if not is_whole(table, row):
            raise BrokenRowError(f"a row of {table.name} was changed")
    return list[Found](rows)


def add(connection: sql.Connection, table: sql.Table, row: Row) -> int:
    """Add a row; the place that the database gave it."""
    if CHECKSUM in table.c:
        row = checked(table, row)
    return _run(connection, _insertion(table, tuple(row)), row).lastrowid or 0


def replace(connection: sql.Connection, table: sql.Table, where: Where, row: Row) -> None:
    """Write ``row`` in the place of the one that meets ``where``."""
    row = checked(table, row)
    _run(connection, _change(table, _shape(where), tuple(row)), {**row, **_at(where)})


def remove(connection: sql.Connection, table: sql.Table, where: Where) -> None:
    """Remove the rows that meet ``where``."""
    _run(connection, _removal(table, _shape(where)), _at(where))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """Text for the driver, and the names of its parameters in their order."""

    text: str
    names: tuple[str, ...]
    values: Mapping[str, object]
    """Those of parameters that are part of the statement, such as a limit."""


def _run(connection: sql.Connection, statement: _Statement, values: Row) -> sqlite3.Cursor:
    """Hand a statement to the driver; all that SQLAlchemy adds to that was done once."""
    known = statement.values
    ordered = [values[name] if name in values else known[name] for name in statement.names]
    return run_plainly(connection, statement.text, ordered)


def run_plainly(
    connection: sql.Connection, text: str, values: Sequence[object] = ()
) -> sqlite3.Cursor:
    """Hand ``text`` to the driver, inside the transaction of ``connection``."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # of no known type
    return driver.execute(text, values)


def _rows(table: sql.Table, cursor: sqlite3.Cursor) -> list[Row]:
    names = table.c.keys()
    rows: list[Row] = [dict(zip(names, row, strict=True)) for row in cursor]
    for name in _truths(table):
        for row in rows:
            row[name] = None if row[name] is None else bool(row[name])
    return rows


@lru_cache(maxsize=STATEMENTS_KEPT)
def _truths(table: sql.Table) -> tuple[str, ...]:
    """The columns that SQLite has no type of its own for."""
    return tuple(c.name for c in table.columns if isinstance(c.type, sql.Boolean))


def _at(where: Where) -> Row:
    """Parameters that are not taken for new values of the columns."""
    return {f"{AT}{name}": value for name, value in where.items() if value is not None}


def _shape(where: Where) -> Shape:
    """What makes two statements the same: the columns, and which of them have no value."""
    return tuple((name, value is None) for name, value in where.items())


def _is_at(table: sql.Table, shape: Shape) -> Condition:
    parts = [
        table.c[name].is_(None) if is_none else table.c[name] == sql.bindparam(f"{AT}{name}")
        for name, is_none in shape
    ]
    return sql.and_(sql.true(), *parts)


def _prepared(statement: sql.ClauseElement, columns: Sequence[str] | None = None) -> _Statement:
    compiled = statement.compile(dialect=DIALECT, column_keys=columns)
    names = getattr(compiled, "positiontup", None) or ()
    return _Statement(text=str(compiled), names=tuple(names), values=compiled.params)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _selection(
    table: sql.Table,
    shape: Shape,
    order: tuple[sql.ColumnElement[Any], ...],
    limit: int | None,
) -> _Statement:
    query = sql.select(table).where(_is_at(table, shape)).order_by(*order)
    return _prepared(query.limit(limit))


@lru_cache(maxsize=STATEMENTS_KEPT)
def _insertion(table: sql.Table, columns: tuple[str, ...]) -> _Statement:
    return _prepared(sql.insert(table), columns)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _change(table: sql.Table, shape: Shape, columns: tuple[str, ...]) -> _Statement:
    return _prepared(sql.update(table).where(_is_at(table, shape)), columns)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _removal(table: sql.Table, shape: Shape) -> _Statement:
    return _prepared(sql.delete(table).where(_is_at(table, shape)))
