"""``juno-snap upgrade``: new code for a module, with a snapshot before and the start after."""

import dataclasses
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
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.upgrades import (
    CheckOptions,
    InstallOptions,
    SnapshotOptions,
    request_of,
    with_configured_checks,
)
from juno_snap.cli.wiring import Connection, ModuleChoice, connect
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


@spread
def upgrade(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
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
    request = request_of(session, snapshots, install, health, install_argument(argument, wasm))

    async def work() -> Report | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = connection.module(module)
            workspace = connection.workspace(choice)
            asked = with_configured_checks(session, choice, request)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_upgrade(workspace, choice.id, asked, wasm, observer=observer)
                )
            tell_resumed(session, prepared.resumes)
            plan = prepared.plan
            if change.dry_run:
                session.output.show(plan.to_json(), lambda: outline_table(plan.outline, plan.facts))
                return None
            if prepared.resumes is None:
                prepared = _ask(session, connection, workspace, choice, prepared)
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
