"""The rehearsal of an upgrade: the very same pipeline, on a copy inside this process.

The copy runs on a local replica that keeps nothing, under the module's canister id, with its
controllers and with calls by the one who upgrades it; those calls do not leave this machine. Hooks
run only if they are marked for it, and are told that it is a rehearsal and where the copy is.
Checks by commands are not run: nobody has said that they ask the copy. A bad check does not bring
the copy back, so that its memory can be looked at. The one module of the pipeline that knows the
local replica.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import verify_backup
from juno_snap.clock import Clock, system_clock
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.management.candid_call import INTERFACE_METADATA, interface_differences
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterStatus
from juno_snap.pipeline.checks.model import CheckResult
from juno_snap.pipeline.copying import Original, make_copy
from juno_snap.pipeline.hooks.run import NO_HOOKS, Hooks
from juno_snap.pipeline.new_code import metadata_of, methods_given_up
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.policy import FreeSlot, NoSnapshot
from juno_snap.pipeline.progress import NOT_EVALUATED
from juno_snap.pipeline.rehearsal import CandidVerdict, RehearsalReport
from juno_snap.pipeline.report import (
    Evidence,
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
    StepReport,
    UpgradeReport,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import PreparedUpgrade, planned_anew, prepare_upgrade, run_upgrade
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.background import RunningReplica
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.units import INSTALL_INSTRUCTIONS_MAX, NS_PER_MS

NOT_RUN: Final = "a command is not run in a rehearsal: it may ask the network in place of the copy"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the copy runs."""

    hooks: Hooks = NO_HOOKS
    """All that are configured; only those marked for rehearsals run."""
    instructions_limit: int = INSTALL_INSTRUCTIONS_MAX
    compiled: Path | None = None
    """Where compiled modules are kept for the next time; whoever can write there can run code."""
    clock: Clock = field(default_factory=system_clock)


async def rehearse(
    original: Original,
    directory: Path,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    stage: Stage | None = None,
    observer: Observer = ignore_events,
) -> RehearsalReport:
    """Carry out ``request`` on a copy of ``original``, whose state is the backup in ``directory``.

    Whatever the new code does is a report, not an error.

    Raises:
        NotFoundError: There is no such directory.
        BackupError: It is no sound backup.
        PreconditionError: The copy cannot be loaded; says why.
        ConfigError: A hook that cannot be loaded.
    """
    stage = stage or Stage()
    began_ns = stage.clock.monotonic_ns()
    backup = await asyncio.to_thread(_sound, directory, observer)
    spent: dict[Principal, int] = {}
    options = ReplicaOptions(
        compile_cache=stage.compiled,
        install_instructions=stage.instructions_limit,
        takes_any_specified_id=True,
        on_installation=spent.__setitem__,
    )
    async with _copy_of(original, backup, options, observer=observer) as client:
        performance = await _perform(client, original.module, request, wasm, stage, observer)
    duration_ms = (stage.clock.monotonic_ns() - began_ns) // NS_PER_MS
    return performance.report(spent.get(original.module), stage.instructions_limit, duration_ms)


def _sound(directory: Path, observer: Observer) -> Backup:
    verified = verify_backup(directory, observer=observer)
    verified.require_sound()
    return verified.backup


@contextlib.asynccontextmanager
async def _copy_of(
    original: Original, backup: Backup, options: ReplicaOptions, *, observer: Observer
) -> AsyncIterator[ManagementClient]:
    """A client of a replica where the copy runs."""
    async with _running(options) as replica:
        reached = AgentOptions(url=replica.url, root_key=replica.root_key)
        async with await open_agent(reached, original.caller) as agent:
            client = ManagementClient(agent)
            await make_copy(client, original, backup, observer=observer)
            yield client


