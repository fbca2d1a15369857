"""Calls and queries to canisters, and the version that counts what happened to one."""

import pytest

from juno_snap.replica.state import Status
from tests.replica.subnet_world import (
    INSPECTED,
    NOWHERE,
    REINSTALL,
    UPGRADE,
    module,
    new_world,
    refused,
)


def test_an_update_changes_heap_stable_memory_and_globals():
    world = new_world()
    canister = world.running(module())
    world.call(canister, "bump")
    world.call(canister, "bump")
    assert world.query(canister, "read") == b"\2\2\2\x09"


def test_a_query_method_can_be_called_as_an_update_and_changes_nothing():
    world = new_world()
    canister = world.running(module())
    assert world.call(canister, "read") == b"\0\0\0\7"


def test_a_trap_changes_nothing_but_the_log():
    world = new_world()
    canister = world.running(module())
    world.call(canister, "bump")
    reject = refused(lambda: world.call(canister, "boom", b"farewell"))
    assert reject.error_code == "IC0502"
    assert reject.message.startswith(f"Error from Canister {canister}: Canister trapped:")
    assert world.query(canister, "read") == b"\1\1\1\x08"
    lines = [record.content for record in world.state_of(canister).logs.records]
    assert lines[0] == b"farewell"
    assert lines[1].startswith(b"[TRAP]")


def test_the_codes_own_reject_keeps_its_changes():
    world = new_world()
    canister = world.running(module())
    reject = refused(lambda: world.call(canister, "refuse", b"not today"))
    assert (reject.error_code, reject.reject_code) == ("IC0406", 4)
    assert reject.message == "not today"
    assert world.query(canister, "read")[1] == 77


def test_code_that_does_not_answer_is_told_apart():
    world = new_world()
    canister = world.running(module())
    reject = refused(lambda: world.call(canister, "silent"))
    assert reject.error_code == "IC0506"


def test_a_query_gets_the_certificate_of_its_own_canister():
    world = new_world()
    canister = world.running(module())
    assert world.query(canister, "certificate") == b"certificate of " + canister.raw


def test_a_canister_that_does_not_exist_is_refused_everywhere():
    world = new_world()
    for act in (
        lambda: world.call(NOWHERE, "bump"),
        lambda: world.execute(NOWHERE, "bump"),
        lambda: world.query(NOWHERE, "read"),
    ):
        reject = refused(act)
        assert (reject.error_code, reject.message) == ("IC0301", f"Canister {NOWHERE} not found")


def test_an_empty_canister_is_refused_everywhere():
    world = new_world()
    canister = world.create()
    before = refused(lambda: world.call(canister, "bump"))
    assert (before.error_code, before.message) == (
        "IC0537",
        "Requested canister has no wasm module",
    )
    for act in (lambda: world.execute(canister, "bump"), lambda: world.query(canister, "read")):
        reject = refused(act)
        assert reject.error_code == "IC0537"
        assert "contains no Wasm module" in reject.message


@pytest.mark.parametrize(
    ("status", "error_code", "word"),
    [(Status.STOPPED, "IC0508", "stopped"), (Status.STOPPING, "IC0509", "stopping")],
)
def test_a_canister_that_does_not_run_takes_no_calls(status, error_code, word):
    world = new_world()
    canister = world.running(module())
    world.state_of(canister).status = status
    before = refused(lambda: world.call(canister, "bump"))
    assert (before.error_code, before.message) == (
        error_code,
        f"Canister {canister} is not running",
    )
    after = refused(lambda: world.execute(canister, "bump"))
    assert (after.error_code, after.message) == (error_code, f"Canister {canister} is {word}")


def test_a_stopped_canister_answers_no_queries():
    world = new_world()
    canister = world.running(module())
    world.manage("stop_canister", canister_id=canister)
    reject = refused(lambda: world.query(canister, "read"))
    assert reject.error_code == "IC0508"
    assert reject.message.startswith(f"Canister {canister} is stopped")


def test_an_unknown_method_is_refused_in_execution():
    world = new_world()
    canister = world.running(module())
    update = refused(lambda: world.call(canister, "nothing"))
    query = refused(lambda: world.query(canister, "bump"))
    assert update.error_code == query.error_code == "IC0536"
    assert "Canister has no update method 'nothing'." in update.message
    assert "Canister has no query method 'bump'." in query.message


