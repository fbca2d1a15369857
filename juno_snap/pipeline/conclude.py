"""How an operation ended: its report, made of its records, and the error that carries it."""

from collections.abc import Iterator, Sequence
from typing import Final, final

from juno_snap.errors import JunoSnapError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.actions import GOOD, Finish
from juno_snap.pipeline.journal.records import SnapshotNote, StepRecord
from juno_snap.pipeline.log import duration_ms
from juno_snap.pipeline.next_action import DISTURBED, is_temporary
from juno_snap.pipeline.program import InstallChange, LoadChange, Program
from juno_snap.pipeline.progress import (
    BAD,
    NOT_EVALUATED,
    RESTORES,
    SAVES,
    Progress,
    certified_at_ns,
    error_of_step,
    open_call,
)
from juno_snap.pipeline.report import (
    Evidence,
    Fault,
    ModuleStatus,
    OperationCancelledError,
    OperationFacts,
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
    Report,
    ReportedOutcome,
    RestoreReport,
    SnapshotReport,
    StepReport,
    UpgradeReport,
    from_rfc3339,
)
from juno_snap.units import NS_PER_MS

TEMPORARY_HINT: Final = (
    "the network limits how often and how much it changes; wait some minutes and try again"
)


@final
class Conclusion:
    """One operation that has come to an end, or as far as it could."""

    def __init__(
        self,
        operation: str,
        program: Program,
        records: Sequence[StepRecord],
        finish: Finish,
        *,
        warnings: Sequence[str] = (),
    ) -> None:
        self._operation = operation
        self._program = program
        self._progress = Progress(program=program, records=records)
        self._finish = finish
        self._warnings = (*warnings, *self._own_warnings())
        self._status: ModuleStatus = "unknown"
        self._hash: bytes | None = None

    async def inspect(self, client: ManagementClient) -> None:
        """See how the module was left; what cannot be read stays unknown, nothing is raised."""
        self._status = self._expected_status
        if self._progress.owes_start or self._progress.unsettled is not None:
            self._status = await _read_status(client, self._program.module)
        last = self._progress.records[-1] if self._progress.records else None
        read = last.evidence.get("module_hash") if last and last.name == "verify" else None
        if read is not None:  # by the step that has just ended
            self._hash = bytes.fromhex(str(read))
            return
        after_ns = max((certified_at_ns(r) or 0 for r in self._progress.records), default=0)
        try:
            info = await client.canister_info(self._program.module, not_before_ns=after_ns)
        except JunoSnapError:
            return
        self._hash = info.module_hash

    @property
    def runs_old_code(self) -> bool:
        """Whether the module is known to be as it was before, code and data."""
        before = self._program.before
        is_as_before = self._hash is not None and self._hash == before.module_hash
        is_back = self._finish.outcome == "rolled-back" or not self._progress.is_changed
        is_settled = self._progress.unsettled is None
        return is_as_before and is_back and is_settled and self._status == self._expected_status

    def report(self) -> Report:
        """What was done."""
        match self._program.kind:
            case "upgrade":
                return self._upgrade_report()
            case "snapshot":
                return self._snapshot_report()
            case "restore" | "rollback":
                return self._restore_report()

    @property
    def _outcome(self) -> ReportedOutcome:
        return "failed" if self._finish.outcome == "refused" else self._finish.outcome

    def error(self, *, was_asked_back: bool = False) -> BaseException | None:
        """The error that the operation ends with; none where it is what was wanted."""
        outcome = self._finish.outcome
        if outcome in GOOD or (outcome == "rolled-back" and was_asked_back):
            return None
        report, failed = self.report(), self._finish.failed
        message, hint = self._message(), self._hint()
        if outcome == "interrupted":
            return OperationCancelledError(f"{message}; {hint}" if hint else message, report=report)
        if outcome == "refused":
            code = error_of_step(failed) if failed else DISTURBED
            return OperationRefusedError(message, code=code, report=report, hint=hint)
        if outcome == "unknown":
            call = open_call(failed) if failed else None
            return OperationUnknownError(
                message,
                request_id=call.request_id if call else b"",
                expires_at_ns=call.expires_at_ns if call else 0,
                report=report,
                hint=hint,
            )
        return OperationFailedError(
            message,
            step=failed.name if failed else "",
            runs_old_code=self.runs_old_code,
            report=report,
            hint=hint,
        )

    def _message(self) -> str:
        kind, failed = self._program.kind, self._finish.failed
        left = f"the module is {self._status}"
        if self.runs_old_code:
            left += " with the code and data it had"
        if self._finish.outcome == "interrupted":
            return f"the {kind} was cancelled; {left}"
        why = str(failed.evidence.get("message", "it did not end well")) if failed else ""
        why = why or "; ".join(self._warnings[:1])
        step = failed.name if failed else ""
        match self._finish.outcome:
            case "failed" if failed is None:
                text = f"the {kind} failed: {why}; {left}"
            case "rolled-back":
                is_bad = failed is not None and error_of_step(failed) == BAD
                reason = f", since a check was bad: {why}" if is_bad else ""
                text = f"the {kind} was gone back on{reason}; {left}"
            case "refused":
                text = f"the {kind} was ended before anything was installed: {why}; {left}"
            case "unknown" if failed and error_of_step(failed) == NOT_EVALUATED:
                text = f"the {kind} could not be judged in step {step}: {why}; {left}"
            case "unknown":
                text = f"the {kind} has an unknown outcome in step {step}: {why}; {left}"
            case _:
                text = f"the {kind} failed in step {step}: {why}; {left}"
        start = self._last_start_failure()
        if start is not None and start is not failed:
            text += f"; the start failed too: {start.evidence.get('message', '')}"
        return text

    def _hint(self) -> str:
        resume = f"juno-snap resume {self._operation}"
        failed, outcome = self._finish.failed, self._finish.outcome
        if not self._finish.closes:
            start = f", or start the module with: juno-snap module start --module {self._module}"
            return f"go on with: {resume}" + (start if self._progress.owes_start else "")
        if outcome == "interrupted":
            taken = self._saved("snapshot") if self._program.kind == "snapshot" else None
            if taken is not None:
                return f"snapshot {taken.evidence.get('id')} was taken before that"
            return "nothing is left to undo: run it again"
        if outcome == "rolled-back":
            hint = "mend the new code, and try it again"
            has_safety = self._saved("safety-snapshot") is not None
            return hint + ("; what it wrote is in the safety snapshot" if has_safety else "")
        if self._progress.is_changed and self._program.kind == "upgrade":
            has_snapshot = self._saved("snapshot") is not None
            way = f"go back with: juno-snap rollback {self._operation}"
            way = way if has_snapshot else "there is no way back"
            return f"the new code runs; {way}{self._saved_configuration}"
        return self._hint_of_failure(failed)

    @property
    def _saved_configuration(self) -> str:
        """Where that of a reset is that was not set again."""
        failed = self._finish.failed
        file = None if failed is None or failed.name != RESTORES else failed.evidence.get("file")
        if file is None:
            return ""
        return (
            f'; what was saved is in {file}, and the calls that set it are under "set": '
            f"juno-snap module call METHOD ARGUMENT --module {self._module}"
        )

    @staticmethod
    def _hint_of_failure(failed: StepRecord | None) -> str:
        """What to do where nothing was changed."""
        if failed is None or is_temporary(failed):
            return "" if failed is None else TEMPORARY_HINT
        return str(failed.evidence.get("hint", ""))

    @property
    def _module(self) -> str:
        return str(self._program.module)

    @property
    def _expected_status(self) -> ModuleStatus:
        program = self._program
        started = self._progress.stop_was_sent if program.sends_stop else self._progress.is_changed
        if program.sends_start and started:
            return "running"
        if program.sends_stop and self._progress.stop_was_sent:
            return "stopped"
        return program.before.status

    def _last_start_failure(self) -> StepRecord | None:
        starts = list(self._progress.starts)
        return starts[-1] if starts and starts[-1].state in {"failed", "unknown"} else None

    def _facts(self) -> OperationFacts:
        records = self._progress.records
        began_ns = min((r.began_at_ns for r in records), default=0)
        ended_ns = max((r.ended_at_ns or r.began_at_ns for r in records), default=began_ns)
        return OperationFacts(
            operation=self._operation,
            module=self._program.module,
            module_status=self._status,
            module_hash=self._hash,
            downtime_ms=downtime_ms(records),
            duration_ms=(ended_ns - began_ns) // NS_PER_MS,
            steps=tuple(step_report(record) for record in records),
            errors=() if self._finish.outcome in GOOD else tuple(self._faults()),
            warnings=self._warnings,
        )

    def _faults(self) -> Iterator[Fault]:
        for record in self._progress.records:
            if record.name in {"tidy", "settle"} or record.state not in {"failed", "unknown"}:
                continue
            message = str(record.evidence.get("message", ""))
            yield Fault(step=record.name, code=error_of_step(record), message=message)

    def _own_warnings(self) -> Iterator[str]:
        program = self._program
        if program.kind == "upgrade" and program.save is None:
            yield "no snapshot was taken: this run has no way back"
        for record in self._progress.records:
            message = str(record.evidence.get("message", ""))
            if record.name == "tidy" and record.state == "failed":
                yield message
            if record.name in SAVES and record.state == "failed" and self._went_on(record):
                yield f"the state before was not saved: {message}"
            if record.name == "hook" and record.state == "failed":
                yield message

    def _went_on(self, record: StepRecord) -> bool:
        later = self._progress.records[record.number :]
        return any(each.name in {"load", "install"} for each in later)

    def _saved(self, name: str) -> StepRecord | None:
        done = (r for r in self._progress.records if r.name == name and r.state == "done")
        return next(reversed(list(done)), None)

    def _replaced(self) -> tuple[SnapshotId, ...]:
        """What is gone of what was there before."""
        gone: list[str] = []
        for record in self._progress.records:
            if record.state != "done" and record.name != "tidy":
                continue
            if record.name in SAVES and record.evidence.get("replaced"):
                gone.append(str(record.evidence["replaced"]))
            deleted = record.evidence.get("deleted")
            if isinstance(deleted, Sequence):
                gone += map(str, deleted)
        before = set(map(str, self._program.before.snapshots))
        return tuple(SnapshotId.parse(each) for each in dict.fromkeys(gone) if each in before)

    def _upgrade_report(self) -> UpgradeReport:
        change = self._program.change
        check = self._progress.last("check", "forward", in_round=False)
        checks = check.evidence.get("checks") if check else None
        went_back = self._progress.leg == "back"
        return UpgradeReport(
            facts=self._facts(),
            outcome=self._outcome,
            old_hash=self._program.before.module_hash,
            new_hash=change.wasm_sha256 if isinstance(change, InstallChange) else b"",
            snapshot=_id(self._saved("snapshot")),
            replaced=self._replaced(),
            checks=tuple(checks) if isinstance(checks, Sequence) else (),
            safety_snapshot=_id(self._saved("safety-snapshot")),
            versions_passed=self._progress.foreign_versions if went_back else None,
        )

    def _restore_report(self) -> RestoreReport:
        change = self._program.change
        loaded = change.snapshot if isinstance(change, LoadChange) else SnapshotId(b"")
        return RestoreReport(
            facts=self._facts(),
            outcome=self._outcome,
            old_hash=self._program.before.module_hash,
            snapshot=loaded,
            safety_snapshot=_id(self._saved("safety-snapshot")),
            versions_passed=self._program.versions_passed,
        )

    def _snapshot_report(self) -> SnapshotReport:
        record, save = self._saved("snapshot"), self._program.save
        taken = note = None
        if record is not None and save is not None:
            taken = _snapshot(record)
            note = SnapshotNote(id=taken.id, label=save.label, is_protected=save.is_protected)
        return SnapshotReport(
            facts=self._facts(),
            outcome=self._outcome,
            snapshot=taken,
            note=note,
            replaced=self._replaced(),
        )


