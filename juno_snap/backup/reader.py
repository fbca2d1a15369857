"""One way to read a backup, whatever tool made the directory."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from juno_snap.backup import layout
from juno_snap.backup.formats import icp, juno
from juno_snap.backup.formats.parsing import parse_object
from juno_snap.backup.layout import FileEntry, Manifest, Slice, slices_of
from juno_snap.backup.model import PARTS, Description, Part
from juno_snap.backup.places import (
    damaged,
    is_there,
    read_slice,
    read_small,
    require_directory,
    size_of,
)
from juno_snap.errors import BackupError

Layout: TypeAlias = Literal["juno-snap", "icp", "juno"]

NOT_FOR_OTHERS: Final = (
    "a global is NaN or infinite: icp, dfx and Juno cannot restore this snapshot, juno-snap can"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A file that a backup has. ``sha256`` is None where the layout does not say it."""

    name: str
    size_bytes: int
    sha256: bytes | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """Where a stored chunk lies."""

    name: str
    offset: int
    size: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A finished backup. All files have their sizes; their digests are ``verify``'s business."""

    path: Path
    layout: Layout
    description: Description
    manifest: Manifest | None
    """None: another tool made it."""
    files: tuple[Expected, ...]
    remarks: tuple[str, ...]
    """What the layout does not say, for people."""
    parts: Mapping[Part, str] = field(repr=False)
    chunks: Mapping[bytes, StoredChunk] = field(repr=False)

    @property
    def total_size_bytes(self) -> int:
        """All files that belong to the snapshot."""
        return sum(each.size_bytes for each in self.files if each.name != layout.BEGUN)

    def size(self, part: Part) -> int:
        """How many bytes ``part`` has."""
        return self.description.metadata.size_of(part)

    def slices(self, part: Part) -> Iterator[Slice]:
        """``part`` in slices of the size that the network takes, in order."""
        return slices_of(part, self.size(part))

    def read(self, part: Part, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes of ``part``.

        Raises:
            BackupError: The file ends before, is gone, or cannot be read.
        """
        return read_slice(self.path, self.parts[part], offset, size) if size else b""

    def chunk(self, chunk_hash: bytes) -> bytes:
        """A stored chunk, which has this SHA-256.

        Raises:
            BackupError: It has another one by now, or cannot be read.
        """
        place = self.chunks[chunk_hash]
        data = read_slice(self.path, place.name, place.offset, place.size)
        if hashlib.sha256(data).digest() != chunk_hash:
            raise damaged(self.path / place.name, "does not have the content its hash says")
        return data


def open_backup(path: Path) -> Backup:
    """The backup in a directory: our own, one of icp-cli or dfx, or one of Juno.

    Reads what describes it, and looks at the size of every file.

    Raises:
        NotFoundError: There is no such directory.
        BackupError: It is none, unfinished, encrypted, of a newer format, or cannot be right.
    """
    require_directory(path)
    if is_there(path, layout.MANIFEST):
        return _open_own(path)
    _check_copied(path)
    if is_there(path, layout.BEGUN):
        raise BackupError(
            f"{path} has no manifest: the backup is unfinished, or its {layout.MANIFEST} was lost",
            path=str(path),
            code="backup-unfinished",
            hint="run the backup create that began it again, with the same directory",
        )
    if not is_there(path, layout.METADATA):
        raise BackupError(
            f"{path} is no backup: it has neither {layout.MANIFEST} nor {layout.METADATA}",
            path=str(path),
            code="not-a-backup",
            hint="name the directory of one backup; juno-snap backup list ROOT finds them",
        )
    place = path / layout.METADATA
    data = read_small(path, layout.METADATA)
    said = parse_object(data, place)
    if juno.MARK in said:
        return _open_juno(path, data)
    if icp.MARK in said:
        return _open_icp(path, data)
    raise damaged(place, "is of none of the formats that this program knows")


def _check_copied(path: Path) -> None:
    """Refuse what a copy left that is no backup to read: an unfinished one, an encrypted one."""
    if is_there(path, layout.ENCRYPTED):
        raise BackupError(
            f"{path} is encrypted",
            path=str(path),
            code="backup-encrypted",
            hint="decrypt it first: "
            f"juno-snap backup copy {shlex.quote(str(path))} OUT --identity-file FILE",
        )
    if is_there(path, layout.COPYING):
        raise BackupError(
            f"{path} is unfinished: the copy of a backup to it was interrupted",
            path=str(path),
            code="backup-unfinished",
            hint="run the backup copy that began it again",
        )


def _open_own(path: Path) -> Backup:
    place = path / layout.MANIFEST
    manifest = layout.parse_manifest(read_small(path, layout.MANIFEST), place)
    for each in manifest.files:
        _check_size(path, each.name, each.size_bytes)
    sizes = {each.name: each.size_bytes for each in manifest.files}
    finite = all(each.is_finite for each in manifest.description.metadata.globals)
    return Backup(
        path=path,
        layout="juno-snap",
        description=manifest.description,
        manifest=manifest,
        files=tuple(map(_expected, manifest.files)),
        remarks=() if finite else (NOT_FOR_OTHERS,),
        parts=layout.FILES,
        chunks={
            each: StoredChunk(
                name=layout.chunk_file(each), offset=0, size=sizes[layout.chunk_file(each)]
            )
            for each in manifest.description.metadata.wasm_chunk_store
        },
    )


def _open_icp(path: Path, data: bytes) -> Backup:
    if is_there(path, icp.UNFINISHED):
        raise BackupError(
            f"{path} is unfinished: icp was interrupted while it downloaded the snapshot",
            path=str(path),
            code="backup-unfinished",
            hint="finish it with: icp canister snapshot download --resume",
        )
    metadata = icp.parse_metadata(data, path / layout.METADATA)
    files = [Expected(name=layout.METADATA, size_bytes=len(data), sha256=None)]
    for part in PARTS:
        name, size = layout.FILES[part], metadata.size_of(part)
        if size or is_there(path, name):
            _check_size(path, name, size)
            files.append(Expected(name=name, size_bytes=size, sha256=None))
    chunks = {}
    for each in metadata.wasm_chunk_store:
        name = layout.chunk_file(each)
        size = size_of(path, name)
        chunks[each] = StoredChunk(name=name, offset=0, size=size)
        files.append(Expected(name=name, size_bytes=size, sha256=each))
    return Backup(
        path=path,
        layout="icp",
        description=Description(module=None, snapshot=None, metadata=metadata),
        manifest=None,
        files=tuple(files),
        remarks=(
            "this layout has no digests but of stored chunks: only sizes could be compared",
            "this layout does not say which snapshot of which module it is",
        ),
        parts=layout.FILES,
        chunks=chunks,
    )


def _open_juno(path: Path, data: bytes) -> Backup:
    said = juno.parse_metadata(data, path / layout.METADATA)
    files = [Expected(name=layout.METADATA, size_bytes=len(data), sha256=None)]
    for each in said.files:
        _check_size(path, each.name, each.size_bytes)
        files.append(Expected(name=each.name, size_bytes=each.size_bytes, sha256=each.sha256))
    hashes = said.metadata.wasm_chunk_store
    size = size_of(path, juno.CHUNKS_FILE) if hashes else 0
    places = juno.locate_chunks(path, hashes, size) if hashes else {}
    return Backup(
        path=path,
        layout="juno",
        description=Description(module=None, snapshot=said.snapshot, metadata=said.metadata),
        manifest=None,
        files=tuple(files),
        remarks=("this layout does not say which module it is of, and does not protect metadata",),
        parts=juno.FILES,
        chunks={
            each: StoredChunk(name=juno.CHUNKS_FILE, offset=offset, size=length)
            for each, (offset, length) in places.items()
        },
    )


def _expected(entry: FileEntry) -> Expected:
    return Expected(name=entry.name, size_bytes=entry.size_bytes, sha256=entry.sha256)


def _check_size(path: Path, name: str, size_bytes: int) -> None:
    there = size_of(path, name)
    if there != size_bytes:
        raise damaged(path / name, f"has {there} bytes in place of {size_bytes}")
