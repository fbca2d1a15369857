"""What becomes of open calls when a canister stops, changes or is emptied, and after a restart."""

import pytest

from juno_snap.replica.calls import Response
from juno_snap.replica.runtime import Engine, wasm_from_text
from juno_snap.replica.state import Status
from juno_snap.replica.storage import open_storage
from tests.replica.puppet import (
    NOTE_ARG,
    NOTE_REJECT,
    NOTE_REJECT_CODE,
    begin,
    call,
    held_open,
    hold,
    note,
    number,
    puppet,
    reject,
    release,
    reply,
    run,
    traced,
)
from tests.replica.subnet_world import (
    ALICE,
    INSTALL,
    REINSTALL,
    new_world,
    refused,
    upgrade,
    wealth,
)

NEW_CODE = """
  (elem (i32.const 1) $changed)
  (data (i32.const 100) "new")
  (func $changed (param i32)
    (call $append (i32.const 100) (i32.const 3)) (call $reply))
"""
WITHOUT_TABLE = wasm_from_text("(module)")
ENGINE = Engine()


@pytest.fixture
def world():
    return new_world(engine=ENGINE)


@pytest.fixture
def holder(world):
    return held_open(world)


@pytest.fixture
def caller(world):
    return world.running(puppet())


@pytest.fixture
def waiting(world, caller, holder):
    """The request id of a call that waits until the holder is released."""
    program = note("1") + call(
        holder, hold(holder), on_reply=note("2") + NOTE_ARG + reply(b"old"), on_reject=reject("no")
    )
    request_id = begin(world, caller, program)
    world.round()
    assert world.outcomes == {}
    return request_id


def stop(world, canister):
    """Ask for a stop; its request id."""
    payload = world.payload("stop_canister", canister_id=canister)
    return world.submit(world.management_call("stop_canister", payload))


def trace_of_stopped(world, canister):
    world.manage("start_canister", canister_id=canister)
    return traced(world, canister)


def status(world, canister):
    return world.state_of(canister).status


def test_a_stop_waits_for_open_calls_and_their_answers_are_processed(
    world, caller, holder, waiting
):
    version = world.state_of(caller).version
    stopped = stop(world, caller)
    world.round()
    assert world.outcomes == {}
    assert status(world, caller) is Status.STOPPING
    assert world.state_of(caller).version == version + 1
    release(world, holder)
    assert world.ended(waiting) == b"old"
    assert world.ended(stopped) == b"DIDL\0\0"
    assert status(world, caller) is Status.STOPPED
    assert world.state_of(caller).version == version + 3
    assert trace_of_stopped(world, caller) == b"12released"


def test_a_stopping_canister_takes_no_new_calls(world, caller, waiting):
    stop(world, caller)
    world.round()
    outside = refused(lambda: run(world, caller, reply()))
    assert (outside.error_code, outside.message) == ("IC0509", f"Canister {caller} is not running")
    inside = refused(lambda: world.execute(caller, "run"))
    assert (inside.error_code, inside.message) == ("IC0509", f"Canister {caller} is stopping")
    asking = world.running(puppet())
    run(world, asking, call(caller, reply(), on_reject=NOTE_REJECT + reply()))
    assert traced(world, asking) == number(5) + f"Canister {caller} is stopping".encode()
    assert world.query(caller, "trace") == b"1"


def test_a_start_cancels_the_stops_that_wait(world, caller, holder, waiting):
    first, second = stop(world, caller), stop(world, caller)
    world.round()
    world.manage("start_canister", canister_id=caller)
    for request_id in (first, second):
        reason = refused(lambda each=request_id: world.ended(each))
        assert (reason.error_code, reason.message) == (
            "IC0511",
            f"Canister {caller}'s stop request was cancelled.",
        )
    assert status(world, caller) is Status.RUNNING
    release(world, holder)
    assert world.ended(waiting) == b"old"
    assert status(world, caller) is Status.RUNNING


