"""Going back by itself where the network makes it hard, and by hand to what an upgrade saved."""

import pytest

from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.report import OperationFailedError, OperationUnknownError
from juno_snap.pipeline.restore import prepare_rollback, run_restore
from juno_snap.pipeline.snapshots import delete_snapshots
from juno_snap.replica.server import run_replica
from tests.integration.pipeline_world import document, grown, set_document, upgraded, version
from tests.integration.release_world import (
    ALL_THERE,
    BAD,
    NEW,
    OLD,
    V3,
    elsewhere,
    names_of,
    quick,
    steps_of,
    when,
    world_of,
    world_on,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def world(replica):
    async with world_on(replica) as world:
        yield world


async def rolled_back(world, operation=None, **options):
    prepared = await prepare_rollback(world.workspace, world.module, operation, **options)
    return await run_restore(world.workspace, prepared)


# By itself, on a network that refuses


async def test_a_load_that_is_refused_for_the_moment_is_tried_again():
    async with world_of("reject=IC0210x2@call:load_canister_snapshot") as world:
        error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))
        assert (error.report.outcome, error.runs_old_code) == ("rolled-back", True)
        loads = [state for name, state in steps_of(error.report) if name == "load"]
        assert loads == ["failed", "failed", "done"]
        assert names_of(error.report, "back").count("stop") == 1
        assert await world.look() == OLD


@pytest.mark.parametrize("code", ["IC0210", "IC0207"])
async def test_a_load_that_is_always_refused_leaves_the_new_code_running(code):
    async with world_of(f"reject={code}@call:load_canister_snapshot") as world:
        error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))
        assert (error.report.outcome, error.runs_old_code) == ("failed", False)
        assert error.step == "load"
        assert f"juno-snap rollback {error.report.facts.operation}" in error.hint
        assert await world.look() == BAD
        assert await world.snapshots() == [error.report.snapshot, error.report.safety_snapshot]
        assert world.unfinished() == []


async def test_a_safety_snapshot_that_is_refused_for_the_moment_is_tried_again():
    async with world_of("reject=IC0210x1+1@call:take_canister_snapshot") as world:
        error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))
        assert error.report.outcome == "rolled-back"
        assert error.report.safety_snapshot is not None
        assert await world.look() == OLD


async def test_who_installs_other_code_meanwhile_is_not_rolled_back(world, replica):
    async def install_another(client):
        await upgraded(client, world.module, V3)

    error = await world.fails(
        OperationFailedError,
        checks=(parse_check("count_documents() == 7"),),
        watcher=when("check", lambda: elsewhere(replica, install_another)),
    )
    assert error.report.outcome == "failed"
    assert "somebody else" in error.message
    assert await world.look() == BAD


async def test_what_is_written_after_the_safety_snapshot_is_not_lost_by_going_back(world, replica):
    async def start_and_write(client):
        await client.start_canister(world.module)
        await set_document(client, world.module, "order", "for cake")

    error = await world.fails(
        OperationFailedError,
        V3,
        checks=(ALL_THERE,),
        watcher=when("safety-snapshot", lambda: elsewhere(replica, start_and_write)),
    )
    assert (error.report.outcome, error.runs_old_code) == ("failed", False)
    assert f"juno-snap rollback {error.report.facts.operation}" in error.hint
    assert await world.look() == BAD
    assert await document(world.client, world.module, "order") == "for cake"
    assert (await rolled_back(world)).outcome == "restored"
    assert await world.look() == OLD


async def test_a_large_release_that_is_bad_leaves_no_chunks_behind(world):
    error = await world.fails(OperationFailedError, grown(V3, 3), checks=(ALL_THERE,))
    assert error.report.outcome == "rolled-back"
    assert await world.look() == OLD
    assert await world.client.stored_chunks(world.module) == ()
    assert await world.snapshots() == [error.report.snapshot, error.report.safety_snapshot]


# By hand


async def test_rollback_takes_the_newest_upgrade_that_saved_something(world):
    first = await world.upgrade()
    await set_document(world.client, world.module, "order", "for cake")
    report = await rolled_back(world)
    assert (report.outcome, report.snapshot) == ("restored", first.snapshot)
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") is None
    assert world.journal.history(limit=1)[0].begun.kind == "rollback"


