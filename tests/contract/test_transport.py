"""What every transport does: one suite over the real one and over the tests' double."""

import asyncio
import contextlib

import pytest

from juno_snap.agent.line import LARGE_BODY_BYTES, PLACES_AT_FIRST
from juno_snap.agent.retry import RetryingTransport, RetryPolicy
from juno_snap.agent.transport import (
    ANSWER_TOO_LARGE,
    LINE_BUSY,
    UNREACHABLE,
    Answer,
    HttpxTransport,
    check_url,
    is_loopback,
)
from juno_snap.errors import InputError, TransportError
from tests.contract.transport_server import ENDLESS_PIECE, transport_server, unused_url
from tests.fake_clock import FakeClock
from tests.scripted import Scripted, broken_connection, refused_connection

pytestmark = pytest.mark.anyio

LIMIT_BYTES = 256 * 1024
MORE_THAN_SOCKETS_HOLD = bytes(32 * 1024 * 1024)
LIMITS = {
    "idle_seconds": 0.2,
    "total_seconds": 0.5,
    "slowest_bytes_per_second": 10**9,
    "max_body_bytes": LIMIT_BYTES,
}

ANSWERS = {
    "/html": Answer(status=200, content_type="text/html", body=b"<!doctype html>"),
    "/nothing": Answer(status=200, content_type="", body=b""),
    "/status/202/accepted": Answer(status=202, content_type="text/plain", body=b"accepted"),
    "/status/400/no": Answer(status=400, content_type="text/plain", body=b"no"),
    "/status/429/no": Answer(status=429, content_type="text/plain", body=b"no"),
    "/status/503/no": Answer(status=503, content_type="text/plain", body=b"no"),
}
FAILURES = {
    "/garbage": "disconnected",
    "/closed": "disconnected",
    "/cut-short": "disconnected",
    "/slow": "timeout",
    "/dripping": "timeout",
    "/endless": ANSWER_TOO_LARGE,
    "/too-large": ANSWER_TOO_LARGE,
}


@contextlib.asynccontextmanager
async def httpx_network():
    async with transport_server() as server, HttpxTransport(server.url, **LIMITS) as transport:
        yield transport, server


@contextlib.asynccontextmanager
async def scripted_network():
    def behave(request):
        if request.path == "/echo":
            return Answer(status=200, content_type="application/cbor", body=request.body or b"")
        if request.path in FAILURES:
            code = FAILURES[request.path]
            url = f"http://replica.test{request.path}"
            raise TransportError(f"{url} failed", url=url, code=code)
        return ANSWERS[request.path]

    yield Scripted(otherwise=behave), None


@pytest.fixture(params=[httpx_network, scripted_network])
def network(request):
    return request.param


@pytest.mark.parametrize("path", ANSWERS)
async def test_every_http_answer_is_an_answer(network, path):
    async with network() as (transport, _):
        assert await transport.send(path, b"body") == ANSWERS[path]


@pytest.mark.parametrize("size", [0, 1, LIMIT_BYTES])
async def test_the_body_arrives_as_it_was_sent_and_comes_back(network, size):
    body = bytes(size)
    async with network() as (transport, _):
        answer = await transport.send("/echo", body)
    assert (answer.status, answer.content_type) == (200, "application/cbor")
    assert answer.body == body


@pytest.mark.parametrize(("path", "code"), FAILURES.items())
async def test_anything_else_is_a_transport_error_that_names_the_address(network, path, code):
    async with network() as (transport, _):
        with pytest.raises(TransportError) as caught:
            await transport.send(path, b"body")
        error = caught.value
        assert (error.code, error.url) == (code, transport.url + path)
        assert error.url in error.message
        assert error.maybe_delivered


async def test_a_transport_is_closed_twice_without_complaint(network):
    async with network() as (transport, _):
        await transport.aclose()
        await transport.aclose()


async def test_the_double_raises_the_errors_of_the_real_one():
    assert refused_connection().code == UNREACHABLE
    assert broken_connection().code == "disconnected"


async def test_nobody_listening_means_nothing_was_delivered():
    async with HttpxTransport(await unused_url()) as transport:
        with pytest.raises(
            TransportError, match=r"cannot connect to http://127\.0\.0\.1:"
        ) as caught:
            await transport.send("/echo", b"body")
    assert (caught.value.maybe_delivered, caught.value.code) == (False, UNREACHABLE)
    assert caught.value.hint


async def test_a_name_that_does_not_exist_means_nothing_was_delivered():
    async with HttpxTransport("http://no-such-host.invalid") as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send("/echo", b"body")
    assert (caught.value.maybe_delivered, caught.value.code) == (False, UNREACHABLE)


async def test_an_endless_answer_is_dropped_at_the_limit():
    async with httpx_network() as (transport, server):
        with pytest.raises(TransportError, match=f"larger than {LIMIT_BYTES} bytes"):
            await transport.send("/endless", None)
        await transport.send("/echo", b"")  # the server has noticed by now
        # What stood in the buffers of two sockets comes on top of the limit.
        assert server.sent_bytes < LIMIT_BYTES + 200 * len(ENDLESS_PIECE)


