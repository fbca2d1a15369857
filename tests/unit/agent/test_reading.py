"""Certified reads, queries, clocks, root keys."""

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.clock_skew import ClockSkewError, show_time
from juno_snap.agent.identity import anonymous
from juno_snap.agent.root_key import MAINNET_ROOT_KEY, is_mainnet_host, parse_root_key
from juno_snap.errors import ConfigError, InputError, RejectedError, TransportError, TrustError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.cbor import encode
from juno_snap.wire.certificate import SubnetDelegation
from juno_snap.wire.envelope import decode_envelope
from juno_snap.wire.hashtree import Absent, Found
from juno_snap.wire.leb128 import encode_unsigned
from juno_snap.wire.query_response import QueryRejected, QueryReplied
from tests.fake_clock import FakeClock
from tests.scripted import URL, Scripted, cbor_answer, html_answer, text_answer
from tests.unit.agent.fake_node import (
    CANISTER,
    OTHER_CANISTER,
    OTHER_SECRET,
    REPLY,
    SECRET,
    FakeNode,
    agent_for,
    certify,
    hidden,
    root_key_of,
    tree_of,
)

pytestmark = pytest.mark.anyio

QUERY = f"/api/v3/canister/{CANISTER}/query"
READ = f"/api/v3/canister/{CANISTER}/read_state"
SUBNET = Principal.self_authenticating(root_key_of(OTHER_SECRET))
EXPIRY_TEXT = "Invalid request expiry: Specified ingress_expiry not within expected range: ..."


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def node(clock):
    return FakeNode(clock)


def delegation(clock, *, first=CANISTER, last=CANISTER, secret=SECRET, subnet=SUBNET):
    """The root's word that ``SUBNET`` hosts the canisters from ``first`` to ``last``."""
    tree = tree_of(
        {
            b"time": encode_unsigned(clock.now_ns()),
            b"subnet": {subnet.raw: {b"public_key": root_key_of(OTHER_SECRET)}},
            b"canister_ranges": {subnet.raw: {first.raw: encode([[first.raw, last.raw]])}},
        }
    )
    return SubnetDelegation(subnet_id=subnet, certificate=certify(tree, secret))


async def test_a_read_is_one_request_and_tells_values_from_proven_absence(clock, node):
    network = Scripted(
        [node.read_answer(canister={CANISTER.raw: {b"module_hash": b"hash"}})], otherwise=node
    )
    agent = await agent_for(network, clock)
    path = (b"canister", CANISTER.raw, b"module_hash")
    certificate = await agent.read_state(CANISTER, [path])
    assert certificate.lookup(path) == Found(b"hash")
    assert certificate.lookup((b"canister", CANISTER.raw, b"controllers")) == Absent()
    assert certificate.time_ns == clock.now_ns()
    assert network.paths == [READ]
    assert decode_envelope(network.requests[0].body).content.paths == (path,)


async def test_an_older_node_is_read_in_its_own_way(clock, node):
    node.read_versions = {2}
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    for _ in range(2):
        await agent.read_state(CANISTER, [(b"time",)])
    older = READ.replace("v3", "v2")
    assert network.paths == [READ, older, older]


async def test_a_subnet_may_speak_for_its_canisters(clock, node):
    certificate = certify(tree_of(node.state()), OTHER_SECRET, delegation(clock))
    network = Scripted([cbor_answer({"certificate": certificate})])
    agent = await agent_for(network, clock)
    assert (await agent.read_state(CANISTER, [])).subnet_id == SUBNET


@pytest.mark.parametrize(
    ("scope", "changes", "code"),
    [
        pytest.param(CANISTER, {"secret": OTHER_SECRET}, "certificate-delegation", id="forged"),
        pytest.param(OTHER_CANISTER, {}, "certificate-range", id="another canister"),
    ],
)
async def test_a_wrong_delegation_ends_everything(clock, node, scope, changes, code):
    certificate = certify(tree_of(node.state()), OTHER_SECRET, delegation(clock, **changes))
    network = Scripted([cbor_answer({"certificate": certificate})])
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError) as caught:
        await agent.read_state(scope, [])
    assert caught.value.code == code
    assert len(network.requests) == 1


