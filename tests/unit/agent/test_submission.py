"""Calls: what ends the waiting, what does not, and what was sent."""

from itertools import pairwise

import pytest

from juno_snap.errors import (
    InputError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import decode_envelope
from tests.fake_clock import FakeClock
from tests.scripted import (
    Scripted,
    broken_connection,
    cbor_answer,
    html_answer,
    refused_connection,
    text_answer,
)
from tests.unit.agent.fake_node import (
    CANISTER,
    IDENTITY,
    OTHER_SECRET,
    REPLY,
    FakeNode,
    agent_for,
    certify,
    hidden,
    reject_answer,
    rejected,
    replied,
    tree_of,
    under_way,
)

pytestmark = pytest.mark.anyio

CALL = f"/api/v4/canister/{CANISTER}/call"
READ = f"/api/v3/canister/{CANISTER}/read_state"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def node(clock):
    return FakeNode(clock)


async def test_a_call_is_one_request_and_returns_the_certified_reply(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    reply = await agent.call(CANISTER, "greet", b"DIDL\x00\x00")
    assert (reply.reply, reply.time_ns) == (REPLY, clock.now_ns())
    assert network.paths == [CALL]
    assert reply.request_id == node.calls[0].request_id()


async def test_a_call_is_signed_and_lives_as_long_as_asked(clock, node):
    agent = await agent_for(Scripted(otherwise=node), clock)
    prepared = agent.prepare(CANISTER, "greet", b"arg", ttl_seconds=120)
    envelope = decode_envelope(prepared.body)
    assert envelope.content.sender == IDENTITY.principal
    assert envelope.sender_public_key == IDENTITY.public_key_der
    assert prepared.expires_at_ns == clock.now_ns() + 120 * NS_PER_SECOND
    assert prepared.request_id == envelope.content.request_id()


async def test_two_equal_calls_have_different_ids(clock, node):
    agent = await agent_for(Scripted(otherwise=node), clock)
    one, other = (agent.prepare(CANISTER, "greet", b"") for _ in range(2))
    assert one.request_id != other.request_id


async def test_a_prepared_call_does_not_show_its_signed_bytes(clock, node):
    agent = await agent_for(Scripted(otherwise=node), clock)
    prepared = agent.prepare(CANISTER, "greet", b"a secret argument")
    assert "secret" not in repr(prepared)


@pytest.mark.parametrize("ttl_seconds", [0, -1, 301])
async def test_a_lifetime_that_the_network_would_refuse_is_refused(clock, node, ttl_seconds):
    agent = await agent_for(Scripted(otherwise=node), clock)
    with pytest.raises(InputError, match="a call lives 1 to 300 seconds"):
        agent.prepare(CANISTER, "greet", b"", ttl_seconds=ttl_seconds)


async def test_a_management_call_is_sent_to_its_effective_canister(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    await agent.call(MANAGEMENT_CANISTER, "stop_canister", b"", effective_canister_id=CANISTER)
    assert network.paths == [CALL]
    assert node.calls[0].canister_id == MANAGEMENT_CANISTER


@pytest.mark.parametrize(
    ("versions", "asked"),
    [
        pytest.param({3, 2}, ["v4", "v3"], id="v3"),
        pytest.param({2}, ["v4", "v3", "v2"], id="v2 and polling"),
    ],
)
async def test_an_older_node_is_called_in_its_own_way_from_then_on(clock, node, versions, asked):
    node.call_versions = versions
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    for _ in range(2):
        assert (await agent.call(CANISTER, "greet", b"")).reply == REPLY
    calls = [path.split("/")[2] for path in network.paths if path.endswith("/call")]
    assert calls == [*asked, asked[-1]]
    assert len({request.body for request in network.requests if request.path == CALL}) == 1


async def test_an_address_without_any_of_the_endpoints_is_named(clock):
    network = Scripted(otherwise=lambda _request: html_answer(404))
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="answered 404: an HTML page") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert not caught.value.maybe_delivered
    assert len(network.requests) == 3


async def test_accepted_and_not_answered_is_polled_and_its_body_not_read(clock, node):
    node.answers_calls_at_once = False
    network = Scripted([text_answer(202, "\xff not CBOR at all")], otherwise=node)
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"")
    node.statuses[prepared.request_id] = replied()
    assert (await agent.submit(prepared)).reply == REPLY
    assert network.paths == [CALL, READ]


@pytest.mark.parametrize("status", [b"received", b"processing"])
async def test_a_certificate_of_a_call_under_way_leads_to_polling(clock, node, status):
    node.outcome = lambda _call: under_way(status)

    def finish(request):
        node.statuses[node.calls[0].request_id()] = replied()
        return node(request)

    network = Scripted([node, node, node, finish])
    agent = await agent_for(network, clock)
    assert (await agent.call(CANISTER, "greet", b"")).reply == REPLY
    assert network.paths == [CALL, READ, READ, READ]


async def test_polling_slows_down_to_its_limit(clock, node):
    node.outcome = lambda _call: under_way()
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    with pytest.raises(OutcomeUnknownError):
        await agent.call(CANISTER, "greet", b"")
    assert clock.sleeps[0] == pytest.approx(0.25, abs=0.01)
    assert clock.sleeps[:4] == sorted(clock.sleeps[:4])
    assert max(clock.sleeps) <= 2.0


async def test_a_call_that_never_ends_is_unknown_and_not_sent_again(clock, node):
    node.outcome = lambda _call: under_way()
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"")
    with pytest.raises(OutcomeUnknownError, match="did not tell the outcome in time") as caught:
        await agent.submit(prepared)
    assert caught.value.request_id == prepared.request_id
    assert caught.value.expires_at_ns == prepared.expires_at_ns
    assert network.paths.count(CALL) == 1


