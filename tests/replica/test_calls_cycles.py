"""Cycles that go along with calls: sent, accepted, refunded, and never lost or made."""

import pytest

from juno_snap.units import MIB
from tests.replica.ledger import BASE, INGRESS, SET_ASIDE, cost, world_with
from tests.replica.puppet import (
    NOTE_AVAILABLE,
    NOTE_PERFORMED,
    NOTE_REFUNDED,
    NOTE_REJECT,
    accept,
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
    step,
    traced,
    trap,
)
from tests.replica.subnet_world import NOWHERE, new_world, refused, wealth

SENT = 1_000_000


@pytest.fixture
def world():
    return new_world()


@pytest.fixture
def caller(world):
    return world.running(puppet())


@pytest.fixture
def callee(world):
    return world.running(puppet())


def cycles(world, *canisters):
    return [wealth(world, canister) for canister in canisters]


def test_accepted_cycles_stay_and_the_rest_comes_back(world, caller, callee):
    before = cycles(world, caller, callee)
    program = call(
        callee,
        NOTE_AVAILABLE + accept(300) + NOTE_AVAILABLE + reply(),
        cycles=SENT,
        on_reply=NOTE_REFUNDED + reply(),
    )
    run(world, caller, program)
    assert traced(world, callee) == number(SENT) + number(SENT - 300)
    assert traced(world, caller) == number(SENT - 300)
    assert cycles(world, caller, callee) == [before[0] - 300, before[1] + 300]


def test_no_more_is_accepted_than_was_sent(world, caller, callee):
    before = cycles(world, caller, callee)
    program = call(callee, accept(2 * SENT) + reply(), cycles=SENT, on_reply=reply())
    run(world, caller, program)
    assert cycles(world, caller, callee) == [before[0] - SENT, before[1] + SENT]


@pytest.mark.parametrize("ending", [trap(), reject("no"), note("silent")])
def test_what_is_not_accepted_comes_back_however_the_call_ends(world, caller, callee, ending):
    before = cycles(world, caller, callee)
    program = call(callee, accept(300) + ending, cycles=SENT, on_reject=NOTE_REFUNDED + reply())
    run(world, caller, program)
    kept = 0 if ending == trap() else 300
    assert traced(world, caller) == number(SENT - kept)
    assert cycles(world, caller, callee) == [before[0] - kept, before[1] + kept]


def test_a_call_that_reaches_nobody_refunds_everything(world, caller):
    before = cycles(world, caller)
    run(world, caller, call(NOWHERE, cycles=SENT, on_reject=NOTE_REFUNDED + reply()))
    assert traced(world, caller) == number(SENT)
    assert cycles(world, caller) == before


def test_a_refund_is_kept_although_the_callback_traps(world, caller, callee):
    before = cycles(world, caller)
    refused(lambda: run(world, caller, call(callee, reply(), cycles=SENT, on_reply=trap())))
    assert cycles(world, caller) == before


def test_a_message_that_traps_has_sent_nothing(world, caller, callee):
    before = cycles(world, caller, callee)
    refused(lambda: run(world, caller, call(callee, reply(), cycles=SENT) + trap()))
    assert cycles(world, caller, callee) == before


def test_a_callback_accepts_what_the_first_message_left(world, caller, callee):
    inner = accept(100) + call(
        callee, reply(), method="ask", on_reply=NOTE_AVAILABLE + accept(200) + reply()
    )
    before = cycles(world, caller, callee)
    run(world, caller, call(callee, inner, cycles=SENT, on_reply=NOTE_REFUNDED + reply()))
    assert traced(world, callee) == number(SENT - 100)
    assert traced(world, caller) == number(SENT - 300)
    assert cycles(world, caller, callee) == [before[0] - 300, before[1] + 300]


