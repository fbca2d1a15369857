"""The plan of an upgrade: its steps in words, what it costs, and why it is refused. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from juno_snap.ids import Principal
from juno_snap.management.types import Reinstall, Upgrade
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile, cycles_text
from juno_snap.pipeline.decide import Decision, asks_of, decide, is_unchanged
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Remark
from juno_snap.pipeline.policy import NoOverwrite, giving_up
from juno_snap.pipeline.report import SCHEMA, Json, hex_or_none
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.transfer import UPLOADS_AT_ONCE
from juno_snap.pipeline.wasm_file import WasmFile


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
            },
        }


def plan_upgrade(
    seen: Observation,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    costs: CostProfile = DEFAULT_COSTS,
) -> UpgradePlan:
    """How ``request`` is carried out on the module that was ``seen``, or why it is not.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    decision, refusals = decide(seen, request, wasm, costs=costs)
    unchanged = is_unchanged(seen, request, wasm)
    steps = (OBSERVE,) if unchanged else (OBSERVE, *_steps(decision, wasm, costs))
    return UpgradePlan(
        module=seen.module,
        old_hash=seen.module_hash,
        new_hash=wasm.sha256,
        is_unchanged=unchanged,
        decision=decision,
        outline=Outline(
            steps=steps,
            refusals=() if unchanged else refusals,
            asks=asks_of(seen, request),
            warnings=() if unchanged else tuple(_warnings(seen, request, decision)),
            cycles=decision.cycles,
        ),
    )


def _steps(decision: Decision, wasm: WasmFile, costs: CostProfile) -> Iterator[PlannedStep]:
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
        yield PlannedStep(name="snapshot", text=_snapshot_text(decision, costs))
    yield PlannedStep(name="install", text=_install_text(decision, wasm))
    if decision.sends_start:
        yield PlannedStep(name="start", text="start the module")
    yield PlannedStep(
        name="verify", text="read the certified module hash", update_calls=0, rounds=0
    )
    clears = staging is not None and staging.clear_last
    if clears or decision.delete_after:
        texts = ["empty the chunk store"] if clears else []
        texts += [f"delete snapshot {gone}" for gone in decision.delete_after]
        yield PlannedStep(name="tidy", text=", ".join(texts), update_calls=len(texts))


def _snapshot_text(decision: Decision, costs: CostProfile) -> str:
    size = decision.snapshot_bytes or 0
    monthly = cycles_text(costs.storage_of_30_days(size))
    place = "in a free slot"
    if decision.replaced is not None:
        place = f"in place of {decision.replaced}"
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


def _warnings(seen: Observation, request: UpgradeRequest, decision: Decision) -> Iterator[Remark]:
    """What a person should know of a plan."""
    if not decision.takes_snapshot:
        yield _no_way_back(seen, request)
    if decision.replaced is not None:
        yield giving_up(decision.replaced, seen.notes)
    if isinstance(decision.mode, Reinstall):
        yield Remark(code="data-wiped", text="a reset wipes all data of the module")
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
    if not decision.cycles.ok:
        yield Remark(
            code="not-enough-cycles",
            text="the module may run out of cycles: it has "
            f"{cycles_text(decision.cycles.available)} and needs about "
            f"{cycles_text(decision.cycles.required)}",
        )


def _no_way_back(seen: Observation, request: UpgradeRequest) -> Remark:
    if isinstance(request.snapshots, NoOverwrite):
        remaining = ", ".join(str(old.id) for old in seen.snapshots)
        text = f"no slot is free, so no snapshot is taken; these remain: {remaining}"
    else:
        text = "no snapshot is taken: there is no way back to the present data"
    return Remark(code="no-way-back", text=text)
