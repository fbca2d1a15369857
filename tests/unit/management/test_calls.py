"""What is sent, read back with the replica's types, which were written apart from ours."""

import pytest

from juno_snap.errors import InputError, PreconditionError
from juno_snap.ids import MANAGEMENT_CANISTER, Principal, SnapshotId
from juno_snap.management import canister, install, limits, snapshot_data, snapshots
from juno_snap.management.types import (
    AllowedViewers,
    CanisterSettings,
    Global,
    GlobalTimer,
    Install,
    ManagementCall,
    Reinstall,
    SnapshotUpload,
    Upgrade,
)
from juno_snap.replica import candid_types as network
from juno_snap.units import CHUNK_MAX_BYTES
from juno_snap.wire.candid import Tagged, decode

MODULE = Principal.parse("bnz7o-iuaaa-aaaaa-qaaaa-cai")
OTHER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
SNAPSHOT = SnapshotId(bytes(8) + MODULE.raw)
HASH = bytes(range(32))
NO_SETTINGS = dict.fromkeys(label for label in network.SETTINGS.by_label)


def received(call: ManagementCall, kind):
    """The argument as the network reads it, fields that are null left out."""
    (value,) = decode(call.arg, [kind])
    return {name: part for name, part in value.items() if part is not None}


def test_a_plain_call_names_the_canister():
    call = canister.plain_call("stop_canister", MODULE)
    assert call.method == "stop_canister"
    assert call.effective_canister_id == MODULE
    assert received(call, network.CANISTER_ID) == {"canister_id": MODULE}


ALL_SETTINGS = CanisterSettings(
    controllers=(MODULE, OTHER),
    compute_allocation_percent=1,
    memory_allocation_bytes=2,
    freezing_threshold_seconds=3,
    reserved_cycles_limit=2**70,
    minimum_incoming_canister_call_cycles=4,
    log_visibility="public",
    snapshot_visibility="controllers",
    status_visibility=AllowedViewers((OTHER,)),
    log_memory_limit_bytes=5,
    wasm_memory_limit_bytes=6,
    wasm_memory_threshold_bytes=0,
    environment_variables={"NAME": "value", "EMPTY": ""},
)
ALL_SETTINGS_RECEIVED = {
    "controllers": [MODULE, OTHER],
    "compute_allocation": 1,
    "memory_allocation": 2,
    "freezing_threshold": 3,
    "reserved_cycles_limit": 2**70,
    "minimum_incoming_canister_call_cycles": 4,
    "log_visibility": Tagged("public"),
    "snapshot_visibility": Tagged("controllers"),
    "status_visibility": Tagged("allowed_viewers", [OTHER]),
    "log_memory_limit": 5,
    "wasm_memory_limit": 6,
    "wasm_memory_threshold": 0,
    "environment_variables": [
        {"name": "NAME", "value": "value"},
        {"name": "EMPTY", "value": ""},
    ],
}


def test_every_setting_arrives():
    call = canister.update_settings_call(MODULE, ALL_SETTINGS)
    assert call.effective_canister_id == MODULE
    assert received(call, network.UPDATE_SETTINGS_ARGUMENTS) == {
        "canister_id": MODULE,
        "settings": ALL_SETTINGS_RECEIVED,
    }


def test_a_setting_that_is_not_given_is_left_alone():
    call = canister.update_settings_call(MODULE, CanisterSettings(controllers=()))
    settings = received(call, network.UPDATE_SETTINGS_ARGUMENTS)["settings"]
    assert settings == {**NO_SETTINGS, "controllers": []}


@pytest.mark.parametrize(
    ("specified", "effective", "sent_to"),
    [
        pytest.param(None, None, MANAGEMENT_CANISTER, id="anywhere"),
        pytest.param(MODULE, None, MODULE, id="with-an-id"),
        pytest.param(None, OTHER, OTHER, id="on-a-subnet"),
    ],
)
def test_a_canister_is_created_where_it_is_wanted(specified, effective, sent_to):
    call = canister.create_call(
        settings=CanisterSettings(),
        cycles=10**12,
        specified_id=specified,
        effective_canister_id=effective,
    )
    assert call.method == "provisional_create_canister_with_cycles"
    assert call.effective_canister_id == sent_to
    expected = {"amount": 10**12, "settings": NO_SETTINGS, "specified_id": specified}
    assert received(call, network.PROVISIONAL_CREATE_ARGUMENTS) == {
        name: value for name, value in expected.items() if value is not None
    }


