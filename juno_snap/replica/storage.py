"""The state on disk: one checkpoint, replaced as a whole.

A replica's folder has ``format.json`` (which version wrote it), ``lock`` (held while a replica
runs), ``state.json`` (the newest checkpoint) and ``blobs/`` (the bytes it refers to, by SHA-256). A
checkpoint writes the new blobs first, then replaces ``state.json``, then removes what is not needed
any more: whenever it is interrupted, the old or the new state is whole. ``state.json`` has three
lines, which together are one JSON object; the first has the SHA-256 of the second, so that damage
is found. Whoever uses the folder may keep files of other names in it.

The format version is 3. Folders of older versions are read, and are of version 3 from then on; a
newer one is refused.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from pydantic import BaseModel, ValidationError

from juno_snap.errors import PreconditionError
from juno_snap.files import PRIVATE_DIR_MODE, PRIVATE_MODE, lock_file, write_private
from juno_snap.replica.instrument import InvalidWasmError
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import SubnetState
from juno_snap.replica.storage_blobs import BlobStore, damaged
from juno_snap.replica.storage_codec import (
    digests_of,
    read_attachments,
    read_state,
    write_state,
)
from juno_snap.replica.storage_older import in_new_words
from juno_snap.replica.storage_schema import FORMAT_VERSION, FormatDocument, StateDocument

KIND: Final = "juno-snap replica"
FORMAT_FILE: Final = "format.json"
LOCK_FILE: Final = "lock"
STATE_FILE: Final = "state.json"
BLOB_FOLDER: Final = "blobs"

_BEFORE_DIGEST: Final = b'{"sha256":"'
_AFTER_DIGEST: Final = b'","state":'
_LAST_LINE: Final = b"}"
_LINES: Final = 3

Model = TypeVar("Model", bound=BaseModel)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was stored."""

    state: SubnetState
    attachments: dict[str, bytes]


@final
class Storage:
    """An open folder; no other process has it. Made by ``open_storage``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / STATE_FILE
        self._blobs = BlobStore(directory / BLOB_FOLDER)

    def save(self, state: SubnetState, attachments: Mapping[str, bytes] | None = None) -> None:
        """Replace the checkpoint by ``state``, and ``attachments`` with it.

        On return it is on disk. Bytes that the checkpoint before had are not written again.
        """
        document = write_state(self._blobs, state, dict(attachments or {}))
        body = document.model_dump_json().encode()
        digest = hashlib.sha256(body).hexdigest().encode()
        self._blobs.sync()
        first_line = _BEFORE_DIGEST + digest + _AFTER_DIGEST
        write_private(self._path, b"\n".join([first_line, body, _LAST_LINE]))
        self._blobs.keep_only(digests_of(document))
        for unfinished in self._directory.glob(f".{STATE_FILE}.*"):
            unfinished.unlink()

    def load(self, engine: Engine) -> Checkpoint | None:
        """The checkpoint; None in a folder that has none yet.

        Raises:
            PreconditionError: A file is damaged; names it.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        document = self._parse(data)
        try:
            state = read_state(self._blobs, document, engine)
        except InvalidWasmError as error:
            raise damaged(self._path, f"refers to an invalid module: {error.reason}") from error
        attachments = read_attachments(self._blobs, document)
        # What an interrupted checkpoint left may not be whole: it must not be taken for a blob.
        self._blobs.keep_only(digests_of(document))
        return Checkpoint(state=state, attachments=attachments)

    def _parse(self, data: bytes) -> StateDocument:
        lines = data.split(b"\n")
        if len(lines) != _LINES or lines[-1] != _LAST_LINE:
            raise damaged(self._path, "is not whole")
        digest = hashlib.sha256(lines[1]).hexdigest().encode()
        if lines[0] != _BEFORE_DIGEST + digest + _AFTER_DIGEST:
            raise damaged(self._path, "has other content than when it was written")
        older = in_new_words(lines[1])
        return _validated(StateDocument, lines[1] if older is None else older, self._path)


@contextlib.contextmanager
def open_storage(directory: Path) -> Iterator[Storage]:
    """Hold ``directory``, made where it is missing, for this process alone.

    Raises:
        LockedError: Another replica has it.
        PreconditionError: It is of a newer version, damaged, or another program's folder, or
            cannot be written.
    """
    _make_ready(directory)
    with lock_file(directory / LOCK_FILE, purpose=f"the replica in {directory}"):
        _check_format(directory)
        yield Storage(directory)


def is_replica_directory(directory: Path) -> bool:
    """Whether a replica keeps its state there, of whatever version."""
    try:
        document = FormatDocument.model_validate_json((directory / FORMAT_FILE).read_bytes())
    except (OSError, ValidationError):
        return False
    return document.kind == KIND


def _make_ready(directory: Path) -> None:
    try:
        directory.mkdir(mode=PRIVATE_DIR_MODE, parents=True, exist_ok=True)
        _check_ours(directory)
        (directory / LOCK_FILE).touch(mode=PRIVATE_MODE)
    except OSError as error:
        raise PreconditionError(
            f"no replica can keep its state in {directory}: {error.strerror or error}",
            code="replica-directory",
            hint="make it writable for this user, or name another one with --dir",
        ) from error


def _check_ours(directory: Path) -> None:
    if (directory / FORMAT_FILE).exists():
        return
    if any(path.name in {STATE_FILE, BLOB_FOLDER} for path in directory.iterdir()):
        raise PreconditionError(
            f"{directory} has files that a replica would overwrite, and no {FORMAT_FILE}",
            code="not-a-replica-directory",
            hint="name another folder with --dir",
        )


def _check_format(directory: Path) -> None:
    path = directory / FORMAT_FILE
    if not path.exists():
        document = FormatDocument(kind=KIND, version=FORMAT_VERSION)
        write_private(path, document.model_dump_json().encode())
        return
    document = _validated(FormatDocument, path.read_bytes(), path)
    if document.kind != KIND:
        raise PreconditionError(
            f"{directory} is not a replica's folder",
            code="not-a-replica-directory",
            hint="name another folder with --dir",
        )
    if document.version > FORMAT_VERSION:
        raise PreconditionError(
            f"{directory} was written by a newer juno-snap: its format is {document.version}, "
            f"this version reads {FORMAT_VERSION}",
            code="replica-format-newer",
            hint="update juno-snap, or start anew with: juno-snap replica reset",
        )
    if document.version < FORMAT_VERSION:
        # Before anything else is written: an older juno-snap refuses the folder from now on.
        newer = FormatDocument(kind=KIND, version=FORMAT_VERSION)
        write_private(path, newer.model_dump_json().encode())


def _validated(model: type[Model], data: bytes, path: Path) -> Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise damaged(path, f"is not a replica's: {place}: {first['msg']}") from error
