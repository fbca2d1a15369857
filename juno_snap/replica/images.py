"""The heap of a canister between two messages: a file that an instance maps copy-on-write.

A message runs on a private mapping of the image, laid over the linear memory of a fresh instance.
What it writes lands in copied pages that only the instance has. When it ends well, those pages are
written to the image; when it traps, the instance is dropped and nothing has to be undone.

Copied pages are found through ``/proc/self/pagemap``. Where that does not tell them (other systems,
hardened containers), memory and image are compared.
"""

import ctypes
import functools
import mmap
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, final

from juno_snap.replica.extents import Extent, Extents
from juno_snap.replica.memory_file import MemoryFile
from juno_snap.replica.pieces import KnownPieces
from juno_snap.units import MIB, WASM_PAGE_BYTES

_PAGE_BYTES: Final = mmap.PAGESIZE
_PAGEMAP: Final = Path("/proc/self/pagemap")
_ENTRY_BYTES: Final = 8
_COPY_BYTES: Final = MIB
"""Small enough to stay in the processor's cache: a copy through more takes longer."""

_SHARE_AT_LEAST: Final = 4
"""Once a quarter of the shared part was written, a copy begins to share anew."""

_PIECES_MAX: Final = 256
"""Laying many pieces over a memory takes longer than the message: then nothing is shared."""

_PRESENT_OR_SWAPPED: Final = 0xC0
_IS_FILE_PAGE: Final = 0x20
_COPIED: Final = re.compile(
    b"["
    + b"".join(
        rb"\x%02x" % top
        for top in range(256)
        if top & _PRESENT_OR_SWAPPED and not top & _IS_FILE_PAGE
    )
    + b"]+"
)
"""Runs of copied pages in the top bytes of pagemap entries: there, but no longer the file's.

Source: Linux, ``Documentation/admin-guide/mm/pagemap.rst``, bits 61 to 63.
"""

_LIBC: Final = ctypes.CDLL(None)
_LIBC.memcmp.restype = ctypes.c_int
_LIBC.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

_ZEROS: Final = ctypes.create_string_buffer(WASM_PAGE_BYTES)


FindChanged = Callable[["HeapImage", int], list[Extent]]
"""From an image and the address it is mapped at to the extents that were written since."""