def test_cycles_are_added():
    call = canister.top_up_call(MODULE, 2**64)
    assert call.method == "provisional_top_up_canister"
    arguments = received(call, network.PROVISIONAL_TOP_UP_ARGUMENTS)
    assert arguments == {"canister_id": MODULE, "amount": 2**64}
    with pytest.raises(InputError):
        canister.top_up_call(MODULE, -1)


MODES = [
    pytest.param(Install(), Tagged("install"), id="install"),
    pytest.param(Reinstall(), Tagged("reinstall"), id="reinstall"),
    pytest.param(Upgrade(), Tagged("upgrade"), id="upgrade"),
    pytest.param(
        Upgrade(skip_pre_upgrade=True),
        Tagged("upgrade", {"skip_pre_upgrade": True, "wasm_memory_persistence": None}),
        id="skip-pre-upgrade",
    ),
    pytest.param(
        Upgrade(wasm_memory_persistence="keep"),
        Tagged("upgrade", {"skip_pre_upgrade": None, "wasm_memory_persistence": Tagged("keep")}),
        id="keep",
    ),
    pytest.param(
        Upgrade(skip_pre_upgrade=True, wasm_memory_persistence="replace"),
        Tagged("upgrade", {"skip_pre_upgrade": True, "wasm_memory_persistence": Tagged("replace")}),
        id="replace",
    ),
]


@pytest.mark.parametrize(("mode", "sent"), MODES)
def test_code_is_installed_in_every_mode(mode, sent):
    call = install.install_call(MODULE, mode, b"wasm", b"DIDL")
    assert call.method == "install_code"
    assert call.effective_canister_id == MODULE
    assert received(call, network.INSTALL_CODE_ARGUMENTS) == {
        "mode": sent,
        "canister_id": MODULE,
        "wasm_module": b"wasm",
        "arg": b"DIDL",
    }


@pytest.mark.parametrize("store", [None, OTHER], ids=["own-store", "other-store"])
@pytest.mark.parametrize(("mode", "sent"), MODES)
def test_chunked_code_is_sent_to_the_target(mode, sent, store):
    call = install.install_chunked_call(
        MODULE, mode, [HASH, HASH], HASH, b"DIDL", store_canister=store
    )
    assert call.method == "install_chunked_code"
    assert call.effective_canister_id == MODULE
    arguments = received(call, network.INSTALL_CHUNKED_CODE_ARGUMENTS)
    assert arguments.pop("store_canister", None) == store
    assert arguments == {
        "mode": sent,
        "target_canister": MODULE,
        "chunk_hashes_list": [{"hash": HASH}, {"hash": HASH}],
        "wasm_module_hash": HASH,
        "arg": b"DIDL",
    }


def test_a_chunk_is_uploaded():
    call = install.upload_chunk_call(MODULE, bytes(CHUNK_MAX_BYTES))
    assert call.method == "upload_chunk"
    arguments = received(call, network.UPLOAD_CHUNK_ARGUMENTS)
    assert arguments == {"canister_id": MODULE, "chunk": bytes(CHUNK_MAX_BYTES)}


@pytest.mark.parametrize(
    ("replace", "uninstall", "sent"),
    [
        (None, False, {}),
        (SNAPSHOT, False, {"replace_snapshot": SNAPSHOT.raw}),
        (None, True, {"uninstall_code": True}),
    ],
    ids=["beside", "replace", "uninstall"],
)
def test_a_snapshot_is_taken(replace, uninstall, sent):
    call = snapshots.take_call(MODULE, replace=replace, uninstall_code=uninstall)
    assert call.method == "take_canister_snapshot"
    arguments = received(call, network.TAKE_SNAPSHOT_ARGUMENTS)
    assert arguments == {"canister_id": MODULE, **sent}


