"""Runs a fleet as a flow of two steps: one names the modules, the other works on them, in waves.

The step snapshot of the second step says which wave is at work, since when, and how many failures a
person has seen and gone on after. What came of a module is data of the flow. Nothing but counters
is held in memory for the modules that are not under way.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from juno_snap.errors import FlowError, PreconditionError
from juno_snap.events import Event, ItemsDone, Notice, Observer, ignore_events
from juno_snap.flow.beginning import RUNS_KEPT, UNFINISHED
from juno_snap.flow.context import Context
from juno_snap.flow.engine import RunOptions, run_flow
from juno_snap.flow.fleet import Fleet, FleetKind, Member, MemberResult
from juno_snap.flow.fleet_gate import Gate, pause
from juno_snap.flow.fleet_report import WORK, FleetReport, read_report, results_of
from juno_snap.flow.flow import Attempts, Flow, Step
from juno_snap.flow.model import RunRecord
from juno_snap.flow.space import FlowSpace
from juno_snap.flow.store import FlowStore
from juno_snap.units import NS_PER_SECOND

LIST: Final = "list"

AGAIN: Final[Mapping[FleetKind, str]] = {
    "upgrade": "apply FILE --new",
    "backup": "backup FILE --new",
    "rollback": "resume FILE --roll-back-wave --new",
}
"""The command that begins anew."""

LIVES_MOST: Final = 100
"""How often a module may have been under way when the process ended. Not one of them is to blame:
many are under way at once."""

MemberWork: TypeAlias = Callable[[Member, RunRecord, Observer], Awaitable[MemberResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """How a run of a fleet begins."""

    is_anew: bool = False
    """Leave an unfinished run behind."""
    is_again: bool = False
    """Go on after too many have failed."""


async def run_fleet(
    fleet: Fleet,
    space: FlowSpace,
    work: MemberWork,
    options: FleetOptions | None = None,
    *,
    observer: Observer = ignore_events,
) -> FleetReport:
    """Work on all modules, or go on with the run that was stopped or killed.

    Raises:
        LockedError: The fleet runs already.
        PreconditionError: Its last run is unfinished and was of other modules or other code, or
            has stopped after too many failures.
        FlowError: Something else than a module has failed.
        CancelledError: Cancelled; what was under way has ended in order.
    """
    options = options or FleetOptions()
    run = _FleetRun(fleet, space, work, observer)
    try:
        await run_flow(
            run.flow(),
            space,
            RunOptions(
                message=_message(fleet),
                is_anew=options.is_anew,
                is_again=options.is_again,
            ),
            observer=run.without_steps,
        )
    except PreconditionError as error:
        raise _refusal(fleet, error) from error
    except FlowError:
        if not run.is_stopped:
            raise
    with space.open() as store:
        return read_report(store, space, fleet.name, fleet.kind)


def _message(fleet: Fleet) -> dict[str, object]:
    """What another life of the run has to have, too."""
    latest = {"latest": dict(fleet.latest)} if fleet.latest else {}
    place = {"place": fleet.place} if fleet.place else {}
    return {"fleet": fleet.name, "digest": fleet.digest(), **latest, **place}


def _begun_with(store: FlowStore, run: RunRecord) -> Mapping[str, Any]:
    """The ``_message`` of ``run``."""
    (first,) = store.units(run.id, LIST, limit=1)
    message: Mapping[str, Any] = json.loads(first.message)
    return message


def _unfinished(store: FlowStore, flow: str) -> RunRecord | None:
    """The last run, if another life of it may go on with it."""
    run = next(iter(store.runs(flow)), None)
    return run if run is not None and run.state in UNFINISHED else None


def latest_of(space: FlowSpace, flow: str) -> Mapping[str, str]:
    """What ``latest`` means in the run of a fleet that is unfinished; empty where there is none."""
    if space.is_empty:
        return {}
    with space.open() as store:
        run = _unfinished(store, flow)
        return {} if run is None else _begun_with(store, run).get("latest", {})


def ended_of(space: FlowSpace, fleet: Fleet) -> dict[str, MemberResult]:
    """What came of modules in the unfinished run that ``fleet`` would go on with, by their ids."""
    if space.is_empty:
        return {}
    with space.open() as store:
        run = _unfinished(store, fleet.flow)
        if run is None or _begun_with(store, run).get("digest") != fleet.digest():
            return {}
        return dict(results_of(store, run.id))


def copy_folder(place: str, module: str, run: RunRecord) -> Path:
    """Where the copy of a module lies that a run makes."""
    return Path(place) / module / run.id.removeprefix(f"{run.flow}-")


def left_behind(space: FlowSpace, fleet: Fleet) -> dict[str, list[Path]]:
    """Folders in which runs of a backup have begun a copy and come to no good end, by module."""
    left: dict[str, list[Path]] = {}
    if space.is_empty or not fleet.place:
        return left
    with space.open() as store:
        for run in store.runs(fleet.flow, limit=RUNS_KEPT):
            place = _begun_with(store, run).get("place", fleet.place)
            good = {module for module, result in results_of(store, run.id) if result.is_good}
            for module in {str(member.module) for member in fleet.members} - good:
                folder = copy_folder(place, module, run)
                if folder.is_dir():
                    left.setdefault(module, []).append(folder)
    return left


def _refusal(fleet: Fleet, error: PreconditionError) -> PreconditionError:
    again = AGAIN[fleet.kind]
    match error.code:
        case "run-unfinished":
            return PreconditionError(
                f"the last {fleet.kind} of fleet {fleet.name!r} is unfinished, and the file names "
                "other modules, waves, code, checks or backups by now",
                code="fleet-changed",
                hint="put back what has changed to go on with it, or leave it behind: "
                f"juno-snap fleet {again}",
            )
        case "needs-attention":
            return PreconditionError(
                f"the last {fleet.kind} of fleet {fleet.name!r} has stopped after too many "
                "failures",
                code="fleet-stopped",
                hint="go on with the others: juno-snap fleet resume FILE; or begin anew: "
                f"juno-snap fleet {again}",
            )
        case _:
            return error


@final
class _FleetRun:
    """One live run of a fleet."""

    def __init__(
        self, fleet: Fleet, space: FlowSpace, work: MemberWork, observer: Observer
    ) -> None:
        self._fleet = fleet
        self._space = space
        self._work = work
        self._observer = observer
        self._members = {str(member.module): member for member in fleet.members}
        self._opening = asyncio.Lock()
        self._opened = 0
        self._opened_at_ns = 0
        self._is_marked = False
        self._forgiven = 0
        self._gate: Gate | None = None
        self._run: RunRecord | None = None
        with space.open() as store:
            last = next(iter(store.runs(fleet.flow)), None)
        self._stopped_before = last.id if last and last.state == "needs-attention" else None
        """A run that has stopped because of failures: whoever goes on with it has seen them."""

    @property
    def is_stopped(self) -> bool:
        """Whether it has ended because too many have failed."""
        return self._gate is not None and self._gate.is_stopped

    def flow(self) -> Flow:
        """The fleet as a flow."""
        flow = Flow(self._fleet.flow)
        flow.add(Step(id=LIST, function=self._list, takes_context=True))
        flow.add(
            Step(
                id=WORK,
                function=self._do,
                takes_context=True,
                attempts=Attempts(most=LIVES_MOST),
                concurrency=self._fleet.concurrency,
            )
        )
        return flow

    def without_steps(self, event: Event) -> None:
        """Tell what the flow itself tells of, but for its two steps."""
        if isinstance(event, Notice):
            self._observer(event)

    async def _list(self, _msg: object, _cfg: object, _snapshot: object, ctx: Context) -> None:
        """A message for each module, in the order of the waves."""
        for wave, member in self._fleet.in_waves():
            message = {"wave": wave, "module": str(member.module), "name": member.name}
            ctx.put_data(message, str(member.module))

    async def _do(
        self, msg: dict[str, object], _cfg: object, snapshot: object, ctx: Context
    ) -> None:
        """One module, when its turn has come."""
        member, wave = self._members[str(msg["module"])], int(str(msg["wave"]))
        gate, run = self._begun(ctx, snapshot)
        await gate.reach(wave)
        await self._open(wave, ctx, gate)
        await gate.enter()
        result: MemberResult | None = None
        try:
            result = await self._work(member, run, _labelled(self._observer, member))
        finally:
            await gate.leave(is_good=None if result is None else result.is_good)
        self._tell(member, result, gate)
        await self._mark(ctx, gate, wave)
        document = {"wave": wave, "name": member.name, **result.to_json()}
        ctx.put_data(document, str(member.module))

    def _begun(self, ctx: Context, snapshot: object) -> tuple[Gate, RunRecord]:
        """The gate, counted up to where earlier lives of this run have come."""
        if self._gate is None or self._run is None:
            marker = snapshot if isinstance(snapshot, dict) else {}
            is_ours = marker.get("run") == ctx.run
            with self._space.open() as store:
                (self._run,) = store.runs(self._fleet.flow)
                results = [result.is_good for _, result in results_of(store, ctx.run)]
            failed = results.count(False)
            if self._stopped_before == ctx.run:
                self._forgiven = failed
            elif is_ours:
                self._forgiven = int(marker.get("forgiven", 0))
            self._opened = int(marker.get("wave", 0)) if is_ours else 0
            self._opened_at_ns = int(marker.get("opened_at_ns", 0)) if is_ours else 0
            self._gate = Gate(
                self._fleet.wave_sizes,
                ended=len(results),
                failed=failed - self._forgiven,
                stop_after_failures=self._fleet.stop_after_failures,
            )
        return self._gate, self._run

    async def _open(self, wave: int, ctx: Context, gate: Gate) -> None:
        """Begin a wave, after a pause if it is not the first; goes on with one that was cut."""
        fleet, clock = self._fleet, self._space.clock
        async with self._opening:
            if wave > self._opened:
                self._is_marked = False
                self._opened_at_ns = clock.now_ns()
                self._opened = wave
                count = len(fleet.wave_sizes)
                size = fleet.wave_sizes[wave - 1]
                self._observer(Notice(text=f"wave {wave} of {count}: {size} modules"))
            if not self._is_marked:
                await self._mark(ctx, gate, wave, durable=True)
                self._is_marked = True
            pause_ns = int(fleet.pause_seconds * NS_PER_SECOND) if wave > 1 else 0
            until_ns = self._opened_at_ns + pause_ns
            await pause(until_ns, clock, self._observer, f"before wave {wave}")

    async def _mark(self, ctx: Context, gate: Gate, wave: int, *, durable: bool = False) -> None:
        await ctx.emit(
            "snapshot",
            {
                "run": ctx.run,
                "wave": max(wave, self._opened),
                "opened_at_ns": self._opened_at_ns,
                "ended": gate.ended,
                "failed": gate.failed + self._forgiven,
                "forgiven": self._forgiven,
            },
            durable=durable,
        )

    def _tell(self, member: Member, result: MemberResult, gate: Gate) -> None:
        why = f": {result.error.get('message', '')}" if result.error else ""
        text = f"{member.label} {result.outcome}{why}"
        self._observer(Notice(text=text, warning=not result.is_good))
        total = len(self._fleet.members)
        self._observer(ItemsDone(what="modules", done=gate.ended, total=total))


def _labelled(observer: Observer, member: Member) -> Observer:
    """Of what a module's operation tells only what should be known, under the module's name."""

    def observe(event: Event) -> None:
        if isinstance(event, Notice):
            observer(replace(event, text=f"{member.label}: {event.text}"))

    return observe