async def _read_status(client: ManagementClient, module: Principal) -> ModuleStatus:
    try:
        return (await client.canister_status(module)).status
    except JunoSnapError:
        return "unknown"


def step_report(record: StepRecord) -> StepReport:
    """A record as it is reported; one that has not ended is unknown."""
    evidence = record.evidence or ({"error": "not awaited"} if record.state == "begun" else {})
    return StepReport(
        name=record.name,
        leg=record.leg,
        outcome="unknown" if record.state == "begun" else record.state,
        duration_ms=duration_ms(record),
        evidence=evidence,
    )


def downtime_ms(records: Sequence[StepRecord]) -> int:
    """Time from sending each stop to the certified start after it, or to the last record."""
    total_ns, stopped_ns = 0, 0
    for record in records:
        ended_ns = record.ended_at_ns or record.began_at_ns
        if record.name == "stop" and record.calls and not stopped_ns:
            stopped_ns = record.began_at_ns
        if record.name == "start" and record.state == "done" and stopped_ns:
            total_ns += ended_ns - stopped_ns
            stopped_ns = 0
    if stopped_ns:
        total_ns += max(r.ended_at_ns or r.began_at_ns for r in records) - stopped_ns
    return max(0, total_ns) // NS_PER_MS


def _id(record: StepRecord | None) -> SnapshotId | None:
    return None if record is None else SnapshotId.parse(str(record.evidence["id"]))


def _snapshot(record: StepRecord) -> Snapshot:
    evidence: Evidence = record.evidence
    return Snapshot(
        id=SnapshotId.parse(str(evidence["id"])),
        taken_at_ns=from_rfc3339(str(evidence["taken_at"])),
        total_size_bytes=int(str(evidence["total_size_bytes"])),
    )
