"""The plan of bringing a backup into a module: what is sent, what it costs, what forbids it. Pure.

An upload needs a free slot, and a load a second one for the present state: two of ten, unless the
module is empty, or the one to be given up makes room in between.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from juno_snap.backup.model import Metadata
from juno_snap.backup.reader import Backup
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.costs import (
    METADATA_MAX_BYTES,
    CostProfile,
    CyclesEstimate,
    cycles_text,
    freezing_reserve_cycles,
    freezing_reserve_growth,
    snapshot_size_bytes,
)
from juno_snap.pipeline.new_code import juno_module_of
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import OBSERVE, Outline, PlannedStep, Refusal, Remark
from juno_snap.pipeline.upload import SAMPLED_SLICES, Survey
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.wasm_globals import globals_problem
from juno_snap.units import CHUNK_MAX_BYTES, SNAPSHOTS_MAX

LOAD_CALLS: Final = 5
"""Its metadata, stop, safety snapshot, load, start."""

FORCE: Final = ("--force",)


def plan_backup_restore(
    seen: Observation,
    backup: Backup,
    survey: Survey,
    *,
    code: WasmFile | None,
    replaced: SnapshotId | None,
    uploaded: SnapshotId | None,
    loads: bool,
    force: bool,
    may_discard: bool,
    reads_all_back: bool,
    costs: CostProfile,
) -> Outline:
    """How ``backup`` gets into the module that was ``seen``, or why it does not.

    ``code`` is that of the backup, ``uploaded`` the snapshot of an upload that was begun before.
    """
    cycles = _estimate(seen, backup, survey, uploaded=uploaded, loads=loads, costs=costs)
    answered = [
        *([] if code is None else _code_refusals(seen, backup, code)),
        *_cost_refusals(cycles, uploaded),
    ]
    slots = _slot_refusals(
        seen, replaced=replaced, uploaded=uploaded, loads=loads, may_discard=may_discard
    )
    return Outline(
        steps=tuple(_steps(seen, survey, replaced, loads=loads, reads_all_back=reads_all_back)),
        refusals=(*slots, *(() if force else answered)),
        asks=(),
        warnings=(
            *(Remark(code=each.code, text=each.text) for each in answered if force),
            *_warnings(seen.module, backup),
        ),
        cycles=cycles,
    )


def _estimate(
    seen: Observation,
    backup: Backup,
    survey: Survey,
    *,
    uploaded: SnapshotId | None,
    loads: bool,
    costs: CostProfile,
) -> CyclesEstimate:
    metadata = backup.description.metadata
    status = seen.status
    size = _size_bytes(metadata)
    calls = 1 + len(survey.slices) + len(backup.chunks)
    payload = METADATA_MAX_BYTES + survey.data_bytes + survey.chunk_bytes
    saved = snapshot_size_bytes(status) if loads and seen.module_hash is not None else 0
    making = 0 if uploaded is not None else costs.snapshot(size)
    load = costs.load(size, code_bytes=metadata.wasm_module_bytes) if loads else 0
    stored = saved + (0 if uploaded is not None else size)
    return CyclesEstimate(
        available=status.cycles,
        freezing_reserve=freezing_reserve_cycles(status),
        ingress=costs.ingress(calls + LOAD_CALLS, payload),
        snapshot=making
        + costs.filling(calls, survey.data_bytes + survey.chunk_bytes)
        + (costs.snapshot(saved) if saved else 0),
        snapshot_reserve=freezing_reserve_growth(status, stored, costs),
        install_reserve=load,
        install=load,
        going_back=0,
    )


def _size_bytes(metadata: Metadata) -> int:
    return metadata.data_bytes + len(metadata.wasm_chunk_store) * CHUNK_MAX_BYTES


def _code_refusals(seen: Observation, backup: Backup, code: WasmFile) -> Iterator[Refusal]:
    there, ours = seen.juno.package, juno_module_of(code).package
    if ours is not None and there is not None and ours.name != there.name:
        yield Refusal(
            code="other-kind",
            text=f"the backup is of {ours.name}, and the module runs {there.name}",
            flags=FORCE,
        )
    problem = globals_problem(backup.description.metadata.globals, code.saved_globals)
    if problem is not None:
        text = f"the network would not load it: {problem}"
        yield Refusal(code="globals-differ", text=text, flags=FORCE)


def _cost_refusals(cycles: CyclesEstimate, uploaded: SnapshotId | None) -> Iterator[Refusal]:
    # What was uploaded before is paid for; what is left is not known here, and the network checks.
    if not cycles.ok and uploaded is None:
        yield Refusal(
            code="too-few-cycles",
            text=f"the module has {cycles_text(cycles.available)} and needs about "
            f"{cycles_text(cycles.required)}, of which {cycles_text(cycles.ingress)} for what is "
            "sent to it: top it up",
            flags=FORCE,
        )


def _slot_refusals(
    seen: Observation,
    *,
    replaced: SnapshotId | None,
    uploaded: SnapshotId | None,
    loads: bool,
    may_discard: bool,
) -> Iterator[Refusal]:
    used = len(seen.snapshots) + (uploaded is None)
    if used > SNAPSHOTS_MAX:
        yield Refusal(
            code="no-free-slot",
            text=f"the module has {SNAPSHOTS_MAX} snapshots, and a backup is uploaded beside them, "
            "so that none is given up before the new one is whole: delete one",
        )
        return
    saves = loads and seen.module_hash is not None and not may_discard
    if saves and used - (replaced is not None) >= SNAPSHOTS_MAX:
        yield Refusal(
            code="no-safety-snapshot",
            text="the upload takes the last slot, so the present state could not be saved before "
            "it is overwritten: delete a snapshot",
            flags=("--replace ID", "--discard-current"),
        )


def gives_way_before_load(snapshots: Sequence[Snapshot], replaced: SnapshotId | None) -> bool:
    """Whether the one to be given up has to go before the load, to make room for a safety snapshot.

    The uploaded one is among ``snapshots`` already.
    """
    return replaced is not None and len(snapshots) >= SNAPSHOTS_MAX


def _steps(
    seen: Observation,
    survey: Survey,
    replaced: SnapshotId | None,
    *,
    loads: bool,
    reads_all_back: bool,
) -> Iterator[PlannedStep]:
    yield OBSERVE
    yield PlannedStep(
        name="upload",
        text=f"upload {survey.data_bytes + survey.chunk_bytes} bytes into a free slot",
        update_calls=1 + len(survey.slices),
        rounds=2,
    )
    what = "all of it" if reads_all_back else f"its module and {SAMPLED_SLICES} slices of each part"
    yield PlannedStep(name="read-back", text=f"read back its metadata and {what}", rounds=2)
    if loads:
        if seen.status.status != "stopped":
            yield PlannedStep(name="stop", text="stop the module")
        if seen.module_hash is not None:
            yield PlannedStep(name="safety-snapshot", text="save the present state")
        yield PlannedStep(name="load", text="load the uploaded snapshot")
        if seen.is_running:
            yield PlannedStep(name="start", text="start the module")
    if replaced is not None:
        yield PlannedStep(name="tidy", text=f"delete snapshot {replaced}")


def _warnings(module: Principal, backup: Backup) -> Iterator[Remark]:
    origin = backup.description.module
    if origin == module:
        return
    whose = f"module {origin}" if origin is not None else "a module that the backup does not name"
    yield Remark(
        code="other-module",
        text=f"the backup is of {whose}: code, memory, stored chunks, certified data and timer are "
        "brought; settings, controllers, cycles, logs and the module's own id are not",
    )
