"""Chains of delegations: read from JSON, checked, used."""

import json
import pickle

import pytest

from juno_snap.agent.delegation import load_delegated
from juno_snap.agent.identity import KeyIdentity, generate_ed25519
from juno_snap.errors import IdentityError
from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import Delegation, decode_envelope, request_signing_payload
from juno_snap.wire.signature import verify
from tests.fake_clock import START_NS, FakeClock
from tests.scripted import Scripted
from tests.unit.agent.fake_node import CANISTER, REPLY, FakeNode, agent_for

OWNER = generate_ed25519(b"\x01" * 32)
MIDDLE = generate_ed25519(b"\x02" * 32)
SESSION = generate_ed25519(b"\x03" * 32)
HOUR_NS = 3600 * NS_PER_SECOND


def link(signer: KeyIdentity, to: KeyIdentity, *, signature=None, **changes):
    """One signed delegation as agent-js writes it."""
    fields = {"expires_at_ns": START_NS + HOUR_NS} | changes
    delegation = Delegation(public_key=to.public_key_der, **fields)
    entry = {"pubkey": to.public_key_der.hex(), "expiration": f"{delegation.expires_at_ns:x}"}
    if delegation.targets is not None:
        entry["targets"] = [target.raw.hex() for target in delegation.targets]
    if delegation.permissions is not None:
        entry["permissions"] = delegation.permissions
    signature = signature or signer.sign(delegation.signing_payload())
    return {"delegation": entry, "signature": signature.hex()}


def chain(*links, owner=OWNER.public_key_der):
    return json.dumps({"publicKey": owner.hex(), "delegations": list(links)})


def load(text, signer=SESSION, now_ns=START_NS):
    return load_delegated(text, signer, now_ns=now_ns)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "links",
    [
        pytest.param([link(OWNER, SESSION)], id="one"),
        pytest.param([link(OWNER, MIDDLE), link(MIDDLE, SESSION)], id="two"),
        pytest.param([link(OWNER, SESSION, targets=(CANISTER,))], id="for this canister"),
        pytest.param([link(OWNER, SESSION, permissions="all")], id="for everything"),
    ],
)
async def test_a_call_is_made_in_the_name_of_the_owner(links):
    clock = FakeClock()
    network = Scripted(otherwise=FakeNode(clock))
    agent = await agent_for(network, clock, load(chain(*links)))
    assert (await agent.call(CANISTER, "greet", b"")).reply == REPLY
    envelope = decode_envelope(network.requests[0].body)
    assert envelope.content.sender == OWNER.principal
    assert envelope.sender_public_key == OWNER.public_key_der
    assert len(envelope.delegations) == len(links)
    payload = request_signing_payload(envelope.content.request_id())
    assert verify(SESSION.public_key_der, payload, envelope.sender_signature)


def test_a_signature_that_only_the_network_can_check_is_left_to_it():
    canister_key = bytes.fromhex("303c300c060a2b0601040183b8430102032c00") + bytes(43)
    text = chain(link(OWNER, SESSION, signature=b"a canister's"), owner=canister_key)
    assert load(text).public_key_der == canister_key


def test_an_expired_delegation_says_since_when():
    with pytest.raises(IdentityError, match="expired 5 s ago") as caught:
        load(chain(link(OWNER, SESSION)), now_ns=START_NS + HOUR_NS + 5 * NS_PER_SECOND)
    assert caught.value.code == "identity-expired"


@pytest.mark.anyio
async def test_a_delegation_that_expires_later_ends_the_calls():
    clock = FakeClock()
    network = Scripted(otherwise=FakeNode(clock))
    agent = await agent_for(network, clock, load(chain(link(OWNER, SESSION))))
    clock.advance(3600)
    with pytest.raises(IdentityError, match="expired"):
        agent.prepare(CANISTER, "greet", b"")
    with pytest.raises(IdentityError, match="expired"):
        await agent.query(CANISTER, "greet", b"")
    assert network.requests == []


@pytest.mark.anyio
async def test_a_delegation_for_other_canisters_or_queries_only_sends_no_call():
    clock = FakeClock()
    network = Scripted(otherwise=FakeNode(clock))
    for changes, said in (
        ({"targets": (CANISTER,)}, "does not allow calls to aaaaa-aa"),
        ({"permissions": "queries"}, "allows queries only"),
    ):
        agent = await agent_for(network, clock, load(chain(link(OWNER, SESSION, **changes))))
        with pytest.raises(IdentityError, match=said):
            agent.prepare(MANAGEMENT_CANISTER, "stop_canister", b"", effective_canister_id=CANISTER)
        assert await agent.query(CANISTER, "greet", b"") == REPLY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(chain(link(OWNER, MIDDLE)), "for another key", id="another key"),
        pytest.param(
            chain(link(OWNER, MIDDLE), link(MIDDLE, OWNER), link(OWNER, SESSION)),
            "occurs twice",
            id="a circle",
        ),
        pytest.param(chain(link(MIDDLE, SESSION)), "does not hold", id="a wrong signer"),
        pytest.param(
            chain(link(OWNER, SESSION, signature=bytes(64))), "does not hold", id="no signature"
        ),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(text, said):
    with pytest.raises(IdentityError, match=said) as caught:
        load(text)
    assert caught.value.code == "identity-delegation"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        chain(),
        chain(*[link(OWNER, SESSION)] * 21),
        json.dumps({"publicKey": "xx", "delegations": [link(OWNER, SESSION)]}),
        chain(link(OWNER, SESSION) | {"signature": 1}),
        chain({"delegation": {"pubkey": "00", "expiration": "-1"}, "signature": "00"}),
        chain({"delegation": {"pubkey": "00", "expiration": "1", "more": 1}, "signature": "00"}),
        chain(
            {
                "delegation": {"pubkey": "00", "expiration": "1", "targets": ["00" * 30]},
                "signature": "00",
            }
        ),
    ],
)
def test_a_malformed_chain_is_called_so(text):
    with pytest.raises(IdentityError, match="malformed") as caught:
        load(text)
    assert caught.value.code == "identity-malformed"


def test_a_delegated_identity_is_not_pickled_and_shows_no_key():
    identity = load(chain(link(OWNER, SESSION)))
    assert repr(identity) == f"DelegatedIdentity({OWNER.principal}, 1 delegations)"
    with pytest.raises(TypeError, match="not pickled or copied"):
        pickle.dumps(identity)
