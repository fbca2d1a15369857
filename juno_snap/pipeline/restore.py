"""Loading a snapshot: the present state is saved first, and the module is left as it was found.

``rollback`` is the same with the snapshot that an upgrade took, and the module runs afterwards.
"""

from dataclasses import dataclass, replace
from typing import Final, final

from juno_snap.errors import NotFoundError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.conduct import Beginning, conduct, unfinished
from juno_snap.pipeline.journal.records import OperationKind
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.program import Before, LoadChange, Program, Save, digest_of
from juno_snap.pipeline.report import RestoreReport, StepReport
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS
from juno_snap.pipeline.resolve import LIST_HINT, resolve_snapshot
from juno_snap.pipeline.restore_plan import RestorePlan, plan_restore
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.sending import Materials
from juno_snap.pipeline.workspace import Workspace

ROLLBACKS_READ: Final = 100
"""How far back the history is read for what was gone back on already."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRestore:
    """A plan, and what it was made from; nothing has been changed yet."""

    seen: Observation
    plan: RestorePlan
    observed: StepReport
    observed_at_ns: int
    stop_timeout_seconds: float
    kind: OperationKind = "restore"
    of_operation: str | None = None
    """The upgrade that is gone back on."""
    resumes: str | None = None
    """An interrupted operation that was asked for the same; ``run_restore`` goes on with it."""


async def prepare_restore(
    workspace: Workspace,
    module: Principal,
    which: str,
    *,
    discard_current: bool = False,
    starts: bool = False,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    observer: Observer = ignore_events,
) -> PreparedRestore:
    """Look at the module and at the snapshot ``which``: ``latest``, a label, an id, its beginning.

    ``discard_current`` goes on where the present state cannot be saved; ``starts`` lets the module
    run afterwards, however it was found.

    Raises:
        InputError: The snapshot is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: The caller does not control the module, it is frozen, or another
            operation on it is not finished.
    """
    workspace.hooks.check_loadable()
    at_ns = workspace.clock.now_ns()
    seen, observed = await observe_as_step(workspace, module, observer=observer)
    snapshot = resolve_snapshot(which, seen.snapshots, notes=seen.notes, module=module)
    digest = restore_digest(module, snapshot.id)
    resumes = unfinished(workspace, module, digest)
    metadata = await workspace.client.read_canister_snapshot_metadata(module, snapshot.id)
    plan = plan_restore(
        seen,
        snapshot,
        metadata,
        may_discard=discard_current,
        starts=starts,
        costs=workspace.costs,
    )
    return PreparedRestore(
        seen=seen,
        plan=plan,
        observed=observed,
        observed_at_ns=at_ns,
        stop_timeout_seconds=stop_timeout_seconds,
        resumes=resumes,
    )


async def prepare_rollback(
    workspace: Workspace,
    module: Principal,
    operation: str | None = None,
    *,
    discard_current: bool = False,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    observer: Observer = ignore_events,
) -> PreparedRestore:
    """Look at the snapshot that an upgrade took: ``operation``, else the newest that took one.

    Raises:
        NotFoundError: No upgrade of this module has taken a snapshot, or it is gone.
        Others: See ``prepare_restore``.
    """
    upgrade, snapshot = _taken_by(workspace, module, operation)
    prepared = await prepare_restore(
        workspace,
        module,
        str(snapshot),
        discard_current=discard_current,
        starts=True,  # a module that is gone back on shall serve
        stop_timeout_seconds=stop_timeout_seconds,
        observer=observer,
    )
    return replace(prepared, kind="rollback", of_operation=upgrade)


async def restore_snapshot(
    workspace: Workspace,
    module: Principal,
    which: str,
    *,
    discard_current: bool = False,
    observer: Observer = ignore_events,
) -> RestoreReport:
    """Prepare and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_restore(
        workspace, module, which, discard_current=discard_current, observer=observer
    )
    return await run_restore(workspace, prepared, observer=observer)


