"""Bringing a backup into a module: upload, read back, load, and only then give an old one up.

The backup is verified before the first call. What was interrupted goes on: the upload where it was,
the load as every operation (the same restore, asked for again), and a load that has ended is not
done twice.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import NotFoundError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.backup_restore_plan import (
    gives_way_before_load,
    plan_backup_restore,
)
from juno_snap.pipeline.conduct import unfinished
from juno_snap.pipeline.listing import SnapshotList
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.plan_parts import Outline
from juno_snap.pipeline.program import LoadChange, Program
from juno_snap.pipeline.report import SCHEMA, Json, RestoreReport
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS
from juno_snap.pipeline.resolve import oldest_spare, resolve_snapshot
from juno_snap.pipeline.restore import prepare_restore, restore_digest, run_restore
from juno_snap.pipeline.snapshot_content import code_of
from juno_snap.pipeline.snapshots import check_may_go, delete_snapshots
from juno_snap.pipeline.upload import Survey, Upload, survey
from juno_snap.pipeline.upload_progress import UploadProgress
from juno_snap.pipeline.workspace import Workspace

HISTORY_READ: Final = 20
"""How far back the history is read for a load that has ended."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """What is to become of a backup."""

    path: Path
    replace: str | None = None
    """A snapshot to be given up in the end: ``oldest``, a label, an id or its beginning."""
    loads: bool = True
    """Load the snapshot once it is there."""
    force: bool = False
    """Another kind of module, or one with too few cycles, is no obstacle."""
    discards_current: bool = False
    """Go on where the present state cannot be saved."""
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedUpload:
    """A plan, and what it was made from; nothing has been changed yet."""

    request: UploadRequest
    seen: Observation
    backup: Backup
    survey: Survey
    replaced: SnapshotId | None
    outline: Outline
    progress: UploadProgress

    def to_json(self) -> Json:
        """The document of ``backup restore --dry-run``."""
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.seen.module),
                "path": str(self.backup.path),
                "upload_bytes": self.survey.data_bytes + self.survey.chunk_bytes,
                "resumed": self.progress.is_begun,
                "replaced": None if self.replaced is None else str(self.replaced),
                **self.outline.to_json(),
            },
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A backup that is a snapshot of a module now."""

    module: Principal
    snapshot: SnapshotId
    replaced: SnapshotId | None
    loaded: RestoreReport | None
    """None: it was not to be loaded, or had been before."""
    loaded_before: str | None = None
    """The operation of a process that was interrupted after it had loaded the snapshot."""

    def to_json(self) -> Json:
        """The document of ``backup restore``."""
        loaded = self.loaded
        safety = None if loaded is None else loaded.safety_snapshot
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshot": str(self.snapshot),
            "replaced": [] if self.replaced is None else [str(self.replaced)],
            "operation": self.loaded_before if loaded is None else loaded.facts.operation,
            "outcome": self._outcome,
            "safety_snapshot": None if safety is None else str(safety),
        }

    @property
    def _outcome(self) -> str:
        if self.loaded is not None:
            return self.loaded.outcome
        return "uploaded" if self.loaded_before is None else "restored"


async def prepare_upload(
    workspace: Workspace,
    module: Principal,
    request: UploadRequest,
    *,
    observer: Observer = ignore_events,
) -> PreparedUpload:
    """Verify the backup, then look at the module and plan.

    Raises:
        NotFoundError: No such directory, module, or snapshot to replace.
        BackupError: The backup is not sound; nothing was sent.
        InputError: The snapshot to replace is named ambiguously or malformed.
        PreconditionError: The caller does not control the module, it is frozen, one to be given up
            must stay, or another operation on it is not finished.
    """
    verification = verify_backup(request.path, observer=observer)
    verification.require_sound()
    backup = verification.backup
    found = survey(verification)
    progress = UploadProgress(
        workspace.state, root_key=workspace.root_key, module=module, content=found.content
    )
    uploaded = progress.snapshot
    unfinished(workspace, module, b"" if uploaded is None else restore_digest(module, uploaded))
    seen, _ = await observe_as_step(workspace, module, observer=observer)
    uploaded = _still_there(seen, progress)
    replaced = _replaced(seen, request, uploaded)
    outline = plan_backup_restore(
        seen,
        backup,
        found,
        code=code_of(backup),
        replaced=replaced,
        uploaded=uploaded,
        loads=request.loads,
        force=request.force,
        may_discard=request.discards_current,
        reads_all_back=replaced is not None,
        costs=workspace.costs,
    )
    return PreparedUpload(
        request=request,
        seen=seen,
        backup=backup,
        survey=found,
        replaced=replaced,
        outline=outline,
        progress=progress,
    )


