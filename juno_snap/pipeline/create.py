"""Taking a snapshot by hand: into a free slot, or in place of one that a person names."""

from dataclasses import dataclass
from typing import final

from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.pipeline.conduct import Beginning, conduct, unfinished
from juno_snap.pipeline.create_plan import CreatePlan, plan_create
from juno_snap.pipeline.journal.records import SnapshotPurpose
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.program import Before, Program, Save, digest_of
from juno_snap.pipeline.report import SnapshotReport, StepReport
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS
from juno_snap.pipeline.sending import Materials
from juno_snap.pipeline.workspace import Workspace


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCreate:
    """A plan, and what it was made from; nothing has been changed yet."""

    seen: Observation
    plan: CreatePlan
    observed: StepReport
    observed_at_ns: int
    stop_timeout_seconds: float
    purpose: SnapshotPurpose = "user"


async def prepare_create(
    workspace: Workspace,
    module: Principal,
    *,
    replace: str | None = None,
    label: str | None = None,
    protect: bool = False,
    force: bool = False,
    stop: bool = True,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    purpose: SnapshotPurpose = "user",
    observer: Observer = ignore_events,
) -> PreparedCreate:
    """Look at the module and plan.

    ``replace`` is ``oldest``, a label, an id, or the beginning of one; ``force`` gives up a
    protected one.

    Raises:
        InputError: The label is none, or the snapshot to replace is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot to replace.
        PreconditionError: The caller does not control the module, it is frozen, or an operation on
            it is not finished.
    """
    unfinished(workspace, module, b"")
    at_ns = workspace.clock.now_ns()
    seen, observed = await observe_as_step(workspace, module, observer=observer)
    plan = plan_create(
        seen,
        replace=replace,
        label=label,
        protect=protect,
        force=force,
        stop=stop,
        costs=workspace.costs,
    )
    return PreparedCreate(
        seen=seen,
        plan=plan,
        observed=observed,
        observed_at_ns=at_ns,
        stop_timeout_seconds=stop_timeout_seconds,
        purpose=purpose,
    )


async def create_snapshot(
    workspace: Workspace,
    module: Principal,
    *,
    replace: str | None = None,
    label: str | None = None,
    protect: bool = False,
    stop: bool = True,
    observer: Observer = ignore_events,
) -> SnapshotReport:
    """Prepare and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_create(
        workspace,
        module,
        replace=replace,
        label=label,
        protect=protect,
        stop=stop,
        observer=observer,
    )
    return await run_create(workspace, prepared, observer=observer)


async def run_create(
    workspace: Workspace, prepared: PreparedCreate, *, observer: Observer = ignore_events
) -> SnapshotReport:
    """Carry out a plan; the module is left as it was found.

    Raises:
        PreconditionError: The plan is refused, or the module was changed since it was made.
            Nothing was done.
        Others: See ``conduct``.
    """
    plan = prepared.plan
    plan.outline.check()
    program = Program(
        kind="snapshot",
        module=plan.module,
        before=Before.of(prepared.seen),
        sends_stop=plan.sends_stop,
        sends_start=plan.sends_start,
        stop_timeout_seconds=prepared.stop_timeout_seconds,
        save=Save(
            purpose=prepared.purpose,
            replaced=plan.replaced,
            label=plan.label,
            is_protected=plan.is_protected,
        ),
    )
    beginning = Beginning(
        program=program,
        digest=digest_of({"kind": "snapshot", "module": str(plan.module), "label": plan.label}),
        observed=prepared.observed,
        observed_at_ns=prepared.observed_at_ns,
        materials=Materials(),
    )
    report = await conduct(workspace, beginning, observer=observer)
    if not isinstance(report, SnapshotReport):
        raise TypeError(report)
    return report
