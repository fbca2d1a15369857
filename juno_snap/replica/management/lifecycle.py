"""Creation, top up, start, stop, deletion, and taking the code away."""

from dataclasses import replace

from juno_snap.ids import Principal
from juno_snap.replica.accounts import spend
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
from juno_snap.wire.request_id import hash_of_map


def provisional_create_canister_with_cycles(call: Call) -> tuple[object, ...]:
    """A new, empty, running canister; the caller controls it unless the settings say otherwise."""
    arguments = call.arguments
    wanted = arguments.record("settings") if "settings" in arguments else Arguments({})
    amount = arguments.natural("amount") if "amount" in arguments else PROVISIONAL_CYCLES_DEFAULT
    draft = Canister(
        canister_id=Principal(b""),
        settings=Settings(controllers=(call.sender,)),
        created_at_ns=call.time_ns,
        cycles=amount,
    )
    settings = changed_settings(draft.settings, wanted)
    check_settings(settings, draft, call)
    draft.settings = settings
    if "specified_id" in arguments:
        draft.canister_id = _available_id(call, arguments.principal("specified_id"))
    else:
        draft.canister_id = _next_id(call.state)
    call.state.canisters[draft.canister_id] = draft
    variables = dict(draft.settings.environment_variables)
    given = "environment_variables" in wanted
    creation = Creation(
        controllers=draft.controllers,
        environment_variables_hash=hash_of_map(variables) if given else None,
    )
    draft.note(creation, user=call.sender, at_ns=call.time_ns)
    return ({"canister_id": draft.canister_id},)


def provisional_top_up_canister(call: Call) -> tuple[object, ...]:
    """Add cycles out of nothing."""
    call.canister.cycles += call.arguments.natural("amount")
    return ()


def start_canister(call: Call) -> tuple[object, ...]:
    """Running afterwards; the version rises also where it was running."""
    call.canister.status = Status.RUNNING
    call.canister.version += 1
    return ()


def stop_canister(call: Call) -> tuple[object, ...]:
    """Stopped afterwards: no call can be open yet, so stopping takes no time.

    The version rises once for the request and once for the end of it.
    """
    canister = call.canister
    canister.version += 1
    if canister.status is not Status.STOPPED:
        canister.status = Status.STOPPED
        canister.version += 1
    return ()


def delete_canister(call: Call) -> tuple[object, ...]:
    """The canister, its snapshots and its cycles are gone."""
    canister = call.canister
    if call.sender == canister.canister_id:
        raise Reject("IC0512", f"Canister {canister.canister_id} cannot delete itself.")
    if canister.status is not Status.STOPPED:
        raise Reject(
            "IC0510", f"Canister {canister.canister_id} must be stopped before it is deleted."
        )
    del call.state.canisters[canister.canister_id]
    return ()


def uninstall_code(call: Call) -> tuple[object, ...]:
    """Empty afterwards; also works on an empty canister."""
    uninstall(call.canister, user=call.sender, at_ns=call.time_ns)
    return ()


def uninstall(canister: Canister, *, user: Principal, at_ns: int) -> None:
    """Drop code, memory, timer, certified data, log and chunks; keep everything else."""
    _drop_code(canister)
    canister.record(CodeUninstall(), user=user, at_ns=at_ns)


def uninstall_for_lack_of_cycles(canister: Canister) -> None:
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


def _drop_code(canister: Canister) -> None:
    canister.code = None
    canister.last_install_at_ns = None
    canister.logs.clear()
    canister.chunks.clear()


def _available_id(call: Call, wanted: Principal) -> Principal:
    if canister_id(FIRST_CANISTER_NUMBER) <= wanted <= canister_id(LAST_CANISTER_NUMBER):
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
    return state.new_canister_id()
