"""Room on the disk that is kept for when it is full."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, final


@final
class Ballast:
    """A file without a name; the system frees its blocks when it is dropped or the process dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None

    def take(self, size_bytes: int) -> None:
        """Hold at least ``size_bytes``.

        Raises:
            OSError: There is no room, or the directory cannot be written.
        """
        if self._file is None:
            self._file = _nameless(self._directory)
        if size_bytes:
            try:
                os.posix_fallocate(self._file.fileno(), 0, size_bytes)
            except OSError:
                self.drop()
                raise

    def drop(self) -> bool:
        """Free the room; whether there was any."""
        if self._file is None:
            return False
        self._file.close()
        self._file = None
        return True


def _nameless(directory: Path) -> BinaryIO:
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=".ballast.")
    Path(name).unlink()
    return os.fdopen(descriptor, "wb")
