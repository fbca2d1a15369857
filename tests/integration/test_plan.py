"""Plans beside what the replica then does."""

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.observe import observe
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of, with_section
from tests.integration.pipeline_world import LIFTED, V1, V2, candidate, grown, install_with_document
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


@pytest.fixture
def workspace(client):
    return Workspace.in_memory(client)


@pytest.mark.parametrize("mebibytes", [0, 2.5], ids=["one message", "chunks"])
async def test_the_snapshot_is_as_large_as_planned_and_the_steps_are_those_of_the_plan(
    workspace, mebibytes
):
    module = await install_with_document(workspace.client)
    request = UpgradeRequest(checks=(parse_check('version() == "0.2.0"'),))
    wasm = candidate(grown(V2, mebibytes))
    prepared = await prepare_upgrade(workspace, module, request, wasm)
    report = await run_upgrade(workspace, prepared)
    assert [step.name for step in report.facts.steps] == [
        step.name for step in prepared.plan.outline.steps
    ]
    taken = next(step for step in report.facts.steps if step.name == "snapshot")
    assert taken.evidence["total_size_bytes"] == prepared.plan.decision.snapshot_bytes


async def test_the_snapshot_is_as_large_as_planned_where_the_chunk_store_is_emptied(workspace):
    module = await install_with_document(workspace.client)
    await workspace.client.upload_chunk(module, b"of somebody else")
    wasm = candidate(grown(V2, 2.5))
    prepared = await prepare_upgrade(workspace, module, UpgradeRequest(clear_chunks=True), wasm)
    report = await run_upgrade(workspace, prepared)
    taken = next(step for step in report.facts.steps if step.name == "snapshot")
    assert taken.evidence["total_size_bytes"] == prepared.plan.decision.snapshot_bytes


async def test_a_snapshot_by_hand_does_the_steps_of_its_plan(workspace):
    module = await install_with_document(workspace.client)
    prepared = await prepare_create(workspace, module)
    report = await run_create(workspace, prepared)
    assert [step.name for step in report.facts.steps] == [
        step.name for step in prepared.plan.outline.steps
    ]


async def test_a_plan_compares_the_interface_with_the_certified_one(workspace):
    module = await install_with_document(workspace.client, V2)
    prepared = await prepare_upgrade(workspace, module, UpgradeRequest(juno=LIFTED), candidate(V1))
    (refusal,) = prepared.plan.outline.refusals
    assert refusal.code == "candid-breaking"
    assert "method count_documents is expected and not there" in refusal.text
    with pytest.raises(PreconditionError) as caught:
        await run_upgrade(workspace, prepared)
    assert caught.value.code == "candid-breaking"
    request = UpgradeRequest(force=True, juno=LIFTED)
    forced = await prepare_upgrade(workspace, module, request, candidate(V1))
    assert (await run_upgrade(workspace, forced)).outcome == "upgraded"


async def test_a_check_that_the_new_code_cannot_pass_is_refused_before_anything_is_touched(
    workspace,
):
    module = await install_with_document(workspace.client)
    request = UpgradeRequest(checks=(parse_check("health() == true"),))
    prepared = await prepare_upgrade(workspace, module, request, candidate(V2))
    with pytest.raises(PreconditionError) as caught:
        await run_upgrade(workspace, prepared)
    assert caught.value.code == "check-method-missing"
    assert (await workspace.client.canister_status(module)).version == prepared.seen.status.version


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
    assert (seen.juno.role, seen.juno.version) == ("satellite", "0.1.0")


@pytest.mark.interop
async def test_a_persistent_heap_is_seen_in_the_private_metadata(client):
    module = await install_with_document(client, motoko_module("store_v1"))
    assert (await observe(client, module)).is_persistent


@pytest.mark.interop
@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param("store_v1", [], id="the same types"),
        pytest.param("store_v2", ["stable-types-differ"], id="a variable more"),
    ],
)
async def test_other_stable_types_of_a_classical_module_are_warned_of(workspace, new, expected):
    old = motoko_module("store_v1", classical=True)
    module = await install_with_document(workspace.client, old)
    # The same types and not the same module: another custom section.
    wasm = with_section(motoko_module(new, classical=True), "icp:public build", b"2")
    prepared = await prepare_upgrade(workspace, module, UpgradeRequest(), candidate(wasm))
    assert [each.code for each in prepared.plan.outline.warnings] == expected
    assert (await run_upgrade(workspace, prepared)).outcome == "upgraded"