async def run_upload(
    workspace: Workspace, prepared: PreparedUpload, *, observer: Observer = ignore_events
) -> Uploaded:
    """Carry out a plan; on return the module has the backup's code and data, certified.

    Raises:
        PreconditionError: The plan is refused, or another operation is not finished.
        LockedError: Another process is at the module.
        Others: See ``Upload.run``, and ``conduct`` for the load.
    """
    request, module, progress = prepared.request, prepared.seen.module, prepared.progress
    prepared.outline.check()
    with workspace.lock(module):
        upload = Upload(
            workspace=workspace,
            module=module,
            backup=prepared.backup,
            survey=prepared.survey,
            progress=progress,
            seen=tuple(each.id for each in prepared.seen.snapshots),
            reads_all_back=prepared.replaced is not None,
            observer=observer,
        )
        snapshot = await upload.run()
    loaded, replaced = None, prepared.replaced
    before = _loaded_before(workspace, module, snapshot) if request.loads else None
    if before is not None:
        observer(Notice(text=f"operation {before} has loaded it before: it is not loaded again"))
    elif request.loads:
        there = await workspace.client.list_canister_snapshots(module)
        if replaced is not None and gives_way_before_load(there, replaced):
            await delete_snapshots(workspace, module, [replaced])
            replaced = None
        loaded = await _load(workspace, prepared, snapshot, observer)
    if replaced is not None:
        await delete_snapshots(workspace, module, [replaced])
    progress.forget()
    return Uploaded(
        module=module,
        snapshot=snapshot,
        replaced=prepared.replaced,
        loaded=loaded,
        loaded_before=before,
    )


async def _load(
    workspace: Workspace, prepared: PreparedUpload, snapshot: SnapshotId, observer: Observer
) -> RestoreReport:
    restore = await prepare_restore(
        workspace,
        prepared.seen.module,
        str(snapshot),
        discard_current=prepared.request.discards_current,
        stop_timeout_seconds=prepared.request.stop_timeout_seconds,
        observer=observer,
    )
    return await run_restore(workspace, restore, observer=observer)


def _still_there(seen: Observation, progress: UploadProgress) -> SnapshotId | None:
    """The uploaded snapshot; one that somebody has deleted is uploaded anew."""
    uploaded = progress.snapshot
    if uploaded is not None and uploaded not in {each.id for each in seen.snapshots}:
        progress.forget()
    return progress.snapshot


def _loaded_before(workspace: Workspace, module: Principal, snapshot: SnapshotId) -> str | None:
    """The operation of a process that was interrupted after it had loaded the snapshot."""
    history = workspace.journal.history(
        root_key=workspace.root_key, module=module, limit=HISTORY_READ
    )
    for record in history:
        change = Program.from_json(record.begun.program).change
        if isinstance(change, LoadChange) and change.snapshot == snapshot:
            return record.begun.id if record.outcome == "restored" else None
    return None


def _replaced(
    seen: Observation, request: UploadRequest, uploaded: SnapshotId | None
) -> SnapshotId | None:
    """The snapshot to be given up; one that is gone already was given up before."""
    if request.replace is None:
        return None
    others = tuple(each for each in seen.snapshots if each.id != uploaded)
    if request.replace.strip().lower() == "oldest":
        oldest = oldest_spare(others, seen.notes)
        if oldest is None:
            raise NotFoundError(
                f"module {seen.module} has no snapshot that 'oldest' could mean",
                code="snapshot-not-found",
                hint="name one by its id: juno-snap snapshot list shows them",
            )
        return oldest.id
    try:
        found = resolve_snapshot(request.replace, others, notes=seen.notes, module=seen.module)
    except NotFoundError:
        if uploaded is None:
            raise
        return None
    listed = SnapshotList(module=seen.module, snapshots=others, notes=seen.notes)
    check_may_go([found.id], listed.notes, force=False)
    return found.id
