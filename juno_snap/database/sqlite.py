"""One SQLite file: opened with care, written in short transactions.

Several processes may hold the file open. Each write takes the write lock at its beginning, so that
it never finds that what it read has changed; who waits, waits up to ``BUSY_TIMEOUT_SECONDS``.

A new file is made under another name and linked to its own when it is complete: a file that is
there has its tables, or it was damaged.
"""

import contextlib
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, final
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from juno_snap.database.ballast import Ballast
from juno_snap.database.refusals import Refusals, place_of
from juno_snap.database.rows import BrokenRowError, run_plainly
from juno_snap.errors import PreconditionError
from juno_snap.files import PRIVATE_MODE, make_private_folders, sync_directory, sync_file

BUSY_TIMEOUT_SECONDS: Final = 10.0
WAL: Final = "wal"
WHOLE: Final = "ok"
BEGIN_READING: Final = "BEGIN"
BEGIN_WRITING: Final = "BEGIN IMMEDIATE"

SETTINGS: Final = (
    "cache_size=-16000",  # KiB; less than a transaction makes it write twice
    "synchronous=FULL",  # each commit waits for the disk
    "foreign_keys=ON",
    "secure_delete=ON",  # what is removed is overwritten; the key of an envelope above all
    "trusted_schema=OFF",
    "cell_size_check=ON",
)
COPIES: Final = 3
"""How often a written byte takes room at most: in the log, in the log again when its page changes,
and in the file."""
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

