"""What ``juno-snap backup`` does with a network: create, restore, and the comparison with it.

``juno-snap snapshot download`` and ``upload`` are the same under Juno's names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Group, RenderableType

from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import Finding
from juno_snap.cli.carrying import prepare_to_carry
from juno_snap.cli.operations import announce, outline_table, reported
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, facts_of, size
from juno_snap.cli.wiring import connect
from juno_snap.pipeline.backup_create import (
    BackupPlan,
    BackupRequest,
    MadeBackup,
    make_backup,
    plan_backup,
)
from juno_snap.pipeline.backup_restore import (
    Uploaded,
    UploadRequest,
    prepare_upload,
    run_upload,
)
from juno_snap.pipeline.download import differences_to_chain

Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="DIR", help="Where to. [default: backups in the state]"),
]
Layout = Annotated[
    Literal["icp", "juno"],
    typer.Option("--format", help="icp: ours, which icp-cli and dfx read as it is."),
]
Source = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of one backup.")]
Replace = Annotated[
    str | None,
    typer.Option(metavar="ID|LABEL|oldest", help="Give this one up once all is done."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """Which snapshot is copied, and what becomes of it."""

    snapshot: Annotated[
        str | None,
        typer.Option(metavar="ID|LABEL|latest", help="One that is there. [default: take one]"),
    ] = None
    delete_snapshot: Annotated[
        bool,
        typer.Option("--delete-snapshot", help="Delete the snapshot once the backup is verified."),
    ] = False
    no_stop: Annotated[
        bool, typer.Option("--no-stop", help="Do not stop the module for the snapshot.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How the present state gives way."""

    discard_current: Annotated[
        bool,
        typer.Option(
            "--discard-current", help="Go on although the present state cannot be saved before."
        ),
    ] = False
    force: Annotated[
        bool,
        typer.Option("--force", help="Also onto another kind of module, or with too few cycles."),
    ] = False


@spread
def create(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    options: CreateOptions,
    out: Out = None,
    layout: Layout = "icp",
) -> None:
    """Copy a snapshot of a module off the chain. Interrupted, it goes on where it was."""
    _create(
        common,
        module,
        change,
        BackupRequest(
            directory=out,
            which=options.snapshot,
            layout=layout,
            deletes_snapshot=options.delete_snapshot,
            stops=not options.no_stop,
        ),
    )


@spread
def download(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    which: Annotated[str, typer.Argument(metavar="[ID|LABEL|latest|oldest]")] = "latest",
    out: Out = None,
    layout: Layout = "icp",
) -> None:
    """Copy a snapshot off the chain; the same as ``backup create --snapshot``."""
    _create(common, module, change, BackupRequest(directory=out, which=which, layout=layout))


@spread
def restore(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    load: LoadOptions,
    directory: Source,
    replace: Replace = None,
) -> None:
    """Upload a backup, read it back, and load it; the present state is saved before.

    The backup is verified before anything is sent. Interrupted, it goes on where it was.
    """
    request = UploadRequest(
        path=directory,
        replace=replace,
        force=load.force,
        discards_current=load.discard_current,
    )
    _upload(common, module, change, request)


@spread
def upload(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    directory: Source,
    replace: Replace = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also onto another kind of module, or with too few cycles."),
    ] = False,
) -> None:
    """Upload a backup as a snapshot and read it back; it is not loaded."""
    request = UploadRequest(path=directory, replace=replace, loads=False, force=force)
    _upload(common, module, change, request)


def compare_with_chain(
    session: Session, module: ModuleOptions, backup: Backup, which: str | None
) -> tuple[Finding, ...]:
    """How a backup differs from its snapshot on the network."""

    async def work() -> tuple[Finding, ...]:
        async with connect(session, changes=False) as connection:
            choice = await connection.module_or(module, backup.description.module)
            workspace = connection.workspace(choice)
            return await reading(differences_to_chain(workspace, choice.id, backup, which=which))

    return session.run(work())


def _create(
    common: CommonOptions, module: ModuleOptions, change: ChangeOptions, request: BackupRequest
) -> None:
    session = Session(common)
    prepare_to_carry()

    async def work() -> MadeBackup | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            with session.output.watch() as observer:
                if change.dry_run:
                    planning = plan_backup(workspace, choice.id, request, observer=observer)
                    plan = await reading(planning)
                else:
                    made = make_backup(workspace, choice.id, request, observer=observer)
                    return await reported(session, made)
            session.output.show(plan.to_json(), lambda: _plan_table(plan))
            return None

    made = session.run(work())
    if made is None:
        return
    rows = [
        ("path", made.backup.path),
        ("module", made.module),
        ("snapshot", made.snapshot),
        ("size", size(made.backup.total_size_bytes)),
        ("snapshot deleted", made.deleted_snapshot),
        *(("remark", each) for each in made.remarks),
    ]
    session.output.report(made.to_json(), lambda: facts(rows))


def _plan_table(plan: BackupPlan) -> RenderableType:
    rows = [
        ("path", plan.path),
        ("module", plan.module),
        ("snapshot", plan.snapshot or "a new one"),
    ]
    if plan.taking is None:
        return facts(rows)
    return Group(facts(rows), outline_table(plan.taking.plan.outline))


def _upload(
    common: CommonOptions, module: ModuleOptions, change: ChangeOptions, request: UploadRequest
) -> None:
    session = Session(common)
    prepare_to_carry()

    async def work() -> Uploaded | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_upload(workspace, choice.id, request, observer=observer)
                )
            outline = prepared.outline
            if change.dry_run:
                session.output.show(prepared.to_json(), lambda: outline_table(outline))
                return None
            if not outline.refusals:
                announce(session, outline)
                what = "load it into" if request.loads else "leave it as a snapshot of"
                if request.loads or prepared.replaced is not None:
                    session.confirm(f"upload {request.path}, and {what} {choice.label}?")
            with session.output.watch() as observer:
                uploading = run_upload(workspace, prepared, observer=observer)
                return await reported(session, uploading)

    done = session.run(work())
    if done:
        document = done.to_json()
        session.output.report(document, lambda: facts_of(document))
