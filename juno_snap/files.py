"""Files that survive a power cut, stay private, and are held by one process at a time."""

import contextlib
import fcntl
import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from juno_snap.errors import LockedError, NotFoundError, PreconditionError

PRIVATE_MODE: Final = 0o600
PRIVATE_DIR_MODE: Final = 0o700


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``data``: readers see the old or the new content, never a part.

    On return data and name are on disk. Missing parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    sync_directory(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Like ``write_atomically``, readable by its owner only (mode 0600)."""
    write_atomically(path, data, mode=PRIVATE_MODE)


def make_private_folders(*folders: Path) -> None:
    """Make folders that only their owner may enter; one that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    for folder in folders:
        folder.mkdir(mode=PRIVATE_DIR_MODE, parents=True, exist_ok=True)


@contextlib.contextmanager
def writing_in(state: Path) -> Iterator[None]:
    """Write below the state directory; what the file system refuses is the person's to mend.

    Raises:
        PreconditionError: It cannot be written, or has no room.
    """
    try:
        yield
    except OSError as error:
        raise PreconditionError(
            f"the state directory {state} cannot be written: {error.strerror or error}",
            code="state-read-only",
            hint="make it writable for this user, with room to spare, or name another one with "
            "--state",
        ) from error


def sync_directory(path: Path) -> None:
    """Put the names inside ``path`` on disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Put what was written into ``path`` on disk."""
    _sync(path, os.O_RDONLY)


def is_readable_by_others(path: Path) -> bool:
    """Whether group or others may read ``path``, and enter the folder it is in."""
    is_open = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    return bool(is_open and path.absolute().parent.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def read_file(path: Path) -> bytes:
    """The content of ``path``.

    Raises:
        NotFoundError: There is no such file, it is a folder, or it may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from error


def read_toml(path: Path) -> dict[str, object]:
    """What the TOML file ``path`` says; it may begin with a byte order mark, as some editors write.

    Raises:
        NotFoundError: See ``read_file``.
        ValueError: TOML's and UTF-8's own.
    """
    return tomllib.loads(read_file(path).decode("utf-8-sig"))


@contextlib.contextmanager
def lock_file(path: Path, *, purpose: str, details: str = "") -> Iterator[None]:
    """Hold ``path`` locked; the operating system lets go when the process ends, however it ends.

    ``details`` stand in the file beside the process id, for whoever finds it locked. This process
    counts as another one if it holds the lock already.

    Raises:
        LockedError: Another process holds it; names its process id and its details.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "pid unknown"
            raise LockedError(
                f"{purpose} is in use by another process ({holder})",
                hint="wait for it to end, or stop it",
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()}{details}\n")
        file.flush()
        try:
            yield
        finally:
            # Closing lets go only once no child, forked a moment ago, has the file open too.
            fcntl.flock(file, fcntl.LOCK_UN)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
