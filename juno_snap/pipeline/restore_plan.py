"""The plan of loading a snapshot. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal
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
    may_discard: bool
    """Go on where the safety snapshot cannot be taken."""
    sends_stop: bool
    sends_start: bool
    """The module is left as it was found."""
    versions_passed: int
    """Changes of the module since the snapshot was taken."""
    outline: Outline

    def to_json(self) -> Json:
        """The document of ``snapshot restore --dry-run``."""
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.module),
                "snapshot": snapshot_json(self.snapshot),
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
    costs: CostProfile = DEFAULT_COSTS,
) -> RestorePlan:
    """How ``snapshot`` is loaded into the module that was ``seen``, or why it is not.

    A module without code has no state to save, and the network takes no snapshot of nothing.
    """
    has_state = seen.module_hash is not None
    takes_safety = has_state and len(seen.snapshots) < SNAPSHOTS_MAX
    size = snapshot_size_bytes(seen.status) if takes_safety else None
    work = Work(messages=RESTORE_MESSAGES, payload_bytes=0, snapshot_bytes=size, installs=False)
    cycles = estimate(seen.status, work, costs=costs)
    refusals = []
    if has_state and not takes_safety:
        refusals.append(_NO_SLOT)
    if takes_safety and not cycles.ok:
        refusals.append(_too_few_cycles(cycles))
    sends_stop = seen.status.status != "stopped"
    passed = max(0, (seen.status.version or 0) - metadata.canister_version)
    return RestorePlan(
        module=seen.module,
        snapshot=snapshot,
        takes_safety_snapshot=takes_safety,
        may_discard=may_discard,
        sends_stop=sends_stop,
        sends_start=seen.is_running,
        versions_passed=passed,
        outline=Outline(
            steps=tuple(_steps(seen, snapshot, takes_safety=takes_safety, sends_stop=sends_stop)),
            refusals=() if may_discard else tuple(refusals),
            asks=(),
            warnings=tuple(_warnings(seen, metadata, passed, takes_safety=takes_safety)),
            cycles=cycles,
        ),
    )


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
    seen: Observation, snapshot: Snapshot, *, takes_safety: bool, sends_stop: bool
) -> Iterator[PlannedStep]:
    yield PlannedStep(
        name="observe",
        text=f"{OBSERVE.text}, then what the snapshot is made of",
        update_calls=OBSERVE.update_calls + 1,
        rounds=2,
    )
    if sends_stop:
        yield PlannedStep(name="stop", text="stop the module")
    if takes_safety:
        yield PlannedStep(name="safety-snapshot", text="save the present state in a free slot")
    taken = rfc3339(snapshot.taken_at_ns)
    yield PlannedStep(name="load", text=f"load snapshot {snapshot.id}, taken {taken}")
    if seen.is_running:
        yield PlannedStep(name="start", text="start the module")
    yield PlannedStep(
        name="verify", text="read the certified module hash", update_calls=0, rounds=0
    )


def _warnings(
    seen: Observation, metadata: SnapshotMetadata, passed: int, *, takes_safety: bool
) -> Iterator[Remark]:
    if passed:
        yield Remark(
            code="changes-undone",
            text=f"the module has changed {passed} times since the snapshot was taken; that is "
            "undone",
        )
    if not takes_safety:
        yield Remark(code="current-discarded", text="the present state is not saved")
    if not seen.is_running:
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