async def test_a_subnet_is_read_under_its_own_address_and_name(clock, node):
    certificate = certify(tree_of(node.state()), OTHER_SECRET, delegation(clock))
    network = Scripted([cbor_answer({"certificate": certificate})] * 2)
    agent = await agent_for(network, clock)
    assert (await agent.read_subnet_state(SUBNET, [])).subnet_id == SUBNET
    assert network.paths == [f"/api/v3/subnet/{SUBNET}/read_state"]
    with pytest.raises(TrustError) as caught:
        await agent.read_subnet_state(node.subnet_id, [])
    assert caught.value.code == "certificate-range"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(html_answer(), "an HTML page", id="html"),
        pytest.param(html_answer(403), "answered 403: an HTML page", id="html 403"),
        pytest.param(text_answer(200), "with nothing", id="nothing"),
        pytest.param(cbor_answer({}), "without a certificate", id="empty"),
        pytest.param(cbor_answer({"certificate": 1}), "without a certificate", id="number"),
        pytest.param(text_answer(202), "answered 202", id="accepted"),
    ],
)
async def test_an_answer_that_is_none_names_what_came_and_from_where(clock, answer, said):
    network = Scripted([answer])
    agent = await agent_for(network, clock)
    with pytest.raises(TransportError, match=said) as caught:
        await agent.read_state(CANISTER, [])
    assert caught.value.url == URL + READ
    assert URL + READ in caught.value.message


async def test_an_answer_from_before_the_call_is_asked_for_again(clock, node):
    node.ahead_seconds = -1
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    call_ns = clock.now_ns()
    certificate = await agent.read_state(CANISTER, [], not_before_ns=call_ns)
    assert certificate.time_ns >= call_ns
    assert len(network.requests) > 1
    await agent.query(CANISTER, "greet", b"", not_before_ns=clock.now_ns())
    assert network.paths.count(QUERY) > 1


async def test_a_node_that_stays_behind_is_not_believed(clock, node):
    agent = await agent_for(Scripted(otherwise=node), clock)
    for ask in (
        agent.read_state(CANISTER, [], not_before_ns=clock.now_ns() + 200 * NS_PER_SECOND),
        agent.query(CANISTER, "greet", b"", not_before_ns=clock.now_ns() + 200 * NS_PER_SECOND),
    ):
        with pytest.raises(TransportError, match="before the call that was made") as caught:
            await ask
        assert caught.value.code == "answer-too-old"


