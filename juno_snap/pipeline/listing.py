"""Listing module snapshots and looking at one.

The network tells which there are; the journal and the configuration tell what they are for.
Nothing of what changes a module is imported: a list is asked for often, and has to be quick.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final, final

from juno_snap.errors import RejectedError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.limits import SNAPSHOT_SLICE_MAX_BYTES
from juno_snap.management.types import Snapshot, SnapshotMetadata
from juno_snap.pipeline.explain import explained
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.notes import Notes, made_by, note_of
from juno_snap.pipeline.report import SCHEMA, Json, hex_or_none, rfc3339, snapshot_json
from juno_snap.pipeline.resolve import oldest_first, resolve_snapshot
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
