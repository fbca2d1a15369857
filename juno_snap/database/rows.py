"""Rows that show whether they are what was written.

A row of a table with a column ``checksum`` carries the CRC-32 of its other columns: the database
notices a broken page, not a changed letter in it.

Statements that only ask for equal values are built once: to build one costs several times what
SQLite takes to run it.
"""

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sql

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


NOT_CHECKED: Final = frozenset({"place", "checksum"})
"""Columns that the database sets, or that are made of the others."""

AT: Final = "at_"
STATEMENTS_KEPT: Final = 128


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
    where: Where | Condition,
    *order: sql.ColumnElement[Any],
    limit: int | None = None,
) -> list[Found]:
    """The rows that meet ``where``; ``order`` is columns, or what a module keeps as constants.

    Raises:
        BrokenRowError: One is not what was written.
    """
    values: Row = {}
    if isinstance(where, Mapping):
        query, values = _selection(table, _shape(where), order, limit), _at(where)
    else:
        query = sql.select(table).where(where).order_by(*order).limit(limit)
    rows = [dict(row) for row in connection.execute(query, values).mappings()]
    for row in rows:
        if not is_whole(table, row):
            raise BrokenRowError(f"a row of {table.name} was changed")
    return list[Found](rows)


def add(connection: sql.Connection, table: sql.Table, row: Row) -> None:
    """Add a row."""
    connection.execute(_insertion(table), checked(table, row))


def replace(connection: sql.Connection, table: sql.Table, where: Where, row: Row) -> None:
    """Write ``row`` in the place of the one that meets ``where``."""
    statement = _change(table, _shape(where))
    connection.execute(statement, {**checked(table, row), **_at(where)})


def remove(connection: sql.Connection, table: sql.Table, where: Where) -> None:
    """Remove the rows that meet ``where``."""
    connection.execute(_removal(table, _shape(where)), _at(where))


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


@lru_cache(maxsize=STATEMENTS_KEPT)
def _selection(
    table: sql.Table,
    shape: Shape,
    order: tuple[sql.ColumnElement[Any], ...],
    limit: int | None,
) -> sql.Select[Any]:
    return sql.select(table).where(_is_at(table, shape)).order_by(*order).limit(limit)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _insertion(table: sql.Table) -> sql.Insert:
    return sql.insert(table)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _change(table: sql.Table, shape: Shape) -> sql.Update:
    return sql.update(table).where(_is_at(table, shape))


@lru_cache(maxsize=STATEMENTS_KEPT)
def _removal(table: sql.Table, shape: Shape) -> sql.Delete:
    return sql.delete(table).where(_is_at(table, shape))
