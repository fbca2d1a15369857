"""Loading a snapshot: the present state is saved first, and the module is left as it was found."""

from dataclasses import dataclass
from typing import final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline.aftermath import bad_outcome, error_of, reporting_cancellation
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.downtime import Ending
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.operation import Operation
from juno_snap.pipeline.report import (
    Evidence,
    RestoreOutcome,
    RestoreReport,
    StepReport,
    rfc3339,
    snapshot_json,
)
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.restore_plan import RestorePlan, plan_restore


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRestore:
    """A plan, and what it was made from; nothing has been changed yet."""

    seen: Observation
    plan: RestorePlan
    observed: StepReport
    stop_timeout_seconds: float


async def prepare_restore(
    client: ManagementClient,
    module: Principal,
    which: str,
    *,
    discard_current: bool = False,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
    costs: CostProfile = DEFAULT_COSTS,
) -> PreparedRestore:
    """Look at the module and at the snapshot ``which`` (``latest``, an id, a beginning of one).

    ``discard_current`` goes on where the present state cannot be saved.

    Raises:
        InputError: The snapshot is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: The caller does not control the module, or it is frozen.
    """
    clock = clock or system_clock()
    seen, observed = await observe_as_step(client, module, observer=observer, clock=clock)
    snapshot = resolve_snapshot(which, seen.snapshots, notes=seen.notes, module=module)
    metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
    plan = plan_restore(seen, snapshot, metadata, may_discard=discard_current, costs=costs)
    return PreparedRestore(
        seen=seen, plan=plan, observed=observed, stop_timeout_seconds=stop_timeout_seconds
    )


async def restore_snapshot(
    client: ManagementClient,
    module: Principal,
    which: str,
    *,
    discard_current: bool = False,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> RestoreReport:
    """Prepare and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_restore(
        client,
        module,
        which,
        discard_current=discard_current,
        observer=observer,
        clock=clock,
    )
    return await run_restore(client, prepared, observer=observer, clock=clock)


async def run_restore(
    client: ManagementClient,
    prepared: PreparedRestore,
    *,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> RestoreReport:
    """Carry out a plan; on return the module has the snapshot's code and data, certified.

    Raises:
        PreconditionError: The plan is refused, or the module was changed since it was made.
            Nothing was done.
        OperationFailedError: Something failed from the stop on; ``report`` says how it was left.
        OperationUnknownError: A call from the stop on has no certified outcome.
        OperationCancelledError: Cancelled; where a stop was sent, a start was.
    """
    prepared.plan.outline.check()
    operation = _Restore(client, prepared, observer=observer, clock=clock or system_clock())
    return await reporting_cancellation(
        "restore", operation.run(), lambda: operation.report("interrupted")
    )


@final
class _Restore:
    """One restore while it is carried out."""

    def __init__(
        self,
        client: ManagementClient,
        prepared: PreparedRestore,
        *,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._seen = prepared.seen
        self._plan = prepared.plan
        self._operation = Operation(
            client,
            prepared.seen,
            prepared.observed,
            sends_stop=prepared.plan.sends_stop,
            sends_start=prepared.plan.sends_start,
            stop_timeout_seconds=prepared.stop_timeout_seconds,
            observer=observer,
            clock=clock,
        )
        self._safety: SnapshotId | None = None

    def report(self, outcome: RestoreOutcome, ending: Ending | None = None) -> RestoreReport:
        """What has been done so far."""
        return RestoreReport(
            facts=self._operation.facts(ending),
            outcome=outcome,
            old_hash=self._seen.module_hash,
            snapshot=self._plan.snapshot.id,
            safety_snapshot=self._safety,
            versions_passed=self._plan.versions_passed,
        )

    async def run(self) -> RestoreReport:
        """The steps in their order."""
        ending = await self._operation.carry_out(self._change, self._check)
        if ending.is_good:
            return self.report("restored")
        raise error_of(
            "restore",
            ending,
            self.report(bad_outcome(ending), ending),
            runs_old_code=self._operation.runs_old_code(),
            clock=self._operation.clock,
        ) from ending.failure

    async def _change(self) -> None:
        if self._plan.takes_safety_snapshot:
            try:
                await self._operation.steps.run("safety-snapshot", self._save)
            except RejectedError as error:
                if not (self._plan.may_discard and error.certified):
                    raise
                warning = f"the state before was not saved: {error}"
                self._operation.warnings.append(warning)
        await self._operation.steps.run("load", self._load)

    async def _save(self) -> Evidence:
        operation = self._operation
        taken = await operation.hurried.take_canister_snapshot(
            operation.module, replace=self._plan.replaced
        )
        self._safety = taken.id
        return snapshot_json(taken)

    async def _load(self) -> Evidence:
        operation = self._operation
        snapshot = self._plan.snapshot.id
        at_ns = await operation.hurried.load_canister_snapshot(operation.module, snapshot)
        operation.changed_at_ns = at_ns
        return {"snapshot": str(snapshot), "certified_at": rfc3339(at_ns)}

    def _check(self, info: CertifiedInfo) -> None:
        # A load counts as an install; networks before 0.66 do not say when the last one was.
        before_ns = self._seen.info.last_install_at_ns
        is_new = before_ns is None or (info.last_install_at_ns or 0) > before_ns
        if info.module_hash is None or not is_new:
            raise JunoSnapError(
                "the certified state shows no load of a snapshot",
                code="not-loaded",
                hint="look at the module with: juno-snap status",
            )
