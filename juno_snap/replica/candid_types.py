"""The management canister's Candid interface, as this replica offers it.

Written from the network's published interface, apart from the client's own types: where one side
is wrong, calls between the two fail. Fields that the network's newest replica and the icp CLI know
beyond it (``log_memory_limit``, ``log_memory_store_size``) are there too.

Source: dfinity/developer-docs, ``public/references/ic.did``.
"""

from typing import Final

from juno_snap.wire.candid import (
    BLOB,
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    NAT,
    NAT64,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    CandidType,
    Opt,
    Record,
    Variant,
    Vec,
)

VISIBILITY: Final = Variant(
    {"controllers": NULL, "public": NULL, "allowed_viewers": Vec(PRINCIPAL)}
)
ENVIRONMENT_VARIABLES: Final = Vec(Record({"name": TEXT, "value": TEXT}))

_SETTINGS: Final[dict[str, CandidType]] = {
    "controllers": Vec(PRINCIPAL),
    "compute_allocation": NAT,
    "memory_allocation": NAT,
    "freezing_threshold": NAT,
    "reserved_cycles_limit": NAT,
    "minimum_incoming_canister_call_cycles": NAT,
    "log_visibility": VISIBILITY,
    "snapshot_visibility": VISIBILITY,
    "status_visibility": VISIBILITY,
    "log_memory_limit": NAT,
    "wasm_memory_limit": NAT,
    "wasm_memory_threshold": NAT,
    "environment_variables": ENVIRONMENT_VARIABLES,
}
SETTINGS: Final = Record({name: Opt(each) for name, each in _SETTINGS.items()})
DEFINITE_SETTINGS: Final = Record(_SETTINGS)

CANISTER_ID: Final = Record({"canister_id": PRINCIPAL})
CHUNK_HASH: Final = Record({"hash": BLOB})

PROVISIONAL_CREATE_ARGUMENTS: Final = Record(
    {
        "amount": Opt(NAT),
        "settings": Opt(SETTINGS),
        "specified_id": Opt(PRINCIPAL),
        "sender_canister_version": Opt(NAT64),
    }
)
CREATE_ARGUMENTS: Final = Record({"settings": Opt(SETTINGS), "sender_canister_version": Opt(NAT64)})
PROVISIONAL_TOP_UP_ARGUMENTS: Final = Record({"canister_id": PRINCIPAL, "amount": NAT})
UPDATE_SETTINGS_ARGUMENTS: Final = Record(
    {"canister_id": PRINCIPAL, "settings": SETTINGS, "sender_canister_version": Opt(NAT64)}
)
UNINSTALL_CODE_ARGUMENTS: Final = Record(
    {"canister_id": PRINCIPAL, "sender_canister_version": Opt(NAT64)}
)
UPLOAD_CHUNK_ARGUMENTS: Final = Record({"canister_id": PRINCIPAL, "chunk": BLOB})

INSTALL_MODE: Final = Variant(
    {
        "install": NULL,
        "reinstall": NULL,
        "upgrade": Opt(
            Record(
                {
                    "skip_pre_upgrade": Opt(BOOL),
                    "wasm_memory_persistence": Opt(Variant({"keep": NULL, "replace": NULL})),
                }
            )
        ),
    }
)
INSTALL_CODE_ARGUMENTS: Final = Record(
    {
        "mode": INSTALL_MODE,
        "canister_id": PRINCIPAL,
        "wasm_module": BLOB,
        "arg": BLOB,
        "sender_canister_version": Opt(NAT64),
    }
)
INSTALL_CHUNKED_CODE_ARGUMENTS: Final = Record(
    {
        "mode": INSTALL_MODE,
        "target_canister": PRINCIPAL,
        "store_canister": Opt(PRINCIPAL),
        "chunk_hashes_list": Vec(CHUNK_HASH),
        "wasm_module_hash": BLOB,
        "arg": BLOB,
        "sender_canister_version": Opt(NAT64),
    }
)

CANISTER_STATUS_RESULT: Final = Record(
    {
        "status": Variant({"running": NULL, "stopping": NULL, "stopped": NULL}),
        "ready_for_migration": BOOL,
        "version": NAT64,
        "settings": DEFINITE_SETTINGS,
        "module_hash": Opt(BLOB),
        "memory_size": NAT,
        "memory_metrics": Record(
            {
                "wasm_memory_size": NAT,
                "stable_memory_size": NAT,
                "global_memory_size": NAT,
                "wasm_binary_size": NAT,
                "custom_sections_size": NAT,
                "canister_history_size": NAT,
                "wasm_chunk_store_size": NAT,
                "snapshots_size": NAT,
                "log_memory_store_size": NAT,
            }
        ),
        "cycles": NAT,
        "reserved_cycles": NAT,
        "idle_cycles_burned_per_day": NAT,
        "query_stats": Record(
            {
                "num_calls_total": NAT,
                "num_instructions_total": NAT,
                "request_payload_bytes_total": NAT,
                "response_payload_bytes_total": NAT,
            }
        ),
    }
)
CANISTER_METRICS_RESULT: Final = Record(
    {
        "cycles_consumed": Record(
            {
                "memory": NAT,
                "compute_allocation": NAT,
                "ingress_induction": NAT,
                "instructions": NAT,
                "request_and_response_transmission": NAT,
                "uninstall": NAT,
                "canister_creation": NAT,
                "http_outcalls": NAT,
                "burned_cycles": NAT,
            }
        )
    }
)
FETCH_LOGS_RESULT: Final = Record(
    {"canister_log_records": Vec(Record({"idx": NAT64, "timestamp_nanos": NAT64, "content": BLOB}))}
)

