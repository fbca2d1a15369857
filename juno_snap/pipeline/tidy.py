"""Removing what an upgrade does not need any more, in one parallel round."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import final

from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline import codes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What is gone; ``warnings`` name what stays although it should not."""

    chunks_cleared: bool
    deleted: tuple[SnapshotId, ...]
    warnings: tuple[str, ...]


async def tidy(
    client: ManagementClient,
    module: Principal,
    *,
    clear_chunks: bool,
    delete: Sequence[SnapshotId],
) -> Tidied:
    """Empty the chunk store and delete snapshots; a failure is a warning, never an error."""
    chores: list[Awaitable[JunoSnapError | None]] = [
        _attempt(client.delete_canister_snapshot(module, snapshot)) for snapshot in delete
    ]
    if clear_chunks:
        chores.append(_attempt(client.clear_chunk_store(module)))
    errors = await asyncio.gather(*chores)
    warnings = []
    deleted = []
    for snapshot, error in zip(delete, errors, strict=False):
        if error is None or _is_gone(error):
            deleted.append(snapshot)
        else:
            warnings.append(f"snapshot {snapshot} was not deleted: {error}")
    if clear_chunks and errors[-1] is not None:
        warnings.append(f"the chunk store was not emptied: {errors[-1]}")
    return Tidied(
        chunks_cleared=clear_chunks and errors[-1] is None,
        deleted=tuple(deleted),
        warnings=tuple(warnings),
    )


async def _attempt(call: Awaitable[object]) -> JunoSnapError | None:
    try:
        await call
    except JunoSnapError as error:
        return error
    return None


def _is_gone(error: JunoSnapError) -> bool:
    return isinstance(error, RejectedError) and error.error_code == codes.SNAPSHOT_NOT_FOUND
