"""The upgrade: snapshot first, down for four calls, running again whatever happens.

Observe and plan are separate from acting, so that a person can be asked in between. Nothing changes
until the stop but the chunk store, which the module's code never sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline import codes
from juno_snap.pipeline.aftermath import bad_outcome, error_of, reporting_cancellation
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.downtime import Ending
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.operation import Operation
from juno_snap.pipeline.plan import UpgradePlan, plan_upgrade
from juno_snap.pipeline.report import (
    Evidence,
    StepReport,
    UpgradeOutcome,
    UpgradeReport,
    hex_or_none,
    rfc3339,
    snapshot_json,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.tidy import tidy
from juno_snap.pipeline.transfer import stage_chunks
from juno_snap.pipeline.wasm_file import WasmFile


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedUpgrade:
    """A plan, and what it was made from; nothing has been changed yet."""

    seen: Observation
    request: UpgradeRequest
    wasm: WasmFile
    plan: UpgradePlan
    observed: StepReport
    """The observation as the first step of the operation."""


async def prepare_upgrade(
    client: ManagementClient,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
    costs: CostProfile = DEFAULT_COSTS,
) -> PreparedUpgrade:
    """Look at the module and plan; the plan may be refused, which ``run_upgrade`` insists on.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot to replace.
        PreconditionError: The caller does not control the module, or it is frozen.
    """
    seen, observed = await observe_as_step(
        client, module, observer=observer, clock=clock or system_clock()
    )
    plan = plan_upgrade(seen, request, wasm, costs=costs)
    return PreparedUpgrade(seen=seen, request=request, wasm=wasm, plan=plan, observed=observed)


async def upgrade(
    client: ManagementClient,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> UpgradeReport:
    """Observe, plan and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_upgrade(client, module, request, wasm, observer=observer, clock=clock)
    return await run_upgrade(client, prepared, observer=observer, clock=clock)


async def run_upgrade(
    client: ManagementClient,
    prepared: PreparedUpgrade,
    *,
    observer: Observer = ignore_events,
    clock: Clock | None = None,
) -> UpgradeReport:
    """Carry out a plan; on return the module runs the new code, certified.

    Raises:
        PreconditionError: The plan is refused or leaves a question open, or the module was changed
            since it was made. Nothing was done.
        RejectedError, TransportError, TrustError, OutcomeUnknownError: Before the stop, from
            sending chunks. The module was not touched.
        OperationFailedError: Something failed from the stop on; ``report`` says how it was left.
        OperationUnknownError: A call from the stop on has no certified outcome.
        OperationCancelledError: Cancelled; where a stop was sent, a start was.
    """
    prepared.plan.outline.check()
    operation = _Upgrade(client, prepared, observer=observer, clock=clock or system_clock())
    return await reporting_cancellation(
        "upgrade", operation.run(), lambda: operation.report("interrupted")
    )


