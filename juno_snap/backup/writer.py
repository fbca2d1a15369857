"""A backup while it is made: slices go straight to their place, and it can be taken up again.

Not for use by several threads at once.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from juno_snap.backup import layout
from juno_snap.backup.formats import icp
from juno_snap.backup.layout import FileEntry, Manifest, Slice
from juno_snap.backup.model import PARTS, Description, Part, chunk_problem, problems_of
from juno_snap.backup.places import blocks, is_there, read_small, unwanted, writing
from juno_snap.backup.slices import PartFile, log_line, logged
from juno_snap.errors import BackupError, LockedError
from juno_snap.files import (
    make_private_folders,
    sync_directory,
    write_private,
)

ROOM_TO_SPARE_BYTES: Final = 1_000_000
"""For metadata, manifest and the log of slices."""


def begun_description(directory: Path) -> Description | None:
    """Which snapshot an unfinished backup is for; None: there is none in ``directory``.

    Raises:
        BackupError: The file that says so is damaged or of a newer format.
    """
    if not is_there(directory, layout.BEGUN) or is_there(directory, layout.MANIFEST):
        return None
    place = directory / layout.BEGUN
    return layout.parse_begun(read_small(directory, layout.BEGUN), place)


@final
class BackupWriter:
    """Fills a directory with one snapshot of one module."""

    def __init__(self, directory: Path, description: Description) -> None:
        """Begin in a directory that is empty or not there, or go on where it was left.

        What has arrived before is read again and counts if it is whole. The label, network and
        protection of a backup that was begun stay as they were.

        Raises:
            BackupError: Another snapshot's backup or other files are there, it is finished, the
                disk has no room, or the target may not be written.
            LockedError: Another process writes there.
        """
        self.directory = directory
        self.is_resumed = is_there(directory, layout.BEGUN)
        self.description = _taken_up(directory, description) if self.is_resumed else description
        if not self.is_resumed:
            _begin(directory, description)
        metadata = self.description.metadata
        with contextlib.ExitStack() as stack:
            self._log = _open_log(directory / layout.SLICES)
            stack.callback(os.close, self._log)
            self._check_still_ours()
            _sweep(directory)
            self._parts: dict[Part, PartFile] = {}
            for part in PARTS:
                place = directory / layout.FILES[part]
                file = PartFile(place, part, metadata.size_of(part))
                stack.callback(file.close)
                self._parts[part] = file
            with writing(directory / layout.CHUNKS):
                make_private_folders(directory / layout.CHUNKS)
            self._chunks = _whole_chunks(directory, metadata.wasm_chunk_store)
            self._go_on()
            self._check_room()
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory; unless it is finished, it can be taken up again."""
        self._open.close()

    @property
    def total_bytes(self) -> int:
        """What has to arrive, without stored chunks."""
        return self.description.metadata.data_bytes

    @property
    def done_bytes(self) -> int:
        """What has arrived of it."""
        return sum(file.done_bytes for file in self._parts.values())

    def missing(self) -> tuple[Slice, ...]:
        """The slices that have not arrived, part by part in order."""
        return tuple(each for file in self._parts.values() for each in file.missing())

    def missing_chunks(self) -> tuple[bytes, ...]:
        """The hashes of the stored chunks that have not arrived."""
        wanted = self.description.metadata.wasm_chunk_store
        return tuple(each for each in wanted if each not in self._chunks)

    def write_slice(self, part: Part, offset: int, data: bytes) -> None:
        """Put one of the ``missing`` slices at its place. One that is there already is let pass.

        Raises:
            BackupError: It is no whole slice, the disk is full, or the target may not be written.
        """
        crc = self._parts[part].write(offset, data)
        if crc is not None:
            with writing(self.directory / layout.SLICES):
                os.write(self._log, log_line(part, offset, crc))

    def write_chunk(self, chunk_hash: bytes, data: bytes) -> None:
        """Keep one of the ``missing_chunks``.

        Raises:
            BackupError: It has another hash, the disk is full, or the target may not be written.
        """
        place = self.directory / layout.chunk_file(chunk_hash)
        wanted = self.description.metadata.wasm_chunk_store
        if chunk_hash not in wanted or hashlib.sha256(data).digest() != chunk_hash:
            raise unwanted(place, "would not have the content its hash says")
        if problem := chunk_problem(len(data)):
            raise unwanted(place, f"would be {problem}")
        with writing(place):
            write_private(place, data)
        self._chunks[chunk_hash] = len(data)

    def finish(self) -> Manifest:
        """Make it a backup: on return all of it is on disk, the manifest last.

        Raises:
            BackupError: Something is missing or has changed, the disk is full, or the target may
                not be written.
        """
        if self.missing() or self.missing_chunks():
            raise BackupError(
                f"{self.directory} is unfinished: {len(self.missing())} slices and "
                f"{len(self.missing_chunks())} chunks are missing",
                path=str(self.directory),
                code="backup-unfinished",
                hint="run the same command again; it goes on where it was",
            )
        entries = [
            FileEntry(name=layout.FILES[part], size_bytes=file.size_bytes, sha256=file.finish())
            for part, file in self._parts.items()
        ]
        for chunk_hash in self.description.metadata.wasm_chunk_store:
            name = layout.chunk_file(chunk_hash)
            size = self._chunks[chunk_hash]
            entries.append(FileEntry(name=name, size_bytes=size, sha256=chunk_hash))
        metadata = icp.render_metadata(self.description.metadata)
        with writing(self.directory):
            write_private(self.directory / layout.METADATA, metadata)
            sync_directory(self.directory / layout.CHUNKS)
        begun = read_small(self.directory, layout.BEGUN)
        entries += [_entry(layout.METADATA, metadata), _entry(layout.BEGUN, begun)]
        manifest = Manifest(description=self.description, files=tuple(entries))
        with writing(self.directory):
            write_private(self.directory / layout.MANIFEST, layout.render_manifest(manifest))
            (self.directory / layout.SLICES).unlink(missing_ok=True)
        return manifest

    def _check_still_ours(self) -> None:
        """Nobody came between looking at the directory and locking it."""
        if begun_description(self.directory) != self.description:
            raise LockedError(
                f"another process has just written to {self.directory}",
                hint="run the command again to see how it stands",
            )

    def _go_on(self) -> None:
        """Take over what has arrived, and cut off a line of the log that a crash has torn."""
        with writing(self.directory / layout.SLICES):
            data = os.pread(self._log, os.fstat(self._log).st_size, 0)
            os.ftruncate(self._log, data.rfind(b"\n") + 1)
        for part, claims in logged(data).items():
            self._parts[part].believe(claims)

    def _check_room(self) -> None:
        left = self.total_bytes - self.done_bytes
        with writing(self.directory):
            free = shutil.disk_usage(self.directory).free
        if left and left + ROOM_TO_SPARE_BYTES > free:
            raise BackupError(
                f"{self.directory} has room for {free} bytes, and {left} are to come",
                path=str(self.directory),
                code="backup-no-room",
                hint="make room, or name a directory on another disk",
            )


