"""``juno-snap snapshot list`` and ``show``, which need nothing of what changes a module."""

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.tables import cycles, facts, listing, moment, size
from juno_snap.cli.wiring import connect
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import SnapshotDetail, SnapshotList, list_snapshots, show_snapshot
from juno_snap.pipeline.notes import made_by, note_of
from juno_snap.pipeline.report import hex_or_none

group: Final = typer.Typer(no_args_is_help=True)
Which = Annotated[str, typer.Argument(metavar="ID|LABEL|latest|oldest")]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("list")
@spread
def list_all(common: CommonOptions, module: ModuleOptions) -> None:
    """The snapshots of a module, the oldest first."""
    session = Session(common)

    async def work() -> SnapshotList:
        async with connect(session, changes=False) as connection:
            choice = await connection.module(module)
            return await reading(list_snapshots(connection.workspace(choice), choice.id))

    found = session.run(work())
    session.output.show(
        found.to_json(),
        lambda: listing(
            ["ID", "TAKEN", "SIZE", "MADE BY", "LABEL", "STATE"], list(_list_rows(found))
        ),
    )


@group.command("show")
@spread
def show(common: CommonOptions, module: ModuleOptions, which: Which) -> None:
    """What a snapshot is made of and what it costs."""
    session = Session(common)

    async def work() -> SnapshotDetail:
        async with connect(session, changes=False) as connection:
            choice = await connection.module(module)
            return await reading(show_snapshot(connection.workspace(choice), choice.id, which))

    detail = session.run(work())
    session.output.show(detail.to_json(), lambda: facts(_detail_rows(detail)))


def _list_rows(found: SnapshotList) -> Iterator[tuple[object, ...]]:
    for each in found.snapshots:
        note = note_of(found.notes, each.id)
        taken, made = moment(each.taken_at_ns), made_by(note)
        yield each.id, taken, size(each.total_size_bytes), made, note.label, _state(note)


def _state(note: SnapshotNote) -> str | None:
    states = ["protected"] * note.is_protected + ["scrap"] * note.is_scrap
    return ", ".join(states) or None


def rows_of_one(snapshot: Snapshot, note: SnapshotNote) -> list[tuple[str, object]]:
    """What a list knows of a snapshot, for people."""
    return [
        ("id", snapshot.id),
        ("taken", moment(snapshot.taken_at_ns)),
        ("size", size(snapshot.total_size_bytes)),
        ("made by", made_by(note)),
        ("label", note.label),
        ("protected", note.is_protected),
        ("scrap", note.is_scrap),
    ]


def _detail_rows(detail: SnapshotDetail) -> list[tuple[str, object]]:
    metadata = detail.metadata
    timer = metadata.global_timer
    active_at_ns = timer.active_at_ns if timer else None
    return [
        *rows_of_one(detail.snapshot, detail.note or SnapshotNote(id=detail.snapshot.id)),
        ("source", metadata.source.replace("_", " ")),
        ("module", size(metadata.wasm_module_bytes)),
        ("module hash", hex_or_none(detail.wasm_hash)),
        ("heap", size(metadata.wasm_memory_bytes)),
        ("stable memory", size(metadata.stable_memory_bytes)),
        ("stored chunks", len(metadata.wasm_chunk_store)),
        ("canister version", metadata.canister_version),
        ("global timer", moment(active_at_ns) if active_at_ns else None),
        ("cycles per 30 days", cycles(detail.storage_cycles_per_30_days)),
    ]
