"""The plan of an upgrade: its steps in words, what it costs, and why it is refused. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from juno_snap.ids import Principal
from juno_snap.management.types import Upgrade
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile, cycles_text
from juno_snap.pipeline.decide import Decision, asks_of, decide, is_unchanged
from juno_snap.pipeline.hooks.model import HookSpec
from juno_snap.pipeline.new_code import judge_code, judge_juno
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_facts import PlanFacts, facts_of, unchanged_facts
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Remark
from juno_snap.pipeline.policy import NoOverwrite, giving_up
from juno_snap.pipeline.report import SCHEMA, Json, hex_or_none
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.reset import planned_restore, refusals_of_reset, remarks_of_reset
from juno_snap.pipeline.transfer import UPLOADS_AT_ONCE
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.units import SNAPSHOTS_MAX


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradePlan:
    """An upgrade, decided in all its parts."""

    module: Principal
    old_hash: bytes | None
    new_hash: bytes
    is_unchanged: bool
    """The module runs this very code and nothing else was asked for: nothing will be done."""
    decision: Decision
    facts: PlanFacts
    outline: Outline

    def to_json(self) -> Json:
        """The document of ``upgrade --dry-run``."""
        return {
            "schema": SCHEMA,
            "plan": {
                "module": str(self.module),
                "old_hash": hex_or_none(self.old_hash),
                "new_hash": self.new_hash.hex(),
                "unchanged": self.is_unchanged,
                **self.outline.to_json(),
                **self.facts.to_json(),
            },
        }


def plan_upgrade(
    seen: Observation,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    costs: CostProfile = DEFAULT_COSTS,
    hooks: Sequence[HookSpec] = (),
) -> UpgradePlan:
    """How ``request`` is carried out on the module that was ``seen``, or why it is not.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    decision, refusals = decide(seen, request, wasm, costs=costs)
    juno = judge_juno(seen, request, wasm)
    if is_unchanged(seen, request, wasm):
        facts = unchanged_facts(seen, hooks)
        outline = Outline(
            steps=(OBSERVE, *_checking(request)),
            refusals=juno.refusals,
            asks=(),
            warnings=(),
            cycles=decision.cycles,
        )
    else:
        facts = facts_of(seen, request, decision, hooks)
        code = judge_code(seen, request, wasm, keeps_heap=decision.keeps_heap)
        outline = Outline(
            steps=(OBSERVE, *_steps(seen, request, decision, wasm, costs)),
            refusals=(*juno.refusals, *refusals_of_reset(seen), *refusals, *code.refusals),
            asks=asks_of(seen, request),
            warnings=(*_warnings(seen, request, decision, facts), *juno.remarks, *code.remarks),
            cycles=decision.cycles,
        )
    return UpgradePlan(
        module=seen.module,
        old_hash=seen.module_hash,
        new_hash=wasm.sha256,
        is_unchanged=is_unchanged(seen, request, wasm),
        decision=decision,
        facts=facts,
        outline=outline,
    )


def _steps(
    seen: Observation,
    request: UpgradeRequest,
    decision: Decision,
    wasm: WasmFile,
    costs: CostProfile,
) -> Iterator[PlannedStep]:
    """What follows the observation, in order."""
    staging = decision.staging
    if staging is not None and staging.clear_first:
        yield PlannedStep(name="clear-chunks", text="empty the chunk store")
    if staging is not None:
        count = len(staging.missing)
        yield PlannedStep(
            name="stage",
            text=f"send {count} chunks, {staging.reused_chunks} are there; the module serves",
            update_calls=count,
            rounds=math.ceil(count / UPLOADS_AT_ONCE),
        )
    if decision.sends_stop:
        yield PlannedStep(name="stop", text="stop the module")
    if decision.snapshot_bytes is not None:
        yield PlannedStep(name="snapshot", text=_snapshot_text(decision, request, costs))
    yield PlannedStep(name="install", text=_install_text(decision, wasm))
    if decision.sends_start:
        yield PlannedStep(name="start", text="start the module")
    yield PlannedStep(
        name="verify", text="read the certified module hash", update_calls=0, rounds=0
    )
    yield from planned_restore(seen)
    if decision.runs_after:
        yield from _checking(request)
    clears = staging is not None and staging.clear_last
    if clears or decision.delete_after:
        texts = ["empty the chunk store"] if clears else []
        texts += [f"delete snapshot {gone}" for gone in decision.delete_after]
        yield PlannedStep(name="tidy", text=", ".join(texts), update_calls=len(texts))


