"""What commands that run an operation share: showing plans and reports, asking before acting."""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.plans import about_rows, cost_rows
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing
from juno_snap.cli.words import seconds
from juno_snap.ids import SnapshotId
from juno_snap.pipeline.plan_facts import PlanFacts
from juno_snap.pipeline.plan_parts import Outline
from juno_snap.pipeline.report import (
    ENDED_BADLY,
    Evidence,
    Report,
    RestoreReport,
    SnapshotReport,
    UpgradeReport,
    hex_or_none,
)

T = TypeVar("T")


async def reported(session: Session, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; the report of an operation that ends badly is shown all the same."""
    try:
        return await work
    except ENDED_BADLY as error:
        report = error.report
        session.output.report(report.to_json(), lambda: report_table(report))
        raise


def announce(session: Session, outline: Outline) -> None:
    """Say what speaks against a plan without stopping it."""
    for remark in outline.warnings:
        session.output.warn(remark.text)


def outline_table(outline: Outline, about: PlanFacts | None = None) -> RenderableType:
    """A plan for people; ``about``, where there is more to tell of an upgrade's."""
    steps = listing(
        ["STEP", "WHAT", "CALLS"],
        [(step.name, step.text, step.update_calls) for step in outline.steps],
    )
    rows: list[tuple[str, object]] = [
        ("calls", f"{outline.update_calls} update calls in {outline.rounds} rounds"),
        *cost_rows(outline.cycles),
        *(about_rows(about) if about is not None else ()),
    ]
    lines = [Text(f"warning: {remark.text}", style="yellow") for remark in outline.warnings]
    lines += [Text(f"asks: {ask.with_flags}", style="yellow") for ask in outline.asks]
    lines += [Text(f"refused: {refusal.with_flags}", style="red") for refusal in outline.refusals]
    return Group(steps, Text(""), facts(rows), *lines)


def tell_resumed(session: Session, operation: str | None) -> None:
    """Say that an interrupted operation is gone on with, where that is so."""
    if operation is not None:
        session.output.note(f"operation {operation}, asked for the same, was interrupted: going on")


def tell_report(session: Session, report: Report | None) -> None:
    """Show how an operation ended well, if there was one."""
    if report is not None:
        session.output.report(report.to_json(), lambda: report_table(report))


def report_table(report: Report) -> RenderableType:
    """A report for people; its steps were told while they ran."""
    common = report.facts
    rows: list[tuple[str, object]] = [
        ("module", common.module),
        ("operation", common.operation or None),
        ("outcome", report.outcome),
    ]
    match report:
        case UpgradeReport():
            rows += [
                ("old hash", hex_or_none(report.old_hash)),
                ("new hash", report.new_hash.hex()),
                ("snapshot", report.snapshot),
                ("given up", _listed(report.replaced)),
            ]
            rows += [("check", check_text(check)) for check in report.checks]
            if report.safety_snapshot is not None or report.versions_passed is not None:
                rows += [
                    ("safety snapshot", report.safety_snapshot),
                    ("changes by others", report.versions_passed),
                ]
        case RestoreReport():
            is_loaded = any((s.name, s.outcome) == ("load", "done") for s in common.steps)
            rows += [
                ("loaded" if is_loaded else "to be loaded", report.snapshot),
                ("safety snapshot", report.safety_snapshot),
                ("changes undone", report.versions_passed if is_loaded else None),
            ]
        case SnapshotReport(snapshot=snapshot):
            rows += [
                ("snapshot", snapshot.id if snapshot else None),
                ("given up", _listed(report.replaced)),
            ]
    rows += [
        ("runs now", hex_or_none(common.module_hash)),
        ("status", common.module_status),
        ("downtime", seconds(common.downtime_ms)),
        ("duration", seconds(common.duration_ms)),
    ]
    rows += [(f"failed: {fault.step}", fault.message) for fault in common.errors]
    rows += [("warning", warning) for warning in common.warnings]
    return facts(rows)


def _listed(ids: Iterable[SnapshotId]) -> str | None:
    return ", ".join(map(str, ids)) or None


def check_text(check: Evidence) -> str:
    """What came of a check, for people."""
    ok = check.get("ok")
    verdict = "not evaluated" if ok is None else "ok" if ok else "bad"
    detail = f" ({check['detail']})" if check.get("detail") else ""
    return f"{verdict}: {check.get('name')}{detail}"
