"""``juno-snap flow snapshot``: the step snapshots of a flow, which no module snapshot is."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.text import Text

from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import listing, moment
from juno_snap.errors import NotFoundError
from juno_snap.flow.model import SNAPSHOT_MAX_BYTES, StepSnapshot, decode
from juno_snap.flow.space import FlowSpace
from juno_snap.pipeline.report import rfc3339

group: Final = typer.Typer(no_args_is_help=True)

Document = dict[str, object]
FlowName = Annotated[str, typer.Argument(metavar="FLOW", help="The name of a flow.")]
StepName = Annotated[str, typer.Argument(metavar="STEP", help="The id of a step.")]
AnyStep = Annotated[
    str | None, typer.Argument(metavar="[STEP]", help="The id of a step; by default all of them.")
]


@group.command("list")
@spread
def list_snapshots(common: CommonOptions, flow: FlowName) -> None:
    """The step snapshots of a flow: how large they are, and when they were written."""
    session = Session(common)
    found = _snapshots(session, flow)
    rows = [(each.step, each.size_bytes, moment(each.updated_at_ns)) for each in found]
    session.output.show(
        {"flow": flow, "snapshots": [snapshot_facts(each) for each in found]},
        lambda: listing(["STEP", f"BYTES OF {SNAPSHOT_MAX_BYTES}", "WRITTEN"], rows),
    )


@group.command("get")
@spread
def show(common: CommonOptions, flow: FlowName, step: AnyStep = None) -> None:
    """The snapshot of a step, or of every step, as JSON."""
    session = Session(common)
    found = _snapshots(session, flow)
    if step is None:
        documents = [_snapshot_json(flow, each) for each in found]
        session.output.show(
            {"flow": flow, "snapshots": documents},
            lambda: Group(*(Text(f"{each.step} {each.body}") for each in found)),
        )
        return
    for each in found:
        if each.step == step:
            _show(session, flow, each)
            return
    raise NotFoundError(
        f"step {step!r} of flow {flow!r} has no step snapshot",
        code="no-step-snapshot",
        hint=f"those that are there: juno-snap flow snapshot list {flow}",
    )


@group.command("set")
@spread
def set_snapshot(
    common: CommonOptions,
    flow: FlowName,
    step: StepName,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The whole of it.")],
) -> None:
    """Give a step this snapshot, in place of the one it has. Not while the flow runs."""
    session = Session(common)
    space = FlowSpace(state=session.state)
    _show(session, flow, space.set_snapshot(flow, step, decode(value)))


@group.command("reset")
@spread
def reset(common: CommonOptions, flow: FlowName, step: AnyStep = None) -> None:
    """Have a step, or all of them, begin with nothing. Not while the flow runs; see undo.

    Only step snapshots are removed; snapshots of modules stay as they are.
    """
    session = Session(common)
    steps = FlowSpace(state=session.state).reset(flow, step)
    _tell_changed(session, flow, "reset", steps)


@group.command("undo")
@spread
def undo(common: CommonOptions, flow: FlowName, step: AnyStep = None) -> None:
    """Take back the last set, reset or undo, of a step or of the flow. Not while it runs."""
    session = Session(common)
    steps = FlowSpace(state=session.state).undo(flow, step)
    _tell_changed(session, flow, "undone", steps)


def snapshot_facts(snapshot: StepSnapshot) -> Document:
    """All but what is in it."""
    return {
        "step": snapshot.step,
        "size_bytes": snapshot.size_bytes,
        "limit_bytes": SNAPSHOT_MAX_BYTES,
        "version": snapshot.version,
        "run": snapshot.run,
        "updated_at": rfc3339(snapshot.updated_at_ns),
    }


def _snapshots(session: Session, flow: str) -> Sequence[StepSnapshot]:
    return FlowSpace(state=session.state).snapshots(flow)


def _snapshot_json(flow: str, snapshot: StepSnapshot) -> Document:
    return {"flow": flow, **snapshot_facts(snapshot), "snapshot": snapshot.value}


def _show(session: Session, flow: str, snapshot: StepSnapshot) -> None:
    session.output.show(_snapshot_json(flow, snapshot), lambda: Text(snapshot.body))


def _tell_changed(session: Session, flow: str, what: str, steps: Sequence[str]) -> None:
    session.output.show(
        {"flow": flow, what: list(steps)},
        lambda: Text(f"{what}: {', '.join(steps) or 'no step had a snapshot'}"),
    )
