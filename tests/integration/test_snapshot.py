"""Taking, listing, looking at and deleting snapshots on the local replica."""

import pytest

from juno_snap.errors import InputError, NotFoundError, PreconditionError
from juno_snap.pipeline.create import create_snapshot
from juno_snap.pipeline.listing import list_snapshots, show_snapshot
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.snapshots import delete_snapshots
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import STRANGER, client_of
from tests.integration.pipeline_world import V1, candidate, grown, install_with_document

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


async def test_a_snapshot_is_taken_of_the_stopped_module_which_runs_afterwards(client, workspace):
    module = await install_with_document(client)
    report = await create_snapshot(workspace, module)
    assert [step.name for step in report.facts.steps] == [
        "observe", "stop", "snapshot", "start", "verify",
    ]  # fmt: skip
    assert (await client.canister_status(module)).status == "running"
    listed = await list_snapshots(workspace, module)
    assert [taken.id for taken in listed.snapshots] == [report.snapshot.id]
    assert listed.to_json()["slots_used"] == 1


async def test_a_module_found_stopped_stays_stopped(client, workspace):
    module = await install_with_document(client)
    await client.stop_canister(module)
    report = await create_snapshot(workspace, module)
    assert report.facts.module_status == "stopped"
    assert (await client.canister_status(module)).status == "stopped"


async def test_an_eleventh_snapshot_is_refused_with_both_ways_out(client, workspace):
    module = await install_with_document(client)
    there = [(await client.take_canister_snapshot(module)).id for _ in range(10)]
    with pytest.raises(PreconditionError) as caught:
        await create_snapshot(workspace, module)
    assert caught.value.code == "no-free-slot"
    assert "snapshot delete" in caught.value.message
    assert "--replace ID|oldest" in caught.value.hint
    report = await create_snapshot(workspace, module, replace=str(there[3]))
    assert report.replaced == (there[3],)
    listed = await list_snapshots(workspace, module)
    assert {kept.id for kept in listed.snapshots} == {*there, report.snapshot.id} - {there[3]}


async def test_a_snapshot_shows_what_it_is_made_of(client, workspace):
    module = await install_with_document(client)
    report = await create_snapshot(workspace, module)
    detail = await show_snapshot(workspace, module, "latest")
    assert detail.snapshot.id == report.snapshot.id
    assert detail.wasm_hash == candidate(V1).sha256
    shown = detail.to_json()["snapshot"]
    assert shown["stable_memory_bytes"] == 65_536
    assert shown["source"] == "taken_from_canister"


async def test_the_hash_of_a_module_in_several_slices_is_shown_too(client, workspace):
    module = await install_with_document(client)
    wasm = grown(V1, 4.5)
    await upgrade(workspace, module, UpgradeRequest(), candidate(wasm))
    await create_snapshot(workspace, module)
    detail = await show_snapshot(workspace, module, "latest")
    assert detail.wasm_hash == candidate(wasm).sha256


async def test_snapshots_are_deleted_and_deleting_again_is_no_error(client, workspace):
    module = await install_with_document(client)
    there = [(await client.take_canister_snapshot(module)).id for _ in range(3)]
    done = await delete_snapshots(workspace, module, there[:2])
    assert done.deleted == tuple(there[:2])
    again = await delete_snapshots(workspace, module, there)
    assert again.to_json()["deleted"] == [str(gone) for gone in there]
    assert (await list_snapshots(workspace, module)).snapshots == ()


async def test_the_id_of_another_modules_snapshot_is_refused(client, workspace):
    module, other = await install_with_document(client), await install_with_document(client)
    foreign = await client.take_canister_snapshot(other)
    await client.take_canister_snapshot(module)
    with pytest.raises(NotFoundError) as caught:
        await show_snapshot(workspace, module, str(foreign.id))
    assert caught.value.code == "snapshot-of-another-module"
    assert str(other) in caught.value.message


async def test_a_beginning_of_several_ids_is_refused(client, workspace):
    module = await install_with_document(client)
    for _ in range(2):
        await client.take_canister_snapshot(module)
    listed = await list_snapshots(workspace, module)
    with pytest.raises(InputError):
        resolve_snapshot("0000", listed.snapshots, notes={}, module=module)


async def test_only_a_controller_sees_the_snapshots(client, workspace, replica):
    module = await install_with_document(client)
    async with client_of(replica, STRANGER) as stranger:
        of_stranger = Workspace.in_memory(stranger)
        with pytest.raises(PreconditionError) as caught:
            await list_snapshots(of_stranger, module)
        assert caught.value.code == "not-controller"
        with pytest.raises(PreconditionError):
            await create_snapshot(of_stranger, module)
    assert (await list_snapshots(workspace, module)).snapshots == ()


async def test_a_module_without_code_has_nothing_to_take(client, workspace):
    module = await client.provisional_create_canister()
    with pytest.raises(PreconditionError) as caught:
        await create_snapshot(workspace, module)
    assert caught.value.code == "module-empty"