async def test_a_query_is_checked_against_the_certified_nodes_of_its_subnet(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    for _ in range(2):
        assert await agent.query(CANISTER, "greet", b"") == REPLY
    assert network.paths == [QUERY, READ, QUERY]
    assert decode_envelope(network.requests[1].body).content.sender == ANONYMOUS


async def test_the_nodes_of_a_subnet_are_asked_for_once_for_all_modules_that_are_seen_to_be_on_it(
    clock, node
):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    await agent.query(CANISTER, "greet", b"")
    other = Principal(bytes(9) + b"\x01")
    await agent.read_state(other, [])
    before = len(network.paths)
    assert await agent.query(other, "greet", b"") == REPLY
    assert network.paths[before:] == [f"/api/v3/canister/{other}/query"]


async def test_a_node_that_joined_later_is_looked_up_once(clock, node):
    network = Scripted(otherwise=node)
    agent = await agent_for(network, clock)
    await agent.query(CANISTER, "greet", b"")
    node.node_seed = bytes(31) + b"\x0a"
    assert await agent.query(CANISTER, "greet", b"") == REPLY
    assert network.paths.count(READ) == 2


async def test_a_rejected_query_is_signed_too_and_not_certified(clock, node):
    reject = QueryRejected(reject_code=4, reject_message="no", error_code="IC0406")

    def refuse(request):
        return node.sign_query(reject, decode_envelope(request.body).content.request_id())

    agent = await agent_for(Scripted([refuse], otherwise=node), clock)
    with pytest.raises(RejectedError, match="no") as caught:
        await agent.query(CANISTER, "greet", b"")
    assert (caught.value.certified, caught.value.error_code) == (False, "IC0406")


def unsigned(node, request_id):
    del node, request_id
    return cbor_answer({"status": "replied", "reply": {"arg": REPLY}, "signatures": []})


def by_a_stranger(node, request_id):
    stranger = FakeNode(node.clock)
    stranger.node_seed = bytes(31) + b"\x0b"
    return stranger.sign_query(QueryReplied(arg=REPLY), request_id)


def in_anothers_name(node, request_id):
    answer = by_a_stranger(node, request_id)
    stranger = FakeNode(node.clock)
    stranger.node_seed = bytes(31) + b"\x0b"
    body = answer.body.replace(stranger.node_id.raw, node.node_id.raw)
    return type(answer)(status=200, content_type=answer.content_type, body=body)


def for_another_request(node, request_id):
    return node.sign_query(QueryReplied(arg=REPLY), bytes(32))


def altered(node, request_id):
    answer = node.sign_query(QueryReplied(arg=b"one"), request_id)
    body = answer.body.replace(b"one", b"two")
    return type(answer)(status=200, content_type=answer.content_type, body=body)


def long_ago(node, request_id):
    node.ahead_seconds = -301
    answer = node.sign_query(QueryReplied(arg=REPLY), request_id)
    node.ahead_seconds = 0
    return answer


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (unsigned, "query-unsigned"),
        (by_a_stranger, "query-unknown-node"),
        (in_anothers_name, "query-signature"),
        (for_another_request, "query-signature"),
        (altered, "query-signature"),
        (long_ago, "query-stale"),
    ],
)
async def test_a_query_answer_that_no_node_vouches_for_is_refused(clock, node, make, code):
    def answer(request):
        return make(node, decode_envelope(request.body).content.request_id())

    network = Scripted([answer], otherwise=node)
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError) as caught:
        await agent.query(CANISTER, "greet", b"")
    assert caught.value.code == code
    assert network.paths.count(QUERY) == 1


async def test_nodes_that_the_certificate_hides_are_not_taken_for_none(clock, node):
    pruned = {node.subnet_id.raw: {b"node": hidden(node.state()[b"subnet"])}}
    network = Scripted([node, node.read_answer(subnet=pruned)])
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError) as caught:
        await agent.query(CANISTER, "greet", b"")
    assert caught.value.code == "certificate-pruned"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(html_answer(), "an HTML page"), (cbor_answer({"status": "maybe"}), "maybe")],
)
async def test_a_query_answer_that_is_none_names_what_came(clock, answer, said):
    agent = await agent_for(Scripted([answer]), clock)
    with pytest.raises(TransportError, match=said) as caught:
        await agent.query(CANISTER, "greet", b"")
    assert caught.value.url == URL + QUERY


@pytest.mark.parametrize(
    ("network_ahead_seconds", "said"),
    [(-612, "clock is 612 s ahead of the network's"), (400, "clock is 400 s behind the network's")],
)
@pytest.mark.parametrize("kind", ["call", "query", "read_state"])
async def test_a_wrong_clock_is_named_with_both_times(
    clock, node, kind, network_ahead_seconds, said
):
    node.ahead_seconds = network_ahead_seconds
    network = Scripted([text_answer(400, EXPIRY_TEXT)], otherwise=node)
    agent = await agent_for(network, clock)
    asking = {
        "call": agent.call(CANISTER, "greet", b""),
        "query": agent.query(CANISTER, "greet", b""),
        "read_state": agent.read_state(CANISTER, []),
    }
    chosen = asking.pop(kind)
    for other in asking.values():
        other.close()
    with pytest.raises(ClockSkewError, match=said) as caught:
        await chosen
    assert caught.value.code == "clock-skew"
    assert caught.value.fields == {"here_ns": clock.now_ns(), "network_ns": node.time_ns}
    assert "here it is 2027-01-15T08:00:00Z, there 2027-01-15T0" in caught.value.message
    assert decode_envelope(network.requests[-1].body).content.sender == ANONYMOUS
    assert len(network.requests) == 2


