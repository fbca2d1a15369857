"""Exit codes: public, in one table, from the class of an error to a number."""

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar, Final, final

from juno_snap.cli.output import ResultLostError
from juno_snap.errors import (
    BackupError,
    ConfigError,
    DecodeError,
    FlowError,
    IdentityError,
    InputError,
    JunoSnapError,
    LockedError,
    NotFoundError,
    OperationError,
    OutcomeUnknownError,
    PreconditionError,
    RejectedError,
    TransportError,
    TrustError,
)


class ExitCode(IntEnum):
    """What the program says to whoever started it."""

    DONE = 0
    OTHER = 1
    USAGE = 2
    LOCKED = 3
    NOT_FOUND = 4
    REFUSED = 5
    CONFIGURATION = 10
    IDENTITY = 12
    TRUST = 13
    BACKUP = 14
    RUNS_OLD_CODE = 15
    FAILED = 16
    UNKNOWN = 17
    CANCELLED = 130


MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: "done",
    ExitCode.OTHER: "another error, a network that does not answer or refuses among them",
    ExitCode.USAGE: "wrong usage or malformed input",
    ExitCode.LOCKED: "already running: somebody else holds the lock",
    ExitCode.NOT_FOUND: "the module, snapshot or file does not exist",
    ExitCode.REFUSED: (
        "refused: a check, a precondition, a question without a terminal, an unfinished operation"
    ),
    ExitCode.CONFIGURATION: "configuration",
    ExitCode.IDENTITY: "identity: no usable key, or one that may not do this",
    ExitCode.TRUST: "an answer of the network cannot be trusted",
    ExitCode.BACKUP: "a backup cannot be used, or not be written",
    ExitCode.RUNS_OLD_CODE: "failed; the module runs its old code and data",
    ExitCode.FAILED: "failed, anything else; the hint says what to do",
    ExitCode.UNKNOWN: "the outcome is not known, or not evaluated; run: juno-snap resume",
    ExitCode.CANCELLED: "cancelled; a stopped module was told to start",
}


@final
class CancelledByPersonError(JunoSnapError):
    """A person or a system ended the command; what it had stopped has been told to start."""

    default_code: ClassVar[str] = "cancelled"
    default_hint: ClassVar[str] = "run the command again; juno-snap status shows how things stand"


CLASSES: Final[Mapping[type[JunoSnapError], ExitCode]] = {
    JunoSnapError: ExitCode.OTHER,
    InputError: ExitCode.USAGE,
    ConfigError: ExitCode.CONFIGURATION,
    IdentityError: ExitCode.IDENTITY,
    LockedError: ExitCode.LOCKED,
    NotFoundError: ExitCode.NOT_FOUND,
    PreconditionError: ExitCode.REFUSED,
    TransportError: ExitCode.OTHER,
    DecodeError: ExitCode.OTHER,
    TrustError: ExitCode.TRUST,
    RejectedError: ExitCode.OTHER,
    OutcomeUnknownError: ExitCode.UNKNOWN,
    BackupError: ExitCode.BACKUP,
    OperationError: ExitCode.FAILED,
    FlowError: ExitCode.FAILED,
    CancelledByPersonError: ExitCode.CANCELLED,
    ResultLostError: ExitCode.OTHER,
}
"""The nearest class counts: a class that is not here has the code of the one it is derived from."""

REJECTS: Final[Mapping[str, ExitCode]] = {
    "IC0301": ExitCode.NOT_FOUND,  # the canister does not exist
    "IC0305": ExitCode.NOT_FOUND,  # the snapshot does not exist
    "IC0512": ExitCode.REFUSED,  # the caller is no controller
    "IC0542": ExitCode.REFUSED,  # the caller may not read the status
}
"""Rejects with a code of their own. Source: dfinity/ic, ``rs/types/error_types``."""


def exit_code_of(error: JunoSnapError) -> ExitCode:
    """The code that tells of ``error``."""
    if isinstance(error, OperationError) and error.runs_old_code:
        return ExitCode.RUNS_OLD_CODE
    if isinstance(error, RejectedError) and error.error_code in REJECTS:
        return REJECTS[error.error_code]
    known = (kind for kind in type(error).__mro__ if kind in CLASSES)
    return CLASSES[next(known)]


def help_epilog() -> str:
    """The table for the end of ``--help``."""
    lines = (f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
    return "\n".join(["Exit codes:", *lines])
