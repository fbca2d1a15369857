"""Plans and reports of fleets, for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.tables import cycles, facts, listing, moment
from juno_snap.cli.words import seconds
from juno_snap.flow.fleet_plan import FleetPlan
from juno_snap.flow.fleet_report import FleetReport
from juno_snap.pipeline.report import Json


def plan_table(plan: FleetPlan) -> RenderableType:
    """A plan for people."""
    fleet, totals = plan.fleet, plan.totals
    rows = [
        (each.wave, each.member.label, _plan_text(each.document), each.rounds, cycles(each.cycles))
        for each in plan.members
    ]
    sizes = ", then ".join(map(str, fleet.wave_sizes))
    summary: list[tuple[str, object]] = [
        ("fleet", f"{fleet.name}: {fleet.kind} of {len(fleet.members)} modules"),
        ("waves", f"{sizes}; {fleet.concurrency} at once"),
        ("calls", f"{totals['update_calls']} update calls in about {totals['rounds']} rounds"),
        ("cycles", cycles(totals["cycles"])),
        ("refused", plan.refused or None),
    ]
    lines = [
        Text(f"{each.member.label}: {kind}: {text}", style=style)
        for each in plan.members
        for kind, style, texts in (
            ("warning", "yellow", each.warnings),
            ("refused", "red", each.refusals),
        )
        for text in texts
    ]
    headings = ["WAVE", "MODULE", "WHAT", "ROUNDS", "CYCLES"]
    return Group(listing(headings, rows), Text(""), facts(summary), *lines)


def _plan_text(document: Json) -> str:
    if document.get("refusals") or document.get("asks"):
        return "refused"
    if ended := document.get("ended"):
        return f"{ended} already"
    if document.get("unchanged"):
        return "nothing to do"
    if isinstance(snapshot := document.get("snapshot"), dict):
        return f"go back to {snapshot.get('id')}"
    if isinstance(version := document.get("version"), dict):
        return f"upgrade to {version.get('to')}"
    new = document.get("new_hash")
    return f"upgrade to {str(new)[:12]}" if new else "back up"


def report_table(report: FleetReport) -> RenderableType:
    """What came of a run, for people."""
    rows = []
    for line in report.lines:
        result = line.result
        said = (result.error or {}).get("message") if result else None
        took = result.duration_ms if result else None
        rows.append(
            (
                line.wave,
                line.name or line.module,
                result.outcome if result else "pending",
                None if took is None else seconds(took),
                (result.backup or result.snapshot) if result else None,
                said,
            )
        )
    outcomes = ", ".join(f"{count} {name}" for name, count in report.outcomes.items())
    summary: list[tuple[str, object]] = [
        ("fleet", f"{report.name}: {report.kind}"),
        ("state", report.state),
        ("began", moment(report.run.began_at_ns)),
        ("modules", outcomes),
    ]
    headings = ["WAVE", "MODULE", "OUTCOME", "TOOK", "SNAPSHOT OR COPY", "WHY"]
    return Group(listing(headings, rows), Text(""), facts(summary))
