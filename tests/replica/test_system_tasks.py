"""Timers, heartbeats and the low-memory hook."""

import pytest

from juno_snap.units import NS_PER_SECOND
from tests.replica.puppet import (
    HEARTBEAT,
    LOW_MEMORY,
    NOTE_CALLER,
    TIMER,
    call,
    note,
    puppet,
    reply,
    run,
    set_task,
    set_timer,
    step,
    traced,
    trap,
)
from tests.replica.subnet_world import UPGRADE, module, new_world, refused, upgrade

SECOND = NS_PER_SECOND
PAGE = 65_536


@pytest.fixture
def world():
    return new_world()


def with_task(world, task, program):
    """A canister that runs ``program`` for a system task."""
    canister = world.running(puppet(task))
    run(world, canister, set_task(program) + reply())
    return canister


def test_a_timer_runs_once_when_it_is_due(world):
    canister = with_task(world, TIMER, note("t"))
    run(world, canister, set_timer(10 * SECOND) + reply())
    version = world.state_of(canister).version
    assert world.subnet.next_wake_ns() == world.now_ns + 10 * SECOND
    world.round(seconds=9.999)
    assert traced(world, canister) == b""
    world.round(seconds=0.001)
    assert traced(world, canister) == b"t"
    assert world.state_of(canister).version == version + 1
    assert world.subnet.next_wake_ns() is None
    world.round(seconds=10)
    assert traced(world, canister) == b"t"


def test_a_timer_is_off_before_it_runs_and_may_be_set_again(world):
    canister = with_task(world, TIMER, note("t") + set_timer(5 * SECOND))
    run(world, canister, set_timer(SECOND) + reply())
    for expected in (b"t", b"tt", b"ttt"):
        world.round(seconds=5)
        assert traced(world, canister) == expected


def test_a_timer_that_traps_is_off_and_leaves_a_line_in_the_log(world):
    canister = with_task(world, TIMER, note("t") + trap("boom"))
    run(world, canister, set_timer(SECOND) + reply())
    version = world.state_of(canister).version
    world.round(seconds=2)
    assert traced(world, canister) == b""
    assert world.state_of(canister).code.global_timer_ns == 0
    assert b"boom" in world.state_of(canister).logs.records[-1].content
    assert world.state_of(canister).version == version


def test_a_timer_may_call_and_nobody_gets_an_answer(world):
    other = world.running(puppet())
    asked = call(other, note("x") + reply(), on_reply=note("back") + reply())
    canister = with_task(world, TIMER, NOTE_CALLER + asked)
    run(world, canister, set_timer(SECOND) + reply())
    world.round(seconds=2)
    assert traced(world, canister) == b"back"
    assert traced(world, other) == b"x"
    assert not world.state_of(canister).calls.are_open


def test_a_system_task_may_not_reply(world):
    canister = with_task(world, TIMER, reply())
    run(world, canister, set_timer(SECOND) + reply())
    world.round(seconds=2)
    line = world.state_of(canister).logs.records[-1].content
    assert b'"ic0.msg_reply_data_append" cannot be executed in system task mode' in line


def test_an_upgrade_turns_the_timer_off_and_a_failed_one_does_not(world):
    canister = with_task(world, TIMER, note("t"))
    run(world, canister, set_timer(60 * SECOND) + reply())
    due_ns = world.state_of(canister).code.global_timer_ns
    refused(lambda: world.install(canister, puppet(TIMER), UPGRADE))  # names no persistence
    assert world.state_of(canister).code.global_timer_ns == due_ns
    world.install(canister, puppet(TIMER), upgrade(persistence="replace"))
    assert world.state_of(canister).code.global_timer_ns == 0


def test_loading_a_snapshot_keeps_the_timer_that_runs(world):
    canister = with_task(world, TIMER, note("t"))
    taken = world.snapshot(canister)
    run(world, canister, set_timer(60 * SECOND) + note("lost") + reply())
    due_ns = world.state_of(canister).code.global_timer_ns
    world.manage("load_canister_snapshot", canister_id=canister, snapshot_id=taken["id"])
    assert world.state_of(canister).code.global_timer_ns == due_ns
    world.round(seconds=60)
    assert traced(world, canister) == b"t"


