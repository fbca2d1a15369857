"""Motoko programs that wait: for themselves, for each other, for time to pass."""

import pytest

from juno_snap.wire.candid import BOOL, NAT, NAT64, TEXT, decode, encode
from tests.motoko import motoko_module
from tests.replica.engine import engine
from tests.replica.puppet import held_open, hold, puppet, release, reply, run, set_task
from tests.replica.subnet_world import ALICE, new_world, refused, upgrade

pytestmark = pytest.mark.interop
SECOND = 10**9
EMPTY = encode([], [])


@pytest.fixture(params=[False, True], ids=["persistent", "classical"])
def wasm(request):
    return motoko_module("talker", classical=request.param)


@pytest.fixture
def world():
    return new_world(engine=engine())


@pytest.fixture
def here(world, wasm):
    return running(world, wasm)


@pytest.fixture
def there(world, wasm):
    return running(world, wasm)


def running(world, wasm):
    canister = world.create()
    world.install(canister, wasm, arg=EMPTY)
    return canister


def ask(world, canister, method, types=(), values=(), result=NAT):
    reply = world.call(canister, method, encode(types, values))
    return decode(reply, [result])[0] if result else None


def value(world, canister):
    return decode(world.query(canister, "value", EMPTY), [NAT])[0]


def values(world, *canisters):
    return [value(world, canister) for canister in canisters]


def test_one_program_waits_for_another(world, here, there):
    assert ask(world, here, "add_there", [TEXT, NAT], [str(there), 40]) == 40
    assert values(world, here, there) == [2, 40]


def test_a_program_waits_for_itself(world, here):
    assert ask(world, here, "add_in_steps", [NAT], [25]) == 25
    assert ask(world, here, "add_there", [TEXT, NAT], [str(here), 100]) == 126
    assert value(world, here) == 127


def test_many_calls_are_under_way_at_once(world, here, there):
    assert ask(world, here, "add_in_parallel", [TEXT, NAT], [str(there), 100]) == 100
    assert value(world, there) == 100


def test_a_trap_after_an_answer_keeps_what_was_done_before_it(world, here, there):
    request = encode([TEXT, NAT], [str(there), 5])
    reason = refused(lambda: world.call(here, "add_there_and_fall", request))
    assert reason.error_code == "IC0503"
    assert values(world, here, there) == [1, 5]


def test_errors_of_others_are_caught(world, here, there):
    request = [TEXT, BOOL], [str(there), False]
    assert ask(world, here, "caught", *request, result=TEXT) == "for a reason"
    told = ask(world, here, "caught", [TEXT, BOOL], [str(there), True], result=TEXT)
    assert told.startswith(f"IC0503: Error from Canister {there}: Canister called `ic0.trap`")
    assert values(world, here, there) == [2, 1000]
    missing = ask(world, here, "caught", [TEXT, BOOL], ["aaaaa-aa", True], result=TEXT)
    assert missing == "IC0536: Management canister has no method 'fall'"


def test_what_must_be_done_finally_is_done_in_the_cleanup(world, here, there):
    refused(lambda: world.call(here, "locked_fall", encode([TEXT], [str(there)])))
    assert decode(world.query(here, "is_locked", EMPTY), [BOOL]) == [False]


def test_timers_run_when_they_are_due(world, here):
    ask(world, here, "later", [NAT64, NAT], [10 * SECOND, 7], result=None)
    assert value(world, here) == 0
    world.round(seconds=10)
    assert value(world, here) == 7
    ask(world, here, "every", [NAT64, NAT], [5 * SECOND, 1], result=None)
    for expected in (8, 9, 10):
        world.round(seconds=5)
        assert value(world, here) == expected


def test_a_composite_query_asks_another_canister(world, here, there):
    ask(world, here, "add", [NAT], [2])
    ask(world, there, "add", [NAT], [40])
    reply = world.query(here, "both", encode([TEXT], [str(there)]))
    assert decode(reply, [NAT]) == [42]


@pytest.mark.parametrize("classical", [False, True])
def test_a_program_that_waits_refuses_an_upgrade_until_it_is_stopped(world, classical):
    wasm = motoko_module("talker", classical=classical)
    here, holder = running(world, wasm), slow_to_add(world)
    request = encode([TEXT, NAT], [str(holder), 1])
    begun = world.submit(world.call_content(here, "add_there", request, ALICE))
    world.round()
    mode = upgrade(persistence=None if classical else "keep")
    reason = refused(lambda: world.install(here, wasm, mode, arg=EMPTY))
    assert reason.error_code == "IC0503"
    assert "canister_pre_upgrade attempted with outstanding message callbacks" in reason.message
    stopped = world.submit(
        world.management_call("stop_canister", world.payload("stop_canister", canister_id=here))
    )
    world.round()
    assert world.outcomes == {}
    release(world, holder)
    assert world.ended(stopped) == EMPTY
    assert decode(world.ended(begun), [NAT]) == [77]
    world.install(here, wasm, mode, arg=EMPTY)
    world.manage("start_canister", canister_id=here)
    assert value(world, here) == 2


def slow_to_add(world):
    """A canister whose ``add`` gives 77, but only when it is released."""
    holder = held_open(world, puppet(extra='(func (export "canister_update add") (call $on_task))'))
    run(world, holder, set_task(hold(holder, encode([NAT], [77]))) + reply())
    return holder
