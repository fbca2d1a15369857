"""Hooks around real upgrades: when they run, what they are told, and what their failure does."""

import asyncio
import json
import sys

import pytest

from juno_snap.errors import ConfigError, JunoSnapError
from juno_snap.pipeline.hooks.model import HOOK_POINTS, HookSpec
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationRefusedError,
)
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.pipeline_world import V1, V2, candidate, management_calls
from tests.integration.release_world import (
    ALL_THERE,
    NEW,
    OLD,
    V3,
    names_of,
    steps_of,
    when,
    world_of,
    world_on,
)
from tests.replica.engine import wat

pytestmark = pytest.mark.anyio

TELL = "import sys; open(sys.argv[1], 'a').write(sys.stdin.readline())"
AROUND = [point for point in HOOK_POINTS if not point.startswith("on-")]
CALLS = ("stop_canister", "take_canister_snapshot", "install_code", "start_canister")


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


def exits(point, code, name="no"):
    """A hook that says so and ends with ``code``."""
    script = f"print('the office is closed'); raise SystemExit({code})"
    return HookSpec(name=name, point=point, command=(sys.executable, "-c", script))


@pytest.fixture
def diary(tmp_path):
    """What the hooks of all points were told, in the order in which they ran."""
    return Diary(tmp_path / "diary.jsonl")


class Diary:
    def __init__(self, path):
        self.path = path

    def at(self, *points):
        """A hook for each of ``points`` that writes down what it is told."""
        command = (sys.executable, "-c", TELL, str(self.path))
        return [HookSpec(name=f"at {point}", point=point, command=command) for point in points]

    def entries(self):
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def points(self):
        return [entry["point"] for entry in self.entries()]

    def told(self, point):
        (entry,) = (entry for entry in self.entries() if entry["point"] == point)
        return entry


def changes_since_its_making(log_path, module):
    methods = [method for method, _ in management_calls(log_path, module) if method in CALLS]
    return methods[1:]


async def test_each_point_is_told_in_its_order_how_far_the_upgrade_has_come(world, diary):
    hooked = world.hooked(*diary.at(*HOOK_POINTS))
    report = await hooked.upgrade()
    assert report.outcome == "upgraded"
    assert diary.points() == AROUND
    for entry in diary.entries():
        assert entry["schema"] == 1
        assert entry["operation"] == report.facts.operation
        assert entry["kind"] == "upgrade"
        assert entry["module"] == str(world.module)
        assert entry["network"] == world.workspace.network
        assert entry["old_hash"] == candidate(V1).sha256.hex()
        assert entry["new_hash"] == candidate(V2).sha256.hex()
        assert entry["error"] is None
        assert entry["rehearsal"] is False
    outcomes = {entry["point"]: entry["step_outcome"] for entry in diary.entries()}
    assert {p: o for p, o in outcomes.items() if o} == {
        "after-stop": "done", "after-snapshot": "done", "after-install": "done",
        "after-start": "done", "after-upgrade": "upgraded",
    }  # fmt: skip
    snapshots = {entry["point"]: entry["snapshot"] for entry in diary.entries()}
    assert snapshots["before-snapshot"] is None
    assert snapshots["after-snapshot"] == snapshots["after-upgrade"] == str(report.snapshot)
    assert [name for name in names_of(report) if name != "hook"] == [
        "observe", "stop", "snapshot", "install", "start", "verify",
    ]  # fmt: skip


async def test_hooks_are_in_the_records_with_their_names(world, diary):
    report = await world.hooked(*diary.at("before-upgrade", "after-start")).upgrade()
    hooks = [step.evidence for step in report.facts.steps if step.name == "hook"]
    assert [hook["name"] for hook in hooks] == ["at before-upgrade", "at after-start"]


# Not now


