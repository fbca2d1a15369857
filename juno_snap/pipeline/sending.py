"""What each step of one call sends, and what its reply shows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from juno_snap.agent.submission import CertifiedReply
from juno_snap.errors import (
    DecodeError,
    JunoSnapError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.ids import SnapshotId
from juno_snap.management.canister import plain_call
from juno_snap.management.install import install_call, install_chunked_call
from juno_snap.management.snapshots import one_snapshot_call, snapshot_from_reply, take_call
from juno_snap.management.types import ManagementCall
from juno_snap.pipeline import codes
from juno_snap.pipeline.journal.records import CallState, Leg, SnapshotNote, StepRecord
from juno_snap.pipeline.program import InstallChange, LoadChange, Save
from juno_snap.pipeline.progress import SAVES, Progress
from juno_snap.pipeline.report import Evidence, rfc3339, snapshot_json
from juno_snap.pipeline.wasm_file import WasmFile

CLOCK_SKEW: Final = "clock-skew"
"""Code of the one trust error after which a call is known not to run; see ``Agent.submit``."""

SAFETY: Final = Save(purpose="safety")

METHODS: Final[Mapping[str, str]] = {
    "clear-chunks": "clear_chunk_store",
    "stop": "stop_canister",
    "start": "start_canister",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What a program names by its hash."""

    wasm: WasmFile | None = None
    arg: bytes = b""
    missing: tuple[int, ...] | None = None
    """Places of the chunks that are not staged yet, none where that has to be read."""
    configuration: bytes | None = None
    """What was saved of a module that is reset, none where it has to be read from its file."""


def save_of(progress: Progress, leg: Leg) -> Save:
    """The snapshot that is to be taken in ``leg``; on the way back a safety snapshot."""
    return SAFETY if leg == "back" else progress.program.save or SAFETY


def replaced_by(progress: Progress, step: str, leg: Leg) -> SnapshotId | None:
    """What the snapshot to be taken replaces: this run's own earlier one, else as planned."""
    for record in reversed(progress.records):
        if record.name == step and record.leg == leg and record.state == "done":
            return SnapshotId.parse(str(record.evidence["id"]))
    return save_of(progress, leg).replaced


def call_of(progress: Progress, step: str, leg: Leg, materials: Materials) -> ManagementCall:
    """The call that ``step`` consists of."""
    module = progress.program.module
    match step:
        case "snapshot" | "safety-snapshot":
            replaced = replaced_by(progress, step, leg)
            return take_call(module, replace=replaced, uninstall_code=False)
        case "install":
            return _install_call(progress, materials)
        case "load":
            return one_snapshot_call("load_canister_snapshot", module, loaded_by(progress, leg))
        case _:
            return plain_call(METHODS[step], module)


def loaded_by(progress: Progress, leg: Leg) -> SnapshotId:
    """The snapshot that is loaded in ``leg``.

    Raises:
        JunoSnapError: There is none: no plan leads here.
    """
    change = progress.program.change
    if leg == "forward" and isinstance(change, LoadChange):
        return change.snapshot
    if progress.way_back is None:
        raise JunoSnapError("there is no snapshot to go back to", code="no-way-back")
    return progress.way_back


def _install_call(progress: Progress, materials: Materials) -> ManagementCall:
    change, wasm, module = progress.program.change, materials.wasm, progress.program.module
    if not isinstance(change, InstallChange) or wasm is None:
        raise JunoSnapError("there is no Wasm to install", code="no-wasm")
    if change.is_chunked:
        return install_chunked_call(
            module,
            change.mode,
            wasm.chunk_hashes,
            wasm.sha256,
            materials.arg,
            store_canister=None,
        )
    return install_call(module, change.mode, wasm.data, materials.arg)


def evidence_of(
    progress: Progress, step: str, leg: Leg, reply: CertifiedReply, operation: str
) -> tuple[Evidence, tuple[SnapshotNote, ...]]:
    """What a certified reply shows, and what it says of snapshots."""
    certified_at = rfc3339(reply.time_ns)
    match step:
        case "snapshot" | "safety-snapshot":
            taken = snapshot_from_reply(reply.reply)
            note = _note(progress, leg, taken.id, operation)
            replaced = replaced_by(progress, step, leg)
            shown = snapshot_json(taken, note)
            return {**shown, "replaced": None if replaced is None else str(replaced)}, (note,)
        case "load":
            return {"snapshot": str(loaded_by(progress, leg)), "certified_at": certified_at}, ()
        case _:
            return {"certified_at": certified_at}, ()


def notes_of(
    progress: Progress, record: StepRecord, evidence: Evidence, operation: str
) -> tuple[SnapshotNote, ...]:
    """What ``evidence`` of a step says of snapshots."""
    if record.name not in SAVES:
        return ()
    taken = SnapshotId.parse(str(evidence["id"]))
    return (_note(progress, record.leg, taken, operation),)


def _note(progress: Progress, leg: Leg, taken: SnapshotId, operation: str) -> SnapshotNote:
    save = save_of(progress, leg)
    return SnapshotNote(
        id=taken,
        purpose=save.purpose,
        operation=operation,
        label=save.label,
        is_protected=save.is_protected,
    )


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


def call_state_after(error: BaseException) -> CallState:
    """What is known of a call that ended with ``error``."""
    if leaves_outcome_unknown(error):
        return "open"
    return "rejected" if isinstance(error, RejectedError) else "not-executed"


def error_evidence(error: BaseException) -> Evidence:
    """What is written down of an error."""
    evidence: dict[str, object] = {"error": error_code(error), "message": str(error)}
    if isinstance(error, RejectedError):
        evidence["error_code"] = error.error_code
        if error.certified and codes.is_temporary(error):
            evidence["is_temporary"] = True
    if isinstance(error, JunoSnapError) and error.hint:
        evidence["hint"] = error.hint
    return evidence


def error_code(error: BaseException) -> str:
    """Our own errors' code, the class's name of others."""
    return error.code if isinstance(error, JunoSnapError) else type(error).__name__
