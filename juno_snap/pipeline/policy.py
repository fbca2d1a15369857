"""Which snapshots an upgrade takes, replaces and deletes, and how it treats the heap. Pure.

Where no earlier upgrade's snapshot is known, as on a fresh machine, nothing that is there is given
up unless a person names it, or says with ``--any`` that makers do not count. ``notes`` says which
snapshots may go at all. Decisions:

* Scrap makes room for the new snapshot even where a slot is free, so that a run that is tried again
  and again leaves one snapshot, not ten. The exception is scrap of a run that left other code
  behind: it is the way back from that, and goes once newer code is verified.
* On a full module that gives up an upgrade's snapshot at once, it is the oldest of them, and the
  others stay.
* A named snapshot is the only one that goes with ``--replace``; ``oldest`` skips what is protected,
  safety snapshots and those of unfinished operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never, final

from juno_snap.errors import InputError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import MemoryPersistence, Snapshot
from juno_snap.pipeline.notes import Notes, is_spare, is_unfinished, is_upgrades, note_of
from juno_snap.pipeline.plan_parts import Refusal, Remark
from juno_snap.pipeline.resolve import oldest_first, oldest_spare, resolve_snapshot
from juno_snap.units import SNAPSHOTS_MAX

PersistencePolicy: TypeAlias = Literal["auto", "keep", "replace"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlot:
    """Take a new snapshot; once the upgrade is verified, the last upgrade's goes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNewest:
    """Take a new one, and leave at most ``count`` once the upgrade is verified."""

    count: int
    of_any_maker: bool = False
    """Count all that are not protected, not only those that are known to be upgrades'."""

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
    """Take a new one in place of another.

    ``which`` is its id, a beginning of it, its label, ``latest``, or ``oldest``.
    """

    which: str


SnapshotPolicy: TypeAlias = FreeSlot | KeepNewest | NoOverwrite | NoSnapshot | ReplaceSnapshot


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChoice:
    """What a policy comes to for the snapshots that are there."""

    take: bool
    give_up: tuple[SnapshotId, ...] = ()
    """Those that are to go. Where there is no room for the new one beside them, the first makes
    room for it; the others wait until the new code is verified."""
    gives_up_at_once: bool = False
    """The first makes room for the new one in any case."""


FULL: Final = f"the module has {SNAPSHOTS_MAX} snapshots, which is all the network allows"
NO_FREE_SLOT: Final = Refusal(
    code="no-free-slot",
    text=f"{FULL}, and none of them is known to be an earlier upgrade's",
    flags=("--replace ID|oldest", "--keep N --any", "--no-overwrite", "--no-snapshot"),
)
NOTHING_SPARE: Final = Refusal(
    code="no-free-slot",
    text=f"{FULL}, and each of them is protected, was saved before going back, or belongs to an "
    "operation that is not finished",
    flags=("--replace ID --force", "--no-overwrite", "--no-snapshot"),
)


def choose_snapshots(
    policy: SnapshotPolicy,
    snapshots: Sequence[Snapshot],
    *,
    notes: Notes,
    module: Principal,
    installed_at_ns: int | None = None,
    may_touch_protected: bool = False,
) -> SnapshotChoice | Refusal:
    """What ``policy`` means for a module with ``snapshots``.

    ``installed_at_ns`` is when its code was last installed or loaded, none where that is not known.
    ``may_touch_protected`` counts for a snapshot that is named; no policy finds one by itself.

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
        case ReplaceSnapshot(which=which):
            named = choose_replaced(
                which, there, notes=notes, module=module, may_touch_protected=may_touch_protected
            )
            if isinstance(named, Refusal):
                return named
            return SnapshotChoice(take=True, give_up=() if named is None else (named.id,))
        case FreeSlot() | KeepNewest():
            return _supersede(policy, there, notes, installed_at_ns)
        case _:
            assert_never(policy)


def choose_replaced(
    which: str,
    snapshots: Sequence[Snapshot],
    *,
    notes: Notes,
    module: Principal,
    may_touch_protected: bool = False,
) -> Snapshot | Refusal | None:
    """The snapshot that a person wants to give up for a new one.

    None for ``oldest`` where none may go and a slot is free.

    Raises:
        InputError: It is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    if which.strip().lower() == "oldest":
        oldest = oldest_spare(snapshots, notes)
        is_stuck = oldest is None and len(snapshots) >= SNAPSHOTS_MAX
        return NOTHING_SPARE if is_stuck else oldest
    named = resolve_snapshot(which, snapshots, notes=notes, module=module)
    note = note_of(notes, named.id)
    if is_unfinished(note):
        return Refusal(
            code="snapshot-in-use",
            text=f"snapshot {named.id} belongs to operation {note.operation}, which is not "
            "finished: end that first with juno-snap resume",
        )
    if note.is_protected and not may_touch_protected:
        return Refusal(
            code="snapshot-protected",
            text=f"snapshot {named.id} is protected",
            flags=("--force",),
        )
    return named


