"""An upgrade on a network with faults: done once or not at all, told as it is, never left down."""

import contextlib
import json
from dataclasses import dataclass

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.retry import RetryPolicy
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.report import OperationFailedError, OperationUnknownError
from juno_snap.replica.faults import FLAWS, parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import (
    V2,
    document,
    install_with_document,
    upgraded,
    version,
)

pytestmark = pytest.mark.anyio

RETRY = RetryPolicy(first_wait_seconds=0.01, longest_wait_seconds=0.05)
POLL = PollPolicy(first_wait_seconds=0.01, longest_wait_seconds=0.05, send_again_seconds=0.2)
STEPS = ("stop_canister", "take_canister_snapshot", "install_code", "start_canister")


@dataclass
class World:
    client: ManagementClient
    module: Principal
    log: object

    async def upgrade(self):
        return await upgraded(self.client, self.module, V2)

    async def look(self):
        """Status, version and data of the module."""
        return (
            (await self.client.canister_status(self.module)).status,
            await version(self.client, self.module),
            await document(self.client, self.module, "greeting"),
        )

    def executed(self):
        """The calls of the four steps that were executed, in order, after the module was made."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        calls = [line for line in lines if line.get("method") in STEPS and line["round"]]
        assert len({line["request_id"] for line in calls}) == len(calls)
        return [line["method"] for line in calls][1:]  # without the first install

    def happened(self):
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return {fault for line in lines for fault in line.get("faults", ())}


@contextlib.asynccontextmanager
async def world_of(folder, *specs, call_ttl_seconds=240):
    folder.mkdir(exist_ok=True)
    log = folder / "requests.jsonl"
    options = ReplicaOptions(faults=tuple(map(parse_fault, specs)), request_log=log)
    with run_replica(options) as replica:
        chosen = AgentOptions(
            url=replica.url,
            root_key=replica.root_key,
            retry=RETRY,
            poll=POLL,
            call_ttl_seconds=call_ttl_seconds,
        )
        async with await open_agent(chosen, OWNER) as agent:
            client = ManagementClient(agent)
            yield World(client, await install_with_document(client), log)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "what",
    [
        "delay=20ms",
        "drop-before=1",
        "drop-after=1",
        "http=503x2",
        "http=429x1",
        "http-after=502x1",
        "late=50ms",
        "old-state=30sx1",
    ],
)
async def test_an_upgrade_gets_through_once(tmp_path, what, step):
    after_first = "+1" if step == "install_code" else ""
    spec = f"{what}{after_first}@call:{step}"
    async with world_of(tmp_path, spec) as world:
        report = await world.upgrade()
        assert report.outcome == "upgraded"
        assert await world.look() == ("running", "0.2.0", "hello")
        assert world.executed() == list(STEPS)
        assert world.happened() == {spec}


async def test_an_upgrade_survives_faults_of_every_kind_of_request(tmp_path):
    specs = [
        "http=503x2+8@*",
        "drop-before=1+4@read_state",
        "drop-after=2+6@call",
        "http-after=502x1+9@call",
        "delay=10ms@query",
    ]
    async with world_of(tmp_path, *specs) as world:
        assert (await world.upgrade()).outcome == "upgraded"
        assert await world.look() == ("running", "0.2.0", "hello")
        assert world.executed() == list(STEPS)


@pytest.mark.parametrize("step", ["take_canister_snapshot", "install_code"])
async def test_a_rejected_step_leaves_the_old_code_running(tmp_path, step):
    after_first = "+1" if step == "install_code" else ""
    async with world_of(tmp_path, f"reject=IC0504{after_first}@call:{step}") as world:
        with pytest.raises(OperationFailedError) as caught:
            await world.upgrade()
        assert caught.value.runs_old_code
        assert await world.look() == ("running", "0.1.0", "hello")


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("step", STEPS)
async def test_an_answer_that_cannot_be_believed_is_asked_for_again(tmp_path, step, flaw):
    after_first = "+1" if step == "install_code" else ""
    spec = f"certificate={flaw}x1{after_first}@call:{step}"
    async with world_of(tmp_path, spec) as world:
        report = await world.upgrade()
        assert report.outcome == "upgraded"
        assert any(each.outcome == "done" for each in report.facts.steps if each.name == "settle")
        assert await world.look() == ("running", "0.2.0", "hello")
        assert world.happened() == {spec}


async def test_a_network_that_is_never_believed_leaves_it_unknown_and_the_module_running(tmp_path):
    async with world_of(tmp_path / "undisturbed") as world:
        await world.upgrade()
        lines = [json.loads(line) for line in world.log.read_text().splitlines()]
    installs = [place for place, line in enumerate(lines) if line.get("method") == "install_code"]
    before = sum(line["kind"] == "read_state" for line in lines[: installs[-1]])
    specs = ["certificate=forged+1@call:install_code", f"certificate=forged+{before}@read_state"]
    async with world_of(tmp_path, *specs, call_ttl_seconds=2) as world:
        with pytest.raises(OperationUnknownError) as caught:
            await world.upgrade()
        assert "juno-snap resume" in caught.value.hint
        assert world.executed() == list(STEPS)
