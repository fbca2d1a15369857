"""Files of releases on disk, by their hash; nobody else may read or change them.

Folder ``releases`` of the state directory, mode 0700, files 0600: ``<sha256>.wasm.gz``, and of a
download that broke off ``<sha256 of its address>.part`` with ``.json``, which says of what it is a
part.
"""

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from juno_snap.files import make_private_folders, write_private

FOLDER: Final = "releases"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The beginning of a file, and the mark by which its server knows the whole."""

    data: bytes = field(repr=False)
    etag: str


@final
class ReleaseCache:
    """What was downloaded before; ``state`` is the state directory."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def find(self, digest: bytes) -> bytes | None:
        """The file with this SHA-256, verified again; one that has changed is removed."""
        place = self._place(digest)
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).digest() != digest:
            place.unlink(missing_ok=True)
            return None
        return data

    def keep(self, data: bytes) -> None:
        """Put a file there; the next ``find`` has it."""
        make_private_folders(self._folder)
        write_private(self._place(hashlib.sha256(data).digest()), data)

    def partial(self, url: str) -> Partial | None:
        """What was received of ``url`` before it broke off."""
        data, about = self._partial_places(url)
        try:
            etag = json.loads(about.read_bytes())["etag"]
            return Partial(data=data.read_bytes(), etag=str(etag))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_partial(self, url: str, partial: Partial) -> None:
        """Keep the beginning of ``url`` for another time."""
        data, about = self._partial_places(url)
        make_private_folders(self._folder)
        write_private(data, partial.data)
        write_private(about, json.dumps({"etag": partial.etag, "url": url}).encode())

    def drop_partial(self, url: str) -> None:
        """Forget the beginning of ``url``."""
        for place in self._partial_places(url):
            with contextlib.suppress(FileNotFoundError):
                place.unlink()

    def _place(self, digest: bytes) -> Path:
        return self._folder / f"{digest.hex()}.wasm.gz"

    def _partial_places(self, url: str) -> tuple[Path, Path]:
        name = hashlib.sha256(url.encode()).hexdigest()
        return self._folder / f"{name}.part", self._folder / f"{name}.json"
