"""``juno-snap upgrade``: new code for a module, with a snapshot before and the start after."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from juno_snap.cli.arguments import ArgumentOptions, install_argument
from juno_snap.cli.operations import (
    announce,
    outline_table,
    reading,
    reported,
    tell_report,
    tell_resumed,
)
from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.targets import ModuleChoice
from juno_snap.cli.upgrades import (
    CheckOptions,
    GuardOptions,
    InstallOptions,
    SnapshotOptions,
    for_module,
    request_of,
)
from juno_snap.cli.wiring import Connection, connect
from juno_snap.pipeline.report import Report
from juno_snap.pipeline.upgrade import (
    PreparedUpgrade,
    planned_anew,
    prepare_upgrade,
    run_upgrade,
)
from juno_snap.pipeline.wasm_file import read_wasm_file
from juno_snap.pipeline.workspace import Workspace


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{upgrade.__doc__}")(upgrade)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """What comes before the upgrade, or in its place."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and stop.")
    ] = False
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="First on a local copy of the module's state; go on only if that passes.",
        ),
    ] = False


@spread
def upgrade(
    common: CommonOptions,
    module: ModuleOptions,
    *,
    trial: TrialOptions,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
    guards: GuardOptions,
    argument: ArgumentOptions,
    src: Annotated[
        Path, typer.Option("-s", "--src", metavar="FILE", help="The new code: .wasm or .wasm.gz.")
    ],
) -> None:
    """Stop, snapshot, install, start, verify, check. Whatever fails, the module is started again.

    A bad check brings code and data back; the same command goes on with an upgrade that was
    interrupted.
    """
    session = Session(common)
    wasm = read_wasm_file(src)
    arg = install_argument(argument, wasm)
    request = request_of(session, snapshots, install, health, guards, arg)

    async def work() -> Report | None:
        async with connect(session, changes=True, dry_run=trial.dry_run) as connection:
            choice = await connection.module(module)
            workspace, asked = connection.workspace(choice), for_module(session, choice, request)
            if trial.rehearse and not trial.dry_run:
                from juno_snap.pipeline.rehearsal_source import end_interrupted

                await end_interrupted(workspace, choice.id)
            with session.output.watch() as observer:
                found = prepare_upgrade(workspace, choice.id, asked, wasm, observer=observer)
                prepared = await reading(found)
            tell_resumed(session, prepared.resumes)
            plan = prepared.plan
            if trial.dry_run:
                session.output.show(plan.to_json(), lambda: outline_table(plan.outline, plan.facts))
                return None
            if prepared.resumes is None:
                prepared = _ask(session, connection, workspace, choice, prepared)
                if trial.rehearse:
                    from juno_snap.cli.rehearsals import rehearse_before

                    prepared = await rehearse_before(session, workspace, prepared)
            with session.output.watch() as observer:
                return await reported(session, run_upgrade(workspace, prepared, observer=observer))

    tell_report(session, session.run(work()))


def _ask(
    session: Session,
    connection: Connection,
    workspace: Workspace,
    choice: ModuleChoice,
    prepared: PreparedUpgrade,
) -> PreparedUpgrade:
    """Everything that a person has to say before anything is done."""
    output, request = session.output, prepared.request
    if prepared.plan.is_unchanged or prepared.plan.outline.refusals:
        return prepared
    if prepared.plan.outline.asks and output.can_ask:
        output.warn(prepared.plan.outline.asks[0].text)
        starts = session.answer("start it afterwards?")
        request = dataclasses.replace(request, found_stopped="start" if starts else "leave-stopped")
        prepared = planned_anew(workspace, prepared, request)
    plan = prepared.plan
    if connection.is_mainnet and output.can_ask and not session.options.yes:
        output.show_aside(outline_table(plan.outline, plan.facts))
        if not request.reset:
            session.confirm(f"upgrade {choice.label} on mainnet?")
    else:
        announce(session, plan.outline)
    if request.reset:
        session.confirm(f"wipe all data of {choice.label}?")
    return prepared
