"""The plan of taking a snapshot by hand. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.costs import (
    DEFAULT_COSTS,
    CostProfile,
    Work,
    cycles_text,
    estimate,
    snapshot_size_bytes,
)
from juno_snap.pipeline.notes import check_label, holder_of
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Refusal, Remark
from juno_snap.pipeline.policy import choose_replaced
from juno_snap.pipeline.report import SCHEMA, Json
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
    label: str | None
    is_protected: bool
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
                "label": self.label,
                "protected": self.is_protected,
                **self.outline.to_json(),
            },
        }


def plan_create(
    seen: Observation,
    *,
    replace: str | None = None,
    label: str | None = None,
    protect: bool = False,
    force: bool = False,
    stop: bool = True,
    costs: CostProfile = DEFAULT_COSTS,
) -> CreatePlan:
    """How a snapshot of the module that was ``seen`` is taken, or why it is not.

    ``force`` gives up a protected one, if that is named by ``replace``.

    Raises:
        InputError: The label is none, or the snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    label = None if label is None else check_label(label)
    old, refusals = _choose_place(seen, replace, force=force)
    refusals += _refusals(seen, label, old)
    size = snapshot_size_bytes(seen.status)
    work = Work(
        messages=CREATE_MESSAGES,
        payload_bytes=0,
        snapshot_bytes=size,
        freed_bytes=0 if old is None else old.total_size_bytes,
        installs=False,
    )
    cycles = estimate(seen.status, work, costs=costs)
    text = _text(size, old, costs=costs)
    sends_stop = stop and seen.status.status != "stopped"
    sends_start = stop and seen.is_running
    return CreatePlan(
        module=seen.module,
        replaced=None if old is None else old.id,
        label=label,
        is_protected=protect,
        sends_stop=sends_stop,
        sends_start=sends_start,
        outline=Outline(
            steps=tuple(_steps(text, sends_stop=sends_stop, sends_start=sends_start)),
            refusals=refusals,
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


def _choose_place(
    seen: Observation, replace: str | None, *, force: bool
) -> tuple[Snapshot | None, tuple[Refusal, ...]]:
    """The snapshot in whose place the new one is taken: none where it takes a free slot."""
    if replace is None:
        return None, (_NO_SLOT,) if len(seen.snapshots) >= SNAPSHOTS_MAX else ()
    named = choose_replaced(
        replace, seen.snapshots, notes=seen.notes, module=seen.module, may_touch_protected=force
    )
    return (None, (named,)) if isinstance(named, Refusal) else (named, ())


def _refusals(
    seen: Observation, label: str | None, replaced: Snapshot | None
) -> tuple[Refusal, ...]:
    found = [_EMPTY] if seen.module_hash is None else []
    staying = [old.id for old in seen.snapshots if old != replaced]
    holder = None if label is None else holder_of(label, staying, seen.notes)
    if holder is not None:
        text = f"snapshot {holder} has the label {label} already"
        found.append(Refusal(code="label-taken", text=text, flags=("--label TEXT",)))
    return tuple(found)


def _text(size_bytes: int, replaced: Snapshot | None, *, costs: CostProfile) -> str:
    monthly = cycles_text(costs.storage_of_30_days(size_bytes))
    place = "in a free slot" if replaced is None else f"in place of {replaced.id}"
    return f"take a snapshot {place}: about {size_bytes} bytes, {monthly} for 30 days"


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