def choose_scrap(
    snapshots: Sequence[Snapshot],
    *,
    notes: Notes,
    installed_at_ns: int | None,
    needed: SnapshotId | None = None,
) -> Snapshot | None:
    """The scrap to lose first, whose state is the least likely to be missed; never ``needed``."""
    scrap = [
        old for old in _of_upgrades(oldest_first(snapshots), notes, scrap=True) if old.id != needed
    ]
    spent = [old for old in scrap if _is_spent(old, notes, installed_at_ns)]
    return next(iter(spent or scrap), None)


def giving_up(snapshot: SnapshotId, notes: Notes) -> Remark:
    """What to say of a snapshot that goes before the new code is verified."""
    note = note_of(notes, snapshot)
    if note.is_scrap:
        return Remark(
            code="scrap-replaced",
            text=f"the new snapshot takes the place of {snapshot}, which operation "
            f"{note.operation} took; that ended {note.operation_outcome}",
        )
    return Remark(
        code="way-back-given-up",
        text=f"there is no room for two: snapshot {snapshot} is given up before the new code is "
        "verified",
    )


def _supersede(
    policy: FreeSlot | KeepNewest,
    there: Sequence[Snapshot],
    notes: Notes,
    installed_at_ns: int | None,
) -> SnapshotChoice | Refusal:
    """Scrap goes first, all of it; then what the new one supersedes."""
    is_full = len(there) >= SNAPSHOTS_MAX
    scrap = _of_upgrades(there, notes, scrap=True)
    first = choose_scrap(there, notes=notes, installed_at_ns=installed_at_ns)
    if isinstance(policy, KeepNewest) and policy.of_any_maker:
        others = [old for old in there if is_spare(note_of(notes, old.id)) and old not in scrap]
    else:
        others = _of_upgrades(there, notes, scrap=False)
    if isinstance(policy, KeepNewest):
        superseded = others[: max(0, len(others) + 1 - policy.count)]
    else:
        superseded = [old for old in others if old.id == _last_upgrades(there, notes)]
    if is_full and first is None:
        superseded = others[: max(1, len(superseded))]
        if not superseded:
            is_any_spare = oldest_spare(there, notes) is not None
            return NO_FREE_SLOT if is_any_spare else NOTHING_SPARE
    going = sorted([*scrap, *superseded], key=lambda old: (old != first, old not in scrap))
    return SnapshotChoice(
        take=True,
        give_up=tuple(old.id for old in going),
        gives_up_at_once=first is not None and _is_spent(first, notes, installed_at_ns),
    )


def _of_upgrades(there: Sequence[Snapshot], notes: Notes, *, scrap: bool) -> list[Snapshot]:
    """Those that upgrades took and that may go, of runs that ended badly or of those that did not.

    In their order.
    """
    found = [(old, note_of(notes, old.id)) for old in there]
    return [old for old, note in found if is_upgrades(note) and note.is_scrap == scrap]


def _last_upgrades(there: Sequence[Snapshot], notes: Notes) -> SnapshotId | None:
    """The snapshot of the last upgrade that ended well, whether or not it may go."""
    for snapshot in reversed(there):
        note = note_of(notes, snapshot.id)
        if note.purpose == "upgrade" and note.operation_outcome == "upgraded":
            return snapshot.id
    return None


def _is_spent(scrap: Snapshot, notes: Notes, installed_at_ns: int | None) -> bool:
    """Whether the module still has the code that it had when ``scrap`` was taken, or has it again.

    If not, the run left other code behind, and ``scrap`` is the way back from that: it stays until
    newer code is verified, as long as there is room.
    """
    if note_of(notes, scrap.id).operation_outcome == "rolled-back":
        return True
    return installed_at_ns is not None and installed_at_ns < scrap.taken_at_ns


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