async def test_a_certified_reject_says_so(clock, node):
    node.outcome = lambda _call: rejected(5, "Canister trapped: nope", "IC0503")
    agent = await agent_for(Scripted(otherwise=node), clock)
    with pytest.raises(RejectedError, match="Canister trapped: nope") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert (caught.value.certified, caught.value.reject_code) == (True, 5)
    assert caught.value.error_code == "IC0503"


@pytest.mark.parametrize("version", [4, 2])
async def test_one_nodes_reject_is_reported_at_once_as_not_certified(clock, version):
    steps = [text_answer(404)] * (2 if version == 2 else 0)
    reject = reject_answer(3, "Canister not found", "IC0301", version=version)
    network = Scripted([*steps, reject])
    agent = await agent_for(network, clock)
    with pytest.raises(RejectedError, match="Canister not found") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert (caught.value.certified, caught.value.error_code) == (False, "IC0301")


async def test_one_nodes_reject_settles_nothing_after_a_lost_answer(clock, node):
    def lose(request):
        node(request)
        raise broken_connection()

    reject = reject_answer(5, "Canister is stopped", "IC0508")
    network = Scripted([lose, reject], otherwise=node)
    agent = await agent_for(network, clock)
    assert (await agent.call(CANISTER, "stop_canister", b"")).reply == REPLY
    assert network.paths == [CALL, CALL, READ]


async def test_a_call_to_be_settled_goes_on_after_one_nodes_reject(clock, node):
    reject = reject_answer(4, "Only controllers may", "IC0512")
    network = Scripted([reject], otherwise=node)
    agent = await agent_for(network, clock)
    reply = await agent.call(CANISTER, "start_canister", b"", settle=True)
    assert reply.reply == REPLY
    assert {request.body for request in network.requests if request.path == CALL} == {
        network.requests[0].body
    }
    assert network.paths.count(CALL) == 2


async def test_a_call_to_be_settled_ends_when_it_is_proven_not_to_have_run(clock, node):
    sent_at_ns = []

    def refuse(request):
        if request.path != CALL:
            return node(request)
        sent_at_ns.append(clock.now_ns())
        return reject_answer(4, "Only controllers may", "IC0512")

    network = Scripted(otherwise=refuse)
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="Only controllers may") as caught:
        await agent.call(CANISTER, "start_canister", b"", ttl_seconds=60, settle=True)
    assert (caught.value.code, caught.value.maybe_delivered) == ("call-expired", False)
    waits = [later - earlier for earlier, later in pairwise(sent_at_ns)]
    assert waits[0] < 2 * NS_PER_SECOND
    assert waits[:4] == sorted(waits[:4])
    assert waits[4] >= 10 * NS_PER_SECOND


async def test_a_call_that_the_network_lost_is_sent_again_with_the_same_bytes(clock, node):
    node.answers_calls_at_once = False
    node.outcome = lambda _call: None if len(node.calls) < 3 else replied()
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    assert (await agent.call(CANISTER, "greet", b"")).reply == REPLY
    sent = [request.body for request in network.requests if request.path == CALL]
    assert len(sent) == 3
    assert len(set(sent)) == 1


