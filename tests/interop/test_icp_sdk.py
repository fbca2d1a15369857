"""The platform's JavaScript libraries, @icp-sdk/core and @icp-sdk/canisters, with their checks on.

They verify each certificate and the node's signature of each query, as in a browser.
"""

import hashlib

import pytest

from juno_snap.ids import SnapshotId
from tests.azle import rust_module
from tests.interop.store import OWNER, Store
from tests.motoko import motoko_module

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


async def test_calls_and_verified_queries(program, store):
    told = program("call", module=store.id)
    assert (told["document"], told["after_trap"]) == (["value"], ["value"])
    assert (told["polled_http_status"], told["polled"]) == (202, ["value"])
    refusals = [(told[call]["kind"], told[call]["error_code"]) for call in ("trap", "no_update")]
    assert refusals == [
        ("CertifiedRejectErrorCode", "IC0503"),
        ("CertifiedRejectErrorCode", "IC0536"),
    ]
    assert told["no_query"]["kind"] == "UncertifiedRejectErrorCode"
    assert told["no_query"]["error_code"] == "IC0536"
    assert "assertion failed" in told["trap"]["message"]
    assert await store.read("key") == "value"


async def test_the_root_key_may_be_fetched(program, store):
    assert program("call", module=store.id, root_key=None)["document"] == ["value"]


async def test_another_root_key_is_not_believed(program, store, replica):
    wrong = replica.root_key[:-1] + bytes([replica.root_key[-1] ^ 1])
    told = program("distrust", module=store.id, root_key=wrong.hex())
    kinds = [told[what]["kind"] for what in ("update", "query", "state")]
    assert kinds == ["CertificateVerificationErrorCode"] * 3


async def test_keys_of_each_kind_and_delegations(program, store):
    told = program("identities", module=store.id)
    assert told.pop("owner") == str(OWNER.principal)
    refused = {kind: tried["refused"] for kind, tried in told.items() if tried["refused"]}
    assert sorted(refused) == ["delegated_for_another", "delegation_expired"]
    assert "is not one of the delegation targets" in refused["delegated_for_another"]["message"]
    assert "Invalid delegation expiry" in refused["delegation_expired"]["message"]
    assert told["delegated"]["principal"] == str(OWNER.principal)
    assert len({tried["principal"] for tried in told.values()}) == 4


@pytest.mark.parametrize("skew_ms", [-900_000, 900_000])
async def test_a_client_whose_clock_is_wrong_asks_for_the_time(program, store, skew_ms):
    told = program("skewed", module=store.id, skew_ms=skew_ms)
    assert told["document"] == ["value"]
    assert abs(told["difference_ms"] + skew_ms) < 60_000


async def test_certified_state(program, client, store):
    told = program("state", module=store.id)
    info = await client.canister_info(store.id)
    assert told["controllers"] == [str(principal) for principal in info.controllers]
    assert told["module_hash"] == info.module_hash.hex()
    assert told["candid"] == (await client.metadata(store.id, "candid:service")).decode()
    assert "stable var documents" in told["stable_types"]
    assert told["absent"] is None
    assert told["subnet_key"] == client.agent.root_key.hex()
    assert len(told["nodes"]) == 1


async def test_a_certified_variable_is_proven(program, client):
    module = (await Store.new(client, motoko_module("certified"))).id
    told = program("certified", module=module)
    assert told["empty"] == {"value": "", "proven": ""}
    assert told["certified"] == told["kept"] == {"value": "07" * 32, "proven": "07" * 32}
    assert told["too_long"]["error_code"] == "IC0504"


async def test_the_life_of_a_module(program, tmp_path):
    wasm = tmp_path / "store.wasm"
    wasm.write_bytes(motoko_module("store_v1"))
    told = program("manage", wasm=wasm)
    assert told["empty"]["module_hash"] == []
    assert told["running"]["module_hash"] == [hashlib.sha256(wasm.read_bytes()).hexdigest()]
    assert told["running"]["settings"]["controllers"] == [str(OWNER.principal)]
    assert told["as_query"] == told["running"]
    assert set(told["settings"]["controllers"]) == {str(OWNER.principal), told["module"]}
    assert told["settings"]["freezing_threshold"] == "86400"
    assert told["settings"]["wasm_memory_limit"] == "1000000000"
    assert told["settings"]["environment_variables"] == [{"name": "STAGE", "value": "test"}]
    assert "assertion failed" in told["logs"][0]
    assert told["stopped"] == {"stopped": None}
    assert told["uninstalled"] == []
    refusals = ("install_again", "while_stopped", "delete_while_running", "deleted")
    codes = [told[what]["error_code"] for what in refusals]
    assert codes == ["IC0514", "IC0508", "IC0510", "IC0301"]


async def test_snapshots(program, client, store):
    told = program("snapshots", module=store.id)
    assert told["listed"] == [told["taken"]]
    assert told["loaded"] == ["before"]
    assert told["after_replacement"] == [told["replaced"]]
    assert told["replaced"] != told["taken"]["id"]
    assert told["gone"]["error_code"] == "IC0305"
    assert told["after_deletion"] == []
    assert await client.list_canister_snapshots(store.id) == []


async def test_a_whole_snapshot_goes_to_another_canister(program, client, store):
    await store.write("key", "carried over")
    chunk = await client.upload_chunk(store.id, b"staged")
    taken = await store.take()
    other = await client.provisional_create_canister()
    told = program("snapshot_data", module=store.id, other=other, snapshot=taken.id)
    assert told["document"] == ["carried over"]
    assert told["sha256"]["wasmModule"] == (await client.module_hash(other)).hex()
    assert told["sha256"]["stableMemory"] == hashlib.sha256().hexdigest()
    assert told["chunks"] == [chunk.hex()]
    ours = await client.read_canister_snapshot_metadata(store.id, taken.id)
    assert [int(one["i64"]) for one in told["metadata"]["globals"]] == [
        one.value for one in ours.globals
    ]
    kept = ("globals", "certifiedData", "wasmModuleSize", "wasmMemorySize", "wasmChunkStore")
    for field in kept:
        assert told["uploaded"][field] == told["metadata"][field]
    assert told["uploaded"]["source"] == {"metadataUpload": None}
    assert SnapshotId.parse(told["uploaded_id"]) in [
        snapshot.id for snapshot in await client.list_canister_snapshots(other)
    ]


async def test_a_module_above_two_megabytes(program, client, tmp_path):
    wasm = tmp_path / "store.wasm"
    wasm.write_bytes(rust_module("store_v1"))
    empty = await client.provisional_create_canister()
    told = program("install_large", module=empty, wasm=wasm)
    assert told["uploaded"] == told["chunks"]
    assert sorted(told["stored"]) == sorted(told["chunks"])
    assert told["wrong_hash"]["error_code"] == "IC0504"
    assert told["after_clear"] == []
    assert told["module_hash"] == [told["hash"]]
    assert (await client.module_hash(empty)).hex() == told["hash"]


async def test_a_stranger_is_refused(program, store):
    stranger = bytes(32).hex()
    told = program("strange", module=store.id, seed=stranger)
    assert {call["kind"] for call in told.values()} == {"UncertifiedRejectUpdateErrorCode"}
    assert {call["error_code"] for call in told.values()} == {"IC0512"}
