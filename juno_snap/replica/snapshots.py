"""Module snapshots as the replica keeps them: taken from a canister, or uploaded piece by piece.

A snapshot that was taken never changes; an uploaded one is written to until nobody does any more.
Settings, controllers, cycles, status, history and log are not part of a snapshot. Source: interface
specification, "Canister snapshots"; dfinity/ic, ``canister_snapshots.rs``.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from juno_snap.ids import Principal
from juno_snap.replica.execution import GlobalValue, InstalledCode
from juno_snap.replica.execution.code import GLOBAL_BYTES, unpack_globals
from juno_snap.replica.images import HeapImage
from juno_snap.replica.runtime import CompiledModule
from juno_snap.replica.stable import StableMemory
from juno_snap.replica.state_history import SnapshotSource
from juno_snap.units import CHUNK_MAX_BYTES, GIB

NUMBER_BYTES: Final = 8
"""A snapshot id is a number of this size, then the canister id."""

HEAP_DEFAULT_LIMIT_BYTES: Final = 4 * GIB
"""Stands for a memory limit that is not set, for the low-memory hook. Source: dfinity/ic,
``system_state.rs``."""

HookStatus: TypeAlias = Literal["condition_not_satisfied", "ready", "executed"]


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """One snapshot. ``wasm`` is a bytearray, and may change, only where it was uploaded."""

    snapshot_id: bytes
    source: SnapshotSource
    taken_at_ns: int
    canister_version: int
    """The canister's when it was taken, or when its metadata came in."""
    wasm: bytes | bytearray
    heap: HeapImage
    stable: StableMemory
    global_types: tuple[str, ...]
    packed_globals: bytes
    certified_data: bytes
    module: CompiledModule | None = None
    """Where it was taken in this process: kept, so that loading need not compile again."""
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    changed_at_ns: int
    """When it was taken, or last written to."""
    global_timer_ns: int | None = None
    """Zero is off; None where an upload did not say."""
    hook_status: HookStatus | None = None
    """Of the low-memory hook; None where an upload did not say."""

    @property
    def total_size_bytes(self) -> int:
        """What it counts as memory of its canister."""
        return content_size_bytes(
            heap_bytes=self.heap.size_bytes,
            stable_bytes=self.stable.size_bytes,
            global_bytes=global_memory_bytes(self.global_types),
            wasm_bytes=len(self.wasm),
            chunk_count=len(self.chunks),
            certified_bytes=len(self.certified_data),
        )

    @property
    def globals(self) -> tuple[GlobalValue, ...]:
        """The globals with their values, in the network's order."""
        return unpack_globals(self.global_types, self.packed_globals)

    @property
    def owner(self) -> Principal:
        """The canister it belongs to."""
        return owner_of(self.snapshot_id)


def take(
    code: InstalledCode,
    *,
    snapshot_id: bytes,
    at_ns: int,
    canister_version: int,
    chunks: dict[bytes, bytes],
    hook_status: HookStatus,
) -> Snapshot:
    """What ``code`` and ``chunks`` are now; later messages do not change it."""
    return Snapshot(
        snapshot_id=snapshot_id,
        source="taken_from_canister",
        taken_at_ns=at_ns,
        canister_version=canister_version,
        changed_at_ns=at_ns,
        wasm=code.wasm,
        heap=code.heap.copy(),
        stable=code.stable.copy(),
        global_types=code.global_types,
        packed_globals=code.packed_globals,
        certified_data=code.certified_data,
        module=code.module,
        chunks=dict(chunks),
        global_timer_ns=code.global_timer_ns,
        hook_status=hook_status,
    )


def new_snapshot_id(canister_id: Principal, number: int) -> bytes:
    """The id of the snapshot of that number; numbers count from 0 and are never used again."""
    return number.to_bytes(NUMBER_BYTES, "big") + canister_id.raw


def owner_of(snapshot_id: bytes) -> Principal:
    """The canister id that a snapshot id carries."""
    return Principal(snapshot_id[NUMBER_BYTES:])


def display_id(snapshot_id: bytes) -> str:
    """The id as the network writes it in messages: the canister, a dash, the number."""
    return f"{owner_of(snapshot_id)}-{int.from_bytes(snapshot_id[:NUMBER_BYTES], 'big')}"


def global_memory_bytes(types: tuple[str, ...]) -> int:
    """What globals of these types count as memory."""
    return sum(GLOBAL_BYTES[each] for each in types)


def content_size_bytes(
    *,
    heap_bytes: int,
    stable_bytes: int,
    global_bytes: int,
    wasm_bytes: int,
    chunk_count: int = 0,
    certified_bytes: int,
) -> int:
    """The size of a snapshot with these parts; each chunk counts as a full one."""
    chunk_bytes = chunk_count * CHUNK_MAX_BYTES
    return heap_bytes + stable_bytes + global_bytes + wasm_bytes + chunk_bytes + certified_bytes


def is_heap_low(*, heap_bytes: int, limit_bytes: int, threshold_bytes: int) -> bool:
    """Whether the condition of the low-memory hook holds; no limit counts as 4 GiB."""
    return (limit_bytes or HEAP_DEFAULT_LIMIT_BYTES) < heap_bytes + threshold_bytes
