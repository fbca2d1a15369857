"""Which snapshots are there after upgrades that end well or badly, on the local replica."""

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.pipeline.create import create_snapshot
from juno_snap.pipeline.listing import list_snapshots, show_snapshot
from juno_snap.pipeline.marks import label_snapshot, protect_snapshot
from juno_snap.pipeline.policy import FreeSlot, KeepNewest, NoOverwrite, ReplaceSnapshot
from juno_snap.pipeline.report import OperationFailedError
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.pipeline.upgrade import prepare_upgrade, upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import LIFTED, V1, V2, candidate, install_with_document
from tests.replica.engine import wat

pytestmark = pytest.mark.anyio

TRAPS = wat("trap_in_post_upgrade")


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def workspace(replica):
    async with client_of(replica) as client:
        yield Workspace.in_memory(client)


async def upgraded(workspace, module, policy=None):
    """The snapshot of an upgrade to the other of two releases."""
    seen = await workspace.client.canister_info(module)
    other = V1 if seen.module_hash == candidate(V2).sha256 else V2
    # Going from the second release to the first takes a method away, which needs force.
    request = UpgradeRequest(snapshots=policy or FreeSlot(), force=other is V1, juno=LIFTED)
    report = await upgrade(workspace, module, request, candidate(other))
    return report.snapshot


async def failed(workspace, module):
    """The snapshot of an upgrade whose install is refused: the old code runs on."""
    before = set(await ids(workspace, module))
    request = UpgradeRequest(force=True, juno=LIFTED)
    with pytest.raises(OperationFailedError):
        await upgrade(workspace, module, request, candidate(TRAPS))
    (taken,) = set(await ids(workspace, module)) - before
    return taken


async def ids(workspace, module):
    return [snapshot.id for snapshot in (await list_snapshots(workspace, module)).snapshots]


async def listed(workspace, module):
    """By id, as the list shows it."""
    document = (await list_snapshots(workspace, module)).to_json()
    return {entry["id"]: entry for entry in document["snapshots"]}


async def test_each_upgrade_that_ends_well_leaves_its_own_snapshot_and_takes_the_last_away(
    workspace,
):
    module = await install_with_document(workspace.client)
    first = await upgraded(workspace, module)
    second = await upgraded(workspace, module)
    assert first != second
    assert await ids(workspace, module) == [second]


async def test_what_others_took_stays_beside_it(workspace):
    module = await install_with_document(workspace.client)
    foreign = (await workspace.client.take_canister_snapshot(module)).id
    mine = (await create_snapshot(workspace, module)).snapshot.id
    await upgraded(workspace, module)
    last = await upgraded(workspace, module)
    assert await ids(workspace, module) == [foreign, mine, last]
    found = await listed(workspace, module)
    makers = [entry["made_by"].split()[0] for entry in found.values()]
    assert makers == ["unknown", "user", "upgrade"]


async def test_another_machine_without_a_journal_gives_up_nothing(workspace):
    module = await install_with_document(workspace.client)
    first = await upgraded(workspace, module)
    elsewhere = Workspace.in_memory(workspace.client)
    second = await upgraded(elsewhere, module)
    assert await ids(workspace, module) == [first, second]


async def test_a_failed_run_leaves_scrap_whose_place_the_next_one_takes(workspace):
    module = await install_with_document(workspace.client)
    good = await upgraded(workspace, module)
    scrap = await failed(workspace, module)
    found = await listed(workspace, module)
    assert (found[str(good)]["scrap"], found[str(scrap)]["scrap"]) == (False, True)
    again = await failed(workspace, module)
    assert await ids(workspace, module) == [good, again]
    assert (await show_snapshot(workspace, module, "latest")).snapshot.id == good
    last = await upgraded(workspace, module)
    assert await ids(workspace, module) == [last]


async def test_a_labelled_or_protected_snapshot_of_an_upgrade_stays(workspace):
    module = await install_with_document(workspace.client)
    first = await upgraded(workspace, module)
    await label_snapshot(workspace, module, str(first), "before-2.0")
    second = await upgraded(workspace, module)
    await protect_snapshot(workspace, module, str(second))
    third = await upgraded(workspace, module)
    fourth = await upgraded(workspace, module)
    assert third != fourth
    assert await ids(workspace, module) == [first, second, fourth]


