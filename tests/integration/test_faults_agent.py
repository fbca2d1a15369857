"""What our agent makes of each fault: the truth about the outcome, and nothing runs twice."""

import contextlib
from dataclasses import dataclass, replace

import pytest

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.clock_skew import ClockSkewError
from juno_snap.agent.identity import generate_ed25519
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.retry import RetryPolicy
from juno_snap.errors import (
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.wire import candid
from tests.replica.faulty_replica import NOTHING, Faulty, faulty
from tests.replica.requests import ALICE

pytestmark = pytest.mark.anyio

PATIENT = RetryPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    budget_seconds=20.0,
    first_contact_seconds=20.0,
)
IMPATIENT = replace(PATIENT, budget_seconds=0.4, first_contact_seconds=0.4)
"""For what is to be given up: a busy machine uses up the rest of it just as well."""
POLL = PollPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    send_again_seconds=0.2,
    send_refused_again_seconds=0.05,
    catch_up_seconds=3.0,
)


@dataclass
class World:
    """A replica with faults, and our agent as its user."""

    replica: Faulty
    agent: Agent

    async def increment(self, **how):
        reply = await self.agent.call(self.replica.counter, "increment", NOTHING, **how)
        (count,) = candid.decode(reply.reply, [candid.NAT])
        return count

    async def read(self):
        reply = await self.agent.query(self.replica.counter, "read", NOTHING)
        (count,) = candid.decode(reply, [candid.NAT])
        return count

    def happened(self):
        """The faults of the request log, in order."""
        return [fault for line in self.replica.logged() for fault in line["faults"]]


@contextlib.asynccontextmanager
async def world_of(*specs, call_ttl_seconds=60, retry=PATIENT, **options):
    with faulty(*specs, **options) as replica:
        running = replica.client.replica
        chosen = AgentOptions(
            url=running.url,
            root_key=running.root_key,
            call_ttl_seconds=call_ttl_seconds,
            retry=retry,
            poll=POLL,
        )
        async with await open_agent(chosen, generate_ed25519(ALICE.seed)) as agent:
            yield World(replica, agent)


@pytest.mark.parametrize(
    "specs",
    [
        pytest.param(["delay=50ms@call:increment"], id="a slow node"),
        pytest.param(["drop-before=2@call:increment"], id="no connection at first"),
        pytest.param(["drop-after=2@call:increment"], id="lost answers"),
        pytest.param(["http=503x3@call:increment"], id="an overloaded node"),
        pytest.param(["http=429x3@call:increment"], id="a node that asks to slow down"),
        pytest.param(["http-after=502x2@call:increment"], id="a gateway that gave up too soon"),
        pytest.param(
            [
                "http=503x1@call:increment",
                "drop-after=1@call:increment",
                "refuse=IC0301x1+1@call:increment",
                "http=503x2@read_state",
            ],
            id="one after the other",
        ),
        pytest.param(["late=50ms@call:increment"], id="a late call that is waited for"),
        pytest.param(
            ["drop-after=1@call:increment", "refuse=IC0301x1+1@call:increment"],
            id="a lost answer, then a node that does not know the canister",
        ),
        pytest.param(
            ["drop-after=1@call:increment", "http=400x1+1@call:increment"],
            id="a lost answer, then a node that does not understand",
        ),
        pytest.param(
            ["drop-after=1@call:increment", "http=404+1@call:increment"],
            id="a lost answer, then a node without this endpoint",
        ),
        pytest.param(["old-state=30sx1@call:increment"], id="a node that is behind"),
        pytest.param(
            ["old-state=30sx1@call:increment", "old-state=30sx2@read_state"],
            id="nodes that are behind",
        ),
    ],
)
async def test_a_call_gets_through_once(specs):
    async with world_of(*specs) as world:
        assert await world.increment() == 1
        assert world.replica.count() == 1
        assert set(world.happened()) == set(specs)


async def test_a_call_that_was_taken_and_lost_is_sent_again_and_runs_once():
    specs = ["late=400ms@call:increment", "drop-after=1@call:increment"]
    async with world_of(*specs, sync_call_seconds=0.05) as world:
        assert await world.increment() == 1
        assert world.happened() == specs
        sent = [line for line in world.replica.all_logged() if line.get("method") == "increment"]
        assert len({line["request_id"] for line in sent}) == 1
        assert len(sent) > 1
        assert world.replica.count() == 1


async def test_a_late_call_that_nobody_waited_for_is_found():
    specs = ["late=100ms@call:increment"]
    async with world_of(*specs, sync_call_seconds=0.02) as world:
        assert await world.increment() == 1
        assert world.replica.count() == 1


@pytest.mark.parametrize(
    ("spec", "error_code", "certified"),
    [
        pytest.param("reject=IC0210@call:increment", "IC0210", True, id="by the network"),
        pytest.param("refuse=IC0207@call:increment", "IC0207", False, id="by one node"),
    ],
)
async def test_a_rejected_call_is_told_as_what_it_is(spec, error_code, certified):
    async with world_of(spec) as world:
        with pytest.raises(RejectedError) as caught:
            await world.increment()
        assert caught.value.error_code == error_code
        assert caught.value.reject_code == 2
        assert caught.value.certified is certified
        assert world.happened() == [spec]
        assert world.replica.count() == 0