@contextlib.asynccontextmanager
async def _running(options: ReplicaOptions) -> AsyncIterator[RunningReplica]:
    """A replica; its start and its end, which wait for threads, do not hold this one up."""
    stack = contextlib.ExitStack()
    try:
        yield await asyncio.to_thread(stack.enter_context, run_replica(options))
    finally:
        await asyncio.to_thread(stack.close)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Performance:
    """How the upgrade of the copy went."""

    prepared: PreparedUpgrade
    ran: UpgradeReport | None
    """None: its plan is refused whatever is said."""
    problem: str
    """Why it did not go well; empty where it did."""
    unasked: tuple[CheckResult, ...]
    after: CanisterStatus

    def report(
        self, instructions: int | None, instructions_limit: int, duration_ms: int
    ) -> RehearsalReport:
        refusals, ran = self.prepared.plan.outline.refusals, self.ran
        reason = refusals[0].text if refusals else self.problem
        faults = () if ran is None else ran.facts.errors
        return RehearsalReport(
            module=self.prepared.seen.module,
            passed=not reason,
            reason=reason,
            old_hash=self.prepared.plan.old_hash,
            new_hash=self.prepared.plan.new_hash,
            steps=self._steps,
            trap=next((fault.message for fault in faults if fault.step == "install"), None),
            instructions_estimate=instructions,
            instructions_limit=instructions_limit,
            memory_before_bytes=_memory_bytes(self.prepared.seen.status),
            memory_after_bytes=_memory_bytes(self.after),
            checks=self._checks,
            candid=_candid_verdict(self.prepared.seen, self.prepared.wasm),
            refusals=refusals,
            warnings=(*self._warnings, *_above_half(instructions, instructions_limit)),
            duration_ms=duration_ms,
        )

    @property
    def _steps(self) -> tuple[StepReport, ...]:
        return (self.prepared.observed,) if self.ran is None else self.ran.facts.steps

    @property
    def _checks(self) -> tuple[Evidence, ...]:
        made = () if self.ran is None else self.ran.checks
        return (*made, *(check.to_json() for check in self.unasked))

    @property
    def _warnings(self) -> tuple[str, ...]:
        # What concerns the snapshots and cycles of the copy says nothing of the module's.
        told = [each for each in self.prepared.plan.outline.warnings if each.code in ABOUT_CODE]
        ran = () if self.ran is None else self.ran.facts.warnings
        return (*(remark.text for remark in told), *ran)


ABOUT_CODE: Final = frozenset(
    {
        "candid-unchecked",
        "candid-lossy",
        "stable-types-differ",
        "data-wiped",
        "heap-replaced",
        "pre-upgrade-skipped",
    }
)
"""Remarks of a plan that hold for the module as for its copy."""


async def _perform(
    client: ManagementClient,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    stage: Stage,
    observer: Observer,
) -> _Performance:
    asked = tuple(check for check in request.checks if check.kind != "command")
    unasked = [check for check in request.checks if check.kind == "command"]
    snapshots = request.snapshots if isinstance(request.snapshots, NoSnapshot) else FreeSlot()
    adapted = replace(request, checks=asked, snapshots=snapshots, goes_back=False)
    marked = [spec for spec in stage.hooks.specs if spec.for_rehearsal]
    workspace = replace(
        Workspace.in_memory(client, clock=stage.clock), hooks=Hooks(marked), is_rehearsal=True
    )
    with contextlib.closing(workspace.journal):
        prepared = await prepare_upgrade(workspace, module, adapted, wasm, observer=observer)
        ran, problem = await _run(workspace, prepared, observer)
    return _Performance(
        prepared=prepared,
        ran=ran,
        problem=problem,
        unasked=tuple(CheckResult(name=each.text, ok=None, detail=NOT_RUN) for each in unasked),
        after=await client.canister_status(module),
    )


async def _run(
    workspace: Workspace, prepared: PreparedUpgrade, observer: Observer
) -> tuple[UpgradeReport | None, str]:
    """What came of it, and what is wrong with that.

    Where a person may force what the plan refuses, it is run to see what would come of it.
    """
    if prepared.plan.outline.refusals:
        prepared = planned_anew(workspace, prepared, replace(prepared.request, force=True))
        if prepared.plan.outline.refusals:
            return None, ""
    try:
        return await run_upgrade(workspace, prepared, observer=observer), ""
    except (OperationFailedError, OperationRefusedError, OperationUnknownError) as error:
        report = error.report
        if not isinstance(report, UpgradeReport):
            raise
        return report, "" if _is_only_unjudged(report) else _why(report) or error.message


def _is_only_unjudged(report: UpgradeReport) -> bool:
    """Whether nothing failed, but not every check could be evaluated."""
    faults = [fault for fault in report.facts.errors if fault.step != "hook"]
    return bool(faults) and all(fault.code == NOT_EVALUATED for fault in faults)


def _why(report: UpgradeReport) -> str:
    fault = next((fault for fault in report.facts.errors if fault.code != NOT_EVALUATED), None)
    return "" if fault is None else f"step {fault.step}: {fault.message}"


def _memory_bytes(status: CanisterStatus) -> int:
    return status.memory_metrics.wasm_memory_bytes + status.memory_metrics.stable_memory_bytes


def _candid_verdict(seen: Observation, wasm: WasmFile) -> CandidVerdict:
    new = metadata_of(wasm, INTERFACE_METADATA)
    if seen.interface is None or new is None:
        return CandidVerdict(compatible=None)
    differences = interface_differences(new, seen.interface, given_up=methods_given_up(wasm))
    if differences is None:
        return CandidVerdict(compatible=None)
    breaking = tuple(map(str, differences.breaking))
    return CandidVerdict(compatible=not breaking, breaking=breaking)


def _above_half(instructions: int | None, limit: int) -> tuple[str, ...]:
    if instructions is None or instructions * 2 <= limit:
        return ()
    share = 100 * instructions // limit
    text = f"the upgrade uses about {instructions} instructions, {share} % of what is allowed"
    return (text,)