def _begin(directory: Path, description: Description) -> None:
    for problem in problems_of(description.metadata):
        raise BackupError(
            f"this is no snapshot of the network: {problem}",
            path=str(directory),
            code="backup-impossible",
        )
    with writing(directory):
        make_private_folders(directory)
        others = sorted(each.name for each in directory.iterdir() if not _is_torn(each))
    if others:
        raise BackupError(
            f"{directory} is not empty: it has {others[0]}",
            path=str(directory),
            code="backup-not-empty",
            hint="name a directory that is empty or not there yet",
        )
    with writing(directory):
        write_private(directory / layout.BEGUN, layout.render_begun(description))
        sync_directory(directory.parent)


def _is_torn(place: Path) -> bool:
    """Whether it is what a crash left of a file of ours, which gets its name only when whole."""
    return place.name.startswith(
        (f".{layout.BEGUN}.", f".{layout.METADATA}.", f".{layout.MANIFEST}.")
    )


def _sweep(directory: Path) -> None:
    """Remove what a crash left of files that are written whole; the directory is locked."""
    with writing(directory):
        torn = [each for each in directory.iterdir() if _is_torn(each)]
        for each in [*torn, *directory.glob(f"{layout.CHUNKS}/.*")]:
            each.unlink()


def _taken_up(directory: Path, wanted: Description) -> Description:
    """What was begun, if it is the same snapshot of the same module."""
    begun = layout.parse_begun(read_small(directory, layout.BEGUN), directory / layout.BEGUN)
    same = (
        (begun.module, begun.snapshot, begun.root_key_sha256)
        == (wanted.module, wanted.snapshot, wanted.root_key_sha256)
    ) and begun.metadata == wanted.metadata
    if not same:
        raise BackupError(
            f"{directory} is for snapshot {begun.snapshot} of {begun.module}, not for "
            f"{wanted.snapshot} of {wanted.module} as it is now",
            path=str(directory),
            code="backup-of-another-snapshot",
            hint="name another directory",
        )
    if is_there(directory, layout.MANIFEST):
        raise BackupError(
            f"{directory} is finished",
            path=str(directory),
            code="backup-finished",
            hint=f"look at it with: juno-snap backup verify {directory}",
        )
    return begun


def _open_log(place: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with writing(place):
        descriptor = os.open(place, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LockedError(
            f"another process writes to {place.parent}", hint="wait for it to end, or stop it"
        ) from error
    return descriptor


def _whole_chunks(directory: Path, hashes: tuple[bytes, ...]) -> dict[bytes, int]:
    """The stored chunks that are there, and their sizes."""
    found = {}
    for each in hashes:
        name = layout.chunk_file(each)
        if is_there(directory, name):
            running, size = hashlib.sha256(), 0
            for block in blocks(directory, name):
                running.update(block)
                size += len(block)
            if running.digest() == each:
                found[each] = size
    return found


def _entry(name: str, data: bytes) -> FileEntry:
    return FileEntry(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).digest())
