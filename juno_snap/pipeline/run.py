"""Carries out an operation: ask what comes next, write it down, do it, write down what happened.

A first cancellation ends it in order: what was sent is awaited, the module is started, nothing else
is begun. A second one leaves; what is left to do stands in the journal.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias, assert_never, final

from juno_snap.errors import JunoSnapError
from juno_snap.events import Waiting
from juno_snap.pipeline.actions import GOOD, ChainView, Do, Finish, Settle, Wait, Wish
from juno_snap.pipeline.deeds import Deeds
from juno_snap.pipeline.hooks.model import HookContext, HookPoint
from juno_snap.pipeline.journal.records import Leg, StepRecord, StepState
from juno_snap.pipeline.log import OperationLog
from juno_snap.pipeline.next_action import HOOK_FAILED, VETOED, is_temporary, next_action
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.progress import CANCELLED, SENT_ONCE, Progress, open_call
from juno_snap.pipeline.report import Evidence
from juno_snap.pipeline.sending import Materials, error_evidence
from juno_snap.pipeline.settle import Settling
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import NS_PER_SECOND

Work: TypeAlias = Coroutine[Any, Any, None]

HOOKS_AROUND: Final[Mapping[str, tuple[HookPoint, HookPoint]]] = {
    "stop": ("before-stop", "after-stop"),
    "snapshot": ("before-snapshot", "after-snapshot"),
    "install": ("before-install", "after-install"),
    "start": ("before-start", "after-start"),
}

TICK_SECONDS: Final = 1.0
"""How often a wait says how much of it is left."""


@final
class Run:
    """One operation while it is carried out by this process."""

    def __init__(
        self,
        workspace: Workspace,
        operation: str,
        program: Program,
        log: OperationLog,
        materials: Materials,
    ) -> None:
        self._workspace = workspace
        self._operation = operation
        self._program = program
        self._log = log
        self._clock = workspace.clock
        self._deeds = Deeds(workspace, operation, program, log, materials, observer=log.observer)
        self._settling = Settling(
            workspace.client,
            program,
            log,
            self._deeds,
            clock=workspace.clock,
            observer=log.observer,
        )
        self._wish: Wish = "forward"
        self._is_interrupted = False
        self._under_way: dict[int, asyncio.Task[None]] = {}
        """Steps that go on while the start is sent, by number of their record."""

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(program=self._program, records=self._log.records)

    async def carry_out(self, *, wish: Wish = "forward", chain: ChainView | None = None) -> Finish:
        """Go on until nothing is left to do; ``chain`` where an earlier run is gone on with.

        Raises:
            asyncio.CancelledError: Cancelled for the second time.
        """
        self._wish = wish
        if chain is not None:
            await self._attend(self._settling.settle_leftovers())
        if wish == "forward" and self._is_at_the_beginning:
            await self._attend(self._run_first_hooks())
        while True:
            action = next_action(self._program, self._log.records, chain, wish=self._wish)
            if not isinstance(action, Settle):
                chain = None
            match action:
                case Finish():
                    return self._as_it_ended(action)
                case Do(step=step, leg=leg):
                    await self._attend(self._do(step, leg), step=step)
                case Settle(record=record):
                    await self._settle(record)
                case Wait(seconds=seconds, reason=reason, leg=leg):
                    await self._attend(self._wait(seconds, reason, leg))
                case _:
                    assert_never(action)
            if self._log.broken is not None:
                self._wish = "halt"

    @property
    def _is_at_the_beginning(self) -> bool:
        """Whether nothing was begun yet, not even the first hooks."""
        return all(record.name in {"observe", "resume"} for record in self._log.records)

    def _as_it_ended(self, finish: Finish) -> Finish:
        """A run that its journal has ended was not cancelled: it failed, and can be resumed."""
        if self._log.broken is None:
            return finish
        outcome = finish.outcome
        if outcome == "interrupted" and not self._is_interrupted:
            outcome = "failed"
        return replace(finish, outcome=outcome, closes=False)

    async def _attend(self, work: Work, *, step: str = "") -> None:
        """Await ``work``; a first cancellation leaves it under way, or ends it if it sent nothing.

        Raises:
            asyncio.CancelledError: The second cancellation.
        """
        count = len(self._log.records)
        task = asyncio.ensure_future(work)
        if not await self._awaited(task):
            begun = self._log.records[count:]
            sent = [r for r in begun if r.name in SENT_ONCE and open_call(r) is not None]
            if sent and step in SENT_ONCE:
                self._under_way[sent[-1].number] = task
                return
            task.cancel()
            await asyncio.wait((task,))
            self._close_cancelled(count)
            return
        task.result()

    async def _awaited(self, task: asyncio.Task[None]) -> bool:
        """Whether ``task`` has ended; false at the first cancellation."""
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if self._is_interrupted:
                await self._leave(task)
                raise
            self._is_interrupted = True
            self._wish = "halt"
            return task.done()
        return True

    async def _leave(self, task: asyncio.Task[None]) -> None:
        """Let go of everything that is under way: the journal has what is needed to go on."""
        tasks = [task, *self._under_way.values(), *self._deeds.stops_under_way()]
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)

    def _close_cancelled(self, count: int) -> None:
        for record in self._log.records[count:]:
            if record.state == "begun":
                evidence = {**record.evidence, "error": CANCELLED, "message": "not awaited"}
                self._log.end(record.number, "failed", evidence)

    async def _do(self, step: str, leg: Leg) -> None:
        """One step with its hooks; whatever goes wrong is written down, and nothing is raised."""
        before, after = HOOKS_AROUND.get(step, (None, None)) if leg == "forward" else (None, None)
        obstacle = None if before is None else await self._run_hooks(before, leg)
        if obstacle is not None and step != "start":
            code = VETOED if obstacle.evidence.get("vetoed") else HOOK_FAILED
            message = str(obstacle.evidence.get("message", "a hook failed"))
            self._fail(step, leg, {"error": code, "message": message})
            return
        count = len(self._log.records)
        work = asyncio.ensure_future(self._deeds.do(step, leg))
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait((work,))
            raise
        error = work.exception()
        if error is not None:
            # Also an error of ours must not keep the module down: it is the step's.
            self._conclude(count, step, leg, error)
        if after is not None:
            await self._run_hooks(after, leg)

    def _conclude(self, count: int, step: str, leg: Leg, error: BaseException) -> None:
        """Be sure that a step that raised has an end on record."""
        begun = [r for r in self._log.records[count:] if r.name == step]
        if not begun:
            self._fail(step, leg, error_evidence(error))
        elif begun[-1].state == "begun":
            is_open = open_call(begun[-1]) is not None
            state: StepState = "unknown" if is_open else "failed"
            self._log.end(begun[-1].number, state, error_evidence(error))

    def _fail(self, step: str, leg: Leg, evidence: Evidence) -> None:
        """Write down a step that was not begun because of what was found before it."""
        try:
            record = self._log.begin(step, leg)
        except JunoSnapError:
            record = self._log.records[-1]
        self._log.end(record.number, "failed", evidence)

    async def _settle(self, record: StepRecord) -> None:
        task = self._under_way.pop(record.number, None) or self._deeds.stop_under_way(record)
        if task is None:
            is_old = record.number < self.progress.taken_up
            await self._attend(self._settling.settle(record, is_old=is_old))
            return
        if not await self._awaited(task):
            self._under_way[record.number] = task

    async def _wait(self, seconds: float, reason: str, leg: Leg) -> None:
        record = self._log.begin("wait", leg)
        end_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_SECOND)
        left = seconds
        while left > 0:
            self._log.observer(Waiting(reason=reason, remaining_seconds=left))
            await self._clock.sleep(min(TICK_SECONDS, left))
            left = (end_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
        self._log.end(record.number, "done", {"reason": reason, "seconds": seconds})

    async def run_last_hooks(self, finish: Finish) -> None:
        """The hooks that are told how it ended; their failure changes nothing of it.

        None where it was cancelled: whoever did that is about to end this process.
        """
        if finish.outcome == "interrupted":
            return
        points: list[HookPoint] = ["after-upgrade"]
        if finish.outcome == "rolled-back":
            points.append("on-rollback")
        elif finish.outcome not in {"upgraded", "restored", "taken"}:
            points.append("on-failure")
        for point in points:
            await self._run_hooks(point, self.progress.leg, outcome=finish.outcome)

    async def _run_first_hooks(self) -> None:
        await self._run_hooks("before-upgrade", "forward")

    async def _run_hooks(
        self, point: HookPoint, leg: Leg, *, outcome: str | None = None
    ) -> StepRecord | None:
        """Run and write down the hooks at ``point``; the first that failed, if one did."""
        hooks = self._workspace.hooks
        is_cut_short = self._wish == "halt" and outcome is None
        if self._program.kind != "upgrade" or is_cut_short or not hooks.at(point):
            return None
        failed = None
        for result in await hooks.run(point, self._context(point, outcome)):
            record = self._log.begin("hook", leg)
            state: StepState = "done" if result.outcome == "done" else "failed"
            evidence = {**result.evidence(), "vetoed": result.outcome == "vetoed"}
            ended = self._log.end(record.number, state, evidence)
            if state == "failed" and failed is None:
                failed = ended
        return failed

    def _first_failure(self) -> StepRecord | None:
        """The first step that failed; of those that may yet pass only where no other did."""
        failed = [r for r in self._log.records if r.state in {"failed", "unknown"}]
        return next((r for r in failed if not is_temporary(r)), failed[0] if failed else None)

    def _context(self, point: HookPoint, outcome: str | None) -> HookContext:
        last = next((r for r in reversed(self._log.records) if r.name != "hook"), None)
        failed = None if outcome in GOOD else self._first_failure()
        change = self._program.change
        is_after = point.startswith(("after-", "on-"))
        snapshots = self.progress.snapshots
        return HookContext(
            operation=self._operation,
            kind=self._program.kind,
            network=self._workspace.network,
            root_key=self._workspace.root_key,
            state=self._workspace.state,
            rehearsal=self._workspace.is_rehearsal,
            module=self._program.module,
            point=point,
            step_outcome=outcome or (last.state if last and is_after else None),
            old_hash=self._program.before.module_hash,
            new_hash=change.wasm_sha256 if isinstance(change, InstallChange) else None,
            snapshot=snapshots[0] if snapshots else None,
            error_code=str(failed.evidence.get("error", "")) if failed else "",
            error_message=str(failed.evidence.get("message", "")) if failed else "",
        )
