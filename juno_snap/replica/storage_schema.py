"""What a checkpoint says, as JSON. The bytes themselves are blobs beside it.

The state's own small values (settings, history, log records, open calls) stand in it as they are: a
change to one of those dataclasses is a change of the format and needs a new ``FORMAT_VERSION``.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from juno_snap.ids import Principal
from juno_snap.replica.calls import FromCanister, FromUser, OpenCalls
from juno_snap.replica.snapshots import HookStatus
from juno_snap.replica.state import QueryStats, Settings, Status
from juno_snap.replica.state_history import History, SnapshotSource
from juno_snap.replica.state_logs import Logs

FORMAT_VERSION: Final = 3
"""Version 1 had no accounts of cycles, no rate limits and no open calls; what it lacks has the
defaults here. ``storage_older`` tells what else was different. No release has written version 2."""


class Document(BaseModel):
    """A part of the file. Bytes are lower-case hex; what is not known is refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, ser_json_bytes="hex", val_json_bytes="hex"
    )


class FormatDocument(BaseModel):
    """``format.json``: says that a folder is a replica's, and which version wrote it.

    Later versions may say more in it, and must still be recognised.
    """

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    kind: str
    version: int


class PiecesDocument(Document):
    """Bytes cut into pieces: the size of the whole, and offset and SHA-256 of each piece."""

    size_bytes: int
    pieces: list[tuple[int, bytes]]


class ContentDocument(Document):
    """What code and snapshots have in common."""

    wasm: PiecesDocument
    heap: PiecesDocument
    stable: PiecesDocument
    packed_globals: bytes
    certified_data: bytes


class CodeDocument(ContentDocument):
    """The code of a canister."""

    global_timer_ns: int


class SnapshotDocument(ContentDocument):
    """One snapshot."""

    snapshot_id: bytes
    source: SnapshotSource
    taken_at_ns: int
    canister_version: int
    global_types: tuple[str, ...]
    chunks: list[PiecesDocument]
    changed_at_ns: int | None = None
    global_timer_ns: int | None
    hook_status: HookStatus | None


class CanisterDocument(Document):
    """One canister."""

    canister_id: Principal
    settings: Settings
    created_at_ns: int
    cycles: int
    reserved_cycles: int
    version: int
    status: Status
    code: CodeDocument | None
    last_install_at_ns: int | None
    chunks: list[PiecesDocument]
    history: History
    logs: Logs
    snapshots: list[SnapshotDocument]
    next_snapshot_number: int
    calls: OpenCalls = Field(default_factory=OpenCalls)
    hook_status: HookStatus = "condition_not_satisfied"
    consumed_cycles: dict[str, int] = {}
    query_stats: QueryStats = QueryStats()
    heap_delta_debit_bytes: int = 0
    install_debit_instructions: int = 0


class RequestDocument(Document):
    """A call on its way."""

    origin: FromUser | FromCanister
    receiver: Principal
    method: str
    arg: PiecesDocument
    cycles: int
    expires_at_ns: int


class ResponseDocument(Document):
    """An answer on its way."""

    receiver: Principal
    callback_id: int
    refund_cycles: int
    reply: PiecesDocument
    reject_code: int
    reject_message: str


class StateDocument(Document):
    """The whole subnet, and what the caller stores with it."""

    time_ns: int
    next_canister_number: int
    next_random_number: int = 0
    last_heartbeat_ns: int = 0
    rounds_counted_until_ns: int = 0
    canisters: list[CanisterDocument]
    queue: list[RequestDocument | ResponseDocument] = []
    attachments: dict[str, PiecesDocument | bytes]
    """Short ones stand here as they are: they change each time, and a file costs more."""
