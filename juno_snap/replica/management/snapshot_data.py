"""The content of snapshots, read and uploaded in slices."""

from typing import Final

from juno_snap.replica.fees import SNAPSHOT_DATA_INSTRUCTIONS
from juno_snap.replica.images import HeapImage
from juno_snap.replica.management.arguments import Arguments, as_arguments
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.charges import charge_snapshot_work, check_memory_and_cycles
from juno_snap.replica.management.chunks import HASH_BYTES, check_chunk, chunk_store_error
from juno_snap.replica.management.snapshots import own_snapshot
from juno_snap.replica.rate_limits import add_heap_delta, heap_delta_complaint
from juno_snap.replica.reject import Reject
from juno_snap.replica.snapshots import Snapshot
from juno_snap.replica.stable import StableMemory
from juno_snap.units import CHUNK_MAX_BYTES
from juno_snap.wire.candid import Tagged

SLICE_MAX_BYTES: Final = 2_000_000
"""Largest slice that can be read. Source: dfinity/ic, ``canister_manager.rs``."""


def read_canister_snapshot_metadata(call: Call) -> tuple[object, ...]:
    """Everything of a snapshot but its bytes."""
    snapshot = own_snapshot(call, call.arguments.blob("snapshot_id"))
    charge_snapshot_work(call, SNAPSHOT_DATA_INSTRUCTIONS)
    timer_ns, hook = snapshot.global_timer_ns, snapshot.hook_status
    return (
        {
            "source": Tagged(snapshot.source, None),
            "taken_at_timestamp": snapshot.taken_at_ns,
            "wasm_module_size": len(snapshot.wasm),
            "globals": [Tagged(each.type, each.value) for each in snapshot.globals],
            "wasm_memory_size": snapshot.heap.size_bytes,
            "stable_memory_size": snapshot.stable.size_bytes,
            "wasm_chunk_store": [{"hash": digest} for digest in sorted(snapshot.chunks)],
            "canister_version": snapshot.canister_version,
            "certified_data": snapshot.certified_data,
            "global_timer": None if timer_ns is None else _timer_variant(timer_ns),
            "on_low_wasm_memory_hook_status": None if hook is None else Tagged(hook, None),
        },
    )


def read_canister_snapshot_data(call: Call) -> tuple[object, ...]:
    """One slice of one part, or one whole chunk. What is asked for is paid also if it is amiss."""
    snapshot = own_snapshot(call, call.arguments.blob("snapshot_id"))
    kind = call.arguments.variant("kind")
    place = as_arguments(kind.value)
    size = CHUNK_MAX_BYTES if kind.tag == "wasm_chunk" else place.natural("size")
    if size > SLICE_MAX_BYTES:
        raise Reject("IC0408", f"Requested slice too large: {size} > {SLICE_MAX_BYTES}")
    charge_snapshot_work(call, SNAPSHOT_DATA_INSTRUCTIONS + size)
    if kind.tag == "wasm_chunk":
        return ({"chunk": _chunk(snapshot, place.blob("hash"))},)
    part = _part(snapshot, kind.tag)
    offset = _offset_within(part, place, size)
    if isinstance(part, HeapImage | StableMemory):
        return ({"chunk": part.read(offset, size)},)
    return ({"chunk": bytes(part[offset : offset + size])},)


def upload_canister_snapshot_data(call: Call) -> tuple[object, ...]:
    """Write one slice of one part, or add one chunk. Order and repetition do not matter.

    Each byte costs an instruction, also of a slice that does not fit; a chunk counts as a full one.
    """
    snapshot = own_snapshot(call, call.arguments.blob("snapshot_id"))
    if snapshot.source != "metadata_upload":
        raise Reject("IC0409", "Only canister snapshots created by metadata upload can be mutated.")
    complaint = heap_delta_complaint(call.canister, call.network.rules)
    if complaint is not None:
        raise chunk_store_error(complaint)
    kind, data = call.arguments.variant("kind"), call.arguments.blob("chunk")
    size = CHUNK_MAX_BYTES if kind.tag == "wasm_chunk" else len(data)
    charge_snapshot_work(call, size)
    if _write(call, snapshot, kind, data):
        snapshot.changed_at_ns = call.time_ns
        add_heap_delta(call.canister, size, call.network.rules)
    return ()


def _write(call: Call, snapshot: Snapshot, kind: Tagged, data: bytes) -> bool:
    """Whether there was something to write: a chunk that is there already is not."""
    if kind.tag == "wasm_chunk":
        digest = check_chunk(snapshot.chunks, data)
        if digest in snapshot.chunks:
            return False
        check_memory_and_cycles(call, more_bytes=CHUNK_MAX_BYTES)
        snapshot.chunks[digest] = data
        return True
    part = _part(snapshot, kind.tag)
    offset = _offset_within(part, as_arguments(kind.value), len(data))
    if isinstance(part, HeapImage | StableMemory):
        part.write(offset, data)
    elif isinstance(part, bytearray):
        part[offset : offset + len(data)] = data
    return True


def _timer_variant(timer_ns: int) -> Tagged:
    return Tagged("active", timer_ns) if timer_ns else Tagged("inactive", None)


def _chunk(snapshot: Snapshot, digest: bytes) -> bytes:
    shown = ", ".join(f"{byte:02x}" for byte in digest)
    if len(digest) != HASH_BYTES:
        raise chunk_store_error(f"Bytes [{shown}] are not a valid WasmChunkHash.")
    if digest not in snapshot.chunks:
        raise chunk_store_error(f"WasmChunkHash [{shown}] not found.")
    return snapshot.chunks[digest]


def _part(snapshot: Snapshot, tag: str) -> bytes | bytearray | HeapImage | StableMemory:
    match tag:
        case "wasm_module":
            return snapshot.wasm
        case "wasm_memory":
            return snapshot.heap
        case _:
            return snapshot.stable


def _offset_within(
    part: bytes | bytearray | HeapImage | StableMemory, place: Arguments, size: int
) -> int:
    offset = place.natural("offset")
    whole = part.size_bytes if isinstance(part, HeapImage | StableMemory) else len(part)
    if offset + size > whole:
        raise Reject(
            "IC0408",
            "Invalid subslice into wasm module / main memory / stable memory: "
            f"offset: {offset}, size: {size}",
        )
    return offset
