"""As which error an operation ends that did not go well."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

from juno_snap.clock import Clock
from juno_snap.errors import JunoSnapError, OutcomeUnknownError
from juno_snap.pipeline import codes
from juno_snap.pipeline.downtime import CALL_TTL_SECONDS, Ending
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationUnknownError,
    Report,
)
from juno_snap.pipeline.runner import leaves_outcome_unknown
from juno_snap.units import NS_PER_SECOND

T = TypeVar("T")

TEMPORARY_HINT: Final = (
    "the network limits how often and how much it changes; wait some minutes and try again"
)


def bad_outcome(ending: Ending) -> Literal["interrupted", "unknown", "failed"]:
    """The word for an ending that is not good."""
    if ending.is_interrupted:
        return "interrupted"
    errors = (ending.failure, ending.start_failure)
    if any(error is not None and leaves_outcome_unknown(error) for error in errors):
        return "unknown"
    return "failed"


async def reporting_cancellation(what: str, work: Awaitable[T], report: Callable[[], Report]) -> T:
    """Await ``work``; where it is cancelled, say so with a report of what it did.

    Raises:
        OperationCancelledError: In place of a bare cancellation.
    """
    try:
        return await work
    except OperationCancelledError:
        raise
    except asyncio.CancelledError as error:
        raise OperationCancelledError(f"the {what} was cancelled", report=report()) from error


def error_of(
    what: str, ending: Ending, report: Report, *, runs_old_code: bool, clock: Clock
) -> BaseException:
    """The error that ``what`` ("upgrade") ends with; both of its own errors are in its text."""
    left = f"the module is {report.facts.module_status}"
    if runs_old_code:
        left += " with the code and data it had"
    outcome = bad_outcome(ending)
    if outcome == "interrupted":
        return OperationCancelledError(f"the {what} was cancelled; {left}", report=report)
    first = ending.failure or ending.start_failure
    step = ending.failed_step or "start"
    verb = "has an unknown outcome" if outcome == "unknown" else "failed"
    message = f"the {what} {verb} in step {step}: {first}; {left}"
    if ending.failure is not None and ending.start_failure is not None:
        message += f"; the start failed too: {ending.start_failure}"
    if outcome == "unknown":
        known = first if isinstance(first, OutcomeUnknownError) else None
        expires_at_ns = clock.now_ns() + CALL_TTL_SECONDS * NS_PER_SECOND
        return OperationUnknownError(
            message,
            request_id=known.request_id if known else b"",
            expires_at_ns=known.expires_at_ns if known else expires_at_ns,
            report=report,
            hint="look at the module with juno-snap status once that call has expired",
        )
    return OperationFailedError(
        message, step=step, runs_old_code=runs_old_code, report=report, hint=_hint(ending, report)
    )


def _hint(ending: Ending, report: Report) -> str:
    if ending.start_failure is not None:
        return f"start the module with: juno-snap module start --module {report.facts.module}"
    if ending.failure is not None and codes.is_temporary(ending.failure):
        return TEMPORARY_HINT
    return ending.failure.hint if isinstance(ending.failure, JunoSnapError) else ""
