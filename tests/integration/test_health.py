"""Releases whose health is checked: good, bad, and such that nobody can tell."""

import asyncio
import contextlib

import pytest

from juno_snap.errors import NotFoundError
from juno_snap.pipeline.checks.parse import command_check, parse_check
from juno_snap.pipeline.policy import NoSnapshot
from juno_snap.pipeline.report import OperationFailedError, OperationUnknownError
from juno_snap.pipeline.restore import prepare_rollback, restore_snapshot, run_restore
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import (
    V1,
    candidate,
    document,
    management_calls,
    set_document,
    version,
)
from tests.integration.release_world import (
    ALL_THERE,
    BAD,
    NEW,
    OLD,
    V3,
    client_for,
    elsewhere,
    names_of,
    when,
    world_of,
    world_on,
)

pytestmark = pytest.mark.anyio

RESTED = ("stop", "safety-snapshot", "load", "start", "verify")


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("replica") / "requests.jsonl"


@pytest.fixture(scope="module")
def replica(log_path):
    with run_replica(ReplicaOptions(request_log=log_path)) as running:
        yield running


@pytest.fixture
async def world(replica):
    async with world_on(replica) as world:
        yield world


async def test_a_good_release_is_checked_and_stays(world):
    report = await world.upgrade(checks=(ALL_THERE,))
    assert report.outcome == "upgraded"
    assert await world.look() == NEW
    assert [dict(check) for check in report.checks] == [
        {"name": "count_documents() == 1", "ok": True, "detail": "replied (1 : nat)"}
    ]
    assert (report.safety_snapshot, report.versions_passed) == (None, None)


async def test_a_bad_release_goes_back_by_itself_with_data_and_hash_as_before(world, log_path):
    error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))
    report = error.report
    assert report.outcome == "rolled-back"
    assert error.runs_old_code
    assert error.step == "check"
    assert "count_documents() == 1: replied (0 : nat), expected 1" in error.message
    assert await world.look() == OLD
    assert report.facts.module_hash == candidate(V1).sha256 == report.old_hash
    assert report.facts.module_status == "running"
    assert report.facts.downtime_ms > 0
    assert names_of(report, "back") == list(RESTED)
    assert report.versions_passed == 0
    assert world.unfinished() == []
    assert world.journal.history(limit=1)[0].outcome == "rolled-back"
    methods = [method for method, _ in management_calls(log_path, world.module)]
    assert methods.count("stop_canister") == methods.count("start_canister") == 2
    assert methods.count("load_canister_snapshot") == 1


async def test_both_snapshots_are_there_after_going_back_and_only_the_first_is_scrap(world):
    report = (await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))).report
    assert await world.snapshots() == [report.snapshot, report.safety_snapshot]
    again = await world.upgrade(checks=(ALL_THERE,))
    assert again.outcome == "upgraded"
    assert await world.snapshots() == [report.safety_snapshot, again.snapshot]


async def test_the_safety_snapshot_holds_what_was_written_in_between(world, replica):
    def write_a_document():
        elsewhere(replica, lambda client: set_document(client, world.module, "order", "for cake"))

    # The bad release loses the first document, and gets another one before it is found out.
    never = parse_check("count_documents() == 7")
    error = await world.fails(
        OperationFailedError, V3, checks=(never,), watcher=when("verify", write_a_document)
    )
    assert error.report.versions_passed == 1
    assert await world.look() == OLD
    assert await document(world.client, world.module, "order") is None
    await restore_snapshot(world.workspace, world.module, str(error.report.safety_snapshot))
    assert await world.look() == BAD
    assert await document(world.client, world.module, "order") == "for cake"


@contextlib.asynccontextmanager
async def writing(replica, module):
    """Others write documents all the time; those that arrived are in the list."""
    written = []

    async def write():
        async with client_for(replica, OWNER) as client:
            for number in range(10_000):
                key = f"document {number}"
                with contextlib.suppress(Exception):
                    await set_document(client, module, key, "!")
                    written.append(key)

    task = asyncio.ensure_future(write())
    try:
        yield written
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_writes_that_arrive_all_the_time_are_counted(world, replica):
    never = parse_check("count_documents() == 0")
    async with writing(replica, world.module) as written:
        error = await world.fails(OperationFailedError, checks=(never,), health_timeout_seconds=0.5)
        assert error.report.outcome == "rolled-back"
    report = error.report
    assert "in the safety snapshot" in error.hint
    assert await version(world.client, world.module) == "0.1.0"
    await restore_snapshot(world.workspace, world.module, str(report.snapshot))
    before = set(await world.keys())
    await restore_snapshot(world.workspace, world.module, str(report.safety_snapshot))
    between = set(await world.keys()) - before
    assert between
    assert report.versions_passed == len(between)
    assert between <= set(written)


async def test_a_command_that_says_no_sends_it_back(world):
    check = command_check(["false"])
    error = await world.fails(OperationFailedError, checks=(check,))
    assert (error.report.outcome, error.runs_old_code) == ("rolled-back", True)
    assert await world.look() == OLD


async def test_a_command_that_cannot_tell_leaves_it_open(world):
    check = command_check(["/nonexistent/check"])
    error = await world.fails(OperationUnknownError, checks=(check,))
    assert await world.look() == NEW
    assert world.unfinished() == [error.report.facts.operation]


# The new code stays, and a person decides


STAYING = {
    "after the window": {"rollback_window_seconds": 0.0},
    "by request": {"goes_back": False},
    "without stopping": {"stop": False},
}