async def run_restore(
    workspace: Workspace, prepared: PreparedRestore, *, observer: Observer = ignore_events
) -> RestoreReport:
    """Carry out a plan; on return the module has the snapshot's code and data, certified.

    Raises:
        PreconditionError: The plan is refused, or the module was changed since it was made.
            Nothing was done.
        Others: See ``conduct``.
    """
    if prepared.resumes is not None:
        report = await resume(workspace, operation=prepared.resumes, observer=observer)
    else:
        plan = prepared.plan
        plan.outline.check()
        beginning = Beginning(
            program=program_of(prepared),
            digest=restore_digest(plan.module, plan.snapshot.id),
            observed=prepared.observed,
            observed_at_ns=prepared.observed_at_ns,
            materials=Materials(),
        )
        report = await conduct(workspace, beginning, observer=observer)
    if not isinstance(report, RestoreReport):
        raise TypeError(report)
    return report


def program_of(prepared: PreparedRestore) -> Program:
    """What the plan comes to, step by step."""
    plan = prepared.plan
    save = None
    if plan.takes_safety_snapshot:
        save = Save(purpose="safety", replaced=plan.replaced, is_optional=plan.may_discard)
    return Program(
        kind=prepared.kind,
        module=plan.module,
        before=Before.of(prepared.seen),
        sends_stop=plan.sends_stop,
        sends_start=plan.sends_start,
        stop_timeout_seconds=prepared.stop_timeout_seconds,
        save=save,
        change=LoadChange(snapshot=plan.snapshot.id),
        versions_passed=plan.versions_passed,
        of_operation=prepared.of_operation,
    )


def restore_digest(module: Principal, snapshot: SnapshotId) -> bytes:
    """What says that the same restore was asked for."""
    return digest_of({"kind": "restore", "module": str(module), "snapshot": str(snapshot)})


def _taken_by(
    workspace: Workspace, module: Principal, operation: str | None
) -> tuple[str, SnapshotId]:
    """The upgrade that is meant, and the snapshot that it took.

    Without a name it is the newest whose new code was installed, and that was not gone back on.

    Raises:
        NotFoundError: There is no such operation, or it has no snapshot that is there.
        PreconditionError, LockedError: The same, and an operation is not finished.
    """
    notes = workspace.journal.notes(workspace.root_key, module).values()
    taken = {
        note.operation: note.id
        for note in sorted(notes, key=lambda note: note.id)  # one run may have taken it again
        if note.purpose == "upgrade" and note.operation is not None
    }
    if operation is None:
        undone = _gone_back_on(workspace, module)
        there = (each for each in sorted(taken, reverse=True) if each not in undone)
        operation = next((each for each in there if _is_in_effect(workspace, each)), None)
    else:
        workspace.journal.operation(operation)  # says so of one that it does not know
    if operation is None or operation not in taken:
        unfinished(workspace, module, b"")  # where one is, it is resume that goes back
        what = f"operation {operation}" if operation else "no upgrade of this module"
        has = "has no snapshot that is there" if operation else "has left a snapshot to go back to"
        raise NotFoundError(f"{what} {has}", code="no-way-back", hint=LIST_HINT)
    return operation, taken[operation]


def _gone_back_on(workspace: Workspace, module: Principal) -> frozenset[str]:
    """The upgrades that a ``rollback`` has undone."""
    records = workspace.journal.history(
        root_key=workspace.root_key, module=module, limit=ROLLBACKS_READ
    )
    rollbacks = (r for r in records if r.begun.kind == "rollback" and r.outcome == "restored")
    return frozenset(str(each.begun.program.get("of_operation")) for each in rollbacks)


def _is_in_effect(workspace: Workspace, operation: str) -> bool:
    record = workspace.journal.operation(operation)
    installed = any(step.name == "install" and step.state == "done" for step in record.steps)
    return installed and record.outcome != "rolled-back"
