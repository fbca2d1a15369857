"""What the subnet remembers: canisters with their settings, code, snapshots, history and logs.

Plain data and the accounting that follows from it alone. What changes it is in ``management`` and
``subnet``; what writes it to disk is in ``storage``. Nothing here reads a clock: times come from
the message that is executed, ids from counters that are part of the state.

Canister ids. The subnet hosts every id of canister form (8-byte counter, then ``01 01``), so that
a module can get the id that it has on mainnet (``specified_id``). Ids that nobody asked for count
up from ``FIRST_CANISTER_NUMBER``, whatever was created or deleted before.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from juno_snap.ids import Principal, RequestId
from juno_snap.replica.calls import Answer, OpenCalls, Queued
from juno_snap.replica.execution import InstalledCode
from juno_snap.replica.snapshots import (
    HookStatus,
    Snapshot,
    global_memory_bytes,
    is_heap_low,
    owner_of,
)
from juno_snap.replica.state_history import ChangeDetails, ChangeOrigin, ChangeRecord, History
from juno_snap.replica.state_logs import LOG_MEMORY_LIMIT_DEFAULT_BYTES, Logs
from juno_snap.units import CHUNK_MAX_BYTES, TRILLION_CYCLES

CANISTER_ID_SUFFIX: Final = b"\x01\x01"
"""Ends every canister id. Source: interface specification, "Principals", and dfinity/ic."""

FIRST_CANISTER_NUMBER: Final = 0x8000_0000_0010_0000
LAST_CANISTER_NUMBER: Final = 0x8000_0000_001F_FFFF
"""The ids given out here; ``bnz7o-iuaaa-aaaaa-qaaaa-cai`` is the first, as of dfx and PocketIC."""

FREEZING_THRESHOLD_DEFAULT_SECONDS: Final = 2_592_000
RESERVED_CYCLES_LIMIT_DEFAULT: Final = 5 * TRILLION_CYCLES
PROVISIONAL_CYCLES_DEFAULT: Final = 100 * TRILLION_CYCLES
"""Source: interface specification, "Canister settings"; dfinity/ic, execution environment."""


def canister_id(number: int) -> Principal:
    """The canister id of an 8-byte number."""
    return Principal(number.to_bytes(8, "big") + CANISTER_ID_SUFFIX)


CANISTER_RANGES: Final = ((canister_id(0), canister_id(2**64 - 1)),)
"""The ids that this subnet hosts: pairs of first and last, inclusive, as its certificates say."""


class Status(IntEnum):
    """What ``ic0.canister_status`` answers."""

    RUNNING = 1
    STOPPING = 2
    STOPPED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Who beside the controllers may read something of a canister."""

    kind: Literal["controllers", "public", "allowed_viewers"] = "controllers"
    viewers: tuple[Principal, ...] = ()


