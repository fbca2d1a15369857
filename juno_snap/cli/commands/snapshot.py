"""``juno-snap snapshot``: take, restore, mark and delete module snapshots."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from juno_snap.cli.commands import backup_network
from juno_snap.cli.commands.snapshot_list import Which, group, register, rows_of_one
from juno_snap.cli.operations import announce, outline_table, report_table, reported
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, moment
from juno_snap.cli.wiring import connect
from juno_snap.cli.words import age
from juno_snap.errors import InputError
from juno_snap.ids import SnapshotId
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import SnapshotList, list_snapshots, show_snapshot
from juno_snap.pipeline.marks import MarkedSnapshot, label_snapshot, protect_snapshot
from juno_snap.pipeline.notes import made_by, note_of
from juno_snap.pipeline.report import RestoreReport, SnapshotReport
from juno_snap.pipeline.restore import PreparedRestore, prepare_restore, run_restore
from juno_snap.pipeline.snapshots import choose_deleted, delete_snapshots, known_code_hash
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import NS_PER_SECOND

__all__ = ["register"]

Document = dict[str, object]
StopTimeout = Annotated[
    int | None, typer.Option(min=1, help="How long the stop may take. [default: configured, 60]")
]
Force = Annotated[bool, typer.Option("--force", help="Give up a protected one too.")]
HASH_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How a snapshot is taken."""

    replace: Annotated[
        str | None,
        typer.Option(metavar="ID|LABEL|oldest", help="Give this one up for the new one."),
    ] = None
    label: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A name for it, unique in the module.")
    ] = None
    protect: Annotated[
        bool, typer.Option("--protect", help="Nothing but --force gives it up later.")
    ] = False
    force: Force = False
    no_stop: Annotated[
        bool, typer.Option("--no-stop", help="Do not stop the module meanwhile.")
    ] = False


@group.command("create")
@spread
def create(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    options: CreateOptions,
    stop_timeout_seconds: StopTimeout = None,
) -> None:
    """Take a snapshot of a module, which is left running or stopped as it was."""
    session = Session(common)
    timeout = stop_timeout_seconds or session.settings.stop_timeout_seconds

    async def work() -> SnapshotReport | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_create(
                        workspace,
                        choice.id,
                        replace=options.replace,
                        label=options.label,
                        protect=options.protect,
                        force=options.force,
                        stop=not options.no_stop,
                        stop_timeout_seconds=timeout,
                        observer=observer,
                    )
                )
            outline = prepared.plan.outline
            if change.dry_run:
                session.output.show(prepared.plan.to_json(), lambda: outline_table(outline))
                return None
            announce(session, outline)
            with session.output.watch() as observer:
                return await reported(session, run_create(workspace, prepared, observer=observer))

    report = session.run(work())
    if report:
        session.output.report(report.to_json(), lambda: report_table(report))


@group.command("restore")
@spread
def restore(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    which: Annotated[str, typer.Argument(metavar="[ID|LABEL|latest|oldest]")] = "latest",
    discard_current: Annotated[
        bool,
        typer.Option(
            "--discard-current", help="Go on although the present state cannot be saved before."
        ),
    ] = False,
    stop_timeout_seconds: StopTimeout = None,
) -> None:
    """Bring code and data back to a snapshot; the present state is saved as another one before."""
    session = Session(common)
    timeout = stop_timeout_seconds or session.settings.stop_timeout_seconds

    async def work() -> RestoreReport | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_restore(
                        workspace,
                        choice.id,
                        which,
                        discard_current=discard_current,
                        stop_timeout_seconds=timeout,
                        observer=observer,
                    )
                )
            outline = prepared.plan.outline
            if change.dry_run:
                session.output.show(prepared.plan.to_json(), lambda: outline_table(outline))
                return None
            if not outline.refusals:
                announce(session, outline)
                meant = await _meant(session, workspace, prepared)
                session.confirm(f"load {meant}, into {choice.label}?")
            with session.output.watch() as observer:
                return await reported(session, run_restore(workspace, prepared, observer=observer))

    report = session.run(work())
    if report:
        session.output.report(report.to_json(), lambda: report_table(report))


