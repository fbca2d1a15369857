"""Making a backup: a snapshot, taken or chosen, is copied off the chain.

Decisions:

* A directory that was begun decides which snapshot it is for: whoever asks again with the same
  directory goes on with that snapshot and takes no new one. Until a directory is begun, a snapshot
  that is taken for a backup is noted as such, and the next backup of the module goes on with it.
* Before a snapshot is taken, and the module stopped for it, the target is looked at: it can be
  written, holds nothing of others, and its disk has the room.
* The snapshot on the network goes, where that was asked for, only after the backup was read again
  from disk and is sound.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from juno_snap.backup.catalogue import list_backups, remove_backup
from juno_snap.backup.convert import convert_backup
from juno_snap.backup.layout import MANIFEST
from juno_snap.backup.model import Description
from juno_snap.backup.reader import Backup, open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import begun_description
from juno_snap.errors import BackupError, InputError, NotFoundError, PreconditionError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.files import make_private_folders
from juno_snap.ids import SNAPSHOT_ID_MIN_BYTES, Principal, SnapshotId
from juno_snap.pipeline.costs import snapshot_size_bytes
from juno_snap.pipeline.create import PreparedCreate, prepare_create, run_create
from juno_snap.pipeline.download import download_snapshot
from juno_snap.pipeline.listing import list_snapshots
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.program import Program
from juno_snap.pipeline.report import SCHEMA, Json, rfc3339
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.snapshots import check_may_go, delete_snapshots
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import NS_PER_MS

BACKUPS_FOLDER = "backups"
"""In the state directory: where backups lie unless somebody says otherwise."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """What kind of backup is to be made."""

    directory: Path | None = None
    """None: one of its own in the state directory."""
    which: str | None = None
    """``latest``, a label, an id or its beginning; None: a snapshot is taken."""
    layout: Literal["icp", "juno"] = "icp"
    """``icp``: our own, which icp-cli and dfx read as it is."""
    deletes_snapshot: bool = False
    stops: bool = True
    """Stop the module while a snapshot is taken."""
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBackup:
    """A backup that is whole."""

    backup: Backup
    module: Principal
    snapshot: SnapshotId
    took_snapshot: bool
    was_resumed: bool
    deleted_snapshot: bool
    duration_ms: int
    remarks: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The document of ``backup create``."""
        return {
            "schema": SCHEMA,
            "backup": {
                "path": str(self.backup.path),
                "module": str(self.module),
                "snapshot": str(self.snapshot),
                "total_size_bytes": self.backup.total_size_bytes,
                "duration_ms": self.duration_ms,
                "took_snapshot": self.took_snapshot,
                "resumed": self.was_resumed,
                "deleted_snapshot": self.deleted_snapshot,
                "remarks": list(self.remarks),
            },
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """What ``make_backup`` would do; nothing has been changed."""

    module: Principal
    path: Path
    """Where it would lie, or the folder in which it would get one of its own."""
    snapshot: SnapshotId | None
    """None: one would be taken."""
    taking: PreparedCreate | None

    def to_json(self) -> Json:
        """The document of ``backup create --dry-run``."""
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.module),
                "path": str(self.path),
                "snapshot": None if self.snapshot is None else str(self.snapshot),
                **({} if self.taking is None else self.taking.plan.outline.to_json()),
            },
        }


async def plan_backup(
    workspace: Workspace,
    module: Principal,
    request: BackupRequest,
    *,
    observer: Observer = ignore_events,
) -> BackupPlan:
    """Look at the target and the module; raises what ``make_backup`` raises before it acts."""
    snapshot, folder = await _begun(workspace, module, request)
    taking = None
    if request.which is not None:
        snapshot = await _named(workspace, module, request)
    elif snapshot is None:
        taking = await _prepare_take(workspace, module, request, observer)
    path = folder or _own_folder(workspace, module)
    return BackupPlan(module=module, path=path, snapshot=snapshot, taking=taking)