@pytest.mark.parametrize("code", [75, 1])
@pytest.mark.parametrize("point", ["before-upgrade", "before-stop"])
async def test_a_hook_before_the_stop_can_call_it_off(world, log_path, diary, point, code):
    hooked = world.hooked(exits(point, code), *diary.at("on-failure", "before-start"))
    error = await hooked.fails(OperationRefusedError)
    assert "the office is closed" in error.message
    assert error.code == ("hook-vetoed" if code == 75 else "hook-failed")
    assert error.report.facts.downtime_ms == 0
    assert changes_since_its_making(log_path, world.module) == []
    assert await world.look() == OLD
    assert await world.snapshots() == []
    assert world.unfinished() == []
    assert diary.points() == ["on-failure"]
    assert "the office is closed" in diary.told("on-failure")["error"]["message"]


@pytest.mark.parametrize(
    ("point", "code", "named"),
    [
        ("before-upgrade", 1, "hook no failed: exit code 1"),
        ("before-stop", 75, "hook no vetoed: exit code 75"),
        ("before-install", 1, "hook no failed: exit code 1"),
    ],
)
async def test_the_hook_that_ended_an_upgrade_is_named_in_the_error(world, point, code, named):
    error = await world.hooked(exits(point, code)).fails(JunoSnapError)
    assert named in error.message


async def test_what_a_veto_called_off_can_be_done_later(world):
    await world.hooked(exits("before-stop", 75)).fails(OperationRefusedError)
    assert (await world.upgrade()).outcome == "upgraded"


# Between stop and start

WHILE_DOWN = ["after-stop", "before-snapshot", "after-snapshot", "before-install"]


@pytest.mark.parametrize("point", WHILE_DOWN)
async def test_a_hook_that_fails_while_the_module_is_down_ends_it_on_the_old_code(
    world, log_path, diary, point
):
    hooked = world.hooked(exits(point, 1), *diary.at("before-start", "after-start", "on-failure"))
    error = await hooked.fails(OperationFailedError)
    assert error.runs_old_code
    assert "the office is closed" in error.message
    assert await world.look() == OLD
    calls = changes_since_its_making(log_path, world.module)
    assert "install_code" not in calls
    assert calls[-1] == "start_canister"
    assert diary.points() == ["before-start", "after-start", "on-failure"]
    assert diary.told("on-failure")["step_outcome"] == "failed"
    assert world.unfinished() == []


async def test_a_hook_that_fails_after_the_install_leaves_the_new_code_and_says_so(world):
    error = await world.hooked(exits("after-install", 1)).fails(OperationFailedError)
    assert not error.runs_old_code
    assert "juno-snap rollback" in error.hint
    assert await world.look() == NEW
    assert world.unfinished() == []


async def test_a_hook_before_the_start_does_not_prevent_it(world):
    report = await world.hooked(exits("before-start", 75)).upgrade()
    assert report.outcome == "upgraded"
    assert await world.look() == NEW
    assert any("the office is closed" in warning for warning in report.facts.warnings)


@pytest.mark.parametrize("point", ["after-start", "after-upgrade"])
async def test_a_hook_that_fails_afterwards_is_a_warning(world, point):
    report = await world.hooked(exits(point, 1)).upgrade()
    assert report.outcome == "upgraded"
    assert await world.look() == NEW
    assert any("hook no failed: exit code 1" in warning for warning in report.facts.warnings)


async def test_a_hook_that_hangs_while_the_module_is_down_is_ended_and_the_module_started(world):
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    hook = HookSpec(name="slow", point="after-snapshot", command=command, timeout_seconds=1)
    error = await world.hooked(hook).fails(OperationFailedError)
    assert error.runs_old_code
    assert await world.look() == OLD
    assert "1 s" in error.message


@pytest.mark.parametrize(
    "command", [("/nonexistent/hook",), (sys.executable, "-c", "import os; os.abort()")]
)
async def test_a_hook_that_cannot_run_or_dies_while_the_module_is_down_ends_it(world, command):
    hook = HookSpec(name="broken", point="before-install", command=command)
    error = await world.hooked(hook).fails(OperationFailedError)
    assert error.runs_old_code
    assert await world.look() == OLD