async def test_a_call_absent_past_its_certified_expiry_was_not_executed(clock, node):
    node.outcome = lambda _call: None
    node.answers_calls_at_once = False
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=60)
    with pytest.raises(TransportError, match="was not executed") as caught:
        await agent.submit(prepared)
    assert (caught.value.code, caught.value.maybe_delivered) == ("call-expired", False)
    assert clock.now_ns() > prepared.expires_at_ns


async def test_nothing_is_concluded_before_the_network_itself_is_past_the_expiry(clock, node):
    node.outcome = lambda _call: None
    node.answers_calls_at_once = False
    node.ahead_seconds = -100
    agent = await agent_for(Scripted(otherwise=node), clock)
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=60)
    with pytest.raises(TransportError, match="was not executed"):
        await agent.submit(prepared)
    assert node.time_ns > prepared.expires_at_ns
    assert clock.now_ns() - prepared.expires_at_ns >= 100 * NS_PER_SECOND
    assert max(call.ingress_expiry_ns for call in node.calls) == prepared.expires_at_ns


async def test_an_expired_call_is_asked_for_and_not_sent(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=60)
    node.statuses[prepared.request_id] = replied()
    clock.advance(61)
    assert (await agent.submit(prepared)).reply == REPLY
    assert network.paths == [READ]


async def test_an_absent_call_is_unknown_where_it_could_have_been_forgotten(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    await agent.read_state(CANISTER, [(b"time",)])
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=60)
    assert prepared.signed_after_ns == clock.now_ns()
    clock.advance(301)
    with pytest.raises(OutcomeUnknownError, match="may have run and been forgotten"):
        await agent.submit(prepared)


async def test_an_absent_call_did_not_run_where_it_could_not_have_been_forgotten(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    await agent.read_state(CANISTER, [(b"time",)])
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=60)
    clock.advance(299)
    with pytest.raises(TransportError, match="was not executed"):
        await agent.submit(prepared)


async def test_a_call_seen_under_way_and_then_forgotten_is_unknown(clock, node):
    node.outcome = lambda _call: under_way()

    def forget(request):
        node.statuses.clear()
        clock.advance(61)
        return node(request)

    agent = await agent_for(Scripted([node, node, forget]), clock)
    with pytest.raises(OutcomeUnknownError, match="may have run and been forgotten"):
        await agent.call(CANISTER, "greet", b"", ttl_seconds=60)


async def test_a_call_whose_result_was_dropped_is_unknown(clock, node):
    node.outcome = lambda _call: under_way(b"done")
    agent = await agent_for(Scripted(otherwise=node), clock)
    with pytest.raises(OutcomeUnknownError, match="has dropped its result") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert "look at the module's state" in caught.value.hint


async def test_a_lost_connection_sends_the_same_bytes_again(clock, node):
    steps = [broken_connection(), text_answer(429), text_answer(503, "Service is overloaded")]
    network = Scripted(steps, otherwise=node)
    agent = await agent_for(network, clock)
    assert (await agent.call(CANISTER, "greet", b"")).reply == REPLY
    assert network.paths == [CALL] * 4
    assert len({request.body for request in network.requests}) == 1


async def test_nothing_is_sent_after_the_expiry(clock, node):
    sent_at_ns = []

    def failing(request):
        if request.path == CALL:
            sent_at_ns.append(clock.now_ns())
        return text_answer(503)

    network = Scripted(otherwise=failing)
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"", ttl_seconds=10)
    with pytest.raises(OutcomeUnknownError):
        await agent.submit(prepared)
    assert len(sent_at_ns) > 1
    assert max(sent_at_ns) < prepared.expires_at_ns


async def test_a_network_that_fails_for_good_leaves_the_outcome_unknown(clock):
    network = Scripted([broken_connection()], otherwise=lambda _request: text_answer(502))
    agent = await agent_for(network, clock)
    prepared = agent.prepare(CANISTER, "greet", b"")
    with pytest.raises(OutcomeUnknownError, match="502") as caught:
        await agent.submit(prepared)
    assert caught.value.request_id == prepared.request_id


async def test_a_network_that_was_never_reached_is_no_unknown_outcome(clock):
    def refuse(_request):
        raise refused_connection()

    network = Scripted(otherwise=refuse)
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="cannot connect") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert not caught.value.maybe_delivered
    assert sum(clock.sleeps) <= 3


