"""Who pays for what canisters do among themselves and on their own."""

import pytest

from juno_snap.replica.accounts import spend
from juno_snap.replica.rules import Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.storage import open_storage
from tests.replica.ledger import (
    BASE,
    INGRESS,
    MONTH_SECONDS,
    SET_ASIDE,
    TRILLION,
    cost,
    sleep,
    world_with,
)
from tests.replica.puppet import (
    HEARTBEAT,
    NOTE_REJECT,
    TIMER,
    begin,
    call,
    held_open,
    hold,
    manage,
    note,
    number,
    puppet,
    release,
    reply,
    run,
    set_task,
    set_timer,
    traced,
)
from tests.replica.subnet_world import ALICE, UPGRADE, new_world, refused, wealth


@pytest.mark.parametrize("task", [TIMER, HEARTBEAT])
def test_a_task_costs_a_message_without_bytes(task):
    world, canister = world_with(puppet(task))
    run(world, canister, set_task(note("t")) + set_timer(1) + reply())
    spent = cost(world, canister, lambda: world.round(seconds=2))
    assert BASE < spent < BASE + 1_000_000
    assert traced(world, canister) == b"t"


@pytest.mark.parametrize("task", [TIMER, HEARTBEAT])
def test_a_task_that_its_canister_cannot_pay_does_not_run(task):
    world, canister = world_with(puppet(task))
    run(world, canister, set_task(note("t")) + set_timer(1) + reply())
    world.state_of(canister).cycles = SET_ASIDE - 1
    world.round(seconds=2)
    assert traced(world, canister) == b""
    assert world.state_of(canister).cycles == SET_ASIDE - 1


def test_what_was_set_aside_for_an_answer_outlives_a_restart(tmp_path):
    engine = Engine()
    world = new_world(engine=engine)
    caller, holder = world.running(puppet()), held_open(world)
    before = wealth(world, caller)
    begin(world, caller, call(holder, hold(holder), cycles=700, on_reply=reply()))
    world.round()
    with open_storage(tmp_path) as storage:
        storage.save(world.subnet.state)
        state = storage.load(engine).state
    again = new_world(state, engine)
    again.now_ns = world.now_ns
    assert again.state_of(caller).cycles < before - SET_ASIDE
    spend(again.state_of(caller), again.state_of(caller).cycles, "burned_cycles")
    release(again, holder)
    assert wealth(again, caller) == before
    assert again.state_of(caller).cycles > SET_ASIDE - BASE - 10_000_000


def test_who_waits_for_a_canister_that_runs_out_of_cycles_is_told():
    world = new_world()
    caller, poor, holder = world.running(puppet()), world.running(puppet()), held_open(world)
    program = call(poor, call(holder, hold(holder)), cycles=700, on_reject=NOTE_REJECT + reply())
    request_id = begin(world, caller, program)
    world.round()
    world.state_of(poor).cycles = 1
    world.round(seconds=20)
    assert world.state_of(poor).code is None
    world.round()
    assert world.ended(request_id) == b""
    assert traced(world, caller) == number(4) + b"Canister has been uninstalled."


def test_a_canister_that_manages_another_one_makes_that_one_pay():
    world = new_world()
    manager = held_open(world)
    managed = world.running(puppet())
    controllers = {"controllers": [ALICE, manager]}
    world.manage("update_settings", canister_id=managed, settings=controllers)
    payload = world.payload("take_canister_snapshot", canister_id=managed)
    take = manage("take_canister_snapshot", payload, on_reply=reply(), on_reject=reply(b"no"))
    by_canister = cost(world, managed, lambda: run(world, manager, take))
    assert 2_000_000_000 < by_canister < 3_000_000_000
    world.state_of(managed).cycles = 1
    assert run(world, manager, take) == b"no"
    assert len(world.state_of(managed).snapshots) == 1


def test_a_canister_is_limited_like_a_user():
    world = new_world(rules=Rules(rate_limits=True))
    manager = held_open(world)
    world.state_of(manager).install_debit_instructions = 10**15
    payload = world.payload(
        "install_code", canister_id=manager, mode=UPGRADE, wasm_module=puppet(), arg=b""
    )
    run(world, manager, manage("install_code", payload, on_reject=NOTE_REJECT + reply()))
    assert b"rate limited" in traced(world, manager)


def test_an_expired_call_costs_nothing():
    world, canister = world_with(puppet())
    content = world.call_content(canister, "run", reply(), ALICE)
    sleep(world, MONTH_SECONDS)
    spent = cost(world, canister, lambda: refused(lambda: world.outcome(content)))
    assert spent == 0


def test_a_refused_call_ends_in_its_round():
    world, canister = world_with(puppet())
    world.state_of(canister).cycles = INGRESS - 1
    request_id = begin(world, canister, reply())
    assert not world.subnet.has_work
    world.round()
    assert refused(lambda: world.ended(request_id)).error_code == "IC0207"
    assert world.state_of(canister).cycles < TRILLION
