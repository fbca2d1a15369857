"""Places that hold the files of a backup, and the streams between two of them."""

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from typing import Final, Protocol, TypeAlias, final

from juno_snap.backup import layout
from juno_snap.backup.layout import FileEntry
from juno_snap.backup.places import BLOCK_BYTES, JSON_MAX_BYTES, damaged, opened, reading, writing
from juno_snap.errors import BackupError, LockedError
from juno_snap.files import make_private_folders, sync_directory, write_private

ENCRYPTION_MAX_BYTES: Final = 100_000
"""More than age adds to a small file, recipients of hundreds included."""


class Source(Protocol):
    """A file that is read."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        ...


class Sink(Protocol):
    """A file that is written."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""
        ...


class Store(Protocol):
    """One place. All of its errors are of this package."""

    @property
    def label(self) -> str:
        """What to call it; holds no secret."""
        ...

    @property
    def folder(self) -> Path | None:
        """The directory that it is; None: it is on another machine."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is there; also where the place itself is not."""
        ...

    def size(self, name: str) -> int | None:
        """How many bytes a file has; None: there is none."""
        ...

    def reading(self, name: str) -> AbstractContextManager[Source]:
        """A file, for reading."""
        ...

    def writing(self, name: str) -> AbstractContextManager[Sink]:
        """A file, for writing anew; whole only when left without an error."""
        ...

    def write_small(self, name: str, data: bytes) -> None:
        """Write all of a file."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file that is there."""
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Make the place and, where it can be done, keep others from writing there."""
        ...

    def make_folder(self, name: str) -> None:
        """Make a folder in it."""
        ...

    def settle(self) -> None:
        """Have the names of the files on disk, where that is our business."""
        ...


Guard: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Turns foreign errors within it into ours."""


@final
class GuardedSource:
    """A file whose every read is guarded."""

    def __init__(self, file: Source, guard: Guard) -> None:
        self._file = file
        self._guard = guard

    def read(self, size: int, /) -> bytes:
        """See ``Source``."""
        with self._guard():
            return self._file.read(size)


@final
class GuardedSink:
    """A file whose every write is guarded."""

    def __init__(self, file: Sink, guard: Guard) -> None:
        self._file = file
        self._guard = guard

    def write(self, data: bytes, /) -> None:
        """See ``Sink``."""
        with self._guard():
            self._file.write(data)


