"""icp-py-core's own agent: newer endpoints, and node signatures of queries verified.

What it cannot, and so is no proof here: its root key is mainnet's whatever it is told, so that it
can verify no certificate of another network; blst, which it would need for that, is on no package
index; its Management class sends each call to aaaaa-aa, where no network takes those about a
canister; and since cbor2 6 gives frozen values below a tag, it finds no signatures in the answer to
a query unless its client removes the tag, as ``untagged`` does.
"""

import importlib
import os

import pytest

from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.cbor import SELF_DESCRIBE
from tests.interop.store import NO_ARGUMENTS, SEED

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

INTERFACE = """service : {
  set_document : (key : text, value : text) -> ();
  document : (key : text) -> (opt text) query;
}"""


@pytest.fixture
def core():
    """The library; where it is not installed the test is skipped, but fails with ``CI=true``."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("icp_core")
    return importlib.import_module("icp_core")


@pytest.fixture
def agent(core, replica):
    """Makes an agent that verifies queries; ``change`` is what befalls their answers."""

    def make(identity, change=lambda answer: answer):
        class Untagged(core.Client):
            """Leaves away the tag that says: this is CBOR."""

            def query(self, canister_id, data, **options):
                answer = super().query(canister_id, data, **options)
                return change(answer.removeprefix(SELF_DESCRIBE))

        client = Untagged(replica.url)
        return core.Agent(identity, client, root_key=replica.root_key, verify_query_signatures=True)

    return make


@pytest.fixture
def owner(core, agent):
    return agent(core.Identity(privkey=SEED.hex()))


def texts(core, *values):
    return core.encode([{"type": core.Types.Text, "value": value} for value in values])


@pytest.mark.parametrize(
    "options", [{"privkey": SEED.hex()}, {"type": "secp256k1"}, {"anonymous": True}]
)
async def test_calls_and_verified_queries(core, agent, store, options):
    one = agent(core.Identity(**options))
    canister = core.Canister(one, str(store.id), INTERFACE)
    assert canister.set_document("key", "value", verify_certificate=False) == []
    assert canister.document("key")[0]["value"] == ["value"]
    assert await store.read("key") == "value"


async def test_an_answer_that_was_changed_is_refused(core, agent, store):
    await store.write("key", "value")
    arg = texts(core, "key")
    one = agent(core.Identity(), change=lambda answer: answer.replace(b"value", b"other"))
    with pytest.raises(core.QuerySignatureVerificationFailed):
        one.query_raw(str(store.id), "document", arg)
    told = one.query_raw(str(store.id), "document", arg, verify_query_signatures=False)
    assert told[0]["value"] == ["other"]


async def test_rejections(core, owner, agent, store):
    arg = texts(core, "key", "lost")
    with pytest.raises(core.ReplicaReject) as refused:
        owner.update_raw(str(store.id), "set_document_and_trap", arg, verify_certificate=False)
    assert (refused.value.reject_code, refused.value.error_code) == (5, "IC0503")
    with pytest.raises(core.ReplicaReject) as refused:
        owner.query_raw(str(store.id), "no_such_query", NO_ARGUMENTS, verify_query_signatures=False)
    assert (refused.value.reject_code, refused.value.error_code) == (5, "IC0536")


async def test_the_certified_state(core, owner, client, store):
    path = [b"canister", store.id.raw, b"module_hash"]
    certificate = owner.read_state_raw(str(store.id), [path], verify_certificate=False)
    assert certificate.lookup(path) == await client.module_hash(store.id)
    certificate.verify_cert_timestamp(300 * NS_PER_SECOND)


async def test_management_calls_and_snapshots(core, owner, agent, client, store):
    types = core.Types
    canister = types.Record({"canister_id": types.Principal})
    taken = types.Record({"id": types.Vec(types.Nat8), "total_size": types.Nat64})
    with_id = types.Record({"canister_id": types.Principal, "snapshot_id": types.Vec(types.Nat8)})

    def manage(method, kind=canister, results=None, by=owner, **fields):
        value = {"canister_id": str(store.id), **fields}
        arg = core.encode([{"type": kind, "value": value}])
        return by.update_raw(
            "aaaaa-aa", method, arg, results, str(store.id), verify_certificate=False
        )

    await store.write("key", "before")
    manage("stop_canister")
    (made,) = manage("take_canister_snapshot", results=[taken])
    manage("start_canister")
    assert [snapshot.id.raw for snapshot in await client.list_canister_snapshots(store.id)] == [
        bytes(made["value"]["id"])
    ]
    await store.write("key", "after")
    manage("load_canister_snapshot", with_id, snapshot_id=made["value"]["id"])
    assert await store.read("key") == "before"
    manage("delete_canister_snapshot", with_id, snapshot_id=made["value"]["id"])
    assert await client.list_canister_snapshots(store.id) == []
    with pytest.raises(core.ReplicaReject) as refused:
        manage("stop_canister", by=agent(core.Identity()))
    assert refused.value.error_code == "IC0512"