def test_after_the_answer_nothing_is_left_to_accept(world, caller, callee):
    inner = call(callee, reply(), on_reply=NOTE_AVAILABLE + accept(200)) + reply()
    before = cycles(world, callee)
    run(world, caller, call(callee, inner, cycles=SENT, on_reply=NOTE_REFUNDED + reply()))
    assert traced(world, callee) == number(0)
    assert traced(world, caller) == number(SENT)
    assert cycles(world, callee) == before


@pytest.fixture
def exact():
    """A world in which time costs nothing and messages have a known size, with two canisters."""
    world, caller = world_with(puppet())
    return world, caller, world.running(puppet())


def test_more_than_there_is_cannot_be_sent(exact):
    world, poor, callee = exact
    world.state_of(poor).cycles = INGRESS + SET_ASIDE + SENT
    reason = refused(lambda: run(world, poor, call(callee, reply(), cycles=SENT + 5)))
    assert reason.error_code == "IC0207"
    assert reason.message == (
        f"Error from Canister {poor}: Canister {poor} is out of cycles: please top up the canister "
        "with at least 5 additional cycles"
    )


def test_a_call_needs_the_cycles_for_its_way_and_its_callback(exact):
    world, caller, callee = exact
    name_and_payload = len("run") + len(reply())
    transmission = 260_000 + 1_000 * (name_and_payload + 2 * MIB)
    request = call(callee, reply(), cycles=SENT, on_reply=reply())
    enough = INGRESS + 2 * SET_ASIDE + transmission + SENT
    world.state_of(caller).cycles = enough - 1
    run(world, caller, request + NOTE_PERFORMED + reply())
    assert traced(world, caller) == number(2)
    world.state_of(caller).cycles = enough
    used = cost(world, caller, lambda: run(world, caller, request))
    least = INGRESS + 2 * BASE + 260_000 + 1_000 * name_and_payload
    assert least < used < least + 2_000_000


def test_a_call_by_a_canister_costs_the_callee_what_a_users_costs_without_its_bytes(exact):
    world, caller, callee = exact
    alone = cost(world, callee, lambda: run(world, callee, reply()))
    called = cost(
        world, callee, lambda: run(world, caller, call(callee, reply(), on_reply=reply()))
    )
    assert 0 < alone - INGRESS - BASE < 1_000_000
    assert called == alone - INGRESS


def test_a_canister_that_cannot_pay_refuses_calls_and_refunds(exact):
    world, caller, callee = exact
    world.state_of(callee).cycles = SET_ASIDE - 1
    before = wealth(world, caller)
    run(world, caller, call(callee, reply(), cycles=SENT, on_reject=NOTE_REJECT + reply()))
    assert traced(world, caller) == (
        number(2) + f"IC0207: Canister {callee} is out of cycles".encode()
    )
    assert (wealth(world, caller), world.state_of(callee).cycles) == (before, SET_ASIDE - 1)


def test_cycles_of_a_call_that_found_no_room_stay(world, caller, callee):
    many = call(callee, reply()) * 500
    before = cycles(world, caller)
    run(world, caller, many + call(callee, reply(), cycles=SENT) + NOTE_PERFORMED + reply())
    assert traced(world, caller) == number(2)
    assert cycles(world, caller) == before


def test_cycles_on_their_way_are_in_no_balance_and_come_back_with_a_late_answer(world, caller):
    holder = held_open(world)
    before = cycles(world, caller, holder)
    request = call(holder, accept(400) + hold(holder), cycles=SENT, timeout=5, on_reject=reply())
    begin(world, caller, request)
    world.round()
    assert cycles(world, caller, holder) == [before[0] - SENT, before[1] + 400]
    world.round(seconds=6)
    assert cycles(world, caller) == [before[0] - SENT]
    release(world, holder)
    assert cycles(world, caller) == [before[0] - 400]


def test_a_users_call_brings_no_cycles(world, caller):
    run(world, caller, step("v") + accept(5) + reply())
    assert traced(world, caller) == number(0)
