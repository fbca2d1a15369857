"""An upgrade to the code that a module runs already: nothing is changed, but its checks are asked.

Without that the same command, said again after a check was bad, would end well.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Never

from juno_snap.events import Observer, StepFinished, StepOutcome, StepStarted
from juno_snap.pipeline.checks.evaluate import evaluate_checks
from juno_snap.pipeline.checks.model import CheckResult, worst_of
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.progress import BAD, NOT_EVALUATED
from juno_snap.pipeline.report import (
    Fault,
    OperationFacts,
    OperationFailedError,
    OperationUnknownError,
    StepReport,
    UpgradeReport,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import NS_PER_MS

CHECK_STEP: Final = "check"
NOTHING_DONE: Final = "the module runs this code already, and nothing was changed"


async def confirm_unchanged(
    workspace: Workspace,
    seen: Observation,
    request: UpgradeRequest,
    observed: StepReport,
    *,
    observer: Observer,
) -> UpgradeReport:
    """The report on a module that has the code already, once its checks are ok.

    Nothing is kept in the journal, and there is nothing to resume.

    Raises:
        OperationFailedError: A check is bad, certified.
        OperationUnknownError: One could not be evaluated in time.
    """
    report = UpgradeReport(
        facts=OperationFacts(
            operation="",
            module=seen.module,
            module_status=seen.status.status,
            module_hash=seen.module_hash,
            downtime_ms=0,
            duration_ms=observed.duration_ms,
            steps=(observed,),
        ),
        outcome="unchanged",
        old_hash=seen.module_hash,
        new_hash=seen.module_hash or b"",
        snapshot=None,
    )
    if not request.checks:
        return report
    results, step = await _ask(workspace, seen, request, observer)
    report = replace(
        report,
        facts=replace(
            report.facts,
            duration_ms=observed.duration_ms + step.duration_ms,
            steps=(observed, step),
        ),
        checks=tuple(result.to_json() for result in results),
    )
    if worst := worst_of(results):
        _refuse(report, worst)
    return report


async def _ask(
    workspace: Workspace, seen: Observation, request: UpgradeRequest, observer: Observer
) -> tuple[Sequence[CheckResult], StepReport]:
    agent, clock = workspace.client.agent, workspace.clock

    began_ns = clock.monotonic_ns()
    observer(StepStarted(step=CHECK_STEP))
    results = await evaluate_checks(
        request.checks,
        client=workspace.client,
        module=seen.module,
        not_before_ns=seen.info.certified_at_ns,
        timeout_seconds=request.health_timeout_seconds,
        send=partial(agent.submit, settle=True),
        clock=clock,
        observer=observer,
    )
    duration_ms = (clock.monotonic_ns() - began_ns) // NS_PER_MS
    outcome: StepOutcome = "done" if all(result.ok for result in results) else "failed"
    observer(StepFinished(step=CHECK_STEP, outcome=outcome, duration_ms=duration_ms))
    return results, StepReport(name=CHECK_STEP, outcome=outcome, duration_ms=duration_ms)


def _refuse(report: UpgradeReport, worst: CheckResult) -> Never:
    said = f"{worst.name}: {worst.detail}"
    code = NOT_EVALUATED if worst.ok is None else BAD
    fault = Fault(step=CHECK_STEP, code=code, message=said)
    facts = replace(report.facts, errors=(fault,))
    if worst.ok is None:
        raise OperationUnknownError(
            f"a check could not be evaluated: {said}; {NOTHING_DONE}",
            request_id=b"",
            expires_at_ns=0,
            report=replace(report, facts=facts, outcome="unknown"),
            hint="run the same command again",
        )
    raise OperationFailedError(
        f"a check is bad: {said}; {NOTHING_DONE}",
        step=CHECK_STEP,
        runs_old_code=False,
        report=replace(report, facts=facts, outcome="failed"),
        hint="install code that is mended, or go back: juno-snap rollback, or restore",
    )
