"""What comes back: from the newest network we know, from older ones, from ones still to come."""

import pytest

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management import canister, install, snapshot_data, snapshots
from juno_snap.management.types import (
    AllowedViewers,
    Global,
    GlobalTimer,
    LogRecord,
    Snapshot,
)
from juno_snap.wire.candid import (
    BLOB,
    BOOL,
    FLOAT64,
    INT32,
    NAT,
    NAT64,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Opt,
    Record,
    Tagged,
    Variant,
    Vec,
    encode,
)

OWNER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
HASH = bytes(range(32))
ID = bytes(8) + OWNER.raw

METRICS = {
    "wasm_memory_size": 1,
    "stable_memory_size": 2,
    "global_memory_size": 3,
    "wasm_binary_size": 4,
    "custom_sections_size": 5,
    "canister_history_size": 6,
    "wasm_chunk_store_size": 7,
    "snapshots_size": 8,
}
OLD_SETTINGS_TYPES = {
    "controllers": Vec(PRINCIPAL),
    "compute_allocation": NAT,
    "memory_allocation": NAT,
    "freezing_threshold": NAT,
}
OLD_SETTINGS = {
    "controllers": [OWNER],
    "compute_allocation": 1,
    "memory_allocation": 2,
    "freezing_threshold": 3,
}
STATUSES = Variant({"running": NULL, "stopping": NULL, "stopped": NULL})
OLD_TYPES = {
    "status": STATUSES,
    "settings": Record(OLD_SETTINGS_TYPES),
    "module_hash": Opt(BLOB),
    "memory_size": NAT,
    "memory_metrics": Record(dict.fromkeys(METRICS, NAT)),
    "cycles": NAT,
    "reserved_cycles": NAT,
    "idle_cycles_burned_per_day": NAT,
}
OLD = {
    "status": Tagged("stopped"),
    "settings": OLD_SETTINGS,
    "module_hash": HASH,
    "memory_size": 100,
    "memory_metrics": METRICS,
    "cycles": 2**100,
    "reserved_cycles": 5,
    "idle_cycles_burned_per_day": 6,
}


def status(types, values):
    return canister.status_from_reply(encode([Record(types)], [values]))


def test_an_older_network_leaves_fields_out():
    read = status(OLD_TYPES, OLD)
    assert read.status == "stopped"
    assert read.settings.controllers == (OWNER,)
    assert read.settings.freezing_threshold_seconds == 3
    assert read.settings.log_visibility is None
    assert read.settings.environment_variables is None
    assert read.settings.reserved_cycles_limit is None
    assert read.module_hash == HASH
    assert read.memory_metrics.snapshots_bytes == 8
    assert read.memory_metrics.wasm_memory_bytes == 1
    assert read.cycles == 2**100
    assert (read.version, read.query_stats, read.ready_for_migration) == (None, None, None)


VISIBILITY = Variant({"controllers": NULL, "public": NULL, "allowed_viewers": Vec(PRINCIPAL)})


def test_a_current_network_fills_them():
    settings_types = {
        **OLD_SETTINGS_TYPES,
        "log_visibility": VISIBILITY,
        "snapshot_visibility": VISIBILITY,
        "status_visibility": VISIBILITY,
        "wasm_memory_limit": NAT,
        "environment_variables": Vec(Record({"name": TEXT, "value": TEXT})),
    }
    settings = {
        **OLD_SETTINGS,
        "log_visibility": Tagged("public"),
        "snapshot_visibility": Tagged("controllers"),
        "status_visibility": Tagged("allowed_viewers", [OWNER]),
        "wasm_memory_limit": 9,
        "environment_variables": [{"name": "A", "value": "b"}],
    }
    stats = {
        "num_calls_total": 1,
        "num_instructions_total": 2,
        "request_payload_bytes_total": 3,
        "response_payload_bytes_total": 4,
    }
    types = {
        **OLD_TYPES,
        "settings": Record(settings_types),
        "version": NAT64,
        "ready_for_migration": BOOL,
        "query_stats": Record(dict.fromkeys(stats, NAT)),
    }
    values = {**OLD, "settings": settings, "version": 7, "ready_for_migration": True}
    read = status(types, {**values, "query_stats": stats})
    assert read.version == 7
    assert read.ready_for_migration is True
    assert read.settings.log_visibility == "public"
    assert read.settings.snapshot_visibility == "controllers"
    assert read.settings.status_visibility == AllowedViewers((OWNER,))
    assert read.settings.wasm_memory_limit_bytes == 9
    assert read.settings.environment_variables == {"A": "b"}
    assert read.query_stats.response_payload_bytes_total == 4


