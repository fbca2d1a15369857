"""Messages: what they change, what they leave, and how they fail."""

import struct

import pytest

from juno_snap.replica.execution import Callbacks, Message, inspect_message, run_callback
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.system_api.outgoing import Closure
from tests.replica.engine import USER, Bench, reason, spelled, wat
from tests.replica.puppet import CALLBACK, END, LOOP, PROGRAMS_AT, note, puppet

UNTOUCHED = (0, 10, 20, 0.5, 0)


def shown(bench):
    return struct.unpack("<qqidq", bench.reply("show"))


def number(value):
    return value.to_bytes(8, "little")


def test_an_update_changes_heap_globals_stable_memory_certified_data_and_timer():
    bench = Bench(wat("state"))
    assert shown(bench) == UNTOUCHED
    outcome = bench.update("put", number(1234))
    assert outcome.reply == number(1234)
    assert outcome.reject is None
    assert outcome.instructions > 10
    assert shown(bench) == (1234, 1234, 1234, 1234.0, 1234)
    assert bench.code.certified_data == number(1234)
    assert bench.code.global_timer_ns == 1234


@pytest.mark.parametrize(
    ("method", "code", "text"),
    [
        ("put_and_trap", "IC0503", "Canister called `ic0.trap` with message: 'no luck today'"),
        ("put_and_fall", "IC0502", "Canister trapped: unreachable"),
        (
            "put_and_loop",
            "IC0522",
            "Canister exceeded the limit of 50000000 instructions for single message execution.",
        ),
    ],
)
def test_a_failing_update_leaves_nothing_behind(method, code, text):
    bench = Bench(wat("state"))
    bench.update("put", number(5))
    before = shown(bench), bench.code.certified_data, bench.code.global_timer_ns
    outcome = bench.update(method, number(6))
    assert reason(outcome) == (code, text)
    assert outcome.reject.reject_code == 5
    assert outcome.reply is None
    assert (shown(bench), bench.code.certified_data, bench.code.global_timer_ns) == before


def test_a_reject_by_the_canister_keeps_what_it_wrote_and_its_own_words():
    bench = Bench(wat("state"))
    outcome = bench.update("put_and_reject", number(6))
    assert (outcome.reject.reject_code, outcome.reject.error_code) == (4, "IC0406")
    assert outcome.reject.message == "no luck today"
    assert shown(bench)[0] == 6


@pytest.mark.parametrize(
    ("method", "code", "text"),
    [
        ("sink", "IC0502", "Canister trapped: stack overflow"),
        ("divide", "IC0502", "Canister trapped: integer division by 0"),
        ("reach_too_far", "IC0502", "Canister trapped: heap out of bounds"),
        ("append_too_far", "IC0502", "Canister trapped: heap out of bounds"),
        ("stable_too_far", "IC0502", "Canister trapped: stable memory out of bounds"),
        (
            "copy_too_much",
            "IC0504",
            (
                "Canister violated contract: ic0.msg_arg_data_copy payload: src=4 + length=8"
                " exceeds the slice size=8"
            ),
        ),
        (
            "reply_twice",
            "IC0504",
            "Canister violated contract: ic0.msg_reply: the call is already replied",
        ),
        (
            "certify_too_much",
            "IC0504",
            (
                "Canister violated contract: ic0_certified_data_set failed because the passed data"
                " must be no larger than 32 bytes. Found 33 bytes."
            ),
        ),
        ("unheard_of", "IC0536", "Canister has no update method 'unheard_of'."),
    ],
)
def test_each_failure_has_the_networks_code_and_text(method, code, text):
    assert reason(Bench(wat("state")).update(method, number(1))) == (code, text)


def test_a_query_sees_its_own_writes_and_keeps_none():
    bench = Bench(wat("state"))
    assert struct.unpack("<qqidq", bench.reply("put_in_a_query"))[:2] == (77, 77)
    assert shown(bench) == UNTOUCHED


def test_an_update_call_of_a_query_method_runs_it_and_drops_its_writes():
    bench = Bench(wat("state"))
    outcome = bench.update("put_in_a_query")
    assert struct.unpack("<qqidq", outcome.reply)[0] == 77
    assert shown(bench) == UNTOUCHED


def test_an_update_method_is_no_query():
    assert reason(Bench(wat("state")).query("put")) == (
        "IC0536",
        "Canister has no query method 'put'.",
    )


def test_a_query_may_not_do_what_only_updates_may():
    assert reason(Bench(wat("state")).query("certify_in_a_query")) == (
        "IC0504",
        (
            'Canister violated contract: "ic0.certified_data_set" cannot be executed in'
            " non-replicated query mode."
        ),
    )


