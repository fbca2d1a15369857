"""A backup in the layout of another tool. What that cannot carry is refused or said."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, final

from juno_snap.backup import layout
from juno_snap.backup.formats import icp, juno
from juno_snap.backup.formats.parsing import require_finite
from juno_snap.backup.model import PARTS
from juno_snap.backup.places import writing
from juno_snap.backup.reader import Backup, open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import BackupError
from juno_snap.events import Observer, ignore_events
from juno_snap.files import sync_directory, write_private
from juno_snap.ids import SnapshotId

Format: TypeAlias = Literal["icp", "juno"]

LOST: Final = {
    "icp": "digests, and which snapshot of which module it is, do not stand in this layout",
    "juno": "which module it is of, its network and label do not stand in this layout",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A backup in another layout, and what was lost on the way."""

    backup: Backup
    remarks: tuple[str, ...]


def convert_backup(
    source: Path,
    target: Path,
    *,
    to: Format,
    snapshot: SnapshotId | None = None,
    observer: Observer = ignore_events,
) -> Converted:
    """Write the backup in ``source`` to ``target`` as another tool reads it.

    ``source`` is verified before, and ``target`` gets its name when all of it is on disk.
    ``snapshot`` is the id to write where the source does not say it, which Juno's layout needs.

    Raises:
        NotFoundError: There is no ``source``.
        BackupError: The source is not sound, the layout cannot carry it, the target is not empty,
            or cannot be written.
    """
    verification = verify_backup(source, observer=observer)
    verification.require_sound()
    backup = verification.backup
    tool = icp.TOOL if to == "icp" else juno.TOOL
    require_finite(backup.description.metadata.globals, source, tool)
    _check_empty(target)
    with _becoming(target) as folder:
        remarks = [LOST[to]]
        if to == "icp":
            _write_icp(backup, folder)
        else:
            remarks += _write_juno(backup, folder, snapshot or backup.description.snapshot)
        open_backup(folder)  # what cannot be read again must not get the name
    return Converted(backup=open_backup(target), remarks=tuple(remarks))


def _write_icp(backup: Backup, folder: Path) -> None:
    """All three parts as files, since dfx wants them, and the folder of chunks for icp-cli."""
    metadata = backup.description.metadata
    for part in PARTS:
        with _new(folder / layout.FILES[part]) as file:
            for each in backup.slices(part):
                file.write(backup.read(part, each.offset, each.size))
    with writing(folder):
        (folder / layout.CHUNKS).mkdir(mode=0o700)
    for chunk_hash in metadata.wasm_chunk_store:
        with _new(folder / layout.chunk_file(chunk_hash)) as file:
            file.write(backup.chunk(chunk_hash))
    with writing(folder):
        sync_directory(folder / layout.CHUNKS)
        write_private(folder / layout.METADATA, icp.render_metadata(metadata))


def _write_juno(backup: Backup, folder: Path, snapshot: SnapshotId | None) -> Iterator[str]:
    """Files for what is not empty; what has been changed for it is said."""
    if snapshot is None:
        raise BackupError(
            f"{backup.path} does not say the id of its snapshot, which Juno's layout needs",
            path=str(backup.path),
            code="backup-format",
            hint="name it with --snapshot ID",
        )
    metadata = backup.description.metadata
    if metadata.source is None:
        yield "where the snapshot came from is not known; written as taken from a module"
        metadata = replace(metadata, source="taken_from_canister")
    files = []
    for part in PARTS:
        if metadata.size_of(part):
            slices = backup.slices(part)
            pieces = (backup.read(each.part, each.offset, each.size) for each in slices)
            files.append(_write_hashed(folder, juno.FILES[part], pieces))
    hashes = metadata.wasm_chunk_store
    if not juno.survives_upload([backup.chunks[each].size for each in hashes]):
        yield (
            f"{len(hashes)} stored chunks are left out: Juno would cut them into others; they only "
            "serve an install that is under way"
        )
        metadata = replace(metadata, wasm_chunk_store=())
    elif hashes:
        files.append(_write_hashed(folder, juno.CHUNKS_FILE, map(backup.chunk, hashes)))
    with writing(folder):
        described = juno.render_metadata(snapshot, metadata, files)
        write_private(folder / layout.METADATA, described)


def _write_hashed(folder: Path, name: str, pieces: Iterator[bytes]) -> juno.JunoFile:
    running, size = hashlib.sha256(), 0
    with _new(folder / name) as file:
        for piece in pieces:
            file.write(piece)
            running.update(piece)
            size += len(piece)
    return juno.JunoFile(name=name, size_bytes=size, sha256=running.digest())


def _check_empty(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir() or any(target.iterdir()):
        raise BackupError(
            f"{target} is there already",
            path=str(target),
            code="backup-not-empty",
            hint="name a directory that is empty or not there yet",
        )


@contextlib.contextmanager
def _becoming(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that gets its name in the end, or goes."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield folder
        with writing(target):
            folder.replace(target)
            sync_directory(target.parent)
    finally:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _new(place: Path) -> Iterator[BinaryIO]:
    """A file for its owner only, which is on disk afterwards."""
    with writing(place), place.open("xb") as file:
        place.chmod(0o600)
        yield file
        file.flush()
        os.fsync(file.fileno())