def test_a_stop_is_given_up_after_five_minutes_and_the_canister_may_stop_later(
    world, caller, holder
):
    begin(world, caller, call(holder, hold(holder, again=True), on_reply=reply()))
    stopped = stop(world, caller)
    world.round()
    world.round(seconds=299)
    assert world.outcomes == {}
    assert world.subnet.next_wake_ns() == world.now_ns + 10**9
    world.round(seconds=1)
    reason = refused(lambda: world.ended(stopped))
    assert (reason.error_code, reason.reject_code) == ("IC0206", 2)
    assert status(world, caller) is Status.STOPPING
    release(world, holder)
    assert status(world, caller) is Status.STOPPED


def test_all_who_wait_for_a_stop_are_answered(world, caller, holder, waiting):
    requests = [stop(world, caller) for _ in range(3)]
    world.round()
    release(world, holder)
    assert [world.ended(each) for each in requests] == [b"DIDL\0\0"] * 3
    assert world.manage("stop_canister", canister_id=caller) is None


def test_a_canister_stops_only_after_calls_that_are_answered_already(world, caller, holder):
    program = call(holder, hold(holder), on_reply=note("late")) + reply(b"early")
    assert run(world, caller, program) == b"early"
    stopped = stop(world, caller)
    world.round()
    assert world.outcomes == {}
    release(world, holder)
    assert world.ended(stopped) == b"DIDL\0\0"
    assert trace_of_stopped(world, caller) == b"late"


@pytest.mark.parametrize("mode", [REINSTALL, upgrade(persistence="replace")])
def test_after_an_upgrade_the_callbacks_run_in_the_new_code(world, caller, holder, waiting, mode):
    world.install(caller, puppet(extra=NEW_CODE), mode)
    release(world, holder)
    assert world.ended(waiting) == b"new"


def test_a_heap_that_is_kept_has_what_the_callbacks_need(world, caller, holder, waiting):
    world.install(caller, puppet(), upgrade(persistence="keep"))
    release(world, holder)
    assert world.ended(waiting) == b"old"


def test_new_code_without_the_callback_fails_the_call(world, caller, holder, waiting):
    world.install(caller, WITHOUT_TABLE, REINSTALL)
    release(world, holder)
    reason = refused(lambda: world.ended(waiting))
    assert reason.error_code == "IC0513"


def test_a_failing_upgrade_leaves_the_open_calls_as_they_were(world, caller, holder, waiting):
    bad = puppet(extra='(func (export "canister_post_upgrade") unreachable)')
    refused(lambda: world.install(caller, bad, upgrade(persistence="replace")))
    release(world, holder)
    assert world.ended(waiting) == b"old"


def test_a_loaded_snapshot_answers_the_open_calls_with_its_own_heap(world, caller, holder):
    taken = world.snapshot(caller)
    program = call(holder, hold(holder), on_reply=note("x") + reply(b"old")) + note("lost")
    request_id = begin(world, caller, program)
    world.round()
    world.manage("load_canister_snapshot", canister_id=caller, snapshot_id=taken["id"])
    release(world, holder)
    reason = refused(lambda: world.ended(request_id))
    assert reason.error_code == "IC0506"  # in the older heap there is no program
    assert traced(world, caller) == b""


@pytest.mark.parametrize("by_snapshot", [False, True])
def test_an_uninstall_rejects_the_open_calls_and_late_answers_run_nothing(
    world, caller, holder, waiting, by_snapshot
):
    before = wealth(world, caller)
    if by_snapshot:
        world.snapshot(caller, uninstall_code=True)
    else:
        world.manage("uninstall_code", canister_id=caller)
    reason = refused(lambda: world.ended(waiting))
    assert (reason.error_code, reason.message) == ("IC0406", "Canister has been uninstalled.")
    world.install(caller, puppet(), INSTALL)
    release(world, holder)
    assert traced(world, caller) == b""
    assert wealth(world, caller) == before
    assert not world.state_of(caller).calls.are_open


def test_an_uninstall_tells_canisters_that_wait_and_refunds_them(world, caller, holder):
    asking = world.running(puppet())
    before = wealth(world, asking)
    inner = call(holder, hold(holder), on_reply=reply())
    request_id = begin(
        world, asking, call(caller, inner, cycles=1000, on_reject=NOTE_REJECT + reply())
    )
    world.round()
    assert wealth(world, asking) == before - 1000
    world.manage("uninstall_code", canister_id=caller)
    assert world.ended(request_id) == b""
    assert traced(world, asking) == number(4) + b"Canister has been uninstalled."
    assert wealth(world, asking) == before


