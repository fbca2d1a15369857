"""The values of ``records`` as rows of ``schema``, and back."""

import json
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from juno_snap.database.rows import Found, Row
from juno_snap.ids import Principal, RequestId, SnapshotId
from juno_snap.pipeline.journal.records import (
    CallRecord,
    NewOperation,
    OperationRecord,
    SnapshotNote,
    StepRecord,
)
from juno_snap.pipeline.journal.schema import to_json
from juno_snap.version import __version__

OPEN: Final = "open"


def operation_row(new: NewOperation) -> Row:
    """An operation that is about to begin, and who runs it."""
    return {
        "id": new.id,
        "kind": new.kind,
        "network": new.network,
        "root_key": new.root_key,
        "module": new.module.raw,
        "principal": new.principal.raw,
        "began_at_ns": new.began_at_ns,
        "digest": new.digest,
        "program": to_json(new.program),
        "kept": to_json([sha256.hex() for sha256 in new.kept]),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "made_by": __version__,
        "finished_at_ns": None,
        "outcome": None,
        "report": None,
    }


def operation_record(row: Found, steps: Iterable[StepRecord]) -> OperationRecord:
    """An operation with its steps, in their order."""
    begun = NewOperation(
        id=row["id"],
        kind=row["kind"],
        network=row["network"],
        root_key=row["root_key"],
        module=Principal(row["module"]),
        principal=Principal(row["principal"]),
        began_at_ns=row["began_at_ns"],
        digest=row["digest"],
        program=json.loads(row["program"]),
        kept=kept_of(row),
    )
    return OperationRecord(
        begun=begun,
        host=row["host"],
        pid=row["pid"],
        version=row["made_by"],
        steps=tuple(steps),
        finished_at_ns=row["finished_at_ns"],
        outcome=row["outcome"],
        report=None if row["report"] is None else json.loads(row["report"]),
    )


def kept_of(row: Found) -> tuple[bytes, ...]:
    """The hashes of what an operation keeps."""
    return tuple(bytes.fromhex(text) for text in json.loads(row["kept"]))


def step_row(operation: str, step: StepRecord) -> Row:
    """A step, without its calls."""
    return {
        "operation": operation,
        "number": step.number,
        "name": step.name,
        "leg": step.leg,
        "state": step.state,
        "began_at_ns": step.began_at_ns,
        "ended_at_ns": step.ended_at_ns,
        "seen": to_json(dict(step.seen)),
        "evidence": to_json(dict(step.evidence)),
    }


def step_record(row: Found, calls: Sequence[CallRecord]) -> StepRecord:
    """A step with its calls, in their order."""
    return StepRecord(
        number=row["number"],
        name=row["name"],
        leg=row["leg"],
        state=row["state"],
        began_at_ns=row["began_at_ns"],
        ended_at_ns=row["ended_at_ns"],
        seen=json.loads(row["seen"]),
        evidence=json.loads(row["evidence"]),
        calls=tuple(calls),
    )


def call_row(
    operation: str, step: int, position: int, call: CallRecord, sealed: tuple[int, bytes] | None
) -> Row:
    """A call; ``sealed`` says where its sealed envelope stands, and the key."""
    envelope, key = sealed or (None, None)
    return {
        "operation": operation,
        "step": step,
        "position": position,
        "request_id": call.request_id,
        "canister_id": call.canister_id.raw,
        "effective_canister_id": call.effective_canister_id.raw,
        "method": call.method,
        "expires_at_ns": call.expires_at_ns,
        "signed_after_ns": call.signed_after_ns,
        "state": call.state,
        "certified_at_ns": call.certified_at_ns,
        "envelope": envelope,
        "key": key,
    }


def call_record(row: Found, body: bytes | None) -> CallRecord:
    """A call with its envelope."""
    return CallRecord(
        request_id=RequestId(row["request_id"]),
        canister_id=Principal(row["canister_id"]),
        effective_canister_id=Principal(row["effective_canister_id"]),
        method=row["method"],
        expires_at_ns=row["expires_at_ns"],
        signed_after_ns=row["signed_after_ns"],
        state=row["state"],
        certified_at_ns=row["certified_at_ns"],
        body=body,
    )


def snapshot_row(root_key: bytes, module: Principal, note: SnapshotNote) -> Row:
    """What is known of a snapshot; how its operation ended stands with the operation."""
    return {
        "root_key": root_key,
        "module": module.raw,
        "id": note.id.raw,
        "purpose": note.purpose,
        "operation": note.operation,
        "label": note.label,
        "is_protected": note.is_protected,
    }


def snapshot_note(row: Found, operation: Found | None) -> SnapshotNote:
    """What is known of a snapshot, with how the operation that took it ended."""
    return SnapshotNote(
        id=SnapshotId(row["id"]),
        purpose=row["purpose"],
        operation=row["operation"],
        operation_outcome=None if operation is None else operation["outcome"],
        operation_finished_at_ns=None if operation is None else operation["finished_at_ns"],
        label=row["label"],
        is_protected=row["is_protected"],
    )
