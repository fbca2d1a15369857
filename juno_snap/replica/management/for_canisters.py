"""What the management canister does for canisters only: cycles, randomness, facts about others."""

from hashlib import sha256
from typing import Final, assert_never

from juno_snap.replica.management.access import Access, refusal
from juno_snap.replica.management.call import Call
from juno_snap.replica.reject import Reject
from juno_snap.replica.state_history import (
    ChangeDetails,
    ChangeOrigin,
    ChangeRecord,
    CodeDeployment,
    CodeUninstall,
    ControllersChange,
    Creation,
    LoadSnapshot,
)
from juno_snap.wire.candid import Tagged

RANDOM_DOMAIN: Final = b"juno-snap raw_rand"


def deposit_cycles(call: Call) -> tuple[object, ...]:
    """Give the cycles that came along to a canister."""
    call.canister.cycles += call.cycles
    return ()


def raw_rand(call: Call) -> tuple[object, ...]:
    """32 bytes that were never given out before. A run repeats, so anybody can foretell them."""
    number = call.state.next_random_number
    call.state.next_random_number += 1
    seed = RANDOM_DOMAIN + call.network.root_key_der + number.to_bytes(8, "big")
    return (sha256(seed).digest(),)


def canister_metadata(call: Call) -> tuple[object, ...]:
    """The content of a section of the module; a private one for controllers only."""
    canister, name = call.canister, call.arguments.text("name")
    if canister.code is None:
        raise Reject(
            "IC0406",
            f"The canister {canister.canister_id} has no Wasm module and hence no metadata is "
            "available.",
        )
    if name not in canister.metadata:
        raise Reject(
            "IC0406",
            f"The canister {canister.canister_id} has no metadata section with the name {name}.",
        )
    is_public, content = canister.metadata[name]
    if not is_public and call.sender not in canister.controllers:
        raise refusal(Access.CONTROLLERS, canister, call.sender, call.method_name)
    return ({"value": content},)


def canister_info(call: Call) -> tuple[object, ...]:
    """Module hash, controllers and the newest changes, as many as are asked for and kept."""
    canister, named = call.canister, "num_requested_changes"
    wanted = call.arguments.natural(named) if named in call.arguments else 0
    kept = canister.history.changes
    return (
        {
            "total_num_changes": canister.history.total,
            "recent_changes": [_change(each) for each in kept[max(len(kept) - wanted, 0) :]],
            "module_hash": canister.module_hash,
            "controllers": list(canister.controllers),
        },
    )


def _change(record: ChangeRecord) -> dict[str, object]:
    return {
        "timestamp_nanos": record.at_ns,
        "canister_version": record.canister_version,
        "origin": _origin(record.origin),
        "details": _details(record.details),
    }


def _origin(origin: ChangeOrigin) -> Tagged:
    if not origin.is_canister:
        return Tagged("from_user", {"user_id": origin.principal})
    fields = {"canister_id": origin.principal, "canister_version": origin.canister_version}
    return Tagged("from_canister", fields)


def _details(details: ChangeDetails) -> Tagged:
    match details:
        case Creation():
            fields: dict[str, object] | None = {
                "controllers": list(details.controllers),
                "environment_variables_hash": details.environment_variables_hash,
            }
        case CodeUninstall():
            fields = None
        case CodeDeployment():
            fields = {"mode": Tagged(details.mode), "module_hash": details.module_hash}
        case LoadSnapshot():
            fields = {
                "from_canister_id": details.from_canister_id,
                "snapshot_id": details.snapshot_id,
                "canister_version": details.canister_version,
                "taken_at_timestamp": details.taken_at_ns,
                "source": Tagged(details.source),
            }
        case ControllersChange():
            fields = {"controllers": list(details.controllers)}
        case _:
            assert_never(details)
    return Tagged(details.kind, fields)