EnvironmentVariables: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a canister; ``controllers`` and the variables are sorted and unique.

    Zero is no limit for ``wasm_memory_limit_bytes`` and no log for ``log_memory_limit_bytes``.
    """

    controllers: tuple[Principal, ...]
    compute_allocation_percent: int = 0
    memory_allocation_bytes: int = 0
    freezing_threshold_seconds: int = FREEZING_THRESHOLD_DEFAULT_SECONDS
    reserved_cycles_limit: int = RESERVED_CYCLES_LIMIT_DEFAULT
    minimum_incoming_canister_call_cycles: int = 0
    log_visibility: Visibility = Visibility()
    snapshot_visibility: Visibility = Visibility()
    status_visibility: Visibility = Visibility()
    log_memory_limit_bytes: int = LOG_MEMORY_LIMIT_DEFAULT_BYTES
    wasm_memory_limit_bytes: int = 0
    wasm_memory_threshold_bytes: int = 0
    environment_variables: EnvironmentVariables = ()

    def may_read(self, visibility: Visibility, caller: Principal) -> bool:
        """Whether ``caller`` is among those whom ``visibility`` names."""
        return (
            visibility.kind == "public"
            or caller in self.controllers
            or (visibility.kind == "allowed_viewers" and caller in visibility.viewers)
        )


@dataclass(slots=True, kw_only=True)
class QueryStats:
    """What queries to a canister came to; the network adds them up with a delay."""

    num_calls: int = 0
    num_instructions: int = 0
    request_payload_bytes: int = 0
    response_payload_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class Canister:
    """One canister. Its version rises as the interface specification says ("Canister version")."""

    canister_id: Principal
    settings: Settings
    created_at_ns: int
    cycles: int
    reserved_cycles: int = 0
    version: int = 0
    status: Status = Status.RUNNING
    code: InstalledCode | None = None
    """None where the canister is empty."""
    last_install_at_ns: int | None = None
    """Of the last install, reinstall, upgrade or load; None where the canister is empty."""
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    """The Wasm chunk store, by SHA-256."""
    history: History = field(default_factory=History)
    logs: Logs = field(default_factory=Logs)
    snapshots: dict[bytes, Snapshot] = field(default_factory=dict)
    """By id; ids grow, so the order of insertion is the order of ids."""
    next_snapshot_number: int = 0
    calls: OpenCalls = field(default_factory=OpenCalls)
    hook_status: HookStatus = "condition_not_satisfied"
    """Of the low-memory hook, as of the last ``update_hook_status``."""
    consumed_cycles: dict[str, int] = field(default_factory=dict)
    """What its cycles went to, by use; see ``accounts``."""
    query_stats: QueryStats = field(default_factory=QueryStats)
    heap_delta_debit_bytes: int = 0
    install_debit_instructions: int = 0
    """What ``rate_limits`` counts."""

    @property
    def controllers(self) -> tuple[Principal, ...]:
        """Who may change the canister."""
        return self.settings.controllers

    @property
    def module_hash(self) -> bytes | None:
        """SHA-256 of the module as uploaded, None where the canister is empty."""
        return None if self.code is None else self.code.module.sha256

    @property
    def certified_data(self) -> bytes:
        """At most 32 bytes; empty where the canister is."""
        return b"" if self.code is None else self.code.certified_data

    @property
    def metadata(self) -> Mapping[str, tuple[bool, bytes]]:
        """The module's ``icp:`` sections by name: whether public, and the content."""
        return {} if self.code is None else self.code.module.shape.metadata

    def record(self, details: ChangeDetails, *, origin: ChangeOrigin, at_ns: int) -> None:
        """Raise the version by one and note what did it in the history."""
        self.version += 1
        self.note(details, origin=origin, at_ns=at_ns)

    def note(self, details: ChangeDetails, *, origin: ChangeOrigin, at_ns: int) -> None:
        """Add to the history under the version that the canister has now."""
        self.history.add(
            ChangeRecord(at_ns=at_ns, canister_version=self.version, origin=origin, details=details)
        )

    def log(self, contents: tuple[bytes, ...], *, at_ns: int) -> None:
        """Append to the log, within the limit of the settings."""
        self.logs.add(contents, at_ns=at_ns, limit_bytes=self.settings.log_memory_limit_bytes)

    @property
    def is_heap_low(self) -> bool:
        """Whether the heap is so near to its limit that the low-memory hook is due."""
        return self.code is not None and is_heap_low(
            heap_bytes=self.code.heap.size_bytes,
            limit_bytes=self.settings.wasm_memory_limit_bytes,
            threshold_bytes=self.settings.wasm_memory_threshold_bytes,
        )

    def update_hook_status(self) -> None:
        """Note whether the low-memory hook is due; it is so once, until there is room again."""
        if not self.is_heap_low:
            self.hook_status = "condition_not_satisfied"
        elif self.hook_status == "condition_not_satisfied":
            self.hook_status = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Where the memory of a canister goes, in bytes, as ``canister_status`` breaks it down."""

    wasm_memory: int
    stable_memory: int
    global_memory: int
    wasm_binary: int
    custom_sections: int
    canister_history: int
    wasm_chunk_store: int
    snapshots: int
    log_memory_store: int

    @property
    def total(self) -> int:
        """Everything that the canister pays for."""
        return (
            self.wasm_memory
            + self.stable_memory
            + self.global_memory
            + self.wasm_binary
            + self.custom_sections
            + self.canister_history
            + self.wasm_chunk_store
            + self.snapshots
            + self.log_memory_store
        )


def memory_use(canister: Canister) -> MemoryUse:
    """The memory of a canister, part by part."""
    code = canister.code
    return MemoryUse(
        wasm_memory=0 if code is None else code.heap.size_bytes,
        stable_memory=0 if code is None else code.stable.size_bytes,
        global_memory=0 if code is None else global_memory_bytes(code.global_types),
        wasm_binary=0 if code is None else len(code.wasm),
        custom_sections=sum(len(content) for _, content in canister.metadata.values()),
        canister_history=canister.history.size_bytes,
        wasm_chunk_store=len(canister.chunks) * CHUNK_MAX_BYTES,
        snapshots=sum(snapshot.total_size_bytes for snapshot in canister.snapshots.values()),
        log_memory_store=canister.logs.size_bytes,
    )


@dataclass(slots=True, kw_only=True)
class SubnetState:
    """All canisters, and the counters that make new ids."""

    canisters: dict[Principal, Canister] = field(default_factory=dict)
    next_canister_number: int = FIRST_CANISTER_NUMBER
    time_ns: int = 0
    """Time of the newest message; never goes back."""
    queue: deque[Queued] = field(default_factory=deque)
    """Messages to canisters, the next one first."""
    ended: list[tuple[RequestId, Answer]] = field(default_factory=list)
    """Outcomes of users' calls that nobody has taken yet; empty between rounds."""
    was_managed: bool = False
    """A management call has changed a canister since somebody looked. Not stored."""
    next_random_number: int = 0
    last_heartbeat_ns: int = 0
    rounds_counted_until_ns: int = 0
    """For ``rate_limits``."""
    charged_until_ns: int | None = None
    """Storage is paid up to then; None until the first message of this process, so that the time in
    which the replica was not running costs nothing."""

    def find_snapshot(self, snapshot_id: bytes) -> Snapshot | None:
        """The snapshot of that id, whichever canister it belongs to."""
        owner = self.canisters.get(owner_of(snapshot_id))
        return None if owner is None else owner.snapshots.get(snapshot_id)

    def new_canister_id(self) -> Principal:
        """An id that was never given out before."""
        number = self.next_canister_number
        self.next_canister_number += 1
        return canister_id(number)