def _checking(request: UpgradeRequest) -> Iterator[PlannedStep]:
    if request.checks:
        yield PlannedStep(
            name="check",
            text=f"ask {len(request.checks)} checks, a bad answer again as an update call",
            update_calls=0,
            rounds=0,
        )


def _snapshot_text(decision: Decision, request: UpgradeRequest, costs: CostProfile) -> str:
    size = decision.snapshot_bytes or 0
    monthly = cycles_text(costs.storage_of_30_days(size))
    place = "in a free slot"
    if decision.replaced is not None:
        place = f"in place of {decision.replaced}"
    if request.snapshot_label is not None:
        place += f", labelled {request.snapshot_label}"
    return f"take a snapshot {place}: about {size} bytes, {monthly} for 30 days"


def _install_text(decision: Decision, wasm: WasmFile) -> str:
    match decision.mode:
        case Upgrade(wasm_memory_persistence=None):
            how = "upgrade to"
        case Upgrade(wasm_memory_persistence=heap):
            how = f"upgrade (heap: {heap}) to"
        case _:
            how = "wipe all data and install"
    return f"{how} {wasm.name}, {wasm.size_bytes} bytes, SHA-256 {wasm.sha256.hex()}"


def _warnings(
    seen: Observation, request: UpgradeRequest, decision: Decision, facts: PlanFacts
) -> Iterator[Remark]:
    """What a person should know of a plan."""
    if not decision.takes_snapshot:
        yield _no_way_back(seen, request)
    if decision.replaced is not None:
        yield giving_up(decision.replaced, seen.notes)
    yield from _data_warnings(seen, request)
    if not request.stop:
        yield Remark(
            code="not-stopped",
            text="the module serves meanwhile: what is written between snapshot and install is "
            "lost by going back",
        )
    if decision.staging is not None and decision.staging.clear_first:
        yield Remark(
            code="chunks-cleared",
            text=f"{decision.staging.foreign_chunks} chunks of other modules are removed from "
            "the chunk store",
        )
    if facts.hooks_down_seconds:
        yield Remark(
            code="hooks-while-down",
            text="hooks may hold up the module while it is down for up to "
            f"{facts.hooks_down_seconds:g} seconds",
        )
    if facts.way_back.is_automatic:
        yield from _safety_doubts(decision, facts)
    if not decision.cycles.ok:
        yield Remark(
            code="not-enough-cycles",
            text="the module may run out of cycles: it has "
            f"{cycles_text(decision.cycles.available)} and needs about "
            f"{cycles_text(decision.cycles.required)}",
        )


def _data_warnings(seen: Observation, request: UpgradeRequest) -> Iterator[Remark]:
    """What the module's data is in for."""
    yield from remarks_of_reset(seen, request)
    if seen.is_persistent and request.memory_persistence == "replace":
        yield Remark(
            code="heap-replaced",
            text="the heap is thrown away, and with it the data that the module keeps there",
        )
    if request.skip_pre_upgrade:
        yield Remark(
            code="pre-upgrade-skipped",
            text="pre_upgrade does not run: what the module would save there is lost",
        )


def _safety_doubts(decision: Decision, facts: PlanFacts) -> Iterator[Remark]:
    """Why going back may not be able to keep what was written to the new code."""
    reasons = []
    if facts.slots_during >= SNAPSHOTS_MAX:
        reasons.append("no slot is free for it")
    if not decision.cycles.going_back_ok:
        needed = cycles_text(decision.cycles.required_going_back)
        reasons.append(f"with the upgrade that needs about {needed}")
    if reasons:
        yield Remark(
            code="no-safety-snapshot",
            text="going back may not be able to save the state that it loses, and is then done by "
            f"itself only if nothing ran on the new code: {' and '.join(reasons)}",
        )


def _no_way_back(seen: Observation, request: UpgradeRequest) -> Remark:
    if isinstance(request.snapshots, NoOverwrite):
        remaining = ", ".join(str(old.id) for old in seen.snapshots)
        text = f"no slot is free, so no snapshot is taken; these remain: {remaining}"
    else:
        text = "no snapshot is taken: there is no way back to the present data"
    return Remark(code="no-way-back", text=text)
