"""The beginning of an uploaded snapshot: its sizes, its globals, and zeros everywhere else."""

from collections.abc import Iterator
from typing import Final, cast

from juno_snap.replica.accounts import spend
from juno_snap.replica.execution import GlobalValue
from juno_snap.replica.execution.code import pack_globals
from juno_snap.replica.fees import SNAPSHOT_INSTRUCTIONS
from juno_snap.replica.images import HeapImage
from juno_snap.replica.management.arguments import Arguments, invalid_payload
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.charges import check_memory_and_cycles
from juno_snap.replica.management.snapshots import (
    add_snapshot,
    next_snapshot_id,
    replaced_snapshot,
)
from juno_snap.replica.rate_limits import check_heap_delta
from juno_snap.replica.reject import Reject
from juno_snap.replica.snapshots import (
    HookStatus,
    Snapshot,
    content_size_bytes,
    global_memory_bytes,
)
from juno_snap.replica.stable import StableMemory
from juno_snap.replica.state import Canister
from juno_snap.units import GIB, MIB, WASM_PAGE_BYTES
from juno_snap.wire.candid import Tagged

MODULE_MAX_BYTES: Final = 100 * MIB
HEAP32_MAX_BYTES: Final = 4 * GIB
HEAP64_MAX_BYTES: Final = 6 * GIB
STABLE_MAX_BYTES: Final = 500 * GIB
GLOBALS_MAX: Final = 1000
CERTIFIED_DATA_MAX_BYTES: Final = 32
V128_MAX: Final = 2**128 - 1
"""Source: developer docs, "Resource limits"; interface specification, "Certified data"."""


def upload_canister_snapshot_metadata(call: Call) -> tuple[object, ...]:
    """A snapshot of zeros, in place of another where that is asked for."""
    canister, arguments = call.canister, call.arguments
    for problem in _problems(canister, arguments):
        raise Reject("IC0408", f"Snapshot Metadata contains invalid data: {problem}")
    values = [_global(each) for each in arguments.variants("globals")]
    replaced = replaced_snapshot(call)
    check_heap_delta(canister, call.network.rules)
    instructions = _check_uploading(call, values, replaced)
    snapshot = Snapshot(
        snapshot_id=next_snapshot_id(canister),
        source="metadata_upload",
        taken_at_ns=call.time_ns,
        canister_version=canister.version,
        wasm=bytearray(arguments.natural("wasm_module_size")),
        heap=HeapImage(arguments.natural("wasm_memory_size")),
        stable=StableMemory(arguments.natural("stable_memory_size") // WASM_PAGE_BYTES),
        global_types=tuple(each.type for each in values),
        packed_globals=pack_globals(values),
        certified_data=arguments.blob("certified_data"),
        changed_at_ns=call.time_ns,
        global_timer_ns=_timer_ns(arguments),
        hook_status=_hook_status(arguments),
    )
    spend(canister, instructions, "instructions")
    add_snapshot(canister, snapshot, replaced)
    return ({"snapshot_id": snapshot.snapshot_id},)


def _global(variant: Tagged) -> GlobalValue:
    value = cast("int | float", variant.value)
    if variant.tag == "v128" and value > V128_MAX:
        raise invalid_payload("a v128 has 128 bits")
    return GlobalValue(variant.tag, value)


def _check_uploading(call: Call, values: list[GlobalValue], replaced: Snapshot | None) -> int:
    """Check that a snapshot of the declared size can be paid for; its instructions."""
    arguments = call.arguments
    size = content_size_bytes(
        heap_bytes=arguments.natural("wasm_memory_size"),
        stable_bytes=arguments.natural("stable_memory_size"),
        global_bytes=global_memory_bytes(tuple(each.type for each in values)),
        wasm_bytes=arguments.natural("wasm_module_size"),
        certified_bytes=len(arguments.blob("certified_data")),
    )
    more_bytes = size - (0 if replaced is None else replaced.total_size_bytes)
    instructions = SNAPSHOT_INSTRUCTIONS + size
    check_memory_and_cycles(call, more_bytes=more_bytes, instructions=instructions)
    return instructions


def _problems(canister: Canister, arguments: Arguments) -> Iterator[str]:
    """What is wrong, in the network's order and words."""
    is_64_bit = canister.code is not None and canister.code.module.shape.memory64
    heap_max = HEAP64_MAX_BYTES if is_64_bit else HEAP32_MAX_BYTES
    module = arguments.natural("wasm_module_size")
    heap = arguments.natural("wasm_memory_size")
    stable = arguments.natural("stable_memory_size")
    checks = {
        "WasmModuleEmpty": module == 0,
        "WasmModuleTooLarge": module > MODULE_MAX_BYTES,
        "WasmMemoryNotPageAligned": heap % WASM_PAGE_BYTES != 0,
        "WasmMemoryTooLarge": heap > heap_max,
        "StableMemoryNotPageAligned": stable % WASM_PAGE_BYTES != 0,
        "StableMemoryTooLarge": stable > STABLE_MAX_BYTES,
        "ExportedGlobalsTooLarge": len(arguments.variants("globals")) > GLOBALS_MAX,
        "CertifiedDataTooLarge": len(arguments.blob("certified_data")) > CERTIFIED_DATA_MAX_BYTES,
    }
    yield from (name for name, wrong in checks.items() if wrong)


def _timer_ns(arguments: Arguments) -> int | None:
    if "global_timer" not in arguments:
        return None
    timer = arguments.variant("global_timer")
    return cast("int", timer.value) if timer.tag == "active" else 0


def _hook_status(arguments: Arguments) -> HookStatus | None:
    name = "on_low_wasm_memory_hook_status"
    return cast("HookStatus", arguments.variant(name).tag) if name in arguments else None
