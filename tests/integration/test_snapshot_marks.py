"""Labels, protection and the notes behind them, with a journal on disk and the local replica."""

from dataclasses import replace

import pytest

from juno_snap.errors import InputError, LockedError, NotFoundError, PreconditionError
from juno_snap.pipeline.journal.records import NewOperation, SnapshotNote
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.listing import list_snapshots, show_snapshot
from juno_snap.pipeline.marks import label_snapshot, protect_snapshot
from juno_snap.pipeline.observe import observe
from juno_snap.pipeline.program import Before, Program, Save
from juno_snap.pipeline.snapshots import delete_snapshots
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import STRANGER, client_of
from tests.integration.pipeline_world import install_with_document

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
def workspace(client, tmp_path):
    with Journal.open(tmp_path) as journal:
        yield Workspace(client=client, opens=lambda: journal, state=tmp_path)


async def module_with(client, count):
    """A module, and the ids of that many snapshots of it."""
    module = await install_with_document(client)
    return module, [(await client.take_canister_snapshot(module)).id for _ in range(count)]


async def ids(workspace, module):
    return [snapshot.id for snapshot in (await list_snapshots(workspace, module)).snapshots]


async def test_a_label_names_a_snapshot_from_then_on(workspace):
    module, (first, _) = await module_with(workspace.client, 2)
    marked = await label_snapshot(workspace, module, str(first), "before-2.0")
    assert marked.to_json()["snapshot"]["label"] == "before-2.0"
    detail = await show_snapshot(workspace, module, "before-2.0")
    assert detail.snapshot.id == first
    shown = detail.to_json()["snapshot"]
    assert (shown["label"], shown["made_by"]) == ("before-2.0", "unknown")
    again = await label_snapshot(workspace, module, "before-2.0", "older")
    assert again.snapshot.id == first
    with pytest.raises(NotFoundError):
        await show_snapshot(workspace, module, "before-2.0")


async def test_a_label_belongs_to_one_snapshot_of_a_module(workspace):
    module, (first, second) = await module_with(workspace.client, 2)
    other, (foreign,) = await module_with(workspace.client, 1)
    await label_snapshot(workspace, module, str(first), "good")
    with pytest.raises(PreconditionError) as caught:
        await label_snapshot(workspace, module, str(second), "GOOD")
    assert caught.value.code == "label-taken"
    assert str(first) in caught.value.message
    await label_snapshot(workspace, other, str(foreign), "good")
    assert (await show_snapshot(workspace, other, "good")).snapshot.id == foreign


async def test_a_label_is_free_again_when_its_snapshot_is_gone(workspace):
    module, (first, second) = await module_with(workspace.client, 2)
    await label_snapshot(workspace, module, str(first), "good")
    await workspace.client.delete_canister_snapshot(module, first)
    await label_snapshot(workspace, module, str(second), "good")
    assert (await show_snapshot(workspace, module, "good")).snapshot.id == second


async def test_a_snapshot_deleted_by_its_label_is_forgotten(workspace):
    module, (first, second) = await module_with(workspace.client, 2)
    await label_snapshot(workspace, module, str(first), "good")
    await label_snapshot(workspace, module, str(second), "stays")
    done = await delete_snapshots(workspace, module, [first])
    assert done.deleted == (first,)
    assert set(workspace.notes(module)) == {second}
    assert await ids(workspace, module) == [second]


async def test_protection_holds_until_it_is_lifted_or_forced(workspace):
    module, (first, second) = await module_with(workspace.client, 2)
    marked = await protect_snapshot(workspace, module, str(first))
    assert marked.to_json()["snapshot"]["protected"] is True
    with pytest.raises(PreconditionError) as caught:
        await delete_snapshots(workspace, module, [second, first])
    assert caught.value.code == "snapshot-protected"
    assert await ids(workspace, module) == [first, second]
    await delete_snapshots(workspace, module, [first], force=True)
    await protect_snapshot(workspace, module, str(second))
    lifted = await protect_snapshot(workspace, module, str(second), protect=False)
    assert lifted.to_json()["snapshot"]["protected"] is False
    await delete_snapshots(workspace, module, [second])
    assert await ids(workspace, module) == []


