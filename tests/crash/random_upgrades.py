"""Upgrades by chance on a network where much goes wrong by chance, in this process.

A few modules live on one replica. In each round every one of them is upgraded while the replica has
other faults and some of the operations are broken off; then the faults end, and ``resume`` has to
bring everything to its end. Time passes quicker than usual, so that calls expire soon.
"""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.retry import RetryPolicy
from juno_snap.errors import JunoSnapError, NotFoundError
from juno_snap.events import StepStarted
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.policy import FreeSlot, KeepNewest, NoOverwrite
from juno_snap.pipeline.report import rfc3339
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.faults import FLAWS, parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.chance import Chance
from tests.integration.management_world import OWNER, with_section
from tests.integration.pipeline_world import V2, document, install_with_document, set_document

TIMES_QUICKER = 20
MODULES = 10
RESUMES_MAX = 3
METHODS = ("stop_canister", "take_canister_snapshot", "install_code", "start_canister")
RETRY = RetryPolicy(first_wait_seconds=0.05, longest_wait_seconds=1)
POLL = PollPolicy(first_wait_seconds=0.05, longest_wait_seconds=0.5)


class QuickClock:
    """Time that passes quicker than it does, the same for all who have this clock."""

    def __init__(self):
        self._wall_ns, self._began_ns = time.time_ns(), time.monotonic_ns()

    def now_ns(self):
        return self._wall_ns + self.monotonic_ns()

    def monotonic_ns(self):
        return (time.monotonic_ns() - self._began_ns) * TIMES_QUICKER

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / TIMES_QUICKER)


def random_fault(chance):
    """One fault as it is said to the replica; each of them ends by itself."""
    times, skip = 1 + chance.below(3), 1 + chance.below(30)
    place = chance.choose(("call", "query", "read_state", "*"))
    step = f"call:{chance.choose(METHODS)}"
    late = chance.choose(("1s", "20s", "100s", "200s"))
    return chance.choose(
        (
            f"http={chance.choose((429, 500, 503))}x{times}+{skip}@{place}",
            f"http-after=502x{times}+{skip}@{place}",
            f"drop-before={times}+{skip}@{place}",
            f"drop-after={times}+{skip}@{place}",
            f"delay={chance.below(4000)}msx{times}+{skip}@{place}",
            f"old-state=30sx{times}+{skip}@read_state",
            f"late={late}x{times}@{step}",
            f"accept-foreverx{times}@{step}",
            f"refuse=IC0207x{times}@{step}",
            f"reject={chance.choose(('IC0209', 'IC0210', 'IC0504'))}x{times}@{step}",
            f"certificate={chance.choose(FLAWS)}x1@{step}",
        )
    )


@dataclass
class Patient:
    """A module, and what has to be true of it."""

    id: Principal
    hash: bytes = b""
    operation: str = ""
    """The latest that was looked at."""
    documents: dict = field(default_factory=lambda: {"greeting": "hello"})


@dataclass
class Interruption:
    """Cancels an operation a moment after one of its steps has begun; with two signals twice."""

    step: int
    signals: int
    pause_seconds: float
    begun: int = 0
    task: asyncio.Task | None = None

    async def hit(self, work):
        """The result of ``work``, if it gets that far."""
        self.task = asyncio.ensure_future(work)
        return await self.task

    def observe(self, event):
        self.begun += isinstance(event, StepStarted)
        if self.begun == self.step:
            for number in range(self.signals):
                pause = self.pause_seconds * (1 + number)
                asyncio.get_running_loop().call_later(pause, self.task.cancel)
            self.signals = 0