Result = TypeVar("Result")
Work: TypeAlias = Callable[[sql.Connection], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What stands in a file."""

    tables: sql.MetaData
    format: sql.Table
    """One of the tables. It has one row: ``version``, and ``made_by``, the program's version."""
    version: int
    """What this program reads and writes."""
    page_bytes: int
    """Of a new file."""
    refusals: Refusals


@final
class Database:
    """One connection to a file, or to none but memory; for one thread at a time."""

    def __init__(self, path: Path | None, layout: Layout) -> None:
        self.place = place_of(path)
        self._layout = layout
        self._engine = sql.create_engine(
            "sqlite://",
            creator=lambda: _connect(_name(path), layout.page_bytes),
            poolclass=StaticPool,
        )
        self._ballast = None if path is None else Ballast(path.parent)

    @classmethod
    def open(cls, path: Path, layout: Layout, made_by: str) -> "Database":
        """The database at ``path``; where there is none, a new one.

        Raises:
            PreconditionError: It is of a newer version, damaged, cannot be written, or has no room.
            LockedError: Another process holds on to it for too long.
        """
        with _os_errors(path, layout.refusals):
            make_private_folders(path.parent)
            if _is_missing(path, layout.refusals):
                _make(path, layout, made_by)
            keep_private(path)
        database = cls(path, layout)
        try:
            database._check()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def in_memory(cls, layout: Layout, made_by: str) -> "Database":
        """A database that is gone when it is closed."""
        database = cls(None, layout)
        database.write(lambda connection: _make_tables(connection, layout, made_by))
        return database

    def read(self, work: Work[Result]) -> Result:
        """What ``work`` returns; it sees the database as it is at one moment."""
        return self._transact(BEGIN_READING, work)

    def write(self, work: Work[Result]) -> Result:
        """Do ``work`` whole or not at all; on return it is on disk.

        Where the disk is full the ballast is thrown off and ``work`` is done again.
        """
        try:
            return self._write(work)
        except PreconditionError as error:
            is_full = self._layout.refusals.is_full(error)
            if not is_full or self._ballast is None or not self._ballast.drop():
                raise
        return self._write(work)

    def make_ready(self, reserve_bytes: int) -> None:
        """Keep room for ``reserve_bytes`` of rows, and try a write."""
        if self._ballast is not None:
            with _os_errors(Path(self.place), self._layout.refusals):
                self._ballast.take(COPIES * reserve_bytes)
        table = self._layout.format
        same = sql.update(table).values(version=table.c.version)
        self._write(lambda connection: connection.execute(same))

    def empty_log(self) -> None:
        """Move the log into the file, if nobody reads it just now: removed bodies are gone then."""
        with (
            contextlib.suppress(sqlite3.Error, SQLAlchemyError),
            self._engine.connect() as connection,
        ):
            _outside_transaction(connection, "PRAGMA wal_checkpoint(TRUNCATE)")

    def set_log(self) -> None:
        """Write through a log (WAL) from now on; the file remembers it."""
        with self._errors(), self._engine.connect() as connection:
            _outside_transaction(connection, "PRAGMA journal_mode=WAL")

    def close(self) -> None:
        """Let go of the file and of the room that was kept."""
        if self._ballast is not None:
            self._ballast.drop()
        self._engine.dispose()

    def _write(self, work: Work[Result]) -> Result:
        return self._transact(BEGIN_WRITING, work)

    def _transact(self, begins: str, work: Work[Result]) -> Result:
        with self._errors(), self._engine.begin() as connection:
            run_plainly(connection, begins)
            return work(connection)

    def _check(self) -> None:
        layout, refusals = self._layout, self._layout.refusals
        rows = self.read(lambda c: c.execute(sql.select(layout.format)).mappings().all())
        if len(rows) != 1 or not isinstance(rows[0]["version"], int):
            raise refusals.damaged(self.place, "it does not say its version")
        found, made_by = rows[0]["version"], rows[0]["made_by"]
        if found > layout.version:
            raise refusals.newer(self.place, found, layout.version, made_by)
        if found < layout.version:
            raise refusals.damaged(self.place, f"there is no format {found}")
        if self._pragma("journal_mode") != WAL:
            raise refusals.damaged(self.place, "its header was changed")
        whole = self._pragma("integrity_check(1)")
        if whole != WHOLE:
            raise refusals.damaged(self.place, str(whole))

    def _pragma(self, text: str) -> object:
        return self.read(lambda c: c.exec_driver_sql(f"PRAGMA {text}").scalar())

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        refusals = self._layout.refusals
        try:
            yield
        except DBAPIError as error:
            raise refusals.of_sqlite_error(self.place, error.orig or error) from error
        except sqlite3.Error as error:
            raise refusals.of_sqlite_error(self.place, error) from error
        except (BrokenRowError, SQLAlchemyError, UnicodeDecodeError) as error:
            # The last: SQLite's message quotes the file, and what stands there is no text any more.
            raise refusals.damaged(self.place, str(error)) from error


@contextlib.contextmanager
def leaving_pages(connection: sql.Connection) -> Iterator[None]:
    """Let pages go without overwriting them, where nothing readable stands in them."""
    run_plainly(connection, "PRAGMA secure_delete=FAST").close()
    try:
        yield
    finally:
        run_plainly(connection, "PRAGMA secure_delete=ON").close()


def keep_private(path: Path) -> None:
    """Close ``path`` to everybody but its owner; a signed call may stand in it."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & OTHERS:
        path.chmod(PRIVATE_MODE)


def _is_missing(path: Path, refusals: Refusals) -> bool:
    """Whether there is no file yet.

    Raises:
        PreconditionError: There is none, but its log is there: somebody took the file away.
    """
    if path.exists():
        return False
    if path.with_name(f"{path.name}-wal").exists() and not path.exists():
        raise refusals.damaged(str(path), "the file is gone, its log (-wal) is still there")
    return True


def _make(path: Path, layout: Layout, made_by: str) -> None:
    """Make the file, unless another process is quicker."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.") as folder:
        draft = Path(folder) / path.name
        draft.touch(PRIVATE_MODE)
        database = Database(draft, layout)
        try:
            database.set_log()
            database.write(lambda connection: _make_tables(connection, layout, made_by))
        finally:
            database.close()
        sync_file(draft)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    sync_directory(path.parent)


def _make_tables(connection: sql.Connection, layout: Layout, made_by: str) -> None:
    layout.tables.create_all(connection)
    row = sql.insert(layout.format).values(version=layout.version, made_by=made_by)
    connection.execute(row)


def _name(path: Path | None) -> str:
    """The file's address for SQLite; one that is missing is not made."""
    if path is None:
        return ":memory:"
    return f"file:{quote(str(path.absolute()))}?mode=rw"


def _connect(name: str, page_bytes: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name,
        uri=name.startswith("file:"),
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in (f"page_size={page_bytes}", *SETTINGS):
            connection.execute(f"PRAGMA {setting}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def _outside_transaction(connection: sql.Connection, statement: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        cursor.fetchall()
    finally:
        cursor.close()


@contextlib.contextmanager
def _os_errors(path: Path, refusals: Refusals) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refusals.of_os_error(str(path), error) from error
