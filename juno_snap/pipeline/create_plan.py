"""The plan of taking a snapshot by hand. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.costs import (
    DEFAULT_COSTS,
    CostProfile,
    Work,
    cycles_text,
    estimate,
    snapshot_size_bytes,
)
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Refusal, Remark
from juno_snap.pipeline.report import SCHEMA, Json
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.units import SNAPSHOTS_MAX

CREATE_MESSAGES: Final = 6
"""Observe (3), stop, snapshot, start."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePlan:
    """A snapshot, decided in all its parts."""

    module: Principal
    replaced: SnapshotId | None
    """Deleted by the call that takes the new one."""
    sends_stop: bool
    sends_start: bool
    """The module is left as it was found."""
    outline: Outline

    def to_json(self) -> Json:
        """The document of ``snapshot create --dry-run``."""
        replaced = None if self.replaced is None else str(self.replaced)
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.module),
                "replaced": replaced,
                **self.outline.to_json(),
            },
        }


def plan_create(
    seen: Observation,
    *,
    replace: str | None = None,
    stop: bool = True,
    costs: CostProfile = DEFAULT_COSTS,
) -> CreatePlan:
    """How a snapshot of the module that was ``seen`` is taken, or why it is not.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    old = None
    if replace is not None and not (replace == "oldest" and not seen.snapshots):
        old = resolve_snapshot(replace, seen.snapshots, module=seen.module)
    size = snapshot_size_bytes(seen.status)
    work = Work(
        messages=CREATE_MESSAGES,
        payload_bytes=0,
        snapshot_bytes=size,
        freed_bytes=0 if old is None else old.total_size_bytes,
        installs=False,
    )
    cycles = estimate(seen.status, work, costs=costs)
    sends_stop = stop and seen.status.status != "stopped"
    sends_start = stop and seen.is_running
    monthly = cycles_text(costs.storage_of_30_days(size))
    place = "in a free slot" if old is None else f"in place of {old.id}"
    return CreatePlan(
        module=seen.module,
        replaced=None if old is None else old.id,
        sends_stop=sends_stop,
        sends_start=sends_start,
        outline=Outline(
            steps=tuple(
                _steps(
                    f"take a snapshot {place}: about {size} bytes, {monthly} for 30 days",
                    sends_stop=sends_stop,
                    sends_start=sends_start,
                )
            ),
            refusals=tuple(_refusals(seen, replaces=old is not None)),
            asks=(),
            warnings=tuple(_warnings(stops=sends_stop or not seen.is_running, pays=cycles.ok)),
            cycles=cycles,
        ),
    )


_EMPTY: Final = Refusal(
    code="module-empty", text="the module has no code, and the network takes no snapshot of nothing"
)
_NO_SLOT: Final = Refusal(
    code="no-free-slot",
    text=f"the module has {SNAPSHOTS_MAX} snapshots, which is all the network allows: replace one, "
    "or delete one with juno-snap snapshot delete",
    flags=("--replace ID|oldest",),
)


def _refusals(seen: Observation, *, replaces: bool) -> Iterator[Refusal]:
    if seen.module_hash is None:
        yield _EMPTY
    if not replaces and len(seen.snapshots) >= SNAPSHOTS_MAX:
        yield _NO_SLOT


def _steps(text: str, *, sends_stop: bool, sends_start: bool) -> Iterator[PlannedStep]:
    yield OBSERVE
    if sends_stop:
        yield PlannedStep(name="stop", text="stop the module")
    yield PlannedStep(name="snapshot", text=text)
    if sends_start:
        yield PlannedStep(name="start", text="start the module")
    yield PlannedStep(
        name="verify", text="read the certified module hash", update_calls=0, rounds=0
    )


def _warnings(*, stops: bool, pays: bool) -> Iterator[Remark]:
    if not stops:
        yield Remark(
            code="not-stopped",
            text="the module serves meanwhile: answers to calls that it has made may not fit the "
            "state once it is loaded",
        )
    if not pays:
        yield Remark(code="not-enough-cycles", text="the module may have too few cycles for it")
