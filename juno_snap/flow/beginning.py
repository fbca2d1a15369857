"""How a run begins: a new one, or the one that was stopped or killed goes on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from juno_snap.database.rows import Connection, Found, add, find
from juno_snap.errors import PreconditionError
from juno_snap.flow import edits
from juno_snap.flow.access import (
    add_units,
    flow_found,
    open_steps,
    put_flow,
    put_run,
    put_unit,
    remove_runs,
    remove_units,
    runs_found,
    snapshots_found,
    units_found,
)
from juno_snap.flow.model import Claim, NewUnit
from juno_snap.flow.schema import FLOWS, RUNS, UNITS

RUNS_KEPT: Final = 20
"""Of each flow, with their units."""

UNFINISHED: Final = ("running", "stopped", "needs-attention")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """Who wants to run what."""

    flow: str
    steps: Sequence[str]
    source: str
    owner: str
    run: str
    """The name of the run, if it is a new one."""
    at_ns: int
    message: str | None = None
    """What the first step gets, as JSON; none: an empty object, or what it got before."""
    is_anew: bool = False
    """Leave an unfinished run behind."""
    is_again: bool = False
    """Go on with a run that has failed as often as it may."""
    drops: bool = False
    """Forget the step snapshots of steps that are gone."""


def begin_run(connection: Connection, new: NewRun) -> tuple[Claim, bool]:
    """The claim of the run, and whether it is one that goes on.

    Raises:
        PreconditionError: A step that is gone has a snapshot or unfinished work
            (``step-dropped``); the last run has failed as often as it may (``needs-attention``);
            it is unfinished and has another message (``run-unfinished``).
    """
    _put_flow(connection, new)
    last = next(iter(runs_found(connection, new.flow, limit=1)), None)
    goes_on = last is not None and last["state"] in UNFINISHED and not new.is_anew
    _check_steps(connection, new, last["id"] if last is not None and goes_on else None)
    row = flow_found(connection, new.flow)
    if last is not None and goes_on:
        run = last["id"]
        _go_on(connection, new, last, row["fence"])
    else:
        run = new.run
        if last is not None and last["state"] in UNFINISHED:
            put_run(connection, {**last, "state": "abandoned"})
        _add_run(connection, new, row["fence"])
    return Claim(flow=new.flow, run=run, fence=row["fence"], epoch=row["epoch"]), goes_on


def _put_flow(connection: Connection, new: NewRun) -> None:
    """Write down the flow with a higher fence: whoever ran it before may not write any more."""
    rows = find(connection, FLOWS, {"flow": new.flow})
    said = {
        "flow": new.flow,
        "steps": json.dumps(list(new.steps)),
        "source": new.source,
        "owner": new.owner,
        "lease_until_ns": 0,
        "stop_asked": 0,
    }
    if rows:
        put_flow(connection, {**rows[0], **said, "fence": rows[0]["fence"] + 1})
    else:
        add(connection, FLOWS, {**said, "fence": 1, "epoch": 1})


def _check_steps(connection: Connection, new: NewRun, run: str | None) -> None:
    """Refuse to lose the state of steps that are gone, or drop it."""
    held = [each.step for each in snapshots_found(connection, new.flow)]
    gone = [step for step in held if step not in new.steps]
    if run is not None:
        gone += sorted(open_steps(connection, run) - set(new.steps) - set(gone))
    if not gone:
        return
    if not new.drops:
        raise PreconditionError(
            f"flow {new.flow!r} has no step {gone[0]!r} any more, which holds a step snapshot or "
            "unfinished work",
            code="step-dropped",
            hint="give the step its old name back, or say --drop-state to forget what it holds",
        )
    dropped = [step for step in gone if step in held]
    if dropped:
        edits.drop(connection, new.flow, dropped, edits.Editor(name=new.owner, at_ns=new.at_ns))
    if run is not None:
        remove_units(connection, run, gone)


def _go_on(connection: Connection, new: NewRun, last: Found, fence: int) -> None:
    if last["state"] == "needs-attention" and not new.is_again:
        raise PreconditionError(
            f"the last run of flow {new.flow!r} has failed as often as it may: {last['error']}",
            code="needs-attention",
            hint=f"mend what is wrong, then: juno-snap flow resume {new.flow}; or begin anew "
            "with --new, which keeps the step snapshots",
        )
    said = new.message
    if said is not None and said != _first_message(connection, last["id"], new.steps[0]):
        raise PreconditionError(
            f"the last run of flow {new.flow!r} is unfinished and has another message",
            code="run-unfinished",
            hint="leave the message away to go on with it, or say --new to leave it behind",
        )
    going = {"fence": fence, "state": "running", "ended_at_ns": None, "error": None}
    put_run(connection, {**last, **going})
    if new.is_again:
        for unit in units_found(connection, last["id"], UNITS.c.state.in_(("begun", "failed"))):
            put_unit(connection, last["id"], unit.again())


def _first_message(connection: Connection, run: str, step: str) -> str | None:
    units = units_found(connection, run, (UNITS.c.step == step) & (UNITS.c.position == 1))
    return units[0].message if units else None


def _add_run(connection: Connection, new: NewRun, fence: int) -> None:
    remove_runs(
        connection, [row["id"] for row in runs_found(connection, new.flow, skip=RUNS_KEPT - 1)]
    )
    row = {
        "id": new.run,
        "flow": new.flow,
        "fence": fence,
        "state": "running",
        "error": None,
        "began_at_ns": new.at_ns,
        "ended_at_ns": None,
    }
    add(connection, RUNS, row)
    first = NewUnit(message="{}" if new.message is None else new.message)
    add_units(connection, new.run, [(new.steps[0], first)])
