"""``juno-snap snapshot``: take, list, show, restore and delete module snapshots."""

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from juno_snap.cli.operations import announce, outline_table, reading, report_table, reported
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import cycles, facts, listing, moment, size
from juno_snap.cli.wiring import connect
from juno_snap.errors import InputError
from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.report import RestoreReport, SnapshotReport, hex_or_none
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.restore import prepare_restore, run_restore
from juno_snap.pipeline.snapshots import (
    SnapshotDetail,
    SnapshotList,
    delete_snapshots,
    list_snapshots,
    show_snapshot,
)

group: Final = typer.Typer(no_args_is_help=True)

Document = dict[str, object]
StopTimeout = Annotated[
    int | None, typer.Option(min=1, help="How long the stop may take. [default: configured, 60]")
]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("create")
@spread
def create(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    replace: Annotated[
        str | None, typer.Option(metavar="ID|oldest", help="Give this one up for the new one.")
    ] = None,
    no_stop: Annotated[
        bool, typer.Option("--no-stop", help="Do not stop the module meanwhile.")
    ] = False,
    stop_timeout_seconds: StopTimeout = None,
) -> None:
    """Take a snapshot of a module, which is left running or stopped as it was."""
    session = Session(common)
    timeout = stop_timeout_seconds or session.settings.stop_timeout_seconds

    async def work() -> SnapshotReport | None:
        async with connect(session, changes=True) as connection:
            choice = connection.module(module)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_create(
                        connection.client,
                        choice.id,
                        replace=replace,
                        stop=not no_stop,
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
                return await reported(
                    session, run_create(connection.client, prepared, observer=observer)
                )

    report = session.run(work())
    if report:
        session.output.report(report.to_json(), lambda: report_table(report))


@group.command("list")
@spread
def list_all(common: CommonOptions, module: ModuleOptions) -> None:
    """The snapshots of a module, the oldest first."""
    session = Session(common)

    async def work() -> SnapshotList:
        async with connect(session, changes=False) as connection:
            choice = connection.module(module)
            return await reading(list_snapshots(connection.client, choice.id))

    found = session.run(work())
    session.output.show(
        found.to_json(),
        lambda: listing(
            ["ID", "TAKEN", "SIZE"],
            [
                (each.id, moment(each.taken_at_ns), size(each.total_size_bytes))
                for each in found.snapshots
            ],
        ),
    )


@group.command("show")
@spread
def show(
    common: CommonOptions,
    module: ModuleOptions,
    which: Annotated[str, typer.Argument(metavar="ID|latest|oldest")],
) -> None:
    """What a snapshot is made of and what it costs."""
    session = Session(common)

    async def work() -> SnapshotDetail:
        async with connect(session, changes=False) as connection:
            choice = connection.module(module)
            return await reading(show_snapshot(connection.client, choice.id, which))

    detail = session.run(work())
    session.output.show(detail.to_json(), lambda: facts(_detail_rows(detail)))


@group.command("restore")
@spread
def restore(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    which: Annotated[str, typer.Argument(metavar="[ID|latest|oldest]")] = "latest",
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
        async with connect(session, changes=True) as connection:
            choice = connection.module(module)
            with session.output.watch() as observer:
                prepared = await reading(
                    prepare_restore(
                        connection.client,
                        choice.id,
                        which,
                        discard_current=discard_current,
                        stop_timeout_seconds=timeout,
                        observer=observer,
                    )
                )
            outline, snapshot = prepared.plan.outline, prepared.plan.snapshot
            if change.dry_run:
                session.output.show(prepared.plan.to_json(), lambda: outline_table(outline))
                return None
            if not outline.refusals:
                announce(session, outline)
                taken = moment(snapshot.taken_at_ns)
                session.confirm(f"load snapshot {snapshot.id}, taken {taken}, into {choice.label}?")
            with session.output.watch() as observer:
                return await reported(
                    session, run_restore(connection.client, prepared, observer=observer)
                )

    report = session.run(work())
    if report:
        session.output.report(report.to_json(), lambda: report_table(report))


@group.command("delete")
@spread
def delete(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    which: Annotated[list[str] | None, typer.Argument(metavar="ID...")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every snapshot.")] = False,
) -> None:
    """Delete snapshots for good."""
    session = Session(common)
    if bool(which) == all_of_them:
        raise InputError("say which snapshots: ids, or --all", code="usage")

    async def work() -> Document:
        async with connect(session, changes=True) as connection:
            choice = connection.module(module)
            there = (await reading(list_snapshots(connection.client, choice.id))).snapshots
            chosen = (
                there
                if all_of_them
                else [
                    resolve_snapshot(text, there, notes={}, module=choice.id)
                    for text in which or []
                ]
            )
            ids = list(dict.fromkeys(snapshot.id for snapshot in chosen))
            names = [str(each) for each in ids]
            if change.dry_run or not ids:
                return {"module": str(choice.id), "deleted": [], "would_delete": names}
            session.confirm(
                f"delete {len(ids)} snapshot(s) of {choice.label} for good: {', '.join(names)}?"
            )
            return (await delete_snapshots(connection.client, choice.id, ids)).to_json()

    document = session.run(work())
    session.output.show(
        document,
        lambda: facts((key.replace("_", " "), value) for key, value in _plain(document)),
    )


def _plain(document: Document) -> Iterator[tuple[str, object]]:
    """A flat document for people, without its version."""
    for key, value in document.items():
        if key != "schema":
            yield key, "\n".join(map(str, value)) if isinstance(value, list) else value


def _detail_rows(detail: SnapshotDetail) -> list[tuple[str, object]]:
    snapshot, metadata = detail.snapshot, detail.metadata
    timer = metadata.global_timer
    active_at_ns = timer.active_at_ns if timer else None
    return [
        ("id", snapshot.id),
        ("taken", moment(snapshot.taken_at_ns)),
        ("source", metadata.source.replace("_", " ")),
        ("size", size(snapshot.total_size_bytes)),
        ("module", size(metadata.wasm_module_bytes)),
        ("module hash", hex_or_none(detail.wasm_hash)),
        ("heap", size(metadata.wasm_memory_bytes)),
        ("stable memory", size(metadata.stable_memory_bytes)),
        ("stored chunks", len(metadata.wasm_chunk_store)),
        ("canister version", metadata.canister_version),
        ("global timer", moment(active_at_ns) if active_at_ns else None),
        ("cycles per 30 days", cycles(detail.storage_cycles_per_30_days)),
    ]
