"""Loading snapshots on the local replica."""

import pytest

from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.pipeline.restore import prepare_restore, restore_snapshot
from juno_snap.pipeline.upgrade import UpgradeRequest, prepare_upgrade
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import (
    V1,
    V2,
    at,
    candidate,
    document,
    install_with_document,
    set_document,
    upgraded,
    version,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def client(replica):
    async with client_of(replica) as client:
        yield client


async def test_the_plan_says_how_much_is_undone_and_changes_nothing(client):
    module = await install_with_document(client)
    taken = await client.take_canister_snapshot(module)
    await set_document(client, module, "a", "1")
    await set_document(client, module, "b", "2")
    prepared = await prepare_restore(at(client), module, "latest")
    assert prepared.plan.snapshot == taken
    assert prepared.plan.versions_passed == 2
    assert [remark.code for remark in prepared.plan.outline.warnings] == ["changes-undone"]
    assert await document(client, module, "a") == "1"


async def test_data_written_since_is_gone_and_stands_in_the_safety_snapshot(client):
    module = await install_with_document(client)
    taken = await client.take_canister_snapshot(module)
    await set_document(client, module, "later", "!")
    report = await restore_snapshot(at(client), module, str(taken.id)[:16])
    assert await document(client, module, "later") is None
    assert await document(client, module, "greeting") == "hello"
    assert report.facts.module_status == "running"
    await restore_snapshot(at(client), module, str(report.safety_snapshot))
    assert await document(client, module, "later") == "!"


async def test_a_full_module_is_restored_only_where_the_present_state_may_be_lost(client):
    module = await install_with_document(client)
    for _ in range(10):
        await client.take_canister_snapshot(module)
    await set_document(client, module, "greeting", "changed")
    with pytest.raises(PreconditionError) as caught:
        await restore_snapshot(at(client), module, "latest")
    assert caught.value.code == "no-safety-snapshot"
    assert await document(client, module, "greeting") == "changed"
    report = await restore_snapshot(at(client), module, "latest", discard_current=True)
    assert report.safety_snapshot is None
    assert await document(client, module, "greeting") == "hello"


async def test_a_stopped_module_is_left_stopped(client):
    module = await install_with_document(client)
    await client.take_canister_snapshot(module)
    await client.stop_canister(module)
    report = await restore_snapshot(at(client), module, "latest")
    assert report.facts.module_status == "stopped"
    assert (await client.canister_status(module)).status == "stopped"


async def test_code_comes_back_with_its_data(client):
    module = await install_with_document(client)
    upgrade_report = await upgraded(client, module, V2)
    report = await restore_snapshot(at(client), module, str(upgrade_report.snapshot))
    assert (report.old_hash, report.facts.module_hash) == (
        candidate(V2).sha256,
        candidate(V1).sha256,
    )
    assert await version(client, module) == "0.1.0"


async def test_an_emptied_module_is_filled_from_its_snapshot(client):
    module = await install_with_document(client)
    await client.take_canister_snapshot(module)
    await client.uninstall_code(module)
    report = await restore_snapshot(at(client), module, "latest")
    assert report.safety_snapshot is None
    assert await document(client, module, "greeting") == "hello"


async def test_a_snapshot_that_is_not_there_is_not_found(client):
    module, other = await install_with_document(client), await install_with_document(client)
    foreign = await client.take_canister_snapshot(other)
    with pytest.raises(NotFoundError):
        await restore_snapshot(at(client), module, "latest")
    with pytest.raises(NotFoundError) as caught:
        await restore_snapshot(at(client), module, str(foreign.id))
    assert caught.value.code == "snapshot-of-another-module"


async def test_a_restore_plan_and_an_upgrade_plan_cost_nothing_but_the_look(client):
    module = await install_with_document(client)
    await client.take_canister_snapshot(module)
    before = (await client.canister_status(module)).version
    await prepare_restore(at(client), module, "latest")
    await prepare_upgrade(at(client), module, UpgradeRequest(), candidate(V2))
    assert (await client.canister_status(module)).version == before
