"""Bytes on disk by their SHA-256: what is there already is not written again.

Memories are cut into pieces; pieces of zeros are left out, so that holes cost nothing and a heap
shares what has not changed with its snapshots and with the checkpoint before. What has not changed
since then is not even read.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar, final

from juno_snap.errors import PreconditionError
from juno_snap.files import PRIVATE_DIR_MODE, PRIVATE_MODE, sync_directory, sync_file
from juno_snap.replica.images import HeapImage
from juno_snap.replica.pieces import PIECE_BYTES, Piece
from juno_snap.replica.stable import StableMemory
from juno_snap.units import WASM_PAGE_BYTES

_ZEROS: Final = bytes(PIECE_BYTES)
_UNFINISHED: Final = ".part"

Memory = TypeVar("Memory", HeapImage, StableMemory)


def damaged(path: Path, why: str) -> PreconditionError:
    """The error of a file that is not as it was written."""
    return PreconditionError(
        f"the replica's state is damaged: {path} {why}",
        code="replica-state-damaged",
        hint="put back a copy of the replica's folder, or start anew with: juno-snap replica reset",
    )


@final
class BlobStore:
    """Blobs in a folder. What ``put`` wrote is on disk once ``sync`` returned.

    Which blobs there are is known from the start: nobody else writes into the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = list(folder.glob("*/*"))
        self._leftovers = [path for path in paths if path.suffix == _UNFINISHED]
        self._present = {bytes.fromhex(path.stem) for path in paths if not path.suffix}
        self._unsynced: list[Path] = []
        self._seen: dict[int, tuple[bytes, list[Piece]]] = {}
        self._seen_now: dict[int, tuple[bytes, list[Piece]]] = {}

    def put(self, data: bytes) -> bytes:
        """Keep ``data``; its SHA-256 comes back."""
        digest = hashlib.sha256(data).digest()
        if digest in self._present:
            return digest
        path = self._path(digest)
        path.parent.mkdir(mode=PRIVATE_DIR_MODE, parents=True, exist_ok=True)
        unfinished = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        unfinished.replace(path)
        self._present.add(digest)
        self._unsynced.append(path)
        return digest

    def holds(self, digests: Iterable[bytes]) -> bool:
        """Whether the blobs of these hashes are there."""
        return self._present.issuperset(digests)

    def put_once(self, data: bytes) -> list[Piece]:
        """Keep ``data`` in pieces. The next checkpoint does not look at the same object again."""
        _, pieces = self._seen.get(id(data)) or (data, put_bytes(self, data))
        self._seen_now[id(data)] = (data, pieces)
        return pieces

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
        """Put new blobs and their names on disk; the checkpoint is complete."""
        for path in self._unsynced:
            sync_file(path)
        for folder in {path.parent for path in self._unsynced}:
            sync_directory(folder)
        if self._unsynced:
            sync_directory(self._folder)
        self._unsynced.clear()
        self._seen, self._seen_now = self._seen_now, {}

    def keep_only(self, digests: set[bytes]) -> None:
        """Remove every other blob, and what an interrupted run left."""
        for digest in self._present - digests:
            self._path(digest).unlink()
        self._present &= digests
        for path in self._leftovers:
            path.unlink(missing_ok=True)
        self._leftovers.clear()

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name


def put_bytes(store: BlobStore, data: bytes | bytearray) -> list[Piece]:
    """Keep ``data`` in pieces."""
    offsets = range(0, len(data), PIECE_BYTES)
    return _put(store, ((at, bytes(data[at : at + PIECE_BYTES])) for at in offsets))


def put_heap(store: BlobStore, heap: HeapImage) -> list[Piece]:
    """Keep a heap in pieces."""

    def used() -> Iterator[int]:
        for start, size in heap.extents():
            yield from range(start - start % PIECE_BYTES, start + size, PIECE_BYTES)

    return _put_changed(store, heap, used)


def put_stable(store: BlobStore, stable: StableMemory) -> list[Piece]:
    """Keep a stable memory in pieces."""

    def used() -> Iterator[int]:
        starts = (number * WASM_PAGE_BYTES for number, _ in stable.pages())
        return (start - start % PIECE_BYTES for start in starts)

    return _put_changed(store, stable, used)


def get_bytes(store: BlobStore, size: int, pieces: Iterable[Piece]) -> bytearray:
    """What ``put_bytes`` kept, ``size`` bytes."""
    data = bytearray(size)
    for offset, piece in _get(store, pieces):
        data[offset : offset + len(piece)] = piece
    return data


def get_heap(store: BlobStore, size: int, pieces: Iterable[Piece]) -> HeapImage:
    """What ``put_heap`` kept, ``size`` bytes."""
    return _filled(store, HeapImage(size), pieces)


def get_stable(store: BlobStore, size: int, pieces: Iterable[Piece]) -> StableMemory:
    """What ``put_stable`` kept, ``size`` bytes."""
    return _filled(store, StableMemory(size // WASM_PAGE_BYTES), pieces)


def _put(store: BlobStore, pieces: Iterable[tuple[int, bytes]]) -> list[Piece]:
    return [(offset, store.put(piece)) for offset, piece in pieces if not _is_zero(piece)]


def _put_changed(
    store: BlobStore, memory: Memory, used: Callable[[], Iterator[int]]
) -> list[Piece]:
    """Keep the pieces at the ``used`` offsets; those that have not changed are not read."""
    known = memory.known
    if known.all is not None and store.holds([digest for _, digest in known.all]):
        return known.all
    pieces = []
    for offset in sorted(set(used())):
        digest = known.find(offset)
        if digest is None or (digest and not store.holds([digest])):
            piece = memory.read(offset, min(PIECE_BYTES, memory.size_bytes - offset))
            digest = b"" if _is_zero(piece) else store.put(piece)
            known.keep(offset, digest)
        if digest:
            pieces.append((offset, digest))
    known.all = pieces
    return pieces


def _filled(store: BlobStore, memory: Memory, pieces: Iterable[Piece]) -> Memory:
    for offset, digest in pieces:
        memory.write(offset, store.get(digest))
        memory.known.keep(offset, digest)
    memory.written_bytes = 0
    return memory


def _is_zero(piece: bytes) -> bool:
    return piece == _ZEROS[: len(piece)]


def _get(store: BlobStore, pieces: Iterable[Piece]) -> Iterator[tuple[int, bytes]]:
    return ((offset, store.get(digest)) for offset, digest in pieces)
