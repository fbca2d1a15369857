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
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, final

from juno_snap.units import MIB, WASM_PAGE_BYTES

_PAGE_BYTES: Final = mmap.PAGESIZE
_PAGEMAP: Final = Path("/proc/self/pagemap")
_ENTRY_BYTES: Final = 8
_COPY_BYTES: Final = MIB
"""Small enough to stay in the processor's cache: a copy through more takes longer."""

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

_MAP_FIXED: Final = 0x10
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_LIBC.memcmp.restype = ctypes.c_int
_LIBC.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

_ZEROS: Final = ctypes.create_string_buffer(WASM_PAGE_BYTES)


class Extent(NamedTuple):
    """A piece of a heap: where it begins and how long it is, in bytes."""

    offset: int
    size: int


FindChanged = Callable[["HeapImage", int], list[Extent]]
"""From an image and the address it is mapped at to the extents that were written since."""


@final
class HeapImage:
    """A heap of ``size_bytes``, a multiple of the Wasm page size; new bytes are zero.

    Lives in memory only, as an open file without a name. Not for use by two threads at once.
    """

    __slots__ = ("__weakref__", "_close", "_descriptor", "size_bytes", "written_bytes")

    def __init__(self, size_bytes: int = 0) -> None:
        self._descriptor = _nameless_file()
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self.size_bytes = 0
        self.written_bytes = 0
        """Counts what is written, copies keep the count; whoever reads it may set it back."""
        self.grow(size_bytes)

    def close(self) -> None:
        """Give the memory back. The image must not be mapped any more."""
        self._close()

    def grow(self, size_bytes: int) -> None:
        """Become at least this large. An image never shrinks: who maps it would be killed."""
        if size_bytes > self.size_bytes:
            os.ftruncate(self._descriptor, size_bytes)
            self.size_bytes = size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of the heap from ``offset`` on; fewer where the heap ends."""
        parts = []
        while size > 0 and (part := os.pread(self._descriptor, size, offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Replace bytes of the heap, which grows to whole Wasm pages where needed."""
        end = offset + len(data)
        self.grow(-(-end // WASM_PAGE_BYTES) * WASM_PAGE_BYTES)
        self._write(memoryview(data), offset)
        self.written_bytes += len(data)

    def copy(self) -> "HeapImage":
        """An image of its own with the same content. Holes cost nothing."""
        twin = HeapImage(self.size_bytes)
        twin.written_bytes = self.written_bytes
        buffer = bytearray(_COPY_BYTES)
        for extent in self.extents():
            offset, end = extent.offset, extent.offset + extent.size
            while offset < end:
                size = os.preadv(self._descriptor, [memoryview(buffer)[: end - offset]], offset)
                twin._write(memoryview(buffer)[:size], offset)
                offset += size
        return twin

    def extents(self) -> Iterator[Extent]:
        """The pieces that may hold something else than zeros, in order and on page boundaries."""
        end = 0
        while end < self.size_bytes:
            try:
                start = os.lseek(self._descriptor, end, os.SEEK_DATA)
            except OSError:  # nothing but a hole up to the end
                return
            end = os.lseek(self._descriptor, start, os.SEEK_HOLE)
            yield Extent(start, end - start)

    def map_at(self, address: int) -> None:
        """Lay the image over the memory at ``address``, which must be as large; writes stay there.

        Raises:
            OSError: The system refuses the mapping.
        """
        if not self.size_bytes:
            return
        mapped = _LIBC.mmap(
            address,
            self.size_bytes,
            mmap.PROT_READ | mmap.PROT_WRITE,
            mmap.MAP_PRIVATE | _MAP_FIXED,
            self._descriptor,
            0,
        )
        if mapped != address:
            raise OSError(ctypes.get_errno(), "cannot map a heap image")

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
        while len(data):
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

    def compare(self, address: int) -> list[Extent]:
        """The Wasm pages at ``address`` that differ from the image, by looking at every byte."""
        with mmap.mmap(self._descriptor, self.size_bytes, access=mmap.ACCESS_COPY) as content:
            base = ctypes.addressof(ctypes.c_char.from_buffer(content))
            return [
                Extent(offset, WASM_PAGE_BYTES)
                for offset in range(0, self.size_bytes, WASM_PAGE_BYTES)
                if _LIBC.memcmp(address + offset, base + offset, WASM_PAGE_BYTES)
            ]


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


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("juno-snap heap", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
