"""Juno's own library, @junobuild/admin: upgradeModule with the snapshot that it takes before."""

import pytest

from tests.azle import rust_module
from tests.interop.store import Store
from tests.motoko import motoko_module

pytestmark = [pytest.mark.interop, pytest.mark.anyio]

STEPS = ("status", "stop", "snapshot", "install", "start")
"""Its steps, by number."""


def outcomes(told):
    """How each step ended."""
    ended = [step.split() for step in told["steps"] if not step.endswith("in_progress")]
    return {STEPS[int(number)]: outcome for number, outcome in ended}


@pytest.fixture
async def rust_store(client):
    store = await Store.new(client, rust_module("store_v1"))
    await store.write("a", "kept")
    return store


@pytest.fixture
def upgrade(program, tmp_path):
    """Runs ``upgradeModule`` as Juno's command line does: the heap is replaced."""

    def run(store, wasm_module):
        wasm = tmp_path / "candidate.wasm"
        wasm.write_bytes(wasm_module)
        return program("upgrade_module", module=store.id, wasm=wasm, persistence="replace")

    return run


async def test_a_rust_module_of_three_and_a_half_megabytes(upgrade, client, rust_store):
    told = upgrade(rust_store, rust_module("store_v2"))
    assert (told["refused"], outcomes(told)) == (None, dict.fromkeys(STEPS, "success"))
    assert (await rust_store.version(), await rust_store.read("a")) == ("2", "kept")
    assert await client.stored_chunks(rust_store.id) == ()
    (taken,) = await client.list_canister_snapshots(rust_store.id)
    await rust_store.load(taken.id)
    assert (await rust_store.version(), await rust_store.writes()) == ("1", 1)


async def test_a_second_upgrade_replaces_the_snapshot(upgrade, client, rust_store):
    upgrade(rust_store, rust_module("store_v2"))
    (first,) = await client.list_canister_snapshots(rust_store.id)
    assert upgrade(rust_store, rust_module("store_v1"))["refused"] is None
    (second,) = await client.list_canister_snapshots(rust_store.id)
    assert first.id != second.id


async def test_code_that_traps_leaves_the_module_running_as_it_was(upgrade, client, rust_store):
    await rust_store.write("trap", "in post_upgrade")
    told = upgrade(rust_store, rust_module("store_v2"))
    assert told["refused"]["error_code"] == "IC0503"
    assert "no upgrade to here" in told["refused"]["message"]
    assert outcomes(told)["install"] == "error"
    assert outcomes(told)["start"] == "success"
    assert (await rust_store.version(), await rust_store.read("a")) == ("1", "kept")
    assert (await client.canister_status(rust_store.id)).status == "running"


async def test_the_same_code_is_refused_before_anything_happens(upgrade, client, rust_store):
    told = upgrade(rust_store, rust_module("store_v1"))
    assert "identical to the code currently installed" in told["refused"]["message"]
    assert outcomes(told) == {"status": "error"}
    assert await client.list_canister_snapshots(rust_store.id) == []


async def test_it_drops_a_persistent_heap_which_the_snapshot_has(upgrade, client, store):
    await store.write("key", "in the heap")
    assert upgrade(store, motoko_module("store_v2"))["refused"] is None
    assert (await store.version(), await store.read("key")) == ("2", None)
    (taken,) = await client.list_canister_snapshots(store.id)
    await store.load(taken.id)
    assert (await store.version(), await store.read("key")) == ("1", "in the heap")
