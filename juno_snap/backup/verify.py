"""Every digest and invariant of a backup, without a network."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.backup import layout
from juno_snap.backup.formats import icp
from juno_snap.backup.model import chunk_problem
from juno_snap.backup.places import blocks, read_small
from juno_snap.backup.reader import Backup, Expected, open_backup
from juno_snap.errors import BackupError
from juno_snap.events import BytesMoved, Observer, ignore_events

STRANGERS_TOLD: Final = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong with a file of a backup."""

    file: str
    problem: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of looking at all of a backup."""

    backup: Backup
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    digests: tuple[tuple[str, bytes], ...]
    """The SHA-256 that each file has."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def require_sound(self) -> None:
        """Refuse a backup with something wrong.

        Raises:
            BackupError: That; names the first file and how many there are.
        """
        if self.is_sound:
            return
        first, *others = self.findings
        more = f", and {len(others)} more" if others else ""
        raise BackupError(
            f"{self.backup.path / first.file} {first.problem}{more}",
            path=str(self.backup.path),
            code="backup-damaged",
            hint="do not restore it; take another backup, or use an older one",
        )


def verify_backup(path: Path, *, observer: Observer = ignore_events) -> Verification:
    """Read all of a backup and compare it with what it says of itself.

    Raises:
        NotFoundError: There is no such directory.
        BackupError: What describes the backup cannot be used, or a file has not its size.
    """
    backup = open_backup(path)
    total_bytes = sum(each.size_bytes for each in backup.files)
    done_bytes = 0
    findings: list[Finding] = []
    digests = []
    for expected in backup.files:
        running, size = hashlib.sha256(), 0
        for block in blocks(path, expected.name):
            running.update(block)
            size += len(block)
            done_bytes += len(block)
            told = BytesMoved(what="verify", done_bytes=done_bytes, total_bytes=total_bytes)
            observer(told)
        digests.append((expected.name, running.digest()))
        findings += _compared(expected, running.digest(), size)
    findings += _contradictions(backup)
    return Verification(
        backup=backup,
        findings=tuple(findings),
        remarks=(*backup.remarks, *_strangers(backup)),
        digests=tuple(digests),
    )


def _compared(expected: Expected, digest: bytes, size: int) -> Iterator[Finding]:
    if size != expected.size_bytes:
        problem = f"has {size} bytes in place of {expected.size_bytes}"
        yield Finding(file=expected.name, problem=problem)
    if expected.sha256 not in {None, digest}:
        problem = f"has other content than was written: its SHA-256 is {digest.hex()}"
        yield Finding(file=expected.name, problem=problem)


def _contradictions(backup: Backup) -> Iterator[Finding]:
    """What no digest finds: files that are whole, each for itself, but do not belong together."""
    for place in backup.chunks.values():
        if problem := chunk_problem(place.size):
            yield Finding(file=place.name, problem=f"has {problem}")
    if backup.manifest is None:
        return
    try:
        begun = layout.parse_begun(
            read_small(backup.path, layout.BEGUN), backup.path / layout.BEGUN
        )
        if begun != backup.description:
            yield Finding(file=layout.BEGUN, problem="describes another snapshot than the manifest")
    except BackupError as error:
        yield Finding(file=layout.BEGUN, problem=error.message)
    ours = json.loads(icp.render_metadata(backup.description.metadata))
    try:
        there = json.loads(read_small(backup.path, layout.METADATA))
    except (ValueError, RecursionError):
        there = None
    if there != ours:
        yield Finding(file=layout.METADATA, problem="describes another snapshot than the manifest")


def _strangers(backup: Backup) -> Iterator[str]:
    """Files that do not belong to the backup: other tools leave some, and they harm nothing."""
    ours = {layout.MANIFEST, layout.CHUNKS, layout.SLICES, layout.COPYING}
    known = {each.name for each in backup.files} | ours
    names = (each.relative_to(backup.path).as_posix() for each in _places(backup.path))
    strangers = sorted(set(names) - known)
    if strangers:
        more = "" if len(strangers) <= STRANGERS_TOLD else f" and {len(strangers)} in all"
        yield f"does not belong to the backup: {', '.join(strangers[:STRANGERS_TOLD])}{more}"


def _places(path: Path) -> Iterator[Path]:
    yield from path.iterdir()
    yield from path.glob(f"{layout.CHUNKS}/*")
