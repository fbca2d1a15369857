"""Calls between canisters: what runs, in which order, and what of it counts."""

import pytest

from tests.replica.puppet import (
    FALL,
    NOTE_ARG,
    NOTE_CALLER,
    NOTE_COUNTER,
    NOTE_DEADLINE,
    NOTE_PERFORMED,
    NOTE_REJECT,
    NOTE_VERSION,
    NOWHERE_IN_THE_TABLE,
    WRONG_TYPE,
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
from tests.replica.subnet_world import ALICE, NOWHERE, new_world, refused

PREFIX = "Error from Canister {}: "
CALLS_ITSELF_FOR_EVER = """
  (data (i32.const 100) "quick")
  (elem (i32.const 0) $again)
  (func $again (param i32)
    (call $self_copy (i32.const 0) (i32.const 0) (call $self_size))
    (call $call_new (i32.const 0) (call $self_size) (i32.const 100) (i32.const 5)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (call $call_perform)))
  (func (export "canister_update quick") (call $reply))
  (func (export "canister_update again") (call $again (i32.const 0)))
"""


@pytest.fixture
def world():
    return new_world()


@pytest.fixture
def caller(world):
    return world.running(puppet())


@pytest.fixture
def callee(world):
    return world.running(puppet())


def refusal(world, canister, program):
    reason = refused(lambda: run(world, canister, program))
    return reason.error_code, reason.message


def rejected(code, text):
    """What a reject callback notes."""
    return number(code) + text.encode()


def test_a_reply_comes_back_to_its_callback_which_answers_the_user(world, caller, callee):
    program = note("1") + call(
        callee, note("x") + NOTE_CALLER + reply(b"pong"), on_reply=NOTE_ARG + reply(b"done")
    )
    assert run(world, caller, program) == b"done"
    assert traced(world, caller) == b"1pong"
    assert traced(world, callee) == b"x" + caller.raw
    assert not world.state_of(caller).calls.are_open
    assert not world.subnet.has_work


def test_the_caller_of_a_callback_is_who_began_it_all(world, caller, callee):
    run(world, caller, call(callee, reply(), on_reply=NOTE_CALLER + reply()))
    assert traced(world, caller) == ALICE.raw


def test_a_canister_calls_itself(world, caller):
    program = note("1") + call(caller, note("2") + reply(b"3"), on_reply=NOTE_ARG + reply(b"4"))
    assert run(world, caller, program + note("-")) == b"4"
    assert traced(world, caller) == b"1-23"


def test_calls_to_one_canister_are_executed_in_the_order_they_were_made(world, caller, callee):
    calls = [call(callee, note(letter) + reply(), on_reply=note(letter)) for letter in "abc"]
    run(world, caller, b"".join(calls) + reply())
    assert traced(world, callee) == traced(world, caller) == b"abc"


def test_what_a_canister_wrote_before_a_call_is_seen_between(world, caller, callee):
    ask_back = call(caller, b"", method="trace", on_reply=NOTE_ARG + reply())
    run(world, caller, note("before") + call(callee, ask_back, on_reply=note("after") + reply()))
    assert traced(world, callee) == b"before"
    assert traced(world, caller) == b"beforeafter"


def test_a_call_to_a_query_method_runs_it_and_drops_what_it_wrote(world, caller, callee):
    program = call(callee, note("x") + reply(b"seen"), method="ask", on_reply=NOTE_ARG + reply())
    version = world.state_of(callee).version
    run(world, caller, program)
    assert traced(world, caller) == b"seen"
    assert traced(world, callee) == b""
    assert world.state_of(callee).version == version + 1


def test_a_composite_query_cannot_be_called_by_an_update(world, caller, callee):
    program = call(callee, reply(), method="compose", on_reject=NOTE_REJECT + reply())
    run(world, caller, program)
    text = "Composite query cannot be called in replicated mode."
    assert traced(world, caller) == rejected(5, f"IC0527: {PREFIX.format(callee)}{text}")


def test_an_answer_may_come_before_the_calls_have_ended(world, caller, callee):
    program = call(callee, reply(), on_reply=note("late")) + reply(b"early")
    assert run(world, caller, program) == b"early"
    assert traced(world, caller) == b"late"


def test_a_call_is_answered_once(world, caller, callee):
    program = call(callee, reply(), on_reply=note("x") + reply(b"again")) + reply(b"once")
    assert run(world, caller, program) == b"once"
    assert traced(world, caller) == b""
    assert "is already replied" in log(world, caller)[-1]


def test_a_reject_in_the_canisters_own_words_reaches_the_caller_as_it_is(world, caller, callee):
    run(world, caller, call(callee, reject("no, thanks"), on_reject=NOTE_REJECT + reply()))
    assert traced(world, caller) == rejected(4, "no, thanks")


@pytest.mark.parametrize(
    ("arg", "method", "code", "text"),
    [
        (trap("oh"), "run", 5, "IC0503: {}Canister called `ic0.trap` with message: 'oh'"),
        (FALL, "run", 5, "IC0502: {}Canister trapped: unreachable"),
        (b"", "unheard_of", 5, "IC0536: {}Canister has no update method 'unheard_of'."),
        (b"", "run", 5, "No response"),
    ],
)
def test_failures_of_the_callee_are_rejects(world, caller, callee, arg, method, code, text):
    program = call(callee, note("x") + arg, method=method, on_reject=NOTE_REJECT + reply())
    run(world, caller, program)
    assert traced(world, caller) == rejected(code, text.format(PREFIX.format(callee)))
    kept = b"x" if text == "No response" else b""
    assert traced(world, callee) == kept


def test_a_canister_that_is_not_there_or_does_not_run_rejects(world, caller, callee):
    empty = world.create()
    world.manage("stop_canister", canister_id=callee)
    cases = [
        (NOWHERE, rejected(3, f"Canister {NOWHERE} not found")),
        (callee, rejected(5, f"Canister {callee} is stopped")),
        (
            empty,
            rejected(
                5,
                f"IC0537: {PREFIX.format(empty)}Attempted to execute a message, but the canister "
                "contains no Wasm module.",
            ),
        ),
    ]
    for target, expected in cases:
        asking = world.running(puppet())
        run(world, asking, call(target, reply(), on_reject=NOTE_REJECT + reply()))
        assert traced(world, asking) == expected


def test_nothing_outstanding_and_nothing_answered_is_a_reject_and_what_was_written_is_kept(
    world, caller, callee
):
    for program in (note("a"), call(callee, reply(), on_reply=note("b"))):
        assert refusal(world, caller, program) == (
            "IC0506",
            f"Canister {caller} did not reply to the call",
        )
    assert traced(world, caller) == b"ab"


def test_a_trap_drops_the_calls_of_its_message(world, caller, callee):
    program = note("x") + call(callee, note("y") + reply(), on_reply=reply()) + trap()
    assert refusal(world, caller, program)[0] == "IC0503"
    assert traced(world, caller) == traced(world, callee) == b""
    assert not world.subnet.has_work


def test_a_trap_in_a_callback_keeps_what_was_there_before_and_runs_the_cleanup(
    world, caller, callee
):
    program = note("1") + call(
        callee,
        note("2") + reply(),
        on_reply=note("lost") + trap("late"),
        cleanup=note("3") + NOTE_VERSION,
    )
    version = world.state_of(caller).version
    code, text = refusal(world, caller, program)
    assert code == "IC0503"
    assert text == PREFIX.format(caller) + "Canister called `ic0.trap` with message: 'late'"
    assert traced(world, caller) == b"13" + number(version + 1)
    assert traced(world, callee) == b"2"
    assert world.state_of(caller).version == version + 2


def test_a_cleanup_runs_for_the_reject_callback_too_and_knows_of_the_reject(world, caller, callee):
    program = call(callee, reject("no"), on_reject=note("lost") + FALL, cleanup=step("k"))
    assert refusal(world, caller, program)[0] == "IC0502"
    assert traced(world, caller) == number(4)


def test_no_cleanup_runs_where_nothing_trapped(world, caller, callee):
    run(world, caller, call(callee, reply(), on_reply=reply(), cleanup=note("never")))
    assert traced(world, caller) == b""


def test_a_cleanup_that_traps_is_told_of_and_leaves_nothing(world, caller, callee):
    program = call(callee, reply(), on_reply=trap("first"), cleanup=note("lost") + trap("second"))
    version = world.state_of(caller).version
    code, text = refusal(world, caller, program)
    prefix = PREFIX.format(caller)
    assert code == "IC0503"
    assert text == (
        f"{prefix}Canister called `ic0.trap` with message: 'first'\n\n"
        "call_on_cleanup also failed:\n\n"
        f"{prefix}Canister called `ic0.trap` with message: 'second'"
    )
    assert traced(world, caller) == b""
    assert world.state_of(caller).version == version + 1
    assert [line.split("'")[1] for line in log(world, caller)] == ["first", "second"]


def test_a_cleanup_may_not_call_or_reply(world, caller, callee):
    for forbidden, name in ((reply(), "msg_reply"), (call(callee), "call_new")):
        program = call(callee, reply(), on_reply=trap("first"), cleanup=forbidden)
        assert f"{name}" in refusal(world, caller, program)[1]


def test_a_failure_counts_only_when_no_other_call_is_open(world, caller, callee):
    slow = call(callee, call(callee, reply(), on_reply=reply()), on_reply=reply(b"in the end"))
    program = call(callee, reply(), on_reply=trap("ignored")) + slow
    assert run(world, caller, program) == b"in the end"
    both = call(callee, reply(), on_reply=trap("one")) + call(callee, reply(), on_reply=trap("two"))
    assert refusal(world, caller, both)[1].endswith("'two'")


@pytest.mark.parametrize(
    ("function", "code", "text"),
    [
        (
            NOWHERE_IN_THE_TABLE,
            "IC0513",
            "Canister requested to invoke a non-existent Wasm function 2 from table 0.",
        ),
        (2**32 - 1, "IC0513", "non-existent Wasm function 4294967295"),
        (WRONG_TYPE, "IC0504", "function invocation does not match its signature"),
    ],
)
def test_a_callback_has_to_be_in_the_table(world, caller, callee, function, code, text):
    program = call(callee, reply(), function=function, cleanup=note("cleaned"))
    found, message = refusal(world, caller, program)
    assert found == code
    assert text in message
    assert traced(world, caller) == b"cleaned"


def test_a_call_without_callbacks_is_one_way(world, caller, callee):
    program = call(callee, note("heard") + reply(), function=2**32 - 1) + reply(b"sent")
    assert run(world, caller, program) == b"sent"
    assert traced(world, callee) == b"heard"


def test_the_counter_of_a_whole_call_goes_on_over_its_callbacks(world, caller, callee):
    run(world, caller, NOTE_COUNTER + call(callee, reply(), on_reply=NOTE_COUNTER + reply()))
    trace = traced(world, caller)
    first, second = (int.from_bytes(trace[at : at + 8], "little") for at in (0, 8))
    assert 0 < first < second


def test_at_most_500_calls_to_one_canister_wait_at_a_time(world, caller, callee):
    many = call(callee, reply()) * 499 + NOTE_PERFORMED
    program = many + call(callee, reply()) + NOTE_PERFORMED + call(callee, reply()) + NOTE_PERFORMED
    run(world, caller, program + call(caller, reply()) + NOTE_PERFORMED + reply())
    assert traced(world, caller) == number(0) + number(0) + number(2) + number(0)


def test_the_limit_counts_calls_of_other_messages_too(world, caller, callee):
    begin(world, caller, call(callee, reply()) * 300 + reply())
    begin(world, caller, call(callee, reply()) * 201 + NOTE_PERFORMED + reply())
    world.round()
    assert traced(world, caller) == number(2)
    run(world, caller, call(callee, reply()) + NOTE_PERFORMED + reply())
    assert traced(world, caller) == number(2) + number(0)


def test_a_deadline_is_known_to_the_callee_in_whole_seconds(world, caller, callee):
    program = call(callee, NOTE_DEADLINE + reply(), timeout=400, on_reply=NOTE_DEADLINE + reply())
    run(world, caller, program)
    assert traced(world, callee) == number(world.now_ns + 300 * 10**9)
    assert traced(world, caller) == number(0)


def test_a_best_effort_call_is_rejected_when_its_time_is_over(world, caller):
    holder = held_open(world)
    program = call(
        holder, hold(holder), timeout=10, on_reject=NOTE_REJECT + reply(), on_reply=note("late")
    )
    begun = begin(world, caller, program)
    world.round()
    world.round(seconds=9)
    assert world.outcomes == {}
    assert world.subnet.next_wake_ns() == world.now_ns + 10**9
    world.round(seconds=1)
    assert world.ended(begun) == b""
    release(world, holder)
    assert traced(world, caller) == rejected(6, "Call deadline has expired.")
    assert not world.state_of(caller).calls.are_open


def test_a_message_that_has_not_begun_in_time_never_begins(world, caller):
    begun = begin(world, caller, note("x") + reply())
    world.round(seconds=301)
    reason = refused(lambda: world.ended(begun))
    assert reason.error_code == "IC0202"
    assert reason.message == (
        f"Ingress message 0x{begun.hex()} timed out waiting to start executing."
    )
    assert traced(world, caller) == b""


def test_a_round_has_an_end_and_the_next_one_goes_on(world, caller):
    again = world.running(puppet(extra=CALLS_ITSELF_FOR_EVER))
    world.submit(world.call_content(again, "again", b"", ALICE))
    other = begin(world, caller, note("x") + reply())
    world.round()
    assert world.subnet.has_work
    assert world.ended(other) == b""
    before = world.state_of(again).version
    world.round()
    assert world.state_of(again).version - before == 2000


def test_a_mistake_in_the_replica_is_a_reject_of_that_call_alone(world, caller, callee):
    world.state_of(callee).code.heap = None
    program = call(callee, reply(), on_reject=NOTE_REJECT + reply(b"fine"))
    assert run(world, caller, program) == b"fine"
    assert b"The local replica made a mistake" in traced(world, caller)


def log(world, canister):
    return [record.content.decode() for record in world.state_of(canister).logs.records]
