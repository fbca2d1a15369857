"""A file in memory: what can be mapped, and costs nothing where nothing was written."""

import ctypes
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Final, final

from juno_snap.replica.extents import Extent

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


@final
class MemoryFile:
    """``size_bytes`` of zeros at first; closed when nobody holds it any more."""

    __slots__ = ("__weakref__", "_descriptor", "close", "size_bytes")

    def __init__(self, size_bytes: int = 0) -> None:
        self._descriptor = _nameless_file()
        self.close = weakref.finalize(self, os.close, self._descriptor)
        """Give the memory back. The file must not be mapped any more."""
        self.size_bytes = 0
        self.grow(size_bytes)

    def grow(self, size_bytes: int) -> None:
        """Become at least this large. It never shrinks: who maps it would be killed."""
        if size_bytes > self.size_bytes:
            os.ftruncate(self._descriptor, size_bytes)
            self.size_bytes = size_bytes

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from ``offset`` on; how many bytes there were."""
        done = 0
        while done < len(buffer):
            got = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            if not got:
                break
            done += got
        return done

    def write(self, offset: int, data: memoryview) -> None:
        """Replace bytes; the end must lie within the file."""
        while len(data):
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

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

    def map_at(self, address: int, extent: Extent) -> None:
        """Lay a piece, on page boundaries, over the memory at ``address``; writes stay there.

        Raises:
            OSError: The system refuses the mapping.
        """
        mapped = _LIBC.mmap(
            address,
            extent.size,
            mmap.PROT_READ | mmap.PROT_WRITE,
            mmap.MAP_PRIVATE | _MAP_FIXED,
            self._descriptor,
            extent.offset,
        )
        if mapped != address:
            raise OSError(ctypes.get_errno(), "cannot map a heap image")


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("juno-snap heap", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
