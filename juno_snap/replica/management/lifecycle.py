"""Creation, top up, start, stop, deletion, and taking the code away."""

from dataclasses import replace

from juno_snap.ids import Principal
from juno_snap.replica.accounts import spend
from juno_snap.replica.answers import cancel_stops, finish_stopping, reject_open_calls
from juno_snap.replica.calls import StopRequest
from juno_snap.replica.management.arguments import Arguments
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.settings import changed_settings, check_settings
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import (
    CANISTER_ID_SUFFIX,
    CANISTER_RANGES,
    FIRST_CANISTER_NUMBER,
    LAST_CANISTER_NUMBER,
    PROVISIONAL_CYCLES_DEFAULT,
    Canister,
    Settings,
    Status,
    SubnetState,
    canister_id,
)
from juno_snap.replica.state_history import CodeUninstall, Creation
from juno_snap.replica.system_api.cycles import CREATE_CANISTER_CYCLES
from juno_snap.wire.request_id import hash_of_map


def provisional_create_canister_with_cycles(call: Call) -> tuple[object, ...]:
    """A new, empty, running canister; the caller controls it unless the settings say otherwise."""
    arguments = call.arguments
    amount = arguments.natural("amount") if "amount" in arguments else PROVISIONAL_CYCLES_DEFAULT
    draft = draft_canister(call, cycles=amount)
    if "specified_id" in arguments:
        draft.canister_id = _available_id(call, arguments.principal("specified_id"))
    else:
        draft.canister_id = _next_id(call.state)
    return add_canister(call, draft)


def create_canister(call: Call) -> tuple[object, ...]:
    """The same for a canister, which pays the fee and the balance with what it sends along."""
    if call.cycles < CREATE_CANISTER_CYCLES:
        raise Reject(
            "IC0403",
            f"Creating a canister requires a fee of {CREATE_CANISTER_CYCLES:_} that is deducted "
            f"from the canister's initial balance but only {call.cycles:_} cycles were received "
            "with the create_canister request.",
        )
    draft = draft_canister(call, cycles=call.cycles - CREATE_CANISTER_CYCLES)
    draft.consumed_cycles["canister_creation"] = CREATE_CANISTER_CYCLES
    draft.canister_id = _next_id(call.state)
    return add_canister(call, draft)


def draft_canister(call: Call, *, cycles: int) -> Canister:
    """A canister with the settings of the call, checked, and no id yet."""
    wanted = _wanted_settings(call)
    draft = Canister(
        canister_id=Principal(b""),
        settings=Settings(controllers=(call.sender,)),
        created_at_ns=call.time_ns,
        cycles=cycles,
    )
    settings = changed_settings(draft.settings, wanted)
    check_settings(settings, draft, call)
    draft.settings = settings
    return draft


def add_canister(call: Call, draft: Canister) -> tuple[object, ...]:
    """Let the new canister be; its history begins."""
    call.state.canisters[draft.canister_id] = draft
    given = "environment_variables" in _wanted_settings(call)
    variables = dict(draft.settings.environment_variables)
    creation = Creation(
        controllers=draft.controllers,
        environment_variables_hash=hash_of_map(variables) if given else None,
    )
    draft.note(creation, origin=call.change_origin, at_ns=call.time_ns)
    return ({"canister_id": draft.canister_id},)


def provisional_top_up_canister(call: Call) -> tuple[object, ...]:
    """Add cycles out of nothing."""
    call.canister.cycles += call.arguments.natural("amount")
    return ()


def start_canister(call: Call) -> tuple[object, ...]:
    """Running afterwards; the version rises also where it was running.

    Whoever waits for it to stop is refused.
    """
    cancel_stops(call.state, call.canister)
    call.canister.status = Status.RUNNING
    call.canister.version += 1
    return ()


