"""Listing, looking at and deleting module snapshots.

The network tells which there are; the journal and the configuration tell what they are for.
Decisions: a protected snapshot is deleted by ``force`` only, and ``--all`` is refused where it
meets one, since half of all is not what was said; one that an unfinished operation took is not
deleted before that has ended; ``oldest`` is the oldest that may go.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError, RejectedError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.limits import SNAPSHOT_SLICE_MAX_BYTES
from juno_snap.management.types import Snapshot, SnapshotMetadata
from juno_snap.pipeline.conduct import refuse_unfinished
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.notes import Notes, is_unfinished, made_by, note_of
from juno_snap.pipeline.observe import explained
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.report import SCHEMA, Json, hex_or_none, rfc3339, snapshot_json
from juno_snap.pipeline.resolve import oldest_first, oldest_spare, resolve_snapshot
from juno_snap.pipeline.tidy import tidy
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import SNAPSHOTS_MAX

HASHED_WASM_MAX_BYTES: Final = 5 * SNAPSHOT_SLICE_MAX_BYTES
"""A module above this is not read back to show its hash; below, one round of calls does it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotList:
    """The snapshots of a module, the oldest first."""

    module: Principal
    snapshots: tuple[Snapshot, ...]
    notes: Notes = field(default_factory=dict)

    def to_json(self) -> Json:
        """The document of ``snapshot list``."""
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshots": [
                listed_json(snapshot, note_of(self.notes, snapshot.id))
                for snapshot in self.snapshots
            ],
            "slots_used": len(self.snapshots),
            "slots_max": SNAPSHOTS_MAX,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDetail:
    """One snapshot and what it is made of."""

    module: Principal
    snapshot: Snapshot
    metadata: SnapshotMetadata
    wasm_hash: bytes | None
    """SHA-256 of its module; none where that is too large to be read just for this."""
    storage_cycles_per_30_days: int
    note: SnapshotNote | None = None

    def to_json(self) -> Json:
        """The document of ``snapshot show``."""
        metadata = self.metadata
        timer = metadata.global_timer
        active_at_ns = None if timer is None else timer.active_at_ns
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshot": {
                **listed_json(self.snapshot, self.note or SnapshotNote(id=self.snapshot.id)),
                "source": metadata.source,
                "canister_version": metadata.canister_version,
                "wasm_hash": hex_or_none(self.wasm_hash),
                "wasm_module_bytes": metadata.wasm_module_bytes,
                "wasm_memory_bytes": metadata.wasm_memory_bytes,
                "stable_memory_bytes": metadata.stable_memory_bytes,
                "wasm_chunks": [digest.hex() for digest in metadata.wasm_chunk_store],
                "certified_data": metadata.certified_data.hex(),
                "global_timer_at": None if active_at_ns is None else rfc3339(active_at_ns),
                "storage_cycles_per_30_days": str(self.storage_cycles_per_30_days),
            },
        }


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


def listed_json(snapshot: Snapshot, note: SnapshotNote) -> Json:
    """One snapshot and what it is for: ``made_by`` in words, ``scrap`` if its run ended badly."""
    return {**snapshot_json(snapshot, note), "made_by": made_by(note), "scrap": note.is_scrap}


async def list_snapshots(workspace: Workspace, module: Principal) -> SnapshotList:
    """The snapshots of ``module``, certified, and what is known of them.

    Raises:
        NotFoundError: There is no such module.
        PreconditionError: The caller may not see them, or the module is frozen.
    """
    try:
        snapshots = await workspace.client.list_canister_snapshots(module)
    except RejectedError as error:
        raise explained(error, module) from error
    return SnapshotList(
        module=module,
        snapshots=tuple(oldest_first(snapshots)),
        notes=workspace.notes(module),
    )


def known_code_hash(workspace: Workspace, note: SnapshotNote) -> bytes | None:
    """SHA-256 of the code in a snapshot, as far as the journal tells; no network is asked."""
    if note.operation is None or note.purpose not in {"upgrade", "safety", "user"}:
        return None
    program = Program.from_json(workspace.journal.operation(note.operation).begun.program)
    if note.purpose == "safety" and isinstance(program.change, InstallChange):
        return program.change.wasm_sha256
    return program.before.module_hash


async def show_snapshot(workspace: Workspace, module: Principal, which: str) -> SnapshotDetail:
    """What the snapshot ``which`` (``latest``, a label, an id, a beginning of one) is made of.

    Raises:
        InputError: It is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: The caller may not see it, or the module is frozen.
    """
    client = workspace.client
    listed = await list_snapshots(workspace, module)
    snapshot = resolve_snapshot(which, listed.snapshots, notes=listed.notes, module=module)
    metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
    return SnapshotDetail(
        module=module,
        snapshot=snapshot,
        metadata=metadata,
        wasm_hash=await _hash_wasm(client, module, snapshot.id, metadata.wasm_module_bytes),
        storage_cycles_per_30_days=workspace.costs.storage_of_30_days(snapshot.total_size_bytes),
        note=note_of(listed.notes, snapshot.id),
    )


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


async def _hash_wasm(
    client: ManagementClient, module: Principal, snapshot: SnapshotId, size_bytes: int
) -> bytes | None:
    if size_bytes > HASHED_WASM_MAX_BYTES:
        return None
    slices = await asyncio.gather(
        *(
            client.read_canister_snapshot_data(
                module,
                snapshot,
                part="wasm_module",
                offset_bytes=offset,
                size_bytes=min(SNAPSHOT_SLICE_MAX_BYTES, size_bytes - offset),
            )
            for offset in range(0, size_bytes, SNAPSHOT_SLICE_MAX_BYTES)
        )
    )
    return hashlib.sha256(b"".join(slices)).digest()
