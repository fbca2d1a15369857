"""Why a file of rows cannot be used, in words for a person."""

import errno
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.errors import JunoSnapError, LockedError, PreconditionError

NEWER: Final = "newer"
DAMAGED: Final = "damaged"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
BUSY: Final = "busy"

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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The errors of one kind of file; the codes begin with its name, such as ``journal-full``."""

    what: str
    """``journal``: how the file is called."""
    damaged_hint: str
    """What to do about one that is damaged."""

    def newer(self, place: str, found: int, known: int, made_by: str) -> PreconditionError:
        """The file was written by a later version of this program."""
        return PreconditionError(
            f"the {self.what} {place} has format {found} (juno-snap {made_by}); "
            f"this juno-snap reads format {known}",
            code=self._code(NEWER),
            hint="use a newer juno-snap, or another directory with --state",
        )

    def damaged(self, place: str, why: str) -> PreconditionError:
        """The file is not what this program wrote."""
        return PreconditionError(
            f"the {self.what} {place} is damaged: {why}",
            code=self._code(DAMAGED),
            hint=self.damaged_hint,
        )

    def read_only(self, place: str, why: str) -> PreconditionError:
        """The file cannot be written."""
        return PreconditionError(
            f"the {self.what} {place} cannot be written: {why}",
            code=self._code(READ_ONLY),
            hint="make the file and its directory writable for this user, or name another "
            "directory with --state",
        )

    def full(self, place: str, why: str) -> PreconditionError:
        """There is no room for what has to be written down."""
        return PreconditionError(
            f"there is no room for the {self.what} {place}: {why}",
            code=self._code(FULL),
            hint="free some space there or lift the quota, or name another directory with --state",
        )

    def is_full(self, error: PreconditionError) -> bool:
        """Whether ``error`` is ``full``."""
        return error.code == self._code(FULL)

    def of_os_error(self, place: str, error: OSError) -> PreconditionError:
        """What an error of the file system means for the file."""
        why = error.strerror or str(error)
        return self.full(place, why) if error.errno in FULL_ERRNOS else self.read_only(place, why)

    def of_sqlite_error(self, place: str, error: BaseException) -> JunoSnapError:
        """What an error of the database means for the file.

        One that carries no code comes from a value that cannot be read back: the file is damaged.
        """
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        primary = code & PRIMARY_CODE
        if code in FULL_CODES:
            return self.full(place, str(error))
        if primary in READ_ONLY_CODES:
            return self.read_only(place, str(error))
        if primary in BUSY_CODES:
            return LockedError(
                f"the {self.what} {place} is being written by another process all the time",
                code=self._code(BUSY),
                hint="wait for it to end, or stop it",
            )
        return self.damaged(place, str(error))

    def _code(self, trouble: str) -> str:
        return f"{self.what}-{trouble}"


def place_of(path: Path | None) -> str:
    """How a file is called in messages."""
    return "in memory" if path is None else str(path)
