"""What an operation did, step by step, and the errors that carry it.

``to_json`` gives the documents of the command contract; scripts depend on their shape, so a change
here is a change of a public format.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, final

from juno_snap.errors import OperationError, OutcomeUnknownError, PreconditionError
from juno_snap.events import StepOutcome
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.journal.records import Leg, SnapshotNote
from juno_snap.units import NS_PER_SECOND

SCHEMA: Final = 1
"""Version of every JSON document."""

Json: TypeAlias = dict[str, object]
Evidence: TypeAlias = Mapping[str, object]
"""What a step can show for itself, ready for JSON."""

ModuleStatus: TypeAlias = Literal["running", "stopping", "stopped", "unknown"]
ReportedOutcome: TypeAlias = Literal[
    "upgraded",
    "unchanged",
    "restored",
    "taken",
    "rolled-back",
    "failed",
    "interrupted",
    "unknown",
]


def from_rfc3339(text: str) -> int:
    """The time that ``rfc3339`` wrote, in ns."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * NS_PER_SECOND + moment.microsecond * 1000


def rfc3339(at_ns: int) -> str:
    """``at_ns`` as text in UTC, to the microsecond."""
    seconds, rest_ns = divmod(at_ns, NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06}Z"


def operation_id(began_at_ns: int) -> str:
    """The name of an operation that began then, such as ``20261121-073722-123456``."""
    seconds, rest_ns = divmod(began_at_ns, NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{rest_ns // 1000:06}"


def snapshot_json(snapshot: Snapshot, note: SnapshotNote | None = None) -> Json:
    """One snapshot, as far as it is known."""
    return {
        "id": str(snapshot.id),
        "taken_at": rfc3339(snapshot.taken_at_ns),
        "total_size_bytes": snapshot.total_size_bytes,
        "label": note.label if note else None,
        "protected": note.is_protected if note else False,
    }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step that was begun."""

    name: str
    outcome: StepOutcome
    duration_ms: int
    evidence: Evidence = field(default_factory=dict)
    leg: Leg = "forward"
    """``back``: a step of the way back that an upgrade took by itself."""

    def to_json(self) -> Json:
        """An entry of ``steps``."""
        return {
            "name": self.name,
            "leg": self.leg,
            "outcome": self.outcome,
            "duration_ms": self.duration_ms,
            "evidence": dict(self.evidence),
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error of one step; an operation that failed may have two, its own and the start's."""

    step: str
    code: str
    message: str

    def to_json(self) -> Json:
        """An entry of ``errors``."""
        return {"step": self.step, "code": self.code, "message": self.message}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFacts:
    """What every operation reports."""

    operation: str
    module: Principal
    module_status: ModuleStatus
    """As certified at the end; ``unknown`` where nobody could be asked."""
    module_hash: bytes | None
    """Of the code that runs at the end, certified; none where it is not known or there is none."""
    downtime_ms: int
    """From sending the stop to the certified start, or to the end where there was none."""
    duration_ms: int
    steps: tuple[StepReport, ...]
    errors: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The members that all documents share."""
        return {
            "schema": SCHEMA,
            "operation": self.operation,
            "module": str(self.module),
            "module_status": self.module_status,
            "module_hash": hex_or_none(self.module_hash),
            "downtime_ms": self.downtime_ms,
            "duration_ms": self.duration_ms,
            "steps": [step.to_json() for step in self.steps],
            "errors": [fault.to_json() for fault in self.errors],
            "warnings": list(self.warnings),
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """What an upgrade did."""

    facts: OperationFacts
    outcome: ReportedOutcome
    old_hash: bytes | None
    new_hash: bytes
    """Of the candidate, whether or not it was installed."""
    snapshot: SnapshotId | None
    replaced: tuple[SnapshotId, ...] = ()
    """Snapshots that are gone: replaced by the new one, or deleted after verification."""
    checks: tuple[Evidence, ...] = ()
    """What came of each: ``name``, ``ok`` (none: not evaluated), ``detail``."""
    safety_snapshot: SnapshotId | None = None
    """Of what the new code had written when it was gone back on; only a person deletes it."""
    versions_passed: int | None = None
    """Changes of the module by others between the start of the new code and going back."""

    def to_json(self) -> Json:
        """The document of ``upgrade``."""
        safety = None if self.safety_snapshot is None else str(self.safety_snapshot)
        return {
            **self.facts.to_json(),
            "outcome": self.outcome,
            "old_hash": hex_or_none(self.old_hash),
            "new_hash": self.new_hash.hex(),
            "snapshot": None if self.snapshot is None else str(self.snapshot),
            "replaced": [str(gone) for gone in self.replaced],
            "checks": [dict(check) for check in self.checks],
            "safety_snapshot": safety,
            "versions_passed": self.versions_passed,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What loading a snapshot did."""

    facts: OperationFacts
    outcome: ReportedOutcome
    old_hash: bytes | None
    snapshot: SnapshotId
    """The one that was loaded."""
    safety_snapshot: SnapshotId | None
    """Of the state that was there before; only a person deletes it."""
    versions_passed: int
    """Changes of the module since the loaded snapshot was taken."""

    def to_json(self) -> Json:
        """The document of ``snapshot restore``."""
        safety = None if self.safety_snapshot is None else str(self.safety_snapshot)
        return {
            **self.facts.to_json(),
            "outcome": self.outcome,
            "old_hash": hex_or_none(self.old_hash),
            "new_hash": hex_or_none(self.facts.module_hash),
            "snapshot": str(self.snapshot),
            "safety_snapshot": safety,
            "versions_passed": self.versions_passed,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReport:
    """What taking a snapshot did."""

    facts: OperationFacts
    snapshot: Snapshot | None
    """None where it could not be taken."""
    replaced: tuple[SnapshotId, ...] = ()
    note: SnapshotNote | None = None
    """Its label and protection."""
    outcome: ReportedOutcome = "taken"

    def to_json(self) -> Json:
        """The document of ``snapshot create``."""
        taken = None if self.snapshot is None else snapshot_json(self.snapshot, self.note)
        return {
            **self.facts.to_json(),
            "outcome": self.outcome,
            "snapshot": taken,
            "replaced": [str(gone) for gone in self.replaced],
        }


Report: TypeAlias = UpgradeReport | RestoreReport | SnapshotReport


def hex_or_none(digest: bytes | None) -> str | None:
    """Lower-case hex, or none."""
    return None if digest is None else digest.hex()


@final
class OperationFailedError(OperationError):
    """An operation failed; ``report`` says what was done and how the module was left."""

    def __init__(
        self, message: str, *, step: str, runs_old_code: bool, report: Report, hint: str = ""
    ) -> None:
        super().__init__(
            message,
            operation=report.facts.operation,
            step=step,
            runs_old_code=runs_old_code,
            hint=hint,
        )
        self.report = report


@final
class OperationRefusedError(PreconditionError):
    """An operation was ended before its change: by a hook, or because somebody else is at it.

    The module runs; ``report`` says what was done and undone until then.
    """

    def __init__(self, message: str, *, code: str, report: Report, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.report = report


@final
class OperationUnknownError(OutcomeUnknownError):
    """A call of an operation has no certified outcome; ``report`` says what is known."""

    def __init__(
        self,
        message: str,
        *,
        request_id: bytes,
        expires_at_ns: int,
        report: Report,
        hint: str = "",
    ) -> None:
        super().__init__(message, request_id=request_id, expires_at_ns=expires_at_ns, hint=hint)
        self.report = report


@final
class OperationCancelledError(asyncio.CancelledError):
    """An operation was cancelled, and ended in order; ``report`` says how the module was left."""

    def __init__(self, message: str, *, report: Report) -> None:
        super().__init__(message)
        self.message = message
        self.report = report


EndedBadly: TypeAlias = (
    OperationFailedError | OperationRefusedError | OperationUnknownError | OperationCancelledError
)
ENDED_BADLY: Final = (
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
    OperationCancelledError,
)
"""Errors that carry the report of an operation."""
