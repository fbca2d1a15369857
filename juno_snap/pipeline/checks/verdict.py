"""What one attempt at a check says: pure."""

import json
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from juno_snap.errors import RejectedError
from juno_snap.management.candid_check import (
    Comparison,
    Expectation,
    ModuleInterface,
    compare_reply,
)
from juno_snap.pipeline import codes
from juno_snap.processes import CommandResult, printable

AttemptOutcome: TypeAlias = Literal["ok", "bad", "doubtful", "unknown"]
"""``doubtful``: one node says that it is bad, or nothing was asked because only an update call can
tell. ``unknown``: this attempt says nothing about the module."""

DETAIL_MAX_CHARS: Final = 500

EXIT_NOT_EVALUATED: Final = 75
"""``EX_TEMPFAIL`` of sysexits.h: the command could not tell."""

EXITS_OF_NO_COMMAND: Final = frozenset({126, 127})
"""A shell, ``env`` or the like could not run what the check meant.

Source: POSIX, "Shell Command Language", 2.8.2.
"""

CANISTER_REJECT: Final = 4
"""Reject code: the module refused by itself. Source: interface specification, "Reject codes"."""

FAULTS_OF_THE_CODE: Final = frozenset(
    {
        codes.TRAPPED,
        codes.CALLED_TRAP,
        codes.CONTRACT_VIOLATION,
        codes.DID_NOT_REPLY,
        codes.OUT_OF_MEMORY,
        codes.FUNCTION_NOT_FOUND,
        codes.INSTRUCTION_LIMIT,
        codes.MEMORY_ACCESS_LIMIT,
        codes.METHOD_NOT_FOUND,
        codes.WASM_MEMORY_LIMIT,
    }
)
"""Rejects that the module's own code is the cause of. Every other one leaves open whether the code
is good: the module is stopped, frozen or gone, or the network is short of something."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt says."""

    outcome: AttemptOutcome
    detail: str
    is_final: bool = False
    """Waiting cannot change it."""
    is_urgent: bool = False
    """Of a doubtful one: only an update call can tell more."""


def attempt(
    outcome: AttemptOutcome, detail: str, *, is_final: bool = False, is_urgent: bool = False
) -> Attempt:
    """An attempt whose detail can be shown: without what steers a terminal, and not too long."""
    shown = printable(detail)
    if len(shown) > DETAIL_MAX_CHARS:
        shown = f"{shown[: DETAIL_MAX_CHARS - 3]}..."
    return Attempt(outcome=outcome, detail=shown, is_final=is_final, is_urgent=is_urgent)


def of_query(data: bytes, wanted: Expectation, interface: ModuleInterface | None) -> Attempt:
    """What a query's reply says: one node's word."""
    compared = compare_reply(data, wanted, interface=interface)
    return attempt("ok" if compared.is_equal else "doubtful", _said(compared, wanted))


def of_call(data: bytes, wanted: Expectation, interface: ModuleInterface | None) -> Attempt:
    """What the certified reply of a call says."""
    compared = compare_reply(data, wanted, interface=interface)
    return attempt("ok" if compared.is_equal else "bad", _said(compared, wanted))


def of_query_reject(error: RejectedError) -> Attempt:
    """What a node's reject of a query says. A method that is no query may be an update method."""
    is_urgent = error.error_code == codes.METHOD_NOT_FOUND
    return attempt("doubtful", error.message, is_urgent=is_urgent)


def of_call_reject(error: RejectedError) -> Attempt:
    """What a reject of a call says: bad only where it is certified and the code is the cause."""
    is_own_refusal = error.reject_code == CANISTER_REJECT and error.error_code in {
        "",
        codes.REJECTED_BY_CANISTER,
    }
    if error.certified and (is_own_refusal or error.error_code in FAULTS_OF_THE_CODE):
        is_final = error.error_code == codes.METHOD_NOT_FOUND
        return attempt("bad", error.message, is_final=is_final)
    return attempt("unknown", error.message)


def of_package(content: bytes | None, expected: str) -> Attempt | None:
    """What Juno's certified metadata says of the version; none where it does not say it."""
    try:
        package = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    version = package.get("version") if isinstance(package, dict) else None
    if not isinstance(version, str):
        return None
    outcome: AttemptOutcome = "ok" if version.removeprefix("v") == expected else "bad"
    return attempt(outcome, f"the module is of version {version}", is_final=True)


def of_command(result: CommandResult) -> Attempt:
    """What a command says: by its exit code, and the last line that it wrote."""
    lines = result.output.strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    if result.exit_code is None:
        return attempt("unknown", f"{result.problem}{last}")
    outcome: AttemptOutcome = "bad"
    if result.exit_code == 0:
        outcome = "ok"
    elif result.exit_code == EXIT_NOT_EVALUATED or result.exit_code in EXITS_OF_NO_COMMAND:
        outcome = "unknown"
    return attempt(outcome, f"exit code {result.exit_code}{last}")


def _said(compared: Comparison, wanted: Expectation) -> str:
    said = f"replied {compared.actual}"
    if compared.is_equal:
        return said
    # The end of a long reply is cut off, what was expected is not.
    room = max(DETAIL_MAX_CHARS - len(wanted.expected) - len(", expected "), DETAIL_MAX_CHARS // 2)
    shown = said if len(said) <= room else f"{said[: room - 3]}..."
    return f"{shown}, expected {wanted.expected}"