def test_a_network_still_to_come_may_add_fields_and_kinds_of_visibility():
    newer = Variant({"controllers": NULL, "everyone_but": Vec(PRINCIPAL)})
    types = {
        **OLD_TYPES,
        "settings": Record({**OLD_SETTINGS_TYPES, "log_visibility": newer, "mood": TEXT}),
        "temperature": FLOAT64,
    }
    settings = {**OLD_SETTINGS, "log_visibility": Tagged("everyone_but", []), "mood": "good"}
    read = status(types, {**OLD, "settings": settings, "temperature": 36.6})
    assert read.settings.log_visibility is None
    assert read.settings.compute_allocation_percent == 1


def test_a_status_nobody_knows_is_an_error():
    types = {**OLD_TYPES, "status": Variant({"dreaming": NULL})}
    with pytest.raises(DecodeError):
        status(types, {**OLD, "status": Tagged("dreaming")})


def test_an_empty_module_has_no_hash():
    assert status(OLD_TYPES, {**OLD, "module_hash": None}).module_hash is None


SNAPSHOT_TYPE = Record({"id": BLOB, "taken_at_timestamp": NAT64, "total_size": NAT64})


def snapshot_values(number, at_ns):
    return {"id": bytes([number]) + ID, "taken_at_timestamp": at_ns, "total_size": 10 + number}


def test_a_taken_snapshot():
    reply = encode([SNAPSHOT_TYPE], [snapshot_values(1, 5)])
    assert snapshots.snapshot_from_reply(reply) == Snapshot(
        id=SnapshotId(b"\x01" + ID), taken_at_ns=5, total_size_bytes=11
    )


def test_snapshots_come_oldest_first_and_equal_times_by_id():
    listed = [snapshot_values(3, 5), snapshot_values(1, 9), snapshot_values(2, 5)]
    reply = encode([Vec(SNAPSHOT_TYPE)], [listed])
    assert [each.id.raw[0] for each in snapshots.snapshots_from_reply(reply)] == [2, 3, 1]


@pytest.mark.parametrize("raw", [b"", bytes(7), bytes(38)])
def test_an_impossible_snapshot_id_is_an_error(raw):
    reply = encode([SNAPSHOT_TYPE], [{**snapshot_values(1, 5), "id": raw}])
    with pytest.raises(DecodeError):
        snapshots.snapshot_from_reply(reply)


GLOBALS = Vec(Variant({"i32": INT32, "f64": FLOAT64, "v128": NAT}))
METADATA_TYPES = {
    "source": Variant({"taken_from_canister": RESERVED, "metadata_upload": RESERVED}),
    "taken_at_timestamp": NAT64,
    "wasm_module_size": NAT64,
    "globals": GLOBALS,
    "wasm_memory_size": NAT64,
    "stable_memory_size": NAT64,
    "wasm_chunk_store": Vec(Record({"hash": BLOB})),
    "canister_version": NAT64,
    "certified_data": BLOB,
}
METADATA = {
    "source": Tagged("metadata_upload"),
    "taken_at_timestamp": 1,
    "wasm_module_size": 2,
    "globals": [Tagged("i32", -1), Tagged("f64", 0.5), Tagged("v128", 3)],
    "wasm_memory_size": 65_536,
    "stable_memory_size": 131_072,
    "wasm_chunk_store": [{"hash": HASH}],
    "canister_version": 4,
    "certified_data": b"c",
}
TIMER = Opt(Variant({"inactive": NULL, "active": NAT64}))
HOOK = Opt(Variant({"condition_not_satisfied": NULL, "ready": NULL, "executed": NULL}))