async def test_rollback_of_an_operation_that_is_not_there_says_so(world):
    await world.upgrade()
    with pytest.raises(NotFoundError) as caught:
        await prepare_rollback(world.workspace, world.module, "20200101-000000-000000")
    assert "20200101-000000-000000" in caught.value.message
    assert await world.look() == NEW


async def test_rollback_where_there_was_no_upgrade_says_so(world):
    with pytest.raises(NotFoundError) as caught:
        await prepare_rollback(world.workspace, world.module)
    assert caught.value.code == "no-way-back"


@pytest.mark.parametrize("by_name", [True, False])
async def test_rollback_whose_snapshot_is_gone_is_not_found(world, replica, by_name):
    report = await world.upgrade()

    async def delete(client):
        await client.delete_canister_snapshot(world.module, report.snapshot)

    elsewhere(replica, delete)
    operation = report.facts.operation if by_name else None
    with pytest.raises(NotFoundError):
        await prepare_rollback(world.workspace, world.module, operation)
    assert await world.look() == NEW


async def test_rollback_after_the_snapshot_was_deleted_by_us_is_not_found(world):
    report = await world.upgrade()
    await delete_snapshots(world.workspace, world.module, [report.snapshot])
    with pytest.raises(NotFoundError):
        await prepare_rollback(world.workspace, world.module)


async def test_a_snapshot_that_goes_after_the_plan_leaves_the_module_running_as_it_was(
    world, replica
):
    report = await world.upgrade()

    async def delete(client):
        await client.delete_canister_snapshot(world.module, report.snapshot)

    prepared = await prepare_rollback(world.workspace, world.module)
    elsewhere(replica, delete)
    with pytest.raises(OperationFailedError) as caught:
        await run_restore(world.workspace, prepared)
    assert caught.value.step == "load"
    assert caught.value.runs_old_code
    assert await world.look() == NEW
    assert world.unfinished() == []


async def test_rollback_starts_a_module_that_it_finds_stopped(world):
    await world.upgrade()
    await world.client.stop_canister(world.module)
    report = await rolled_back(world)
    assert report.facts.module_status == "running"
    assert await world.look() == OLD


async def test_rollback_on_a_full_module_wants_to_hear_that_the_present_may_go(world):
    await world.upgrade()
    for _ in range(9):
        await world.client.take_canister_snapshot(world.module)
    with pytest.raises(PreconditionError) as caught:
        await rolled_back(world)
    assert "--discard-current" in caught.value.message + caught.value.hint
    assert await world.look() == NEW
    report = await rolled_back(world, discard_current=True)
    assert report.safety_snapshot is None
    assert await world.look() == OLD


async def test_a_load_by_hand_that_is_refused_for_good_leaves_the_present_running():
    async with world_of("reject=IC0207@call:load_canister_snapshot") as world:
        await world.upgrade()
        with pytest.raises(OperationFailedError) as caught:
            await rolled_back(world)
        assert caught.value.runs_old_code
        assert await world.look() == NEW


async def test_a_load_by_hand_waits_for_a_network_that_is_busy():
    async with world_of("reject=IC0210x1@call:load_canister_snapshot") as world:
        await world.upgrade()
        report = await rolled_back(quick(world))
        assert report.outcome == "restored"
        assert await version(world.client, world.module) == "0.1.0"


# A node that lags behind


async def test_a_node_that_lags_behind_rolls_nothing_back_and_resume_judges_later(tmp_path):
    log, data, state = tmp_path / "requests.jsonl", tmp_path / "replica", tmp_path / "state"
    async with world_of(request_log=log) as world:
        await world.upgrade(checks=(ALL_THERE,))
    reads = reads_before_the_last_start(log)
    async with world_of(f"old-state=1s+{reads}@read_state", directory=data, state=state) as world:
        error = await world.fails(OperationUnknownError, checks=(ALL_THERE,))
        assert error.report.outcome == "unknown"
        assert world.unfinished() == [error.report.facts.operation]
        assert await world.look() == NEW
    async with world_of(directory=data, state=state, module=world.module) as world:
        report = await world.resume()
        assert report.outcome == "upgraded"
        assert [check["ok"] for check in report.checks] == [True]
        assert await world.look() == NEW
        assert len(await world.snapshots()) == 1


def reads_before_the_last_start(log):
    """How many read_state requests there were until then."""
    lines = log.read_text().splitlines()
    last = max(place for place, line in enumerate(lines) if '"start_canister"' in line)
    return sum('"kind":"read_state"' in line.replace(" ", "") for line in lines[:last])
