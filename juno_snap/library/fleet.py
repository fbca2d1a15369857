"""A fleet file, and what is done with the modules that it names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import final, get_args

from juno_snap.errors import InputError
from juno_snap.events import Observer, ignore_events
from juno_snap.flow.fleet import FleetKind
from juno_snap.flow.fleet_file import load_fleet_file
from juno_snap.flow.fleet_plan import FleetPlan, plan_fleet
from juno_snap.flow.fleet_report import (
    FleetFailedError,
    FleetReport,
    kind_to_resume,
    newest_report,
)
from juno_snap.flow.fleet_run import FleetOptions, run_fleet
from juno_snap.flow.space import FlowSpace
from juno_snap.library.asking import check_may_change, forgiving
from juno_snap.library.fleet_work import FleetWork, Modules


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Many modules, worked on in waves; made by ``Network.fleet``.

    The file is read by each method. A run that was cancelled or killed goes on when the same method
    is called again, or ``resume``: what is done is not done again. On cancellation what is under
    way ends in order. All methods may raise

        InputError: There is no such kind of run.
        NotFoundError: There is no such file, or a module that it names does not exist.
        ConfigError: Something in the file can never work; names the file and the key.
        TransportError, TrustError: No usable answer, or one that does not hold.

    and those that change modules also

        LockedError: This fleet is run by another process.
        IdentityError: Nobody changes mainnet anonymously.
        PreconditionError: The last run is unfinished and was of other modules, waves or code, or
            has stopped after too many failures.
        FleetFailedError: Some modules are not where they should be; ``report`` says which, and why.
    """

    path: Path
    modules: Modules = field(repr=False)
    """Those of the network that it was made by."""
    on_event: Observer = field(default=ignore_events, repr=False)

    async def plan(self, kind: FleetKind = "upgrade") -> FleetPlan:
        """Each module's own plan, the waves and the whole cost; nothing is changed.

        ``kind`` says of what: ``upgrade``, ``backup``, or ``rollback`` of the last wave. A module
        that would be refused has ``refusals``, and ``refused`` counts them.
        """
        _check_kind(kind)
        work = self._work()
        fleet = await work.fleet(kind, observer=self.on_event)
        return await plan_fleet(fleet, work.plan, observer=self.on_event)

    async def apply(self, *, new: bool = False, on_event: Observer | None = None) -> FleetReport:
        """Upgrade all modules, each as ``Module.upgrade`` does; bad ones go back by themselves.

        ``new`` leaves an unfinished run behind. ``on_event`` is told of each wave, and of each
        module that has come to its end (``Notice``, ``ItemsDone``).
        """
        return await self._run("upgrade", FleetOptions(is_anew=new), on_event)

    async def backup(self, *, new: bool = False, on_event: Observer | None = None) -> FleetReport:
        """Snapshot, download, verify and delete, module by module; the rest as ``apply``."""
        return await self._run("backup", FleetOptions(is_anew=new), on_event)

    async def resume(
        self, kind: FleetKind | None = None, *, on_event: Observer | None = None
    ) -> FleetReport:
        """Go on with a run that was cut, or has stopped after too many failures.

        ``kind`` says with which, where there are two.
        """
        _check_kind(kind)
        found = kind_to_resume(self._space, load_fleet_file(self.path).fleet.name, kind)
        return await self._run(found, FleetOptions(is_again=True), on_event)

    async def roll_back_wave(
        self, *, new: bool = False, on_event: Observer | None = None
    ) -> FleetReport:
        """Take back the modules that the last wave has upgraded, each once.

        What was written since is in safety snapshots. A module with other code since is refused.
        """
        return await self._run("rollback", FleetOptions(is_anew=new, is_again=True), on_event)

    def status(self, kind: FleetKind | None = None) -> FleetReport:
        """What came of each module in the last run, or how far it has come."""
        _check_kind(kind)
        return newest_report(self._space, load_fleet_file(self.path).fleet.name, kind)

    @property
    def _space(self) -> FlowSpace:
        return FlowSpace(state=self.modules.settings.state_directory)

    def _work(self) -> FleetWork:
        return FleetWork(self.path, load_fleet_file(self.path), self.modules)

    async def _run(
        self, kind: FleetKind, options: FleetOptions, on_event: Observer | None
    ) -> FleetReport:
        work = self._work()
        check_may_change(self.modules.workspace())
        observer = self.on_event if on_event is None else forgiving(on_event)
        fleet = await work.fleet(kind, is_anew=options.is_anew, observer=observer)
        report = await run_fleet(fleet, work.space, work.work, options, observer=observer)
        if not report.is_good:
            raise FleetFailedError(report)
        return report


def _check_kind(kind: FleetKind | None) -> None:
    """A program that nobody has type-checked may say anything; it must not become a backup."""
    if kind is not None and kind not in get_args(FleetKind):
        raise InputError(
            f"a fleet has no {kind!r}",
            value=str(kind),
            hint=f"say one of {', '.join(get_args(FleetKind))}",
        )
