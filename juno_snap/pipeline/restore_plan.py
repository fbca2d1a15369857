"""The plan of loading a snapshot. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Snapshot, SnapshotMetadata
from juno_snap.pipeline.costs import (
    DEFAULT_COSTS,
    CostProfile,
    CyclesEstimate,
    Work,
    cycles_text,
    estimate,
    snapshot_size_bytes,
)
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Refusal, Remark
from juno_snap.pipeline.policy import choose_scrap
from juno_snap.pipeline.report import SCHEMA, Json, rfc3339, snapshot_json
from juno_snap.units import SNAPSHOTS_MAX

RESTORE_MESSAGES: Final = 8
"""Observe (3), metadata, stop, safety snapshot, load, start."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """The way back to a snapshot, decided in all its parts."""

    module: Principal
    snapshot: Snapshot
    takes_safety_snapshot: bool
    """Of the state that is about to be lost."""
    replaced: SnapshotId | None
    """Scrap that the safety snapshot takes the place of, where there is no room beside it."""
    may_discard: bool
    """Go on where the safety snapshot cannot be taken."""
    sends_stop: bool
    sends_start: bool
    """Not where the module was found stopped, and is left so."""
    versions_passed: int
    """Changes of the module since the snapshot was taken."""
    outline: Outline

    def to_json(self) -> Json:
        """The document of ``snapshot restore --dry-run``."""
        replaced = None if self.replaced is None else str(self.replaced)
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.module),
                "snapshot": snapshot_json(self.snapshot),
                "replaced": replaced,
                "versions_passed": self.versions_passed,
                **self.outline.to_json(),
            },
        }


def plan_restore(
    seen: Observation,
    snapshot: Snapshot,
    metadata: SnapshotMetadata,
    *,
    may_discard: bool,
    starts: bool = False,
    costs: CostProfile = DEFAULT_COSTS,
) -> RestorePlan:
    """How ``snapshot`` is loaded into the module that was ``seen``, or why it is not.

    The module is left as it was found, unless it ``starts`` in any case.
    A module without code has no state to save, and the network takes no snapshot of nothing. Where
    there is no room for a safety snapshot, it takes the place of scrap.
    """
    has_state = seen.module_hash is not None
    scrap, cycles = _make_room(seen, snapshot, costs)
    takes_safety = has_state and (scrap is not None or len(seen.snapshots) < SNAPSHOTS_MAX)
    refusal = None
    if has_state and not takes_safety:
        refusal = _NO_SLOT
    elif takes_safety and not cycles.ok:
        refusal = _too_few_cycles(cycles)
    passed = max(0, (seen.status.version or 0) - metadata.canister_version)
    starts = starts or seen.is_running
    return RestorePlan(
        module=seen.module,
        snapshot=snapshot,
        takes_safety_snapshot=takes_safety,
        replaced=None if scrap is None else scrap.id,
        may_discard=may_discard,
        sends_stop=seen.status.status != "stopped",
        sends_start=starts,
        versions_passed=passed,
        outline=Outline(
            steps=tuple(
                _steps(seen, snapshot, saves=_place(scrap) if takes_safety else None, starts=starts)
            ),
            refusals=() if may_discard or refusal is None else (refusal,),
            asks=(),
            warnings=tuple(
                _warnings(seen, metadata, passed, takes_safety=takes_safety, starts=starts)
            ),
            cycles=cycles,
        ),
    )


def _make_room(
    seen: Observation, snapshot: Snapshot, costs: CostProfile
) -> tuple[Snapshot | None, CyclesEstimate]:
    """The scrap whose place the safety snapshot takes, none where there is room, and the cost."""
    has_slot = len(seen.snapshots) < SNAPSHOTS_MAX
    has_state = seen.module_hash is not None
    beside = _estimate(seen, snapshot, costs, takes_safety=has_state and has_slot)
    if not has_state or (has_slot and beside.ok):
        return None, beside
    scrap = choose_scrap(
        seen.snapshots,
        notes=seen.notes,
        installed_at_ns=seen.info.last_install_at_ns,
        needed=snapshot.id,
    )
    if scrap is None:
        return None, beside
    freed_bytes = scrap.total_size_bytes
    return scrap, _estimate(seen, snapshot, costs, takes_safety=True, freed_bytes=freed_bytes)


def _estimate(
    seen: Observation,
    snapshot: Snapshot,
    costs: CostProfile,
    *,
    takes_safety: bool,
    freed_bytes: int = 0,
) -> CyclesEstimate:
    work = Work(
        messages=RESTORE_MESSAGES,
        payload_bytes=0,
        snapshot_bytes=snapshot_size_bytes(seen.status) if takes_safety else None,
        freed_bytes=freed_bytes,
        loaded_bytes=snapshot.total_size_bytes,
        installs=False,
    )
    return estimate(seen.status, work, costs=costs)


def _place(scrap: Snapshot | None) -> str:
    if scrap is None:
        return "in a free slot"
    return f"in place of {scrap.id}, which a run took that did not end well"


_NO_SLOT: Final = Refusal(
    code="no-safety-snapshot",
    text=f"the module has {SNAPSHOTS_MAX} snapshots, so its present state cannot be saved before "
    "it is overwritten: delete one of them",
    flags=("--discard-current",),
)


def _too_few_cycles(cycles: CyclesEstimate) -> Refusal:
    return Refusal(
        code="no-safety-snapshot",
        text=f"the module has {cycles_text(cycles.available)} and needs about "
        f"{cycles_text(cycles.required)}, so its present state cannot be saved before it is "
        "overwritten: top it up",
        flags=("--discard-current",),
    )


def _steps(
    seen: Observation, snapshot: Snapshot, *, saves: str | None, starts: bool
) -> Iterator[PlannedStep]:
    yield PlannedStep(
        name="observe",
        text=f"{OBSERVE.text}, then what the snapshot is made of",
        update_calls=OBSERVE.update_calls + 1,
        rounds=2,
    )
    if seen.status.status != "stopped":
        yield PlannedStep(name="stop", text="stop the module")
    if saves is not None:
        yield PlannedStep(name="safety-snapshot", text=f"save the present state {saves}")
    taken = rfc3339(snapshot.taken_at_ns)
    yield PlannedStep(name="load", text=f"load snapshot {snapshot.id}, taken {taken}")
    if starts:
        yield PlannedStep(name="start", text="start the module")
    yield PlannedStep(
        name="verify", text="read the certified module hash", update_calls=0, rounds=0
    )


def _warnings(
    seen: Observation, metadata: SnapshotMetadata, passed: int, *, takes_safety: bool, starts: bool
) -> Iterator[Remark]:
    if passed:
        yield Remark(
            code="changes-undone",
            text=f"the module has changed {passed} times since the snapshot was taken; that is "
            "undone",
        )
    if not takes_safety:
        yield Remark(code="current-discarded", text="the present state is not saved")
    if not starts:
        yield Remark(
            code="left-stopped",
            text=f"the module is {seen.status.status} and stays stopped, as it was found",
        )
    timer = metadata.global_timer
    is_active = timer is not None and timer.active_at_ns is not None
    if is_active and metadata.source == "taken_from_canister":
        yield Remark(
            code="timer-not-loaded",
            text="the snapshot had a global timer running; the network does not bring it back: "
            "arm it by the method of the module that sets it, or by an upgrade to the same code",
        )
