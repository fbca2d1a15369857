"""How far the upload of a backup has come: in the state directory, until the upload is done with.

One JSON file for each module and content, and beside it the log of slices that the network has.
The file is replaced as a whole and on disk before the next call; a line of the log is not synced:
one that is lost means that a slice is sent twice, which is harmless.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, final

from pydantic import BaseModel, ConfigDict, ValidationError

from juno_snap.agent.submission import PreparedCall
from juno_snap.backup.model import Part
from juno_snap.backup.slices import log_line, logged
from juno_snap.errors import PreconditionError
from juno_snap.files import make_private_folders, write_private
from juno_snap.ids import MANAGEMENT_CANISTER, Principal, RequestId, SnapshotId

FOLDER: Final = "uploads"


class _Call(BaseModel):
    """A signed call whose outcome is not known; the file is for its owner only."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    request_id: str
    method: str
    expires_at_ns: int
    signed_after_ns: int
    body: str


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: int = 1
    seen: list[str] = []
    """Snapshots that the module had before the first call."""
    call: _Call | None = None
    snapshot: str | None = None
    """The uploaded one."""
    is_complete: bool = False
    """All of it is there and was read back."""


@final
class UploadProgress:
    """What is known of one upload; without a state directory it lasts as long as the process."""

    def __init__(
        self, state: Path | None, *, root_key: bytes, module: Principal, content: bytes
    ) -> None:
        """Take up what was written down.

        ``content`` is the SHA-256 of what is uploaded.

        Raises:
            PreconditionError: The file is damaged or of a newer version.
        """
        key = hashlib.sha256(root_key + module.raw + content).hexdigest()[:32]
        self._module = module
        self._file = None if state is None else state / FOLDER / f"{key}.json"
        self._log = None if state is None else state / FOLDER / f"{key}.slices"
        self._state = _State() if self._file is None else _read(self._file)

    @property
    def snapshot(self) -> SnapshotId | None:
        """The uploaded snapshot, as soon as its id is known."""
        said = self._state.snapshot
        return None if said is None else SnapshotId.parse(said)

    @property
    def is_begun(self) -> bool:
        """Whether anything was sent."""
        return self._state.call is not None or self._state.snapshot is not None

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there and was read back."""
        return self._state.is_complete

    @property
    def seen(self) -> frozenset[SnapshotId]:
        """Snapshots that were there before."""
        return frozenset(map(SnapshotId.parse, self._state.seen))

    @property
    def call(self) -> PreparedCall | None:
        """The call that makes the snapshot, where its outcome is not known."""
        said = self._state.call
        if said is None:
            return None
        return PreparedCall(
            request_id=RequestId(bytes.fromhex(said.request_id)),
            canister_id=MANAGEMENT_CANISTER,
            effective_canister_id=self._module,
            method=said.method,
            expires_at_ns=said.expires_at_ns,
            signed_after_ns=said.signed_after_ns,
            body=bytes.fromhex(said.body),
        )

    def begin(self, prepared: PreparedCall, seen: Iterable[SnapshotId]) -> None:
        """Write down the call that is about to be sent."""
        call = _Call(
            request_id=prepared.request_id.hex(),
            method=prepared.method,
            expires_at_ns=prepared.expires_at_ns,
            signed_after_ns=prepared.signed_after_ns,
            body=prepared.body.hex(),
        )
        self._write(_State(seen=sorted(map(str, seen)), call=call))

    def made(self, snapshot: SnapshotId) -> None:
        """The snapshot is there, and has zeros for data."""
        self._write(_State(seen=self._state.seen, snapshot=str(snapshot)))

    def complete(self) -> None:
        """All of it is there and was read back."""
        self._write(self._state.model_copy(update={"is_complete": True}))

    def forget(self) -> None:
        """The upload is done with, or begins anew."""
        self._state = _State()
        for file in (self._file, self._log):
            if file is not None:
                file.unlink(missing_ok=True)

    def sent(self) -> Mapping[Part, Mapping[int, int]]:
        """The CRC-32 of each slice that the network has, by part and offset."""
        if self._log is None or not self._log.exists():
            return logged(b"")
        return logged(self._log.read_bytes())

    def note_sent(self, part: Part, offset: int, crc: int) -> None:
        """The network has a slice, certified."""
        if self._log is not None:
            with self._log.open("ab") as file:
                file.write(log_line(part, offset, crc))

    def _write(self, state: _State) -> None:
        self._state = state
        if self._file is not None:
            make_private_folders(self._file.parent)
            write_private(self._file, state.model_dump_json().encode())


def _read(file: Path) -> _State:
    if not file.exists():
        return _State()
    try:
        state = _State.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise _unreadable(file, "is damaged") from error
    if state.version != 1:
        raise _unreadable(file, f"is of version {state.version}")
    return state


def _unreadable(file: Path, problem: str) -> PreconditionError:
    return PreconditionError(
        f"{file}, which says how far an upload has come, {problem}",
        code="upload-progress",
        hint="look at the module's snapshots, delete a half-uploaded one, and remove the file",
    )
