"""Deleting module snapshots, and which of them may go.

Decisions: a protected snapshot is deleted by ``force`` only, and ``--all`` is refused where it
meets one, since half of all is not what was said; one that an unfinished operation took is not
deleted before that has ended; ``oldest`` is the oldest that may go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.conduct import refuse_unfinished
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import SnapshotList
from juno_snap.pipeline.notes import Notes, is_unfinished, note_of
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.report import SCHEMA, Json
from juno_snap.pipeline.resolve import oldest_spare, resolve_snapshot
from juno_snap.pipeline.tidy import tidy
from juno_snap.pipeline.workspace import Workspace


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedSnapshots:
    """Snapshots that are gone."""

    module: Principal
    deleted: tuple[SnapshotId, ...]

    def to_json(self) -> Json:
        """The document of ``snapshot delete``."""
        deleted = [str(gone) for gone in self.deleted]
        return {"schema": SCHEMA, "module": str(self.module), "deleted": deleted}


def known_code_hash(workspace: Workspace, note: SnapshotNote) -> bytes | None:
    """SHA-256 of the code in a snapshot, as far as the journal tells; no network is asked."""
    if note.operation is None or note.purpose not in {"upgrade", "safety", "user"}:
        return None
    program = Program.from_json(workspace.journal.operation(note.operation).begun.program)
    if note.purpose == "safety" and isinstance(program.change, InstallChange):
        return program.change.wasm_sha256
    return program.before.module_hash


def choose_deleted(
    there: SnapshotList, which: Sequence[str] | None, *, force: bool = False
) -> tuple[SnapshotId, ...]:
    """The snapshots to delete: those that ``which`` names, each once; None: all.

    Raises:
        InputError: One is named ambiguously or malformed.
        NotFoundError: One does not exist, or none may go where the oldest was asked for.
        PreconditionError: One must stay (see ``check_may_go``).
    """
    if which is None:
        chosen = [snapshot.id for snapshot in there.snapshots]
    else:
        chosen = [_to_go(text, there) for text in which]
    chosen = list(dict.fromkeys(chosen))
    check_may_go(chosen, there.notes, force=force)
    return tuple(chosen)


def check_may_go(snapshots: Sequence[SnapshotId], notes: Notes, *, force: bool) -> None:
    """Refuse what a person may not delete.

    Raises:
        PreconditionError: One is protected and not forced, or an unfinished operation's.
    """
    for snapshot in snapshots:
        note = note_of(notes, snapshot)
        if is_unfinished(note):
            raise PreconditionError(
                f"snapshot {snapshot} belongs to operation {note.operation}, which is not finished",
                code="snapshot-in-use",
                hint="end that first: juno-snap resume",
            )
    kept = [each for each in snapshots if note_of(notes, each).is_protected]
    if kept and not force:
        names = ", ".join(_name(note_of(notes, each)) for each in kept)
        raise PreconditionError(
            f"protected: {names}",
            code="snapshot-protected",
            hint="leave it out, say --force, or lift it with: juno-snap snapshot unprotect",
        )


async def delete_snapshots(
    workspace: Workspace,
    module: Principal,
    snapshots: Sequence[SnapshotId],
    *,
    force: bool = False,
) -> DeletedSnapshots:
    """Delete them all at the same time; one that is gone already is as good as deleted.

    ``force`` deletes protected ones too. What was known of them is forgotten.

    Raises:
        PreconditionError: One must stay (see ``check_may_go``), or an operation on the module is
            not finished. Nothing was deleted.
        LockedError: An operation on the module is going on.
        JunoSnapError: Some could not be deleted; the message says which, and why.
    """
    with workspace.lock(module):
        refuse_unfinished(workspace, module)
        check_may_go(snapshots, workspace.notes(module), force=force)
        done = await tidy(workspace.client, module, clear_chunks=False, delete=snapshots)
        left = set(workspace.journal.notes(workspace.root_key, module)) - set(done.deleted)
        workspace.journal.forget_absent(workspace.root_key, module, left)
    if done.warnings:
        gone = ", ".join(map(str, done.deleted)) or "none"
        raise JunoSnapError(
            f"{'; '.join(done.warnings)} (deleted: {gone})",
            code="not-all-deleted",
            hint="list what is left with: juno-snap snapshot list",
        )
    return DeletedSnapshots(module=module, deleted=done.deleted)


def _to_go(text: str, there: SnapshotList) -> SnapshotId:
    if text.strip().lower() != "oldest":
        named = resolve_snapshot(text, there.snapshots, notes=there.notes, module=there.module)
        return named.id
    oldest = oldest_spare(there.snapshots, there.notes)
    if oldest is None:
        raise NotFoundError(
            f"module {there.module} has no snapshot that 'oldest' could mean: none of them may go "
            "unless it is named",
            code="snapshot-not-found",
            hint="name one by its id: juno-snap snapshot list shows them",
        )
    return oldest.id


def _name(note: SnapshotNote) -> str:
    return f"{note.id} ({note.label})" if note.label else str(note.id)