async def test_an_overloaded_network_that_takes_nothing_is_no_unknown_outcome(clock):
    network = Scripted(otherwise=lambda _request: text_answer(429, "slow down"))
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="slow down") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert (caught.value.status, caught.value.maybe_delivered) == (429, False)
    assert sum(clock.sleeps) <= 60


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(html_answer(), "an HTML page", id="html"),
        pytest.param(text_answer(200), "nothing", id="nothing"),
        pytest.param(text_answer(200, "hello"), "the text 'hello'", id="text"),
        pytest.param(cbor_answer({"status": "replied"}), "without a certificate", id="empty map"),
        pytest.param(cbor_answer([1, 2]), "are not what a replica sends", id="no map"),
        pytest.param(
            cbor_answer({"status": "non_replicated_rejection", "reject_code": "no"}),
            "a reject in which",
            id="malformed reject",
        ),
    ],
)
async def test_an_answer_that_is_none_leaves_the_outcome_unknown(clock, answer, said):
    network = Scripted(otherwise=lambda _request: answer)
    agent = await agent_for(network, clock)
    with pytest.raises(OutcomeUnknownError) as caught:
        await agent.call(CANISTER, "greet", b"")
    assert said in caught.value.message
    assert network.url in caught.value.message


async def test_a_clock_put_wrong_while_polling_leaves_the_outcome_unknown(clock, node):
    def wrong(_request):
        clock.set_wrong_by(-600)
        return text_answer(400, "Invalid request expiry: ...")

    network = Scripted([text_answer(202), wrong], otherwise=node)
    agent = await agent_for(network, clock)
    with pytest.raises(OutcomeUnknownError, match="clock"):
        await agent.call(CANISTER, "greet", b"")


async def test_a_refused_request_names_the_words_of_the_node(clock):
    network = Scripted([text_answer(400, "Invalid signature: nope")])
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="answered 400: the text 'Invalid signature: nope'"):
        await agent.call(CANISTER, "greet", b"")
    assert network.paths == [CALL]


async def test_a_redirect_is_not_followed(clock):
    network = Scripted([text_answer(302)])
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match="answered 302") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert "leads elsewhere" in caught.value.hint


def forged(node, prepared):
    del prepared
    return certify(tree_of(node.state()), OTHER_SECRET)


def altered(node, prepared):
    good = node.certificate(request_status={prepared.request_id: replied(b"one")})
    return good.replace(b"one", b"two")


def stale(node, prepared):
    node.ahead_seconds = -301
    return node.certificate(request_status={prepared.request_id: replied()})


def ahead(node, prepared):
    node.ahead_seconds = 301
    return node.certificate(request_status={prepared.request_id: replied()})


def pruned(node, prepared):
    return node.certificate(request_status=hidden({prepared.request_id: replied()}))


def not_a_certificate(node, prepared):
    del node, prepared
    return b"\xd9\xd9\xf7\xa0"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (forged, "certificate-signature"),
        (altered, "certificate-signature"),
        (stale, "certificate-stale"),
        (ahead, "certificate-ahead"),
        (pruned, "certificate-pruned"),
        (not_a_certificate, "certificate-malformed"),
    ],
)
@pytest.mark.parametrize("polled", [False, True], ids=["in the answer", "while polling"])
async def test_a_certificate_that_does_not_hold_ends_everything(clock, node, make, code, polled):
    agent = await agent_for(Scripted(), clock)
    prepared = agent.prepare(CANISTER, "greet", b"")
    certificate = make(node, prepared)
    if polled:
        steps = [text_answer(202), cbor_answer({"certificate": certificate})]
    else:
        steps = [node.call_answer(certificate)]
    network = Scripted(steps)
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError) as caught:
        await agent.submit(prepared)
    assert caught.value.code == code
    assert len(network.requests) == len(steps)


@pytest.mark.parametrize(("make", "said"), [(stale, "301 s old"), (ahead, "301 s ahead")])
async def test_a_certificate_from_another_time_says_by_how_much(clock, node, make, said):
    agent = await agent_for(Scripted(), clock)
    prepared = agent.prepare(CANISTER, "greet", b"")
    agent = await agent_for(Scripted([node.call_answer(make(node, prepared))]), clock)
    with pytest.raises(TrustError, match=said) as caught:
        await agent.submit(prepared)
    assert "clock" in caught.value.message
    assert caught.value.hint
