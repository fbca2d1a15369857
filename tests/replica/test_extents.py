"""Pieces of a memory, beside a plain set of bytes."""

from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.extents import Extent, Extents

PIECES = st.lists(st.builds(Extent, st.integers(0, 60), st.integers(1, 9)), max_size=20)


def covered(extents):
    return {place for extent in extents for place in range(extent.offset, sum(extent))}


@given(PIECES)
def test_pieces_are_joined_in_order(pieces):
    joined = Extents(pieces)
    assert covered(joined) == covered(pieces)
    assert joined.size_bytes == len(covered(pieces))
    ends = [sum(extent) for extent in joined]
    assert all(end < after.offset for end, after in zip(ends, list(joined)[1:], strict=False))
    assert len(joined) == len(ends)


@given(PIECES, st.integers(0, 70), st.integers(0, 30))
def test_what_lies_within_bounds_is_cut_out(pieces, offset, size):
    found = Extents(pieces).within(offset, size)
    assert covered(found) == covered(pieces) & set(range(offset, offset + size))