@dataclass
class Campaign:
    """All modules, and whoever cares for them. ``chance`` decides all."""

    folder: Path
    chance: Chance
    clock: QuickClock = field(default_factory=QuickClock)
    patients: list = field(default_factory=list)
    outcomes: Counter = field(default_factory=Counter)
    """How the operations ended, in words of the history."""
    failures: list = field(default_factory=list)
    """What is not as it should be, and how to see it again."""
    faults: tuple = ()
    upgrades: int = 0

    async def run(self, upgrades):
        """As many upgrades as that."""
        with Journal.open(self.folder / "state") as self.journal:
            async with self.workspace():
                await self.make_modules()
            while self.upgrades < upgrades:
                await self.one_round(min(MODULES, upgrades - self.upgrades))

    @contextlib.asynccontextmanager
    async def workspace(self, *faults):
        """The replica with these faults, and what an operation on it needs."""
        options = ReplicaOptions(
            directory=self.folder / "replica",
            faults=tuple(map(parse_fault, faults)),
            request_log=self.folder / "requests.jsonl",
            seed="random upgrades",
        )
        with run_replica(options, clock=self.clock) as running:
            chosen = AgentOptions(
                url=running.url, root_key=running.root_key, retry=RETRY, poll=POLL
            )
            async with await open_agent(chosen, OWNER, clock=self.clock) as agent:
                self.client = ManagementClient(agent)
                yield Workspace(
                    client=self.client,
                    opens=lambda: self.journal,
                    state=self.folder / "state",
                    network=running.url,
                    clock=self.clock,
                )

    async def make_modules(self):
        for _ in range(MODULES):
            patient = Patient(await install_with_document(self.client))
            patient.hash = (await self.client.canister_info(patient.id)).module_hash
            self.patients.append(patient)

    async def one_round(self, count):
        """Upgrade that many modules under new faults, then let the faults end and look."""
        self.faults = tuple(random_fault(self.chance) for _ in range(2 + self.chance.below(8)))
        self.upgrades += count
        chances = [Chance(self.chance.below(1 << 60)) for _ in range(count)]
        pairs = list(zip(self.patients, chances, strict=False))
        async with self.workspace(*self.faults) as workspace:
            wanted = await asyncio.gather(*(self.upgrade(workspace, *pair) for pair in pairs))
        async with self.workspace() as workspace:
            for patient, wasm in zip(self.patients, wanted, strict=False):
                try:
                    await self.bring_to_end(workspace, patient)
                    await self.check(patient, wasm)
                except AssertionError as error:
                    self.failures.append(str(error))
                await self.go_on(patient)

    async def upgrade(self, workspace, patient, chance):
        """One upgrade, broken off by chance; the Wasm that it was to install."""
        wasm = check_wasm(with_section(V2, "draw", chance.draw_bytes(32)), name="new.wasm")
        policy = chance.choose((FreeSlot(), FreeSlot(), KeepNewest(count=2), NoOverwrite()))
        answer = chance.choose(("0.2.0", "0.2.0", "0.2.0", "none"))
        request = UpgradeRequest(
            snapshots=policy, checks=(parse_check(f'version() == "{answer}"'),)
        )
        interruption = Interruption(
            step=1 + chance.below(8),
            signals=chance.choose((0, 0, 1, 2)),
            pause_seconds=chance.below(40) / 1000,
        )
        with contextlib.suppress(JunoSnapError, asyncio.CancelledError):
            await interruption.hit(
                upgrade(workspace, patient.id, request, wasm, observer=interruption.observe)
            )
        if chance.below(2):
            with contextlib.suppress(JunoSnapError):
                await resume(workspace, operation=None, module=patient.id, direction=None)
        return wasm.sha256

    async def bring_to_end(self, workspace, patient):
        """``resume`` until nothing is left to do."""
        for _ in range(RESUMES_MAX):
            try:
                await resume(workspace, operation=None, module=patient.id, direction=None)
            except NotFoundError:
                return
            except JunoSnapError as error:
                self.outcomes[f"resume: {error.code}"] += 1
        left = self.journal.unfinished(workspace.root_key, patient.id)
        if left:
            with contextlib.suppress(JunoSnapError):
                await resume(workspace, operation=left[0].begun.id, direction="abandon")
        assert not left, self.tell(patient, left[0])

    async def check(self, patient, new_hash):
        """It runs, with the code that the history says and all its data."""
        root_key = self.client.agent.root_key
        latest = self.journal.history(root_key=root_key, module=patient.id, limit=1)
        is_new = bool(latest) and latest[0].begun.id != patient.operation
        outcome = latest[0].outcome if is_new else "not begun"
        self.outcomes[outcome] += 1
        status = await self.client.canister_status(patient.id)
        told = self.tell(patient, *latest)
        assert status.status == "running", f"it is {status.status}: {told}"
        allowed = {"upgraded": {new_hash}, "failed": {patient.hash, new_hash}}
        assert status.module_hash in allowed.get(outcome, {patient.hash}), f"wrong code: {told}"
        assert outcome != "unknown", told
        for key, value in patient.documents.items():
            assert await document(self.client, patient.id, key) == value, f"{key} is lost: {told}"

    async def go_on(self, patient):
        """Whatever was found: the next round begins with what is there, and a document more."""
        root_key = self.client.agent.root_key
        for latest in self.journal.history(root_key=root_key, module=patient.id, limit=1):
            patient.operation = latest.begun.id
        await self.client.start_canister(patient.id)
        patient.hash = (await self.client.canister_info(patient.id)).module_hash
        key = f"round {self.upgrades}"
        await set_document(self.client, patient.id, key, key)
        patient.documents[key] = key
        await self.forget_safety_snapshots(patient)

    async def forget_safety_snapshots(self, patient):
        """As a person does from time to time; nobody else may."""
        notes = self.journal.notes(self.client.agent.root_key, patient.id)
        for snapshot in await self.client.list_canister_snapshots(patient.id):
            note = notes.get(snapshot.id)
            if note is None or note.purpose == "safety":
                await self.client.delete_canister_snapshot(patient.id, snapshot.id)

    def tell(self, patient, operation=None):
        """How to see it again."""
        lines = [f"module {patient.id}, after {self.upgrades} upgrades, faults {self.faults}"]
        if operation is not None:
            lines.append(f"{operation.begun.id}: {operation.outcome}")
            lines += [
                f"  {step.number} {step.leg} {step.name}: {step.state} {dict(step.evidence)}"
                f" at {rfc3339(step.began_at_ns)}, calls {[call.state for call in step.calls]}"
                for step in operation.steps
            ]
        return "\n".join(lines)
