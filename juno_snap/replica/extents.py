"""Pieces of a memory: where they begin and end."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple, final


class Extent(NamedTuple):
    """A piece of a memory: where it begins and how long it is, in bytes."""

    offset: int
    size: int


@final
class Extents:
    """Pieces in order that neither touch nor overlap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, extents: Iterable[Extent] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for extent in extents:
            self.add(extent)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Extent]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield Extent(start, end - start)

    @property
    def size_bytes(self) -> int:
        """All pieces together."""
        return sum(self._ends) - sum(self._starts)

    def add(self, extent: Extent) -> None:
        """Take in a piece, which joins those that it touches."""
        start, end = extent.offset, extent.offset + extent.size
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def within(self, offset: int, size: int) -> Iterator[Extent]:
        """What of the pieces lies between ``offset`` and ``offset + size``."""
        end = offset + size
        position = bisect_right(self._ends, offset)
        while position < len(self._starts) and self._starts[position] < end:
            start = max(offset, self._starts[position])
            yield Extent(start, min(end, self._ends[position]) - start)
            position += 1
