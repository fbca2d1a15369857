"""Small values for the tests of the pipeline: modules to be seen, Wasm files, snapshots."""

import hashlib

from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import (
    CanisterStatus,
    CertifiedInfo,
    DefiniteSettings,
    MemoryMetrics,
    Snapshot,
)
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.units import MIB

MODULE = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
OTHER_MODULE = Principal.parse("ryjl3-tyaaa-aaaaa-aaaba-cai")
CALLER = Principal(b"\x01" * 10)
OLD_HASH = b"\x0a" * 32
HEADER = b"\x00asm\x01\x00\x00\x00"
MARK = b"icp:private enhanced-orthogonal-persistence"
INTERFACE = b"service : { get : (text) -> (opt text) query }"
PLENTY = 100_000_000_000_000


def leb128(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb128(len(content)) + content


def custom(name: bytes, content: bytes = b"") -> bytes:
    return section(0, leb128(len(name)) + name + content)


def wasm_bytes(
    *, persistent=False, size_bytes=0, interface=INTERFACE, stable_types=None, pages=0
) -> bytes:
    """A module without code, filled up with a custom section whose content never repeats."""
    module = HEADER + (section(5, b"\x01\x00" + leb128(pages)) if pages else b"")
    module += custom(MARK) if persistent else b""
    if interface is not None:
        module += custom(b"icp:public candid:service", interface)
    if stable_types is not None:
        module += custom(b"icp:private motoko:stable-types", stable_types)
    if size_bytes:
        module += custom(b"filling", hashlib.shake_128(b"filling").digest(size_bytes))
    return module


def wasm_file(**options):
    return check_wasm(wasm_bytes(**options), name="new.wasm")


def snapshot_id(number: int, module: Principal = MODULE) -> SnapshotId:
    return SnapshotId(number.to_bytes(8, "big") + module.raw)


def snapshots(count: int) -> tuple[Snapshot, ...]:
    """The oldest first; ids count up with time."""
    return tuple(
        Snapshot(id=snapshot_id(number), taken_at_ns=1000 + number, total_size_bytes=MIB)
        for number in range(count)
    )


def note(
    number: int, purpose=None, operation=None, outcome=None, *, label=None, is_protected=False
) -> SnapshotNote:
    """What is known of the snapshot with that number."""
    return SnapshotNote(
        id=snapshot_id(number),
        purpose=purpose,
        operation=operation,
        operation_outcome=outcome,
        label=label,
        is_protected=is_protected,
    )


def upgrade_note(number: int, **more) -> SnapshotNote:
    """A snapshot of an upgrade that ended well."""
    return note(number, "upgrade", f"op-{number}", "upgraded", **more)


def scrap_note(number: int, outcome="rolled-back", **more) -> SnapshotNote:
    """A snapshot of an upgrade that did not."""
    return note(number, "upgrade", f"op-{number}", outcome, **more)


def notes(*known: SnapshotNote) -> dict[SnapshotId, SnapshotNote]:
    return {each.id: each for each in known}


def status(**changes) -> CanisterStatus:
    values = {
        "status": "running",
        "version": 7,
        "settings": DefiniteSettings(
            controllers=(CALLER,),
            compute_allocation_percent=0,
            memory_allocation_bytes=0,
            freezing_threshold_seconds=2_592_000,
            reserved_cycles_limit=None,
            minimum_incoming_canister_call_cycles=None,
            log_visibility=None,
            snapshot_visibility=None,
            status_visibility=None,
            log_memory_limit_bytes=None,
            wasm_memory_limit_bytes=None,
            wasm_memory_threshold_bytes=None,
            environment_variables=None,
        ),
        "module_hash": OLD_HASH,
        "memory_size_bytes": 10 * MIB,
        "memory_metrics": MemoryMetrics(
            wasm_memory_bytes=4 * MIB,
            stable_memory_bytes=2 * MIB,
            global_memory_bytes=16,
            wasm_binary_bytes=MIB,
            custom_sections_bytes=100,
            canister_history_bytes=100,
            wasm_chunk_store_bytes=0,
            snapshots_bytes=0,
        ),
        "cycles": PLENTY,
        "reserved_cycles": 0,
        "idle_cycles_burned_per_day": 100_000_000,
        "ready_for_migration": None,
        "query_stats": None,
    }
    return CanisterStatus(**{**values, **changes})


def seen(**changes) -> Observation:
    """A module as observed; ``changes`` name members of the observation or of its status."""
    status_names = set(CanisterStatus.__dataclass_fields__)
    of_status = {name: changes.pop(name) for name in list(changes) if name in status_names}
    values = {
        "module": MODULE,
        "caller": CALLER,
        "status": status(**of_status),
        "info": CertifiedInfo(
            exists=True,
            module_hash=of_status.get("module_hash", OLD_HASH),
            controllers=(CALLER,),
            last_install_at_ns=500,
            certified_at_ns=2000,
        ),
        "snapshots": (),
        "stored_chunks": frozenset(),
        "is_persistent": False,
        "interface": INTERFACE,
    }
    return Observation(**{**values, **changes})
