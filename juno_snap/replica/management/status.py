"""What can be read of a canister: its status, its figures and its log."""

from typing import get_args

from juno_snap.replica.accounts import Use, idle_cycles_per_day
from juno_snap.replica.management.call import Call
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import QueryStats, Settings, Status, Visibility, memory_use
from juno_snap.wire.candid import Tagged


def canister_status(call: Call) -> tuple[object, ...]:
    """Status, settings, hash and where the memory goes.

    The icp CLI decodes the reply only where every field that it knows is there.
    """
    canister = call.canister
    use = memory_use(canister)
    settings = canister.settings
    return (
        {
            "status": Tagged(canister.status.name.lower(), None),
            "ready_for_migration": canister.status is Status.STOPPED,
            "version": canister.version,
            "settings": _settings_record(settings),
            "module_hash": canister.module_hash,
            "memory_size": use.total,
            "memory_metrics": {
                "wasm_memory_size": use.wasm_memory,
                "stable_memory_size": use.stable_memory,
                "global_memory_size": use.global_memory,
                "wasm_binary_size": use.wasm_binary,
                "custom_sections_size": use.custom_sections,
                "canister_history_size": use.canister_history,
                "wasm_chunk_store_size": use.wasm_chunk_store,
                "snapshots_size": use.snapshots,
                "log_memory_store_size": use.log_memory_store,
            },
            "cycles": canister.cycles,
            "reserved_cycles": canister.reserved_cycles,
            "idle_cycles_burned_per_day": idle_cycles_per_day(
                settings, use.total, call.network.rules
            ),
            "query_stats": _query_stats_record(canister.query_stats),
        },
    )


def canister_metrics(call: Call) -> tuple[object, ...]:
    """What the canister paid for."""
    consumed = call.canister.consumed_cycles
    return ({"cycles_consumed": {use: consumed.get(use, 0) for use in get_args(Use)}},)


def fetch_canister_logs(call: Call) -> tuple[object, ...]:
    """The records of the log, oldest first."""
    records = [
        {"idx": record.idx, "timestamp_nanos": record.at_ns, "content": record.content}
        for record in call.canister.logs.records
    ]
    return ({"canister_log_records": records},)


def list_canisters(_call: Call) -> tuple[object, ...]:
    """Refused: this subnet has no subnet admins, whom alone the method serves."""
    raise Reject("IC0406", "list_canisters is only available on subnets with subnet admins")


def _query_stats_record(stats: QueryStats) -> dict[str, object]:
    return {
        "num_calls_total": stats.num_calls,
        "num_instructions_total": stats.num_instructions,
        "request_payload_bytes_total": stats.request_payload_bytes,
        "response_payload_bytes_total": stats.response_payload_bytes,
    }


def _settings_record(settings: Settings) -> dict[str, object]:
    return {
        "controllers": list(settings.controllers),
        "compute_allocation": settings.compute_allocation_percent,
        "memory_allocation": settings.memory_allocation_bytes,
        "freezing_threshold": settings.freezing_threshold_seconds,
        "reserved_cycles_limit": settings.reserved_cycles_limit,
        "minimum_incoming_canister_call_cycles": settings.minimum_incoming_canister_call_cycles,
        "log_visibility": _visibility_variant(settings.log_visibility),
        "snapshot_visibility": _visibility_variant(settings.snapshot_visibility),
        "status_visibility": _visibility_variant(settings.status_visibility),
        "log_memory_limit": settings.log_memory_limit_bytes,
        "wasm_memory_limit": settings.wasm_memory_limit_bytes,
        "wasm_memory_threshold": settings.wasm_memory_threshold_bytes,
        "environment_variables": [
            {"name": name, "value": value} for name, value in settings.environment_variables
        ],
    }


def _visibility_variant(visibility: Visibility) -> Tagged:
    viewers = list(visibility.viewers) if visibility.kind == "allowed_viewers" else None
    return Tagged(visibility.kind, viewers)
