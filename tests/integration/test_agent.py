"""The agent against the local replica: real HTTP, real certificates, a real counter in Wasm."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.identity import anonymous, generate_ed25519
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.transport import Answer, HttpxTransport
from juno_snap.clock import SystemClock
from juno_snap.errors import (
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Install
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire import candid
from juno_snap.wire.hashtree import Absent, Found
from tests.scripted import text_answer

pytestmark = pytest.mark.anyio

OWNER = generate_ed25519(b"\x05" * 32)
STRANGER = generate_ed25519(b"\x06" * 32)
NOTHING = candid.encode([], [])
FAST = PollPolicy(first_wait_seconds=0.01, longest_wait_seconds=0.05, send_again_seconds=0.2)


@pytest.fixture(scope="module")
def replica():
    with run_replica(ReplicaOptions()) as running:
        yield running


class WrongClock(SystemClock):
    """The machine's clock, put forward or back."""

    def __init__(self, ahead_seconds: float) -> None:
        self._ahead_ns = round(ahead_seconds * NS_PER_SECOND)

    def now_ns(self) -> int:
        return super().now_ns() + self._ahead_ns


@dataclass
class Meddling:
    """A transport to the replica that records paths and bodies, and may answer in its place.

    ``before`` may answer instead of the replica, ``after`` may change or lose its answer.
    """

    below: HttpxTransport
    before: Callable[[str], Answer | None] = lambda _path: None
    after: Callable[[str, Answer], Answer] = lambda _path, answer: answer
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.below.url

    async def send(
        self, path: str, body: bytes | None, *, begin_within_seconds: float | None = None
    ) -> Answer:
        self.paths.append(path)
        self.bodies.append(body)
        early = self.before(path)
        if early is not None:
            return early
        answer = await self.below.send(path, body, begin_within_seconds=begin_within_seconds)
        return self.after(path, answer)

    async def aclose(self) -> None:
        await self.below.aclose()


@contextlib.asynccontextmanager
async def talking_to(replica, identity=OWNER, *, clock=None, **meddling):
    """An agent and the transport below it."""
    transport = Meddling(HttpxTransport(replica.url), **meddling)
    options = AgentOptions(url=replica.url, root_key=replica.root_key, poll=FAST)
    async with await open_agent(options, identity, clock=clock, transport=transport) as agent:
        yield agent, transport


async def new_counter(agent: Agent) -> Principal:
    client = ManagementClient(agent)
    canister_id = await client.provisional_create_canister()
    await client.install_code(canister_id, Install(), sample("counter"), NOTHING)
    return canister_id


def number(reply: bytes) -> int:
    return candid.decode(reply, [candid.NAT])[0]


async def test_a_call_a_query_and_a_read_agree(replica):
    async with talking_to(replica) as (agent, transport):
        counter = await new_counter(agent)
        transport.paths.clear()
        reply = await agent.call(counter, "increment", NOTHING)
        assert number(reply.reply) == 1
        assert number(await agent.query(counter, "read", NOTHING)) == 1
        path = (b"canister", counter.raw, b"module_hash")
        certificate = await agent.read_state(counter, [path], not_before_ns=reply.time_ns)
        assert isinstance(certificate.lookup(path), Found)
        absent = await agent.read_state(counter, [(b"canister", counter.raw, b"metadata", b"no")])
        assert absent.lookup((b"canister", counter.raw, b"metadata", b"no")) == Absent()
    place = f"canister/{counter}"
    assert transport.paths == [
        f"/api/v4/{place}/call",
        f"/api/v3/{place}/query",
        f"/api/v3/{place}/read_state",  # the nodes of the subnet, once
        f"/api/v3/{place}/read_state",
        f"/api/v3/{place}/read_state",
    ]


async def test_an_older_replica_is_called_in_older_ways(replica):
    for missing, expected in ((("v4",), "v3"), (("v4", "v3"), "v2")):

        def hide(path, missing=missing):
            return (
                text_answer(404) if path.startswith(tuple(f"/api/{v}" for v in missing)) else None
            )

        async with talking_to(replica, before=hide) as (agent, transport):
            counter = await new_counter(agent)
            transport.paths.clear()
            assert number((await agent.call(counter, "increment", NOTHING)).reply) == 1
            assert number(await agent.query(counter, "read", NOTHING)) == 1
        assert transport.paths[0] == f"/api/{expected}/canister/{counter}/call"


async def test_a_call_whose_answer_was_lost_is_sent_again_and_runs_once(replica):
    lost = []

    def lose_one(path, answer):
        if path.endswith("/call") and len(lost) < 2 and counting:
            lost.append(answer)
            raise TransportError("lost on the way", url=path, code="disconnected")
        return answer

    counting = False
    async with talking_to(replica, after=lose_one) as (agent, transport):
        counter = await new_counter(agent)
        counting = True
        transport.bodies.clear()
        assert number((await agent.call(counter, "increment", NOTHING)).reply) == 1
        assert len(transport.bodies) == 3
        assert len(set(transport.bodies)) == 1
        assert number(await agent.query(counter, "read", NOTHING)) == 1


