"""Snapshots of a canister: taken, loaded, listed, deleted."""

from dataclasses import replace

from juno_snap.replica.accounts import spend
from juno_snap.replica.execution import InstalledCode, compile_module
from juno_snap.replica.fees import SNAPSHOT_INSTRUCTIONS, compile_instructions
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.charges import charge_snapshot_work, check_memory_and_cycles
from juno_snap.replica.management.lifecycle import uninstall
from juno_snap.replica.rate_limits import (
    add_heap_delta,
    check_heap_delta,
    snapshot_delta_bytes,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import CompiledModule
from juno_snap.replica.snapshots import (
    Snapshot,
    content_size_bytes,
    display_id,
    is_heap_low,
    new_snapshot_id,
    take,
)
from juno_snap.replica.state import Canister, SubnetState, memory_use
from juno_snap.replica.state_history import LoadSnapshot
from juno_snap.units import NS_PER_SECOND, SNAPSHOTS_MAX


def take_canister_snapshot(call: Call) -> tuple[object, ...]:
    """Take one, in place of another where that is asked for; the code can be removed at once.

    Checks: the one to be replaced, else the number; then how much was changed lately, memory and
    cycles, and whether there is code. What is to be replaced goes only after the new one is there.
    Without ``uninstall_code`` neither the version nor the history changes.
    """
    canister, arguments = call.canister, call.arguments
    replaced = replaced_snapshot(call)
    check_heap_delta(canister, call.network.rules)
    instructions = _check_taking(call, replaced)
    if canister.code is None:
        raise Reject(
            "IC0406", f"Failed to create snapshot for empty canister {canister.canister_id}:"
        )
    canister.update_hook_status()
    snapshot = take(
        canister.code,
        snapshot_id=next_snapshot_id(canister),
        at_ns=call.time_ns,
        canister_version=canister.version,
        chunks=canister.chunks,
        hook_status=canister.hook_status,
    )
    spend(canister, instructions, "instructions")
    add_snapshot(canister, snapshot, replaced)
    add_heap_delta(canister, snapshot_delta_bytes(snapshot), call.network.rules)
    if arguments.flag("uninstall_code"):
        uninstall(call, canister)
    return (_listed(snapshot),)


def load_canister_snapshot(call: Call) -> tuple[object, ...]:
    """Put code, memory, globals, chunks and certified data back as the snapshot has them.

    No code runs. Status, settings, cycles, history, log and snapshots stay. Timer and hook come
    back only from an uploaded snapshot that says them.
    """
    canister = call.canister
    check_heap_delta(canister, call.network.rules)
    snapshot = _existing_snapshot(call.state, canister, call.arguments.blob("snapshot_id"))
    is_own = snapshot.owner == canister.canister_id
    if not is_own:
        _check_controls_owner(call, snapshot)
    code = _paid_code(call, snapshot)
    canister.code = code
    canister.chunks = dict(snapshot.chunks)
    canister.last_install_at_ns = call.time_ns
    add_heap_delta(canister, snapshot_delta_bytes(snapshot), call.network.rules)
    details = LoadSnapshot(
        snapshot_id=snapshot.snapshot_id,
        canister_version=snapshot.canister_version,
        taken_at_ns=snapshot.taken_at_ns,
        source=snapshot.source,
        from_canister_id=None if is_own else snapshot.owner,
    )
    canister.record(details, origin=call.change_origin, at_ns=call.time_ns)
    if snapshot.source == "metadata_upload" and snapshot.hook_status is not None:
        canister.hook_status = snapshot.hook_status
    canister.update_hook_status()
    return ()


def list_canister_snapshots(call: Call) -> tuple[object, ...]:
    """All snapshots of the canister, by id."""
    snapshots = sorted(call.canister.snapshots.items())
    return ([_listed(snapshot) for _, snapshot in snapshots],)


def delete_canister_snapshot(call: Call) -> tuple[object, ...]:
    """Forget one."""
    snapshot = own_snapshot(call, call.arguments.blob("snapshot_id"))
    del call.canister.snapshots[snapshot.snapshot_id]
    return ()


def own_snapshot(call: Call, snapshot_id: bytes) -> Snapshot:
    """The canister's snapshot of that id.

    Raises:
        Reject: IC0305, there is none; IC0406, it is another canister's.
    """
    snapshot = _existing_snapshot(call.state, call.canister, snapshot_id)
    if snapshot.owner != call.canister.canister_id:
        raise Reject(
            "IC0406",
            f"The snapshot {display_id(snapshot_id)} does not belong to canister "
            f"{call.canister.canister_id}.",
        )
    return snapshot


def replaced_snapshot(call: Call) -> Snapshot | None:
    """The snapshot whose place a new one takes; None where a place is free.

    Raises:
        Reject: As for ``own_snapshot``; IC0406, all places are taken and none is to be replaced.
    """
    if "replace_snapshot" in call.arguments:
        return own_snapshot(call, call.arguments.blob("replace_snapshot"))
    if len(call.canister.snapshots) >= SNAPSHOTS_MAX:
        raise Reject(
            "IC0406",
            f"Canister {call.canister.canister_id} has reached the maximum number of snapshots "
            f"allowed: {SNAPSHOTS_MAX}.",
        )
    return None


def next_snapshot_id(canister: Canister) -> bytes:
    """An id that the canister never used."""
    number = canister.next_snapshot_number
    canister.next_snapshot_number += 1
    return new_snapshot_id(canister.canister_id, number)


def add_snapshot(canister: Canister, snapshot: Snapshot, replaced: Snapshot | None) -> None:
    """Keep a new snapshot; forget the one whose place it takes."""
    canister.snapshots[snapshot.snapshot_id] = snapshot
    if replaced is not None:
        del canister.snapshots[replaced.snapshot_id]


def _existing_snapshot(state: SubnetState, canister: Canister, snapshot_id: bytes) -> Snapshot:
    snapshot = state.find_snapshot(snapshot_id)
    if snapshot is None:
        raise Reject(
            "IC0305",
            f"Could not find the snapshot ID {display_id(snapshot_id)} for canister "
            f"{canister.canister_id}.",
        )
    return snapshot


def _check_taking(call: Call, replaced: Snapshot | None) -> int:
    """Check that a snapshot can be paid for; how many instructions it counts."""
    canister = call.canister
    use = memory_use(canister)
    size = content_size_bytes(
        heap_bytes=use.wasm_memory,
        stable_bytes=use.stable_memory,
        global_bytes=use.global_memory,
        wasm_bytes=use.wasm_binary,
        chunk_count=len(canister.chunks),
        certified_bytes=len(canister.certified_data),
    )
    more_bytes = size - (0 if replaced is None else replaced.total_size_bytes)
    if call.arguments.flag("uninstall_code"):
        more_bytes -= use.total - use.canister_history - use.snapshots
    instructions = SNAPSHOT_INSTRUCTIONS + size
    check_memory_and_cycles(call, more_bytes=more_bytes, instructions=instructions)
    return instructions


def _check_controls_owner(call: Call, snapshot: Snapshot) -> None:
    canister, shown = call.canister, display_id(snapshot.snapshot_id)
    if call.sender not in call.state.canisters[snapshot.owner].controllers:
        raise Reject(
            "IC0406",
            f"Only a controller of the canister that snapshot {shown} belongs to can load it on "
            f"canister {canister.canister_id}. Sender: {call.sender}.",
        )


def _check_loadable(call: Call, snapshot: Snapshot) -> None:
    """On the network another canister's snapshot has to have been written to a checkpoint."""
    wait_ns = call.network.rules.snapshot_loadable_after_seconds * NS_PER_SECOND
    is_own = snapshot.owner == call.canister.canister_id
    if not is_own and call.time_ns - snapshot.changed_at_ns < wait_ns:
        raise Reject(
            "IC0406",
            f"Snapshot {display_id(snapshot.snapshot_id)} is not currently loadable on the "
            f"specified canister {call.canister.canister_id}. Try again later. The call should "
            "succeed if you wait sufficiently long (usually ten minutes).",
        )


def _paid_code(call: Call, snapshot: Snapshot) -> InstalledCode:
    """The code that a snapshot holds; the canister pays only if it can be loaded.

    Raises:
        Reject: The canister cannot pay, the module is invalid, or the snapshot does not suit it.
    """
    canister = call.canister
    charge_snapshot_work(call, SNAPSHOT_INSTRUCTIONS)
    try:
        code = _restored_code(call, snapshot)
        try:
            loaded = memory_use(replace(canister, code=code, chunks=snapshot.chunks)).total
            work = compile_instructions(code.module.shape.code_bytes) + snapshot.total_size_bytes
            more_bytes = loaded - memory_use(canister).total
            check_memory_and_cycles(call, more_bytes=more_bytes, instructions=work)
        except Reject:
            code.close()
            raise
    except Reject:
        spend(canister, -SNAPSHOT_INSTRUCTIONS, "instructions")
        raise
    spend(canister, work, "instructions")
    return code


def _restored_code(call: Call, snapshot: Snapshot) -> InstalledCode:
    canister, wasm = call.canister, bytes(snapshot.wasm)
    module = snapshot.module or compile_module(call.network.engine, wasm, canister.canister_id)
    is_uploaded = snapshot.source == "metadata_upload"
    if is_uploaded:
        _check_globals(module, snapshot)
    _check_loadable(call, snapshot)
    if is_uploaded:
        _check_hook(canister, snapshot)
    code = InstalledCode(
        module=module,
        wasm=wasm,
        heap=snapshot.heap.copy(),
        packed_globals=snapshot.packed_globals,
        stable=snapshot.stable.copy(),
        certified_data=snapshot.certified_data,
        global_timer_ns=0 if canister.code is None else canister.code.global_timer_ns,
    )
    if is_uploaded and snapshot.global_timer_ns is not None:
        code.global_timer_ns = snapshot.global_timer_ns
    return code


def _check_globals(module: CompiledModule, snapshot: Snapshot) -> None:
    if tuple(each.type for each in module.snapshot_globals) != snapshot.global_types:
        raise Reject(
            "IC0408",
            "Wasm exported globals of canister module and snapshot metadata do not match.",
        )


def _check_hook(canister: Canister, snapshot: Snapshot) -> None:
    low = is_heap_low(
        heap_bytes=snapshot.heap.size_bytes,
        limit_bytes=canister.settings.wasm_memory_limit_bytes,
        threshold_bytes=canister.settings.wasm_memory_threshold_bytes,
    )
    told = snapshot.hook_status
    if told is not None and (told == "condition_not_satisfied") == low:
        name = "".join(word.capitalize() for word in told.split("_"))
        raise Reject(
            "IC0408",
            f"Hook status (Some({name})) of uploaded snapshot is inconsistent with the canister's "
            f"state (hook condition satisfied: {str(low).lower()}).",
        )


def _listed(snapshot: Snapshot) -> dict[str, object]:
    return {
        "id": snapshot.snapshot_id,
        "taken_at_timestamp": snapshot.taken_at_ns,
        "total_size": snapshot.total_size_bytes,
    }
