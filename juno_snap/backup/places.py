"""Files of a backup: opened without following links, and errors that name them."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from juno_snap.errors import BackupError, NotFoundError
from juno_snap.units import MIB

BLOCK_BYTES: Final = MIB
"""Bytes that are held in memory at a time where a file is read from end to end."""

JSON_MAX_BYTES: Final = 4 * MIB
"""More than any metadata the network has: 1000 globals, 100 chunk hashes, 100 file names."""

_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC


def require_directory(path: Path) -> None:
    """Refuse what is no directory.

    Raises:
        NotFoundError: There is none.
    """
    if not path.is_dir():
        raise NotFoundError(f"there is no directory {path}")


def is_there(directory: Path, name: str) -> bool:
    """Whether ``name`` stands in ``directory``, as anything, a dangling link too."""
    return os.path.lexists(directory / name)


@contextlib.contextmanager
def opened(directory: Path, name: str) -> Iterator[BinaryIO]:
    """A file of a backup, for reading; ``name`` may have one folder.

    Raises:
        BackupError: It is missing, no file, a link, behind a link, or cannot be read.
    """
    place = directory / name
    folder, _, last = name.rpartition("/")
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            if folder:
                flags = os.O_RDONLY | os.O_DIRECTORY | _NO_LINK
                descriptor = os.open(folder, flags, dir_fd=descriptor)
                stack.callback(os.close, descriptor)
            # Without O_NONBLOCK a named pipe would hold us.
            number = os.open(last, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=descriptor)
            file = stack.enter_context(os.fdopen(number, "rb"))
        except OSError as error:
            raise _unusable(place, error) from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BackupError(f"{place} is no file", path=str(place), code="backup-damaged")
        yield file


def size_of(directory: Path, name: str) -> int:
    """How many bytes a file of a backup has. Raises ``BackupError`` like ``opened``."""
    with opened(directory, name) as file:
        return os.fstat(file.fileno()).st_size


def read_small(directory: Path, name: str) -> bytes:
    """All of a JSON file.

    Raises:
        BackupError: Like ``opened``; or it is larger than any such file.
    """
    with opened(directory, name) as file, reading(directory / name):
        data = file.read(JSON_MAX_BYTES + 1)
    if len(data) > JSON_MAX_BYTES:
        raise damaged(directory / name, f"is larger than {JSON_MAX_BYTES} bytes")
    return data


def read_slice(directory: Path, name: str, offset: int, size: int) -> bytes:
    """Exactly ``size`` bytes from ``offset``.

    Raises:
        BackupError: Like ``opened``; or the file ends before.
    """
    with opened(directory, name) as file, reading(directory / name):
        file.seek(offset)
        data = file.read(size)
    if len(data) != size:
        raise damaged(directory / name, f"ends before byte {offset + size}")
    return data


def blocks(directory: Path, name: str) -> Iterator[bytes]:
    """All of a file, in blocks. Raises ``BackupError`` like ``opened``."""
    with opened(directory, name) as file, reading(directory / name):
        while block := file.read(BLOCK_BYTES):
            yield block


def damaged(place: Path | str, problem: str) -> BackupError:
    """The error for a file whose content is not what it should be."""
    return BackupError(
        f"{place} {problem}",
        path=str(place),
        code="backup-damaged",
        hint="take another backup, or use an older one",
    )


def unwanted(place: Path, problem: str) -> BackupError:
    """The error for something that came and is not what was asked for."""
    return BackupError(
        f"{place} {problem}",
        path=str(place),
        code="backup-wrong-data",
        hint="run the command again; what has arrived stays",
    )


@contextlib.contextmanager
def reading(place: Path) -> Iterator[None]:
    """Errors of the operating system while ``place`` is read, as ours."""
    try:
        yield
    except OSError as error:
        raise _unusable(place, error) from error


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Errors of the operating system while ``place`` is written, as ours.

    Raises:
        BackupError: The disk is full, the target may not be written, or it fails.
    """
    try:
        yield
    except OSError as error:
        name = Path(error.filename) if isinstance(error.filename, str) else place
        raise BackupError(
            f"cannot write {name}: {error.strerror}",
            path=str(name),
            code="backup-not-written",
            hint="what has arrived stays; make room or mend the place, and run the command again",
        ) from error


def _unusable(place: Path, error: OSError) -> BackupError:
    if isinstance(error, FileNotFoundError):
        return damaged(place, "is missing")
    if place.is_symlink() or place.parent.is_symlink():
        return BackupError(
            f"{place} leads through a symbolic link, which a backup does not have",
            path=str(place),
            code="backup-link",
            hint="put the file itself in its place",
        )
    return BackupError(
        f"cannot read {place}: {error.strerror}", path=str(place), code="backup-not-read"
    )