async def make_backup(
    workspace: Workspace,
    module: Principal,
    request: BackupRequest,
    *,
    observer: Observer = ignore_events,
) -> MadeBackup:
    """Copy a snapshot of ``module`` off the chain; on return all of it is on disk.

    Raises:
        InputError: The snapshot is named ambiguously or malformed, or no directory is known.
        NotFoundError: No such module or snapshot.
        PreconditionError: The caller does not control the module, the snapshot cannot be taken, or
            must not be deleted.
        BackupError: The directory is another snapshot's, has other files, or cannot be written.
        LockedError: Another process writes there, or is at the module.
        Others: See ``conduct``, where a snapshot is taken.
    """
    began_ns = workspace.clock.monotonic_ns()
    begun, folder = await _begun(workspace, module, request)
    took = begun is None and request.which is None
    if begun is not None and request.which is None:
        snapshot = begun
        observer(Notice(text=f"going on with the backup of snapshot {snapshot} in {folder}"))
    elif took:
        snapshot = await _take(workspace, module, request, folder, observer)
    else:
        snapshot = await _named(workspace, module, request)
    target = request.directory or _own_folder(workspace, module) / str(snapshot)
    working = _working(target) if request.layout == "juno" else folder or target
    if not (working / MANIFEST).exists():
        await download_snapshot(workspace, module, snapshot, working, observer=observer)
    remarks: tuple[str, ...] = ()
    if request.layout == "juno":
        remarks = convert_backup(working, target, to="juno", observer=observer).remarks
        remove_backup(working)
    if request.deletes_snapshot:
        verify_backup(working if working.exists() else target, observer=observer).require_sound()
        await delete_snapshots(workspace, module, [snapshot])
    return MadeBackup(
        backup=open_backup(working if working.exists() else target),
        module=module,
        snapshot=snapshot,
        took_snapshot=took,
        was_resumed=begun is not None,
        deleted_snapshot=request.deletes_snapshot,
        duration_ms=(workspace.clock.monotonic_ns() - began_ns) // NS_PER_MS,
        remarks=remarks,
    )


def _working(target: Path) -> Path:
    """Where a backup is made before it is converted."""
    return target.with_name(f".{target.name}.juno-snap")


def _own_folder(workspace: Workspace, module: Principal) -> Path:
    if workspace.state is None:
        raise InputError("no directory was named for the backup", code="usage", hint="say -o DIR")
    return workspace.state / BACKUPS_FOLDER / str(module)


async def _begun(
    workspace: Workspace, module: Principal, request: BackupRequest
) -> tuple[SnapshotId | None, Path | None]:
    """The snapshot whose backup was begun, and the folder it is in; or where one is to be begun."""
    if request.directory is not None:
        is_juno = request.layout == "juno"
        folder = _working(request.directory) if is_juno else request.directory
        said = _begun_in(folder)
        if said is None and request.deletes_snapshot:
            said = await _finished_in(workspace, module, folder)
        if said is None:
            _check_target(request.directory)
            return None, folder
        if (said.module, said.root_key_sha256) != (module, workspace.root_key_sha256):
            raise BackupError(
                f"{folder} is for snapshot {said.snapshot} of {said.module}, not for {module} "
                "on this network",
                path=str(folder),
                code="backup-of-another-snapshot",
                hint="name another directory",
            )
        return said.snapshot, folder
    root = _own_folder(workspace, module)
    if request.which is None and request.layout != "juno" and root.is_dir():
        for each in list_backups(root):
            said = each.description
            is_ours = said is not None and said.root_key_sha256 == workspace.root_key_sha256
            if said is not None and is_ours and each.state == "unfinished":
                return said.snapshot, each.path
    try:
        make_private_folders(root)
    except OSError as error:
        raise _not_writable(root, root) from error
    return None, None


async def _finished_in(workspace: Workspace, module: Principal, folder: Path) -> Description | None:
    """What a whole backup is of, if its snapshot is still there and has only to be deleted."""
    if not (folder / MANIFEST).exists():
        return None
    said = open_backup(folder).description
    there = {each.id for each in (await list_snapshots(workspace, module)).snapshots}
    return said if said.module == module and said.snapshot in there else None


def _begun_in(folder: Path) -> Description | None:
    """What a folder is for; a working copy that is whole counts: it has to be converted yet."""
    if (folder / MANIFEST).exists() and folder.name.startswith("."):
        return open_backup(folder).description
    return begun_description(folder)


