"""Reading and changing the rows of flows, inside a transaction that somebody else holds."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sql

from juno_snap.database.rows import Condition, Found, Row, Where, add, find, remove, replace
from juno_snap.errors import NotFoundError
from juno_snap.flow.model import Claim, FlowRecord, NewUnit, RunRecord, StepSnapshot, Unit
from juno_snap.flow.schema import FLOWS, RUNS, STEP_SNAPSHOTS, UNITS

NEWEST_FIRST: Final = RUNS.c.fence.desc()
LAST_POSITION: Final = sql.select(sql.func.max(UNITS.c.position)).where(
    UNITS.c.run == sql.bindparam("of_run"), UNITS.c.step == sql.bindparam("of_step")
)


def flow_found(connection: sql.Connection, flow: str) -> Found:
    """The row of a flow.

    Raises:
        NotFoundError: It was never run.
    """
    rows = find(connection, FLOWS, {"flow": flow})
    if not rows:
        raise NotFoundError(
            f"there is no flow {flow!r}",
            code="no-such-flow",
            hint="list them with: juno-snap flow list; a flow is known once it has been run",
        )
    return rows[0]


def put_flow(connection: sql.Connection, row: Row) -> None:
    """Write a flow's row in place of the old one."""
    replace(connection, FLOWS, {"flow": row["flow"]}, row)


def holds(connection: sql.Connection, claim: Claim) -> bool:
    """Whether the run of ``claim`` may still write."""
    rows = find(connection, FLOWS, {"flow": claim.flow})
    return bool(rows) and (rows[0]["fence"], rows[0]["epoch"]) == (claim.fence, claim.epoch)


def flow_record(row: Found) -> FlowRecord:
    """A flow out of its row."""
    return FlowRecord(
        name=row["flow"],
        steps=tuple(json.loads(row["steps"])),
        source=row["source"],
        epoch=row["epoch"],
        fence=row["fence"],
        owner=row["owner"],
    )


def snapshots_found(
    connection: sql.Connection, flow: str, step: str | None = None
) -> list[StepSnapshot]:
    """The step snapshots of a flow, or of one step."""
    where = {"flow": flow} if step is None else is_snapshot(flow, step)
    rows = find(connection, STEP_SNAPSHOTS, where, STEP_SNAPSHOTS.c.step)
    return [
        StepSnapshot(
            step=row["step"],
            body=row["body"],
            epoch=row["epoch"],
            sequence=row["sequence"],
            run=row["run"],
            updated_at_ns=row["updated_at_ns"],
        )
        for row in rows
    ]


def put_snapshot(connection: sql.Connection, flow: str, snapshot: StepSnapshot) -> None:
    """Write a step snapshot, unless one of the same or a higher sequence is there."""
    old = snapshots_found(connection, flow, snapshot.step)
    row: Row = {
        "flow": flow,
        "step": snapshot.step,
        "epoch": snapshot.epoch,
        "sequence": snapshot.sequence,
        "body": snapshot.body,
        "run": snapshot.run,
        "updated_at_ns": snapshot.updated_at_ns,
    }
    if not old:
        add(connection, STEP_SNAPSHOTS, row)
    elif old[0].sequence < snapshot.sequence:
        replace(connection, STEP_SNAPSHOTS, is_snapshot(flow, snapshot.step), row)


def remove_snapshot(connection: sql.Connection, flow: str, step: str) -> None:
    """Remove a step snapshot; none is no error."""
    remove(connection, STEP_SNAPSHOTS, is_snapshot(flow, step))


def is_snapshot(flow: str, step: str) -> Where:
    """Which row a step snapshot is."""
    return {"flow": flow, "step": step}


def runs_found(
    connection: sql.Connection, flow: str, *, limit: int | None = None, skip: int = 0
) -> list[Found]:
    """The runs of a flow, newest first."""
    rows = find(connection, RUNS, {"flow": flow}, NEWEST_FIRST, limit=limit)
    return rows[skip:]


