"""The functions of ``ic0`` that write calls and read answers, on a session without Wasm."""

import pytest

from juno_snap.replica.execution import Message
from juno_snap.replica.stable import StableMemory, StableOverlay
from juno_snap.replica.system_api import HOST_FUNCTIONS
from juno_snap.replica.system_api.outgoing import PAYLOAD_MAX_BYTES, Closure
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.system_api.signatures import Context, all_signatures
from juno_snap.replica.traps import ExecutionError
from juno_snap.units import MIB
from tests.replica.engine import CANISTER, USER, environment

NOW_NS = 1_700_000_000_500_000_000


class Memory:
    """A memory that has any bytes anywhere: those that were put there, else zeros."""

    def __init__(self):
        self.parts = {}

    def read(self, address, size):
        return self.parts.get(address, b"").ljust(size, b"\0")[:size]

    def write(self, address, data):
        self.parts[address] = data

    def instructions_used(self):
        return 1


def session(
    context=Context.UPDATE, *, cycles=1000, frozen=0, callback=0, is_64_bit=False, **message
):
    return Session(
        context=context,
        is_64_bit=is_64_bit,
        environment=environment(
            cycles=cycles,
            time_ns=NOW_NS,
            callback_cycles=callback,
            freezing_limit=lambda _grown_bytes: frozen,
        ),
        message=Message(caller=USER, **message),
        guest=Memory(),
        stable=StableOverlay(StableMemory()),
        certified_data=b"",
        global_timer_ns=0,
    )


def do(running, name, *arguments):
    return HOST_FUNCTIONS[name](running, *arguments)


def new_call(running, *, callee=CANISTER.raw, method=b"greet"):
    running.guest.write(0, callee)
    running.guest.write(100, method)
    do(running, "call_new", 0, len(callee), 100, len(method), 1, 2, 3, 4)


def append(running, data):
    running.guest.write(200, data)
    do(running, "call_data_append", 200, len(data))


def violation(running, name, *arguments):
    with pytest.raises(ExecutionError) as broken:
        do(running, name, *arguments)
    assert broken.value.error_code == "IC0504"
    return broken.value.text.removeprefix("Canister violated contract: ")


def test_a_call_is_written_in_parts():
    running = session()
    new_call(running)
    append(running, b"one ")
    append(running, b"two")
    do(running, "call_on_cleanup", 5, 6)
    do(running, "call_cycles_add128", 0, 10)
    do(running, "call_cycles_add", 20)
    do(running, "call_with_best_effort_response", 9)
    assert do(running, "call_perform") == 0
    (call,) = running.calls
    assert (call.callee, call.method, call.arg) == (CANISTER, "greet", b"one two")
    assert (call.on_reply, call.on_reject) == (Closure(1, 2), Closure(3, 4))
    assert call.on_cleanup == Closure(5, 6)
    assert call.cycles == 30
    assert call.deadline_ns == 1_700_000_009_000_000_000
    assert running.balance_cycles == 970
    assert violation(running, "call_perform").endswith("no call is under construction.")


def test_a_call_without_extras_waits_for_ever_and_has_no_cleanup():
    running = session()
    new_call(running)
    do(running, "call_perform")
    (call,) = running.calls
    assert (call.deadline_ns, call.on_cleanup, call.cycles) == (0, None, 0)


def test_a_longer_time_than_five_minutes_is_shortened():
    running = session()
    new_call(running)
    do(running, "call_with_best_effort_response", 2**32 - 1)
    do(running, "call_perform")
    assert running.calls[0].deadline_ns == 1_700_000_300_000_000_000


def test_a_new_call_drops_an_unfinished_one_whose_cycles_come_back():
    running = session()
    new_call(running)
    do(running, "call_cycles_add", 400)
    assert running.balance_cycles == 600
    new_call(running, method=b"other")
    assert running.balance_cycles == 1000
    do(running, "call_perform")
    assert [call.method for call in running.calls] == ["other"]


def test_more_cycles_than_there_are_cannot_be_sent():
    running = session(cycles=1007, frozen=7)
    new_call(running)
    do(running, "call_cycles_add", 999)
    with pytest.raises(ExecutionError) as broken:
        do(running, "call_cycles_add128", 1, 0)
    assert broken.value.error_code == "IC0207"
    assert broken.value.text == (
        f"Canister {CANISTER} is out of cycles: please top up the canister with at least "
        f"{2**64 - 1:_} additional cycles"
    )


def test_only_a_controller_is_told_how_many_cycles_are_missing():
    running = session()
    running.message = Message(caller=CANISTER)
    new_call(running)
    with pytest.raises(ExecutionError) as broken:
        do(running, "call_cycles_add", 1001)
    assert broken.value.text == f"Canister {CANISTER} is out of cycles"


@pytest.mark.parametrize(("is_64_bit", "price"), [(False, 1), (True, 2)])
def test_a_call_that_would_freeze_the_canister_is_not_performed(is_64_bit, price):
    callback = 5_000_000 + price * 40_000_000_000
    fee = callback + 260_000 + 1_000 * (2 * MIB + len(b"greet") + len(b"arg"))
    for missing, code in ((0, 0), (1, 2)):
        have = fee + 7 + 50 - missing
        running = session(cycles=have, frozen=7, callback=callback, is_64_bit=is_64_bit)
        do(running, "cost_call", 5, 3, 300)
        assert int.from_bytes(running.guest.read(300, 16), "little") == fee
        new_call(running)
        append(running, b"arg")
        do(running, "call_cycles_add", 50)
        assert do(running, "call_perform") == code
        assert len(running.calls) == 1 - missing
        assert running.balance_cycles == (have if missing else 7)