def test_a_composite_query_runs_as_a_query_only():
    bench = Bench(wat("state"))
    assert struct.unpack("<qqidq", bench.reply("compose")) == UNTOUCHED
    assert bench.update("compose").reject.error_code == "IC0527"


def test_memory_that_grew_stays_grown_and_keeps_its_content():
    bench = Bench(wat("state"))
    assert bench.update("put_and_grow", number(1)).reject is None
    assert bench.code.heap.size_bytes == 3 * 65536
    assert bench.code.heap.read(150000, 4) == b"\x07\0\0\0"
    assert shown(bench)[0] == 1


def test_growing_beyond_the_maximum_is_refused_to_the_code_and_no_trap():
    assert Bench(wat("state")).update("grow_too_far").reply == b"\xff\xff\xff\xff"


def test_the_canisters_own_memory_limit_ends_the_message():
    bench = Bench(wat("state"), wasm_memory_limit=2 * 65536)
    assert bench.update("put", number(3)).reject is None
    code, text = reason(bench.update("put_and_grow", number(4)))
    assert code == "IC0539"
    assert text.startswith(
        "Canister exceeded its current Wasm memory limit of 131072 bytes."
        " The peak Wasm memory usage was 196608 bytes."
    )
    assert shown(bench)[0] == 3


def test_prints_and_traps_are_log_lines():
    outcome = Bench(wat("state")).update("print_and_trap")
    assert outcome.logs == (b"no", b"[TRAP]: Canister called `ic0.trap` with message: 'luck'")


def test_a_print_never_fails():
    outcome = Bench(wat("state")).update("print_out_of_bounds")
    assert outcome.reject is None
    assert outcome.logs == (b"(debug_print message out of memory bounds)",)


def test_an_update_without_an_answer_keeps_what_it_wrote():
    bench = Bench(wat("state"))
    outcome = bench.update("put_and_be_silent", number(6))
    assert (outcome.reply, outcome.reject, outcome.has_failed) == (None, None, False)
    assert shown(bench)[0] == 6


def test_a_query_without_an_answer_fails():
    bench = Bench(wasm_from_text('(module (func (export "canister_query silent")))'))
    assert reason(bench.query("silent")) == (
        "IC0506",
        "Canister rrkah-fqaaa-aaaaa-aaaaq-cai did not reply to the call",
    )


def test_a_canister_inspects_messages():
    bench = Bench(wat("inspect"))
    inspect_message(bench.code, bench.environment, Message(method="ping", arg=b"x", caller=USER))
    with pytest.raises(Reject) as refused:
        inspect_message(bench.code, bench.environment, Message(method="ping", caller=USER))
    assert spelled(refused.value) == ("IC0406", "Canister rejected the message")
    with pytest.raises(Reject) as trapped:
        inspect_message(bench.code, bench.environment, Message(method="break", caller=USER))
    assert spelled(trapped.value) == ("IC0502", "Canister trapped: unreachable")


def test_a_canister_that_does_not_inspect_lets_everything_in():
    bench = Bench(wat("state"))
    inspect_message(bench.code, bench.environment, Message(method="put", caller=USER))


def test_a_64_bit_memory_keeps_its_content():
    bench = Bench(wat("memory64"))
    assert bench.code.module.shape.memory64
    assert bench.update("put", b"far away").reject is None
    assert bench.reply("show") == b"far away"
    assert bench.code.heap.size_bytes == 320 * 65536


def test_a_cleanup_has_instructions_left_after_an_endless_callback():
    bench = Bench(puppet())
    loop, cleanup = (END + program + END for program in (LOOP, note("cleaned")))
    for program in (loop, cleanup):
        bench.update("run", program)
    at_loop = PROGRAMS_AT + 1
    at_cleanup = at_loop + len(loop) + 1
    callbacks = Callbacks(
        on_reply=Closure(CALLBACK, at_loop),
        on_reject=Closure(CALLBACK, at_loop),
        on_cleanup=Closure(CALLBACK, at_cleanup),
    )
    outcome = run_callback(
        bench.code, bench.environment, callbacks, Message(caller=USER), bench.limits
    )
    assert reason(outcome) == (
        "IC0522",
        "Canister exceeded the limit of 47500000 instructions for single message execution.",
    )
    assert 47_500_000 < outcome.instructions < 50_000_000
    assert outcome.is_kept
    assert bench.reply("trace") == b"cleaned"
