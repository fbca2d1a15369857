"""Bringing a large Wasm module into the module's chunk store while the module still serves.

Only what is missing is sent. Several chunks travel at once, few enough that what the client holds
of them stays small: each is copied into a Candid blob, a CBOR envelope and a request.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import TrustError
from juno_snap.events import BytesMoved, Observer
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.limits import INGRESS_MAX_BYTES, STORED_CHUNKS_MAX
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.units import KIB

INGRESS_RESERVE_BYTES: Final = 16 * KIB
"""Left for what surrounds module and argument: envelope, key, signature, a delegation chain."""

HASH_ENTRY_BYTES: Final = 40
"""A chunk hash in the list of ``install_chunked_code``, with its Candid frame, rounded up."""

UPLOADS_AT_ONCE: Final = 8
"""Chunks under way at a time: a module of 6.5 MB goes in one round. Each is held about three times
(measured), so that the client stays far below 64 MB."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How a Wasm module too large for one message gets into the chunk store."""

    missing: tuple[int, ...]
    """Places of the chunks that have to be sent."""
    clear_first: bool
    """Empty the store before: a person said so, or it would overflow."""
    foreign_chunks: int
    """Chunks in the store that are not this Wasm's; they stay unless ``clear_first``."""
    reused_chunks: int

    @property
    def clear_last(self) -> bool:
        """Whether the store holds nothing but this Wasm's chunks and may be emptied afterwards."""
        return self.clear_first or self.foreign_chunks == 0


def fits_one_message(wasm: WasmFile, arg: bytes) -> bool:
    """Whether ``install_code`` can carry the module and its argument."""
    return wasm.size_bytes + len(arg) + INGRESS_RESERVE_BYTES <= INGRESS_MAX_BYTES


def fits_chunked(wasm: WasmFile, arg: bytes) -> bool:
    """Whether ``install_chunked_code`` can carry the list of chunks and the argument."""
    listed = len(wasm.chunk_hashes) * HASH_ENTRY_BYTES
    return listed + len(arg) + INGRESS_RESERVE_BYTES <= INGRESS_MAX_BYTES


def plan_staging(wasm: WasmFile, stored: frozenset[bytes], *, clear: bool) -> Staging:
    """What has to be sent when ``stored`` are the hashes in the store."""
    wanted = dict.fromkeys(wasm.chunk_hashes)
    foreign = len(stored - wanted.keys())
    clear_first = bool(stored) and (clear or foreign + len(wanted) > STORED_CHUNKS_MAX)
    present = frozenset[bytes]() if clear_first else stored
    # The same chunk may occur twice in a module; it is sent once.
    first_places = {digest: wasm.chunk_hashes.index(digest) for digest in wanted}
    missing = tuple(place for digest, place in first_places.items() if digest not in present)
    return Staging(
        missing=missing,
        clear_first=clear_first,
        foreign_chunks=foreign,
        reused_chunks=len(wanted) - len(missing),
    )


async def stage_chunks(
    client: ManagementClient,
    module: Principal,
    wasm: WasmFile,
    missing: Sequence[int],
    *,
    observer: Observer,
) -> None:
    """Send the chunks at the places ``missing``; on return all of them are certified as stored.

    When one fails the others are given up; what has arrived stays and is reused the next time.

    Raises:
        TrustError: The network names another hash for a chunk than ours.
        JunoSnapError: Whatever ended the first upload that failed.
    """
    chunks = wasm.chunks()
    total_bytes = sum(len(chunks[place]) for place in missing)
    free = asyncio.Semaphore(UPLOADS_AT_ONCE)
    done_bytes = 0

    async def send(place: int) -> None:
        nonlocal done_bytes
        async with free:
            digest = await client.upload_chunk(module, bytes(chunks[place]))
        if digest != wasm.chunk_hashes[place]:
            raise TrustError(f"the network stored another chunk {place} than the one that was sent")
        done_bytes += len(chunks[place])
        observer(BytesMoved(what="chunks", done_bytes=done_bytes, total_bytes=total_bytes))

    try:
        async with asyncio.TaskGroup() as group:
            for place in missing:
                group.create_task(send(place))
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error of a group: the others ended because of it, or say the same."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
