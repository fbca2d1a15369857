"""A module with documents, its releases, good and bad, and what happens around an upgrade."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.retry import RetryPolicy
from juno_snap.clock import system_clock
from juno_snap.events import StepFinished
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.request import Patience, UpgradeRequest
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from juno_snap.wire.candid import TEXT, Vec, decode, encode
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import (
    LIFTED,
    V2,
    candidate,
    document,
    install_with_document,
    version,
)

V3 = sample("document_store_v3")
"""A bad release: it loses a document when a module is upgraded to it."""

ALL_THERE = parse_check("count_documents() == 1")
"""Good on V2, bad on V3, for a module that holds one document."""

# As patient as the tests want to wait for what never comes.
RETRY = RetryPolicy(first_wait_seconds=0.01, longest_wait_seconds=0.02, budget_seconds=0.1)
POLL = PollPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    budget_seconds=20,
    send_again_seconds=0.2,
    catch_up_seconds=0.1,
)
IMPATIENT = Patience(
    pause_seconds=0.05,
    stopped_seconds=0.1,
    serving_seconds=0.5,
    serving_pause_seconds=0.1,
    load_seconds=0.2,
)


@dataclass
class World:
    """A module on a replica, and one who upgrades it."""

    workspace: Workspace
    module: Principal
    events: list = field(default_factory=list)

    @property
    def client(self):
        return self.workspace.client

    @property
    def journal(self):
        return self.workspace.journal

    async def upgrade(self, wasm=V2, *, watcher=None, **options):
        """The report; ``watcher`` is told each event."""
        usual = {"patience": IMPATIENT, "health_timeout_seconds": 0.2, "juno": LIFTED}
        chosen = UpgradeRequest(**{**usual, **options})

        def observe(event):
            self.events.append(event)
            if watcher is not None:
                watcher(event)

        return await upgrade(self.workspace, self.module, chosen, candidate(wasm), observer=observe)

    async def fails(self, error, wasm=V2, **options):
        """The error that an upgrade ends with."""
        with pytest.raises(error) as caught:
            await self.upgrade(wasm, **options)
        return caught.value

    async def resume(self, operation=None, direction=None):
        return await resume(
            self.workspace, operation=operation, direction=direction, observer=self.events.append
        )

    async def look(self):
        """Status, version and the one document of the module."""
        return (
            (await self.client.canister_status(self.module)).status,
            await version(self.client, self.module),
            await document(self.client, self.module, "greeting"),
        )

    async def keys(self):
        """Of all documents."""
        reply = await self.client.agent.query(self.module, "list_documents", encode([], []))
        return decode(reply, [Vec(TEXT)])[0]

    async def snapshots(self):
        return [each.id for each in await self.client.list_canister_snapshots(self.module)]

    def unfinished(self):
        """Ids of the operations that are not finished."""
        found = self.journal.unfinished(self.workspace.root_key, self.module)
        return [record.begun.id for record in found]

    def finished(self, event_step):
        """How often that step has ended."""
        return sum(
            isinstance(event, StepFinished) and event.step == event_step for event in self.events
        )

    def hooked(self, *hooks):
        """The same with hooks."""
        return World(replace(self.workspace, hooks=Hooks(hooks)), self.module)


OLD = ("running", "0.1.0", "hello")
NEW = ("running", "0.2.0", "hello")
BAD = ("running", "0.3.0", None)


@contextlib.asynccontextmanager
async def client_for(replica, identity=OWNER, *, call_ttl_seconds=240):
    """A client that gives up early."""
    chosen = AgentOptions(
        url=replica.url,
        root_key=replica.root_key,
        retry=RETRY,
        poll=POLL,
        call_ttl_seconds=call_ttl_seconds,
    )
    async with await open_agent(chosen, identity) as agent:
        yield ManagementClient(agent)


@contextlib.contextmanager
def workspace_in(client, state: Path):
    """A workspace whose journal is on disk."""
    state.mkdir(exist_ok=True)
    with Journal.open(state) as journal:
        yield Workspace(client=client, opens=lambda: journal, state=state, network=client.agent.url)


@contextlib.asynccontextmanager
async def world_on(replica, *, module=None, state=None, identity=OWNER, call_ttl_seconds=240):
    """A module with a document, V1, on ``replica``; the journal is in ``state``, or in memory."""
    async with client_for(replica, identity, call_ttl_seconds=call_ttl_seconds) as client:
        target = module or await install_with_document(client)
        if state is None:
            yield World(Workspace.in_memory(client), target)
            return
        with workspace_in(client, state) as workspace:
            yield World(workspace, target)


@contextlib.asynccontextmanager
async def world_of(*faults, module=None, state=None, call_ttl_seconds=240, **options):
    """The same on a replica of its own, with faults."""
    chosen = ReplicaOptions(faults=tuple(map(parse_fault, faults)), **options)
    with run_replica(chosen) as replica:
        async with world_on(
            replica, module=module, state=state, call_ttl_seconds=call_ttl_seconds
        ) as world:
            yield world


def elsewhere(replica, deed, identity=OWNER):
    """Do something to the replica from another program, and wait until it is done.

    For observers: the upgrade stands still meanwhile.
    """

    async def act():
        async with client_for(replica, identity) as client:
            await deed(client)

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(lambda: asyncio.run(act())).result()


def when(step, deed):
    """An observer that does ``deed`` the first time that ``step`` has ended."""
    is_done = []

    def watch(event):
        if isinstance(event, StepFinished) and event.step == step and not is_done:
            is_done.append(True)
            deed()

    return watch


class QuickClock:
    """A ``Clock`` with which one waits a fiftieth of what was said."""

    def now_ns(self):
        return system_clock().now_ns()

    def monotonic_ns(self):
        return system_clock().monotonic_ns() * 50

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 50)


def quick(world):
    """The same, waiting less."""
    return replace(world, workspace=replace(world.workspace, clock=QuickClock()))


def steps_of(report):
    """Names of the steps of a report with their outcome, in order."""
    return [(step.name, step.outcome) for step in report.facts.steps]


def names_of(report, leg=None):
    """Names of the steps, of one leg where that is said."""
    return [step.name for step in report.facts.steps if leg in {None, step.leg}]