def test_a_stopped_canister_has_no_timer_until_it_runs_again(world):
    canister = with_task(world, TIMER, note("t"))
    run(world, canister, set_timer(SECOND) + reply())
    world.manage("stop_canister", canister_id=canister)
    world.round(seconds=5)
    assert world.subnet.next_wake_ns() is None
    world.manage("start_canister", canister_id=canister)
    world.round()
    assert traced(world, canister) == b"t"


def test_a_timer_without_a_function_for_it_does_nothing(world):
    canister = world.running(module())
    world.call(canister, "arm")
    assert world.subnet.next_wake_ns() is None
    world.round(seconds=5)
    assert world.state_of(canister).code.global_timer_ns == 123


def test_heartbeats_are_a_second_apart(world):
    canister = with_task(world, HEARTBEAT, note("h"))
    world.round(seconds=1)
    before = len(traced(world, canister))
    for _ in range(4):
        world.round(seconds=0.25)
    assert len(traced(world, canister)) == before + 1
    assert world.subnet.next_wake_ns() == world.now_ns + SECOND


def test_every_running_canister_has_its_heartbeat(world):
    beating = [with_task(world, HEARTBEAT, note("h")) for _ in range(3)]
    world.manage("stop_canister", canister_id=beating[1])
    versions = [world.state_of(canister).version for canister in beating]
    world.round(seconds=1)
    after = [world.state_of(canister).version for canister in beating]
    assert [new - old for new, old in zip(after, versions, strict=True)] == [1, 0, 1]


def test_without_timers_and_heartbeats_nothing_is_ever_due(world):
    world.running(puppet())
    world.create()
    assert world.subnet.next_wake_ns() is None


def low_on_memory(world, program, *, pages_free):
    """A canister with a hook, whose limit is so far away."""
    canister = with_task(world, LOW_MEMORY, program)
    world.manage(
        "update_settings",
        canister_id=canister,
        settings={
            "wasm_memory_limit": (2 + pages_free) * PAGE,
            "wasm_memory_threshold": PAGE,
        },
    )
    return canister


def grow(pages):
    return step("+", bytes([pages]))


def test_the_hook_runs_once_after_the_message_that_made_memory_scarce(world):
    canister = low_on_memory(world, note("low"), pages_free=3)
    run(world, canister, grow(2) + reply())
    assert traced(world, canister) == b""
    assert world.state_of(canister).hook_status == "condition_not_satisfied"
    version = world.state_of(canister).version
    run(world, canister, grow(1) + note("-") + reply())
    assert traced(world, canister) == b"-low"
    assert world.state_of(canister).version == version + 2
    run(world, canister, note("-") + reply())
    assert traced(world, canister) == b"-low-"
    assert world.state_of(canister).hook_status == "executed"


def test_the_hook_is_due_again_when_there_was_room_meanwhile(world):
    canister = low_on_memory(world, note("low"), pages_free=1)
    run(world, canister, grow(1) + reply())
    for limit in (100 * PAGE, 3 * PAGE):
        settings = {"wasm_memory_limit": limit}
        world.manage("update_settings", canister_id=canister, settings=settings)
    assert world.state_of(canister).hook_status == "ready"
    run(world, canister, reply())
    assert traced(world, canister) == b"lowlow"


def test_a_hook_that_traps_does_not_run_again(world):
    canister = low_on_memory(world, trap(), pages_free=1)
    run(world, canister, grow(1) + reply())
    assert world.state_of(canister).hook_status == "executed"


def test_snapshots_tell_the_status_of_the_hook(world):
    canister = low_on_memory(world, note("low"), pages_free=1)
    run(world, canister, grow(1) + reply())
    taken = world.snapshot(canister)
    fields = {"canister_id": canister, "snapshot_id": taken["id"]}
    shown = world.manage("read_canister_snapshot_metadata", **fields)
    assert shown["on_low_wasm_memory_hook_status"].tag == "executed"
