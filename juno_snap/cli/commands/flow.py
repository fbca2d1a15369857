"""``juno-snap flow``: run flows, stop them, have them go on, and look at them.

None of these needs a network; what a step does is its own affair.
"""

import contextlib
import dataclasses
import sys
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.commands import flow_snapshot
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing, moment
from juno_snap.cli.words import seconds
from juno_snap.errors import ConfigError, NotFoundError, PreconditionError
from juno_snap.flow.engine import RunOptions, RunReport, run_flow
from juno_snap.flow.flow import Flow
from juno_snap.flow.load import load_flow
from juno_snap.flow.model import (
    SNAPSHOT_MAX_BYTES,
    FlowRecord,
    FlowState,
    RunRecord,
    StepSnapshot,
    decode,
)
from juno_snap.flow.space import FlowSpace
from juno_snap.pipeline.report import rfc3339

group: Final = typer.Typer(no_args_is_help=True)

Document = dict[str, object]
FlowName = Annotated[str, typer.Argument(metavar="FLOW", help="The name of a flow.")]
STOP_TIMEOUT_SECONDS: Final = 60.0
GOES_ON: Final = ("stopped", "interrupted", "needs-attention")


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    if flow_snapshot.group not in [each.typer_instance for each in group.registered_groups]:
        group.add_typer(
            flow_snapshot.group, name="snapshot", help="List, show, set and reset step snapshots."
        )
    app.add_typer(group, name=name, help=line)


@group.command("list")
@spread
def list_flows(common: CommonOptions) -> None:
    """The flows that were ever run with this state directory."""
    session = Session(common)
    space = FlowSpace(state=session.state)
    documents, rows = [], []
    for each in space.flows():
        record = each.record
        documents.append(_flow_json(record, each.last, each.state))
        rows.append((record.name, each.state, ", ".join(record.steps), record.source or None))
    headings = ["FLOW", "STATE", "STEPS", "SOURCE"]
    session.output.show({"flows": documents}, lambda: listing(headings, rows))


@group.command("run")
@spread
def run(
    common: CommonOptions,
    source: Annotated[
        str, typer.Argument(metavar="FILE.py:NAME|FILE.toml", help="Where the flow is declared.")
    ],
    message: Annotated[
        str | None, typer.Option(metavar="JSON", help="What the first step gets.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Leave an unfinished run behind; step snapshots stay.")
    ] = False,
    drop_state: Annotated[
        bool, typer.Option("--drop-state", help="Forget what steps hold that are gone.")
    ] = False,
) -> None:
    """Run a flow to its end. A run that was stopped or killed goes on where it was."""
    session = Session(common)
    options = RunOptions(
        message=None if message is None else decode(message), is_anew=new, drops=drop_state
    )
    flow, origin = _load(source)
    _run(session, flow, options, origin)


@group.command("resume")
@spread
def resume(
    common: CommonOptions,
    name: FlowName,
    drop_state: Annotated[
        bool, typer.Option("--drop-state", help="Forget what steps hold that are gone.")
    ] = False,
) -> None:
    """Go on with a run that was stopped, was killed, or failed as often as it may."""
    session = Session(common)
    space = FlowSpace(state=session.state)
    record, last = _found(space, name)
    state = space.state_of(name, last)
    if state not in {*GOES_ON, "running"}:
        raise NotFoundError(
            f"flow {name!r} has no unfinished run: its last one is {state}",
            code="nothing-to-resume",
            hint="begin a new one with: juno-snap flow run",
        )
    if not record.source:
        raise PreconditionError(
            f"flow {name!r} was run by a program of its own",
            code="no-flow-file",
            hint="run that program again, with again=True if a step has failed too often; a "
            "fleet goes on with: juno-snap fleet resume FILE",
        )
    flow, origin = _load(record.source)
    if flow.name != name:
        raise ConfigError(
            f"{record.source} is flow {flow.name!r} now", source=record.source, key="name"
        )
    _run(session, flow, RunOptions(is_again=True, drops=drop_state), origin)


@group.command("stop")
@spread
def stop(
    common: CommonOptions,
    name: FlowName,
    timeout_seconds: Annotated[
        float, typer.Option(min=0, metavar="N", help="How long to wait for it.")
    ] = STOP_TIMEOUT_SECONDS,
) -> None:
    """Ask a flow that runs to stop, and wait until it has; one that does not run is fine."""
    session = Session(common)
    space = FlowSpace(state=session.state)
    space.check_known(name)
    was_running = space.is_running(name)
    if not session.run(space.stop(name, timeout_seconds=timeout_seconds)):
        raise PreconditionError(
            f"flow {name!r} still runs after {timeout_seconds:g} s",
            code="still-running",
            hint="a step that takes long ends at its next emit; wait, or end its process",
        )
    said = "stopped" if was_running else "was not running"
    session.output.show({"flow": name, "was_running": was_running}, lambda: Text(f"{name} {said}"))


