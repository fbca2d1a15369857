"""What an operation needs until it ends: the Wasm and its argument, kept by their hashes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, final

from juno_snap.errors import NotFoundError
from juno_snap.files import make_private_folders, read_file, write_private
from juno_snap.pipeline.journal.refusals import REFUSALS

VAULT: Final = "kept"


@final
class Vault:
    """Files in a folder of the state directory, each named for its SHA-256."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / VAULT

    def keep(self, data: bytes) -> bytes:
        """The SHA-256 of ``data``, which is on disk when this returns.

        Raises:
            PreconditionError: There is no room, or the folder cannot be written
                (``journal-full``, ``journal-read-only``).
        """
        sha256 = hashlib.sha256(data).digest()
        path = self._path(sha256)
        try:
            # Many modules of a fleet keep the same: a file gets its name only when it is whole.
            if path.exists() and hashlib.sha256(path.read_bytes()).digest() == sha256:
                return sha256
            make_private_folders(self._directory, self._folder)
            write_private(path, data)
        except OSError as error:
            raise REFUSALS.of_os_error(str(path), error) from error
        return sha256

    def kept(self, sha256: bytes) -> bytes:
        """What was kept under that hash.

        Raises:
            NotFoundError: It is not there any more, or is not what was kept.
        """
        path = self._path(sha256)
        data = read_file(path)
        if hashlib.sha256(data).digest() != sha256:
            raise NotFoundError(
                f"{path} is not what was kept: its content was changed",
                code="kept-changed",
                hint="give the same Wasm and argument again",
            )
        return data

    def release(self, unneeded: Iterable[bytes]) -> None:
        """Remove what is kept under these hashes; what is gone already is no error.

        An operation of another module may keep the same Wasm: leave out ``Journal.needed``.

        Raises:
            PreconditionError: The folder cannot be written.
        """
        for sha256 in unneeded:
            path = self._path(sha256)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise REFUSALS.of_os_error(str(path), error) from error

    def _path(self, sha256: bytes) -> Path:
        return self._folder / sha256.hex()
