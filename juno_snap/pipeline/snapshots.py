"""Listing, looking at and deleting module snapshots.

Labels, protection and who made a snapshot are not known yet: they need a record of earlier
operations.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.limits import SNAPSHOT_SLICE_MAX_BYTES
from juno_snap.management.types import Snapshot, SnapshotMetadata
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.observe import explained
from juno_snap.pipeline.report import SCHEMA, Json, hex_or_none, rfc3339, snapshot_json
from juno_snap.pipeline.resolve import oldest_first, resolve_snapshot
from juno_snap.pipeline.tidy import tidy
from juno_snap.units import SNAPSHOTS_MAX

HASHED_WASM_MAX_BYTES: Final = 5 * SNAPSHOT_SLICE_MAX_BYTES
"""A module above this is not read back to show its hash; below, one round of calls does it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotList:
    """The snapshots of a module, the oldest first."""

    module: Principal
    snapshots: tuple[Snapshot, ...]

    def to_json(self) -> Json:
        """The document of ``snapshot list``."""
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshots": [
                {**snapshot_json(snapshot), "made_by": "unknown"} for snapshot in self.snapshots
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

    def to_json(self) -> Json:
        """The document of ``snapshot show``."""
        metadata = self.metadata
        timer = metadata.global_timer
        active_at_ns = None if timer is None else timer.active_at_ns
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshot": {
                **snapshot_json(self.snapshot),
                "made_by": "unknown",
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


async def list_snapshots(client: ManagementClient, module: Principal) -> SnapshotList:
    """The snapshots of ``module``, certified.

    Raises:
        NotFoundError: There is no such module.
        PreconditionError: The caller may not see them, or the module is frozen.
    """
    try:
        snapshots = await client.list_canister_snapshots(module)
    except RejectedError as error:
        raise explained(error, module) from error
    return SnapshotList(module=module, snapshots=tuple(oldest_first(snapshots)))


async def show_snapshot(
    client: ManagementClient,
    module: Principal,
    which: str,
    *,
    costs: CostProfile = DEFAULT_COSTS,
) -> SnapshotDetail:
    """What the snapshot ``which`` (``latest``, an id, a beginning of one) is made of.

    Raises:
        InputError: It is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: The caller may not see it, or the module is frozen.
    """
    listed = await list_snapshots(client, module)
    snapshot = resolve_snapshot(which, listed.snapshots, notes={}, module=module)
    metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
    return SnapshotDetail(
        module=module,
        snapshot=snapshot,
        metadata=metadata,
        wasm_hash=await _hash_wasm(client, module, snapshot.id, metadata.wasm_module_bytes),
        storage_cycles_per_30_days=costs.storage_of_30_days(snapshot.total_size_bytes),
    )


async def delete_snapshots(
    client: ManagementClient, module: Principal, snapshots: Sequence[SnapshotId]
) -> DeletedSnapshots:
    """Delete them all at the same time; one that is gone already is as good as deleted.

    Raises:
        JunoSnapError: Some could not be deleted; the message says which, and why.
    """
    done = await tidy(client, module, clear_chunks=False, delete=snapshots)
    if done.warnings:
        gone = ", ".join(map(str, done.deleted)) or "none"
        raise JunoSnapError(
            f"{'; '.join(done.warnings)} (deleted: {gone})",
            code="not-all-deleted",
            hint="list what is left with: juno-snap snapshot list",
        )
    return DeletedSnapshots(module=module, deleted=done.deleted)


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
