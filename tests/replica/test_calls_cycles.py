"""Cycles that go along with calls: sent, accepted, refunded, and never lost or made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import FIRST_CANISTER_NUMBER, canister_id
from tests.replica.puppet import (
    NOTE_AVAILABLE,
    NOTE_PERFORMED,
    NOTE_REFUNDED,
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
from tests.replica.subnet_world import NOWHERE, new_world, refused

SENT = 1_000_000
ENGINE = Engine()
COMPILED = ENGINE.compile(puppet())
"""Keeps the compiled module alive between the runs."""
THREE = [canister_id(FIRST_CANISTER_NUMBER + number) for number in range(3)]


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
    return [world.state_of(canister).cycles for canister in canisters]


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


def test_more_than_there_is_cannot_be_sent(world, callee):
    poor = world.create(amount=SENT)
    world.install(poor, puppet())
    reason = refused(lambda: run(world, poor, call(callee, reply(), cycles=SENT + 5)))
    assert reason.error_code == "IC0207"
    assert reason.message == (
        f"Error from Canister {poor}: Canister {poor} is out of cycles: please top up the canister "
        "with at least 5 additional cycles"
    )
    run(world, poor, call(callee, reply(), cycles=SENT, on_reply=reply()))
    assert cycles(world, poor) == [SENT]


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


def programs(canisters, depth):
    """Programs that accept, call each other with cycles, and end in every way."""
    ending = st.sampled_from([reply(), reject("no"), trap(), b""])
    plain = st.one_of(st.just(note("x")), st.integers(0, 2 * SENT).map(accept))
    steps = st.lists(plain, max_size=3)
    if depth:
        inner = programs(canisters, depth - 1)
        calls = st.builds(
            call,
            st.sampled_from(canisters),
            inner,
            method=st.sampled_from(["run", "run", "run", "ask", "nothing"]),
            cycles=st.integers(0, SENT),
            on_reply=inner,
            on_reject=inner,
            cleanup=st.none() | st.just(note("c")),
        )
        steps = st.lists(st.one_of(plain, calls), max_size=4)
    return st.builds(lambda parts, end: b"".join(parts) + end, steps, ending)


BEGUN = st.tuples(st.sampled_from(THREE), programs([*THREE, NOWHERE], 2))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    begun=st.lists(st.tuples(st.sampled_from(THREE), programs([*THREE, NOWHERE], 2)), max_size=4)
)
def test_cycles_are_neither_lost_nor_made_and_every_call_ends(begun):
    world = new_world(engine=ENGINE)
    for expected in THREE:
        assert world.running(puppet()) == expected
    before = sum(cycles(world, *THREE))
    requests = [begin(world, canister, program) for canister, program in begun]
    world.round()
    assert set(world.outcomes) == set(requests)
    assert sum(cycles(world, *THREE)) == before
    for canister in THREE:
        calls = world.state_of(canister).calls
        assert (calls.contexts, calls.callbacks) == ({}, {})
