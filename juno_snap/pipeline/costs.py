"""What an operation costs in cycles, as far as it can be told beforehand.

Figures are those of a 13-node application subnet; a subnet of another size scales with its nodes,
and local networks charge less or nothing. An estimate never decides alone: what it refuses can be
forced, and what it lets pass the network still checks.
"""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.management.types import CanisterStatus
from juno_snap.units import CHUNK_MAX_BYTES, GIB, TRILLION_CYCLES

SECONDS_PER_DAY: Final = 86_400
DAYS_PER_BILL: Final = 30

MESSAGE_OVERHEAD_BYTES: Final = 600
"""Envelope, signature and Candid frame of a call; measured with Ed25519, rounded up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CostProfile:
    """Prices of the network, in cycles."""

    ingress_message_cycles: int = 1_200_000
    """Each ingress message. Source: developer docs, cycles costs."""
    ingress_byte_cycles: int = 2_000
    """Each byte of an ingress message, paid by the module. Source: developer docs, cycles costs."""
    chunk_upload_cycles: int = 200_000_000
    """Each ``upload_chunk``. Source: dfinity/ic, ``rs/config/src/subnet_config.rs``."""
    snapshot_cycles: int = 2_000_000_000
    """Each take or load. Source: dfinity/ic, ``rs/config/src/subnet_config.rs``."""
    snapshot_byte_cycles: int = 1
    """Each byte taken or loaded. Source: dfinity/ic, ``canister_manager.rs``."""
    storage_gib_second_cycles: int = 127_000
    """Storage. Source: developer docs, cycles costs; newer replicas charge 2.5 times as much."""
    install_instructions: int = 300_000_000_000
    """Set aside while a module is installed. Source: developer docs, resource limits."""
    compile_byte_cycles: int = 3_000
    """Compiling, for each byte: 6,000 an instruction (dfinity/ic) of about two bytes."""
    memory64_factor: int = 2
    """An instruction of a 64-bit module costs twice. Source: developer docs, cycles costs."""

    def ingress(self, messages: int, payload_bytes: int) -> int:
        """Cycles for sending ``messages`` calls that carry ``payload_bytes`` in all."""
        message_bytes = messages * MESSAGE_OVERHEAD_BYTES + payload_bytes
        return messages * self.ingress_message_cycles + message_bytes * self.ingress_byte_cycles

    def snapshot(self, size_bytes: int) -> int:
        """Cycles for taking or loading a snapshot of ``size_bytes``."""
        return self.snapshot_cycles + size_bytes * self.snapshot_byte_cycles

    def storage(self, size_bytes: int, seconds: int) -> int:
        """Cycles for keeping ``size_bytes`` for ``seconds``."""
        return size_bytes * self.storage_gib_second_cycles * seconds // GIB

    def storage_of_30_days(self, size_bytes: int) -> int:
        """Cycles for keeping ``size_bytes`` for a month."""
        return self.storage(size_bytes, DAYS_PER_BILL * SECONDS_PER_DAY)


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
    """Set aside during the install; most of it comes back."""
    going_back: int
    """A safety snapshot and a load, should they become necessary."""

    @property
    def required(self) -> int:
        """The most that is needed at one time: the install and going back do not overlap."""
        kept = self.freezing_reserve + self.snapshot_reserve
        spent = self.ingress + self.snapshot
        return kept + spent + max(self.install_reserve, self.going_back)

    @property
    def ok(self) -> bool:
        """Whether the balance suffices."""
        return self.available >= self.required

    def to_json(self) -> dict[str, object]:
        """The ``cycles`` object of a plan: decimal strings, since JSON numbers lose digits."""
        return {
            "available": str(self.available),
            "freezing_reserve": str(self.freezing_reserve),
            "ingress": str(self.ingress),
            "snapshot": str(self.snapshot),
            "snapshot_reserve": str(self.snapshot_reserve),
            "install_reserve": str(self.install_reserve),
            "going_back": str(self.going_back),
            "ok": self.ok,
        }


def freezing_reserve_cycles(status: CanisterStatus) -> int:
    """What the module must keep to stay unfrozen.

    Source: dfinity/ic, ``cycles_account_manager.rs``: idle burn times threshold, less what is
    reserved already.
    """
    burn = status.idle_cycles_burned_per_day * status.settings.freezing_threshold_seconds
    return max(0, burn // SECONDS_PER_DAY - status.reserved_cycles)


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
    snapshot_bytes: int | None = None
    """Size of the snapshot to be taken, none where none is."""
    freed_bytes: int = 0
    """Size of the snapshot that it replaces in the same step."""
    installs: bool = True
    is_memory64: bool = False


GOING_BACK_MESSAGES: Final = 4
"""Stop, safety snapshot, load, start."""


def estimate(status: CanisterStatus, work: Work, *, costs: CostProfile) -> CyclesEstimate:
    """What ``work`` costs a module with ``status``."""
    factor = costs.memory64_factor if work.is_memory64 else 1
    ingress = costs.ingress(work.messages, work.payload_bytes)
    grown_bytes = work.uploads * CHUNK_MAX_BYTES
    snapshot = going_back = 0
    if work.snapshot_bytes is not None:
        grown_bytes += max(0, work.snapshot_bytes - work.freed_bytes)
        snapshot = costs.snapshot(work.snapshot_bytes)
        compiling = status.memory_metrics.wasm_binary_bytes * costs.compile_byte_cycles
        going_back = 2 * snapshot + compiling + costs.ingress(GOING_BACK_MESSAGES, 0)
    return CyclesEstimate(
        available=status.cycles,
        freezing_reserve=freezing_reserve_cycles(status),
        ingress=ingress + work.uploads * costs.chunk_upload_cycles,
        snapshot=snapshot,
        snapshot_reserve=costs.storage(grown_bytes, status.settings.freezing_threshold_seconds),
        install_reserve=costs.install_instructions * factor if work.installs else 0,
        going_back=going_back,
    )


def cycles_text(cycles: int) -> str:
    """``cycles`` for people, in trillions."""
    return f"{cycles / TRILLION_CYCLES:.3f} T cycles"