@group.command("protect")
@spread
def protect(common: CommonOptions, module: ModuleOptions, which: Which) -> None:
    """Keep a snapshot from being replaced or deleted by anything but --force."""
    _mark(common, module, which, protect=True)


@group.command("unprotect")
@spread
def unprotect(common: CommonOptions, module: ModuleOptions, which: Which) -> None:
    """Lift the protection of a snapshot."""
    _mark(common, module, which, protect=False)


@group.command("label")
@spread
def label(
    common: CommonOptions,
    module: ModuleOptions,
    which: Which,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Give a snapshot a name, in place of the one it may have."""
    _mark(common, module, which, label=text)


@group.command("delete")
@spread
def delete(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    which: Annotated[list[str] | None, typer.Argument(metavar="ID|LABEL...")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every snapshot.")] = False,
    force: Force = False,
) -> None:
    """Delete snapshots for good."""
    session = Session(common)
    if bool(which) == all_of_them:
        raise InputError("say which snapshots: ids or labels, or --all", code="usage")

    async def work() -> Document:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            there = await reading(list_snapshots(workspace, choice.id))
            ids = choose_deleted(there, None if all_of_them else which or [], force=force)
            names = [str(each) for each in ids]
            if change.dry_run or not ids:
                return {"module": str(choice.id), "deleted": [], "would_delete": names}
            told = "; ".join(_described(workspace, there, each) for each in ids)
            session.confirm(f"delete {len(ids)} snapshot(s) of {choice.label} for good: {told}?")
            done = await delete_snapshots(workspace, choice.id, ids, force=force)
            return done.to_json()

    document = session.run(work())
    session.output.show(
        document,
        lambda: facts((key.replace("_", " "), value) for key, value in _plain(document)),
    )


def _mark(
    common: CommonOptions,
    module: ModuleOptions,
    which: str,
    *,
    protect: bool = False,
    label: str | None = None,
) -> None:
    """Write down a label, or else whether a snapshot is protected, and show what it is then."""
    session = Session(common)

    async def work() -> MarkedSnapshot:
        async with connect(session, changes=True) as connection:
            choice = await connection.module(module)
            workspace = connection.workspace(choice)
            if label is not None:
                return await reading(label_snapshot(workspace, choice.id, which, label))
            return await reading(protect_snapshot(workspace, choice.id, which, protect=protect))

    marked = session.run(work())
    session.output.show(marked.to_json(), lambda: facts(rows_of_one(marked.snapshot, marked.note)))


async def _meant(session: Session, workspace: Workspace, prepared: PreparedRestore) -> str:
    """The snapshot to be loaded: its age, maker and code hash, read for a person if need be."""
    snapshot = prepared.plan.snapshot
    note = note_of(prepared.seen.notes, snapshot.id)
    digest = known_code_hash(workspace, note)
    if digest is None and session.output.can_ask and not session.options.yes:
        detail = await reading(show_snapshot(workspace, prepared.plan.module, str(snapshot.id)))
        digest = detail.wasm_hash
    return _description(workspace, snapshot, note, digest)


def _described(workspace: Workspace, there: SnapshotList, wanted: SnapshotId) -> str:
    snapshot = next(each for each in there.snapshots if each.id == wanted)
    note = note_of(there.notes, wanted)
    return _description(workspace, snapshot, note, known_code_hash(workspace, note))


def _description(
    workspace: Workspace, snapshot: Snapshot, note: SnapshotNote, code_hash: bytes | None
) -> str:
    name = f"snapshot {snapshot.id}" + (f" ({note.label})" if note.label else "")
    ago = age((workspace.clock.now_ns() - snapshot.taken_at_ns) // NS_PER_SECOND)
    code = f", code {code_hash.hex()[:HASH_CHARACTERS]}" if code_hash else ""
    return f"{name}, taken {moment(snapshot.taken_at_ns)}, {ago}, made by {made_by(note)}{code}"


def _plain(document: Document) -> Iterator[tuple[str, object]]:
    """A flat document for people, without its version."""
    for key, value in document.items():
        if key != "schema":
            yield key, "\n".join(map(str, value)) if isinstance(value, list) else value


group.command("download")(backup_network.download)
group.command("upload")(backup_network.upload)
