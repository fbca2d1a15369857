"""Cancelled in every step, once and twice; and a journal that breaks while the module is down.

Each step is held up by a fault of the replica. Whatever is cancelled, the module is started at
once, and ``resume`` finds everything it needs on disk.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import load_pem
from juno_snap.events import StepStarted, Waiting
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.hooks.model import HookSpec
from juno_snap.pipeline.hooks.run import NO_HOOKS, Hooks
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationUnknownError,
)
from juno_snap.pipeline.request import Patience, UpgradeRequest
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import (
    V2,
    candidate,
    document,
    grown,
    install_with_document,
    version,
)

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
HELD_SECONDS = 0.15
"""From the beginning of a step to its cancellation: its call has left by then."""


@dataclass
class World:
    """A module with a document, and a state directory of its own."""

    replica: object
    workspace: Workspace
    module: Principal

    @property
    def client(self):
        return self.workspace.client

    async def look(self):
        """Status, version and data of the module."""
        return (
            (await self.client.canister_status(self.module)).status,
            await version(self.client, self.module),
            await document(self.client, self.module, "greeting"),
        )

    async def cancelled(self, step, *, wasm=V2, times=1, **options):
        """What an upgrade raises that is cancelled when ``step`` has been begun."""
        begun = asyncio.Event()

        def tell(event):
            is_wait = step == "wait" and isinstance(event, Waiting)
            if is_wait or (isinstance(event, StepStarted) and event.step == step):
                begun.set()

        request = UpgradeRequest(**options)
        running = upgrade(self.workspace, self.module, request, candidate(wasm), observer=tell)
        task = asyncio.ensure_future(running)
        await begun.wait()
        for _ in range(times):
            await asyncio.sleep(HELD_SECONDS)
            task.cancel()
        with pytest.raises(OperationCancelledError) as caught:
            await task
        return caught.value

    def is_unfinished(self):
        return bool(self.workspace.journal.unfinished(self.workspace.root_key, self.module))


@contextlib.asynccontextmanager
async def world_of(folder, *specs, hooks=NO_HOOKS):
    with run_replica(ReplicaOptions(faults=tuple(map(parse_fault, specs)))) as replica:
        options = AgentOptions(url=replica.url, root_key=replica.root_key)
        async with await open_agent(options, OWNER) as agent:
            client = ManagementClient(agent)
            module = await install_with_document(client)
            with Journal.open(folder / "state") as journal:
                workspace = Workspace(
                    client=client, opens=lambda: journal, state=folder / "state", hooks=hooks
                )
                yield World(replica, workspace, module)


HELD = {
    "stop": "late=600ms@call:stop_canister",
    "snapshot": "late=600ms@call:take_canister_snapshot",
    "install": "late=600ms+1@call:install_code",
    "start": "late=600ms@call:start_canister",
}


@pytest.mark.parametrize("step", HELD)
async def test_what_was_sent_is_awaited_and_nothing_else_is_begun(tmp_path, step):
    async with world_of(tmp_path, HELD[step]) as world:
        error = await world.cancelled(step)
        names = [each.name for each in error.report.facts.steps]
        is_new = step in {"install", "start"}
        code = "0.2.0" if is_new else "0.1.0"
        assert await world.look() == ("running", code, "hello")
        assert "verify" not in names
        assert names.count("stop") == 1
        assert error.report.facts.module_status == "running"
        # Whether the new code is good is not known yet; the old one was not touched.
        assert world.is_unfinished() is is_new
        if is_new:
            assert (await resume(world.workspace)).outcome == "upgraded"


@pytest.mark.parametrize("step", HELD)
async def test_a_second_cancellation_leaves_and_resume_brings_it_to_its_end(tmp_path, step):
    async with world_of(tmp_path, HELD[step]) as world:
        error = await world.cancelled(step, times=2)
        assert "juno-snap resume" in error.message
        assert world.is_unfinished()
        report = await resume(world.workspace)
        assert report.outcome == "upgraded"
        assert await world.look() == ("running", "0.2.0", "hello")
        assert not world.is_unfinished()


async def test_while_chunks_are_staged_nothing_has_happened_yet(tmp_path):
    async with world_of(tmp_path, "delay=600ms@call:upload_chunk") as world:
        error = await world.cancelled("stage", wasm=grown(V2, 3))
        assert [each.name for each in error.report.facts.steps] == ["observe", "stage"]
        assert await world.look() == ("running", "0.1.0", "hello")
        assert not world.is_unfinished()


@pytest.mark.parametrize(
    ("step", "held"),
    [("verify", "delay=400ms@read_state"), ("check", "delay=400ms@query:document")],
)
async def test_new_code_that_nobody_has_judged_is_judged_on_resume(tmp_path, step, held):
    checks = (parse_check('document("greeting") == (opt "nothing")'),) if step == "check" else ()
    async with world_of(tmp_path, held) as world:
        options = {"checks": checks, "health_timeout_seconds": 1}
        error = await world.cancelled(step, **options, goes_back=False)
        assert f"juno-snap resume {error.report.facts.operation}" in error.message
        assert await world.look() == ("running", "0.2.0", "hello")
        assert world.is_unfinished()
        if step == "verify":
            assert (await resume(world.workspace)).outcome == "upgraded"
            return
        with pytest.raises(OperationFailedError) as caught:
            await resume(world.workspace)
        assert caught.value.step == "check"
        assert not world.is_unfinished()


async def test_a_snapshot_that_was_to_go_goes_on_resume(tmp_path):
    async with world_of(tmp_path, "late=2s@call:delete_canister_snapshot") as world:
        first = await upgrade(world.workspace, world.module, UpgradeRequest(), candidate(V2))
        error = await world.cancelled("tidy", wasm=grown(V2, 0.1))
        assert error.report.facts.module_status == "running"
        assert (await resume(world.workspace)).outcome == "upgraded"
        left = await world.client.list_canister_snapshots(world.module)
        assert first.snapshot not in [each.id for each in left]
        assert len(left) == 1


async def test_while_a_refusal_is_waited_for_the_module_is_started(tmp_path):
    patience = Patience(pause_seconds=30, stopped_seconds=30)
    async with world_of(tmp_path, "reject=IC0209x9+1@call:install_code") as world:
        await world.cancelled("wait", patience=patience)
        assert await world.look() == ("running", "0.1.0", "hello")
        assert not world.is_unfinished()


async def cancelled_in_a_hook(folder, point):
    """The error of an upgrade that is cancelled in its hook at ``point``, and what it has left."""
    begun = folder / "begun"
    os.mkfifo(begun)
    command = ("sh", "-c", f"echo > {begun}; sleep 60")
    hooks = Hooks((HookSpec(name="slow", point=point, command=command, timeout_seconds=60),))
    async with world_of(folder, hooks=hooks) as world:
        running = upgrade(world.workspace, world.module, UpgradeRequest(), candidate(V2))
        task = asyncio.ensure_future(running)
        await asyncio.to_thread(begun.read_text)
        task.cancel()
        with pytest.raises(OperationCancelledError) as caught:
            await task
        return caught.value, await world.look(), world.is_unfinished()


@pytest.mark.parametrize("point", ["before-upgrade", "before-stop", "after-stop", "before-start"])
async def test_a_hook_that_is_cancelled_keeps_nothing_down(tmp_path, point):
    _, left, is_unfinished = await cancelled_in_a_hook(tmp_path, point)
    is_new = point == "before-start"
    assert left == ("running", "0.2.0" if is_new else "0.1.0", "hello")
    assert is_unfinished is is_new


async def test_cancelled_in_the_last_hook_the_upgrade_is_told_as_what_it_is(tmp_path):
    error, left, is_unfinished = await cancelled_in_a_hook(tmp_path, "after-upgrade")
    assert error.report.outcome == "upgraded"
    assert left == ("running", "0.2.0", "hello")
    assert not is_unfinished


async def test_on_the_way_back_too_the_module_is_started(tmp_path):
    check = parse_check('document("greeting") == (opt "nothing")')
    async with world_of(tmp_path, "late=600ms@call:load_canister_snapshot") as world:
        await world.cancelled("load", checks=(check,), health_timeout_seconds=1)
        assert (await world.look())[0] == "running"
        assert world.is_unfinished()
        with pytest.raises(OperationFailedError) as caught:
            await resume(world.workspace)
        assert caught.value.report.outcome == "rolled-back"
        assert await world.look() == ("running", "0.1.0", "hello")


# A journal that breaks


@pytest.mark.parametrize("step", ["stop", "snapshot", "install", "start", "verify"])
async def test_when_the_journal_breaks_the_module_is_started_all_the_same(tmp_path, step):
    """No file may grow or be written any more from the beginning of ``step`` on."""
    async with world_of(tmp_path) as world:
        words = [world.replica.url, world.replica.root_key.hex(), str(world.module), step]
        pem, state = tmp_path / "owner.pem", tmp_path / "state"
        pem.write_bytes(OWNER.to_pem())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.test_interrupted", pem, *words, state,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, problems = await process.communicate()
        assert process.returncode == 0, problems.decode()
        told = json.loads(output)
        assert told["class"] in {"OperationFailedError", "OperationUnknownError"}
        assert "journal" in told["message"]
        assert "juno-snap resume" in told["hint"]
        assert (await world.client.canister_status(world.module)).status == "running"
        report = await resume(world.workspace)
        assert report.outcome == "upgraded"
        assert await world.look() == ("running", "0.2.0", "hello")


async def upgrade_until_the_journal_breaks(identity, url, root_key, module, step, state):
    """Upgrade, and say how that ended."""

    def tell(event):
        if isinstance(event, StepStarted) and event.step == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    options = AgentOptions(url=url, root_key=bytes.fromhex(root_key))
    async with await open_agent(options, identity) as agent:
        with Journal.open(Path(state)) as journal:
            workspace = Workspace(
                client=ManagementClient(agent),
                opens=lambda: journal,
                state=Path(state),
                hooks=Hooks((HookSpec(name="note", point="after-stop", command=("true",)),)),
            )
            target = Principal.parse(module)
            try:
                await upgrade(workspace, target, UpgradeRequest(), candidate(V2), observer=tell)
            except (OperationFailedError, OperationUnknownError) as error:
                told = {
                    "class": type(error).__name__, "message": error.message, "hint": error.hint,
                }  # fmt: skip
                sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    owner = load_pem(Path(sys.argv[1]).read_bytes())
    asyncio.run(upgrade_until_the_journal_breaks(owner, *sys.argv[2:]))
