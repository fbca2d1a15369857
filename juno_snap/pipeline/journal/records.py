"""What the journal holds, as values: operations, their steps, the calls of a step, snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from juno_snap.agent.submission import PreparedCall
from juno_snap.ids import Principal, RequestId, SnapshotId

OperationKind: TypeAlias = Literal["upgrade", "restore", "rollback", "snapshot"]
Leg: TypeAlias = Literal["forward", "back"]
"""``back``: the automatic way back of an upgrade whose new code is bad."""

StepState: TypeAlias = Literal["begun", "done", "failed", "unknown", "skipped"]
"""``begun`` without an end: the process died, or still runs. ``unknown``: a call of the step has no
certified outcome yet."""

CallState: TypeAlias = Literal["open", "replied", "rejected", "not-executed", "settled"]
"""``open``: no certified outcome is known. ``settled``: its own outcome was lost, the module's
state showed what became of it."""

SnapshotPurpose: TypeAlias = Literal["upgrade", "safety", "user", "rehearsal", "upload", "backup"]
"""``backup``: taken for one, and no directory is begun for it yet."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A signed call; it is on disk before its bytes leave."""

    request_id: RequestId
    canister_id: Principal
    effective_canister_id: Principal
    method: str
    expires_at_ns: int
    signed_after_ns: int
    state: CallState = "open"
    certified_at_ns: int | None = None
    body: bytes | None = field(default=None, repr=False)
    """The signed envelope, removed with the outcome: whoever has it can make the call."""

    @classmethod
    def of(cls, prepared: PreparedCall) -> "CallRecord":
        """The record of a call that is about to be sent."""
        return cls(
            request_id=prepared.request_id,
            canister_id=prepared.canister_id,
            effective_canister_id=prepared.effective_canister_id,
            method=prepared.method,
            expires_at_ns=prepared.expires_at_ns,
            signed_after_ns=prepared.signed_after_ns,
            body=prepared.body,
        )

    def prepared(self) -> PreparedCall | None:
        """The call, to be sent again; none once its envelope was removed."""
        if self.body is None:
            return None
        return PreparedCall(
            request_id=self.request_id,
            canister_id=self.canister_id,
            effective_canister_id=self.effective_canister_id,
            method=self.method,
            expires_at_ns=self.expires_at_ns,
            body=self.body,
            signed_after_ns=self.signed_after_ns,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step that was begun."""

    number: int
    """Its place in the operation, from 1."""
    name: str
    leg: Leg
    state: StepState
    began_at_ns: int
    ended_at_ns: int | None = None
    seen: Mapping[str, object] = field(default_factory=dict)
    """What was there before, ready for JSON: snapshot ids, canister version."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """What it can show for itself, ready for JSON; ``error`` and ``message`` where it failed."""
    calls: tuple[CallRecord, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """An operation that is about to begin."""

    id: str
    kind: OperationKind
    network: str
    """Its URL, for people."""
    root_key: bytes
    """DER; with the module it says which module of which network this is."""
    module: Principal
    principal: Principal
    """Who signs."""
    began_at_ns: int
    digest: bytes
    """SHA-256 of what was asked for; equal for a run that asks for the same again."""
    program: Mapping[str, object]
    """What will be done, ready for JSON; the runner that made it reads it back."""
    kept: tuple[bytes, ...] = ()
    """SHA-256 of what is kept until the operation ends: the Wasm, the argument."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """An operation as far as it has come."""

    begun: NewOperation
    host: str
    pid: int
    version: str
    """Of this program."""
    steps: tuple[StepRecord, ...] = ()
    finished_at_ns: int | None = None
    outcome: str | None = None
    """None while it is not finished."""
    report: Mapping[str, object] | None = None
    """The document that was shown at the end, ready for JSON."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotNote:
    """What this tool knows of a module snapshot beyond what the network tells."""

    id: SnapshotId
    purpose: SnapshotPurpose | None = None
    """None where it was not taken by this tool."""
    operation: str | None = None
    """The operation that took it."""
    operation_outcome: str | None = None
    """How that ended; none while it is not finished, or where there is none."""
    operation_finished_at_ns: int | None = None
    label: str | None = None
    is_protected: bool = False

    @property
    def is_scrap(self) -> bool:
        """Taken for an upgrade that ended otherwise than ``upgraded``."""
        ended_badly = self.operation_outcome not in {None, "upgraded"}
        return self.purpose == "upgrade" and ended_badly
