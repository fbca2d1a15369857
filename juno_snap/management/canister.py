"""A canister's life: its status and settings, starting, stopping, creating, deleting, its logs.

Source of signatures: interface specification, "The IC management canister".
"""

from collections.abc import Mapping

from juno_snap.errors import DecodeError
from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import Fields, argument, result_fields, typed
from juno_snap.management.limits import check_settings
from juno_snap.management.types import (
    AllowedViewers,
    CanisterSettings,
    CanisterStatus,
    DefiniteSettings,
    LogRecord,
    ManagementCall,
    MemoryMetrics,
    QueryStats,
    RunStatus,
    Visibility,
)
from juno_snap.wire.candid import Tagged


def plain_call(method: str, canister_id: Principal) -> ManagementCall:
    """A call of a method that takes a canister id and nothing else."""
    arg = argument(types.CANISTER, {"canister_id": canister_id})
    return ManagementCall(method=method, arg=arg, effective_canister_id=canister_id)


def create_call(
    *,
    settings: CanisterSettings,
    cycles: int | None,
    specified_id: Principal | None,
    effective_canister_id: Principal | None,
) -> ManagementCall:
    """A call that creates a canister where that costs nothing.

    Raises:
        InputError: The settings are not possible.
    """
    record = {
        "amount": cycles,
        "settings": settings_to_candid(settings),
        "specified_id": specified_id,
    }
    return ManagementCall(
        method="provisional_create_canister_with_cycles",
        arg=argument(types.CREATE, record),
        effective_canister_id=effective_canister_id or specified_id or MANAGEMENT_CANISTER,
    )


def created_id(reply: bytes) -> Principal:
    """The id of the new canister. Raises ``DecodeError`` where the reply has none."""
    return result_fields(reply, types.CANISTER).take("canister_id", Principal)


def top_up_call(canister_id: Principal, cycles: int) -> ManagementCall:
    """A call that adds cycles from nowhere.

    Raises:
        InputError: A negative number.
    """
    return ManagementCall(
        method="provisional_top_up_canister",
        arg=argument(types.TOP_UP, {"canister_id": canister_id, "amount": cycles}),
        effective_canister_id=canister_id,
    )


def update_settings_call(canister_id: Principal, settings: CanisterSettings) -> ManagementCall:
    """A call that changes the settings that are given.

    Raises:
        InputError: The settings are not possible.
    """
    record = {"canister_id": canister_id, "settings": settings_to_candid(settings)}
    return ManagementCall(
        method="update_settings",
        arg=argument(types.UPDATE_SETTINGS, record),
        effective_canister_id=canister_id,
    )


def settings_to_candid(settings: CanisterSettings) -> dict[str, object]:
    """The settings as Candid values.

    Raises:
        InputError: They are beyond the network's limits.
    """
    check_settings(settings)
    variables = settings.environment_variables
    return {
        "controllers": settings.controllers,
        "compute_allocation": settings.compute_allocation_percent,
        "memory_allocation": settings.memory_allocation_bytes,
        "freezing_threshold": settings.freezing_threshold_seconds,
        "reserved_cycles_limit": settings.reserved_cycles_limit,
        "minimum_incoming_canister_call_cycles": settings.minimum_incoming_canister_call_cycles,
        "log_visibility": _visibility_to_candid(settings.log_visibility),
        "snapshot_visibility": _visibility_to_candid(settings.snapshot_visibility),
        "status_visibility": _visibility_to_candid(settings.status_visibility),
        "log_memory_limit": settings.log_memory_limit_bytes,
        "wasm_memory_limit": settings.wasm_memory_limit_bytes,
        "wasm_memory_threshold": settings.wasm_memory_threshold_bytes,
        "environment_variables": None
        if variables is None
        else [{"name": name, "value": value} for name, value in variables.items()],
    }