@pytest.mark.parametrize("options", STAYING.values(), ids=STAYING.keys())
async def test_a_bad_release_stays_and_rollback_brings_the_old_one_back(world, options):
    error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,), **options)
    operation = error.report.facts.operation
    assert (error.report.outcome, error.runs_old_code) == ("failed", False)
    assert error.report.safety_snapshot is None
    assert f"juno-snap rollback {operation}" in error.hint
    assert await world.look() == BAD
    assert world.unfinished() == []
    prepared = await prepare_rollback(world.workspace, world.module, operation)
    report = await run_restore(world.workspace, prepared)
    assert (report.outcome, report.snapshot) == ("restored", error.report.snapshot)
    assert await world.look() == OLD
    assert set(await world.snapshots()) == {error.report.snapshot, report.safety_snapshot}


async def test_without_a_snapshot_a_bad_release_stays_and_nothing_promises_a_way_back(world):
    error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,), snapshots=NoSnapshot())
    assert (error.report.outcome, error.runs_old_code) == ("failed", False)
    assert await world.look() == BAD
    assert "rollback" not in error.hint
    assert any("no way back" in warning for warning in error.report.facts.warnings)
    with pytest.raises(NotFoundError):
        await prepare_rollback(world.workspace, world.module)


async def test_the_same_bad_release_again_changes_nothing_and_does_not_end_well(world):
    await world.fails(OperationFailedError, V3, checks=(ALL_THERE,), goes_back=False)
    kept = await world.snapshots()
    error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,), goes_back=False)
    assert (error.report.outcome, error.step, error.runs_old_code) == ("failed", "check", False)
    assert [dict(check)["ok"] for check in error.report.checks] == [False]
    assert "juno-snap rollback" in error.hint
    assert await world.look() == BAD
    assert await world.snapshots() == kept


async def test_the_same_good_release_again_is_unchanged_and_its_checks_are_asked(world):
    await world.upgrade(checks=(ALL_THERE,))
    report = await world.upgrade(checks=(ALL_THERE,))
    assert report.outcome == "unchanged"
    assert [dict(check)["ok"] for check in report.checks] == [True]
    assert names_of(report) == ["observe", "check"]


async def test_the_same_release_again_that_nobody_can_judge_is_neither_good_nor_bad(world):
    await world.upgrade()
    hanging = command_check(("sh", "-c", "exit 75"))
    error = await world.fails(OperationUnknownError, checks=(hanging,))
    assert error.report.outcome == "unknown"
    assert await world.look() == NEW


# The safety snapshot cannot be taken


async def fill(world):
    """Take the slots of a module but for one."""
    return [(await world.client.take_canister_snapshot(world.module)).id for _ in range(9)]


async def test_on_a_full_module_it_goes_back_where_nobody_wrote(world):
    await fill(world)
    error = await world.fails(OperationFailedError, V3, checks=(ALL_THERE,))
    assert error.report.outcome == "rolled-back"
    assert (error.report.safety_snapshot, error.report.versions_passed) == (None, 0)
    assert "safety snapshot" not in error.hint
    assert any("was not saved" in warning for warning in error.report.facts.warnings)
    assert await world.look() == OLD
    assert len(await world.snapshots()) == 10


@pytest.mark.parametrize("moment", ["start", "verify"])
async def test_on_a_full_module_the_new_code_stays_where_somebody_wrote(world, replica, moment):
    def write_a_document():
        elsewhere(replica, lambda client: set_document(client, world.module, "order", "for cake"))

    await fill(world)
    never = parse_check("count_documents() == 7")
    error = await world.fails(
        OperationFailedError, checks=(never,), watcher=when(moment, write_a_document)
    )
    assert (error.report.outcome, error.runs_old_code) == ("failed", False)
    assert error.report.versions_passed == 1
    assert "juno-snap rollback" in error.hint
    assert await world.look() == NEW
    assert await document(world.client, world.module, "order") == "for cake"
    assert len(await world.snapshots()) == 10


# A network that does not answer


@pytest.mark.parametrize(
    "fault", ["http=503@query:count_documents", "drop-before=999@query:count_documents"]
)
async def test_a_node_that_cannot_be_reached_rolls_nothing_back(tmp_path, fault):
    async with world_of(fault) as world:
        error = await world.fails(OperationUnknownError, checks=(ALL_THERE,))
        assert error.report.outcome == "unknown"
        assert await world.look() == NEW
        assert world.unfinished() == [error.report.facts.operation]
        assert "juno-snap resume" in error.hint
        assert len(await world.snapshots()) == 1


async def test_resume_goes_on_checking_and_the_release_stands(tmp_path):
    state, data = tmp_path / "state", tmp_path / "replica"
    fault = "http=503@query:count_documents"
    async with world_of(fault, directory=data, state=state) as world:
        error = await world.fails(OperationUnknownError, checks=(ALL_THERE,))
        module = world.module
    async with world_of(directory=data, state=state, module=module) as world:
        report = await world.resume()
        assert report.facts.operation == error.report.facts.operation
        assert report.outcome == "upgraded"
        assert [check["ok"] for check in report.checks] == [True]
        assert await world.look() == NEW
        assert world.unfinished() == []


async def test_resume_goes_back_where_the_check_turns_out_to_be_bad(tmp_path):
    state, data = tmp_path / "state", tmp_path / "replica"
    fault = "http=503@query:count_documents"
    async with world_of(fault, directory=data, state=state) as world:
        await world.fails(OperationUnknownError, V3, checks=(ALL_THERE,))
        module = world.module
    async with world_of(directory=data, state=state, module=module) as world:
        with pytest.raises(OperationFailedError) as caught:
            await world.resume()
        assert caught.value.report.outcome == "rolled-back"
        assert caught.value.runs_old_code
        assert await world.look() == OLD
        assert world.unfinished() == []
