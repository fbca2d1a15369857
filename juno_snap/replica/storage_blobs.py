"""Bytes on disk by their SHA-256: what is there already is not written again.

Memories are cut into pieces; pieces of zeros are left out, so that holes cost nothing and a heap
shares what has not changed with its snapshots and with the checkpoint before.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, final

from juno_snap.errors import PreconditionError
from juno_snap.files import PRIVATE_DIR_MODE, PRIVATE_MODE, sync_directory
from juno_snap.replica.images import HeapImage
from juno_snap.replica.stable import StableMemory
from juno_snap.units import MIB, WASM_PAGE_BYTES

PIECE_BYTES: Final = MIB
_ZEROS: Final = bytes(PIECE_BYTES)
_UNFINISHED: Final = ".part"

Piece = tuple[int, bytes]
"""Offset in bytes, a multiple of the size of a piece, and the SHA-256 of the piece."""


def damaged(path: Path, why: str) -> PreconditionError:
    """The error of a file that is not as it was written."""
    return PreconditionError(
        f"the replica's state is damaged: {path} {why}",
        code="replica-state-damaged",
        hint="put back a copy of the replica's folder, or start anew with: juno-snap replica reset",
    )


@final
class BlobStore:
    """Blobs in a folder. What ``put`` wrote is on disk once ``sync`` returned."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written_in: set[Path] = set()

    def put(self, data: bytes) -> bytes:
        """Keep ``data``; its SHA-256 comes back."""
        digest = hashlib.sha256(data).digest()
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(mode=PRIVATE_DIR_MODE, parents=True, exist_ok=True)
        unfinished = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        self._written_in.add(path.parent)
        return digest

    def get(self, digest: bytes) -> bytes:
        """The blob of that hash.

        Raises:
            PreconditionError: It is missing or was changed; names the file.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise damaged(path, f"cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).digest() != digest:
            raise damaged(path, "has other content than when it was written")
        return data

    def sync(self) -> None:
        """Put the names of new blobs on disk."""
        for folder in self._written_in:
            sync_directory(folder)
        if self._written_in:
            sync_directory(self._folder)
        self._written_in.clear()

    def keep_only(self, digests: set[bytes]) -> None:
        """Remove every other blob, and what an interrupted run left."""
        names = {digest.hex() for digest in digests}
        for path in self._folder.glob("*/*"):
            if path.name not in names:
                path.unlink()

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name


def put_bytes(store: BlobStore, data: bytes | bytearray) -> list[Piece]:
    """Keep ``data`` in pieces."""
    offsets = range(0, len(data), PIECE_BYTES)
    return _put(store, ((at, bytes(data[at : at + PIECE_BYTES])) for at in offsets))


def put_heap(store: BlobStore, heap: HeapImage) -> list[Piece]:
    """Keep a heap in pieces."""
    offsets = sorted(
        {
            offset
            for extent in heap.extents()
            for offset in range(
                extent.offset - extent.offset % PIECE_BYTES,
                extent.offset + extent.size,
                PIECE_BYTES,
            )
        }
    )
    return _put(store, ((at, heap.read(at, PIECE_BYTES)) for at in offsets))


def put_stable(store: BlobStore, stable: StableMemory) -> list[Piece]:
    """Keep a stable memory in pieces."""
    starts = (number * WASM_PAGE_BYTES for number, _ in stable.pages())
    offsets = sorted({start - start % PIECE_BYTES for start in starts})
    end = stable.size_bytes
    return _put(store, ((at, stable.read(at, min(PIECE_BYTES, end - at))) for at in offsets))


def get_bytes(store: BlobStore, size: int, pieces: Iterable[Piece]) -> bytearray:
    """What ``put_bytes`` kept, ``size`` bytes."""
    data = bytearray(size)
    for offset, piece in _get(store, pieces):
        data[offset : offset + len(piece)] = piece
    return data


def get_heap(store: BlobStore, size: int, pieces: Iterable[Piece]) -> HeapImage:
    """What ``put_heap`` kept, ``size`` bytes."""
    heap = HeapImage(size)
    for offset, piece in _get(store, pieces):
        heap.write(offset, piece)
    heap.written_bytes = 0
    return heap


def get_stable(store: BlobStore, size: int, pieces: Iterable[Piece]) -> StableMemory:
    """What ``put_stable`` kept, ``size`` bytes."""
    stable = StableMemory(size // WASM_PAGE_BYTES)
    for offset, piece in _get(store, pieces):
        stable.write(offset, piece)
    stable.written_bytes = 0
    return stable


def _put(store: BlobStore, pieces: Iterable[tuple[int, bytes]]) -> list[Piece]:
    return [(offset, store.put(piece)) for offset, piece in pieces if piece != _ZEROS[: len(piece)]]


def _get(store: BlobStore, pieces: Iterable[Piece]) -> Iterator[tuple[int, bytes]]:
    return ((offset, store.get(digest)) for offset, digest in pieces)