def _check_target(directory: Path) -> None:
    """Refuse what cannot become a backup, before anything is done for it.

    Raises:
        BackupError: It may not be written, or has files.
    """
    if (directory / MANIFEST).exists():
        raise BackupError(
            f"{directory} is a backup that is finished",
            path=str(directory),
            code="backup-finished",
            hint="name another directory, or none",
        )
    parent = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise _not_writable(parent, directory)
    if parent == directory and any(not each.name.startswith(".") for each in parent.iterdir()):
        raise BackupError(
            f"{directory} is not empty",
            path=str(directory),
            code="backup-not-empty",
            hint="name a directory that is empty or not there yet",
        )


async def _take(
    workspace: Workspace,
    module: Principal,
    request: BackupRequest,
    folder: Path | None,
    observer: Observer,
) -> SnapshotId:
    taken = await _taken_before(workspace, module, observer)
    if taken is not None:
        return taken
    prepared = await _prepare_take(workspace, module, request, observer)
    place = (folder or _own_folder(workspace, module)).absolute()
    there = next(each for each in (place, *place.parents) if each.exists())
    needed, free = snapshot_size_bytes(prepared.seen.status), shutil.disk_usage(there).free
    if needed > free:
        raise BackupError(
            f"{there} has room for {free} bytes, and the snapshot has about {needed}",
            path=str(there),
            code="backup-no-room",
            hint="make room, or name a directory on another disk",
        )
    report = await run_create(workspace, prepared, observer=observer)
    if report.snapshot is None:
        raise PreconditionError("no snapshot was taken", code="no-snapshot")
    return report.snapshot.id


async def _prepare_take(
    workspace: Workspace, module: Principal, request: BackupRequest, observer: Observer
) -> PreparedCreate:
    return await prepare_create(
        workspace,
        module,
        stop=request.stops,
        stop_timeout_seconds=request.stop_timeout_seconds,
        purpose="backup",
        observer=observer,
    )


async def _taken_before(
    workspace: Workspace, module: Principal, observer: Observer
) -> SnapshotId | None:
    """The snapshot that a process took for a backup and came no further."""
    for record in workspace.journal.unfinished(workspace.root_key, module):
        save = Program.from_json(record.begun.program).save
        if save is not None and save.purpose == "backup":
            await resume(workspace, operation=record.begun.id, observer=observer)
    marked = {note.id for note in workspace.notes(module).values() if note.purpose == "backup"}
    if not marked:
        return None
    listed = await list_snapshots(workspace, module)
    for each in reversed(listed.snapshots):
        if each.id in marked:
            text = f"going on with snapshot {each.id}, which was taken for a backup of this module"
            observer(Notice(text=f"{text} on {rfc3339(each.taken_at_ns)}"))
            return each.id
    return None


async def _named(workspace: Workspace, module: Principal, request: BackupRequest) -> SnapshotId:
    text, notes = request.which or "latest", workspace.notes(module)
    found = _whole_id(text, module)
    if found is None:
        listed = await list_snapshots(workspace, module)
        found = resolve_snapshot(text, listed.snapshots, notes=notes, module=module).id
    if note_of(notes, found).purpose == "upload":
        raise NotFoundError(
            f"snapshot {found} is half uploaded: there is nothing to back up yet",
            code="snapshot-unfinished",
            hint="finish the backup restore that began it, or delete it",
        )
    if request.deletes_snapshot:
        check_may_go([found], notes, force=False)
    return found


def _whole_id(text: str, module: Principal) -> SnapshotId | None:
    """A snapshot that is named by all of its id; whether it is there shows when it is read."""
    try:
        named = SnapshotId.parse(text.strip())
    except InputError:
        return None
    return named if named.raw[SNAPSHOT_ID_MIN_BYTES:] == module.raw else None


def _not_writable(parent: Path, directory: Path) -> BackupError:
    return BackupError(
        f"{parent} cannot be written",
        path=str(directory),
        code="backup-not-writable",
        hint="name a directory that can be written with -o",
    )