async def test_a_refusal_by_every_node_is_settled_by_the_expiry():
    async with world_of("refuse=IC0301@call:increment", call_ttl_seconds=1) as world:
        with pytest.raises(TransportError, match="was not executed") as caught:
            await world.increment(settle=True)
        assert (caught.value.code, caught.value.maybe_delivered) == ("call-expired", False)
        assert "IC0301" in caught.value.message
        assert world.replica.count() == 0


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("http=400@call:increment", "refused-by-node"),
        ("http=413@call:increment", "refused-by-node"),
        ("http=429@call:increment", "overloaded"),
    ],
)
async def test_a_status_that_says_no_is_no_delivery(spec, code):
    async with world_of(spec, retry=IMPATIENT) as world:
        with pytest.raises(TransportError) as caught:
            await world.increment()
        assert (caught.value.code, caught.value.maybe_delivered) == (code, False)
        assert world.replica.count() == 0


async def test_a_call_accepted_for_ever_is_proven_not_to_have_run():
    async with world_of("accept-forever@call:increment", call_ttl_seconds=1) as world:
        with pytest.raises(TransportError, match="was not executed") as caught:
            await world.increment()
        assert (caught.value.code, caught.value.maybe_delivered) == ("call-expired", False)
        assert world.replica.count() == 0


@pytest.mark.parametrize(
    ("call", "count"),
    [
        pytest.param("accept-forever@call:increment", 0, id="that did not run"),
        pytest.param("drop-after@call:increment", 1, id="that ran"),
        pytest.param("http-after=503@call:increment", 1, id="that ran behind a broken gateway"),
        pytest.param("drop-before@call:increment", 0, id="that never arrived"),
    ],
)
@pytest.mark.parametrize("state", ["http=503@read_state", "drop-before@read_state"])
async def test_a_call_of_which_nothing_is_heard_is_unknown(call, count, state):
    async with world_of(call, state, retry=IMPATIENT) as world:
        with pytest.raises(OutcomeUnknownError) as caught:
            await world.increment()
        assert caught.value.expires_at_ns > 0
        assert world.replica.count() == count


CODES = {
    "forged": "certificate-signature",
    "stale": "certificate-stale",
    "pruned": "certificate-pruned",
    "wrong-delegation": "certificate-delegation",
    "wrong-range": "certificate-range",
}


@pytest.mark.parametrize(("flaw", "code"), CODES.items())
async def test_a_hostile_outcome_is_not_believed(flaw, code):
    async with world_of(f"certificate={flaw}x1@call:increment") as world:
        with pytest.raises(TrustError) as caught:
            await world.increment()
        assert caught.value.code == code
        assert world.replica.count() == 1
        assert await world.increment() == 2


@pytest.mark.parametrize(("flaw", "code"), CODES.items())
async def test_hostile_state_is_not_believed(flaw, code):
    async with world_of(f"certificate={flaw}@read_state") as world:
        path = (b"canister", world.replica.counter.raw, b"module_hash")
        with pytest.raises(TrustError) as caught:
            (await world.agent.read_state(world.replica.counter, [path])).find(path, "the hash")
        assert caught.value.code == code


@pytest.mark.parametrize(("flaw", "code"), CODES.items())
async def test_a_query_does_not_trust_nodes_that_hostile_state_names(flaw, code):
    async with world_of(f"certificate={flaw}x1@read_state") as world:
        with pytest.raises(TrustError) as caught:
            await world.read()
        assert caught.value.code == code
        assert await world.read() == 0


async def test_an_old_state_is_recognised_by_its_time():
    async with world_of("old-state=30s@read_state") as world:
        reply = await world.agent.call(world.replica.counter, "increment", NOTHING)
        old = await world.agent.read_state(world.replica.counter, [])
        assert old.time_ns < reply.time_ns
        with pytest.raises(TransportError) as caught:
            await world.agent.read_state(world.replica.counter, [], not_before_ns=reply.time_ns)
        assert caught.value.code == "answer-too-old"


async def test_a_node_that_catches_up_is_waited_for():
    async with world_of("old-state=30sx3@read_state") as world:
        reply = await world.agent.call(world.replica.counter, "increment", NOTHING)
        state = await world.agent.read_state(world.replica.counter, [], not_before_ns=reply.time_ns)
        assert state.time_ns >= reply.time_ns
        assert world.happened() == ["old-state=30sx3@read_state"] * 3


@pytest.mark.parametrize(
    "specs",
    [
        ["drop-before=1@query:read"],
        ["drop-after=1@query:read"],
        ["http=503x2@query:read"],
        ["http=429x2@query", "drop-after=1@read_state"],
        ["delay=20ms@*"],
    ],
)
async def test_a_query_is_asked_again(specs):
    async with world_of(*specs) as world:
        assert await world.read() == 0
        assert set(world.happened()) == set(specs)


async def test_a_rejected_query_is_one_nodes_word():
    async with world_of("reject=IC0503@query:read") as world:
        with pytest.raises(RejectedError) as caught:
            await world.read()
        assert (caught.value.error_code, caught.value.certified) == ("IC0503", False)


async def test_a_stale_certificate_does_not_blame_the_clock_for_a_call_that_ran():
    async with world_of("certificate=stalex1@call:increment") as world:
        with pytest.raises(TrustError) as caught:
            await world.increment()
        assert not isinstance(caught.value, ClockSkewError)
        assert world.replica.count() == 1
