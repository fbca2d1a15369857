"""The same bytes again: when, how often, how long."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.agent.retry import RetryingTransport, RetryPolicy
from juno_snap.agent.transport import ANSWER_TOO_LARGE, LINE_BUSY
from juno_snap.errors import TransportError
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import with_jitter
from tests.fake_clock import FakeClock
from tests.scripted import URL, Scripted, broken_connection, refused_connection, text_answer
from tests.unit.agent.fake_node import no_entropy

pytestmark = pytest.mark.anyio

OK = text_answer(200, "fine")
PATH = "/api/v4/canister/x/call"


@pytest.fixture
def clock():
    return FakeClock()


def raise_(error):
    raise error


def retrying(network, clock, entropy=no_entropy, **policy):
    return RetryingTransport(network, policy=RetryPolicy(**policy), clock=clock, entropy=entropy)


async def test_an_answer_is_taken_at_once(clock):
    network = Scripted([OK])
    delivery = await retrying(network, clock).deliver(PATH, b"body")
    assert (delivery.answer, delivery.earlier_maybe_delivered) == (OK, False)
    assert clock.sleeps == []


@pytest.mark.parametrize("status", [200, 202, 302, 400, 403, 404, 413])
async def test_a_clear_answer_is_not_asked_for_again(clock, status):
    network = Scripted([text_answer(status)])
    assert (await retrying(network, clock).send(PATH, b"body")).status == status


@pytest.mark.parametrize(
    ("failure", "unclear"),
    [
        (text_answer(408), False),
        (text_answer(429), False),
        (text_answer(500), True),
        (text_answer(502), True),
        (text_answer(503), True),
        (text_answer(504), True),
        (broken_connection(), True),
        (refused_connection(), False),
    ],
)
async def test_a_failure_is_followed_by_the_same_bytes(clock, failure, unclear):
    network = Scripted([failure, failure, OK])
    delivery = await retrying(network, clock).deliver(PATH, b"body")
    assert (delivery.answer, delivery.earlier_maybe_delivered) == (OK, unclear)
    assert [request.body for request in network.requests] == [b"body"] * 3


async def test_waits_grow_to_their_limit(clock):
    network = Scripted([OK, *[broken_connection()] * 8, OK])
    transport = retrying(network, clock)
    await transport.send(PATH, b"body")
    await transport.send(PATH, b"body")
    assert clock.sleeps == [0.25, 0.5, 1, 2, 4, 5, 5, 5]


async def test_waits_are_shortened_at_random(clock):
    network = Scripted([broken_connection()] * 2 + [OK])
    await retrying(network, clock, entropy=lambda count: b"\x80" + bytes(count - 1)).send(PATH, b"")
    assert clock.sleeps == [0.25 * 0.75, 0.5 * 0.75]
    assert with_jitter(8, 0.5, lambda count: b"\xff" * count) == pytest.approx(4)


async def test_the_budget_ends_it_with_the_last_error(clock):
    network = Scripted(otherwise=lambda _request: text_answer(503, "Service is overloaded"))
    with pytest.raises(TransportError, match="Service is overloaded") as caught:
        await retrying(network, clock, budget_seconds=20).send(PATH, b"body")
    assert sum(clock.sleeps) <= 20
    assert f"after {len(network.requests)} attempts" in caught.value.message
    assert (caught.value.status, caught.value.url) == (503, URL + PATH)


async def test_one_attempt_that_may_have_arrived_makes_all_of_them_unclear(clock):
    refused = [refused_connection()] * 50
    network = Scripted([refused_connection(), broken_connection(), *refused])
    with pytest.raises(TransportError) as caught:
        await retrying(network, clock).send(PATH, b"body")
    assert caught.value.maybe_delivered


async def test_a_host_that_was_never_reached_is_given_up_soon(clock):
    network = Scripted(otherwise=lambda _request: raise_(refused_connection()))
    with pytest.raises(TransportError, match="cannot connect") as caught:
        await retrying(network, clock).send(PATH, b"body")
    assert not caught.value.maybe_delivered
    assert sum(clock.sleeps) <= 3


async def test_a_host_that_never_speaks_http_is_given_up_soon(clock):
    network = Scripted(otherwise=lambda _request: raise_(broken_connection()))
    with pytest.raises(TransportError):
        await retrying(network, clock).send(PATH, b"body")
    assert sum(clock.sleeps) <= 3


async def test_a_host_that_was_reached_before_is_waited_for(clock):
    network = Scripted([OK, *[refused_connection()] * 8, OK])
    transport = retrying(network, clock)
    await transport.send(PATH, b"body")
    assert await transport.send(PATH, b"body") == OK
    assert sum(clock.sleeps) > 3


async def test_nothing_is_sent_at_or_after_the_deadline(clock):
    network = Scripted(otherwise=lambda _request: text_answer(503))
    deadline_ns = clock.now_ns() + 4 * NS_PER_SECOND
    with pytest.raises(TransportError):
        await retrying(network, clock).deliver(PATH, b"body", deadline_ns=deadline_ns)
    assert clock.now_ns() < deadline_ns
    assert len(network.requests) > 1


@given(
    chances=st.lists(st.binary(min_size=4, max_size=4), max_size=40),
    lifetime_seconds=st.floats(min_value=0, max_value=300),
    failures=st.lists(
        st.sampled_from([text_answer(429), text_answer(503), broken_connection()]), max_size=40
    ),
    slow_seconds=st.floats(min_value=0, max_value=120),
)
def test_whatever_fails_nothing_is_sent_too_late(chances, lifetime_seconds, failures, slow_seconds):
    clock = FakeClock()
    deadline_ns = clock.now_ns() + round(lifetime_seconds * NS_PER_SECOND)
    begun_ns, sent_at_ns = clock.monotonic_ns(), []

    def fail(failure):
        def step(_request):
            sent_at_ns.append((clock.now_ns(), clock.monotonic_ns()))
            clock.advance(slow_seconds)
            if isinstance(failure, TransportError):
                raise failure
            return failure

        return step

    network = Scripted([fail(failure) for failure in failures], otherwise=fail(OK))
    transport = retrying(network, clock, lambda count: (chances or [bytes(count)]).pop())
    with contextlib.suppress(TransportError):
        asyncio.run(transport.deliver(PATH, b"body", deadline_ns=deadline_ns))
    for now_ns, monotonic_ns in sent_at_ns:
        assert now_ns < deadline_ns
        assert monotonic_ns - begun_ns <= 60 * NS_PER_SECOND


async def test_an_expired_request_is_not_sent_at_all(clock):
    network = Scripted()
    with pytest.raises(TransportError, match="has expired") as caught:
        await retrying(network, clock).deliver(PATH, b"body", deadline_ns=clock.now_ns())
    assert not caught.value.maybe_delivered
    assert network.requests == []


async def test_a_body_may_wait_for_its_turn_until_the_deadline(clock):
    network = Scripted([text_answer(503), OK, OK])
    transport = retrying(network, clock)
    await transport.deliver(PATH, b"body", deadline_ns=clock.now_ns() + 10 * NS_PER_SECOND)
    await transport.deliver(PATH, b"body")
    waits = [request.begin_within_seconds for request in network.requests]
    assert waits == [10, 10 - clock.sleeps[0], None]


async def test_a_body_that_had_no_turn_in_time_is_not_tried_again(clock):
    network = Scripted([TransportError("busy", url=URL, code=LINE_BUSY, maybe_delivered=False)])
    with pytest.raises(TransportError, match="busy") as caught:
        await retrying(network, clock).send(PATH, b"body")
    assert not caught.value.maybe_delivered


@pytest.mark.parametrize(
    ("failure", "slow_downs"),
    [
        (text_answer(429), 1),
        (text_answer(408), 1),
        (TransportError("late", url=URL, code="timeout"), 1),
        (broken_connection(), 1),
        (text_answer(503), 0),
        (refused_connection(), 0),
    ],
)
async def test_what_less_at_once_may_help_against_is_counted(clock, failure, slow_downs):
    transport = retrying(Scripted([OK, failure, OK]), clock)
    await transport.send(PATH, b"body")
    assert transport.slow_downs == 0
    await transport.send(PATH, b"body")
    assert transport.slow_downs == slow_downs


async def test_an_answer_without_an_end_is_not_asked_for_again(clock):
    network = Scripted([TransportError("too large", url=URL, code=ANSWER_TOO_LARGE)])
    with pytest.raises(TransportError, match="too large"):
        await retrying(network, clock).send(PATH, b"body")


async def test_a_mistake_of_ours_is_not_tried_again(clock):
    network = Scripted([ValueError("a mistake")])
    with pytest.raises(ValueError, match="a mistake"):
        await retrying(network, clock).send(PATH, b"body")
    assert len(network.requests) == 1


async def test_closing_closes_what_is_below(clock):
    network = Scripted()
    await retrying(network, clock).aclose()
    assert network.closed
