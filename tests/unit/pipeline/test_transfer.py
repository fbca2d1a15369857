import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import RejectedError, TrustError
from juno_snap.events import BytesMoved, ignore_events
from juno_snap.pipeline.transfer import (
    UPLOADS_AT_ONCE,
    fits_chunked,
    fits_one_message,
    plan_staging,
    stage_chunks,
)
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.units import CHUNK_MAX_BYTES, MIB
from tests.unit.pipeline.values import HEADER, MODULE, custom, wasm_file

LARGE = wasm_file(size_bytes=6 * MIB)
HUGE = wasm_file(size_bytes=20 * MIB)


def test_a_module_goes_in_one_message_up_to_two_mib():
    assert fits_one_message(wasm_file(size_bytes=2 * MIB - 20_000), b"")
    assert not fits_one_message(wasm_file(size_bytes=2 * MIB), b"")
    assert not fits_one_message(wasm_file(size_bytes=MIB), bytes(MIB))


def test_a_large_argument_fits_beside_no_list_of_chunks():
    assert fits_chunked(LARGE, bytes(MIB))
    assert not fits_chunked(LARGE, bytes(2 * MIB))


def test_a_chunk_that_occurs_twice_is_sent_once():
    repeating = check_wasm(HEADER + custom(b"zeros", bytes(4 * CHUNK_MAX_BYTES)), name="z.wasm")
    staging = plan_staging(repeating, frozenset(), clear=False)
    assert len(repeating.chunk_hashes) == 5
    assert staging.missing == (0, 1, 4)


@given(st.sets(st.integers(0, 6)), st.integers(0, 100), st.booleans())
def test_after_staging_every_chunk_is_there_and_the_store_does_not_overflow(
    present, foreign, clear
):
    others = {number.to_bytes(32, "big") for number in range(foreign)}
    stored = frozenset({LARGE.chunk_hashes[place] for place in present} | others)
    staging = plan_staging(LARGE, stored, clear=clear)
    before = set() if staging.clear_first else set(stored)
    after = before | {LARGE.chunk_hashes[place] for place in staging.missing}
    assert set(LARGE.chunk_hashes) <= after
    assert len(after) <= 100
    assert staging.clear_last is (after == set(LARGE.chunk_hashes))
    assert staging.reused_chunks == len(before & set(LARGE.chunk_hashes))


class ChunkStore:
    """The only call that staging makes."""

    def __init__(self, *, refuses_first=False):
        self.chunks = set()
        self.uploads = 0
        self._refuses_first = refuses_first

    async def upload_chunk(self, _module, chunk):
        self.uploads += 1
        is_refused = self._refuses_first and self.uploads == 1
        await asyncio.sleep(0)
        if is_refused:
            raise RejectedError("no", reject_code=5, error_code="IC0504", certified=True)
        digest = hashlib.sha256(chunk).digest()
        self.chunks.add(digest)
        return digest


@pytest.mark.anyio
async def test_a_bounded_number_of_chunks_is_under_way_at_a_time():
    module = ChunkStore()
    under_way, most = 0, 0
    upload = module.upload_chunk

    async def counted(canister, chunk):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        digest = await upload(canister, chunk)
        under_way -= 1
        return digest

    module.upload_chunk = counted
    events = []
    missing = range(len(HUGE.chunk_hashes))
    await stage_chunks(module, MODULE, HUGE, missing, observer=events.append)
    assert module.chunks == set(HUGE.chunk_hashes)
    assert most == UPLOADS_AT_ONCE
    assert events[-1] == BytesMoved(
        what="chunks", done_bytes=HUGE.size_bytes, total_bytes=HUGE.size_bytes
    )


@pytest.mark.anyio
async def test_the_first_error_ends_the_staging_and_what_arrived_stays():
    module = ChunkStore(refuses_first=True)
    missing = range(len(HUGE.chunk_hashes))
    with pytest.raises(RejectedError):
        await stage_chunks(module, MODULE, HUGE, missing, observer=ignore_events)
    assert module.uploads < len(HUGE.chunk_hashes)
    assert module.chunks < set(HUGE.chunk_hashes)


@pytest.mark.anyio
async def test_a_chunk_that_the_network_hashes_otherwise_is_not_trusted():
    module = ChunkStore()

    async def wrong(_canister, _chunk):
        return bytes(32)

    module.upload_chunk = wrong
    with pytest.raises(TrustError):
        await stage_chunks(module, MODULE, LARGE, (0,), observer=ignore_events)
