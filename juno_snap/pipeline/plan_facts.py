"""What an upgrade's plan tells beside its steps: slots, the way back, hooks, memory. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.management.types import CanisterStatus
from juno_snap.pipeline.decide import Decision
from juno_snap.pipeline.hooks.model import DOWN_POINTS, HOOK_POINTS, HookSpec
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.report import Json
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.reset import ResetFacts, reset_facts
from juno_snap.units import SNAPSHOTS_MAX

BY_HAND: Final = "by hand only, with juno-snap rollback"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Whether the module returns to its old code and data by itself where the new code is bad."""

    is_automatic: bool
    text: str
    """When, or why not."""

    def to_json(self) -> Json:
        """The ``going_back`` of a plan."""
        return {"automatic": self.is_automatic, "text": self.text}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """The module's side of a plan."""

    status: CanisterStatus
    slots_used: int
    slots_during: int
    """The most at one time, without a safety snapshot."""
    slots_planned: int
    """Once all is done."""
    way_back: WayBack
    hooks: tuple[HookSpec, ...]
    stops: bool
    reset: ResetFacts | None = None
    """What a reset keeps and loses, where that is known."""

    @property
    def hooks_down_seconds(self) -> float:
        """The longest that hooks may hold up the module while it is down."""
        if not self.stops:
            return 0.0
        return sum(hook.limit_seconds for hook in self.hooks if hook.point in DOWN_POINTS)

    def to_json(self) -> Json:
        """Members of a plan's document."""
        memory, settings = self.status.memory_metrics, self.status.settings
        return {
            "snapshots": {
                "used": self.slots_used,
                "max": SNAPSHOTS_MAX,
                "planned": self.slots_planned,
            },
            "going_back": self.way_back.to_json(),
            "reset": None if self.reset is None else self.reset.to_json(),
            "controllers": [str(controller) for controller in settings.controllers],
            "memory": {
                "total_bytes": self.status.memory_size_bytes,
                "heap_bytes": memory.wasm_memory_bytes,
                "stable_bytes": memory.stable_memory_bytes,
                "snapshots_bytes": memory.snapshots_bytes,
                "wasm_memory_limit_bytes": settings.wasm_memory_limit_bytes,
                "memory_allocation_bytes": settings.memory_allocation_bytes,
            },
            "hooks": {
                "points": {
                    point: [_hook_json(hook) for hook in self.hooks if hook.point == point]
                    for point in HOOK_POINTS
                    if any(hook.point == point for hook in self.hooks)
                },
                "down_seconds_max": self.hooks_down_seconds,
            },
        }


def facts_of(
    seen: Observation, request: UpgradeRequest, decision: Decision, hooks: Sequence[HookSpec]
) -> PlanFacts:
    """What ``decision`` comes to for the module that was ``seen``."""
    used = len(seen.snapshots)
    during = used + int(decision.takes_snapshot) - int(decision.replaced is not None)
    return PlanFacts(
        status=seen.status,
        slots_used=used,
        slots_during=during,
        slots_planned=during - len(decision.delete_after),
        way_back=_way_back(request, decision),
        hooks=tuple(hooks),
        stops=decision.sends_stop,
        reset=reset_facts(seen),
    )


def unchanged_facts(seen: Observation, hooks: Sequence[HookSpec]) -> PlanFacts:
    """The same where nothing will be done."""
    used = len(seen.snapshots)
    return PlanFacts(
        status=seen.status,
        slots_used=used,
        slots_during=used,
        slots_planned=used,
        way_back=WayBack(is_automatic=False, text="not needed: nothing is changed"),
        hooks=tuple(hooks),
        stops=False,
    )


def _way_back(request: UpgradeRequest, decision: Decision) -> WayBack:
    reason = _reason_against(request, decision)
    if reason:
        return WayBack(is_automatic=False, text=reason)
    return WayBack(
        is_automatic=True,
        text="automatic, where a check is bad within "
        f"{request.rollback_window_seconds:g} seconds of the start; what was written meanwhile is "
        "kept in a safety snapshot",
    )


def _reason_against(request: UpgradeRequest, decision: Decision) -> str:
    if not decision.takes_snapshot:
        return "none: no snapshot is taken"
    if not request.stop:
        return f"{BY_HAND}: the module serves meanwhile, so the snapshot may lack the last writes"
    if not decision.runs_after:
        return f"{BY_HAND}: the module is left stopped, so nothing can be checked"
    if not request.goes_back:
        return f"{BY_HAND}: it was said that the new code stays"
    if not request.checks:
        return f"{BY_HAND}: there is no check that could find the new code bad"
    return ""


def _hook_json(hook: HookSpec) -> Json:
    return {"name": hook.name, "timeout_seconds": hook.limit_seconds}