def test_a_snapshot_is_named_with_its_canister():
    call = snapshots.one_snapshot_call("load_canister_snapshot", MODULE, SNAPSHOT)
    for kind in (network.LOAD_SNAPSHOT_ARGUMENTS, network.SNAPSHOT_ID_ARGUMENTS):
        arguments = received(call, kind)
        assert arguments == {"canister_id": MODULE, "snapshot_id": SNAPSHOT.raw}


PARTS = ["wasm_module", "wasm_memory", "stable_memory"]


@pytest.mark.parametrize("part", PARTS)
def test_a_slice_of_each_part_is_read_and_written(part):
    read = snapshot_data.read_data_call(
        MODULE, SNAPSHOT, part=part, offset_bytes=7, size_bytes=2_000_000
    )
    assert received(read, network.READ_DATA_ARGUMENTS) == {
        "canister_id": MODULE,
        "snapshot_id": SNAPSHOT.raw,
        "kind": Tagged(part, {"offset": 7, "size": 2_000_000}),
    }
    written = snapshot_data.upload_data_call(MODULE, SNAPSHOT, b"data", part=part, offset_bytes=7)
    assert received(written, network.UPLOAD_DATA_ARGUMENTS) == {
        "canister_id": MODULE,
        "snapshot_id": SNAPSHOT.raw,
        "kind": Tagged(part, {"offset": 7}),
        "chunk": b"data",
    }


def test_a_wasm_chunk_is_read_by_hash_and_written_without():
    read = snapshot_data.read_chunk_call(MODULE, SNAPSHOT, HASH)
    assert received(read, network.READ_DATA_ARGUMENTS)["kind"] == Tagged(
        "wasm_chunk", {"hash": HASH}
    )
    written = snapshot_data.upload_chunk_call(MODULE, SNAPSHOT, b"chunk")
    arguments = received(written, network.UPLOAD_DATA_ARGUMENTS)
    assert arguments["kind"] == Tagged("wasm_chunk")
    assert arguments["chunk"] == b"chunk"


UPLOAD = SnapshotUpload(
    wasm_module_bytes=10,
    globals=(
        Global("i32", -1),
        Global("i64", -(2**63)),
        Global("f32", 0.5),
        Global("f64", 0.1),
        Global("v128", 2**127),
    ),
    wasm_memory_bytes=65_536,
    stable_memory_bytes=0,
    certified_data=b"certified",
)


@pytest.mark.parametrize(
    ("timer", "hook", "sent"),
    [
        (None, None, {}),
        (GlobalTimer(None), "ready", {"global_timer": Tagged("inactive")}),
        (GlobalTimer(5), "executed", {"global_timer": Tagged("active", 5)}),
    ],
    ids=["not-said", "inactive", "active"],
)
def test_the_metadata_of_a_snapshot_is_uploaded(timer, hook, sent):
    upload = SnapshotUpload(
        wasm_module_bytes=UPLOAD.wasm_module_bytes,
        globals=UPLOAD.globals,
        wasm_memory_bytes=UPLOAD.wasm_memory_bytes,
        stable_memory_bytes=UPLOAD.stable_memory_bytes,
        certified_data=UPLOAD.certified_data,
        global_timer=timer,
        on_low_wasm_memory_hook_status=hook,
    )
    call = snapshot_data.upload_metadata_call(MODULE, upload, replace=None)
    expected_hook = {} if hook is None else {"on_low_wasm_memory_hook_status": Tagged(hook)}
    assert received(call, network.UPLOAD_METADATA_ARGUMENTS) == {
        "canister_id": MODULE,
        "wasm_module_size": 10,
        "globals": [
            Tagged("i32", -1),
            Tagged("i64", -(2**63)),
            Tagged("f32", 0.5),
            Tagged("f64", 0.1),
            Tagged("v128", 2**127),
        ],
        "wasm_memory_size": 65_536,
        "stable_memory_size": 0,
        "certified_data": b"certified",
        **sent,
        **expected_hook,
    }


