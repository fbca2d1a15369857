"""Plans of several releases before the first is installed. Pure but for the first observation.

The plan of the first release is of the module as it is. That of a later one is of the module as it
is expected to be when the releases before it went well: their code, their snapshots, their cost.
What the code does to the data meanwhile nobody knows, so that its sizes and its cycles are an
estimate, and the plan says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from juno_snap.ids import SnapshotId
from juno_snap.juno.roles import BUILD_METADATA, PACKAGE_METADATA, JunoModule, recognise
from juno_snap.management.candid_call import INTERFACE_METADATA
from juno_snap.management.types import CanisterStatus, RunStatus, Snapshot
from juno_snap.pipeline.costs import SECONDS_PER_DAY, CostProfile
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.new_code import metadata_of
from juno_snap.pipeline.observe import STABLE_TYPES_METADATA, Observation
from juno_snap.pipeline.plan import UpgradePlan
from juno_snap.pipeline.plan_parts import Outline, Remark
from juno_snap.pipeline.releases.passage import Passage
from juno_snap.pipeline.releases.route import Candidate
from juno_snap.pipeline.report import Json
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import PreparedUpgrade, plan_for
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace

ESTIMATED: Final = Remark(
    code="estimated",
    text="this is planned as if the releases before it had gone well: sizes and cycles are an "
    "estimate, as what they do to the data is not known",
)
_NOT_YET: Final = b"not yet there "
"""Begins the ids of snapshots that later releases will find; no network makes such an id."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """The plan of one release of a passage."""

    version: str
    plan: UpgradePlan
    is_estimate: bool
    """Another release comes before it."""

    def to_json(self) -> Json:
        """An entry of ``releases`` of ``upgrade --dry-run``."""
        document = self.plan.to_json()
        return {
            "version": self.version,
            "estimate": self.is_estimate,
            "plan": document["plan"],
        }


def forecast(
    workspace: Workspace,
    passage: Passage,
    candidates: Sequence[Candidate],
    first: PreparedUpgrade,
    requests: Sequence[UpgradeRequest],
) -> tuple[ReleasePlan, ...]:
    """The plans of all ``candidates``; ``first`` is that of the first of them, as prepared.

    ``requests`` are what is wanted of each before its passage is considered.

    Raises:
        InputError, NotFoundError: A snapshot to replace cannot be told.
    """
    plan, seen, asked = first.plan, first.seen, first.request
    plans = [ReleasePlan(version=str(candidates[0].version), plan=plan, is_estimate=False)]
    taken: dict[SnapshotId, str] = {}
    for number in range(1, len(candidates)):
        before, candidate = candidates[number - 1], candidates[number]
        made = SnapshotId(_NOT_YET + bytes([number]))
        taken[made] = f"(the one taken before {before.version})"
        seen = _after(seen, plan, asked, before, made=made, costs=workspace.costs)
        asked = passage.request_after(
            requests[number], candidate, is_first=False, is_stopped=not seen.is_running
        )
        plan = plan_for(workspace, seen, asked, candidate.wasm)
        shown = replace(plan, outline=_estimated(plan.outline, taken))
        plans.append(ReleasePlan(version=str(candidate.version), plan=shown, is_estimate=True))
    return tuple(plans)


def _after(
    seen: Observation,
    plan: UpgradePlan,
    request: UpgradeRequest,
    candidate: Candidate,
    *,
    made: SnapshotId,
    costs: CostProfile,
) -> Observation:
    """The module when ``plan`` was carried out and all went well."""
    if plan.is_unchanged:
        return seen
    decision, wasm = plan.decision, candidate.wasm
    gone = {decision.replaced, *decision.delete_after}
    snapshots = [old for old in seen.snapshots if old.id not in gone]
    notes = dict(seen.notes)
    if decision.snapshot_bytes is not None:
        now_ns = max([seen.info.certified_at_ns, *(old.taken_at_ns + 1 for old in seen.snapshots)])
        new = Snapshot(id=made, taken_at_ns=now_ns, total_size_bytes=decision.snapshot_bytes)
        snapshots.append(new)
        notes[made] = SnapshotNote(
            id=made,
            purpose="upgrade",
            operation="",
            operation_outcome="upgraded",
            label=request.snapshot_label,
        )
    kept = {old.id for old in snapshots}
    freed_bytes = sum(old.total_size_bytes for old in seen.snapshots if old.id not in kept)
    clears = decision.staging is not None and decision.staging.clear_last
    return replace(
        seen,
        status=_status_after(seen, plan, wasm, freed_bytes=freed_bytes, clears=clears, costs=costs),
        info=replace(
            seen.info, module_hash=wasm.sha256, last_install_at_ns=seen.info.certified_at_ns + 1
        ),
        snapshots=tuple(snapshots),
        stored_chunks=frozenset() if clears else seen.stored_chunks | _staged(plan, wasm),
        is_persistent=wasm.is_persistent,
        juno=_juno_of(candidate),
        interface=metadata_of(wasm, INTERFACE_METADATA),
        stable_types=metadata_of(wasm, STABLE_TYPES_METADATA),
        configuration=None,
        notes=notes,
    )


def _status_after(
    seen: Observation,
    plan: UpgradePlan,
    wasm: WasmFile,
    *,
    freed_bytes: int,
    clears: bool,
    costs: CostProfile,
) -> CanisterStatus:
    """Its memory grown by snapshot and code, its cycles less by what does not come back."""
    decision, status = plan.decision, seen.status
    memory, cycles = status.memory_metrics, decision.cycles
    chunk_bytes = 0 if clears else memory.wasm_chunk_store_bytes
    grown_bytes = (
        (decision.snapshot_bytes or 0)
        - freed_bytes
        + wasm.size_bytes
        - memory.wasm_binary_bytes
        + chunk_bytes
        - memory.wasm_chunk_store_bytes
    )
    more = costs.storage(abs(grown_bytes), SECONDS_PER_DAY) * (1 if grown_bytes >= 0 else -1)
    state: RunStatus = "running" if decision.runs_after else "stopped"
    return replace(
        status,
        status=state,
        version=None,
        module_hash=wasm.sha256,
        memory_size_bytes=max(0, status.memory_size_bytes + grown_bytes),
        memory_metrics=replace(
            memory,
            wasm_binary_bytes=wasm.size_bytes,
            wasm_chunk_store_bytes=chunk_bytes,
            snapshots_bytes=max(
                0, memory.snapshots_bytes + (decision.snapshot_bytes or 0) - freed_bytes
            ),
        ),
        cycles=max(0, status.cycles - cycles.ingress - cycles.snapshot - cycles.install),
        idle_cycles_burned_per_day=max(0, status.idle_cycles_burned_per_day + more),
    )


def _staged(plan: UpgradePlan, wasm: WasmFile) -> frozenset[bytes]:
    return frozenset(() if plan.decision.staging is None else wasm.chunk_hashes)


def _juno_of(candidate: Candidate) -> JunoModule:
    """What the module says of itself then; older releases tell their version when asked."""
    wasm = candidate.wasm
    return recognise(
        package=metadata_of(wasm, PACKAGE_METADATA),
        build=metadata_of(wasm, BUILD_METADATA),
        version=candidate.version,
    )


def _estimated(outline: Outline, taken: dict[SnapshotId, str]) -> Outline:
    """The same in words that name no snapshot by an id that it will not have."""

    def said(text: str) -> str:
        for snapshot, words in taken.items():
            text = text.replace(str(snapshot), words)
        return text

    return replace(
        outline,
        steps=tuple(replace(step, text=said(step.text)) for step in outline.steps),
        refusals=tuple(replace(each, text=said(each.text)) for each in outline.refusals),
        asks=tuple(replace(each, text=said(each.text)) for each in outline.asks),
        warnings=(ESTIMATED, *(replace(each, text=said(each.text)) for each in outline.warnings)),
    )
