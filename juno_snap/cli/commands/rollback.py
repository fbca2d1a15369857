"""``juno-snap rollback``: back to what an upgrade has saved."""

from dataclasses import dataclass
from typing import Annotated

import typer

from juno_snap.cli.operations import (
    announce,
    outline_table,
    reported,
    tell_report,
    tell_resumed,
)
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.tables import moment
from juno_snap.cli.wiring import connect
from juno_snap.juno.choice import ModuleChoice
from juno_snap.pipeline.report import Report
from juno_snap.pipeline.restore import PreparedRestore, prepare_rollback, run_restore


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{rollback.__doc__}")(rollback)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How the present state gives way."""

    discard_current: Annotated[
        bool,
        typer.Option(
            "--discard-current", help="Go on although the present state cannot be saved before."
        ),
    ] = False
    stop_timeout_seconds: Annotated[
        int | None,
        typer.Option(min=1, help="How long the stop may take. [default: configured, 60]"),
    ] = None


@spread
def rollback(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    load: LoadOptions,
    operation: Annotated[
        str | None,
        typer.Argument(metavar="[OPERATION]", help="The upgrade; by default the newest."),
    ] = None,
) -> None:
    """Stop, save the present state, load the snapshot that the upgrade took, start, verify.

    What was written since then is gone from the module, and is in the safety snapshot.
    """
    session = Session(common)
    timeout = load.stop_timeout_seconds or session.settings.stop_timeout_seconds

    async def work() -> Report | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module_of(operation, module)
            workspace = connection.workspace(choice)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_rollback(
                        workspace,
                        choice.id,
                        operation,
                        discard_current=load.discard_current,
                        stop_timeout_seconds=timeout,
                        observer=observer,
                    )
                )
            tell_resumed(session, prepared.resumes)
            outline = prepared.plan.outline
            if change.dry_run:
                session.output.show(prepared.plan.to_json(), lambda: outline_table(outline))
                return None
            if prepared.resumes is None and not outline.refusals:
                announce(session, outline)
                session.confirm(_question(prepared, choice))
            with session.output.watch() as observer:
                return await reported(session, run_restore(workspace, prepared, observer=observer))

    tell_report(session, session.run(work()))


def _question(prepared: PreparedRestore, choice: ModuleChoice) -> str:
    snapshot = prepared.plan.snapshot
    return (
        f"go back on {prepared.of_operation}: load snapshot {snapshot.id}, taken "
        f"{moment(snapshot.taken_at_ns)}, into {choice.label}?"
    )
