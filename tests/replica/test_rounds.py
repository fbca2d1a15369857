"""Rounds: calls are collected, executed in order, and numbered. The subnet is a double."""

import asyncio
import threading

import pytest

from juno_snap.ids import Principal
from juno_snap.replica.history import History
from juno_snap.replica.reject import Reject
from juno_snap.replica.rounds import Rounds, single_thread
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.units import NS_PER_SECOND
from tests.fake_clock import START_NS, FakeClock
from tests.replica.requests import ALICE, MINUTE_NS, call, query

CANISTER = Principal(b"\x00" * 7 + b"\x07\x01\x01")


class ScriptedSubnet:
    """Answers a call with its own method name; ``refuse`` rejects, ``last`` takes three rounds."""

    def __init__(self):
        self.canisters = {}
        self.executed = []
        self.rounds = []
        self.threads = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.queue = []
        self.wakes = []

    @property
    def has_work(self):
        return bool(self.queue)

    def accept(self, call, effective_canister_id, *, size_bytes):
        self.threads.add(threading.current_thread())
        if effective_canister_id != call.canister_id:
            raise Reject("IC0408", "wrong address")

    def submit(self, request_id, call, time_ns, *, size_bytes):
        self.queue.append((request_id, call.method_name, 3 if call.method_name == "last" else 1))

    def run_round(self, time_ns):
        self.threads.add(threading.current_thread())
        self.entered.set()
        self.gate.wait(10)
        self.rounds.append(time_ns)
        queue, self.queue = self.queue, []
        ended = []
        for request_id, method, rest in queue:
            if rest > 1:
                self.queue.append((request_id, method, rest - 1))
                continue
            self.executed.append((method, time_ns))
            refusal = Reject("IC0503", "refused")
            ended.append((request_id, refusal if method == "refuse" else method.encode()))
        return ended

    def take_managed(self):
        return False

    def next_wake_ns(self):
        return self.wakes.pop(0) if self.wakes else None

    def query(self, query, time_ns, data_certificate):
        self.threads.add(threading.current_thread())
        return data_certificate(query.canister_id)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def subnet():
    return ScriptedSubnet()


@pytest.fixture
def executor():
    with single_thread() as thread:
        yield thread


@pytest.fixture
def rounds_of(clock, subnet, executor):
    """Rounds of so many milliseconds over the scripted subnet."""

    def make(round_ms=0):
        time = SubnetTime(clock)
        return Rounds(
            subnet, History(), executor=executor, clock=clock, time=time, round_ms=round_ms
        )

    return make


def a_call(method="method", nonce=b"", *, expiry_ns=START_NS + MINUTE_NS):
    return call(CANISTER, method, sender=ALICE.principal, expiry_ns=expiry_ns, nonce=nonce)


async def at_rest(rounds):
    """Wait until no round runs and none is going to begin by itself."""
    while tasks := {task for task in (rounds._running, rounds._alarm) if task is not None}:
        await asyncio.wait(tasks)


def outcome(rounds, content):
    return rounds.history.find(content.request_id()).outcome


@pytest.mark.anyio
async def test_calls_that_arrive_together_share_a_round_in_their_order(rounds_of, subnet):
    rounds = rounds_of()
    tickets = [rounds.add(a_call(name), CANISTER) for name in ("one", "two", "three")]
    await asyncio.gather(*(ticket.ended for ticket in tickets))
    assert [name for name, _ in subnet.executed] == ["one", "two", "three"]
    assert len({time_ns for _, time_ns in subnet.executed}) == 1
    assert {ticket.round_number for ticket in tickets} == {1}
    assert rounds.executed == 1


@pytest.mark.anyio
async def test_a_later_call_gets_the_next_round_and_a_later_time(rounds_of, subnet):
    rounds = rounds_of()
    for number in (1, 2, 3):
        ticket = rounds.add(a_call(nonce=bytes([number])), CANISTER)
        await ticket.ended
        assert ticket.round_number == number
    times = [time_ns for _, time_ns in subnet.executed]
    assert times == sorted(set(times))