@pytest.mark.parametrize(
    ("name", "arguments"), [("call_on_cleanup", (1, 2)), ("call_with_best_effort_response", (3,))]
)
def test_some_things_are_said_once_for_a_call(name, arguments):
    running = session()
    new_call(running)
    do(running, name, *arguments)
    assert violation(running, name, *arguments) == (
        f"ic0.{name} can be called at most once between `ic0.call_new` and `ic0.call_perform`"
    )


def test_the_callee_is_a_principal():
    text = "Canister provided invalid principal id"
    with pytest.raises(ExecutionError, match=text):
        new_call(session(), callee=bytes(30))


def test_the_name_of_a_method_has_a_limit_and_need_not_be_utf8():
    running = session()
    new_call(running, method=b"m" * 20_000)
    with pytest.raises(ExecutionError, match="Size of method_name 20001 exceeds the allowed limit"):
        new_call(running, method=b"m" * 20_001)
    new_call(running, method=b"\xff")
    do(running, "call_perform")
    assert running.calls[0].method == "�"


def test_name_and_argument_together_have_a_limit():
    running = session()
    new_call(running, method=b"greet")
    rest = PAYLOAD_MAX_BYTES - 9 * MIB - len(b"greet")
    for size in (9 * MIB, rest):
        do(running, "call_data_append", 200, size)
    do(running, "call_data_append", 200, 0)
    assert violation(running, "call_data_append", 200, 1) == (
        f"Request to {CANISTER}:greet has a payload size of {PAYLOAD_MAX_BYTES + 1}, which exceeds "
        f"the allowed limit of {PAYLOAD_MAX_BYTES}."
    )


def test_calls_under_way_count_against_the_limit_of_the_callee():
    running = session(in_flight={CANISTER: 499})
    new_call(running)
    assert do(running, "call_perform") == 0
    new_call(running)
    do(running, "call_cycles_add", 5)
    assert do(running, "call_perform") == 2
    assert running.balance_cycles == 1000
    new_call(running, callee=b"")
    assert do(running, "call_perform") == 0
    assert len(running.calls) == 2


def test_a_callback_reads_the_reject():
    running = session(
        Context.REJECT_CALLBACK, reject_code=4, reject_message="größer", cycles_refunded=2**65
    )
    assert do(running, "msg_reject_code") == 4
    assert do(running, "msg_reject_msg_size") == 8
    do(running, "msg_reject_msg_copy", 0, 2, 3)
    assert running.guest.read(0, 3) == "größer".encode()[2:5]
    do(running, "msg_cycles_refunded128", 300)
    assert running.guest.read(300, 16) == (2**65).to_bytes(16, "little")
    with pytest.raises(ExecutionError, match="cycles amount exceeds 64-bit representation"):
        do(running, "msg_cycles_refunded")


def test_a_reply_has_no_reject_message():
    running = session(Context.REPLY_CALLBACK)
    assert do(running, "msg_reject_code") == 0
    for name, arguments in (("msg_reject_msg_size", ()), ("msg_reject_msg_copy", (0, 0, 0))):
        assert violation(running, name, *arguments) == f"ic0.{name}: the call was not rejected"


def test_cycles_are_accepted_up_to_what_came_along():
    running = session(cycles_available=100)
    assert do(running, "msg_cycles_accept", 30) == 30
    assert do(running, "msg_cycles_available") == 70
    do(running, "msg_cycles_accept128", 1, 0, 300)
    assert running.guest.read(300, 16) == (70).to_bytes(16, "little")
    do(running, "msg_cycles_available128", 300)
    assert running.guest.read(300, 16) == bytes(16)
    assert running.balance_cycles == 1100


def test_a_call_that_was_answered_before_cannot_be_answered_again():
    running = session(Context.REPLY_CALLBACK, has_answered=True)
    assert violation(running, "msg_reply") == "ic0.msg_reply: the call is already replied"


def test_the_second_counter_adds_what_was_used_before():
    running = session(Context.REPLY_CALLBACK, instructions_before=41)
    assert do(running, "performance_counter", 0) == 1
    assert do(running, "performance_counter", 1) == 42


def test_only_replicated_messages_that_may_answer_send_cycles():
    allowed = {name: entry.contexts for name, entry in all_signatures("i64").items()}
    composite = {Context.COMPOSITE_QUERY, Context.COMPOSITE_REPLY_CALLBACK}
    assert composite <= allowed["call_new"] == allowed["call_perform"]
    assert not composite & allowed["call_cycles_add128"]
    assert Context.SYSTEM_TASK in allowed["call_cycles_add128"]
    for name in ("call_new", "msg_reply", "certified_data_set"):
        assert Context.CLEANUP not in allowed[name]
    assert Context.CLEANUP in allowed["msg_reject_code"]
    assert Context.COMPOSITE_CLEANUP not in allowed["msg_reject_code"]
