"""``juno-snap fleet``: upgrade or back up many modules, in waves, resumable at any moment."""

from pathlib import Path
from typing import Annotated, Final

import typer

from juno_snap.cli.carrying import prepare_to_carry
from juno_snap.cli.fleets import plan_table, report_table
from juno_snap.cli.options import ChangeOptions, CommonOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import InputError
from juno_snap.flow.fleet import Fleet, FleetKind
from juno_snap.flow.fleet_file import FleetFile, load_fleet_file
from juno_snap.flow.fleet_plan import FleetPlan, plan_fleet
from juno_snap.flow.fleet_report import (
    FleetFailedError,
    FleetReport,
    kind_to_resume,
    newest_report,
)
from juno_snap.flow.fleet_run import FleetOptions, run_fleet
from juno_snap.flow.space import FlowSpace
from juno_snap.library.fleet_work import FleetWork

group: Final = typer.Typer(no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The fleet file, TOML.")]
New = Annotated[
    bool, typer.Option("--new", help="Leave an unfinished run behind and begin another one.")
]
Kind = Annotated[
    FleetKind | None,
    typer.Option(help="Of which run, where there are two. [default: the newest]"),
]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("plan")
@spread
def plan(common: CommonOptions, path: File, kind: Kind = None) -> None:
    """Show each module's plan, the waves and the whole cost. Changes nothing."""
    _plan(Session(common), path, kind or "upgrade")


@group.command("apply")
@spread
def apply(common: CommonOptions, change: ChangeOptions, path: File, new: New = False) -> None:
    """Upgrade all modules, each as upgrade does; those whose own check fails go back.

    A run that was cut goes on where it was.
    """
    session = Session(common)
    if change.dry_run:
        _plan(session, path, "upgrade", is_anew=new)
    else:
        _run(session, path, "upgrade", FleetOptions(is_anew=new))


@group.command("backup")
@spread
def backup(common: CommonOptions, change: ChangeOptions, path: File, new: New = False) -> None:
    """Snapshot, download, verify and delete, module by module, in the same waves.

    A run that was cut goes on where it was.
    """
    session = Session(common)
    if change.dry_run:
        _plan(session, path, "backup", is_anew=new)
    else:
        _run(session, path, "backup", FleetOptions(is_anew=new))


@group.command("resume")
@spread
def resume(
    common: CommonOptions,
    change: ChangeOptions,
    path: File,
    kind: Kind = None,
    roll_back_wave: Annotated[
        bool,
        typer.Option(
            "--roll-back-wave",
            help="In its place: the modules that the last wave has upgraded go back too. What was "
            "written since is in safety snapshots.",
        ),
    ] = False,
    new: New = False,
) -> None:
    """Go on with a run that was cut, or has stopped after too many failures."""
    session = Session(common)
    if new and not roll_back_wave:
        raise InputError("--new goes with --roll-back-wave", value="--new")
    if roll_back_wave and kind is not None:
        raise InputError("--kind and --roll-back-wave name two runs; say one", value=kind)
    name = load_fleet_file(path).fleet.name
    space = FlowSpace(state=session.state)
    found = "rollback" if roll_back_wave else kind_to_resume(space, name, kind)
    if change.dry_run:
        _plan(session, path, found, is_anew=new)
    else:
        _run(session, path, found, FleetOptions(is_anew=new, is_again=True))


@group.command("status")
@spread
def status(common: CommonOptions, path: File, kind: Kind = None) -> None:
    """What came of each module in the last run, or how far it has come."""
    session = Session(common)
    name = load_fleet_file(path).fleet.name
    report = newest_report(FlowSpace(state=session.state), name, kind)
    session.output.show({"fleet": report.to_json()}, lambda: report_table(report))


def _plan(session: Session, path: Path, kind: FleetKind, *, is_anew: bool = False) -> None:
    file = load_fleet_file(path)

    async def work() -> FleetPlan:
        async with connect(session, changes=True, dry_run=True) as connection:
            works = FleetWork(path, file, connection)
            with session.output.watch() as observer:
                fleet = await reading(works.fleet(kind, is_anew=is_anew, observer=observer))
                return await reading(plan_fleet(fleet, works.plan, observer=observer))

    planned = session.run(work())
    session.output.show(planned.to_json(), lambda: plan_table(planned))


def _run(session: Session, path: Path, kind: FleetKind, options: FleetOptions) -> None:
    file = load_fleet_file(path)
    if kind == "backup":
        prepare_to_carry()

    async def work() -> FleetReport:
        async with connect(session, changes=True) as connection:
            works = FleetWork(path, file, connection)
            with session.output.watch() as observer:
                fleet = await works.fleet(kind, is_anew=options.is_anew, observer=observer)
            _ask(session, connection, fleet, file)
            with session.output.watch() as observer:
                return await run_fleet(fleet, works.space, works.work, options, observer=observer)

    report = session.run(work())
    session.output.report({"fleet": report.to_json()}, lambda: report_table(report))
    if not report.is_good:
        raise FleetFailedError(report)


def _ask(session: Session, connection: Connection, fleet: Fleet, file: FleetFile) -> None:
    """As ``upgrade``: once, on a terminal, on mainnet; and before going back as ``rollback``."""
    if fleet.kind == "rollback":
        names = ", ".join(member.label for member in fleet.members)
        session.confirm(f"go back on the upgrade of {names}?")
    elif connection.is_mainnet and session.output.can_ask and fleet.kind == "upgrade":
        count, name = len(fleet.members), file.fleet.name
        session.confirm(f"upgrade {count} modules of fleet {name!r} on mainnet?")
