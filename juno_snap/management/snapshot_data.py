"""The content of module snapshots: reading it off the chain, and uploading it.

Source of signatures: interface specification, "The IC management canister".
"""

from typing import Literal

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import Fields, argument, hashes, result_fields, typed
from juno_snap.management.limits import check_chunk, check_slice
from juno_snap.management.snapshots import snapshot_id
from juno_snap.management.types import (
    Global,
    GlobalTimer,
    HookStatus,
    ManagementCall,
    SnapshotMetadata,
    SnapshotPart,
    SnapshotSource,
    SnapshotUpload,
)
from juno_snap.wire.candid import CandidType, Tagged


def read_data_call(
    canister_id: Principal,
    snapshot: SnapshotId,
    *,
    part: SnapshotPart,
    offset_bytes: int,
    size_bytes: int,
) -> ManagementCall:
    """A call that reads a slice of a snapshot.

    Raises:
        PreconditionError: A slice that is too large, or none.
    """
    check_slice(offset_bytes, size_bytes)
    kind = Tagged(part, {"offset": offset_bytes, "size": size_bytes})
    return _data_call("read_canister_snapshot_data", types.READ_DATA, canister_id, snapshot, kind)


def read_chunk_call(
    canister_id: Principal, snapshot: SnapshotId, chunk_hash: bytes
) -> ManagementCall:
    """A call that reads a stored Wasm chunk of a snapshot."""
    kind = Tagged("wasm_chunk", {"hash": chunk_hash})
    return _data_call("read_canister_snapshot_data", types.READ_DATA, canister_id, snapshot, kind)


def data_from_reply(reply: bytes) -> bytes:
    """The result of ``read_canister_snapshot_data``. Raises ``DecodeError`` where it is none."""
    return result_fields(reply, types.DATA).take("chunk", bytes)


def metadata_from_reply(reply: bytes) -> SnapshotMetadata:
    """The result of ``read_canister_snapshot_metadata``.

    Raises:
        DecodeError: The reply is none.
    """
    fields = result_fields(reply, types.SNAPSHOT_METADATA)
    return SnapshotMetadata(
        source=_source(fields.tag("source")),
        taken_at_ns=fields.take("taken_at_timestamp", int),
        wasm_module_bytes=fields.take("wasm_module_size", int),
        globals=tuple(_global(item) for item in fields.take("globals", list)),
        wasm_memory_bytes=fields.take("wasm_memory_size", int),
        stable_memory_bytes=fields.take("stable_memory_size", int),
        wasm_chunk_store=hashes(fields.each("wasm_chunk_store")),
        canister_version=fields.take("canister_version", int),
        certified_data=fields.take("certified_data", bytes),
        global_timer=_global_timer(fields),
        on_low_wasm_memory_hook_status=_hook_status(fields),
    )


def upload_metadata_call(
    canister_id: Principal, upload: SnapshotUpload, *, replace: SnapshotId | None
) -> ManagementCall:
    """A call that makes a snapshot of zeros, to be filled with data.

    Raises:
        InputError: A number out of its range.
    """
    timer = upload.global_timer
    hook = upload.on_low_wasm_memory_hook_status
    record = {
        "canister_id": canister_id,
        "replace_snapshot": None if replace is None else replace.raw,
        "wasm_module_size": upload.wasm_module_bytes,
        "globals": [Tagged(item.kind, item.value) for item in upload.globals],
        "wasm_memory_size": upload.wasm_memory_bytes,
        "stable_memory_size": upload.stable_memory_bytes,
        "certified_data": upload.certified_data,
        "global_timer": None if timer is None else _timer_to_candid(timer),
        "on_low_wasm_memory_hook_status": None if hook is None else Tagged(hook),
    }
    return ManagementCall(
        method="upload_canister_snapshot_metadata",
        arg=argument(types.UPLOAD_METADATA, record),
        effective_canister_id=canister_id,
    )


def uploaded_id_from_reply(reply: bytes) -> SnapshotId:
    """The result of ``upload_canister_snapshot_metadata``.

    Raises:
        DecodeError: The reply is none.
    """
    return snapshot_id(result_fields(reply, types.UPLOADED_SNAPSHOT), "snapshot_id")


def upload_data_call(
    canister_id: Principal,
    snapshot: SnapshotId,
    chunk: bytes,
    *,
    part: SnapshotPart,
    offset_bytes: int,
) -> ManagementCall:
    """A call that writes a slice of an uploaded snapshot.

    Raises:
        PreconditionError: A slice that is too large, or none.
    """
    check_slice(offset_bytes, len(chunk))
    kind = Tagged(part, {"offset": offset_bytes})
    return _upload_call(canister_id, snapshot, kind, chunk)


def upload_chunk_call(canister_id: Principal, snapshot: SnapshotId, chunk: bytes) -> ManagementCall:
    """A call that puts a Wasm chunk into the store of an uploaded snapshot.

    Raises:
        PreconditionError: The chunk is too large.
    """
    check_chunk(chunk)
    return _upload_call(canister_id, snapshot, Tagged("wasm_chunk"), chunk)


def _data_call(
    method: str, kind_type: CandidType, canister_id: Principal, snapshot: SnapshotId, kind: Tagged
) -> ManagementCall:
    record = {"canister_id": canister_id, "snapshot_id": snapshot.raw, "kind": kind}
    return ManagementCall(
        method=method, arg=argument(kind_type, record), effective_canister_id=canister_id
    )


def _upload_call(
    canister_id: Principal, snapshot: SnapshotId, kind: Tagged, chunk: bytes
) -> ManagementCall:
    record = {
        "canister_id": canister_id,
        "snapshot_id": snapshot.raw,
        "kind": kind,
        "chunk": chunk,
    }
    return ManagementCall(
        method="upload_canister_snapshot_data",
        arg=argument(types.UPLOAD_DATA, record),
        effective_canister_id=canister_id,
    )


def _source(tag: str) -> SnapshotSource:
    match tag:
        case "taken_from_canister" | "metadata_upload":
            return tag
        case _:
            raise DecodeError(f"the source of a snapshot is {tag!r}")


def _global(item: object) -> Global:
    match typed(item, Tagged):
        case Tagged(tag="i32" | "i64" | "v128" as kind, value=int(value)):
            return Global(_integer_kind(kind), value)
        case Tagged(tag="f32" | "f64" as kind, value=float(value)):
            return Global("f32" if kind == "f32" else "f64", value)
        case Tagged(tag=tag):
            raise DecodeError(f"a global variable of kind {tag!r}")


def _integer_kind(tag: str) -> Literal["i32", "i64", "v128"]:
    match tag:
        case "i32" | "i64":
            return tag
        case _:
            return "v128"


def _global_timer(fields: Fields) -> GlobalTimer | None:
    match fields.find("global_timer", Tagged):
        case Tagged(tag="active", value=int(at_ns)):
            return GlobalTimer(at_ns)
        case Tagged(tag="inactive"):
            return GlobalTimer(None)
        case _:
            return None


def _timer_to_candid(timer: GlobalTimer) -> Tagged:
    if timer.active_at_ns is None:
        return Tagged("inactive")
    return Tagged("active", timer.active_at_ns)


def _hook_status(fields: Fields) -> HookStatus | None:
    found = fields.find("on_low_wasm_memory_hook_status", Tagged)
    match None if found is None else found.tag:
        case "condition_not_satisfied" | "ready" | "executed" as status:
            return status
        case _:
            return None
