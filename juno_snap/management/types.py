"""What the management canister takes and gives, as values.

Fields that older networks do not send are None. Numbers are in the unit of their name; memory
settings are in bytes. Source: interface specification, "The IC management canister".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from juno_snap.ids import Principal, SnapshotId

RunStatus: TypeAlias = Literal["running", "stopping", "stopped"]
MemoryPersistence: TypeAlias = Literal["keep", "replace"]
SnapshotSource: TypeAlias = Literal["taken_from_canister", "metadata_upload"]
SnapshotPart: TypeAlias = Literal["wasm_module", "wasm_memory", "stable_memory"]
HookStatus: TypeAlias = Literal["condition_not_satisfied", "ready", "executed"]
GlobalKind: TypeAlias = Literal["i32", "i64", "f32", "f64", "v128"]


@final
@dataclass(frozen=True, slots=True)
class AllowedViewers:
    """These principals, besides the controllers."""

    viewers: tuple[Principal, ...]


Visibility: TypeAlias = Literal["controllers", "public"] | AllowedViewers
"""Who may see something of a canister."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CanisterSettings:
    """Settings to change; None leaves a setting as it is."""

    controllers: tuple[Principal, ...] | None = None
    compute_allocation_percent: int | None = None
    memory_allocation_bytes: int | None = None
    """Guaranteed, not a cap; 0: best effort."""
    freezing_threshold_seconds: int | None = None
    reserved_cycles_limit: int | None = None
    minimum_incoming_canister_call_cycles: int | None = None
    log_visibility: Visibility | None = None
    snapshot_visibility: Visibility | None = None
    status_visibility: Visibility | None = None
    log_memory_limit_bytes: int | None = None
    wasm_memory_limit_bytes: int | None = None
    wasm_memory_threshold_bytes: int | None = None
    environment_variables: Mapping[str, str] | None = None
    """All of them: those not named here go."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DefiniteSettings:
    """The settings of a canister."""

    controllers: tuple[Principal, ...]
    compute_allocation_percent: int
    memory_allocation_bytes: int
    freezing_threshold_seconds: int
    reserved_cycles_limit: int | None
    minimum_incoming_canister_call_cycles: int | None
    log_visibility: Visibility | None
    snapshot_visibility: Visibility | None
    status_visibility: Visibility | None
    log_memory_limit_bytes: int | None
    wasm_memory_limit_bytes: int | None
    wasm_memory_threshold_bytes: int | None
    environment_variables: Mapping[str, str] | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryMetrics:
    """What a canister's memory consists of."""

    wasm_memory_bytes: int
    stable_memory_bytes: int
    global_memory_bytes: int
    wasm_binary_bytes: int
    """The module as it was uploaded, packed or not."""
    custom_sections_bytes: int
    canister_history_bytes: int
    wasm_chunk_store_bytes: int
    snapshots_bytes: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStats:
    """Queries since the creation, as far as they are counted."""

    num_calls_total: int
    num_instructions_total: int
    request_payload_bytes_total: int
    response_payload_bytes_total: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CanisterStatus:
    """A canister as its controllers see it."""

    status: RunStatus
    version: int | None
    """Grows with every message that runs and every change of code, settings or status."""
    settings: DefiniteSettings
    module_hash: bytes | None
    """SHA-256 of the module as it was uploaded; None: empty."""
    memory_size_bytes: int
    """Everything, snapshots too."""
    memory_metrics: MemoryMetrics
    cycles: int
    reserved_cycles: int
    idle_cycles_burned_per_day: int
    ready_for_migration: bool | None
    query_stats: QueryStats | None


@final
@dataclass(frozen=True, slots=True)
class Install:
    """Into an empty canister."""


@final
@dataclass(frozen=True, slots=True)
class Reinstall:
    """In place of everything: heap and stable memory are lost."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Stable memory stays, and the heap where ``wasm_memory_persistence`` is ``keep``."""

    skip_pre_upgrade: bool = False
    wasm_memory_persistence: MemoryPersistence | None = None
    """None lets the network decide: it refuses to drop a heap that Motoko wants to keep."""


InstallMode: TypeAlias = Install | Reinstall | Upgrade


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A module snapshot."""

    id: SnapshotId
    taken_at_ns: int
    total_size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class Global:
    """The value of a global variable: a float for f32 and f64, else an int."""

    kind: GlobalKind
    value: int | float


@final
@dataclass(frozen=True, slots=True)
class GlobalTimer:
    """A canister's global timer; ``active_at_ns`` is None where it is not set."""

    active_at_ns: int | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUpload:
    """Sizes and small parts of a snapshot that is about to be uploaded."""

    wasm_module_bytes: int
    globals: tuple[Global, ...]
    """Exported ones in the order of the export section, then the other mutable ones."""
    wasm_memory_bytes: int
    stable_memory_bytes: int
    certified_data: bytes
    global_timer: GlobalTimer | None = None
    """None: the canister that loads the snapshot keeps its own."""
    on_low_wasm_memory_hook_status: HookStatus | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMetadata:
    """What a snapshot is made of, but for its large parts."""

    source: SnapshotSource
    taken_at_ns: int
    wasm_module_bytes: int
    globals: tuple[Global, ...]
    wasm_memory_bytes: int
    stable_memory_bytes: int
    wasm_chunk_store: tuple[bytes, ...]
    """SHA-256 of each stored chunk."""
    canister_version: int
    certified_data: bytes
    global_timer: GlobalTimer | None
    """None in snapshots of before 2025-04."""
    on_low_wasm_memory_hook_status: HookStatus | None

    def for_upload(self) -> SnapshotUpload:
        """What has to be uploaded for a copy of this snapshot, besides its data."""
        return SnapshotUpload(
            wasm_module_bytes=self.wasm_module_bytes,
            globals=self.globals,
            wasm_memory_bytes=self.wasm_memory_bytes,
            stable_memory_bytes=self.stable_memory_bytes,
            certified_data=self.certified_data,
            global_timer=self.global_timer,
            on_low_wasm_memory_hook_status=self.on_low_wasm_memory_hook_status,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A line of a canister's log."""

    index: int
    at_ns: int
    content: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedInfo:
    """What the certified state says of a canister; anyone may ask."""

    exists: bool
    """Whether there is such a canister; if not, the rest is empty."""
    module_hash: bytes | None
    """None: empty."""
    controllers: tuple[Principal, ...]
    last_install_at_ns: int | None
    """Of the last install, upgrade or snapshot load; None: empty, or an older network."""
    certified_at_ns: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementCall:
    """A call that is ready to be signed: its argument, and where it has to be sent."""

    method: str
    arg: bytes = field(repr=False)
    effective_canister_id: Principal