async def test_a_hook_that_prints_megabytes_does_not_swell_the_records(world):
    command = (sys.executable, "-c", "print('x' * 5_000_000)")
    hook = HookSpec(name="chatty", point="before-snapshot", command=command)
    report = await world.hooked(hook).upgrade()
    assert report.outcome == "upgraded"
    assert len(json.dumps(report.to_json())) < 20_000


async def test_a_function_that_is_not_there_is_found_out_before_anything_is_done(world, log_path):
    hook = HookSpec(name="typo", point="after-stop", function="json:no_such_function")
    await world.hooked(hook).fails(ConfigError)
    assert changes_since_its_making(log_path, world.module) == []


# How it ended


async def test_going_back_is_told_to_its_own_hooks(world, diary):
    hooked = world.hooked(*diary.at(*HOOK_POINTS))
    error = await hooked.fails(OperationFailedError, V3, checks=(ALL_THERE,))
    assert diary.points() == [*AROUND, "on-rollback"]
    told = diary.told("on-rollback")
    assert told["step_outcome"] == "rolled-back"
    assert told["error"]["code"] == "check-bad"
    assert told["snapshot"] == str(error.report.snapshot)


async def test_a_failure_is_told_with_its_first_error_and_after_hooks_run_with_it(world, diary):
    hooked = world.hooked(*diary.at(*HOOK_POINTS))
    error = await hooked.fails(OperationFailedError, wat("trap_in_post_upgrade"), force=True)
    assert error.step == "install"
    assert diary.points() == [*AROUND, "on-failure"]
    assert diary.told("after-install")["step_outcome"] == "failed"
    assert "trap" in diary.told("on-failure")["error"]["message"]
    assert diary.told("after-upgrade")["step_outcome"] == "failed"


async def test_hooks_that_fail_at_the_end_hide_no_error(world):
    hooked = world.hooked(exits("after-install", 1), exits("on-failure", 1, name="worse"))
    error = await hooked.fails(OperationFailedError, wat("trap_in_post_upgrade"), force=True)
    assert error.step == "install"
    assert "trap" in error.message
    assert await world.look() == OLD


async def test_what_passed_in_the_end_is_no_error_to_the_last_hook(diary):
    async with world_of("reject=IC0209x1+1@call:install_code") as world:
        report = await world.hooked(*diary.at("after-upgrade")).upgrade(stop_timeout_seconds=5)
        assert report.outcome == "upgraded"
        assert ("install", "failed") in steps_of(report)
        assert diary.told("after-upgrade")["error"] is None


async def test_another_round_runs_its_hooks_again(diary):
    async with world_of("reject=IC0209x6+1@call:install_code") as world:
        report = await world.hooked(*diary.at("before-stop", "after-start")).upgrade()
        assert report.outcome == "upgraded"
        stops = names_of(report).count("stop")
        assert diary.points() == ["before-stop", "after-start"] * stops


async def test_a_run_that_is_cancelled_while_a_hook_runs_ends_the_hook_and_starts_the_module(world):
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    hook = HookSpec(name="slow", point="after-snapshot", command=command)
    hooked = world.hooked(hook)

    def cancel():
        asyncio.get_running_loop().call_later(0.1, task.cancel)

    task = asyncio.ensure_future(hooked.upgrade(watcher=when("snapshot", cancel)))
    with pytest.raises(OperationCancelledError):
        await task
    assert await world.look() == OLD
    assert world.unfinished() == []


async def test_a_hook_runs_in_upgrades_only(world, diary):
    taken = await world.client.take_canister_snapshot(world.module)
    hooked = world.hooked(*diary.at(*HOOK_POINTS))
    await restore_snapshot(hooked.workspace, world.module, str(taken.id))
    assert diary.points() == []
