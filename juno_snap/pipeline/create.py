"""Taking a snapshot by hand: into a free slot, or in place of one that a person names."""

from dataclasses import dataclass
from typing import final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CertifiedInfo, Snapshot
from juno_snap.pipeline.aftermath import error_of, reporting_cancellation
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.create_plan import CreatePlan, plan_create
from juno_snap.pipeline.downtime import Ending
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.operation import Operation
from juno_snap.pipeline.report import Evidence, SnapshotReport, StepReport, snapshot_json
from juno_snap.pipeline.request import STOP_TIMEOUT_SECONDS


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCreate:
    """A plan, and what it was made from; nothing has been changed yet."""

    seen: Observation
    plan: CreatePlan
    observed: StepReport
    stop_timeout_seconds: float


async def prepare_create(
    client: ManagementClient,
    module: Principal,
    *,
    replace: str | None = None,
    stop: bool = True,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
    costs: CostProfile = DEFAULT_COSTS,
) -> PreparedCreate:
    """Look at the module and plan; ``replace`` is ``oldest``, an id, or a beginning of one.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot to replace.
        PreconditionError: The caller does not control the module, or it is frozen.
    """
    clock = clock or system_clock()
    seen, observed = await observe_as_step(client, module, observer=observer, clock=clock)
    plan = plan_create(seen, replace=replace, stop=stop, costs=costs)
    return PreparedCreate(
        seen=seen, plan=plan, observed=observed, stop_timeout_seconds=stop_timeout_seconds
    )


async def create_snapshot(
    client: ManagementClient,
    module: Principal,
    *,
    replace: str | None = None,
    stop: bool = True,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> SnapshotReport:
    """Prepare and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_create(
        client, module, replace=replace, stop=stop, observer=observer, clock=clock
    )
    return await run_create(client, prepared, observer=observer, clock=clock)


async def run_create(
    client: ManagementClient,
    prepared: PreparedCreate,
    *,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> SnapshotReport:
    """Carry out a plan; the module is left as it was found.

    Raises:
        PreconditionError: The plan is refused, or the module was changed since it was made.
            Nothing was done.
        OperationFailedError: Something failed from the stop on; ``report`` says how it was left.
        OperationUnknownError: A call from the stop on has no certified outcome.
        OperationCancelledError: Cancelled; where a stop was sent, a start was.
    """
    prepared.plan.outline.check()
    operation = _Create(client, prepared, observer=observer, clock=clock or system_clock())
    return await reporting_cancellation("snapshot", operation.run(), operation.report)


@final
class _Create:
    """One snapshot while it is taken."""

    def __init__(
        self,
        client: ManagementClient,
        prepared: PreparedCreate,
        *,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._seen = prepared.seen
        self._replaced = prepared.plan.replaced
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
        self._taken: Snapshot | None = None

    def report(self, ending: Ending | None = None) -> SnapshotReport:
        """What has been done so far."""
        is_replaced = self._taken is not None and self._replaced is not None
        return SnapshotReport(
            facts=self._operation.facts(ending),
            snapshot=self._taken,
            replaced=(self._replaced,) if is_replaced and self._replaced else (),
        )

    async def run(self) -> SnapshotReport:
        """The steps in their order."""
        ending = await self._operation.carry_out(self._change, self._check)
        if ending.is_good:
            return self.report()
        raise error_of(
            "snapshot",
            ending,
            self.report(ending),
            runs_old_code=self._operation.runs_old_code(),
            clock=self._operation.clock,
        ) from ending.failure

    async def _change(self) -> None:
        await self._operation.steps.run("snapshot", self._take)

    async def _take(self) -> Evidence:
        operation = self._operation
        self._taken = await operation.hurried.take_canister_snapshot(
            operation.module, replace=self._replaced
        )
        return snapshot_json(self._taken)

    def _check(self, info: CertifiedInfo) -> None:
        if info.module_hash != self._seen.module_hash:
            raise JunoSnapError(
                "the code was changed by somebody else while the snapshot was taken",
                code="disturbed",
                hint="find out who did it",
            )
