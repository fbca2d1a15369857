"""Reading a snapshot off the chain straight to disk.

Reading is done by update calls, which change nothing: one whose outcome is unknown is made anew.
What has arrived is written and hashed by a thread of its own, so that the network does not wait for
the disk.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import final

from juno_snap.backup.layout import METADATA, Slice
from juno_snap.backup.model import Description
from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import Finding
from juno_snap.backup.writer import BackupWriter, begun_description
from juno_snap.errors import InputError, NotFoundError, RejectedError
from juno_snap.events import BytesMoved, Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import SnapshotMetadata
from juno_snap.pipeline import codes
from juno_snap.pipeline.explain import explained
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import list_snapshots
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.read_ahead import Begun, first_answer, keep_only, read_slice, reading_ahead
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.snapshot_content import described, differences
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
        NotFoundError: There is no such module, or the snapshot is gone.
        RejectedError: The network refused.
        BackupError, LockedError: See ``BackupWriter``.
    """
    is_new = begun_description(directory) is None
    async with reading_ahead(workspace.client, module, snapshot, wanted=is_new) as begun:
        metadata = await _metadata(workspace, module, snapshot, observer)
        note = note_of(workspace.notes(module), snapshot)
        with BackupWriter(directory, _description(workspace, module, note, metadata)) as writer:
            if note.purpose == "backup":  # the directory belongs to it from now on
                mark = replace(note, purpose="user")
                workspace.journal.note(workspace.root_key, module, mark)
            reading = _Reading(workspace, module, snapshot, writer, begun, observer)
            reading.tell()
            await keep_only(begun, writer.missing())
            # The thread has ended before the writer lets go of its files.
            with ThreadPoolExecutor(max_workers=1) as thread:
                await in_window(workspace.client.agent, reading.jobs(thread))
                # What was written out of turn is read again; a slice that is gone is fetched anew.
                await in_window(workspace.client.agent, reading.jobs(thread))
            writer.finish()


def _description(
    workspace: Workspace, module: Principal, note: SnapshotNote, metadata: SnapshotMetadata
) -> Description:
    return Description(
        module=module,
        snapshot=note.id,
        metadata=described(metadata),
        network=workspace.network,
        root_key_sha256=workspace.root_key_sha256,
        label=note.label or "",
        is_protected=note.is_protected,
        made_by=f"juno-snap {__version__}",
    )


async def _metadata(
    workspace: Workspace, module: Principal, snapshot: SnapshotId, observer: Observer
) -> SnapshotMetadata:
    try:
        return await persistently(
            lambda: workspace.client.read_canister_snapshot_metadata(module, snapshot),
            clock=workspace.clock,
            observer=observer,
        )
    except RejectedError as error:
        if error.error_code != codes.SNAPSHOT_NOT_FOUND:
            raise explained(error, module) from error
        raise NotFoundError(
            f"module {module} has no snapshot {snapshot}",
            code="snapshot-not-found",
            hint="juno-snap snapshot list shows those that are there; a backup that was begun of "
            "one that is gone cannot be finished",
        ) from error


async def differences_to_chain(
    workspace: Workspace, module: Principal, backup: Backup, *, which: str | None = None
) -> tuple[Finding, ...]:
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
    return tuple(
        Finding(file=backup.parts[each.part] if each.part else METADATA, problem=each.text)
        for each in differences(described(there), ours, is_copy=False)
    )


@final
@dataclass(frozen=True, slots=True)
class _Reading:
    """One snapshot on its way into one directory."""

    workspace: Workspace
    module: Principal
    snapshot: SnapshotId
    writer: BackupWriter
    begun: Begun
    observer: Observer

    def jobs(self, thread: Executor) -> Iterator[Job]:
        """A call for each piece that has not arrived; ``thread`` writes it down.

        What is under way already comes first: all of it has room in the window.
        """
        for piece in sorted(self.writer.missing(), key=lambda each: each not in self.begun):
            yield partial(self._bring_slice, piece, thread)
        for chunk_hash in self.writer.missing_chunks():
            yield partial(self._bring_chunk, chunk_hash, thread)

    def tell(self) -> None:
        """How far it has come."""
        done, total = self.writer.done_bytes, self.writer.total_bytes
        self.observer(BytesMoved(what="download", done_bytes=done, total_bytes=total))

    async def _bring_slice(self, piece: Slice, thread: Executor) -> None:
        client, module, snapshot = self.workspace.client, self.module, self.snapshot
        data = await first_answer(self.begun, piece)
        if data is None:
            data = await persistently(
                lambda: read_slice(client, module, snapshot, piece),
                clock=self.workspace.clock,
                observer=self.observer,
            )
        write = partial(self.writer.write_slice, piece.part, piece.offset, data)
        with client.agent.inbound.occupied(len(data)):
            await asyncio.get_running_loop().run_in_executor(thread, write)
        self.tell()

    async def _bring_chunk(self, chunk_hash: bytes, thread: Executor) -> None:
        client, module, snapshot = self.workspace.client, self.module, self.snapshot
        data = await persistently(
            lambda: client.read_canister_snapshot_chunk(module, snapshot, chunk_hash),
            clock=self.workspace.clock,
            observer=self.observer,
        )
        await asyncio.get_running_loop().run_in_executor(
            thread, self.writer.write_chunk, chunk_hash, data
        )
