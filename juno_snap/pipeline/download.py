"""Reading a snapshot off the chain straight to disk.

Reading is done by update calls, which change nothing: one whose outcome is unknown is made anew.
"""

from collections.abc import Iterator
from pathlib import Path

from juno_snap.backup.layout import Slice
from juno_snap.backup.model import Description
from juno_snap.backup.reader import Backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import InputError
from juno_snap.events import BytesMoved, Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.snapshot_content import described, differences
from juno_snap.pipeline.snapshots import list_snapshots
from juno_snap.pipeline.window import Job, in_window, persistently
from juno_snap.pipeline.workspace import Workspace
from juno_snap.version import __version__


async def download_snapshot(
    workspace: Workspace,
    module: Principal,
    snapshot: SnapshotId,
    directory: Path,
    *,
    observer: Observer = ignore_events,
) -> None:
    """Read a snapshot into ``directory``, from where it was left; a backup on return.

    Memory is bounded by what is under way at a time, not by the size of the snapshot.

    Raises:
        RejectedError: The network refused, for example because the snapshot is gone.
        BackupError, LockedError: See ``BackupWriter``.
    """
    client, clock = workspace.client, workspace.clock
    metadata = await persistently(
        lambda: client.read_canister_snapshot_metadata(module, snapshot),
        clock=clock,
        observer=observer,
    )
    note = note_of(workspace.notes(module), snapshot)
    description = Description(
        module=module,
        snapshot=snapshot,
        metadata=described(metadata),
        network=workspace.network,
        root_key_sha256=workspace.root_key_sha256,
        label=note.label or "",
        is_protected=note.is_protected,
        made_by=f"juno-snap {__version__}",
    )
    with BackupWriter(directory, description) as writer:
        jobs = _jobs(workspace, module, snapshot, writer, observer)
        _tell(writer, observer)
        await in_window(client.agent, jobs)
        # What was written out of turn is read again; a slice that is gone by then is read anew.
        await in_window(client.agent, _jobs(workspace, module, snapshot, writer, observer))
        writer.finish()


async def differences_to_chain(
    workspace: Workspace, module: Principal, backup: Backup, *, which: str | None = None
) -> tuple[str, ...]:
    """How a backup differs from its snapshot on the network: sizes and metadata, no content.

    Raises:
        InputError: The backup does not say of which snapshot it is, and ``which`` does not either.
        NotFoundError: The snapshot is not on the network any more.
    """
    wanted = which or (str(backup.description.snapshot) if backup.description.snapshot else None)
    if wanted is None:
        raise InputError(
            f"{backup.path} does not say of which snapshot it is",
            code="usage",
            hint="name it with --snapshot ID",
        )
    listed = await list_snapshots(workspace, module)
    found = resolve_snapshot(wanted, listed.snapshots, notes=listed.notes, module=module)
    there = await workspace.client.read_canister_snapshot_metadata(module, found.id)
    ours = backup.description.metadata
    return tuple(differences(described(there), ours, is_copy=False))


def _jobs(
    workspace: Workspace,
    module: Principal,
    snapshot: SnapshotId,
    writer: BackupWriter,
    observer: Observer,
) -> Iterator[Job]:
    client, clock = workspace.client, workspace.clock

    def reading(wanted: Slice) -> Job:
        async def job() -> None:
            data = await persistently(
                lambda: client.read_canister_snapshot_data(
                    module,
                    snapshot,
                    part=wanted.part,
                    offset_bytes=wanted.offset,
                    size_bytes=wanted.size,
                ),
                clock=clock,
                observer=observer,
            )
            writer.write_slice(wanted.part, wanted.offset, data)
            _tell(writer, observer)

        return job

    def reading_chunk(chunk_hash: bytes) -> Job:
        async def job() -> None:
            data = await persistently(
                lambda: client.read_canister_snapshot_chunk(module, snapshot, chunk_hash),
                clock=clock,
                observer=observer,
            )
            writer.write_chunk(chunk_hash, data)

        return job

    for chunk_hash in writer.missing_chunks():
        yield reading_chunk(chunk_hash)
    for wanted in writer.missing():
        yield reading(wanted)


def _tell(writer: BackupWriter, observer: Observer) -> None:
    observer(
        BytesMoved(what="download", done_bytes=writer.done_bytes, total_bytes=writer.total_bytes)
    )
