"""What a rehearsal says to people, and how the command line comes to one.

It brings the local replica along: an upgrade without a rehearsal does without it.
"""

import dataclasses

from rich.console import Group, RenderableType

from juno_snap.cli.operations import check_text
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing, size
from juno_snap.cli.words import seconds
from juno_snap.errors import PreconditionError
from juno_snap.events import Event, Observer, StepFinished, StepStarted
from juno_snap.ids import SnapshotId
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.observe import check_undisturbed
from juno_snap.pipeline.rehearsal import UNKNOWABLE, RehearsalReport
from juno_snap.pipeline.rehearsal_source import compiled_folder, live_copy, original_of
from juno_snap.pipeline.rehearse import Stage, rehearse
from juno_snap.pipeline.report import hex_or_none
from juno_snap.pipeline.upgrade import PreparedUpgrade, prepare_upgrade
from juno_snap.pipeline.workspace import Workspace


async def rehearse_before(
    session: Session, workspace: Workspace, prepared: PreparedUpgrade
) -> PreparedUpgrade:
    """Rehearse what was planned on a copy that is not kept, then plan the same anew.

    There is nothing to rehearse where nothing would change.

    Raises:
        PreconditionError: The plan is refused, no copy can be made, or somebody else has changed
            the module or its snapshots meanwhile.
        RehearsalFailedError: It did not pass.
    """
    plan = prepared.plan
    plan.outline.check()
    if plan.is_unchanged:
        return prepared
    with session.output.watch() as observer:
        original = await original_of(workspace, plan.module)
        async with live_copy(workspace, plan.module, keep=False, observer=observer) as directory:
            report = await rehearse(
                original,
                directory,
                prepared.request,
                prepared.wasm,
                stage=stage_of(session, workspace.hooks),
                observer=of_rehearsal(observer),
            )
    if report.passed:
        for warning in report.warnings:
            session.output.warn(f"rehearsal: {warning}")
        session.output.note(f"the rehearsal passed in {seconds(report.duration_ms)}")
    else:
        session.output.show_aside(rehearsal_table(report))
    report.require_passed()
    return await _planned_after(workspace, prepared)


async def _planned_after(workspace: Workspace, prepared: PreparedUpgrade) -> PreparedUpgrade:
    """The same plan, of the module as it is after the rehearsal.

    Raises:
        PreconditionError: It is not the same.
    """
    module = prepared.plan.module
    await check_undisturbed(workspace.client, prepared.seen)
    anew = await prepare_upgrade(workspace, module, prepared.request, prepared.wasm)
    if not _given_up(anew) <= _given_up(prepared):
        raise PreconditionError(
            "the snapshots were changed by somebody else during the rehearsal",
            code="disturbed",
            hint="plan again",
        )
    return anew


def _given_up(prepared: PreparedUpgrade) -> set[SnapshotId]:
    decision = prepared.plan.decision
    replaced = () if decision.replaced is None else (decision.replaced,)
    return {*replaced, *decision.delete_after}


def stage_of(session: Session, hooks: Hooks, *, limit: int | None = None) -> Stage:
    """How a copy runs, for this state directory."""
    return Stage(
        hooks=hooks,
        compiled=compiled_folder(session.state),
        instructions_limit=limit or session.settings.rehearsal_instruction_limit,
    )


def of_rehearsal(observer: Observer) -> Observer:
    """``observer``, told which steps are those of a rehearsal: nobody shall fear for the module."""

    def observe(event: Event) -> None:
        if isinstance(event, StepStarted | StepFinished):
            event = dataclasses.replace(event, step=f"rehearsal: {event.step}")
        observer(event)

    return observe


def rehearsal_table(report: RehearsalReport) -> RenderableType:
    """A rehearsal for people."""
    steps = listing(
        ["STEP", "OUTCOME", "TIME"],
        [(step.name, step.outcome, seconds(step.duration_ms)) for step in report.steps],
    )
    rows: list[tuple[str, object]] = [
        ("rehearsal", "passed" if report.passed else "failed"),
        ("module", report.module),
        ("old hash", hex_or_none(report.old_hash)),
        ("new hash", report.new_hash.hex()),
        ("instructions", _instructions(report)),
        ("memory before", size(report.memory_before_bytes)),
        ("memory after", size(report.memory_after_bytes)),
        ("interface", _interface(report)),
        ("duration", seconds(report.duration_ms)),
    ]
    rows += [("breaks callers", text) for text in report.candid.breaking]
    rows += [("check", check_text(check)) for check in report.checks]
    rows += [("trap", report.trap)] if report.trap else []
    rows += [("failed", report.reason)] if report.reason else []
    rows += [("refused", refusal.text) for refusal in report.refusals]
    rows += [("warning", warning) for warning in report.warnings]
    rows += [("not known", text) for text in UNKNOWABLE]
    rows += [("copy", report.copy)] if report.copy else []
    return Group(steps, "", facts(rows))


def _instructions(report: RehearsalReport) -> str | None:
    used, limit = report.instructions_estimate, report.instructions_limit
    if used is None:
        return None
    return f"about {used:,} of {limit:,} ({100 * used / limit:.1f} %)"


def _interface(report: RehearsalReport) -> str:
    match report.candid.compatible:
        case None:
            return "not compared: it is not said, or not understood"
        case True:
            return "compatible"
        case False:
            return "breaks callers"