def metadata(types, values):
    return snapshot_data.metadata_from_reply(encode([Record(types)], [values]))


def test_metadata_of_an_old_snapshot():
    read = metadata(METADATA_TYPES, METADATA)
    assert read.source == "metadata_upload"
    assert read.globals == (Global("i32", -1), Global("f64", 0.5), Global("v128", 3))
    assert (read.wasm_memory_bytes, read.stable_memory_bytes) == (65_536, 131_072)
    assert read.wasm_chunk_store == (HASH,)
    assert (read.global_timer, read.on_low_wasm_memory_hook_status) == (None, None)
    assert (read.canister_version, read.certified_data) == (4, b"c")


@pytest.mark.parametrize(
    ("timer", "expected"),
    [
        (Tagged("inactive"), GlobalTimer(None)),
        (Tagged("active", 9), GlobalTimer(9)),
        (None, None),
    ],
)
def test_timer_and_hook_of_a_new_one(timer, expected):
    types = {**METADATA_TYPES, "global_timer": TIMER, "on_low_wasm_memory_hook_status": HOOK}
    values = {**METADATA, "global_timer": timer}
    read = metadata(types, {**values, "on_low_wasm_memory_hook_status": Tagged("ready")})
    assert read.global_timer == expected
    assert read.on_low_wasm_memory_hook_status == "ready"


def test_metadata_can_be_uploaded_as_it_was_read():
    read = metadata(METADATA_TYPES, METADATA)
    upload = read.for_upload()
    for name in ("wasm_module_bytes", "globals", "wasm_memory_bytes", "certified_data"):
        assert getattr(upload, name) == getattr(read, name)


def test_small_replies():
    hashes = [{"hash": HASH}, {"hash": bytes(32)}]
    hash_type = Record({"hash": BLOB})
    assert install.chunk_hash_from_reply(encode([hash_type], hashes[:1])) == HASH
    read = install.chunk_hashes_from_reply(encode([Vec(hash_type)], [hashes]))
    assert read == (HASH, bytes(32))
    data = encode([Record({"chunk": BLOB})], [{"chunk": b"data"}])
    assert snapshot_data.data_from_reply(data) == b"data"
    made = encode([Record({"snapshot_id": BLOB})], [{"snapshot_id": ID}])
    assert snapshot_data.uploaded_id_from_reply(made) == SnapshotId(ID)
    created = encode([Record({"canister_id": PRINCIPAL})], [{"canister_id": OWNER}])
    assert canister.created_id(created) == OWNER


def test_logs():
    line = Record({"idx": NAT64, "timestamp_nanos": NAT64, "content": BLOB})
    reply = encode(
        [Record({"canister_log_records": Vec(line)})],
        [{"canister_log_records": [{"idx": 1, "timestamp_nanos": 2, "content": b"hello"}]}],
    )
    assert canister.logs_from_reply(reply) == [LogRecord(index=1, at_ns=2, content=b"hello")]


@pytest.mark.parametrize(
    "read",
    [
        canister.status_from_reply,
        canister.logs_from_reply,
        canister.created_id,
        install.chunk_hash_from_reply,
        install.chunk_hashes_from_reply,
        snapshots.snapshot_from_reply,
        snapshots.snapshots_from_reply,
        snapshot_data.metadata_from_reply,
        snapshot_data.data_from_reply,
        snapshot_data.uploaded_id_from_reply,
    ],
)
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"DIDL\x00\x00", id="without-a-value"),
        pytest.param(encode([TEXT], ["no"]), id="another-type"),
        pytest.param(encode([Record({})], [{}]), id="empty-record"),
    ],
)
def test_a_reply_of_another_kind_is_a_decode_error(read, reply):
    with pytest.raises(DecodeError):
        read(reply)