@final
class _Whole:
    """A file without a buffer, which would be tried again when it is closed on a full disk."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def write(self, data: bytes, /) -> None:
        """Take all of ``data``."""
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


@final
class DirectoryStore:
    """A directory of this machine: for its owner only, and without links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = str(folder)

    def is_empty(self) -> bool:
        """See ``Store``."""
        with reading(self.folder):
            return not (os.path.lexists(self.folder) and any(self.folder.iterdir()))

    def size(self, name: str) -> int | None:
        """See ``Store``."""
        place = self.folder / name
        with reading(place):
            return place.lstat().st_size if os.path.lexists(place) else None

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """See ``Store``."""
        with opened(self.folder, name) as file:
            yield GuardedSource(file, lambda: reading(self.folder / name))

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """See ``Store``. Its content is on disk afterwards."""
        place = self.folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with writing(place):
            file = FileIO(os.open(place, flags, 0o600), "wb")
        with file:
            yield GuardedSink(_Whole(file), lambda: writing(place))
            with writing(place):
                os.fsync(file.fileno())

    def write_small(self, name: str, data: bytes) -> None:
        """See ``Store``. Whoever reads sees the old or the new content."""
        with writing(self.folder / name):
            write_private(self.folder / name, data)

    def remove(self, name: str) -> None:
        """See ``Store``."""
        with writing(self.folder / name):
            (self.folder / name).unlink()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """See ``Store``.

        Raises:
            LockedError: Another process copies to it.
        """
        with writing(self.folder):
            make_private_folders(self.folder)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockedError(
                    f"another process copies to {self.folder}",
                    hint="wait for it to end, or stop it",
                ) from error
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what a crash left of lists, which get their name only when whole."""
        with writing(self.folder):
            for name in (layout.COPYING, layout.ENCRYPTED):
                for torn in self.folder.glob(f".{name}.*"):
                    torn.unlink()

    def make_folder(self, name: str) -> None:
        """See ``Store``."""
        with writing(self.folder / name):
            make_private_folders(self.folder / name)

    def settle(self) -> None:
        """See ``Store``."""
        with writing(self.folder):
            for folder in (self.folder / layout.CHUNKS, self.folder):
                if folder.is_dir():
                    sync_directory(folder)


@final
class Incoming:
    """A source that counts and digests what is read, however small the helpings.

    It ends where more than ``limit_bytes`` have come; size and digest are wrong then.
    """

    def __init__(
        self, source: Source, tell: Callable[[int], None], limit_bytes: int = sys.maxsize
    ) -> None:
        self._source = source
        self._tell = tell
        self._limit_bytes = limit_bytes
        self._block = memoryview(b"")
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.problem: BaseException | None = None
        """What a read raised: a library between may put an error of its own in its place."""

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        if not self._block:
            self._block = memoryview(self._fetch())
        data, self._block = self._block[:size], self._block[size:]
        return bytes(data)

    def drain(self) -> None:
        """Read what is left."""
        while self.read():
            pass

    def entry(self, name: str) -> FileEntry:
        """What has been read."""
        digest = self._digest.digest()
        return FileEntry(name=name, size_bytes=self.size_bytes, sha256=digest)

    def _fetch(self) -> bytes:
        try:
            data = self._source.read(BLOCK_BYTES)
            self._digest.update(data)
            self.size_bytes += len(data)
            if self.size_bytes > self._limit_bytes:
                return b""  # too long already: it must not fill the other place
            self._tell(self.size_bytes)
        except BaseException as error:
            self.problem = error
            raise
        return data


@final
class Outgoing:
    """A sink that counts and digests what is written, and passes it on in large helpings."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._block = bytearray()
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.problem: BaseException | None = None
        """What a write raised; see ``Incoming.problem``."""

    def write(self, data: bytes) -> int:
        """Take all of ``data``."""
        self._block += data
        if len(self._block) >= BLOCK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Pass on what is held."""
        data = bytes(self._block)
        self._block.clear()
        self._digest.update(data)
        self.size_bytes += len(data)
        try:
            self._sink.write(data)
        except BaseException as error:
            self.problem = error
            raise

    def entry(self, name: str) -> FileEntry:
        """What has been passed on."""
        digest = self._digest.digest()
        return FileEntry(name=name, size_bytes=self.size_bytes, sha256=digest)


def read_small(store: Store, name: str) -> bytes:
    """All of a JSON file, encrypted or not.

    Raises:
        BackupError: It is larger than any such file, or cannot be read.
    """
    pieces, size, limit = [], 0, JSON_MAX_BYTES + ENCRYPTION_MAX_BYTES
    with store.reading(name) as source:
        while data := source.read(BLOCK_BYTES):
            pieces.append(data)
            size += len(data)
            if size > limit:
                raise damaged(f"{store.label}/{name}", f"is larger than {limit} bytes")
    return b"".join(pieces)


def read_all(store: Store, name: str, tell: Callable[[int], None] = lambda _: None) -> FileEntry:
    """Size and digest of a file as it lies there, read from end to end."""
    with store.reading(name) as source:
        incoming = Incoming(source, tell)
        incoming.drain()
    return incoming.entry(name)


def require_same(there: FileEntry, wanted: FileEntry, store: Store) -> None:
    """Refuse a file that has not the content it should have.

    Raises:
        BackupError: That; names the file and what is wrong.
    """
    place = f"{store.label}/{there.name}"
    if there.size_bytes != wanted.size_bytes:
        problem = f"has {there.size_bytes} bytes in place of {wanted.size_bytes}"
    elif there.sha256 != wanted.sha256:
        problem = f"has other content than was written: its SHA-256 is {there.sha256.hex()}"
    else:
        return
    raise BackupError(
        f"{place} {problem}",
        path=place,
        code="backup-damaged",
        hint="use another copy; if it was written just now, run the same command again",
    )
