"""The upgrade: snapshot first, down for four calls, running again whatever happens.

Observe and plan are separate from acting, so that a person can be asked in between. Nothing changes
until the stop but the chunk store, which the module's code never sees.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Final, final

from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.management.types import Reinstall, Upgrade
from juno_snap.pipeline.conduct import Beginning, conduct, unfinished
from juno_snap.pipeline.decide import Decision
from juno_snap.pipeline.observe import Observation, observe_as_step
from juno_snap.pipeline.plan import UpgradePlan, plan_upgrade
from juno_snap.pipeline.program import Before, InstallChange, Program, Save, digest_of
from juno_snap.pipeline.report import StepReport, UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.reset import saved_content, with_configuration
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.sending import Materials
from juno_snap.pipeline.unchanged import confirm_unchanged
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace

NOT_ASKED: Final = frozenset(
    {"force", "found_stopped", "arg", "sha256", "patience", "juno", "snapshot_label"}
)
"""Of a request: what may differ between two runs that ask for the same."""


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
    observed_at_ns: int
    resumes: str | None = None
    """An interrupted operation that was asked for the same; ``run_upgrade`` goes on with it."""


async def prepare_upgrade(
    workspace: Workspace,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    observer: Observer = ignore_events,
) -> PreparedUpgrade:
    """Look at the module and plan; the plan may be refused, which ``run_upgrade`` insists on.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot to replace.
        PreconditionError: The caller does not control the module, it is frozen, or another
            operation on it is not finished.
        ConfigError: A hook that cannot be loaded.
    """
    workspace.hooks.check_loadable()
    resumes = unfinished(workspace, module, _digest(module, request, wasm))
    at_ns = workspace.clock.now_ns()
    seen, observed = await observe_as_step(workspace, module, observer=observer)
    if resumes is None:
        seen = await with_configuration(workspace.client, seen, request)
    plan = plan_for(workspace, seen, request, wasm)
    return PreparedUpgrade(
        seen=seen,
        request=request,
        wasm=wasm,
        plan=plan,
        observed=observed,
        observed_at_ns=at_ns,
        resumes=resumes,
    )


def planned_anew(
    workspace: Workspace, prepared: PreparedUpgrade, request: UpgradeRequest
) -> PreparedUpgrade:
    """The same for another ``request``, of what was seen already.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    plan = plan_for(workspace, prepared.seen, request, prepared.wasm)
    return replace(prepared, request=request, plan=plan)


async def upgrade(
    workspace: Workspace,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    observer: Observer = ignore_events,
) -> UpgradeReport:
    """Observe, plan and act without asking anybody; raises what the two halves raise."""
    prepared = await prepare_upgrade(workspace, module, request, wasm, observer=observer)
    return await run_upgrade(workspace, prepared, observer=observer)


async def run_upgrade(
    workspace: Workspace, prepared: PreparedUpgrade, *, observer: Observer = ignore_events
) -> UpgradeReport:
    """Carry out a plan; on return the module runs the new code, certified.

    Raises:
        PreconditionError: The plan is refused or leaves a question open, or the module was changed
            since it was made. Nothing was done.
        Others: See ``conduct``.
    """
    if prepared.resumes is not None:
        report = await resume(workspace, operation=prepared.resumes, observer=observer)
    else:
        plan = prepared.plan
        plan.outline.check()
        if plan.is_unchanged:
            return await confirm_unchanged(
                workspace, prepared.seen, prepared.request, prepared.observed, observer=observer
            )
        staging = plan.decision.staging
        configuration = saved_content(prepared.seen)
        beginning = Beginning(
            program=program_of(prepared, configuration),
            digest=_digest(plan.module, prepared.request, prepared.wasm),
            observed=prepared.observed,
            observed_at_ns=prepared.observed_at_ns,
            materials=Materials(
                wasm=prepared.wasm,
                arg=plan.decision.arg,
                missing=None if staging is None else staging.missing,
                configuration=configuration,
            ),
        )
        report = await conduct(workspace, beginning, observer=observer)
    if not isinstance(report, UpgradeReport):
        raise TypeError(report)
    return report


def plan_for(
    workspace: Workspace, seen: Observation, request: UpgradeRequest, wasm: WasmFile
) -> UpgradePlan:
    """The plan with the prices and the hooks of ``workspace``; raises as ``plan_upgrade``."""
    hooks = workspace.hooks.specs
    return plan_upgrade(seen, request, wasm, costs=workspace.costs, hooks=hooks)


def program_of(prepared: PreparedUpgrade, configuration: bytes | None = None) -> Program:
    """What the plan comes to, step by step."""
    decision, request, wasm = prepared.plan.decision, prepared.request, prepared.wasm
    return Program(
        kind="upgrade",
        module=prepared.plan.module,
        before=Before.of(prepared.seen),
        sends_stop=decision.sends_stop,
        sends_start=decision.sends_start,
        stop_timeout_seconds=request.stop_timeout_seconds,
        save=Save(purpose="upgrade", replaced=decision.replaced, label=request.snapshot_label)
        if decision.takes_snapshot
        else None,
        change=_install(decision, wasm),
        checks=request.checks if decision.runs_after else (),
        health_timeout_seconds=request.health_timeout_seconds,
        goes_back=prepared.plan.facts.way_back.is_automatic,
        rollback_window_seconds=request.rollback_window_seconds,
        delete_after=decision.delete_after,
        configuration=None if configuration is None else hashlib.sha256(configuration).digest(),
        patience=request.patience,
    )


def _install(decision: Decision, wasm: WasmFile) -> InstallChange:
    mode, staging = decision.mode, decision.staging
    upgrading = mode if isinstance(mode, Upgrade) else Upgrade()
    return InstallChange(
        is_reset=isinstance(mode, Reinstall),
        skip_pre_upgrade=upgrading.skip_pre_upgrade,
        memory_persistence=upgrading.wasm_memory_persistence,
        wasm_name=wasm.name,
        wasm_sha256=wasm.sha256,
        arg_sha256=hashlib.sha256(decision.arg).digest(),
        is_chunked=staging is not None,
        clears_first=staging is not None and staging.clear_first,
        clears_last=staging is not None and staging.clear_last,
    )


def _digest(module: Principal, request: UpgradeRequest, wasm: WasmFile) -> bytes:
    """What makes two upgrades the same: the module, the code, and everything that was asked."""
    asked = {key: value for key, value in asdict(request).items() if key not in NOT_ASKED}
    arg = None if request.arg is None else hashlib.sha256(request.arg).hexdigest()
    policy = type(request.snapshots).__name__
    return digest_of(
        {
            "kind": "upgrade",
            "module": str(module),
            "wasm": wasm.sha256.hex(),
            "arg": arg,
            "policy": policy,
            **asked,
        }
    )
