"""Runs a flow: step after step, message after message, from where the last run has left it.

Only one run of a flow is live on a state directory. What a step is about to do is written before,
what came of it after; a process that dies in between leaves a unit that was begun, and the next run
calls the step for it again, with the step snapshot as it was written last.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, final

from juno_snap.clock import Clock
from juno_snap.errors import FlowError, InputError, JunoSnapError
from juno_snap.events import Observer, StepFinished, StepOutcome, StepStarted, ignore_events
from juno_snap.flow.beginning import NewRun
from juno_snap.flow.calling import is_cancelled
from juno_snap.flow.config import resolve_secrets
from juno_snap.flow.context import OUTPUT
from juno_snap.flow.flow import Flow, Step
from juno_snap.flow.model import RunRecord, RunState, decode, encode_data
from juno_snap.flow.space import FlowSpace, this_process
from juno_snap.flow.work import OpenUnits, Scene, UnitWork
from juno_snap.pipeline.report import operation_id
from juno_snap.units import NS_PER_MS
from juno_snap.waits import Entropy

STOP_LOOK_SECONDS: Final = 0.25
"""How often a run looks whether it was asked to stop."""

OUTPUTS_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run begins."""

    message: object = None
    """What the first step gets; none: an empty object, or what it had before."""
    is_anew: bool = False
    """Begin a new run, where the last one is unfinished."""
    is_again: bool = False
    """Go on where the last run has failed as often as it may."""
    drops: bool = False
    """Forget what steps hold that are gone."""
    stop_grace_seconds: float = 5.0
    """What a plain step has to come to its next emit when it is stopped; then it is left behind."""
    source: str = ""
    """Where the flow was read from, for ``flow resume``."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """Where the secrets are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What came of a run."""

    run: RunRecord
    state: Literal["done", "stopped"]
    goes_on: bool
    """It took up a run that had been stopped or killed."""
    duration_ms: int
    writes: int
    """Transactions for step snapshots."""
    outputs: tuple[object, ...]
    """What the last step has emitted as data, the first hundred."""


async def run_flow(
    flow: Flow,
    space: FlowSpace,
    options: RunOptions | None = None,
    *,
    observer: Observer = ignore_events,
    entropy: Entropy = os.urandom,
) -> RunReport:
    """Run ``flow`` to its end, or go on with the run that was stopped or killed.

    On cancellation what was emitted is written, the run is ``stopped``, and it goes on another day.

    Raises:
        LockedError: The flow runs already.
        ConfigError: A secret's variable is not set; nothing was begun.
        InputError: The flow has no step, or the message is no JSON.
        PreconditionError: The last run needs attention, or a step that holds something is gone.
        FlowError: A step has failed as often as it may.
    """
    options = options or RunOptions()
    if not flow.steps:
        raise InputError(f"flow {flow.name!r} has no steps", value=flow.name)
    secrets = {
        step.id: resolve_secrets(step.id, step.secrets, options.environment) for step in flow.steps
    }
    began_ns = space.clock.monotonic_ns()
    async with space.lock_patiently(flow.name):
        with space.open() as store:
            claim, goes_on = store.begin(_new_run(flow, options, space.clock))
            scene = Scene(
                store=store,
                claim=claim,
                secrets=secrets,
                clock=space.clock,
                observer=observer,
                entropy=entropy,
                stop_grace_seconds=options.stop_grace_seconds,
            )
            state = await _Run(flow, scene).work()
            (record,) = store.runs(flow.name)
            outputs = store.units(claim.run, OUTPUT, limit=OUTPUTS_SHOWN)
            return RunReport(
                run=record,
                state=state,
                goes_on=goes_on,
                duration_ms=(space.clock.monotonic_ns() - began_ns) // NS_PER_MS,
                writes=scene.emitter.writes,
                outputs=tuple(decode(unit.message) for unit in outputs),
            )


def _new_run(flow: Flow, options: RunOptions, clock: Clock) -> NewRun:
    now_ns = clock.now_ns()
    return NewRun(
        flow=flow.name,
        steps=[step.id for step in flow.steps],
        source=options.source,
        owner=this_process(),
        run=f"{flow.name}-{operation_id(now_ns)}",
        at_ns=now_ns,
        message=None if options.message is None else encode_data(options.message),
        is_anew=options.is_anew,
        is_again=options.is_again,
        drops=options.drops,
    )


@final
class _Run:
    """One live run, from its claim to its end."""

    def __init__(self, flow: Flow, scene: Scene) -> None:
        self._flow = flow
        self._scene = scene
        self._is_asked = False

    async def work(self) -> Literal["done", "stopped"]:
        """All steps; ``stopped`` where somebody asked for it."""
        task = asyncio.current_task()
        watch = asyncio.ensure_future(self._watch(task))
        try:
            await self._work_steps()
            self._finish("done")
        except asyncio.CancelledError:
            self._end_early("stopped")
            if self._is_asked and task is not None and task.uncancel() == 0:
                return "stopped"
            raise
        except FlowError as error:
            self._end_early("needs-attention", error.message)
            raise
        finally:
            watch.cancel()
            self._scene.emitter.close()
        return "done"

    def _finish(self, state: RunState, error: str | None = None) -> None:
        scene = self._scene
        scene.store.finish(scene.claim, state, at_ns=scene.clock.now_ns(), error=error)

    def _end_early(self, state: RunState, error: str | None = None) -> None:
        """Write what was emitted, and why it ends; who has taken over writes its own."""
        self._scene.emitter.close()
        with contextlib.suppress(JunoSnapError):
            self._finish(state, error)

    async def _watch(self, work: "asyncio.Task[object] | None") -> None:
        """Cancel ``work`` when somebody asks for it."""
        scene, is_asked = self._scene, False
        while not is_asked:
            await scene.clock.sleep(STOP_LOOK_SECONDS)
            with contextlib.suppress(JunoSnapError):  # it looks again
                is_asked = scene.store.is_asked_to_stop(scene.claim)
        if work is not None:
            self._is_asked = True
            work.cancel()

    async def _work_steps(self) -> None:
        scene = self._scene
        following = [*(step.id for step in self._flow.steps[1:]), OUTPUT]
        for step, next_step in zip(self._flow.steps, following, strict=True):
            queue = OpenUnits(scene.store, scene.claim.run, step.id)
            if queue.is_empty:
                continue
            began_ns = scene.clock.monotonic_ns()
            scene.observer(StepStarted(step=step.id))
            outcome: StepOutcome = "failed"
            try:
                await self._work_step(step, next_step, queue)
                outcome = "done"
            except asyncio.CancelledError:
                outcome = "unknown"
                raise
            finally:
                spent_ms = (scene.clock.monotonic_ns() - began_ns) // NS_PER_MS
                detail = f"{queue.taken} messages" if queue.taken > 1 else ""
                scene.observer(
                    StepFinished(step=step.id, outcome=outcome, duration_ms=spent_ms, detail=detail)
                )

    async def _work_step(self, step: Step, next_step: str, queue: OpenUnits) -> None:
        """Work on the messages of a step, as many at once as it allows; the first error ends it."""
        scene = self._scene
        scene.emitter.open_step(step.id, scene.store.snapshot(self._flow.name, step.id))

        async def work() -> None:
            # A step may keep for itself that it was cancelled: no further message all the same.
            while not is_cancelled() and (unit := queue.take()) is not None:
                await UnitWork(scene, step, next_step, unit).do()

        workers = [asyncio.ensure_future(work()) for _ in range(step.concurrency)]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
        errors = [each.exception() for each in workers if not each.cancelled()]
        for error in errors:
            if error is not None:
                raise error
