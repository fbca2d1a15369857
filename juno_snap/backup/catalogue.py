"""Many backups: finding them under a directory, and removing those that may go."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from juno_snap.backup import layout
from juno_snap.backup.formats import juno
from juno_snap.backup.model import Description
from juno_snap.backup.places import is_there, require_directory, writing
from juno_snap.backup.reader import Layout, open_backup
from juno_snap.backup.retention import Candidate, Rules, Verdict, judge
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import begun_description
from juno_snap.errors import BackupError, InputError
from juno_snap.events import Observer, ignore_events
from juno_snap.files import sync_directory

State: TypeAlias = Literal["complete", "unfinished", "encrypted", "damaged"]

STATES: Final[Mapping[str, State]] = {
    "backup-unfinished": "unfinished",
    "backup-encrypted": "encrypted",
}
"""Of a backup that cannot be opened, from the code of the error."""

OURS: Final = (layout.MANIFEST, layout.BEGUN, layout.COPYING, layout.ENCRYPTED)
"""One of them is in every directory that this program has written or begun."""

DEPTH: Final = 3
"""Folders below the root in which backups are looked for: one for the network, one for the module,
and the backup."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A backup as a list has it: its files have their sizes, their digests were not looked at."""

    path: Path
    state: State
    layout: Layout
    description: Description | None
    """None: not readable."""
    total_size_bytes: int | None
    """None: unfinished, encrypted or damaged."""
    problem: str = ""


def list_backups(root: Path) -> tuple[Entry, ...]:
    """The backups in ``root`` and in the folders below it, the newest first.

    Links to directories are not followed.

    Raises:
        NotFoundError: There is no such directory.
    """
    require_directory(root)
    found = [_entry(place) for place in _places(root, DEPTH)]
    return tuple(sorted(found, key=lambda each: (-_taken_at_ns(each), each.path)))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Which backups would go or have gone, and which stay."""

    verdicts: tuple[Verdict, ...]
    sizes: dict[Path, int]

    @property
    def going(self) -> tuple[Path, ...]:
        """Those that go, the newest first."""
        return tuple(each.candidate.path for each in self.verdicts if not each.stays)

    @property
    def freed_bytes(self) -> int:
        """What they take up."""
        return sum(self.sizes[path] for path in self.going)


def plan_pruning(root: Path, rules: Rules) -> Pruning:
    """What ``rules`` make of the backups below ``root``.

    Only finished backups of ours are counted, and only they can go.

    Raises:
        NotFoundError: There is no such directory.
        InputError: No rule keeps anything.
    """
    if not rules.says_something:
        raise InputError(
            "no rule says which backups to keep",
            code="no-rule",
            hint="say --keep-last, --keep-daily, --keep-weekly or --keep-monthly, or write them "
            "into the table retention of juno-snap.toml",
        )
    candidates, sizes = [], {}
    for each in list_backups(root):
        description, size = each.description, each.total_size_bytes
        if each.layout == "juno-snap" and description is not None and size is not None:
            sizes[each.path] = size
            pinned = "protected" if description.is_protected else ""
            candidates.append(
                Candidate(
                    path=each.path,
                    group=(description.module, description.root_key_sha256),
                    taken_at_ns=description.metadata.taken_at_ns,
                    pinned=pinned or ("label" if description.label else ""),
                )
            )
    return Pruning(verdicts=judge(candidates, rules), sizes=sizes)


def prune(pruning: Pruning, *, observer: Observer = ignore_events) -> tuple[Path, ...]:
    """Remove what ``pruning`` says; the directories that stayed because of files of others.

    Before anything goes, the newest of the backups that stay of each module is verified: what is
    removed must not have been the last good one.

    Raises:
        BackupError: One that is to stay is not sound, or one that is to go cannot be removed.
    """
    for group in {each.candidate.group for each in pruning.verdicts if not each.stays}:
        newest = next(
            each.candidate.path
            for each in pruning.verdicts
            if each.stays and each.candidate.group == group
        )
        verify_backup(newest, observer=observer).require_sound()
    return tuple(path for path in pruning.going if not remove_backup(path))


def remove_backup(path: Path) -> bool:
    """Remove a backup of ours; whether its directory went, too: files of others stay.

    The manifest goes first: what is left after an interruption is no backup any more.

    Raises:
        BackupError: It is none, or cannot be removed.
    """
    backup = open_backup(path)
    names = [each.name for each in backup.files if each.name != layout.BEGUN]
    for name in (layout.MANIFEST, *names, layout.SLICES, layout.COPYING, layout.BEGUN):
        with writing(path / name):
            (path / name).unlink(missing_ok=True)
            if name == layout.MANIFEST:
                sync_directory(path)
    for folder in (path / layout.CHUNKS, path):
        with writing(folder):
            if folder.is_dir() and any(folder.iterdir()):
                return False
            if folder.is_dir():
                folder.rmdir()
    return True


def _places(folder: Path, depth: int) -> Iterator[Path]:
    if _looks_like_backup(folder):
        yield folder
    elif depth:
        try:
            below = sorted(folder.iterdir())
        except PermissionError:
            return
        for each in below:
            if each.is_dir() and not each.is_symlink():
                yield from _places(each, depth - 1)


def _looks_like_backup(folder: Path) -> bool:
    if any(is_there(folder, name) for name in OURS):
        return True
    modules = (layout.FILES["wasm_module"], juno.FILES["wasm_module"])
    return is_there(folder, layout.METADATA) and any(is_there(folder, name) for name in modules)


def _entry(path: Path) -> Entry:
    try:
        backup = open_backup(path)
    except BackupError as error:
        return _unusable(path, error)
    return Entry(
        path=path,
        state="complete",
        layout=backup.layout,
        description=backup.description,
        total_size_bytes=backup.total_size_bytes,
    )


def _unusable(path: Path, error: BackupError) -> Entry:
    ours = any(is_there(path, name) for name in OURS)
    others: Layout = "juno" if is_there(path, juno.FILES["wasm_module"]) else "icp"
    try:
        description = begun_description(path)
    except BackupError:
        description = None
    return Entry(
        path=path,
        state=STATES.get(error.code, "damaged"),
        layout="juno-snap" if ours else others,
        description=description,
        total_size_bytes=None,
        problem=error.message,
    )


def _taken_at_ns(entry: Entry) -> int:
    return entry.description.metadata.taken_at_ns if entry.description else 0
