"""Plans beside what the replica then does."""

import pytest

from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.observe import observe
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import V1, V2, candidate, grown, install_with_document
from tests.motoko import motoko_module

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def client(replica):
    async with client_of(replica) as client:
        yield client


@pytest.mark.parametrize("mebibytes", [0, 2.5], ids=["one message", "chunks"])
async def test_the_snapshot_is_as_large_as_planned_and_the_steps_are_those_of_the_plan(
    client, mebibytes
):
    module = await install_with_document(client)
    wasm = candidate(grown(V2, mebibytes))
    prepared = await prepare_upgrade(client, module, UpgradeRequest(), wasm)
    report = await run_upgrade(client, prepared)
    assert [step.name for step in report.facts.steps] == [
        step.name for step in prepared.plan.outline.steps
    ]
    taken = next(step for step in report.facts.steps if step.name == "snapshot")
    assert taken.evidence["total_size_bytes"] == prepared.plan.decision.snapshot_bytes


async def test_a_snapshot_by_hand_does_the_steps_of_its_plan(client):
    module = await install_with_document(client)
    prepared = await prepare_create(client, module)
    report = await run_create(client, prepared)
    assert [step.name for step in report.facts.steps] == [
        step.name for step in prepared.plan.outline.steps
    ]


async def test_an_observation_has_what_is_certified_of_a_module(client):
    module = await install_with_document(client)
    taken = await client.take_canister_snapshot(module)
    chunk = await client.upload_chunk(module, b"a chunk")
    seen = await observe(client, module)
    assert seen.module_hash == seen.info.module_hash == candidate(V1).sha256
    assert seen.snapshots == (taken,)
    assert seen.stored_chunks == {chunk}
    assert seen.is_running
    assert not seen.is_persistent
    assert b"@junobuild/satellite" in seen.package


@pytest.mark.interop
async def test_a_persistent_heap_is_seen_in_the_private_metadata(client):
    module = await install_with_document(client, motoko_module("store_v1"))
    assert (await observe(client, module)).is_persistent
