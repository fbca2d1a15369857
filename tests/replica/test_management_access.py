"""Who may call which management method, and how: before a round and again inside it."""

import pytest

from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica.management.methods import (
    CANISTERS_ONLY_WITH_TARGET,
    METHODS,
    UNSUPPORTED,
)
from juno_snap.wire.candid import PRINCIPAL, TEXT, Record, Tagged, encode
from tests.replica.subnet_world import ALICE, BOB, INSTALL, NOWHERE, module, new_world, refused

ONE_SLICE = Tagged("wasm_memory", {"offset": 0, "size": 1})
OTHER_FIELDS = {
    "provisional_top_up_canister": {"amount": 1},
    "update_settings": {"settings": {}},
    "install_code": {"mode": INSTALL, "wasm_module": b"", "arg": b""},
    "install_chunked_code": {
        "mode": INSTALL,
        "chunk_hashes_list": [],
        "wasm_module_hash": b"",
        "arg": b"",
    },
    "upload_chunk": {"chunk": b"chunk"},
    "load_canister_snapshot": {"snapshot_id": bytes(18)},
    "delete_canister_snapshot": {"snapshot_id": bytes(18)},
    "read_canister_snapshot_metadata": {"snapshot_id": bytes(18)},
    "read_canister_snapshot_data": {"snapshot_id": bytes(18), "kind": ONE_SLICE},
    "upload_canister_snapshot_metadata": {
        "wasm_module_size": 1,
        "globals": [],
        "wasm_memory_size": 0,
        "stable_memory_size": 0,
        "certified_data": b"",
    },
    "upload_canister_snapshot_data": {
        "snapshot_id": bytes(18),
        "kind": Tagged("wasm_memory", {"offset": 0}),
        "chunk": b"",
    },
}
"""The least that each method takes beside the canister."""

BY_INGRESS = sorted(name for name, entry in METHODS.items() if entry.ingress)
WITH_TARGET = [name for name in BY_INGRESS if METHODS[name].target]
CONTROLLED = [name for name in WITH_TARGET if name != "provisional_top_up_canister"]


def content(world, method, sender, canister):
    fields = {METHODS[method].target: canister, **OTHER_FIELDS.get(method, {})}
    payload = encode([METHODS[method].arguments], [fields])
    return world.call_content(MANAGEMENT_CANISTER, method, payload, sender)


def refused_by_filter(world, method, sender, canister):
    call = content(world, method, sender, canister)
    return refused(lambda: world.subnet.accept(call, canister))


def refused_in_execution(world, method, sender, canister):
    call = content(world, method, sender, canister)
    return refused(lambda: world.outcome(call))


@pytest.mark.parametrize("method", CONTROLLED)
def test_a_stranger_is_refused_before_a_round(method):
    world = new_world()
    canister = world.create()
    reject = refused_by_filter(world, method, BOB, canister)
    assert (reject.error_code, reject.reject_code) == ("IC0512", 5)
    assert (
        reject.message == f"Only controllers of canister {canister} can call ic00 method {method}"
    )


@pytest.mark.parametrize("method", CONTROLLED)
def test_a_stranger_is_refused_inside_a_round_with_other_words(method):
    world = new_world()
    canister = world.create(settings={"controllers": [BOB, ALICE]})
    settings = world.state_of(canister).settings
    assert set(settings.controllers) == {ALICE, BOB}
    reject = refused_in_execution(world, method, NOWHERE, canister)
    first, second = settings.controllers
    assert reject.error_code == "IC0512"
    assert reject.message == (
        f"Only the controllers of the canister {canister} can control it.\n"
        f"Canister's controllers: {first} {second}\n"
        f"Sender's ID: {NOWHERE}"
    )


@pytest.mark.parametrize("method", WITH_TARGET)
def test_a_canister_that_does_not_exist_is_not_found(method):
    world = new_world()
    for act in (refused_by_filter, refused_in_execution):
        reject = act(world, method, ALICE, NOWHERE)
        assert (reject.error_code, reject.message) == ("IC0301", f"Canister {NOWHERE} not found")


@pytest.mark.parametrize("method", BY_INGRESS)
def test_a_payload_that_is_no_candid_is_refused(method):
    world = new_world()
    call = world.call_content(MANAGEMENT_CANISTER, method, b"DIDL\x01", ALICE)
    before = refused(lambda: world.subnet.accept(call, NOWHERE))
    inside = refused(lambda: world.outcome(call))
    assert before.error_code == inside.error_code == "IC0408"
    assert before.message.startswith(f"Failed to parse payload for ic00 method {method}: ")
    assert inside.message.startswith("Error decoding candid: ")


@pytest.mark.parametrize("length", [0, 7, 38])
def test_a_snapshot_id_of_an_impossible_length_is_a_bad_payload(length):
    world = new_world()
    canister = world.running(module())
    for method, field in (
        ("load_canister_snapshot", "snapshot_id"),
        ("take_canister_snapshot", "replace_snapshot"),
    ):
        fields = {"canister_id": canister, field: bytes(length)}
        reject = refused(lambda m=method, f=fields: world.manage(m, ALICE, **f))
        assert reject.error_code == "IC0408"