@final
class HeapImage:
    """A heap of ``size_bytes``, a multiple of the Wasm page size; new bytes are zero.

    Lives in memory only. Copies share what neither has changed since: a ``_base`` that nobody
    writes to, and for each image an own file with the pages that it has ``_written``. So a
    snapshot of a large heap costs next to nothing. Not for use by two threads at once.
    """

    __slots__ = ("__weakref__", "_base", "_own", "_written", "known", "written_bytes")

    def __init__(self, size_bytes: int = 0) -> None:
        self._base: MemoryFile | None = None
        self._own = MemoryFile(size_bytes)
        self._written = Extents()
        self.known = KnownPieces()
        self.written_bytes = 0
        """Counts what is written, copies keep the count; whoever reads it may set it back."""

    @property
    def size_bytes(self) -> int:
        """Size of the heap."""
        return self._own.size_bytes

    def close(self) -> None:
        """Give the memory back that no copy shares. The image must not be mapped any more."""
        self._own.close()
        self._base = None

    def grow(self, size_bytes: int) -> None:
        """Become at least this large. An image never shrinks: who maps it would be killed."""
        self._own.grow(size_bytes)

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of the heap from ``offset`` on; fewer where the heap ends."""
        content = bytearray(max(0, min(size, self.size_bytes - offset)))
        view = memoryview(content)
        if self._base is None:
            self._own.read_into(offset, view)
        else:
            self._base.read_into(offset, view)
            for extent in self._written.within(offset, len(content)):
                start = extent.offset - offset
                self._own.read_into(extent.offset, view[start : start + extent.size])
        return bytes(content)

    def write(self, offset: int, data: bytes) -> None:
        """Replace bytes of the heap, which grows to whole Wasm pages where needed."""
        end = offset + len(data)
        self.grow(-(-end // WASM_PAGE_BYTES) * WASM_PAGE_BYTES)
        start = offset - offset % _PAGE_BYTES
        whole = bytearray(self.read(start, -(-end // _PAGE_BYTES) * _PAGE_BYTES - start))
        whole[offset - start : end - start] = data
        self._write(memoryview(whole), start)
        self.written_bytes += len(data)

    def copy(self) -> "HeapImage":
        """An image of its own with the same content; what is equal is shared."""
        if (
            self._base is None
            or self._written.size_bytes > self._base.size_bytes // _SHARE_AT_LEAST
        ):
            self._freeze()
        twin = HeapImage(self.size_bytes)
        twin._base = self._base
        for extent in self._written:
            _copy_extent(self._own, twin._own, extent)
            twin._written.add(extent)
        twin.known = self.known.copy()
        twin.written_bytes = self.written_bytes
        return twin

    def extents(self) -> Iterator[Extent]:
        """The pieces that may hold something else than zeros, in order and on page boundaries."""
        if self._base is None:
            return self._own.extents()
        return iter(Extents([*self._base.extents(), *self._written]))

    def map_at(self, address: int) -> None:
        """Lay the image over the memory at ``address``, which must be as large; writes stay there.

        Raises:
            OSError: The system refuses the mapping.
        """
        shared_bytes = 0
        if self._base is not None:
            if len(self._written) > _PIECES_MAX:
                self._settle()
            else:
                shared_bytes = self._base.size_bytes
                self._base.map_at(address, Extent(0, shared_bytes))
                for extent in self._written.within(0, shared_bytes):
                    self._own.map_at(address + extent.offset, extent)
        if self.size_bytes > shared_bytes:
            rest = Extent(shared_bytes, self.size_bytes - shared_bytes)
            self._own.map_at(address + shared_bytes, rest)

    def changed(
        self, address: int, length: int, *, find: FindChanged | None = None
    ) -> list[Extent]:
        """Where a memory at ``address``, which this image is mapped onto, differs from it.

        Behind the image's end, up to ``length`` bytes, what is not zero counts. ``find`` replaces
        the way that suits this machine.
        """
        found = (find or best_way())(self, address) if self.size_bytes else []
        return found + _not_zero(address, self.size_bytes, length)

    def save(self, address: int, length: int, *, find: FindChanged | None = None) -> None:
        """Take over what ``changed`` finds; the image is ``length`` bytes large afterwards."""
        extents = self.changed(address, length, find=find)
        self.grow(length)
        for extent in extents:
            source = (ctypes.c_char * extent.size).from_address(address + extent.offset)
            self._write(memoryview(source).cast("B"), extent.offset)
            self.written_bytes += extent.size

    def _write(self, data: memoryview, offset: int) -> None:
        """Replace whole pages."""
        self.known.forget(offset, len(data))
        self._own.write(offset, data)
        if self._base is not None and len(data):
            self._written.add(Extent(offset, len(data)))

    def _settle(self) -> None:
        """Share nothing any more: bring what the base alone has into the own file."""
        if self._base is None:
            return
        for extent in self._base.extents():
            end = extent.offset
            for own in self._written.within(extent.offset, extent.size):
                _copy_extent(self._base, self._own, Extent(end, own.offset - end))
                end = own.offset + own.size
            rest = extent.offset + extent.size - end
            _copy_extent(self._base, self._own, Extent(end, rest))
        self._base = None
        self._written = Extents()

    def _freeze(self) -> None:
        """Make the own file the base of this image and of the copies to come."""
        self._settle()
        self._base = self._own if self.size_bytes else None
        self._own = MemoryFile(self.size_bytes)

    def compare(self, address: int) -> list[Extent]:
        """The Wasm pages at ``address`` that differ from the image, by looking at every byte."""
        with mmap.mmap(-1, self.size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as content:
            base = ctypes.addressof(ctypes.c_char.from_buffer(content))
            self.map_at(base)
            return [
                Extent(offset, WASM_PAGE_BYTES)
                for offset in range(0, self.size_bytes, WASM_PAGE_BYTES)
                if _LIBC.memcmp(address + offset, base + offset, WASM_PAGE_BYTES)
            ]


def _copy_extent(source: MemoryFile, target: MemoryFile, extent: Extent) -> None:
    buffer = memoryview(bytearray(min(_COPY_BYTES, extent.size)))
    offset, end = extent.offset, extent.offset + extent.size
    while offset < end:
        size = source.read_into(offset, buffer[: end - offset])
        target.write(offset, buffer[:size])
        offset += size


def changed_by_pagemap(image: HeapImage, address: int) -> list[Extent]:
    """The pages that were copied since the image was mapped at ``address``."""
    count = image.size_bytes // _PAGE_BYTES
    with _PAGEMAP.open("rb", buffering=0) as pagemap:
        entries = os.pread(
            pagemap.fileno(), count * _ENTRY_BYTES, address // _PAGE_BYTES * _ENTRY_BYTES
        )
    tops = entries[_ENTRY_BYTES - 1 :: _ENTRY_BYTES]
    return [
        Extent(run.start() * _PAGE_BYTES, (run.end() - run.start()) * _PAGE_BYTES)
        for run in _COPIED.finditer(tops)
    ]


def changed_by_comparison(image: HeapImage, address: int) -> list[Extent]:
    """The Wasm pages that differ; slower, and right everywhere."""
    return image.compare(address)


@functools.cache
def best_way() -> FindChanged:
    """The faster way where a trial shows that it works on this machine, else the comparison."""
    image = HeapImage(4 * WASM_PAGE_BYTES)
    image.write(0, b"x" * image.size_bytes)
    with mmap.mmap(-1, image.size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        image.map_at(address)
        touched = area[2 * _PAGE_BYTES]
        area[_PAGE_BYTES] = touched + 1
        try:
            works = changed_by_pagemap(image, address) == [Extent(_PAGE_BYTES, _PAGE_BYTES)]
        except OSError:
            works = False
    image.close()
    return changed_by_pagemap if works else changed_by_comparison


def _not_zero(address: int, start: int, end: int) -> list[Extent]:
    zeros = ctypes.addressof(_ZEROS)
    return [
        Extent(offset, WASM_PAGE_BYTES)
        for offset in range(start, end, WASM_PAGE_BYTES)
        if _LIBC.memcmp(address + offset, zeros, WASM_PAGE_BYTES)
    ]