async def test_a_request_is_what_the_platform_wants():
    async with httpx_network() as (transport, server):
        await transport.send("/echo", b"\xd9\xd9\xf7\xa0")
        await transport.send("/echo", None)
    (method, _, headers, body), (second, _, plain, _) = server.seen
    assert (method, second) == ("POST", "GET")
    assert headers["content-type"] == "application/cbor"
    assert headers["accept-encoding"] == "identity"
    assert body == b"\xd9\xd9\xf7\xa0"
    assert "content-type" not in plain


async def test_one_connection_serves_many_requests():
    async with httpx_network() as (transport, server):
        for _ in range(10):
            await transport.send("/echo", b"x")
    assert server.connections == 1


async def test_a_redirect_is_an_answer_and_not_followed():
    async with httpx_network() as (transport, server):
        assert (await transport.send("/status/302/", b"x")).status == 302
    assert len(server.seen) == 1


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", await unused_url())
    monkeypatch.setenv("http_proxy", await unused_url())
    async with httpx_network() as (transport, _):
        assert (await transport.send("/echo", b"x")).body == b"x"


@pytest.mark.parametrize("failures", [1, 2, 3, 9])
async def test_bursts_of_failures_are_outlasted_with_the_same_bytes(failures):
    clock = FakeClock()
    async with httpx_network() as (transport, server):
        server.failures_left = failures
        retrying = RetryingTransport(transport, policy=RetryPolicy(), clock=clock, entropy=bytes)
        delivery = await retrying.deliver("/failing", b"signed once")
    assert delivery.answer.body == b"signed once"
    assert {body for _, _, _, body in server.seen} == {b"signed once"}
    assert len(server.seen) == failures + 1
    assert len(clock.sleeps) == failures


LARGE = bytes(2 * LARGE_BODY_BYTES)
PATIENT = LIMITS | {"idle_seconds": 60, "total_seconds": 60}
MANY = 20
"""Exchanges between two looks at one that has to wait: it would have ended meanwhile."""


@contextlib.asynccontextmanager
async def full_line(path, body, **limits):
    """A transport on which as many large bodies are on their way as may be, and stay there."""
    async with (
        transport_server() as server,
        HttpxTransport(server.url, **limits) as transport,
        asyncio.TaskGroup() as group,
    ):
        held = [
            group.create_task(outcome(transport.send(path, body))) for _ in range(PLACES_AT_FIRST)
        ]
        for _ in held:
            await server.waiting.acquire()
        yield transport, server, held
        server.go_on.set()


async def outcome(sending):
    """The answer, or the error."""
    try:
        return await sending
    except TransportError as error:
        return error


@pytest.mark.parametrize(
    ("path", "body"), [("/unread", MORE_THAN_SOCKETS_HOLD), ("/in-two-parts", LARGE)]
)
async def test_a_large_body_waits_for_its_turn_and_a_small_one_does_not(path, body):
    async with full_line(path, body, **PATIENT) as (transport, server, held):
        one_more = asyncio.create_task(transport.send("/echo", LARGE))
        for _ in range(MANY):
            assert (await transport.send("/echo", b"small")).body == b"small"
        assert not one_more.done()
        server.go_on.set()
        assert (await one_more).body == LARGE
        assert {(await each).status for each in held} == {200}


async def test_waiting_for_a_turn_is_not_counted_as_time_of_the_answer():
    limits = PATIENT | {"total_seconds": 0.5}
    async with full_line("/in-two-parts", LARGE, **limits) as (transport, server, held):
        behind = {
            asyncio.create_task(outcome(transport.send("/in-two-parts", LARGE))) for _ in range(2)
        }
        for _ in behind:
            await server.waiting.acquire()
        assert {(await each).code for each in held} == {"timeout"}
        # After lost ones there is one place: who is last waits for twice the time of an answer.
        (late,), (last,) = await asyncio.wait(behind, return_when=asyncio.FIRST_COMPLETED)
        server.go_on.set()
        assert late.result().code == "timeout"
        assert (await last).body == LARGE


async def test_what_gets_no_turn_in_time_is_not_sent():
    async with full_line("/unread", MORE_THAN_SOCKETS_HOLD, **PATIENT) as (transport, server, _):
        error = await outcome(transport.send("/echo", LARGE, begin_within_seconds=0.01))
        assert (error.code, error.maybe_delivered) == (LINE_BUSY, False)
        assert error.url == f"{server.url}/echo"
        assert [path for _, path, _, _ in server.seen] == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://x",
        "http://",
        "127.0.0.1:80",
        "http://x?y",
        "http://[",
        "http://[::1",
        "\x00",
    ],
)
async def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError, match="is not the address of a network") as caught:
        HttpxTransport(url)
    assert caught.value.code == "invalid-url"


def test_a_slash_at_the_end_of_an_address_makes_no_difference():
    assert check_url("https://icp-api.io/") == check_url("https://icp-api.io")


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:80", True),
        ("http://localhost:4943", True),
        ("http://x.LOCALHOST", True),
        ("http://127.0.0.1.example.org", False),
        ("http://192.168.0.1", False),
        ("https://icp-api.io", False),
    ],
)
def test_this_machine_is_told_from_others(url, own):
    assert is_loopback(url) == own