async def test_a_prepared_call_runs_once_however_often_it_is_submitted(replica):
    async with talking_to(replica) as (agent, _):
        counter = await new_counter(agent)
        prepared = agent.prepare(counter, "increment", NOTHING)
        replies = [await agent.submit(prepared) for _ in range(3)]
        assert {number(reply.reply) for reply in replies} == {1}
        assert number(await agent.query(counter, "read", NOTHING)) == 1


async def test_another_agent_finds_the_outcome_of_a_call_that_was_left_behind(replica):
    async with talking_to(replica) as (agent, _):
        counter = await new_counter(agent)
        prepared = agent.prepare(counter, "increment", NOTHING, ttl_seconds=60)
        await agent.submit(prepared)
    async with talking_to(replica, clock=WrongClock(61)) as (later, transport):
        assert number((await later.submit(prepared)).reply) == 1
        assert transport.paths == [f"/api/v3/canister/{counter}/read_state"]


async def test_a_call_that_never_reached_the_network_is_proven_not_to_have_run(replica):
    taken = False

    def swallow(path):
        return text_answer(202) if taken and path.endswith("/call") else None

    async with talking_to(replica, before=swallow) as (agent, transport):
        counter = await new_counter(agent)
        taken = True
        transport.bodies.clear()
        with pytest.raises(TransportError, match="was not executed") as caught:
            await agent.call(counter, "increment", NOTHING, ttl_seconds=1)
        assert (caught.value.code, caught.value.maybe_delivered) == ("call-expired", False)
        assert number(await agent.query(counter, "read", NOTHING)) == 0


async def test_a_network_that_goes_away_leaves_the_outcome_unknown(replica):
    gone = False

    def go_away(path):
        if gone:
            raise TransportError("lost on the way", url=path, code="answer-too-large")

    async with talking_to(replica, before=go_away) as (agent, _):
        counter = await new_counter(agent)
        gone = True
        prepared = agent.prepare(counter, "increment", NOTHING)
        with pytest.raises(OutcomeUnknownError) as caught:
            await agent.submit(prepared)
        assert caught.value.request_id == prepared.request_id


async def test_a_trap_is_a_certified_reject_and_no_controller_is_not(replica):
    async with talking_to(replica) as (agent, _), talking_to(replica, STRANGER) as (stranger, _):
        counter = await new_counter(agent)
        with pytest.raises(RejectedError) as caught:
            await agent.call(counter, "no_such_method", NOTHING)
        assert (caught.value.certified, caught.value.error_code) == (True, "IC0536")
        with pytest.raises(RejectedError) as caught:
            await ManagementClient(stranger).stop_canister(counter)
        assert (caught.value.certified, caught.value.error_code) == (False, "IC0512")
        with pytest.raises(RejectedError) as caught:
            await agent.query(counter, "no_such_method", NOTHING)
        assert (caught.value.certified, caught.value.error_code) == (False, "IC0536")


@pytest.mark.parametrize(
    ("ahead_seconds", "said"),
    [(-400, r"clock is (399|400|401) s behind"), (400, r"clock is (399|400|401) s ahead")],
)
async def test_a_wrong_clock_is_told_from_the_replicas_own(replica, ahead_seconds, said):
    async with talking_to(replica) as (agent, _):
        counter = await new_counter(agent)
    async with talking_to(replica, clock=WrongClock(ahead_seconds)) as (agent, _):
        with pytest.raises(TrustError, match=said) as caught:
            await agent.call(counter, "increment", NOTHING)
        assert caught.value.code == "clock-skew"


async def test_the_root_key_is_fetched_where_it_is_not_known(replica):
    options = AgentOptions(url=replica.url, root_key=None)
    async with await open_agent(options, anonymous()) as agent:
        assert agent.root_key == replica.root_key
        assert (await agent.status()).health == "healthy"


async def test_a_replica_with_another_root_key_is_not_believed(replica):
    with run_replica(ReplicaOptions()) as other:
        options = AgentOptions(url=other.url, root_key=replica.root_key)
        async with await open_agent(options, OWNER) as agent:
            canister_id = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
            with pytest.raises(TrustError) as caught:
                await agent.read_state(canister_id, [])
    assert caught.value.code == "certificate-signature"


async def test_the_subnet_is_read_by_its_own_name(replica):
    async with talking_to(replica) as (agent, _):
        subnet_id = Principal.self_authenticating(agent.root_key)
        path = (b"subnet", subnet_id.raw, b"public_key")
        certificate = await agent.read_subnet_state(subnet_id, [path])
        assert certificate.lookup(path) == Found(agent.root_key)
