"""What an operation costs, and the module that it is about, as facts for people."""

from collections.abc import Iterator

from juno_snap.cli.tables import cycles, size
from juno_snap.pipeline.costs import CyclesEstimate
from juno_snap.pipeline.plan_facts import PlanFacts
from juno_snap.units import SNAPSHOTS_MAX


def cost_rows(estimate: CyclesEstimate) -> Iterator[tuple[str, object]]:
    """Each figure of the estimate that is not nothing."""
    enough = "enough" if estimate.ok else "not enough"
    yield (
        "cycles",
        f"{cycles(estimate.required)} needed at most, {cycles(estimate.available)} there: {enough}",
    )
    figures = [
        ("  has to stay", estimate.freezing_reserve, "so that the module is not frozen"),
        ("  more of that", estimate.snapshot_reserve, "for the snapshot and staged chunks"),
        ("  messages", estimate.ingress, "which the module pays by the byte"),
        ("  snapshot", estimate.snapshot, "for taking it"),
        ("  set aside", estimate.install_reserve, "meanwhile, for the install or the load"),
        ("  gone of it", estimate.install, "about; the rest comes back"),
        ("  way back", estimate.going_back, "if it should come to that"),
    ]
    for name, amount, why in figures:
        if amount:
            yield name, f"{cycles(amount)} {why}"


def about_rows(about: PlanFacts) -> Iterator[tuple[str, object]]:
    """The module's side of an upgrade."""
    planned = about.slots_planned
    yield "snapshots", f"{about.slots_used} of {SNAPSHOTS_MAX} now, {planned} when all is done"
    yield "going back", about.way_back.text
    if about.reset is not None:
        yield "set again", about.reset.saved_text
        yield "lost", ", ".join(about.reset.lost)
    yield "controllers", ", ".join(map(str, about.status.settings.controllers))
    memory, limit_bytes = about.status.memory_metrics, about.status.settings.wasm_memory_limit_bytes
    limit = f" of {size(limit_bytes)}" if limit_bytes else ""
    parts = [
        f"heap {size(memory.wasm_memory_bytes)}{limit}",
        f"stable {size(memory.stable_memory_bytes)}",
        f"snapshots {size(memory.snapshots_bytes)}",
    ]
    yield "memory", f"{size(about.status.memory_size_bytes)}: {', '.join(parts)}"
    for hook in about.hooks:
        yield "hook", f"{hook.name}, {hook.point}, at most {hook.limit_seconds:g} seconds"