async def test_keep_leaves_that_many_of_upgrades(workspace):
    module = await install_with_document(workspace.client)
    foreign = (await workspace.client.take_canister_snapshot(module)).id
    taken = [await upgraded(workspace, module, KeepNewest(count=2)) for _ in range(4)]
    assert await ids(workspace, module) == [foreign, *taken[-2:]]
    last = await upgraded(workspace, module, KeepNewest(count=1, of_any_maker=True))
    assert await ids(workspace, module) == [last]


async def test_no_overwrite_gives_up_nothing_and_takes_none_when_full(workspace):
    module = await install_with_document(workspace.client)
    taken = [await upgraded(workspace, module, NoOverwrite()) for _ in range(2)]
    for _ in range(8):
        await workspace.client.take_canister_snapshot(module)
    before = await ids(workspace, module)
    assert await upgraded(workspace, module, NoOverwrite()) is None
    assert await ids(workspace, module) == before
    assert before[:2] == taken


async def test_a_full_module_gives_up_the_earlier_upgrades_and_says_so_before(workspace):
    module = await install_with_document(workspace.client)
    earlier = await upgraded(workspace, module)
    others = [(await workspace.client.take_canister_snapshot(module)).id for _ in range(9)]
    request = UpgradeRequest(force=True, juno=LIFTED)
    prepared = await prepare_upgrade(workspace, module, request, candidate(V1))
    assert "way-back-given-up" in [remark.code for remark in prepared.plan.outline.warnings]
    last = await upgraded(workspace, module)
    assert set(await ids(workspace, module)) == {*others, last}
    assert earlier not in others


async def test_a_full_module_of_protected_ones_is_refused_and_runs_on(workspace):
    module = await install_with_document(workspace.client)
    for _ in range(10):
        taken = await workspace.client.take_canister_snapshot(module)
        await protect_snapshot(workspace, module, str(taken.id))
    before = await ids(workspace, module)
    for policy in (
        FreeSlot(),
        KeepNewest(count=1, of_any_maker=True),
        ReplaceSnapshot(which="oldest"),
    ):
        with pytest.raises(PreconditionError) as caught:
            await upgraded(workspace, module, policy)
        assert caught.value.code == "no-free-slot"
    named = ReplaceSnapshot(which=str(before[3]))
    with pytest.raises(PreconditionError) as caught:
        await upgrade(workspace, module, UpgradeRequest(snapshots=named), candidate(V2))
    assert caught.value.code == "snapshot-protected"
    assert await ids(workspace, module) == before
    assert (await workspace.client.canister_status(module)).status == "running"
    forced = UpgradeRequest(snapshots=named, force=True)
    report = await upgrade(workspace, module, forced, candidate(V2))
    assert report.replaced == (before[3],)


async def test_a_label_goes_over_to_the_snapshot_that_takes_its_place(workspace):
    module = await install_with_document(workspace.client)
    first = await create_snapshot(workspace, module, label="nightly")
    second = await create_snapshot(workspace, module, label="nightly", replace="nightly")
    assert second.replaced == (first.snapshot.id,)
    assert second.to_json()["snapshot"]["label"] == "nightly"
    detail = await show_snapshot(workspace, module, "nightly")
    assert detail.snapshot.id == second.snapshot.id


async def test_a_snapshot_is_protected_from_its_beginning(workspace):
    module = await install_with_document(workspace.client)
    report = await create_snapshot(workspace, module, protect=True)
    assert report.to_json()["snapshot"]["protected"] is True
    with pytest.raises(PreconditionError) as caught:
        await create_snapshot(workspace, module, replace=str(report.snapshot.id))
    assert caught.value.code == "snapshot-protected"


async def test_a_safety_snapshot_is_nothing_to_return_to_and_stays(workspace):
    module = await install_with_document(workspace.client)
    before = await upgraded(workspace, module)
    report = await restore_snapshot(workspace, module, "latest")
    assert report.snapshot == before
    found = await listed(workspace, module)
    assert found[str(report.safety_snapshot)]["made_by"] == f"safety {report.facts.operation}"
    assert (await show_snapshot(workspace, module, "latest")).snapshot.id == before
    last = await upgraded(workspace, module)
    assert await ids(workspace, module) == [report.safety_snapshot, last]


async def test_on_a_full_module_the_present_state_is_saved_in_place_of_scrap(workspace):
    module = await install_with_document(workspace.client)
    mine = (await create_snapshot(workspace, module)).snapshot.id
    scrap = await failed(workspace, module)
    for _ in range(8):
        await workspace.client.take_canister_snapshot(module)
    report = await restore_snapshot(workspace, module, str(mine))
    there = await ids(workspace, module)
    assert scrap not in there
    assert report.safety_snapshot in there
    assert len(there) == 10
