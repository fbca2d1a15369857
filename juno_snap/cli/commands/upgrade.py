"""``juno-snap upgrade``: new code for a module, with a snapshot before and the start after."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal

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
from juno_snap.cli.targets import ModuleChoice
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import InputError
from juno_snap.library.configured import checks_for
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.policy import (
    FreeSlot,
    KeepNewest,
    NoOverwrite,
    NoSnapshot,
    ReplaceSnapshot,
    SnapshotPolicy,
)
from juno_snap.pipeline.report import Report
from juno_snap.pipeline.request import FoundStopped, UpgradeRequest
from juno_snap.pipeline.upgrade import (
    PreparedUpgrade,
    planned_anew,
    prepare_upgrade,
    run_upgrade,
)
from juno_snap.pipeline.wasm_file import read_wasm_file
from juno_snap.pipeline.workspace import Workspace

SNAPSHOTS: Final = "Snapshots"
CHECKS: Final = "Checks, and going back"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """What becomes of snapshots; at most one is said."""

    no_snapshot: Annotated[
        bool,
        typer.Option(
            "--no-snapshot", help="Take none: there is no way back.", rich_help_panel=SNAPSHOTS
        ),
    ] = False
    no_overwrite: Annotated[
        bool,
        typer.Option(
            "--no-overwrite",
            help="Take one if a slot is free; never give one up.",
            rich_help_panel=SNAPSHOTS,
        ),
    ] = False
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Afterwards keep at most N snapshots of upgrades.",
            rich_help_panel=SNAPSHOTS,
        ),
    ] = None
    any_maker: Annotated[
        bool,
        typer.Option("--any", help="With --keep: count all of them.", rich_help_panel=SNAPSHOTS),
    ] = False
    replace: Annotated[
        str | None,
        typer.Option(
            metavar="ID|oldest", help="Give this one up for the new one.", rich_help_panel=SNAPSHOTS
        ),
    ] = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """How the new code is installed."""

    start: Annotated[
        bool, typer.Option("--start", help="A module found stopped: start it afterwards.")
    ] = False
    leave_stopped: Annotated[
        bool, typer.Option("--leave-stopped", help="A module found stopped: leave it so.")
    ] = False
    reset: Annotated[
        bool, typer.Option("-r", "--reset", help="Wipe all data of the module (reinstall).")
    ] = False
    clear_chunks: Annotated[
        bool, typer.Option("--clear-chunks", help="Empty the chunk store before.")
    ] = False
    skip_pre_upgrade: Annotated[
        bool, typer.Option("--skip-pre-upgrade", help="Do not run the old code's pre_upgrade.")
    ] = False
    wasm_memory_persistence: Annotated[
        Literal["auto", "keep", "replace"],
        typer.Option(help="What becomes of the heap; auto does not lose it."),
    ] = "auto"
    no_stop: Annotated[
        bool, typer.Option("--no-stop", help="Do not stop the module meanwhile.")
    ] = False
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="The only file that may be installed.")
    ] = None
    stop_timeout_seconds: Annotated[
        int | None,
        typer.Option(min=1, help="How long the stop may take. [default: configured, 60]"),
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Go on where the plan is refused for what you may know better."
        ),
    ] = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What must be true of the new code, and what follows where it is not."""

    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="'METHOD(ARGS) == VALUE'",
            help="What the new code must answer, besides what is configured; or 'version == X.Y.Z',"
            " or 'command: PROGRAM ARG...'. Repeatable.",
            rich_help_panel=CHECKS,
        ),
    ] = None
    health_timeout_seconds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How long it has to become so. [default: configured, 60]",
            rich_help_panel=CHECKS,
        ),
    ] = None
    no_rollback: Annotated[
        bool,
        typer.Option(
            "--no-rollback",
            help="Stay on the new code where a check is bad; go back by hand.",
            rich_help_panel=CHECKS,
        ),
    ] = False


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
    request = _request(session, snapshots, install, health, install_argument(argument, wasm))

    async def work() -> Report | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            asked = _with_configured_checks(session, choice, request)
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


def _request(
    session: Session,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
    arg: bytes | None,
) -> UpgradeRequest:
    settings = session.settings
    return UpgradeRequest(
        snapshots=_policy(snapshots),
        arg=arg,
        reset=install.reset,
        skip_pre_upgrade=install.skip_pre_upgrade,
        memory_persistence=install.wasm_memory_persistence,
        stop=not install.no_stop,
        found_stopped=_found_stopped(install),
        stop_timeout_seconds=install.stop_timeout_seconds or settings.stop_timeout_seconds,
        clear_chunks=install.clear_chunks,
        sha256=_digest(install.sha256),
        checks=tuple(map(parse_check, health.check or ())),
        health_timeout_seconds=health.health_timeout_seconds or settings.health_timeout_seconds,
        goes_back=not health.no_rollback,
        rollback_window_seconds=settings.rollback_window_seconds,
        force=install.force,
    )


def _with_configured_checks(
    session: Session, choice: ModuleChoice, request: UpgradeRequest
) -> UpgradeRequest:
    """The configured checks first, each once."""
    checks = dict.fromkeys([*checks_for(session.settings, choice.id), *request.checks])
    return dataclasses.replace(request, checks=tuple(checks))


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


def _policy(options: SnapshotOptions) -> SnapshotPolicy:
    policies: list[SnapshotPolicy] = []
    if options.no_snapshot:
        policies.append(NoSnapshot())
    if options.no_overwrite:
        policies.append(NoOverwrite())
    if options.keep is not None:
        policies.append(KeepNewest(count=options.keep, of_any_maker=options.any_maker))
    elif options.any_maker:
        raise InputError("--any goes with --keep N", value="--any")
    if options.replace is not None:
        policies.append(ReplaceSnapshot(which=options.replace))
    if len(policies) > 1:
        raise InputError(
            "say at most one of --no-snapshot, --no-overwrite, --keep and --replace",
            code="usage",
        )
    return policies[0] if policies else FreeSlot()


def _found_stopped(options: InstallOptions) -> FoundStopped:
    if options.start and options.leave_stopped:
        raise InputError("--start and --leave-stopped contradict each other", value="--start")
    if options.start:
        return "start"
    return "leave-stopped" if options.leave_stopped else "ask"


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise InputError(f"{text!r} is not a SHA-256: 64 hexadecimal digits", value=text)
    return digest
