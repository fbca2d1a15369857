"""Operations that were left before their end: what they forbid, and how they are gone on with."""

import asyncio

import pytest

from juno_snap.errors import LockedError, NotFoundError, PreconditionError
from juno_snap.events import StepFinished, StepStarted
from juno_snap.pipeline.checks.parse import command_check
from juno_snap.pipeline.create import create_snapshot, prepare_create
from juno_snap.pipeline.policy import NoSnapshot
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import prepare_restore, prepare_rollback, restore_snapshot
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.replica.server import run_replica
from tests.integration.pipeline_world import V2, candidate, document, set_document, upgraded
from tests.integration.release_world import (
    ALL_THERE,
    BAD,
    IMPATIENT,
    NEW,
    OLD,
    V3,
    client_for,
    elsewhere,
    workspace_in,
    world_on,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def world(replica, tmp_path):
    async with world_on(replica, state=tmp_path / "state") as world:
        yield world


async def left(work, step):
    """Cancel ``work`` twice: when ``step`` has ended, and when the start was begun."""
    # The first cancellation has the module started, the second one does not wait for that.
    ends = []
    task = None

    def cancel(event):
        if isinstance(event, StepFinished) and event.step == step:
            ends.append(event)
            task.cancel()
        elif ends and isinstance(event, StepStarted) and event.step == "start":
            task.cancel()

    task = asyncio.ensure_future(work(cancel))
    with pytest.raises(OperationCancelledError) as caught:
        await task
    return caught.value.report.facts.operation


async def left_upgrade(world, step, wasm=V2, **options):
    """The id of an upgrade that was left at ``step``."""
    return await left(lambda watcher: world.upgrade(wasm, watcher=watcher, **options), step)


class Verdict:
    """A check by a command that nobody has written yet; until then it cannot be evaluated."""

    def __init__(self, path):
        self.path = path
        self.check = command_check([str(path)])

    def say(self, code):
        self.path.write_text(f"#!/bin/sh\nexit {code}\n")
        self.path.chmod(0o755)


@pytest.fixture
def verdict(tmp_path):
    return Verdict(tmp_path / "verdict")


async def open_upgrade(world, verdict, wasm=V2, **options):
    """The id of an upgrade that could not be judged."""
    error = await world.fails(OperationUnknownError, wasm, checks=(verdict.check,), **options)
    return error.report.facts.operation


# What it forbids


async def test_nothing_else_is_begun_on_a_module_whose_upgrade_is_not_finished(world, verdict):
    operation = await open_upgrade(world, verdict)

    async def refused(work):
        with pytest.raises(PreconditionError) as caught:
            await work
        assert caught.value.code == "unfinished-operation"
        assert f"juno-snap resume {operation}" in caught.value.hint

    await refused(world.upgrade(V3))
    await refused(world.upgrade(V2))  # not the same: without the check
    await refused(create_snapshot(world.workspace, world.module))
    await refused(prepare_create(world.workspace, world.module))
    await refused(restore_snapshot(world.workspace, world.module, "latest"))
    await refused(prepare_restore(world.workspace, world.module, "latest"))
    await refused(prepare_rollback(world.workspace, world.module))
    assert await world.look() == NEW
    assert world.unfinished() == [operation]


async def test_another_module_is_free(world, replica, verdict):
    operation = await open_upgrade(world, verdict)
    async with world_on(replica) as other:
        free = type(world)(world.workspace, other.module)
        assert (await free.upgrade()).outcome == "upgraded"
    assert world.unfinished() == [operation]


async def test_the_same_again_goes_on_with_it(world, verdict):
    operation = await open_upgrade(world, verdict)
    verdict.say(0)
    request = UpgradeRequest(
        checks=(verdict.check,), health_timeout_seconds=0.2, patience=IMPATIENT
    )
    prepared = await prepare_upgrade(world.workspace, world.module, request, candidate(V2))
    assert prepared.resumes == operation
    report = await run_upgrade(world.workspace, prepared)
    assert (report.facts.operation, report.outcome) == (operation, "upgraded")
    assert await world.look() == NEW
    assert len(world.journal.history()) == 1


async def test_the_same_again_goes_on_with_one_that_has_left_the_module_down(world):
    operation = await left_upgrade(world, "snapshot")
    report = await world.upgrade()
    assert (report.facts.operation, report.outcome) == (operation, "upgraded")
    assert await world.look() == NEW
    assert await world.snapshots() == [report.snapshot]


# Before the install


@pytest.mark.parametrize("direction", [None, "forward"])
@pytest.mark.parametrize("step", ["stop", "snapshot"])
async def test_forward_from_before_the_install_ends_on_the_new_code(world, step, direction):
    operation = await left_upgrade(world, step)
    assert world.unfinished() == [operation]
    report = await world.resume(operation, direction)
    assert report.outcome == "upgraded"
    assert await world.look() == NEW
    assert await world.snapshots() == [report.snapshot]
    assert world.unfinished() == []
    assert world.journal.operation(operation).outcome == "upgraded"


@pytest.mark.parametrize("step", ["stop", "snapshot"])
async def test_back_from_before_the_install_starts_the_old_code(world, step):
    operation = await left_upgrade(world, step)
    report = await world.resume(operation, "back")
    assert report.outcome == "rolled-back"
    assert await world.look() == OLD
    assert world.unfinished() == []


@pytest.mark.parametrize("step", ["stop", "snapshot"])
async def test_abandoned_before_the_install_the_old_code_runs(world, step):
    operation = await left_upgrade(world, step)
    report = await world.resume(operation, "abandon")
    assert report.facts.module_status == "running"
    assert await world.look() == OLD
    assert world.unfinished() == []
    assert world.journal.operation(operation).outcome == "abandoned"
    assert (await world.upgrade()).outcome == "upgraded"


async def test_what_was_written_while_it_lay_there_is_in_the_snapshot_that_is_taken_anew(world):
    operation = await left_upgrade(world, "snapshot")
    await world.client.start_canister(world.module)
    await set_document(world.client, world.module, "order", "for cake")
    report = await world.resume(operation)
    assert report.outcome == "upgraded"
    assert await document(world.client, world.module, "order") == "for cake"
    assert await world.snapshots() == [report.snapshot]
    await restore_snapshot(world.workspace, world.module, str(report.snapshot))
    assert await document(world.client, world.module, "order") == "for cake"


async def test_what_others_have_installed_meanwhile_is_not_touched(world, replica):
    operation = await left_upgrade(world, "snapshot")

    async def upgrade_it(client):
        await client.start_canister(world.module)
        await upgraded(client, world.module, V3)

    elsewhere(replica, upgrade_it)
    with pytest.raises(OperationRefusedError) as caught:
        await world.resume(operation)
    assert caught.value.code == "disturbed"
    assert await world.look() == BAD
    assert world.unfinished() == []


async def test_without_the_wasm_that_was_kept_only_the_ways_back_are_open(world):
    operation = await left_upgrade(world, "snapshot")
    kept = [each for each in world.workspace.state.rglob("*") if is_kept(each)]
    assert kept
    for each in kept:
        each.unlink()
    with pytest.raises(NotFoundError):
        await world.resume(operation)
    assert world.unfinished() == [operation]
    await world.resume(operation, "back")
    assert await world.look() == OLD
    assert world.unfinished() == []


def is_kept(path):
    """Whether a file of the state directory is named by a hash."""
    return path.is_file() and len(path.name.partition(".")[0]) == 64


async def test_what_was_kept_is_gone_when_it_is_over(world):
    operation = await left_upgrade(world, "snapshot")
    await world.resume(operation)
    assert not [each for each in world.workspace.state.rglob("*") if is_kept(each)]


# After the install


@pytest.mark.parametrize("direction", [None, "forward"])
async def test_forward_from_after_the_install_goes_on_with_the_checks(world, verdict, direction):
    operation = await open_upgrade(world, verdict)
    with pytest.raises(OperationUnknownError):
        await world.resume(operation, direction)
    assert world.unfinished() == [operation]
    verdict.say(0)
    report = await world.resume(operation, direction)
    assert report.outcome == "upgraded"
    assert await world.look() == NEW
    assert world.unfinished() == []


async def test_back_from_after_the_install_loads_what_was_saved(world, verdict):
    operation = await open_upgrade(world, verdict)
    await set_document(world.client, world.module, "order", "for cake")
    report = await world.resume(operation, "back")
    assert report.outcome == "rolled-back"
    assert report.versions_passed == 1
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") is None
    assert await world.snapshots() == [report.snapshot, report.safety_snapshot]
    assert world.unfinished() == []


async def test_abandoned_after_the_install_the_new_code_runs(world, verdict):
    operation = await open_upgrade(world, verdict)
    report = await world.resume(operation, "abandon")
    assert report.facts.module_status == "running"
    assert await world.look() == NEW
    assert world.unfinished() == []
    assert world.journal.operation(operation).outcome == "abandoned"


async def test_a_check_that_turns_out_bad_in_the_end_goes_back(world, verdict):
    operation = await open_upgrade(world, verdict)
    verdict.say(1)
    with pytest.raises(OperationFailedError) as caught:
        await world.resume(operation)
    assert (caught.value.report.outcome, caught.value.runs_old_code) == ("rolled-back", True)
    assert await world.look() == OLD


async def test_without_a_snapshot_there_is_no_back(world, verdict):
    operation = await open_upgrade(world, verdict, snapshots=NoSnapshot())
    with pytest.raises(PreconditionError) as caught:
        await world.resume(operation, "back")
    assert caught.value.code == "no-way-back"
    assert await world.look() == NEW
    assert world.unfinished() == [operation]


# On the way back


async def test_what_was_on_its_way_back_comes_back_and_says_that_the_release_was_bad(world):
    operation = await left_back(world)
    with pytest.raises(OperationFailedError) as caught:
        await world.resume(operation)
    assert caught.value.runs_old_code
    await came_back(world, caught.value.report)


async def test_what_was_on_its_way_back_comes_back_as_wanted(world):
    operation = await left_back(world)
    await came_back(world, await world.resume(operation, "back"))


async def came_back(world, report):
    assert report.outcome == "rolled-back"
    assert await world.look() == OLD
    assert world.unfinished() == []
    assert await world.snapshots() == [report.snapshot, report.safety_snapshot]


async def test_what_was_on_its_way_back_does_not_go_forward(world):
    operation = await left_back(world)
    with pytest.raises(PreconditionError) as caught:
        await world.resume(operation, "forward")
    assert caught.value.code == "on-its-way-back"
    await world.resume(operation, "abandon")
    assert await world.look() == BAD
    assert world.unfinished() == []


async def left_back(world):
    """The id of a bad upgrade that was left after its safety snapshot."""
    operation = await left_upgrade(world, "safety-snapshot", V3, checks=(ALL_THERE,))
    assert len(await world.snapshots()) == 2
    return operation


# Others than upgrades


async def test_a_restore_that_was_left_is_gone_on_with(world):
    taken = await world.client.take_canister_snapshot(world.module)
    await set_document(world.client, world.module, "order", "for cake")

    def work(watcher):
        return restore_snapshot(world.workspace, world.module, str(taken.id), observer=watcher)

    operation = await left(work, "safety-snapshot")
    report = await world.resume()
    assert (report.facts.operation, report.outcome) == (operation, "restored")
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") is None
    assert await world.snapshots() == [taken.id, report.safety_snapshot]


async def test_a_snapshot_that_was_left_is_gone_on_with(world):
    def work(watcher):
        return create_snapshot(world.workspace, world.module, label="mine", observer=watcher)

    operation = await left(work, "stop")
    report = await world.resume(operation)
    assert report.outcome == "taken"
    assert await world.look() == OLD
    assert await world.snapshots() == [report.snapshot.id]
    assert world.workspace.notes(world.module)[report.snapshot.id].label == "mine"


# Which one


async def test_what_is_finished_or_unknown_cannot_be_gone_on_with(world):
    done = (await world.upgrade()).facts.operation
    with pytest.raises(PreconditionError) as finished:
        await world.resume(done)
    assert finished.value.code == "operation-finished"
    with pytest.raises(NotFoundError) as unknown:
        await world.resume("20200101-000000-000000")
    assert "20200101-000000-000000" in unknown.value.message
    with pytest.raises(NotFoundError) as nothing:
        await world.resume()
    assert nothing.value.code == "nothing-to-resume"


async def test_of_several_one_has_to_be_named(world, replica, verdict):
    first = await open_upgrade(world, verdict)
    async with world_on(replica) as other:
        second = type(world)(world.workspace, other.module)
        await open_upgrade(second, verdict)
        verdict.say(0)
        with pytest.raises(PreconditionError) as caught:
            await world.resume()
        assert caught.value.code == "several-unfinished"
        assert first in caught.value.message
        report = await resume(world.workspace, module=second.module)
        assert report.facts.module == second.module
    assert (await world.resume()).facts.operation == first


async def test_an_operation_of_another_network_is_left_alone(world, verdict):
    operation = await open_upgrade(world, verdict)
    with run_replica() as stranger:
        async with client_for(stranger) as client:
            with workspace_in(client, world.workspace.state) as workspace:
                with pytest.raises(PreconditionError) as caught:
                    await resume(workspace, operation=operation)
                assert caught.value.code == "other-network"
                with pytest.raises(NotFoundError):
                    await resume(workspace)


async def test_what_somebody_is_at_cannot_be_gone_on_with(world, replica):
    def resume_too(event):
        if isinstance(event, StepFinished) and event.step == "snapshot":
            elsewhere(replica, act)

    async def act(client):
        with workspace_in(client, world.workspace.state) as workspace, pytest.raises(LockedError):
            await resume(workspace)

    assert (await world.upgrade(watcher=resume_too)).outcome == "upgraded"
    assert await world.look() == NEW
