"""Upgrades that meet trouble: each ends as it should, and the module runs."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from juno_snap.errors import LockedError, PreconditionError
from juno_snap.management.types import CanisterSettings
from juno_snap.pipeline.policy import ReplaceSnapshot
from juno_snap.pipeline.report import (
    OperationFailedError,
    OperationRefusedError,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import prepare_rollback, run_restore
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER, STRANGER
from tests.integration.pipeline_world import (
    V2,
    candidate,
    document,
    grown,
    install,
    set_document,
)
from tests.integration.release_world import (
    IMPATIENT,
    NEW,
    OLD,
    V3,
    World,
    client_for,
    elsewhere,
    names_of,
    quick,
    steps_of,
    when,
    workspace_in,
    world_of,
    world_on,
)
from tests.replica.engine import wat
from tests.replica.puppet import END, call, hold, puppet, reply

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


@pytest.fixture
async def world(replica):
    async with world_on(replica) as world:
        yield world


async def ends_as_scrap(world, error):
    """The old code runs with its data; what was saved is known to be scrap, nothing is open."""
    assert error.runs_old_code
    assert await world.look() == OLD
    assert world.unfinished() == []
    assert await world.snapshots() == [error.report.snapshot]
    assert world.workspace.notes(world.module)[error.report.snapshot].is_scrap


async def test_an_install_that_traps_ends_with_the_old_code(world):
    error = await world.fails(OperationFailedError, wat("trap_in_post_upgrade"), force=True)
    assert error.step == "install"
    await ends_as_scrap(world, error)


# A stop that does not come to its end


async def until_stopping(client, module):
    """Wait until it begins to stop, as a call of another does it."""
    status = await client.canister_status(module)
    while status.status != "stopping":
        status = await client.canister_status(module)


@contextlib.asynccontextmanager
async def waiting_module(client):
    """A module with an open call to another that answers when the block ends."""
    module, holder = await install(client, puppet()), await install(client, puppet())
    controllers = (OWNER.principal, holder)
    await client.update_settings(holder, CanisterSettings(controllers=controllers))
    program = call(holder, hold(holder) + END, on_reply=reply(b"over")) + END
    work = asyncio.ensure_future(client.agent.call(module, "run", program))
    await until_stopping(client, holder)
    yield module, work
    await client.start_canister(holder)
    with contextlib.suppress(Exception):
        await work


LARGER = puppet(extra='(func (export "canister_query more"))')


async def test_a_module_that_waits_for_an_answer_is_started_again_when_the_stop_takes_too_long(
    replica,
):
    async with client_for(replica) as client, waiting_module(client) as (module, work):
        world = World(Workspace.in_memory(client), module)
        error = await world.fails(OperationFailedError, LARGER, stop_timeout_seconds=0.3)
        assert error.step == "stop"
        assert error.runs_old_code
        assert "--stop-timeout-seconds" in error.hint
        assert "did not stop within 0.3 s" in error.message
        assert names_of(error.report) == ["observe", "stop", "start"]
        assert (await client.canister_status(module)).status == "running"
        assert await world.snapshots() == []
        assert world.unfinished() == []
        assert not work.done()


async def test_a_module_that_gets_its_answer_in_time_is_upgraded(replica):
    async with client_for(replica) as client:
        async with waiting_module(client) as (module, _):
            world = World(Workspace.in_memory(client), module)
            under_way = asyncio.ensure_future(world.upgrade(LARGER, stop_timeout_seconds=30))
            await until_stopping(client, module)
            assert not under_way.done()
        assert (await under_way).outcome == "upgraded"
        assert (await client.canister_status(module)).status == "running"


# No room, no cycles


async def test_all_slots_taken_and_protected_is_refused_before_anything_is_touched(world):
    full = [(await world.client.take_canister_snapshot(world.module)).id for _ in range(10)]
    guarded = World(replace(world.workspace, protected=frozenset(full)), world.module)
    error = await guarded.fails(PreconditionError, snapshots=ReplaceSnapshot(which="oldest"))
    assert not isinstance(error, OperationRefusedError)
    assert await world.look() == OLD
    assert await world.snapshots() == full
    assert world.journal.history() == ()


async def test_a_snapshot_that_the_cycles_do_not_pay_for_ends_with_the_old_code(world):
    module, client = world.module, world.client
    status = await client.canister_status(module)
    # Enough for calls (some million each), not for a snapshot (some billion).
    a_day = status.idle_cycles_burned_per_day
    seconds = (status.cycles - 10**9) * 86_400 // a_day
    await client.update_settings(module, CanisterSettings(freezing_threshold_seconds=seconds))
    refused = await world.fails(PreconditionError)
    assert refused.code == "not-enough-cycles"
    error = await world.fails(OperationFailedError, force=True)
    assert error.step == "snapshot"
    assert error.runs_old_code
    assert "cycles" in error.message
    assert await world.look() == OLD
    assert await world.snapshots() == []


async def test_a_snapshot_refused_for_lack_of_cycles_is_no_way_on():
    async with world_of("reject=IC0207@call:take_canister_snapshot") as world:
        error = await world.fails(OperationFailedError)
        assert error.step == "snapshot"
        assert error.runs_old_code
        assert names_of(error.report) == ["observe", "stop", "snapshot", "start"]
        assert await world.look() == OLD
        assert await world.snapshots() == []


# Somebody else


async def give(client, module, *controllers):
    owners = tuple(each.principal for each in controllers)
    await client.update_settings(module, CanisterSettings(controllers=owners))


async def test_another_controller_in_the_middle_ends_it_before_the_install(world, replica):
    def share():
        elsewhere(replica, lambda client: give(client, world.module, OWNER, STRANGER))

    error = await world.fails(OperationRefusedError, watcher=when("snapshot", share))
    assert error.code == "disturbed"
    assert "controllers were changed" in error.message
    assert await world.look() == OLD
    assert world.unfinished() == []


async def test_who_loses_control_in_the_middle_is_told_and_can_go_on_once_it_is_back(
    replica, tmp_path
):
    async with world_on(replica, state=tmp_path) as world:

        def take_away():
            elsewhere(replica, lambda client: give(client, world.module, STRANGER))

        error = await quick(world).fails(OperationFailedError, watcher=when("snapshot", take_away))
        assert not error.runs_old_code
        assert "juno-snap resume" in error.hint
        assert {fault.step for fault in error.report.facts.errors} == {"install", "start"}
        assert world.unfinished() == [error.report.facts.operation]
        with pytest.raises(PreconditionError) as caught:
            await world.resume()
        assert caught.value.code == "not-controller"
        async with client_for(replica, STRANGER) as stranger:
            await give(stranger, world.module, OWNER)
        with pytest.raises(OperationFailedError) as failed:
            await world.resume()
        await ends_as_scrap(world, failed.value)


async def test_who_starts_the_module_in_the_middle_ends_it_before_the_install(world, replica):
    async def start_and_write(client):
        await client.start_canister(world.module)
        await set_document(client, world.module, "order", "for cake")

    error = await world.fails(
        OperationRefusedError,
        watcher=when("snapshot", lambda: elsewhere(replica, start_and_write)),
    )
    assert error.code == "disturbed"
    assert "started" in error.message
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") == "for cake"


async def test_who_starts_and_stops_the_module_in_the_middle_ends_it_too(world, replica):
    async def write(client):
        await client.start_canister(world.module)
        await set_document(client, world.module, "order", "for cake")
        await client.stop_canister(world.module)

    error = await world.fails(
        OperationRefusedError, watcher=when("snapshot", lambda: elsewhere(replica, write))
    )
    assert error.code == "disturbed"
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") == "for cake"


async def test_a_module_that_is_deleted_after_the_plan_ends_before_anything_is_sent(world):
    request = UpgradeRequest(patience=IMPATIENT)
    prepared = await prepare_upgrade(world.workspace, world.module, request, candidate(V2))
    await world.client.stop_canister(world.module)
    await world.client.delete_canister(world.module)
    with pytest.raises(OperationRefusedError) as caught:
        await run_upgrade(world.workspace, prepared)
    assert caught.value.code == "disturbed"
    assert world.unfinished() == []


async def test_a_module_that_is_deleted_in_the_middle_is_a_failure_that_can_be_closed(
    replica, tmp_path
):
    async with world_on(replica, state=tmp_path) as world:

        async def delete(client):
            await client.delete_canister(world.module)

        error = await quick(world).fails(
            OperationFailedError, watcher=when("snapshot", lambda: elsewhere(replica, delete))
        )
        assert not error.runs_old_code
        assert error.report.facts.module_status == "unknown"
        for operation in world.unfinished():
            await world.resume(operation, "abandon")
        assert world.unfinished() == []


# Two at once


async def test_the_second_on_the_same_state_is_locked_out(replica, tmp_path):
    async with world_on(replica, state=tmp_path) as world:
        problems = []

        def try_too():
            async def act(client):
                with workspace_in(client, tmp_path) as workspace:
                    problems.append(await World(workspace, world.module).fails(LockedError, V3))

            elsewhere(replica, act)

        report = await world.upgrade(watcher=when("snapshot", try_too))
        assert report.outcome == "upgraded"
        assert [error.code for error in problems] == ["locked"]
        assert await world.look() == NEW


async def test_the_second_that_planned_before_is_locked_out_too(replica, tmp_path):
    async with world_on(replica, state=tmp_path) as world:
        request = UpgradeRequest(patience=IMPATIENT)
        other = await prepare_upgrade(world.workspace, world.module, request, candidate(V3))

        def try_too():
            async def act(client):
                with workspace_in(client, tmp_path) as workspace, pytest.raises(LockedError):
                    await run_upgrade(workspace, other)

            elsewhere(replica, act)

        await world.upgrade(watcher=when("snapshot", try_too))
        assert await world.look() == NEW
        with pytest.raises(PreconditionError) as caught:
            await run_upgrade(world.workspace, other)
        assert caught.value.code == "disturbed"
        assert await world.look() == NEW


@pytest.mark.parametrize("moment", ["stop", "snapshot"])
async def test_of_two_with_states_of_their_own_one_is_refused(replica, tmp_path, moment):
    """The other has planned before, too, and does all of its upgrade in the middle of ours."""
    async with world_on(replica, state=tmp_path / "a") as world:
        request = UpgradeRequest(patience=IMPATIENT)
        larger = grown(V2, 0.1)
        other = await prepare_upgrade(world.workspace, world.module, request, candidate(larger))
        reports = []

        def upgrade_too():
            async def act(client):
                with workspace_in(client, tmp_path / "b") as workspace:
                    reports.append(await run_upgrade(workspace, other))

            elsewhere(replica, act)

        error = await world.fails(OperationRefusedError, watcher=when(moment, upgrade_too))
        assert [report.outcome for report in reports] == ["upgraded"]
        assert error.code == "disturbed"
        assert await world.look() == NEW
        status = await world.client.canister_status(world.module)
        assert status.module_hash == candidate(larger).sha256


# Refused for the moment


async def test_an_install_that_is_refused_twice_for_the_moment_is_tried_again_in_place():
    async with world_of("reject=IC0209x2+1@call:install_code") as world:
        report = await world.upgrade(stop_timeout_seconds=5)
        assert report.outcome == "upgraded"
        names = [name for name in names_of(report) if name != "wait"]
        assert names == [
            "observe", "stop", "snapshot", "install", "install", "install", "start", "verify",
        ]  # fmt: skip
        assert await world.look() == NEW


async def test_an_install_that_is_refused_for_longer_is_done_anew_after_the_module_has_served():
    async with world_of("reject=IC0209x6+1@call:install_code") as world:
        report = await world.upgrade()
        assert report.outcome == "upgraded"
        names = [name for name in names_of(report) if name != "wait"]
        assert names.count("stop") == names.count("start") == names.count("snapshot") > 1
        assert [name for name, state in steps_of(report)][-2:] == ["start", "verify"]
        assert await world.look() == NEW
        # Each snapshot was taken in place of the one before, and the last is the way back.
        assert await world.snapshots() == [report.snapshot]
        prepared = await prepare_rollback(world.workspace, world.module)
        await run_restore(world.workspace, prepared)
        assert await world.look() == OLD


async def test_an_install_that_is_always_refused_for_the_moment_ends_with_the_old_code():
    async with world_of("reject=IC0209+1@call:install_code") as world:
        error = await world.fails(OperationFailedError)
        assert error.step == "install"
        assert "wait some minutes" in error.hint
        await ends_as_scrap(world, error)


async def test_what_is_written_while_the_module_serves_between_two_rounds_is_kept():
    async with world_of("reject=IC0209x6+1@call:install_code") as world:
        rounds = []

        def write(event):
            if type(event).__name__ == "StepFinished" and event.step == "start":
                rounds.append(asyncio.ensure_future(write_one(len(rounds))))

        async def write_one(number):
            await set_document(world.client, world.module, f"order {number}", "!")

        report = await world.upgrade(watcher=write)
        await asyncio.gather(*rounds)
        assert report.outcome == "upgraded"
        assert len(await world.keys()) == 1 + len(rounds) > 2


async def test_a_snapshot_that_is_refused_for_the_moment_is_tried_again():
    async with world_of("reject=IC0210x2@call:take_canister_snapshot") as world:
        report = await world.upgrade()
        assert report.outcome == "upgraded"
        assert names_of(report).count("stop") == 1
        assert await world.snapshots() == [report.snapshot]


async def test_a_snapshot_that_is_always_refused_for_the_moment_ends_with_the_old_code():
    async with world_of("reject=IC0210@call:take_canister_snapshot") as world:
        error = await world.fails(OperationFailedError)
        assert error.step == "snapshot"
        assert error.runs_old_code
        assert await world.look() == OLD
        assert await world.snapshots() == []


async def test_a_start_that_is_refused_for_good_says_how_to_start_the_module():
    async with world_of("reject=IC0207x3@call:start_canister") as world:
        error = await quick(world).fails(OperationFailedError)
        assert error.step == "start"
        assert not error.runs_old_code
        assert f"juno-snap module start --module {world.module}" in error.hint
        assert error.report.facts.module_status == "stopped"
        assert world.unfinished() == [error.report.facts.operation]
        report = await world.resume()
        assert report.outcome == "upgraded"
        assert await world.look() == NEW


async def test_a_start_whose_answers_are_lost_is_asked_after():
    async with world_of("http-after=502@call:start_canister", call_ttl_seconds=3) as world:
        assert (await world.upgrade()).outcome == "upgraded"
        assert await world.look() == NEW


# A caller with a bug


@pytest.mark.parametrize("step", ["stop", "snapshot", "install", "start"])
async def test_a_watcher_that_breaks_does_not_keep_the_module_down(world, step):
    def break_for_good(event):
        broken.extend([event] if getattr(event, "step", "") == step else [])
        if broken:
            raise ValueError("the progress bar is gone")

    broken = []
    report = await world.upgrade(watcher=break_for_good)
    assert report.outcome == "upgraded"
    assert any("the progress bar is gone" in warning for warning in report.facts.warnings)
    assert len(broken) == 1
    assert await world.look() == NEW