@final
class _Upgrade:
    """One upgrade while it is carried out."""

    def __init__(
        self,
        client: ManagementClient,
        prepared: PreparedUpgrade,
        *,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._client = client
        self._plan = prepared.plan
        self._decision = prepared.plan.decision
        self._module = prepared.plan.module
        self._wasm = prepared.wasm
        self._observer = observer
        self._operation = Operation(
            client,
            prepared.seen,
            prepared.observed,
            sends_stop=self._decision.sends_stop,
            sends_start=self._decision.sends_start,
            stop_timeout_seconds=prepared.request.stop_timeout_seconds,
            observer=observer,
            clock=clock,
        )
        self._steps = self._operation.steps
        if not self._decision.takes_snapshot and not self._plan.is_unchanged:
            self._operation.warnings.append("no snapshot was taken: this run has no way back")
        self._snapshot: SnapshotId | None = None
        self._replaced: list[SnapshotId] = []

    def report(self, outcome: UpgradeOutcome, ending: Ending | None = None) -> UpgradeReport:
        """What has been done so far."""
        return UpgradeReport(
            facts=self._operation.facts(ending),
            outcome=outcome,
            old_hash=self._plan.old_hash,
            new_hash=self._plan.new_hash,
            snapshot=self._snapshot,
            replaced=tuple(self._replaced),
        )

    async def run(self) -> UpgradeReport:
        """The steps in their order."""
        if self._plan.is_unchanged:
            return self.report("unchanged")
        await self._stage()
        ending = await self._operation.carry_out(self._change, self._check)
        if ending.is_good:
            await self._tidy(delete=self._decision.delete_after)
            return self.report("upgraded")
        if not ending.is_interrupted and _is_wasm_rejected(ending):
            await self._tidy(delete=())
        raise error_of(
            "upgrade",
            ending,
            self.report(bad_outcome(ending), ending),
            runs_old_code=self._operation.runs_old_code(),
            clock=self._operation.clock,
        ) from ending.failure

    async def _stage(self) -> None:
        """Bring a large module into the chunk store; the module's code never sees it."""
        staging = self._decision.staging
        if staging is None:
            return

        async def clear() -> Evidence:
            await self._client.clear_chunk_store(self._module)
            return {}

        async def send() -> Evidence:
            await stage_chunks(
                self._client, self._module, self._wasm, staging.missing, observer=self._observer
            )
            return {"sent": len(staging.missing), "reused": staging.reused_chunks}

        if staging.clear_first:
            await self._steps.run("clear-chunks", clear)
        await self._steps.run("stage", send)

    async def _change(self) -> None:
        """What happens while the module is stopped, and nothing else."""
        if self._decision.takes_snapshot:
            await self._steps.run("snapshot", self._take_snapshot)
        await self._steps.run("install", self._install)

    async def _take_snapshot(self) -> Evidence:
        replaced = self._decision.replaced
        taken = await self._operation.hurried.take_canister_snapshot(self._module, replace=replaced)
        self._snapshot = taken.id
        if replaced is not None:
            self._replaced.append(replaced)
        return {**snapshot_json(taken), "replaced": None if replaced is None else str(replaced)}

    async def _install(self) -> Evidence:
        mode, arg, wasm = self._decision.mode, self._decision.arg, self._wasm
        client = self._operation.hurried
        if self._decision.staging is None:
            at_ns = await client.install_code(self._module, mode, wasm.data, arg)
        else:
            at_ns = await client.install_chunked_code(
                self._module, mode, wasm.chunk_hashes, wasm.sha256, arg
            )
        self._operation.changed_at_ns = at_ns
        return {"certified_at": rfc3339(at_ns)}

    def _check(self, info: CertifiedInfo) -> None:
        if info.module_hash != self._wasm.sha256:
            raise JunoSnapError(
                f"the certified module hash is {hex_or_none(info.module_hash)}",
                code="hash-mismatch",
                hint="somebody else has changed the code meanwhile; find out who did it",
            )

    async def _tidy(self, *, delete: Sequence[SnapshotId]) -> None:
        """Remove what is not needed any more; what cannot be removed is a warning."""
        staging = self._decision.staging
        clears = staging is not None and staging.clear_last

        async def chores() -> Evidence:
            done = await tidy(self._client, self._module, clear_chunks=clears, delete=delete)
            self._replaced += done.deleted
            self._operation.warnings += done.warnings
            deleted = [str(gone) for gone in done.deleted]
            return {"chunks_cleared": done.chunks_cleared, "deleted": deleted}

        if clears or delete:
            await self._steps.run("tidy", chores)


def _is_wasm_rejected(ending: Ending) -> bool:
    """Whether the network will not have this Wasm, so that its chunks are of no more use."""
    error = ending.failure
    if not isinstance(error, RejectedError) or ending.failed_step != "install":
        return False
    return error.certified and not codes.is_temporary(error)