def run_record(connection: sql.Connection, row: Found) -> RunRecord:
    """A run out of its row, its units counted."""
    query = (
        sql.select(UNITS.c.step, UNITS.c.state, sql.func.count())
        .where(UNITS.c.run == row["id"])
        .group_by(UNITS.c.step, UNITS.c.state)
    )
    units = defaultdict[str, dict[str, int]](dict)
    for step, state, count in connection.execute(query):
        units[step][state] = count
    return RunRecord(
        id=row["id"],
        flow=row["flow"],
        state=row["state"],
        began_at_ns=row["began_at_ns"],
        ended_at_ns=row["ended_at_ns"],
        error=row["error"],
        units=dict(units),
    )


def put_run(connection: sql.Connection, row: Row) -> None:
    """Write a run's row in place of the old one."""
    replace(connection, RUNS, {"id": row["id"]}, row)


def remove_runs(connection: sql.Connection, ids: Sequence[str]) -> None:
    """Remove runs with all their units."""
    if ids:
        connection.execute(sql.delete(UNITS).where(UNITS.c.run.in_(ids)))
        connection.execute(sql.delete(RUNS).where(RUNS.c.id.in_(ids)))


def units_found(
    connection: sql.Connection, run: str, condition: Condition, *, limit: int | None = None
) -> list[Unit]:
    """Units of a run, by position."""
    rows = find(connection, UNITS, (UNITS.c.run == run) & condition, UNITS.c.position, limit=limit)
    return [
        Unit(
            step=row["step"],
            item=row["item"],
            position=row["position"],
            state=row["state"],
            attempts=row["attempts"],
            seen_sequence=row["seen_sequence"],
            message=row["message"],
            error=row["error"],
        )
        for row in rows
    ]


def put_unit(connection: sql.Connection, run: str, unit: Unit) -> None:
    """Write a unit's row in place of the old one."""
    replace(connection, UNITS, is_unit(run, unit.step, unit.item), unit_row(run, unit))


def add_units(connection: sql.Connection, run: str, units: Iterable[tuple[str, NewUnit]]) -> None:
    """Add messages, each to the end of its step; one whose item is there already is left out."""
    last: dict[str, int] = {}
    for step, new in units:
        if step not in last:
            here = {"of_run": run, "of_step": step}
            last[step] = connection.scalar(LAST_POSITION, here) or 0
        position = last[step] + 1
        item = f"#{position}" if new.item is None else new.item
        if new.item is not None and find(connection, UNITS, is_unit(run, step, item)):
            continue
        last[step] = position
        unit = Unit(
            step=step,
            item=item,
            position=position,
            state="pending" if step else "done",  # what comes out has no step to be done by
            attempts=0,
            seen_sequence=0,
            message=new.message,
            error=None,
        )
        add(connection, UNITS, unit_row(run, unit))


def unit_row(run: str, unit: Unit) -> Row:
    """A unit as a row."""
    return {
        "run": run,
        "step": unit.step,
        "item": unit.item,
        "position": unit.position,
        "state": unit.state,
        "attempts": unit.attempts,
        "seen_sequence": unit.seen_sequence,
        "message": unit.message,
        "error": unit.error,
    }


def open_steps(connection: sql.Connection, run: str) -> set[str]:
    """The steps with units that are not done."""
    query = sql.select(UNITS.c.step).where((UNITS.c.run == run) & (UNITS.c.state != "done"))
    return set(connection.execute(query.distinct()).scalars())


def remove_units(connection: sql.Connection, run: str, steps: Sequence[str]) -> None:
    """Remove all units of these steps."""
    gone = (UNITS.c.run == run) & UNITS.c.step.in_(steps)
    connection.execute(sql.delete(UNITS).where(gone))


def is_unit(run: str, step: str, item: str) -> Where:
    """Which row a unit is."""
    return {"run": run, "step": step, "item": item}
