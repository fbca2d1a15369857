"""Runs the steps of an operation one after another and tells an observer of each.

This is the one place where a step begins and ends: what has to be written down before a step, and
what after it, belongs here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.clock import Clock
from juno_snap.errors import (
    DecodeError,
    JunoSnapError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.events import Observer, StepFinished, StepOutcome, StepStarted
from juno_snap.pipeline.report import Evidence, StepReport
from juno_snap.units import NS_PER_MS

CLOCK_SKEW: Final = "clock-skew"
"""Code of the one trust error after which a call is known not to run; see ``Agent.submit``."""

Action: TypeAlias = Callable[[], Awaitable[Evidence]]


def leaves_outcome_unknown(error: BaseException) -> bool:
    """Whether a call that ended with ``error`` may still have been, or be, carried out.

    Only a certified reject is an outcome. An uncertified one is one node's claim, and an answer
    that cannot be trusted or read says nothing about the call.
    """
    match error:
        case RejectedError():
            return not error.certified
        case TransportError():
            return error.maybe_delivered
        case TrustError():
            return error.code != CLOCK_SKEW
        case OutcomeUnknownError() | DecodeError():
            return True
        case JunoSnapError():
            return False
        case _:
            return True


class HaltedError(Exception):
    """The operation takes no further step."""


@dataclass(slots=True, kw_only=True)
class _Record:
    """A step that was begun; ``report`` follows when it ends."""

    name: str
    began_ns: int
    report: StepReport | None = None


@final
class Steps:
    """The steps of one operation."""

    def __init__(
        self, *, clock: Clock, observer: Observer, before: tuple[StepReport, ...] = ()
    ) -> None:
        self.clock = clock
        self.observer = observer
        self._before = before
        self._records: list[_Record] = []
        self._began_ns = clock.monotonic_ns()
        self._is_halted = False

    @property
    def current(self) -> str:
        """Name of the step that was begun last, empty before the first."""
        return self._records[-1].name if self._records else ""

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """The steps so far in the order of their beginnings; one that has not ended is unknown."""
        return (*self._before, *(record.report or self._open(record) for record in self._records))

    @property
    def duration_ms(self) -> int:
        """Time since the operation began, what was done before it included."""
        before_ms = sum(report.duration_ms for report in self._before)
        return before_ms + self._since_ms(self._began_ns)

    def halt(self) -> None:
        """Begin no further step; one that has begun goes on."""
        self._is_halted = True

    async def run(self, name: str, action: Action, *, is_rescue: bool = False) -> Evidence:
        """Run one step and give back its evidence; its failure is recorded and raised on.

        Raises:
            HaltedError: ``halt`` was called and the step is no ``is_rescue``; nothing was done.
        """
        if self._is_halted and not is_rescue:
            raise HaltedError(name)
        record = self._begin(name)
        try:
            evidence = await action()
        except BaseException as error:
            is_unknown = leaves_outcome_unknown(error)
            code = error.code if isinstance(error, JunoSnapError) else type(error).__name__
            problem = {"error": code, "message": str(error)}
            self._end(record, "unknown" if is_unknown else "failed", problem)
            raise
        self._end(record, "done", evidence)
        return evidence

    def skip(self, name: str, reason: str) -> None:
        """Record a step that is not taken."""
        self._end(self._begin(name), "skipped", {"reason": reason})

    def _begin(self, name: str) -> _Record:
        record = _Record(name=name, began_ns=self.clock.monotonic_ns())
        self._records.append(record)
        self.observer(StepStarted(step=name))
        return record

    def _end(self, record: _Record, outcome: StepOutcome, evidence: Evidence) -> None:
        duration_ms = self._since_ms(record.began_ns)
        record.report = StepReport(
            name=record.name, outcome=outcome, duration_ms=duration_ms, evidence=evidence
        )
        detail = str(evidence.get("message") or evidence.get("reason") or "")
        self.observer(
            StepFinished(step=record.name, outcome=outcome, duration_ms=duration_ms, detail=detail)
        )

    def _open(self, record: _Record) -> StepReport:
        return StepReport(
            name=record.name,
            outcome="unknown",
            duration_ms=self._since_ms(record.began_ns),
            evidence={"error": "not awaited"},
        )

    def _since_ms(self, began_ns: int) -> int:
        return (self.clock.monotonic_ns() - began_ns) // NS_PER_MS