def test_an_unknown_method_is_refused_before_everything_else():
    world = new_world()
    call = world.call_content(MANAGEMENT_CANISTER, "fly", b"", BOB)
    for act in (
        lambda: world.subnet.accept(call, NOWHERE),
        lambda: world.outcome(call),
    ):
        reject = refused(act)
        assert reject.error_code == "IC0536"
        assert reject.message == "ic00 interface does not expose method fly"


NOT_FOR_USERS = {name for name, entry in METHODS.items() if not entry.ingress} | UNSUPPORTED


@pytest.mark.parametrize("method", sorted(NOT_FOR_USERS - CANISTERS_ONLY_WITH_TARGET))
def test_methods_that_are_not_for_calls_of_users_are_refused(method):
    world = new_world()
    call = world.call_content(MANAGEMENT_CANISTER, method, b"", ALICE)
    reject = refused(lambda: world.subnet.accept(call, NOWHERE))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"ic00 method {method} can not be called via ingress messages",
    )


@pytest.mark.parametrize("method", ["canister_info", "canister_metadata"])
def test_methods_about_canisters_that_only_canisters_call_are_refused(method):
    world = new_world()
    call = world.call_content(MANAGEMENT_CANISTER, method, b"", ALICE)
    reject = refused(lambda: world.subnet.accept(call, NOWHERE))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"Only canisters can call ic00 method {method}",
    )


def test_a_call_routed_by_another_canister_is_refused():
    world = new_world()
    canister = world.create()
    world.routed = NOWHERE
    reject = refused(lambda: world.manage("start_canister", canister_id=canister))
    assert reject.error_code == "IC0408"
    assert str(NOWHERE) in reject.message


def test_creation_may_be_routed_by_any_canister():
    world = new_world()
    world.routed = NOWHERE
    assert world.create() in world.subnet.canisters


@pytest.mark.parametrize(
    "method",
    ["fly", "canister_info", *sorted(name for name, entry in METHODS.items() if not entry.query)],
)
def test_what_is_no_query_cannot_be_queried(method):
    world = new_world()
    reject = refused(lambda: world.query(MANAGEMENT_CANISTER, method, b""))
    assert (reject.error_code, reject.message) == ("IC0536", f"Query method {method} not found.")


@pytest.mark.parametrize("method", ["canister_status", "canister_metrics", "fetch_canister_logs"])
def test_queries_about_no_canister_are_refused(method):
    world = new_world()
    reject = refused(lambda: world.ask(method, canister_id=NOWHERE))
    assert (reject.error_code, reject.message) == ("IC0301", f"Canister {NOWHERE} not found")


def test_a_query_that_is_no_candid_is_refused():
    world = new_world()
    reject = refused(lambda: world.query(MANAGEMENT_CANISTER, "canister_status", b"x"))
    assert reject.error_code == "IC0408"
    assert reject.message.startswith("Error decoding candid: ")


def test_only_subnet_admins_list_canisters_and_there_are_none():
    world = new_world()
    assert refused(lambda: world.ask("list_canisters")).error_code == "IC0406"


@pytest.mark.parametrize(
    ("setting", "method", "error_code"),
    [
        ("status_visibility", "canister_status", "IC0542"),
        ("snapshot_visibility", "list_canister_snapshots", "IC0406"),
    ],
)
def test_visibility_opens_what_is_read_by_calls(setting, method, error_code):
    world = new_world()
    public = world.create(settings={setting: Tagged("public")})
    viewed = world.create(settings={setting: Tagged("allowed_viewers", [BOB])})
    world.manage(method, BOB, canister_id=public)
    world.manage(method, BOB, canister_id=viewed)
    for act in (refused_by_filter, refused_in_execution):
        reject = act(world, method, NOWHERE, viewed)
        assert reject.error_code == error_code
        assert reject.message.startswith(f"Caller {NOWHERE} is not allowed to call ")


def test_visibility_opens_the_log():
    world = new_world()
    closed = world.create()
    public = world.create(settings={"log_visibility": Tagged("public")})
    viewed = world.create(settings={"log_visibility": Tagged("allowed_viewers", [BOB])})
    for canister in (public, viewed):
        assert world.ask("fetch_canister_logs", BOB, canister_id=canister) == {
            "canister_log_records": []
        }
    reject = refused(lambda: world.ask("fetch_canister_logs", BOB, canister_id=closed))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"Caller {BOB} is not allowed to access canister logs",
    )


def test_a_canister_may_read_its_own_status_and_keep_its_own_chunks():
    world = new_world()
    canister = world.create()
    assert world.manage("canister_status", canister, canister_id=canister)["version"] == 0
    world.manage("upload_chunk", canister, canister_id=canister, chunk=b"a")
    assert len(world.manage("stored_chunks", canister, canister_id=canister)) == 1


def test_unknown_fields_in_a_payload_are_ignored():
    world = new_world()
    canister = world.create()
    payload = encode(
        [Record({"canister_id": PRINCIPAL, "mood": TEXT})],
        [{"canister_id": canister, "mood": "good"}],
    )
    call = world.call_content(MANAGEMENT_CANISTER, "start_canister", payload, ALICE)
    world.subnet.accept(call, canister)
    assert world.outcome(call) == b"DIDL\0\0"
