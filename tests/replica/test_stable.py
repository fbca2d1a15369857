"""Stable memory behaves like one long array, and traps beyond its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.stable import STABLE_MAX_PAGES, StableMemory, StableOverlay
from juno_snap.replica.traps import ExecutionError

PAGE = 65536
WRITES = st.lists(
    st.tuples(st.integers(0, 3 * PAGE - 20), st.binary(min_size=0, max_size=20)), max_size=10
)


@given(WRITES, WRITES)
def test_it_behaves_like_an_array_and_an_overlay_like_a_copy(below, above):
    memory, model = StableMemory(3), bytearray(3 * PAGE)
    for offset, data in below:
        memory.write(offset, data)
        model[offset : offset + len(data)] = data
    before = bytes(model)
    copy = memory.copy()
    overlay = StableOverlay(memory)
    for offset, data in above:
        overlay.write(offset, data)
        model[offset : offset + len(data)] = data
    assert overlay.read(0, 3 * PAGE) == bytes(model)
    assert memory.read(0, 3 * PAGE) == before
    memory.apply(overlay)
    assert memory.read(0, 3 * PAGE) == bytes(model)
    assert copy.read(0, 3 * PAGE) == before


def test_a_write_across_pages_lands_in_both():
    memory = StableMemory(2)
    memory.write(PAGE - 2, b"abcd")
    assert memory.read(PAGE - 3, 6) == b"\0abcd\0"
    assert [number for number, _page in memory.pages()] == [0, 1]


def test_pages_that_nobody_wrote_cost_nothing():
    memory = StableMemory(STABLE_MAX_PAGES)
    memory.write(memory.size_bytes - 1, b"x")
    assert [number for number, _page in memory.pages()] == [STABLE_MAX_PAGES - 1]
    assert memory.read(memory.size_bytes - 2, 2) == b"\0x"


@pytest.mark.parametrize(("offset", "size"), [(PAGE - 1, 2), (PAGE + 1, 0), (1 << 63, 1 << 63)])
def test_access_beyond_the_end_traps(offset, size):
    with pytest.raises(ExecutionError) as trapped:
        StableMemory(1).read(offset, size)
    assert (trapped.value.error_code, trapped.value.text) == (
        "IC0502",
        "Canister trapped: stable memory out of bounds",
    )


def test_a_refused_write_changes_nothing():
    memory = StableMemory(1)
    with pytest.raises(ExecutionError):
        memory.write(PAGE - 1, b"xy")
    assert memory.read(PAGE - 1, 1) == b"\0"


def test_growing_gives_the_size_before_and_stops_at_the_networks_limit():
    overlay = StableOverlay(StableMemory(1))
    assert overlay.grow(2) == 1
    assert overlay.grow(0) == 3
    assert overlay.grow(STABLE_MAX_PAGES) is None
    assert overlay.size_pages == 3