def test_an_upload_can_replace_a_snapshot():
    call = snapshot_data.upload_metadata_call(MODULE, UPLOAD, replace=SNAPSHOT)
    arguments = received(call, network.UPLOAD_METADATA_ARGUMENTS)
    assert arguments["replace_snapshot"] == SNAPSHOT.raw


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(
            lambda: install.upload_chunk_call(MODULE, bytes(CHUNK_MAX_BYTES + 1)),
            "chunk-too-large",
            id="chunk",
        ),
        pytest.param(
            lambda: snapshot_data.upload_chunk_call(MODULE, SNAPSHOT, bytes(CHUNK_MAX_BYTES + 1)),
            "chunk-too-large",
            id="chunk-of-a-snapshot",
        ),
        pytest.param(
            lambda: snapshot_data.read_data_call(
                MODULE, SNAPSHOT, part="wasm_memory", offset_bytes=0, size_bytes=2_000_001
            ),
            "slice-too-large",
            id="read-slice",
        ),
        pytest.param(
            lambda: snapshot_data.upload_data_call(
                MODULE, SNAPSHOT, bytes(2_000_001), part="wasm_memory", offset_bytes=0
            ),
            "slice-too-large",
            id="written-slice",
        ),
        pytest.param(
            lambda: snapshot_data.read_data_call(
                MODULE, SNAPSHOT, part="wasm_memory", offset_bytes=0, size_bytes=0
            ),
            "slice-empty",
            id="empty-slice",
        ),
        pytest.param(
            lambda: snapshot_data.read_data_call(
                MODULE, SNAPSHOT, part="wasm_memory", offset_bytes=-1, size_bytes=1
            ),
            "slice-empty",
            id="slice-before-the-beginning",
        ),
        pytest.param(
            lambda: install.install_chunked_call(
                MODULE, Upgrade(), [HASH] * 101, HASH, b"", store_canister=None
            ),
            "chunk-count",
            id="101-chunks",
        ),
        pytest.param(
            lambda: install.install_chunked_call(
                MODULE, Upgrade(), [], HASH, b"", store_canister=None
            ),
            "chunk-count",
            id="no-chunks",
        ),
        pytest.param(
            lambda: install.install_chunked_call(
                MODULE, Upgrade(), [HASH[:-1]], HASH, b"", store_canister=None
            ),
            "hash-size",
            id="hash-cut-short",
        ),
        pytest.param(
            lambda: limits.check_message("install_code", bytes(2 * 2**20 + 1)),
            "message-too-large",
            id="message",
        ),
    ],
)
def test_what_the_network_cannot_take_is_refused_before_it_is_sent(make, code):
    with pytest.raises(PreconditionError) as caught:
        make()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(CanisterSettings(controllers=(OTHER,) * 11), id="11-controllers"),
        pytest.param(
            CanisterSettings(snapshot_visibility=AllowedViewers((OTHER,) * 11)), id="11-viewers"
        ),
        pytest.param(
            CanisterSettings(environment_variables={str(number): "" for number in range(21)}),
            id="21-variables",
        ),
        pytest.param(CanisterSettings(environment_variables={"n" * 129: ""}), id="long-name"),
        pytest.param(CanisterSettings(environment_variables={"n": "é" * 65}), id="long-value"),
        pytest.param(CanisterSettings(freezing_threshold_seconds=-1), id="negative"),
    ],
)
def test_impossible_settings_are_an_error_of_the_one_who_wrote_them(settings):
    with pytest.raises(InputError):
        canister.update_settings_call(MODULE, settings)


def test_settings_at_their_limits_are_possible():
    settings = CanisterSettings(
        controllers=(OTHER,) * 10,
        environment_variables={f"{number:0>128}": "v" * 128 for number in range(20)},
    )
    call = canister.update_settings_call(MODULE, settings)
    arguments = received(call, network.UPDATE_SETTINGS_ARGUMENTS)
    assert len(arguments["settings"]["environment_variables"]) == 20
