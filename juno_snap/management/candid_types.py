"""The management canister's Candid types, from the client's side.

Results are read leniently: a field that some networks lack is optional here, and what is optional
is None where a network sends something this library does not know. Extra fields are skipped.

Source: dfinity/developer-docs, ``public/references/ic.did``; ``log_memory_limit`` from agent-rs,
``ic-utils``.
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

_VISIBILITY: Final = Variant(
    {"controllers": NULL, "public": NULL, "allowed_viewers": Vec(PRINCIPAL)}
)
_ENVIRONMENT_VARIABLES: Final = Vec(Record({"name": TEXT, "value": TEXT}))
_HASH: Final = Record({"hash": BLOB})
_GLOBALS: Final = Vec(
    Variant({"i32": INT32, "i64": INT64, "f32": FLOAT32, "f64": FLOAT64, "v128": NAT})
)
_GLOBAL_TIMER: Final = Variant({"inactive": NULL, "active": NAT64})
_HOOK_STATUS: Final = Variant({"condition_not_satisfied": NULL, "ready": NULL, "executed": NULL})

_OLD_SETTINGS: Final[dict[str, CandidType]] = {
    "controllers": Vec(PRINCIPAL),
    "compute_allocation": NAT,
    "memory_allocation": NAT,
    "freezing_threshold": NAT,
}
_NEWER_SETTINGS: Final[dict[str, CandidType]] = {
    "reserved_cycles_limit": Opt(NAT),
    "minimum_incoming_canister_call_cycles": Opt(NAT),
    "log_visibility": Opt(_VISIBILITY),
    "snapshot_visibility": Opt(_VISIBILITY),
    "status_visibility": Opt(_VISIBILITY),
    "log_memory_limit": Opt(NAT),
    "wasm_memory_limit": Opt(NAT),
    "wasm_memory_threshold": Opt(NAT),
    "environment_variables": Opt(_ENVIRONMENT_VARIABLES),
}
SETTINGS: Final = Record(
    {name: Opt(part) for name, part in _OLD_SETTINGS.items()} | _NEWER_SETTINGS
)
DEFINITE_SETTINGS: Final = Record(_OLD_SETTINGS | _NEWER_SETTINGS)

CANISTER: Final = Record({"canister_id": PRINCIPAL})

CREATE: Final = Record(
    {"amount": Opt(NAT), "settings": Opt(SETTINGS), "specified_id": Opt(PRINCIPAL)}
)
TOP_UP: Final = Record({"canister_id": PRINCIPAL, "amount": NAT})
UPDATE_SETTINGS: Final = Record({"canister_id": PRINCIPAL, "settings": SETTINGS})

STATUS: Final = Record(
    {
        "status": Variant({"running": NULL, "stopping": NULL, "stopped": NULL}),
        "ready_for_migration": Opt(BOOL),
        "version": Opt(NAT64),
        "settings": DEFINITE_SETTINGS,
        "module_hash": Opt(BLOB),
        "memory_size": NAT,
        "memory_metrics": Record(
            dict.fromkeys(
                (
                    "wasm_memory_size",
                    "stable_memory_size",
                    "global_memory_size",
                    "wasm_binary_size",
                    "custom_sections_size",
                    "canister_history_size",
                    "wasm_chunk_store_size",
                    "snapshots_size",
                ),
                NAT,
            )
        ),
        "cycles": NAT,
        "reserved_cycles": NAT,
        "idle_cycles_burned_per_day": NAT,
        "query_stats": Opt(
            Record(
                {
                    "num_calls_total": NAT,
                    "num_instructions_total": NAT,
                    "request_payload_bytes_total": NAT,
                    "response_payload_bytes_total": NAT,
                }
            )
        ),
    }
)

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
INSTALL_CODE: Final = Record(
    {"mode": INSTALL_MODE, "canister_id": PRINCIPAL, "wasm_module": BLOB, "arg": BLOB}
)
INSTALL_CHUNKED_CODE: Final = Record(
    {
        "mode": INSTALL_MODE,
        "target_canister": PRINCIPAL,
        "store_canister": Opt(PRINCIPAL),
        "chunk_hashes_list": Vec(_HASH),
        "wasm_module_hash": BLOB,
        "arg": BLOB,
    }
)
UPLOAD_CHUNK: Final = Record({"canister_id": PRINCIPAL, "chunk": BLOB})
CHUNK: Final = _HASH
CHUNKS: Final = Vec(_HASH)

SNAPSHOT: Final = Record({"id": BLOB, "taken_at_timestamp": NAT64, "total_size": NAT64})
SNAPSHOTS: Final = Vec(SNAPSHOT)
TAKE_SNAPSHOT: Final = Record(
    {"canister_id": PRINCIPAL, "replace_snapshot": Opt(BLOB), "uninstall_code": Opt(BOOL)}
)
ONE_SNAPSHOT: Final = Record({"canister_id": PRINCIPAL, "snapshot_id": BLOB})

SNAPSHOT_METADATA: Final = Record(
    {
        "source": Variant({"taken_from_canister": RESERVED, "metadata_upload": RESERVED}),
        "taken_at_timestamp": NAT64,
        "wasm_module_size": NAT64,
        "globals": _GLOBALS,
        "wasm_memory_size": NAT64,
        "stable_memory_size": NAT64,
        "wasm_chunk_store": Vec(_HASH),
        "canister_version": NAT64,
        "certified_data": BLOB,
        "global_timer": Opt(_GLOBAL_TIMER),
        "on_low_wasm_memory_hook_status": Opt(_HOOK_STATUS),
    }
)
UPLOAD_METADATA: Final = Record(
    {
        "canister_id": PRINCIPAL,
        "replace_snapshot": Opt(BLOB),
        "wasm_module_size": NAT64,
        "globals": _GLOBALS,
        "wasm_memory_size": NAT64,
        "stable_memory_size": NAT64,
        "certified_data": BLOB,
        "global_timer": Opt(_GLOBAL_TIMER),
        "on_low_wasm_memory_hook_status": Opt(_HOOK_STATUS),
    }
)
UPLOADED_SNAPSHOT: Final = Record({"snapshot_id": BLOB})

_SLICE: Final = Record({"offset": NAT64, "size": NAT64})
_OFFSET: Final = Record({"offset": NAT64})
READ_DATA: Final = Record(
    {
        "canister_id": PRINCIPAL,
        "snapshot_id": BLOB,
        "kind": Variant(
            {
                "wasm_module": _SLICE,
                "wasm_memory": _SLICE,
                "stable_memory": _SLICE,
                "wasm_chunk": _HASH,
            }
        ),
    }
)
DATA: Final = Record({"chunk": BLOB})
UPLOAD_DATA: Final = Record(
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

LOGS: Final = Record(
    {"canister_log_records": Vec(Record({"idx": NAT64, "timestamp_nanos": NAT64, "content": BLOB}))}
)