def status_from_reply(reply: bytes) -> CanisterStatus:
    """The result of ``canister_status``.

    Raises:
        DecodeError: The reply is none, or comes from a network older than this library reads.
    """
    fields = result_fields(reply, types.STATUS)
    return CanisterStatus(
        status=_run_status(fields.tag("status")),
        version=fields.find("version", int),
        settings=_settings(fields.within("settings")),
        module_hash=fields.find("module_hash", bytes),
        memory_size_bytes=fields.take("memory_size", int),
        memory_metrics=_memory_metrics(fields.within("memory_metrics")),
        cycles=fields.take("cycles", int),
        reserved_cycles=fields.take("reserved_cycles", int),
        idle_cycles_burned_per_day=fields.take("idle_cycles_burned_per_day", int),
        ready_for_migration=fields.find("ready_for_migration", bool),
        query_stats=_query_stats(fields),
    )


def logs_from_reply(reply: bytes) -> list[LogRecord]:
    """The result of ``fetch_canister_logs``. Raises ``DecodeError`` where the reply is none."""
    return [
        LogRecord(
            index=record.take("idx", int),
            at_ns=record.take("timestamp_nanos", int),
            content=record.take("content", bytes),
        )
        for record in result_fields(reply, types.LOGS).each("canister_log_records")
    ]


def _run_status(tag: str) -> RunStatus:
    match tag:
        case "running" | "stopping" | "stopped":
            return tag
        case _:
            raise DecodeError(f"a canister's status is {tag!r}")


def _settings(fields: Fields) -> DefiniteSettings:
    return DefiniteSettings(
        controllers=fields.principals("controllers"),
        compute_allocation_percent=fields.take("compute_allocation", int),
        memory_allocation_bytes=fields.take("memory_allocation", int),
        freezing_threshold_seconds=fields.take("freezing_threshold", int),
        reserved_cycles_limit=fields.find("reserved_cycles_limit", int),
        minimum_incoming_canister_call_cycles=fields.find(
            "minimum_incoming_canister_call_cycles", int
        ),
        log_visibility=_visibility(fields, "log_visibility"),
        snapshot_visibility=_visibility(fields, "snapshot_visibility"),
        status_visibility=_visibility(fields, "status_visibility"),
        log_memory_limit_bytes=fields.find("log_memory_limit", int),
        wasm_memory_limit_bytes=fields.find("wasm_memory_limit", int),
        wasm_memory_threshold_bytes=fields.find("wasm_memory_threshold", int),
        environment_variables=_environment_variables(fields),
    )


def _environment_variables(fields: Fields) -> Mapping[str, str] | None:
    if fields.find("environment_variables", list) is None:
        return None
    records = fields.each("environment_variables")
    return {record.take("name", str): record.take("value", str) for record in records}


def _visibility(fields: Fields, name: str) -> Visibility | None:
    match fields.find(name, Tagged):
        case Tagged(tag="controllers"):
            return "controllers"
        case Tagged(tag="public"):
            return "public"
        case Tagged(tag="allowed_viewers", value=list(viewers)):
            return AllowedViewers(tuple(typed(viewer, Principal) for viewer in viewers))
        case _:
            return None


def _visibility_to_candid(visibility: Visibility | None) -> Tagged | None:
    match visibility:
        case None:
            return None
        case AllowedViewers(viewers=viewers):
            return Tagged("allowed_viewers", list(viewers))
        case _:
            return Tagged(visibility)


def _memory_metrics(fields: Fields) -> MemoryMetrics:
    return MemoryMetrics(
        wasm_memory_bytes=fields.take("wasm_memory_size", int),
        stable_memory_bytes=fields.take("stable_memory_size", int),
        global_memory_bytes=fields.take("global_memory_size", int),
        wasm_binary_bytes=fields.take("wasm_binary_size", int),
        custom_sections_bytes=fields.take("custom_sections_size", int),
        canister_history_bytes=fields.take("canister_history_size", int),
        wasm_chunk_store_bytes=fields.take("wasm_chunk_store_size", int),
        snapshots_bytes=fields.take("snapshots_size", int),
    )


def _query_stats(fields: Fields) -> QueryStats | None:
    if fields.find("query_stats", dict) is None:
        return None
    stats = fields.within("query_stats")
    return QueryStats(
        num_calls_total=stats.take("num_calls_total", int),
        num_instructions_total=stats.take("num_instructions_total", int),
        request_payload_bytes_total=stats.take("request_payload_bytes_total", int),
        response_payload_bytes_total=stats.take("response_payload_bytes_total", int),
    )