def test_a_stopping_canister_without_code_stops_when_the_answers_have_come(
    world, caller, holder, waiting
):
    stopped = stop(world, caller)
    world.round()
    world.manage("uninstall_code", canister_id=caller)
    assert stopped not in world.outcomes
    release(world, holder)
    assert world.ended(stopped) == b"DIDL\0\0"


def test_a_canister_is_not_deleted_while_messages_wait_for_it(world, caller):
    world.manage("stop_canister", canister_id=caller)
    payload = world.payload("delete_canister", canister_id=caller)
    deleted = world.submit(world.management_call("delete_canister", payload))
    late = begin(world, caller, reply())
    world.round()
    reason = refused(lambda: world.ended(deleted))
    assert reason.error_code == "IC0203"
    assert reason.message == (
        f"Canister {caller} has messages in its queues and cannot be deleted now. "
        "Please retry after some time."
    )
    assert refused(lambda: world.ended(late)).error_code == "IC0508"
    world.manage("delete_canister", canister_id=caller)
    assert caller not in world.subnet.canisters


def test_a_call_to_a_canister_that_is_deleted_meanwhile_is_rejected(world, caller, holder):
    asking = world.running(puppet())
    request_id = begin(
        world,
        asking,
        call(holder, hold(holder), on_reply=call(caller, on_reject=NOTE_REJECT_CODE + reply())),
    )
    world.round()
    world.manage("stop_canister", canister_id=caller)
    world.manage("delete_canister", canister_id=caller)
    release(world, holder)
    assert world.ended(request_id) == b""
    assert traced(world, asking) == number(3)


def restarted(world, folder):
    """The same subnet, from its checkpoint."""
    with open_storage(folder) as storage:
        storage.save(world.subnet.state)
        checkpoint = storage.load(ENGINE)
    again = new_world(checkpoint.state, ENGINE)
    again.now_ns = world.now_ns
    return again


def test_open_calls_and_stops_go_on_after_a_restart(world, caller, holder, waiting, tmp_path):
    stopped = stop(world, caller)
    world.round()
    again = restarted(world, tmp_path)
    assert status(again, caller) is Status.STOPPING
    release(again, holder)
    assert again.ended(waiting) == b"old"
    assert again.ended(stopped) == b"DIDL\0\0"
    assert trace_of_stopped(again, caller) == b"12released"


def test_messages_on_their_way_arrive_after_a_restart(world, caller, tmp_path):
    big = bytes(range(256)) * 200
    request_id = begin(world, caller, note("x") + reply(big[:100]))
    for method, arg in (("run", big), ("unheard_of", b"")):
        world.submit(world.call_content(caller, method, arg, ALICE))
    first = restarted(world, tmp_path)
    assert first.subnet.state.queue == world.subnet.state.queue
    first.round()
    assert first.ended(request_id) == big[:100]


def test_answers_on_their_way_arrive_after_a_restart(world, caller, waiting, tmp_path):
    ((callback_id, _),) = world.state_of(caller).calls.callbacks.items()
    answers = [
        Response(
            receiver=caller,
            callback_id=callback_id,
            refund_cycles=7,
            reject_code=4,
            reject_message="grün",
        ),
        Response(receiver=caller, callback_id=99, refund_cycles=2**80, reply=b"\xff" * 300),
    ]
    world.subnet.state.queue.extend(answers)
    again = restarted(world, tmp_path)
    assert list(again.subnet.state.queue) == answers
    before = wealth(again, caller)
    again.round()
    assert refused(lambda: again.ended(waiting)).message == "no"
    assert wealth(again, caller) == before + 7 + 2**80


def test_a_deadline_and_a_timeout_are_kept_over_a_restart(world, caller, holder, tmp_path):
    program = call(holder, hold(holder), timeout=20, on_reject=NOTE_REJECT_CODE + reply())
    request_id = begin(world, caller, program)
    world.round()
    again = restarted(world, tmp_path)
    assert again.subnet.next_wake_ns() == world.subnet.next_wake_ns()
    again.round(seconds=20)
    assert again.ended(request_id) == b""
    assert traced(again, caller) == number(6)
