"""ic-py's own agent: it calls, polls and reads the certified state by the older endpoints.

What it cannot, and so is no proof here: it verifies no certificate and no query; it never looks at
the answer to a call, so that a refusal before consensus makes it poll until its time is over; it
sends no nonce, so that the same call twice in a second is one; its Candid parser refuses named
arguments; and since cbor2 6 gives frozen values below a tag, it takes each answer to a query for
malformed unless its client removes the tag, as ``Untagged`` does.
"""

import hashlib

import pytest
from ic.agent import Agent
from ic.candid import Types, encode
from ic.canister import Canister
from ic.client import Client
from ic.common.management import Management
from ic.identity import DelegateIdentity, Identity
from ic.principal import Principal
from ic.system_state import (
    canister_controllers,
    canister_module_hash,
    subnet_canister_ranges,
    subnet_public_key,
)
from ic.utils import to_request_id

from juno_snap.ids import Principal as OurPrincipal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.cbor import SELF_DESCRIBE
from tests.interop.store import NO_ARGUMENTS, OWNER, SEED
from tests.motoko import motoko_module

pytestmark = [
    pytest.mark.interop,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # ic-py's use of httpx
]

INTERFACE = """service : {
  set_document : (text, text) -> ();
  set_document_and_trap : (text, text) -> ();
  document : (text) -> (opt text) query;
}"""
ID = Types.Record({"canister_id": Types.Principal})
SNAPSHOT = Types.Record({"canister_id": Types.Principal, "snapshot_id": Types.Vec(Types.Nat8)})
TAKEN = Types.Record({"id": Types.Vec(Types.Nat8), "total_size": Types.Nat64})


class Untagged(Client):
    """Leaves away the tag that says: this is CBOR."""

    def query(self, canister_id, data):
        return super().query(canister_id, data).removeprefix(SELF_DESCRIBE)

    async def query_async(self, canister_id, data):
        answer = await super().query_async(canister_id, data)
        return answer.removeprefix(SELF_DESCRIBE)


def delegated():
    """A session key that the owner trusts, in ic-py's form."""
    session = Identity()
    owner = Identity(privkey=SEED.hex())
    expires_ns = 10**10 * NS_PER_SECOND
    delegation = {"pubkey": session.der_pubkey, "expiration": expires_ns}
    signature = owner.sign(b"\x1aic-request-auth-delegation" + to_request_id(delegation))[1]
    signed = {
        "delegation": {"pubkey": session.der_pubkey.hex(), "expiration": f"{expires_ns:x}"},
        "signature": signature.hex(),
    }
    chain = {"delegations": [signed], "publicKey": owner.der_pubkey.hex()}
    return DelegateIdentity(session, chain)


@pytest.fixture
def agent(replica):
    return lambda identity: Agent(identity, Untagged(replica.url))


@pytest.fixture
def owner(agent):
    return agent(Identity(privkey=SEED.hex()))


def text(value):
    return {"type": Types.Text, "value": value}


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(lambda: Identity(privkey=SEED.hex()), id="Ed25519"),
        pytest.param(lambda: Identity(type="secp256k1"), id="secp256k1"),
        pytest.param(lambda: Identity(anonymous=True), id="anonymous"),
        pytest.param(delegated, id="delegated"),
    ],
)
async def test_calls_and_queries_by_each_kind_of_identity(agent, store, identity):
    canister = Canister(agent(identity()), str(store.id), INTERFACE)
    assert canister.set_document("key", "value") == []
    assert canister.document("key") == [["value"]]
    assert await canister.set_document_async("key", "later") == []
    assert await canister.document_async("key") == [["later"]]
    assert await store.read("key") == "later"


async def test_a_delegation_speaks_for_the_owner(agent, store):
    one = agent(delegated())
    assert str(one.get_principal()) == str(OWNER.principal)
    (status,) = Management(one).canister_status({"canister_id": str(store.id)})
    assert status["status"] == {"running": None}


async def test_rejections(owner, store):
    arg = encode([text("key"), text("lost")])
    with pytest.raises(Exception, match=r"Rejected: .*assertion failed"):
        owner.update_raw(str(store.id), "set_document_and_trap", arg)
    said = owner.query_raw(str(store.id), "no_such_query", NO_ARGUMENTS)
    assert "Canister has no query method 'no_such_query'" in said


async def test_the_certified_state_by_the_older_endpoint(owner, client, store, replica):
    info = await client.canister_info(store.id)
    assert canister_module_hash(owner, str(store.id)) == info.module_hash.hex()
    assert list(map(str, canister_controllers(owner, str(store.id)))) == [str(OWNER.principal)]
    subnet = str(Principal.self_authenticating(replica.root_key))
    assert subnet_public_key(owner, str(store.id), subnet) == replica.root_key.hex()
    ranges = [
        [first.bytes, last.bytes]
        for first, last in subnet_canister_ranges(owner, str(store.id), subnet)
    ]
    assert any(first <= store.id.raw <= last for first, last in ranges)


async def test_management_calls(owner, client):
    management = Management(owner)
    (created,) = management.provisional_create_canister_with_cycles({"amount": [], "settings": []})
    module = {"canister_id": str(created["canister_id"])}
    wasm = motoko_module("store_v1")
    code = {"mode": {"install": None}, "wasm_module": wasm, "arg": NO_ARGUMENTS}
    management.install_code({**module, **code})
    management.start_canister(module)
    management.stop_canister(module)
    (status,) = management.canister_status(module)
    assert status["status"] == {"stopped": None}
    assert bytes(status["module_hash"][0]) == hashlib.sha256(wasm).digest()
    management.uninstall_code(module)
    management.delete_canister(module)
    info = await client.canister_info(OurPrincipal.parse(module["canister_id"]))
    assert not info.exists


async def test_snapshots(owner, client, store):
    def manage(method, kind, value, results=None):
        arg = encode([{"type": kind, "value": {"canister_id": str(store.id), **value}}])
        return owner.update_raw("aaaaa-aa", method, arg, results, str(store.id))

    await store.write("key", "before")
    (taken,) = manage("take_canister_snapshot", ID, {}, [TAKEN])
    snapshot = taken["value"]["id"]
    (listed,) = manage("list_canister_snapshots", ID, {}, [Types.Vec(TAKEN)])
    assert [one["id"] for one in listed["value"]] == [snapshot]
    await store.write("key", "after")
    manage("load_canister_snapshot", SNAPSHOT, {"snapshot_id": snapshot})
    assert await store.read("key") == "before"
    manage("delete_canister_snapshot", SNAPSHOT, {"snapshot_id": snapshot})
    assert await client.list_canister_snapshots(store.id) == []