def test_a_composite_query_cannot_be_called_as_an_update():
    world = new_world()
    canister = world.running(module())
    assert refused(lambda: world.call(canister, "both")).error_code == "IC0527"


def test_a_canister_can_refuse_a_message_before_a_round():
    world = new_world()
    canister = world.running(module(INSPECTED))
    assert refused(lambda: world.call(canister, "bump")).error_code == "IC0406"
    assert world.state_of(canister).version == 1


def test_the_time_of_the_subnet_never_goes_back():
    world = new_world()
    canister = world.running(module())
    world.call(canister, "bump")
    newest = world.subnet.time_ns
    world.now_ns -= 10**10
    world.call(canister, "bump")
    assert world.subnet.time_ns == newest


def test_the_same_calls_give_the_same_state():
    def state_after_some_calls():
        world = new_world()
        canister = world.running(module())
        world.call(canister, "bump")
        world.snapshot(canister)
        world.call(canister, "certify", b"root")
        return world.manage("canister_status", canister_id=canister), world.state_of(
            canister
        ).history

    assert state_after_some_calls() == state_after_some_calls()


VERSION_STEPS = {
    "update settings": (lambda w, c: w.manage("update_settings", canister_id=c, settings={}), 1),
    "reinstall": (lambda w, c: w.install(c, module(), REINSTALL), 1),
    "upgrade": (lambda w, c: w.install(c, module(), UPGRADE), 1),
    "uninstall": (lambda w, c: w.manage("uninstall_code", canister_id=c), 1),
    "start while running": (lambda w, c: w.manage("start_canister", canister_id=c), 1),
    "stop": (lambda w, c: w.manage("stop_canister", canister_id=c), 2),
    "update": (lambda w, c: w.call(c, "bump"), 1),
    "replicated query": (lambda w, c: w.call(c, "read"), 1),
    "reject by the code": (lambda w, c: refused(lambda: w.call(c, "refuse")), 1),
    "trap": (lambda w, c: refused(lambda: w.call(c, "boom")), 0),
    "query": (lambda w, c: w.query(c, "read"), 0),
    "status": (lambda w, c: w.manage("canister_status", canister_id=c), 0),
    "take a snapshot": (lambda w, c: w.snapshot(c), 0),
    "take one and uninstall": (lambda w, c: w.snapshot(c, uninstall_code=True), 1),
    "upload a chunk": (lambda w, c: w.manage("upload_chunk", canister_id=c, chunk=b"a"), 0),
    "top up": (
        lambda w, c: w.manage("provisional_top_up_canister", canister_id=c, amount=1),
        0,
    ),
    "failed upgrade": (lambda w, c: refused(lambda: w.install(c, b"\0asm", UPGRADE)), 0),
}
"""What changes the version, by how much. Source: interface specification, "Canister version"."""


@pytest.mark.parametrize("name", VERSION_STEPS)
def test_the_version_rises_as_specified(name):
    step, rise = VERSION_STEPS[name]
    world = new_world()
    canister = world.running(module())
    before = world.state_of(canister).version
    step(world, canister)
    assert world.state_of(canister).version - before == rise


@pytest.mark.parametrize(
    ("method", "rise"), [("load_canister_snapshot", 1), ("delete_canister_snapshot", 0)]
)
def test_loading_raises_the_version_and_deleting_does_not(method, rise):
    world = new_world()
    canister = world.running(module())
    snapshot = world.snapshot(canister)
    before = world.state_of(canister).version
    world.manage(method, canister_id=canister, snapshot_id=snapshot["id"])
    assert world.state_of(canister).version - before == rise


def test_a_version_begins_at_zero_and_install_and_a_second_stop_raise_it():
    world = new_world()
    canister = world.create()
    assert world.state_of(canister).version == 0
    world.install(canister, module())
    assert world.state_of(canister).version == 1
    world.manage("stop_canister", canister_id=canister)
    world.manage("stop_canister", canister_id=canister)
    assert world.state_of(canister).version == 4


def test_code_sees_the_version_that_its_own_install_leads_to():
    world = new_world()
    canister = world.running(module())
    assert world.query(canister, "init_version") == (1).to_bytes(8, "little")
