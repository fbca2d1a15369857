"""Every error has its exit code."""

import importlib
import pkgutil

import pytest

import juno_snap
from juno_snap.cli.exit_codes import (
    CLASSES,
    MEANINGS,
    CancelledByPersonError,
    ExitCode,
    exit_code_of,
    help_epilog,
)
from juno_snap.cli.output import ResultLostError
from juno_snap.errors import (
    BackupError,
    ConfigError,
    DecodeError,
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


def rejected(error_code: str) -> RejectedError:
    return RejectedError("no", reject_code=3, error_code=error_code, certified=True)


def failed(*, runs_old_code: bool) -> OperationError:
    return OperationError("no", operation="1", step="install", runs_old_code=runs_old_code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JunoSnapError("x"), 1),
        (InputError("x"), 2),
        (LockedError("x"), 3),
        (NotFoundError("x"), 4),
        (PreconditionError("x"), 5),
        (ConfigError("x"), 10),
        (IdentityError("x"), 12),
        (TrustError("x"), 13),
        (BackupError("x", path="p"), 14),
        (TransportError("x", url="u"), 1),
        (DecodeError("x"), 1),
        (rejected("IC0503"), 1),
        (rejected("IC0301"), 4),
        (rejected("IC0305"), 4),
        (rejected("IC0512"), 5),
        (failed(runs_old_code=True), 15),
        (failed(runs_old_code=False), 16),
        (OutcomeUnknownError("x", request_id=b"", expires_at_ns=0), 17),
        (CancelledByPersonError("x"), 130),
        (ResultLostError(OSError(28, "no space")), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_has_its_documented_code(error, code):
    assert exit_code_of(error) == code


def test_no_class_of_errors_was_forgotten():
    for found in pkgutil.walk_packages(juno_snap.__path__, "juno_snap."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)

    def derived(kind):
        for each in kind.__subclasses__():
            yield each
            yield from derived(each)

    direct = {kind for kind in derived(JunoSnapError) if JunoSnapError in kind.__bases__}
    assert direct <= set(CLASSES)
    for kind in derived(JunoSnapError):
        assert any(base in CLASSES for base in kind.__mro__ if base is not JunoSnapError), kind


def test_every_code_has_a_meaning_and_stands_in_the_help():
    assert set(MEANINGS) == set(ExitCode)
    lines = help_epilog().splitlines()
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in lines