@group.command("status")
@spread
def status(common: CommonOptions, name: FlowName) -> None:
    """What a flow is doing, how far its steps have come, and what their snapshots take."""
    session = Session(common)
    space = FlowSpace(state=session.state)
    record, last = _found(space, name)
    with space.open() as store:
        snapshots = {each.step: each for each in store.snapshots(name)}
    state = space.state_of(name, last)
    document = _flow_json(record, last, state)
    document["steps"] = [_step_json(step, last, snapshots.get(step)) for step in record.steps]
    session.output.show(document, lambda: _status_told(record, last, state, snapshots))


def _load(source: str) -> tuple[Flow, str]:
    # A file may print when it is imported, as its steps may; standard output has the result.
    with contextlib.redirect_stdout(sys.stderr):
        return load_flow(source)


def _run(session: Session, flow: Flow, options: RunOptions, origin: str) -> None:
    space = FlowSpace(state=session.state)
    options = dataclasses.replace(options, source=origin)

    async def work() -> RunReport:
        # What steps print is for people; standard output has the result.
        with session.output.watch() as observer, contextlib.redirect_stdout(sys.stderr):
            return await run_flow(flow, space, options, observer=observer)

    report = session.run(work())
    session.output.report({"run": _report_json(report)}, lambda: _report_told(report))


def _found(space: FlowSpace, name: str) -> tuple[FlowRecord, RunRecord | None]:
    space.check_known(name)
    with space.open() as store:
        return store.flow(name), next(iter(store.runs(name)), None)


def _flow_json(record: FlowRecord, last: RunRecord | None, state: FlowState) -> Document:
    return {
        "flow": record.name,
        "state": state,
        "source": record.source or None,
        "owner": record.owner,
        "step_ids": list(record.steps),
        "run": None if last is None else _run_json(last),
    }


def _run_json(run: RunRecord) -> Document:
    return {
        "run": run.id,
        "began_at": rfc3339(run.began_at_ns),
        "ended_at": None if run.ended_at_ns is None else rfc3339(run.ended_at_ns),
        "error": run.error,
    }


def _step_json(step: str, run: RunRecord | None, snapshot: StepSnapshot | None) -> Document:
    return {
        "step": step,
        "messages": _messages(step, run),
        "snapshot": None if snapshot is None else flow_snapshot.snapshot_facts(snapshot),
    }


def _messages(step: str, run: RunRecord | None) -> dict[str, int]:
    counted = run.units.get(step, {}) if run else {}
    return {state: counted.get(state, 0) for state in ("pending", "begun", "done", "failed")}


def _report_json(report: RunReport) -> Document:
    return {
        "flow": report.run.flow,
        **_run_json(report.run),
        "state": report.state,
        "goes_on": report.goes_on,
        "duration_ms": report.duration_ms,
        "messages": {step: dict(counted) for step, counted in report.run.units.items() if step},
        "outputs": list(report.outputs),
    }


def _report_told(report: RunReport) -> RenderableType:
    how = " (it went on)" if report.goes_on else ""
    lines = [f"{report.run.flow} {report.state} in {seconds(report.duration_ms)}{how}"]
    lines += [f"out: {output}" for output in report.outputs]
    return Group(*(Text(line) for line in lines))


def _status_told(
    record: FlowRecord,
    last: RunRecord | None,
    state: FlowState,
    snapshots: dict[str, StepSnapshot],
) -> RenderableType:
    rows: list[tuple[str, object]] = [
        ("flow", record.name),
        ("state", state),
        ("source", record.source or "a program of its own"),
        ("who", record.owner),
        ("began", moment(last.began_at_ns) if last else None),
        ("error", last.error if last else None),
    ]
    steps = []
    for step in record.steps:
        counted, snapshot = _messages(step, last), snapshots.get(step)
        size = f"{snapshot.size_bytes} of {SNAPSHOT_MAX_BYTES} B" if snapshot else None
        when = moment(snapshot.updated_at_ns) if snapshot else None
        left = counted["pending"] + counted["begun"]
        steps.append((step, counted["done"], left, counted["failed"], size, when))
    headings = ["STEP", "DONE", "LEFT", "FAILED", "STEP SNAPSHOT", "WRITTEN"]
    return Group(facts(rows), Text(""), listing(headings, steps))