async def test_a_label_and_what_is_known_outlive_a_change_of_protection(workspace):
    module, (first,) = await module_with(workspace.client, 1)
    known = SnapshotNote(id=first, purpose="user", label="mine")
    workspace.journal.note(workspace.root_key, module, known)
    await protect_snapshot(workspace, module, "mine")
    await label_snapshot(workspace, module, "mine", "still-mine")
    await protect_snapshot(workspace, module, "still-mine")
    (entry,) = (await list_snapshots(workspace, module)).to_json()["snapshots"]
    assert (entry["label"], entry["protected"], entry["made_by"]) == ("still-mine", True, "user")


async def test_what_the_configuration_protects_is_not_lifted_here(workspace):
    module, (first,) = await module_with(workspace.client, 1)
    configured = replace(workspace, protected=frozenset({first}))
    (entry,) = (await list_snapshots(configured, module)).to_json()["snapshots"]
    assert entry["protected"] is True
    with pytest.raises(PreconditionError) as caught:
        await protect_snapshot(configured, module, str(first), protect=False)
    assert caught.value.code == "protected-by-configuration"
    assert "protected_snapshots" in caught.value.hint
    with pytest.raises(PreconditionError):
        await delete_snapshots(configured, module, [first])
    # A label does not write the configuration's word into the journal.
    await label_snapshot(configured, module, str(first), "mine")
    await delete_snapshots(workspace, module, [first])


async def test_nothing_is_marked_or_deleted_while_an_operation_holds_the_module(workspace):
    module, (first,) = await module_with(workspace.client, 1)
    with workspace.lock(module):
        with pytest.raises(LockedError):
            await protect_snapshot(workspace, module, str(first))
        with pytest.raises(LockedError):
            await label_snapshot(workspace, module, str(first), "mine")
        with pytest.raises(LockedError):
            await delete_snapshots(workspace, module, [first])
        assert await ids(workspace, module) == [first]


async def test_marks_need_a_snapshot_that_is_there_and_may_be_seen(workspace, replica):
    module, (first,) = await module_with(workspace.client, 1)
    _, (foreign,) = await module_with(workspace.client, 1)
    with pytest.raises(NotFoundError):
        await protect_snapshot(workspace, module, str(foreign))
    with pytest.raises(InputError):
        await label_snapshot(workspace, module, str(first), "latest")
    async with client_of(replica, STRANGER) as stranger:
        with pytest.raises(PreconditionError) as caught:
            await protect_snapshot(replace(workspace, client=stranger), module, str(first))
        assert caught.value.code == "not-controller"
    assert workspace.notes(module) == {}


async def test_what_an_unfinished_operation_is_to_give_up_is_not_protected_any_more(workspace):
    module, (first, second, third) = await module_with(workspace.client, 3)
    seen = await observe(workspace.client, module)
    program = Program(
        kind="upgrade",
        module=module,
        before=Before.of(seen),
        sends_stop=True,
        sends_start=True,
        stop_timeout_seconds=60,
        save=Save(purpose="upgrade", replaced=first),
        delete_after=(second,),
    )
    interrupted = NewOperation(
        id="20261121-073722-123456",
        kind="upgrade",
        network="",
        root_key=workspace.root_key,
        module=module,
        principal=seen.caller,
        began_at_ns=1,
        digest=b"\x01",
        program=program.to_json(),
    )
    workspace.journal.begin(interrupted)
    for given_up in (first, second):
        with pytest.raises(PreconditionError) as caught:
            await protect_snapshot(workspace, module, str(given_up))
        assert caught.value.code == "snapshot-in-use"
        assert interrupted.id in caught.value.hint
    await protect_snapshot(workspace, module, str(third))
    with pytest.raises(PreconditionError) as caught:
        await delete_snapshots(workspace, module, [first])
    assert caught.value.code == "unfinished-operation"
    workspace.journal.finish(interrupted.id, outcome="failed", at_ns=2, report=None)
    await protect_snapshot(workspace, module, str(first))
    await delete_snapshots(workspace, module, [second])
    assert await ids(workspace, module) == [first, third]
