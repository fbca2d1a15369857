"""Stable memory: what a canister keeps across upgrades, in pages of 64 KiB.

A page that a snapshot shares is never changed in place; it is replaced. So a copy costs one
dictionary, and a message that traps leaves nothing behind: it writes to an overlay.
"""

from collections.abc import Iterator
from typing import Final, final

from juno_snap.replica.pieces import KnownPieces
from juno_snap.replica.traps import ExecutionError
from juno_snap.units import GIB, WASM_PAGE_BYTES

STABLE_MAX_PAGES: Final = 500 * GIB // WASM_PAGE_BYTES
"""Source: developer docs, resource limits."""

Page = bytes | bytearray


@final
class StableMemory:
    """The stable memory of a canister or a snapshot; pages that are not there are zero."""

    __slots__ = ("_pages", "known", "size_pages", "written_bytes")

    def __init__(self, size_pages: int = 0) -> None:
        self.size_pages = size_pages
        self.known = KnownPieces()
        self.written_bytes = 0
        """Counts whole pages that are written, as a heap image counts its bytes."""
        self._pages: dict[int, Page] = {}

    @property
    def size_bytes(self) -> int:
        """Its size, holes included."""
        return self.size_pages * WASM_PAGE_BYTES

    def copy(self) -> "StableMemory":
        """A stable memory of its own with the same content."""
        twin = StableMemory(self.size_pages)
        twin._pages = dict(self._pages)
        twin.known = self.known.copy()
        twin.written_bytes = self.written_bytes
        return twin

    def pages(self) -> Iterator[tuple[int, Page]]:
        """The pages that were ever written, with their numbers, in order."""
        return iter(sorted(self._pages.items()))

    def page(self, number: int) -> Page | None:
        """One page; None where it was never written."""
        return self._pages.get(number)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset`` on.

        Raises:
            ExecutionError: Beyond the end.
        """
        return StableOverlay(self).read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Replace bytes from ``offset`` on.

        Raises:
            ExecutionError: Beyond the end.
        """
        overlay = StableOverlay(self)
        overlay.write(offset, data)
        self.apply(overlay)

    def apply(self, overlay: "StableOverlay") -> None:
        """Take over what a message wrote. The overlay must not be used afterwards."""
        for number in overlay.pages:
            self.known.forget(number * WASM_PAGE_BYTES, WASM_PAGE_BYTES)
        self._pages.update(overlay.pages)
        self.size_pages = overlay.size_pages
        self.written_bytes += len(overlay.pages) * WASM_PAGE_BYTES


@final
class StableOverlay:
    """What one message sees of a stable memory: its own writes over the pages below."""

    __slots__ = ("_below", "pages", "size_pages")

    def __init__(self, below: StableMemory) -> None:
        self._below = below
        self.pages: dict[int, bytearray] = {}
        self.size_pages = below.size_pages

    def grow(self, more_pages: int) -> int | None:
        """The size in pages before growing; None where the network's limit forbids it."""
        before = self.size_pages
        if before + more_pages > STABLE_MAX_PAGES:
            return None
        self.size_pages = before + more_pages
        return before

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset`` on.

        Raises:
            ExecutionError: Beyond the end.
        """
        self._check(offset, size)
        out = bytearray(size)
        for number, start, position, length in _pieces(offset, size):
            page = self.pages.get(number) or self._below.page(number)
            if page is not None:
                out[position : position + length] = page[start : start + length]
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Replace bytes from ``offset`` on.

        Raises:
            ExecutionError: Beyond the end.
        """
        self._check(offset, len(data))
        for number, start, position, length in _pieces(offset, len(data)):
            page = self.pages.get(number)
            if page is None:
                below = self._below.page(number)
                page = bytearray(WASM_PAGE_BYTES) if below is None else bytearray(below)
                self.pages[number] = page
            page[start : start + length] = data[position : position + length]

    def _check(self, offset: int, size: int) -> None:
        if offset + size > self.size_pages * WASM_PAGE_BYTES:
            raise ExecutionError("IC0502", "Canister trapped: stable memory out of bounds")


def _pieces(offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Page number, place in the page, place in the data, and length of each piece."""
    position = 0
    while position < size:
        number, start = divmod(offset + position, WASM_PAGE_BYTES)
        length = min(size - position, WASM_PAGE_BYTES - start)
        yield number, start, position, length
        position += length