SNAPSHOT_SOURCE: Final = Variant({"taken_from_canister": RESERVED, "metadata_upload": RESERVED})

CANISTER_METADATA_ARGUMENTS: Final = Record({"canister_id": PRINCIPAL, "name": TEXT})
CANISTER_METADATA_RESULT: Final = Record({"value": BLOB})
CANISTER_INFO_ARGUMENTS: Final = Record(
    {"canister_id": PRINCIPAL, "num_requested_changes": Opt(NAT64)}
)
CHANGE: Final = Record(
    {
        "timestamp_nanos": NAT64,
        "canister_version": NAT64,
        "origin": Variant(
            {
                "from_user": Record({"user_id": PRINCIPAL}),
                "from_canister": Record({"canister_id": PRINCIPAL, "canister_version": Opt(NAT64)}),
            }
        ),
        "details": Variant(
            {
                "creation": Record(
                    {"controllers": Vec(PRINCIPAL), "environment_variables_hash": Opt(BLOB)}
                ),
                "code_uninstall": NULL,
                "code_deployment": Record(
                    {
                        "mode": Variant({"install": NULL, "reinstall": NULL, "upgrade": NULL}),
                        "module_hash": BLOB,
                    }
                ),
                "load_snapshot": Record(
                    {
                        "from_canister_id": Opt(PRINCIPAL),
                        "snapshot_id": BLOB,
                        "canister_version": NAT64,
                        "taken_at_timestamp": NAT64,
                        "source": SNAPSHOT_SOURCE,
                    }
                ),
                "controllers_change": Record({"controllers": Vec(PRINCIPAL)}),
            }
        ),
    }
)
"""Without ``rename_canister``, which does not happen here."""
CANISTER_INFO_RESULT: Final = Record(
    {
        "total_num_changes": NAT64,
        "recent_changes": Vec(CHANGE),
        "module_hash": Opt(BLOB),
        "controllers": Vec(PRINCIPAL),
    }
)

SNAPSHOT: Final = Record({"id": BLOB, "taken_at_timestamp": NAT64, "total_size": NAT64})
SNAPSHOT_ID_ARGUMENTS: Final = Record({"canister_id": PRINCIPAL, "snapshot_id": BLOB})
TAKE_SNAPSHOT_ARGUMENTS: Final = Record(
    {
        "canister_id": PRINCIPAL,
        "replace_snapshot": Opt(BLOB),
        "uninstall_code": Opt(BOOL),
        "sender_canister_version": Opt(NAT64),
    }
)
LOAD_SNAPSHOT_ARGUMENTS: Final = Record(
    {"canister_id": PRINCIPAL, "snapshot_id": BLOB, "sender_canister_version": Opt(NAT64)}
)

GLOBAL: Final = Variant({"i32": INT32, "i64": INT64, "f32": FLOAT32, "f64": FLOAT64, "v128": NAT})
GLOBAL_TIMER: Final = Variant({"inactive": NULL, "active": NAT64})
HOOK_STATUS: Final = Variant({"condition_not_satisfied": NULL, "ready": NULL, "executed": NULL})
_SNAPSHOT_CONTENT: Final[dict[str, CandidType]] = {
    "wasm_module_size": NAT64,
    "globals": Vec(GLOBAL),
    "wasm_memory_size": NAT64,
    "stable_memory_size": NAT64,
    "certified_data": BLOB,
    "global_timer": Opt(GLOBAL_TIMER),
    "on_low_wasm_memory_hook_status": Opt(HOOK_STATUS),
}
SNAPSHOT_METADATA: Final = Record(
    {
        **_SNAPSHOT_CONTENT,
        "source": SNAPSHOT_SOURCE,
        "taken_at_timestamp": NAT64,
        "wasm_chunk_store": Vec(CHUNK_HASH),
        "canister_version": NAT64,
    }
)
UPLOAD_METADATA_ARGUMENTS: Final = Record(
    {**_SNAPSHOT_CONTENT, "canister_id": PRINCIPAL, "replace_snapshot": Opt(BLOB)}
)
UPLOAD_METADATA_RESULT: Final = Record({"snapshot_id": BLOB})

_SLICE: Final = Record({"offset": NAT64, "size": NAT64})
READ_DATA_ARGUMENTS: Final = Record(
    {
        "canister_id": PRINCIPAL,
        "snapshot_id": BLOB,
        "kind": Variant(
            {
                "wasm_module": _SLICE,
                "wasm_memory": _SLICE,
                "stable_memory": _SLICE,
                "wasm_chunk": CHUNK_HASH,
            }
        ),
    }
)
READ_DATA_RESULT: Final = Record({"chunk": BLOB})

_OFFSET: Final = Record({"offset": NAT64})
UPLOAD_DATA_ARGUMENTS: Final = Record(
    {
        "canister_id": PRINCIPAL,
        "snapshot_id": BLOB,
        "kind": Variant(
            {
                "wasm_module": _OFFSET,
                "wasm_memory": _OFFSET,
                "stable_memory": _OFFSET,
                "wasm_chunk": NULL,
            }
        ),
        "chunk": BLOB,
    }
)