@pytest.mark.anyio
async def test_a_round_lasts_as_long_as_it_is_said_to(rounds_of, subnet, clock):
    rounds = rounds_of(round_ms=500)
    await rounds.add(a_call(), CANISTER).ended
    assert clock.sleeps == [0.5]
    assert subnet.executed == [("method", START_NS + NS_PER_SECOND // 2)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pause_seconds", "waited_seconds"),
    [
        pytest.param(0.125, 0.375, id="soon: the round began where the one before was closed"),
        pytest.param(0.25, 0.5, id="later: it begins with the call"),
        pytest.param(7.0, 0.5, id="long after"),
    ],
)
async def test_rounds_of_a_busy_replica_follow_each_other_without_a_gap(
    rounds_of, clock, pause_seconds, waited_seconds
):
    rounds = rounds_of(round_ms=500)
    await rounds.add(a_call("first"), CANISTER).ended
    clock.advance(pause_seconds)
    await rounds.add(a_call("second"), CANISTER).ended
    assert clock.sleeps == [0.5, waited_seconds]


@pytest.mark.anyio
async def test_calls_that_come_while_a_round_runs_wait_for_the_next(rounds_of, subnet):
    rounds = rounds_of()
    subnet.gate.clear()
    first = rounds.add(a_call("first"), CANISTER)
    assert await asyncio.to_thread(subnet.entered.wait, 10)
    second = rounds.add(a_call("second"), CANISTER)
    third = rounds.add(a_call("third"), CANISTER)
    subnet.gate.set()
    await asyncio.gather(first.ended, second.ended, third.ended)
    numbers = [ticket.round_number for ticket in (first, second, third)]
    assert numbers == [1, 2, 2]


@pytest.mark.anyio
async def test_the_history_has_the_outcome_when_the_ticket_is_done(rounds_of):
    rounds = rounds_of()
    good, bad = a_call("good"), a_call("refuse")
    tickets = [rounds.add(content, CANISTER) for content in (good, bad)]
    assert rounds.history.find(good.request_id()).status == "received"
    await asyncio.gather(*(ticket.ended for ticket in tickets))
    assert outcome(rounds, good) == b"good"
    assert outcome(rounds, bad).error_code == "IC0503"


@pytest.mark.anyio
async def test_a_call_may_take_many_rounds_which_follow_each_other(rounds_of, subnet):
    rounds = rounds_of()
    long, short = a_call("last"), a_call("short")
    first, second = (rounds.add(content, CANISTER) for content in (long, short))
    await second.ended
    assert rounds.history.find(long.request_id()).status == "processing"
    await first.ended
    assert rounds.executed == 3
    assert [name for name, _ in subnet.executed] == ["short", "last"]


@pytest.mark.anyio
async def test_rounds_of_what_is_left_last_as_long_as_others(rounds_of, subnet, clock):
    await rounds_of(round_ms=500).add(a_call("last"), CANISTER).ended
    assert clock.sleeps == [0.5, 0.5, 0.5]


@pytest.mark.anyio
async def test_without_calls_a_round_begins_when_the_subnet_asks_for_it(rounds_of, subnet, clock):
    subnet.wakes = [START_NS + 7 * NS_PER_SECOND]
    rounds = rounds_of()
    await rounds.open()
    await at_rest(rounds)
    assert [time_ns // 10**6 for time_ns in subnet.rounds] == [(START_NS // 10**6) + 7001]
    assert rounds.executed == 1


@pytest.mark.anyio
async def test_rounds_without_calls_are_a_second_apart(rounds_of, subnet, clock):
    subnet.wakes = [1, 1, 1]
    rounds = rounds_of()
    await rounds.open()
    await at_rest(rounds)
    first, second, third = subnet.rounds
    assert first < START_NS + NS_PER_SECOND
    assert second - first >= NS_PER_SECOND
    assert third - second >= NS_PER_SECOND


@pytest.mark.anyio
async def test_nothing_runs_where_the_subnet_asks_for_nothing(rounds_of, subnet, clock):
    rounds = rounds_of()
    await rounds.open()
    await rounds.add(a_call(), CANISTER).ended
    await at_rest(rounds)
    assert clock.sleeps == []
    assert rounds.executed == 1


@pytest.mark.anyio
async def test_a_call_does_not_wait_for_a_round_that_is_due_later(executor, subnet):
    class StoppedClock(FakeClock):
        async def sleep(self, _seconds):
            await asyncio.Event().wait()

    clock = StoppedClock()
    subnet.wakes = [START_NS + NS_PER_SECOND]
    rounds = Rounds(subnet, History(), executor=executor, clock=clock, time=SubnetTime(clock))
    await rounds.open()
    await rounds.add(a_call(), CANISTER).ended
    assert rounds.executed == 1


@pytest.mark.anyio
async def test_at_the_end_open_calls_are_left_as_they_are(rounds_of, subnet):
    rounds = rounds_of()
    subnet.gate.clear()
    content = a_call("last")
    ticket = rounds.add(content, CANISTER)
    assert await asyncio.to_thread(subnet.entered.wait, 10)
    finishing = asyncio.create_task(rounds.finish())
    await asyncio.sleep(0)
    subnet.gate.set()
    await finishing
    assert ticket.ended.done()
    assert subnet.has_work
    assert rounds.history.find(content.request_id()).status == "processing"


@pytest.mark.anyio
async def test_what_was_open_goes_on_at_the_start(rounds_of, subnet):
    rounds = rounds_of()
    content = a_call("old")
    rounds.history.receive(content, CANISTER)
    rounds.history.begin(content.request_id())
    subnet.submit(content.request_id(), content, 0, size_bytes=None)
    await rounds.open()
    await at_rest(rounds)
    assert outcome(rounds, content) == b"old"


@pytest.mark.anyio
async def test_a_hurry_ends_the_round_that_is_being_collected(executor, subnet):
    class StoppedClock(FakeClock):
        asked = asyncio.Event()

        async def sleep(self, _seconds):
            self.asked.set()
            await asyncio.Event().wait()

    clock = StoppedClock()
    time = SubnetTime(clock)
    rounds = Rounds(subnet, History(), executor=executor, clock=clock, time=time, round_ms=500)
    ticket = rounds.add(a_call(), CANISTER)
    await clock.asked.wait()
    assert subnet.executed == []
    await rounds.finish()
    assert ticket.ended.done()
    assert subnet.executed == [("method", START_NS)]


@pytest.mark.anyio
async def test_everything_runs_on_one_thread_that_is_not_ours(rounds_of, subnet):
    rounds = rounds_of()
    await rounds.accept(a_call(), CANISTER)
    await rounds.add(a_call(), CANISTER).ended
    await rounds.query(query(CANISTER, expiry_ns=0), START_NS, lambda _canisters, _id: b"")
    assert len(subnet.threads) == 1
    assert threading.current_thread() not in subnet.threads


@pytest.mark.anyio
async def test_the_filter_may_refuse(rounds_of):
    with pytest.raises(Reject):
        await rounds_of().accept(a_call(), Principal(b"elsewhere"))


@pytest.mark.anyio
async def test_a_query_gets_the_certificate_of_its_canister(rounds_of):
    reply = await rounds_of().query(
        query(CANISTER, expiry_ns=0), START_NS, lambda _canisters, canister_id: canister_id.raw
    )
    assert reply == CANISTER.raw


@pytest.mark.anyio
async def test_old_requests_are_forgotten_round_by_round(rounds_of, clock):
    rounds = rounds_of()
    for number in range(3):
        expiry_ns = clock.now_ns() + MINUTE_NS
        await rounds.add(a_call(nonce=bytes([number]), expiry_ns=expiry_ns), CANISTER).ended
        clock.advance(400)
    assert len(rounds.history) == 1


def test_the_time_does_not_go_back_with_the_clock(clock):
    time = SubnetTime(clock)
    first_ns = time.now_ns()
    clock.set_wrong_by(-100)
    assert time.now_ns() == first_ns
    assert time.next_round_ns() == first_ns + 1
    clock.set_wrong_by(200)
    assert time.now_ns() == first_ns + 100 * NS_PER_SECOND


def test_the_time_begins_after_the_time_of_the_state(clock):
    assert SubnetTime(clock, not_before_ns=START_NS + 5).now_ns() == START_NS + 5
