"""Composite queries: they ask other canisters, and change nothing."""

import pytest

from juno_snap.replica.management.methods import METHODS
from juno_snap.wire.candid import decode
from tests.replica.puppet import (
    ECHO,
    NOTE_ARG,
    NOTE_CALLER,
    NOTE_COUNTER,
    NOTE_REJECT,
    REPLY_TRACE,
    accept,
    call,
    manage,
    note,
    number,
    puppet,
    reply,
    run,
    traced,
    trap,
)
from tests.replica.subnet_world import ALICE, NOWHERE, new_world, refused

END = b"\0"


@pytest.fixture
def world():
    return new_world()


@pytest.fixture
def first(world):
    return world.running(puppet())


@pytest.fixture
def second(world):
    return world.running(puppet())


def compose(world, canister, program):
    return world.query(canister, "compose", program + END)


def question(canister, arg=b"", **options):
    return call(canister, arg + END, **({"method": "ask"} | options))


def reason(world, canister, program):
    reject = refused(lambda: compose(world, canister, program))
    return reject.error_code, reject.message


def test_a_composite_query_answers_with_what_another_canister_says(world, first, second):
    program = question(second, NOTE_CALLER + reply(b"hello"), on_reply=ECHO)
    assert compose(world, first, program) == b"hello"


def test_nothing_of_what_runs_is_kept(world, first, second):
    run(world, first, note("kept") + reply())
    version = world.state_of(first).version, world.state_of(second).version
    program = note("x") + question(second, note("y") + reply(), on_reply=note("z") + REPLY_TRACE)
    assert compose(world, first, program) == b"keptxz"
    assert (traced(world, first), traced(world, second)) == (b"kept", b"")
    assert (world.state_of(first).version, world.state_of(second).version) == version
    assert not world.subnet.has_work


def test_calls_are_made_one_after_the_other_until_there_is_an_answer(world, first, second):
    ask = [question(second, reply(letter), on_reply=NOTE_ARG) for letter in (b"a", b"b")]
    last = question(second, reply(b"c"), on_reply=NOTE_ARG + REPLY_TRACE)
    never = question(second, reply(b"d"), on_reply=NOTE_ARG)
    assert compose(world, first, b"".join(ask) + last + never) == b"abc"


def test_a_callback_asks_further_questions(world, first, second):
    inner = question(second, reply(b"2"), on_reply=NOTE_ARG + REPLY_TRACE)
    assert compose(world, first, question(second, reply(b"1"), on_reply=NOTE_ARG + inner)) == b"12"


def test_composite_queries_ask_composite_queries(world, first, second):
    inner = question(first, NOTE_CALLER + REPLY_TRACE, on_reply=ECHO)
    program = question(second, inner, method="compose", on_reply=ECHO)
    assert compose(world, first, program) == second.raw


def test_rejects_reach_the_callback(world, first, second):
    prefix = f"Error from Canister {second}: "
    cases = [
        (NOWHERE, "ask", 3, f"IC0301: Canister {NOWHERE} not found"),
        (second, "ask", 5, f"IC0503: {prefix}Canister called `ic0.trap` with message: 'oh'"),
        (second, "run", 5, f"IC0536: {prefix}Canister has no query method 'run'."),
    ]
    for canister, method, code, text in cases:
        program = question(canister, trap("oh"), method=method, on_reject=NOTE_REJECT + REPLY_TRACE)
        assert compose(world, first, program) == number(code) + text.encode()


def test_a_trap_in_a_callback_runs_the_cleanup_and_fails_the_query(world, first, second):
    program = question(second, reply(), on_reply=note("lost") + trap("late"), cleanup=note("c"))
    code, text = reason(world, first, program)
    assert (code, text.split("message: ")[1]) == ("IC0503", "'late'")
    both = program + question(second, reply(), on_reply=REPLY_TRACE)
    assert compose(world, first, both) == b"c"


def test_no_answer_at_all_is_a_reject(world, first, second):
    assert reason(world, first, question(second, reply())) == (
        "IC0506",
        f"Canister {first} did not produce a response",
    )
    assert reason(world, first, note("x"))[0] == "IC0506"


def test_updates_cannot_be_called_and_cycles_cannot_be_sent(world, first, second):
    code, text = reason(world, first, question(second, cycles=5))
    assert code == "IC0504"
    assert text.endswith('"ic0.call_cycles_add128" cannot be executed in composite query mode.')
    code, text = reason(world, first, question(second, reply(), on_reply=accept(1) + reply()))
    assert text.endswith("cannot be executed in composite reply callback mode.")


def test_a_plain_query_cannot_ask(world, first, second):
    reject = refused(lambda: world.query(first, "ask", question(second) + END))
    assert reject.message.endswith(
        '"ic0.call_new" cannot be executed in non-replicated query mode.'
    )


def nested(canister, depth):
    """A question that waits for so many others, one inside the other."""
    program = reply(b"deep")
    for _ in range(depth):
        program = question(canister, program, method="compose", on_reply=ECHO)
    return program


def test_questions_are_nested_six_deep_at_most(world, first):
    assert compose(world, first, nested(first, 6)) == b"deep"
    assert reason(world, first, nested(first, 7)) == (
        "IC0525",
        "Composite query calls exceeded the maximum call depth.",
    )


def test_a_query_asks_no_more_than_its_instructions_allow(world, first, second):
    many = question(second, reply(), on_reply=b"") * 98
    assert compose(world, first, many + question(second, reply(b"x"), on_reply=ECHO)) == b"x"
    more = many + question(second, reply()) + question(second, reply(b"x"), on_reply=ECHO)
    assert reason(world, first, more) == (
        "IC0526",
        "Composite query calls exceeded the instruction limit.",
    )


def test_the_counter_goes_on_over_the_callbacks(world, first, second):
    program = NOTE_COUNTER + question(second, reply(), on_reply=NOTE_COUNTER + REPLY_TRACE)
    told = compose(world, first, program)
    before, after = (int.from_bytes(told[at : at + 8], "little") for at in (0, 8))
    assert 0 < before < after


def test_the_management_canister_answers_its_queries(world, first):
    payload = world.payload("canister_status", canister_id=first)
    told = compose(world, first, manage("canister_status", payload, on_reply=ECHO))
    (status,) = decode(told, METHODS["canister_status"].results)
    assert status["settings"]["controllers"] == [ALICE]
    refusal = manage("start_canister", payload, on_reject=NOTE_REJECT + REPLY_TRACE)
    assert compose(world, first, refusal)[8:] == b"IC0536: Query method start_canister not found."
