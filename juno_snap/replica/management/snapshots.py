"""Snapshots of a canister: taken, loaded, listed, deleted."""

from juno_snap.replica.execution import InstalledCode, compile_module
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.lifecycle import uninstall
from juno_snap.replica.reject import Reject
from juno_snap.replica.snapshots import (
    HookStatus,
    Snapshot,
    display_id,
    is_heap_low,
    new_snapshot_id,
    take,
)
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.replica.state_history import LoadSnapshot
from juno_snap.units import SNAPSHOTS_MAX


def take_canister_snapshot(call: Call) -> tuple[object, ...]:
    """Take one, in place of another where that is asked for; the code can be removed at once.

    Checks: the one to be replaced, else the number; then whether there is code. What is to be
    replaced goes only after the new one is there. Without ``uninstall_code`` neither the version
    nor the history changes.
    """
    canister, arguments = call.canister, call.arguments
    replaced = replaced_snapshot(call)
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
    add_snapshot(canister, snapshot, replaced)
    if arguments.flag("uninstall_code"):
        uninstall(call, canister)
    return (_listed(snapshot),)


def load_canister_snapshot(call: Call) -> tuple[object, ...]:
    """Put code, memory, globals, chunks and certified data back as the snapshot has them.

    No code runs. Status, settings, cycles, history, log and snapshots stay. Timer and hook come
    back only from an uploaded snapshot that says them.
    """
    canister = call.canister
    snapshot = _loadable_snapshot(call)
    canister.code = _restored_code(call, snapshot)
    canister.chunks = dict(snapshot.chunks)
    canister.last_install_at_ns = call.time_ns
    details = LoadSnapshot(
        snapshot_id=snapshot.snapshot_id,
        canister_version=snapshot.canister_version,
        taken_at_ns=snapshot.taken_at_ns,
        source=snapshot.source,
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


def _loadable_snapshot(call: Call) -> Snapshot:
    canister, snapshot_id = call.canister, call.arguments.blob("snapshot_id")
    snapshot = _existing_snapshot(call.state, canister, snapshot_id)
    if snapshot.owner == canister.canister_id:
        return snapshot
    if call.sender not in call.state.canisters[snapshot.owner].controllers:
        raise Reject(
            "IC0406",
            f"Only a controller of the canister that snapshot {display_id(snapshot_id)} belongs to "
            f"can load it on canister {canister.canister_id}. Sender: {call.sender}.",
        )
    # On the network it becomes loadable with the next checkpoint. Here it never does as yet.
    raise Reject(
        "IC0406",
        f"Snapshot {display_id(snapshot_id)} is not currently loadable on the specified canister "
        f"{canister.canister_id}. Try again later. The call should succeed if you wait "
        "sufficiently long (usually ten minutes).",
    )


def _restored_code(call: Call, snapshot: Snapshot) -> InstalledCode:
    canister, wasm = call.canister, bytes(snapshot.wasm)
    code = InstalledCode(
        module=snapshot.module or compile_module(call.network.engine, wasm, canister.canister_id),
        wasm=wasm,
        heap=snapshot.heap.copy(),
        packed_globals=snapshot.packed_globals,
        stable=snapshot.stable.copy(),
        certified_data=snapshot.certified_data,
        global_timer_ns=0 if canister.code is None else canister.code.global_timer_ns,
    )
    if snapshot.source == "metadata_upload":
        _check_uploaded(canister, snapshot, code)
        if snapshot.global_timer_ns is not None:
            code.global_timer_ns = snapshot.global_timer_ns
    return code


def _check_uploaded(canister: Canister, snapshot: Snapshot, code: InstalledCode) -> None:
    if code.global_types != snapshot.global_types:
        raise Reject(
            "IC0408",
            "Wasm exported globals of canister module and snapshot metadata do not match.",
        )
    low = _hook_status(canister, code) == "ready"
    told = snapshot.hook_status
    if told is not None and (told == "condition_not_satisfied") == low:
        name = "".join(word.capitalize() for word in told.split("_"))
        raise Reject(
            "IC0408",
            f"Hook status (Some({name})) of uploaded snapshot is inconsistent with the canister's "
            f"state (hook condition satisfied: {str(low).lower()}).",
        )


def _hook_status(canister: Canister, code: InstalledCode) -> HookStatus:
    low = is_heap_low(
        heap_bytes=code.heap.size_bytes,
        limit_bytes=canister.settings.wasm_memory_limit_bytes,
        threshold_bytes=canister.settings.wasm_memory_threshold_bytes,
    )
    return "ready" if low else "condition_not_satisfied"


def _listed(snapshot: Snapshot) -> dict[str, object]:
    return {
        "id": snapshot.snapshot_id,
        "taken_at_timestamp": snapshot.taken_at_ns,
        "total_size": snapshot.total_size_bytes,
    }
