"""Why a journal cannot be used, in words for a person."""

import errno
import sqlite3
from pathlib import Path
from typing import Final

from juno_snap.errors import JunoSnapError, LockedError, PreconditionError

NEWER: Final = "journal-newer"
DAMAGED: Final = "journal-damaged"
READ_ONLY: Final = "journal-read-only"
FULL: Final = "journal-full"
BUSY: Final = "journal-busy"

FULL_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FULL_CODES: Final = frozenset({
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # a quota, a limit of the file's size, a failing disk
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
})  # fmt: skip
READ_ONLY_CODES: Final = frozenset({
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH
})  # fmt: skip
BUSY_CODES: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
PRIMARY_CODE: Final = 0xFF
"""The low byte of an extended result code. Source: sqlite.org, "Result and Error Codes"."""


def newer(place: str, found: int, known: int, made_by: str) -> PreconditionError:
    """The journal was written by a later version of this program."""
    return PreconditionError(
        f"the journal {place} has format {found} (juno-snap {made_by}); "
        f"this juno-snap reads format {known}",
        code=NEWER,
        hint="use a newer juno-snap, or another directory with --state",
    )


def damaged(place: str, why: str) -> PreconditionError:
    """The journal is not what this program wrote."""
    return PreconditionError(
        f"the journal {place} is damaged: {why}",
        code=DAMAGED,
        hint="what an unfinished operation did is not known any more: look at the modules with "
        "'juno-snap status' first, then put back a copy of the file, or move it and its -wal and "
        "-shm files away to begin a new one",
    )


def read_only(place: str, why: str) -> PreconditionError:
    """The journal cannot be written."""
    return PreconditionError(
        f"the journal {place} cannot be written: {why}",
        code=READ_ONLY,
        hint="make the file and its directory writable for this user, or name another directory "
        "with --state",
    )


def full(place: str, why: str) -> PreconditionError:
    """There is no room for what has to be written down."""
    return PreconditionError(
        f"there is no room for the journal {place}: {why}",
        code=FULL,
        hint="free some space there or lift the quota, or name another directory with --state",
    )


def of_os_error(place: str, error: OSError) -> PreconditionError:
    """What an error of the file system means for the journal."""
    why = error.strerror or str(error)
    return full(place, why) if error.errno in FULL_ERRNOS else read_only(place, why)


def of_sqlite_error(place: str, error: BaseException) -> JunoSnapError:
    """What an error of the database means for the journal.

    One that carries no code comes from a value that cannot be read back: the file is damaged.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    primary = code & PRIMARY_CODE
    if code in FULL_CODES:
        return full(place, str(error))
    if primary in READ_ONLY_CODES:
        return read_only(place, str(error))
    if primary in BUSY_CODES:
        return LockedError(
            f"the journal {place} is being written by another process all the time",
            code=BUSY,
            hint="wait for it to end, or stop it",
        )
    return damaged(place, str(error))


def place_of(path: Path | None) -> str:
    """How the journal is called in messages."""
    return "in memory" if path is None else str(path)
