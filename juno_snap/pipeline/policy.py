"""Which snapshots an upgrade takes, replaces and deletes, and how it treats the heap. Pure.

Without a record of earlier operations no snapshot is known to be an upgrade's. So nothing that is
there is given up unless a person names it, or says with ``--any`` that makers do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never, final

from juno_snap.errors import InputError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import MemoryPersistence, Snapshot
from juno_snap.pipeline.plan_parts import Refusal
from juno_snap.pipeline.resolve import oldest_first, resolve_snapshot
from juno_snap.units import SNAPSHOTS_MAX

PersistencePolicy: TypeAlias = Literal["auto", "keep", "replace"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlot:
    """Take a new snapshot; nothing that is there is given up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNewest:
    """Take a new one, and leave at most ``count`` once the upgrade is verified."""

    count: int
    of_any_maker: bool = False
    """Count all snapshots of the module, not only those that are known to be upgrades'."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= SNAPSHOTS_MAX:
            raise InputError(
                f"the number of snapshots to keep is 1 to {SNAPSHOTS_MAX}, not {self.count}",
                value=str(self.count),
                hint="to take none at all, use --no-snapshot",
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NoOverwrite:
    """Take a new one where a slot is free, else none; nothing is ever given up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NoSnapshot:
    """Take none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSnapshot:
    """Take a new one in place of another: ``which`` is its id, a beginning of it, or ``oldest``."""

    which: str


SnapshotPolicy: TypeAlias = FreeSlot | KeepNewest | NoOverwrite | NoSnapshot | ReplaceSnapshot


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChoice:
    """What a policy comes to for the snapshots that are there."""

    take: bool
    give_up: tuple[SnapshotId, ...] = ()
    """Those that are to go, the oldest first."""


NO_FREE_SLOT: Final = Refusal(
    code="no-free-slot",
    text=f"the module has {SNAPSHOTS_MAX} snapshots, which is all the network allows, "
    "and none of them is known to be an earlier upgrade's",
    flags=("--replace ID|oldest", "--keep N --any", "--no-overwrite", "--no-snapshot"),
)


def choose_snapshots(
    policy: SnapshotPolicy, snapshots: Sequence[Snapshot], *, module: Principal
) -> SnapshotChoice | Refusal:
    """What ``policy`` means for a module with ``snapshots``.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    there = oldest_first(snapshots)
    is_full = len(there) >= SNAPSHOTS_MAX
    match policy:
        case NoSnapshot():
            return SnapshotChoice(take=False)
        case NoOverwrite():
            return SnapshotChoice(take=not is_full)
        case ReplaceSnapshot(which="oldest") if not there:
            return SnapshotChoice(take=True)
        case ReplaceSnapshot(which=which):
            return SnapshotChoice(
                take=True, give_up=(resolve_snapshot(which, there, module=module).id,)
            )
        case KeepNewest(count=count, of_any_maker=True):
            surplus = max(0, len(there) + 1 - count)
            return SnapshotChoice(take=True, give_up=tuple(old.id for old in there[:surplus]))
        case FreeSlot() | KeepNewest():
            return NO_FREE_SLOT if is_full else SnapshotChoice(take=True)
        case _:
            assert_never(policy)


def choose_persistence(
    wanted: PersistencePolicy, *, old_is_persistent: bool, new_is_persistent: bool
) -> MemoryPersistence | Refusal | None:
    """The ``wasm_memory_persistence`` to send, none for a heap that does not outlive upgrades.

    The network refuses an upgrade of a persistent module that says nothing, and one that says keep
    for a new module without the mark. It lets ``replace`` throw the heap away, so only a person may
    say that.
    """
    match wanted:
        case "replace":
            return "replace"
        case "auto" if not old_is_persistent:
            return None
        case "auto" | "keep" if not new_is_persistent:
            return Refusal(
                code="persistence-lost",
                text="the module keeps its data in its heap (Motoko's enhanced orthogonal "
                "persistence) and the new Wasm cannot take that over: its data would be lost",
                flags=("--wasm-memory-persistence replace",),
            )
        case "keep" if not old_is_persistent:
            return Refusal(
                code="persistence-not-there",
                text="there is no heap to keep: the module does not use enhanced orthogonal "
                "persistence",
                flags=("--wasm-memory-persistence auto",),
            )
        case "auto" | "keep":
            return "keep"
        case _:
            assert_never(wanted)
