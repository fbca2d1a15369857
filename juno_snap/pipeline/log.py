"""The records of one operation: written to the journal, kept here, and told to the observer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from juno_snap.clock import Clock
from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer, SteadyObserver, StepFinished, StepOutcome, StepStarted
from juno_snap.pipeline.journal.records import (
    CallRecord,
    Leg,
    SnapshotNote,
    StepRecord,
    StepState,
)
from juno_snap.pipeline.progress import ENDED_AFTER
from juno_snap.pipeline.report import StepReport
from juno_snap.units import NS_PER_MS

if TYPE_CHECKING:
    from juno_snap.pipeline.journal.store import Journal

QUIET: Final = frozenset({"wait", "settle", "resume"})
"""Written down, and told in words of their own."""

RESCUE: Final = frozenset({"start", "settle", "wait", "hook"})
"""What goes on though it cannot be written down: the start, and what sends nothing that is new."""


@final
class OperationLog:
    """What was done in one operation.

    ``observer`` is told of everything, and ends nothing where it breaks itself.
    ``broken`` is the error that ended the writing, if one did: the run goes on in memory only until
    the module is started.
    """

    def __init__(
        self,
        journal: "Journal",
        operation: str,
        records: Sequence[StepRecord],
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._journal = journal
        self._operation = operation
        self._clock = clock
        self.observer = SteadyObserver(observer)
        self.records: list[StepRecord] = list(records)
        self.broken: JunoSnapError | None = None

    def begin(
        self,
        name: str,
        leg: Leg,
        *,
        seen: Mapping[str, object] | None = None,
        calls: Sequence[CallRecord] = (),
    ) -> StepRecord:
        """Write down that a step begins; on return it is on disk.

        Raises:
            PreconditionError: It cannot be written, and the step may not do without.
        """
        at_ns = self._clock.now_ns()
        record = StepRecord(
            number=len(self.records) + 1,
            name=name,
            leg=leg,
            state="begun",
            began_at_ns=at_ns,
            seen=dict(seen or {}),
            calls=tuple(calls),
        )
        if self.broken is None:
            try:
                record = self._journal.begin_step(
                    self._operation,
                    name=name,
                    leg=leg,
                    at_ns=at_ns,
                    seen=record.seen,
                    calls=record.calls,
                )
            except JunoSnapError as error:
                self.broken = error
        is_refused = self.broken is not None and name not in RESCUE
        if is_refused:
            record = replace(record, calls=())  # they will not be sent
        self.records.append(record)
        if name not in QUIET:
            self.observer(StepStarted(step=name))
        if self.broken is not None and is_refused:
            raise self.broken
        return record

    def add_call(self, number: int, call: CallRecord) -> None:
        """Write down a further call of a step that was begun, before it is sent.

        Raises:
            PreconditionError: It cannot be written.
        """
        if self.broken is None:
            try:
                self._journal.add_calls(self._operation, number, [call])
            except JunoSnapError as error:
                self.broken = error
        if self.broken is not None:
            raise self.broken
        record = self.of(number)
        self._keep(replace(record, calls=(*record.calls, call)))

    def change_call(self, number: int, call: CallRecord) -> None:
        """Write down what became of one of several calls of a step."""
        record = self.of(number)
        call = _without_body(call)
        calls = (call if old.request_id == call.request_id else old for old in record.calls)
        self._keep(replace(record, calls=tuple(calls)))
        if self.broken is None:
            try:
                self._journal.add_calls(self._operation, number, [call])
            except JunoSnapError as error:
                self.broken = error

    def end(
        self,
        number: int,
        state: StepState,
        evidence: Mapping[str, object],
        *,
        calls: Sequence[CallRecord] = (),
        notes: Sequence[SnapshotNote] = (),
    ) -> StepRecord:
        """Write down how a step ended; ``calls`` are those whose state has changed.

        It may be said again, when the outcome of its call is known later.
        """
        before = self.of(number)
        at_ns = self._clock.now_ns()
        if before.name == "stop" and len(self.records) > number:
            evidence = {**evidence, ENDED_AFTER: len(self.records)}
        changed = {call.request_id: _without_body(call) for call in calls}
        record = replace(
            before,
            state=state,
            ended_at_ns=at_ns,
            evidence=dict(evidence),
            calls=tuple(changed.get(call.request_id, call) for call in before.calls),
        )
        self._keep(record)
        if self.broken is None:
            try:
                self._journal.end_step(
                    self._operation,
                    number,
                    state=state,
                    at_ns=at_ns,
                    evidence=record.evidence,
                    calls=list(changed.values()),
                    notes=notes,
                )
            except JunoSnapError as error:
                self.broken = error
        if before.name not in QUIET and before.state == "begun":
            self._tell(record)
        return record

    def of(self, number: int) -> StepRecord:
        """The record of that number."""
        return self.records[number - 1]

    def _keep(self, record: StepRecord) -> None:
        self.records[record.number - 1] = record

    def _tell(self, record: StepRecord) -> None:
        outcome: StepOutcome = "unknown" if record.state == "begun" else record.state
        self.observer(
            StepFinished(
                step=record.name,
                outcome=outcome,
                duration_ms=duration_ms(record),
                detail=str(record.evidence.get("message") or record.evidence.get("reason") or ""),
            )
        )


def first_record(step: StepReport, began_at_ns: int) -> StepRecord:
    """The record of a step that was taken and told before its operation began."""
    return StepRecord(
        number=1,
        name=step.name,
        leg="forward",
        state=step.outcome,
        began_at_ns=began_at_ns,
        ended_at_ns=began_at_ns + step.duration_ms * NS_PER_MS,
        evidence=step.evidence,
    )


def duration_ms(record: StepRecord) -> int:
    """How long a step took, 0 while it has not ended."""
    if record.ended_at_ns is None:
        return 0
    return max(0, record.ended_at_ns - record.began_at_ns) // NS_PER_MS


def _without_body(call: CallRecord) -> CallRecord:
    return call if call.state == "open" else replace(call, body=None)