def stop_canister(call: Call) -> tuple[object, ...] | None:
    """Stopped when no call is open any more; until then it is stopping and the answer waits.

    The version rises once for the request and once for the end of it.
    """
    canister = call.canister
    canister.version += 1
    if canister.status is Status.STOPPED:
        return ()
    canister.status = Status.STOPPING
    canister.calls.stops.append(
        StopRequest(origin=call.origin, cycles=call.cycles, at_ns=call.time_ns)
    )
    finish_stopping(call.state, canister)
    return None


def delete_canister(call: Call) -> tuple[object, ...]:
    """The canister, its snapshots and its cycles are gone."""
    canister = call.canister
    if call.sender == canister.canister_id:
        raise Reject("IC0512", f"Canister {canister.canister_id} cannot delete itself.")
    if canister.status is not Status.STOPPED:
        raise Reject(
            "IC0510", f"Canister {canister.canister_id} must be stopped before it is deleted."
        )
    if any(message.receiver == canister.canister_id for message in call.state.queue):
        raise Reject(
            "IC0203",
            f"Canister {canister.canister_id} has messages in its queues and cannot be deleted "
            "now. Please retry after some time.",
        )
    del call.state.canisters[canister.canister_id]
    return ()


def uninstall_code(call: Call) -> tuple[object, ...]:
    """Empty afterwards; also works on an empty canister."""
    uninstall(call, call.canister)
    return ()


def uninstall(call: Call, canister: Canister) -> None:
    """Drop code, memory, timer, certified data, log and chunks; keep everything else.

    Calls that the canister has not answered are rejected.
    """
    _drop_code(canister)
    canister.record(CodeUninstall(), origin=call.change_origin, at_ns=call.time_ns)
    reject_open_calls(call.state, canister)


def uninstall_for_lack_of_cycles(state: SubnetState, canister: Canister) -> None:
    """Drop also the cycles that are left, snapshots, history and what was set aside.

    The network does this to a canister that cannot pay for its storage any more.
    """
    _drop_code(canister)
    canister.version += 1
    canister.settings = replace(
        canister.settings, compute_allocation_percent=0, memory_allocation_bytes=0
    )
    canister.history.changes.clear()
    canister.snapshots.clear()
    spend(canister, canister.cycles, "uninstall")
    reject_open_calls(state, canister)


def _drop_code(canister: Canister) -> None:
    canister.code = None
    canister.last_install_at_ns = None
    canister.logs.clear()
    canister.chunks.clear()
    canister.update_hook_status()


def _wanted_settings(call: Call) -> Arguments:
    arguments = call.arguments
    return arguments.record("settings") if "settings" in arguments else Arguments({})


def _available_id(call: Call, wanted: Principal) -> Principal:
    first, last = canister_id(FIRST_CANISTER_NUMBER), canister_id(LAST_CANISTER_NUMBER)
    if first <= wanted <= last and not call.network.rules.takes_any_specified_id:
        raise Reject(
            "IC0408",
            f"The `specified_id` {wanted} is invalid because it belongs to the canister "
            "allocation ranges of the test environment.",
        )
    if wanted in call.state.canisters:
        raise Reject("IC0538", f"Canister {wanted} is already installed.")
    hosted = any(first <= wanted <= last for first, last in CANISTER_RANGES)
    same_form = len(wanted.raw) == len(CANISTER_RANGES[0][0].raw)
    if not (hosted and same_form and wanted.raw.endswith(CANISTER_ID_SUFFIX)):
        raise Reject(
            "IC0405",
            f"Unsuccessful validation of specified ID: Specified CanisterId {wanted} is not "
            f"hosted by subnet {call.network.subnet_id}.",
        )
    return wanted


def _next_id(state: SubnetState) -> Principal:
    if state.next_canister_number > LAST_CANISTER_NUMBER:
        raise Reject(
            "IC0101",
            "Could not create canister. Subnet has surpassed its canister ID allocation.",
        )
    new = state.new_canister_id()
    return _next_id(state) if new in state.canisters else new  # one that was specified
