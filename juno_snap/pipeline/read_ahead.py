"""Asking for slices of a snapshot before its metadata says which there are.

A snapshot mostly has the sizes that its module has now, and those a query tells at once. So the
first slices are asked for together with the metadata, which saves a round of the network; of a
small snapshot that is all of it. A guess that was wrong ends in a refusal and has changed nothing;
one that failed is asked for again like any other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from itertools import chain, islice
from typing import TypeAlias

from juno_snap.backup.layout import Slice, slices_of
from juno_snap.errors import JunoSnapError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.window import IN_FLIGHT_MAX

Begun: TypeAlias = dict[Slice, asyncio.Task[bytes]]
"""What is under way; whoever wants a slice takes it out."""


@contextlib.asynccontextmanager
async def reading_ahead(
    client: ManagementClient, module: Principal, snapshot: SnapshotId, *, wanted: bool
) -> AsyncIterator[Begun]:
    """Slices that are likely, under way beside one other call; none unless ``wanted``.

    What is still under way at the end is given up.
    """
    likely = await _likely(client, module) if wanted else []
    begun = {
        piece: asyncio.create_task(read_slice(client, module, snapshot, piece)) for piece in likely
    }
    try:
        yield begun
    finally:
        await keep_only(begun, ())


async def keep_only(begun: Begun, wanted: Collection[Slice]) -> None:
    """Give up whatever else is in ``begun``; on return none of that is under way."""
    given_up = [begun.pop(piece) for piece in begun.keys() - wanted]
    for each in given_up:
        each.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)


async def first_answer(begun: Begun, piece: Slice) -> bytes | None:
    """The slice, if it was asked for ahead and came; it is taken out of ``begun``."""
    task = begun.pop(piece, None)
    if task is not None:
        with contextlib.suppress(JunoSnapError):
            return await task
    return None


async def read_slice(
    client: ManagementClient, module: Principal, snapshot: SnapshotId, piece: Slice
) -> bytes:
    """One slice, by one call."""
    return await client.read_canister_snapshot_data(
        module, snapshot, part=piece.part, offset_bytes=piece.offset, size_bytes=piece.size
    )


async def _likely(client: ManagementClient, module: Principal) -> list[Slice]:
    """The first slices of a snapshot of what the module is now; none where that is not told."""
    try:
        status = await client.canister_status(module, as_query=True)
    except JunoSnapError:
        return []  # to be allowed a snapshot is not to be allowed the status
    now = status.memory_metrics
    slices = chain(
        slices_of("wasm_module", now.wasm_binary_bytes),
        slices_of("wasm_memory", now.wasm_memory_bytes),
        slices_of("stable_memory", now.stable_memory_bytes),
    )
    return list(islice(slices, IN_FLIGHT_MAX - 1))
