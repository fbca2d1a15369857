"""What an operation costs in cycles, as far as it can be told beforehand.

Prices are those of an application subnet of 13 nodes unless the network's profile says otherwise.
An estimate never decides alone: what it refuses can be forced, and what it lets pass the network
still checks.

What it looks at is the moment that asks most of the module. The network lets a call begin only when
the module has its price above the freezing reserve, and that reserve grows with what the module
stores: staged chunks, then the snapshot. During the install the price of all that it may execute is
set aside, which is far more than anything else costs.
"""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.management.types import CanisterStatus
from juno_snap.units import CHUNK_MAX_BYTES, GIB, TRILLION_CYCLES

PRICED_NODES: Final = 13
"""Nodes of the subnet that prices are given for. Source: developer docs, "Cycles costs"."""

SECONDS_PER_DAY: Final = 86_400
DAYS_PER_BILL: Final = 30

MESSAGE_OVERHEAD_BYTES: Final = 600
"""Envelope, signature and Candid frame of a call; measured with Ed25519, rounded up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CostProfile:
    """Prices of the network in cycles, on ``PRICED_NODES`` nodes; the methods scale them.

    Sources: developer docs, "Cycles costs" and "Resource limits"; dfinity/ic,
    ``rs/config/src/subnet_config.rs``, where an instruction of the management canister costs one
    cycle.
    """

    nodes: int = PRICED_NODES
    """Of the subnet: every price grows with them. 0: the network charges nothing."""
    ingress_message_cycles: int = 1_200_000
    """Each message of a user. Source: developer docs."""
    ingress_byte_cycles: int = 2_000
    """Each byte of it; the module that a management call is about pays. Source: developer docs."""
    update_message_cycles: int = 5_000_000
    """Each message that runs the module's code, an install too. Source: developer docs."""
    chunk_upload_cycles: int = 200_000_000
    """Each ``upload_chunk``, also of a chunk that is there. Source: dfinity/ic."""
    snapshot_cycles: int = 2_000_000_000
    """Each take or load. Source: dfinity/ic."""
    snapshot_byte_cycles: int = 1
    """Each byte taken, loaded or read. Source: dfinity/ic, ``canister_manager.rs``."""
    snapshot_read_cycles: int = 5_000_000
    """Each reading of a snapshot's metadata or data. Source: dfinity/ic."""
    storage_gib_second_cycles: int = 127_000
    """Storage. Source: developer docs. The newest replica source has 317,500."""
    install_cycles: int = 300_000_000_000
    """Set aside during an install: its limit of instructions. Source: developer docs."""
    compile_byte_cycles: int = 3_000
    """Compiling, for each byte unpacked: 6,000 an instruction (dfinity/ic,
    ``rs/config/src/embedders.rs``), which have two bytes and more."""
    memory64_factor: int = 2
    """An instruction of a 64-bit module costs twice as much. Source: developer docs."""

    def ingress(self, messages: int, payload_bytes: int) -> int:
        """Cycles for sending ``messages`` calls that carry ``payload_bytes`` in all."""
        message_bytes = messages * MESSAGE_OVERHEAD_BYTES + payload_bytes
        return self._scaled(
            messages * self.ingress_message_cycles + message_bytes * self.ingress_byte_cycles
        )

    def uploads(self, chunks: int) -> int:
        """Cycles for putting ``chunks`` into the store, beside those for the messages."""
        return self._scaled(chunks * self.chunk_upload_cycles)

    def snapshot(self, size_bytes: int) -> int:
        """Cycles for taking a snapshot of ``size_bytes``."""
        return self._scaled(self.snapshot_cycles + size_bytes * self.snapshot_byte_cycles)

    def load(self, size_bytes: int, *, code_bytes: int) -> int:
        """Cycles for loading it, where its module has ``code_bytes`` unpacked."""
        return self.snapshot(size_bytes) + self._scaled(code_bytes * self.compile_byte_cycles)

    def reading(self, size_bytes: int) -> int:
        """Cycles for reading ``size_bytes`` of a snapshot at once."""
        return self._scaled(self.snapshot_read_cycles + size_bytes * self.snapshot_byte_cycles)

    def filling(self, calls: int, size_bytes: int) -> int:
        """Cycles for writing ``size_bytes`` of an uploaded snapshot in ``calls`` pieces.

        As many as for reading them, beside those for the messages.
        """
        reads = calls * self.snapshot_read_cycles
        return self._scaled(reads + size_bytes * self.snapshot_byte_cycles)

    def install_limit(self, *, is_memory64: bool) -> int:
        """Cycles that are set aside while a module is installed."""
        factor = self.memory64_factor if is_memory64 else 1
        return self._scaled(self.update_message_cycles + self.install_cycles * factor)

    def install(self, code_bytes: int, *, is_memory64: bool) -> int:
        """Cycles that an install takes for good, without what the module's own code does."""
        factor = self.memory64_factor if is_memory64 else 1
        compiling = code_bytes * self.compile_byte_cycles * factor
        return self._scaled(self.update_message_cycles + compiling)

    def storage(self, size_bytes: int, seconds: int) -> int:
        """Cycles for keeping ``size_bytes`` for ``seconds``."""
        return self._scaled(size_bytes * self.storage_gib_second_cycles * seconds // GIB)

    def storage_of_30_days(self, size_bytes: int) -> int:
        """Cycles for keeping ``size_bytes`` for a month."""
        return self.storage(size_bytes, DAYS_PER_BILL * SECONDS_PER_DAY)

    def _scaled(self, cycles: int) -> int:
        return cycles * self.nodes // PRICED_NODES


DEFAULT_COSTS: Final = CostProfile()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CyclesEstimate:
    """Whether the module can pay for an operation. All figures are cycles."""

    available: int
    """The module's balance."""
    freezing_reserve: int
    """What must stay in it so that the module is not frozen, as it is now."""
    ingress: int
    """Fees of the calls, chunk uploads included; the module pays for what is sent to it."""
    snapshot: int
    """Charged for taking the snapshot."""
    snapshot_reserve: int
    """What the freezing reserve grows by through the snapshot and the staged chunks."""
    install_reserve: int
    """Needed beside all that for the install or the load; most of what is set aside for an install
    comes back."""
    install: int
    """What does not come back of it, without what the module's own code does."""
    going_back: int
    """A safety snapshot, its part in the freezing reserve, and a load, should they become
    necessary."""

    @property
    def required(self) -> int:
        """The most that the operation itself needs at one time."""
        return self._before_install + self.install_reserve

    @property
    def required_going_back(self) -> int:
        """The same with the way back after it, when what was set aside has come back."""
        return self._before_install + max(self.install_reserve, self.install + self.going_back)

    @property
    def ok(self) -> bool:
        """Whether the balance suffices for the operation itself."""
        return self.available >= self.required

    @property
    def going_back_ok(self) -> bool:
        """Whether it suffices for the way back too."""
        return self.available >= self.required_going_back

    @property
    def _before_install(self) -> int:
        return self.freezing_reserve + self.snapshot_reserve + self.ingress + self.snapshot

    def to_json(self) -> dict[str, object]:
        """The ``cycles`` object of a plan: decimal strings, since JSON numbers lose digits."""
        return {
            "available": str(self.available),
            "required": str(self.required),
            "freezing_reserve": str(self.freezing_reserve),
            "ingress": str(self.ingress),
            "snapshot": str(self.snapshot),
            "snapshot_reserve": str(self.snapshot_reserve),
            "install_reserve": str(self.install_reserve),
            "install": str(self.install),
            "going_back": str(self.going_back),
            "ok": self.ok,
            "going_back_ok": self.going_back_ok,
        }


def freezing_reserve_cycles(status: CanisterStatus) -> int:
    """What the module must keep to stay unfrozen.

    Source: dfinity/ic, ``cycles_account_manager.rs``: idle burn times threshold, less what is
    reserved already.
    """
    return max(0, _idle_of_threshold(status) - status.reserved_cycles)


def _idle_of_threshold(status: CanisterStatus) -> int:
    """What the module costs, idle, for as long as its freezing threshold says."""
    burn = status.idle_cycles_burned_per_day * status.settings.freezing_threshold_seconds
    return burn // SECONDS_PER_DAY


def freezing_reserve_growth(status: CanisterStatus, grown_bytes: int, costs: CostProfile) -> int:
    """What the freezing reserve grows by when the module stores ``grown_bytes`` more.

    Memory that is allocated is paid for already; it grows nothing until it is full. Source:
    dfinity/ic, ``cycles_account_manager.rs``.
    """
    allocated = status.settings.memory_allocation_bytes
    paid_bytes = max(allocated, status.memory_size_bytes)
    more_bytes = max(allocated, status.memory_size_bytes + grown_bytes) - paid_bytes
    more = costs.storage(more_bytes, status.settings.freezing_threshold_seconds)
    total = max(0, _idle_of_threshold(status) + more - status.reserved_cycles)
    return total - freezing_reserve_cycles(status)


def snapshot_size_bytes(status: CanisterStatus, *, extra_chunks: int = 0) -> int:
    """What a snapshot taken now would hold, ``extra_chunks`` staged before it included.

    Source: dfinity/ic, ``canister_snapshots.rs``: heap, stable memory, globals, module, chunks.
    """
    memory = status.memory_metrics
    return (
        memory.wasm_memory_bytes
        + memory.stable_memory_bytes
        + memory.global_memory_bytes
        + memory.wasm_binary_bytes
        + memory.wasm_chunk_store_bytes
        + extra_chunks * CHUNK_MAX_BYTES
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an operation sends and stores, as far as its cost depends on it."""

    messages: int
    payload_bytes: int
    """Of all messages together."""
    uploads: int = 0
    """Chunks among the messages; each stays in the store until the end."""
    cleared_bytes: int = 0
    """Of the chunk store, emptied before."""
    snapshot_bytes: int | None = None
    """Size of the snapshot to be taken, none where none is."""
    freed_bytes: int = 0
    """Size of the snapshot that it replaces in the same step."""
    installs: bool = True
    """A module of which the next three tell."""
    code_bytes: int = 0
    """Its size unpacked."""
    growth_bytes: int = 0
    """What it is larger than the old one, as they are stored."""
    is_memory64: bool = False
    old_code_bytes: int | None = None
    """Size of the old module unpacked, as far as can be told; none: as it is stored."""
    loaded_bytes: int | None = None
    """Size of the snapshot to be loaded in place of an install, none where none is."""


GOING_BACK_MESSAGES: Final = 6
"""Stop, snapshot, its metadata, safety snapshot, load, start."""

METADATA_MAX_BYTES: Final = 100_000
"""Of a snapshot's description: a few bytes for each of at most 1000 globals and 100 chunks."""


def estimate(status: CanisterStatus, work: Work, *, costs: CostProfile) -> CyclesEstimate:
    """What ``work`` costs a module with ``status``."""
    staged_bytes = work.uploads * CHUNK_MAX_BYTES - work.cleared_bytes
    stored_bytes = max(0, staged_bytes)
    snapshot = 0
    if work.snapshot_bytes is not None:
        stored_bytes = max(stored_bytes, staged_bytes + work.snapshot_bytes - work.freed_bytes)
        snapshot = costs.snapshot(work.snapshot_bytes)
    install, install_reserve = _install(status, work, stored_bytes, costs)
    going_back = 0
    if work.snapshot_bytes is not None and work.loaded_bytes is None:
        going_back = _going_back(status, work, stored_bytes, costs)
    return CyclesEstimate(
        available=status.cycles,
        freezing_reserve=freezing_reserve_cycles(status),
        ingress=costs.ingress(work.messages, work.payload_bytes) + costs.uploads(work.uploads),
        snapshot=snapshot,
        snapshot_reserve=freezing_reserve_growth(status, stored_bytes, costs),
        install_reserve=install_reserve,
        install=install,
        going_back=going_back,
    )


def _install(
    status: CanisterStatus, work: Work, stored_bytes: int, costs: CostProfile
) -> tuple[int, int]:
    """What an install or a load takes for good, and what has to be there for it."""
    if work.loaded_bytes is not None:
        load = costs.load(work.loaded_bytes, code_bytes=_old_code_bytes(status, work))
        return load, load
    if not work.installs:
        return 0, 0
    limit = costs.install_limit(is_memory64=work.is_memory64)
    install = min(limit, costs.install(work.code_bytes, is_memory64=work.is_memory64))
    larger_bytes = stored_bytes + max(0, work.growth_bytes)
    larger = freezing_reserve_growth(status, larger_bytes, costs)
    larger -= freezing_reserve_growth(status, stored_bytes, costs)
    return install, max(limit, install + larger)


def _old_code_bytes(status: CanisterStatus, work: Work) -> int:
    stored_bytes = status.memory_metrics.wasm_binary_bytes
    return stored_bytes if work.old_code_bytes is None else work.old_code_bytes


def _going_back(status: CanisterStatus, work: Work, stored_bytes: int, costs: CostProfile) -> int:
    """A safety snapshot, as large as the one to go back to and the growth, and the load of it."""
    size = work.snapshot_bytes or 0
    safety_bytes = size + max(0, work.growth_bytes)
    more = freezing_reserve_growth(status, stored_bytes + safety_bytes, costs)
    return (
        costs.ingress(GOING_BACK_MESSAGES, 0)
        + costs.reading(METADATA_MAX_BYTES)
        + costs.snapshot(safety_bytes)
        + (more - freezing_reserve_growth(status, stored_bytes, costs))
        + costs.load(size, code_bytes=_old_code_bytes(status, work))
    )


def cycles_text(cycles: int) -> str:
    """``cycles`` for people, in trillions."""
    return f"{cycles / TRILLION_CYCLES:.3f} T cycles"