async def test_a_late_request_is_not_blamed_on_a_clock_that_is_right(clock, node):
    agent = await agent_for(Scripted([text_answer(400, EXPIRY_TEXT)], otherwise=node), clock)
    with pytest.raises(TrustError, match="although the clocks agree"):
        await agent.call(CANISTER, "greet", b"")


async def test_a_clock_that_cannot_be_read_leaves_the_first_error(clock):
    network = Scripted([text_answer(400, EXPIRY_TEXT), html_answer()])
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError, match="its clock cannot be read") as caught:
        await agent.call(CANISTER, "greet", b"")
    assert caught.value.code == "clock-skew"


async def test_a_forged_time_does_not_explain_a_wrong_clock(clock, node):
    forged = certify(tree_of(node.state()), OTHER_SECRET)
    network = Scripted([text_answer(400, EXPIRY_TEXT), cbor_answer({"certificate": forged})])
    agent = await agent_for(network, clock)
    with pytest.raises(TrustError, match="its clock cannot be read: the signature"):
        await agent.call(CANISTER, "greet", b"")


def test_a_time_that_is_none_is_shown_as_a_number():
    assert show_time(2**63) == "2262-04-11T23:47:16Z"
    assert show_time(2**80) == f"{2**80} ns since 1970"


async def test_a_root_key_is_fetched_once_when_asked_for(clock, node):
    network = Scripted(otherwise=node)
    options = AgentOptions(url=URL, root_key=None)
    async with await open_agent(options, anonymous(), clock=clock, transport=network) as agent:
        assert agent.root_key == root_key_of(SECRET)
        await agent.read_state(CANISTER, [])
        assert (await agent.status()).health == "healthy"
    assert network.paths.count("/api/v2/status") == 2
    assert network.closed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (html_answer(), "an HTML page"),
        (cbor_answer({"replica_health_status": "healthy"}), "does not give its root key"),
        (cbor_answer({"root_key": b"short"}), "not the DER form"),
        (cbor_answer({"root_key": "text"}), "not a byte string"),
    ],
)
async def test_a_network_without_a_usable_root_key_is_refused(clock, answer, said):
    network = Scripted([answer])
    options = AgentOptions(url=URL, root_key=None)
    with pytest.raises(TransportError, match=said):
        await open_agent(options, anonymous(), clock=clock, transport=network)
    assert network.closed


@pytest.mark.parametrize(
    "url", ["https://icp-api.io", "https://ic0.app", "https://x.icp0.io/", "http://IC0.APP."]
)
async def test_the_root_key_of_mainnet_is_never_fetched(clock, url):
    network = Scripted(url=url)
    options = AgentOptions(url=url, root_key=None)
    with pytest.raises(TrustError, match="never fetched") as caught:
        await open_agent(options, anonymous(), clock=clock, transport=network)
    assert caught.value.code == "root-key-fetch"
    assert network.requests == []


def test_hosts_that_only_look_like_mainnet_are_not():
    assert not is_mainnet_host("https://notic0.app")
    assert not is_mainnet_host("https://icp-api.io.example.org")


def test_the_root_key_of_mainnet_makes_its_subnet_id():
    # Source: interface specification, "Root of trust"; the id is public on the dashboard.
    expected = "tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe"
    assert str(Principal.self_authenticating(MAINNET_ROOT_KEY)) == expected


def test_a_root_key_is_read_from_hex():
    assert parse_root_key(f" {MAINNET_ROOT_KEY.hex()}\n") == MAINNET_ROOT_KEY


@pytest.mark.parametrize("text", ["", "fetch", "00", MAINNET_ROOT_KEY.hex()[:-2]])
def test_a_root_key_that_is_none_is_a_configuration_error(text):
    with pytest.raises(ConfigError, match="not a BLS public key"):
        parse_root_key(text)


async def test_a_lifetime_out_of_range_is_refused_before_anything_is_sent(clock):
    options = AgentOptions(url=URL, root_key=MAINNET_ROOT_KEY, call_ttl_seconds=301)
    with pytest.raises(InputError):
        await open_agent(options, anonymous(), clock=clock, transport=Scripted())
