"""What a call between canisters costs: set aside when it leaves, settled when its answer comes."""

import pytest

from juno_snap.replica.system_api.cycles import call_cycles
from juno_snap.units import MIB
from tests.replica.ledger import (
    BASE,
    FREE_STORAGE,
    INGRESS,
    MESSAGE_BYTES,
    SET_ASIDE,
    out_of_cycles,
)
from tests.replica.puppet import (
    NOTE_PERFORMED,
    NOTE_REJECT,
    begin,
    call,
    held_open,
    hold,
    number,
    puppet,
    release,
    reply,
    run,
    traced,
)
from tests.replica.subnet_world import new_world, refused, wealth

SENT = 1_000_000
TRANSMISSION = "request_and_response_transmission"


@pytest.fixture
def world():
    return new_world(rules=FREE_STORAGE)


@pytest.fixture
def caller(world):
    return world.running(puppet())


@pytest.fixture
def callee(world):
    canister = world.running(puppet())
    world.size_bytes = MESSAGE_BYTES
    return canister


def consumed(world, canister):
    return world.state_of(canister).consumed_cycles


def fee(program):
    """Of a call of ``run`` with that program."""
    return call_cycles(len("run") + len(program)) + SET_ASIDE


def test_a_call_costs_its_bytes_and_those_of_its_answer(world, caller, callee):
    inner = reply(b"0123456789")
    run(world, caller, call(callee, inner, on_reply=reply()))
    sent = len("run") + len(inner)
    assert consumed(world, caller)[TRANSMISSION] == 260_000 + 1_000 * (sent + 10)
    assert TRANSMISSION not in consumed(world, callee), "the caller pays both ways"


def test_a_rejected_call_costs_the_bytes_of_the_rejection(world, caller, callee):
    program = call(callee, b"", method="nothing", on_reject=NOTE_REJECT + reply())
    run(world, caller, program)
    text = traced(world, caller)[8:]
    sent = len("nothing")
    assert consumed(world, caller)[TRANSMISSION] == 260_000 + 1_000 * (sent + len(text))


def test_two_messages_and_a_callback_are_paid_like_messages(world, caller, callee):
    before = consumed(world, caller)["instructions"], consumed(world, callee)["instructions"]
    run(world, caller, call(callee, reply(), on_reply=reply()))
    paid_by_caller = consumed(world, caller)["instructions"] - before[0]
    paid_by_callee = consumed(world, callee)["instructions"] - before[1]
    assert 2 * BASE < paid_by_caller < 2 * BASE + 10_000
    assert BASE < paid_by_callee < BASE + 10_000


def test_while_a_call_is_open_the_most_that_its_answer_may_cost_is_gone(world, caller):
    holder = held_open(world)
    world.size_bytes = MESSAGE_BYTES
    before = dict(consumed(world, caller))
    program = hold(holder)
    begin(world, caller, call(holder, program, on_reply=reply()))
    world.round()
    sent = len("run") + len(program)
    assert consumed(world, caller)[TRANSMISSION] == 260_000 + 1_000 * (sent + 2 * MIB)
    assert consumed(world, caller)["instructions"] - before["instructions"] > SET_ASIDE
    release(world, holder)
    assert consumed(world, caller)["instructions"] - before["instructions"] < 3 * BASE


def test_a_callback_that_cannot_run_any_more_costs_the_message_alone(world, caller):
    holder = held_open(world)
    begin(world, caller, call(holder, hold(holder), on_reply=reply()))
    world.round()
    while_open = consumed(world, caller)["instructions"]
    world.manage("uninstall_code", canister_id=caller)
    release(world, holder)
    assert while_open - consumed(world, caller)["instructions"] == SET_ASIDE - BASE


@pytest.mark.parametrize(("missing", "performed"), [(0, 0), (1, 2)])
def test_a_call_is_performed_only_if_its_fee_can_be_paid(world, caller, callee, missing, performed):
    inner = reply()
    program = call(callee, inner, cycles=SENT, on_reply=reply()) + NOTE_PERFORMED + reply()
    world.state_of(caller).cycles = INGRESS + SET_ASIDE + SENT + fee(inner) - missing
    held = wealth(world, caller)
    run(world, caller, program)
    assert traced(world, caller) == number(performed)
    assert wealth(world, caller) == held, "what was sent came back"


def test_a_canister_that_cannot_pay_refuses_the_call_of_another(world, caller, callee):
    world.state_of(callee).cycles = SET_ASIDE - 1
    run(world, caller, call(callee, reply(), on_reject=NOTE_REJECT + reply()))
    told = traced(world, caller)
    assert told == number(2) + f"IC0207: Canister {callee} is out of cycles".encode()


def test_who_controls_the_canister_that_it_calls_is_told_what_is_missing(world, caller, callee):
    settings = {"controllers": [caller]}
    world.manage("update_settings", canister_id=callee, settings=settings)
    world.state_of(callee).cycles = SET_ASIDE - 7
    run(world, caller, call(callee, reply(), on_reject=NOTE_REJECT + reply()))
    assert traced(world, caller)[8:].decode() == f"IC0207: {out_of_cycles(callee, 7)}"


def test_calls_of_a_message_that_fails_cost_nothing(world, caller, callee):
    trapping = call(callee, reply()) + b"t" + b"\x02\x00no"
    refused(lambda: run(world, caller, trapping))
    assert TRANSMISSION not in consumed(world, caller)
