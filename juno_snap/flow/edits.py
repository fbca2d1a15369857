"""What people change: set, reset and undo step snapshots, and drop those of steps that are gone.

Each is for a flow that does not run: who calls these holds its lock. Each makes a new epoch, so
that what a dead run still had to write is worth nothing, and keeps the old body for ``undo``. An
undo is a change like the others: undone, it is done again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sql

from juno_snap.database.rows import Found, add, find
from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.flow.access import (
    flow_found,
    flow_record,
    put_flow,
    put_snapshot,
    remove_snapshot,
    snapshots_found,
)
from juno_snap.flow.model import Change, LastChange, StepSnapshot, version_of
from juno_snap.flow.schema import CHANGES

CHANGES_KEPT: Final = 20
"""Of each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """Who changes something, and when."""

    name: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What has to be there, for a change that is made to what somebody has seen."""

    exists: bool | None = None
    versions: tuple[str, ...] | None = None
    """One of these is its ``StepSnapshot.version``; of a flow as a whole, its ``version_of``."""


ANYTHING: Final = Expected()


def set_snapshot(
    connection: sql.Connection,
    flow: str,
    step: str,
    body: str,
    editor: Editor,
    expected: Expected = ANYTHING,
) -> StepSnapshot:
    """Give a step this snapshot, in place of the one it has.

    Raises:
        NotFoundError: No such flow or step; or none to replace (``no-step-snapshot``).
        PreconditionError: There is one (``step-snapshot-exists``), or another than was expected
            (``step-snapshot-stale``).
    """
    _check_step(connection, flow, step)
    _check_expected(connection, flow, step, expected)
    _change(connection, flow, {step: body}, "set", editor)
    return snapshots_found(connection, flow, step)[0]


def reset(
    connection: sql.Connection,
    flow: str,
    step: str | None,
    editor: Editor,
    expected: Expected = ANYTHING,
) -> tuple[str, ...]:
    """Remove the snapshot of a step, or of every step; which ones had one.

    Raises:
        NotFoundError: No such flow or step; or none to remove and one was expected.
        PreconditionError: There is another than was expected (``step-snapshot-stale``).
    """
    _check_any(connection, flow, step, expected)
    steps = tuple(each.step for each in snapshots_found(connection, flow, step))
    if steps:
        _change(connection, flow, dict.fromkeys(steps), "reset", editor)
    return steps


def undo(
    connection: sql.Connection,
    flow: str,
    step: str | None,
    editor: Editor,
    expected: Expected = ANYTHING,
) -> tuple[str, ...]:
    """Bring back what the last change of a step, or of the flow, has replaced; the steps of it.

    Raises:
        NotFoundError: No such flow or step, or nothing was changed (``nothing-to-undo``).
        PreconditionError: There is another than was expected (``step-snapshot-stale``).
    """
    _check_any(connection, flow, step, expected)
    last = _last_rows(connection, flow, step)
    if not last:
        whose = f"step {step!r} of flow {flow!r}" if step else f"flow {flow!r}"
        raise NotFoundError(f"nothing of {whose} was changed by hand", code="nothing-to-undo")
    bodies = {row["step"]: row["old_body"] for row in last}
    _change(connection, flow, bodies, "undo", editor)
    return tuple(sorted(bodies))


def last_change(connection: sql.Connection, flow: str) -> LastChange | None:
    """The last change of a flow, if there was one."""
    rows = _last_rows(connection, flow, None)
    if not rows:
        return None
    steps = tuple(sorted(row["step"] for row in rows))
    return LastChange(kind=rows[0]["kind"], steps=steps, at_ns=rows[0]["at_ns"])


def drop(connection: sql.Connection, flow: str, steps: Sequence[str], editor: Editor) -> None:
    """Remove the snapshots of steps that the flow has no more."""
    _change(connection, flow, dict.fromkeys(steps), "drop", editor)


def _change(
    connection: sql.Connection,
    flow: str,
    bodies: Mapping[str, str | None],
    kind: Change,
    editor: Editor,
) -> None:
    """Write new bodies (None: remove), keep the old ones, and begin a new epoch."""
    row = dict(flow_found(connection, flow))
    epoch: int = row["epoch"] + 1
    put_flow(connection, {**row, "epoch": epoch})
    for step, body in bodies.items():
        old = next(iter(snapshots_found(connection, flow, step)), None)
        change = {
            "change": epoch,
            "flow": flow,
            "step": step,
            "kind": kind,
            "old_body": None if old is None else old.body,
            "actor": editor.name,
            "at_ns": editor.at_ns,
        }
        add(connection, CHANGES, change)
        _forget_old(connection, flow, step)
        if body is None:
            remove_snapshot(connection, flow, step)
            continue
        snapshot = StepSnapshot(
            step=step,
            body=body,
            epoch=epoch,
            sequence=1 + (old.sequence if old else 0),
            run=None,
            updated_at_ns=editor.at_ns,
        )
        put_snapshot(connection, flow, snapshot)


def _last_rows(connection: sql.Connection, flow: str, step: str | None) -> list[Found]:
    """The last change of a step or of a flow: a row for each step that it has changed."""
    condition = CHANGES.c.flow == flow
    if step is not None:
        condition &= CHANGES.c.step == step
    last = find(connection, CHANGES, condition, CHANGES.c.change.desc(), limit=1)
    if not last:
        return []
    return find(connection, CHANGES, condition & (CHANGES.c.change == last[0]["change"]))


def _forget_old(connection: sql.Connection, flow: str, step: str) -> None:
    here = (CHANGES.c.flow == flow) & (CHANGES.c.step == step)
    newest = sql.select(CHANGES.c.change).where(here).order_by(CHANGES.c.change.desc())
    kept = newest.limit(CHANGES_KEPT).scalar_subquery()
    connection.execute(sql.delete(CHANGES).where(here & CHANGES.c.change.not_in(kept)))


def _check_step(connection: sql.Connection, flow: str, step: str) -> None:
    steps = flow_record(flow_found(connection, flow)).steps
    if step not in steps:
        raise NotFoundError(
            f"flow {flow!r} has no step {step!r}",
            code="no-such-step",
            hint=f"its steps are {', '.join(steps)}",
        )


def _check_any(connection: sql.Connection, flow: str, step: str | None, expected: Expected) -> None:
    """Accept what was expected of a step, or of a flow as a whole."""
    row = flow_found(connection, flow)
    if step is not None:
        _check_step(connection, flow, step)
        _check_expected(connection, flow, step, expected)
    elif expected.versions is not None:
        version = version_of(row["epoch"], snapshots_found(connection, flow))
        if version not in expected.versions:
            raise _stale(f"the step snapshots of flow {flow!r} are not those that were read")


def _check_expected(connection: sql.Connection, flow: str, step: str, expected: Expected) -> None:
    found = next(iter(snapshots_found(connection, flow, step)), None)
    if expected.exists is True and found is None:
        raise NotFoundError(
            f"step {step!r} of flow {flow!r} has no step snapshot", code="no-step-snapshot"
        )
    if expected.exists is False and found is not None:
        raise PreconditionError(
            f"step {step!r} of flow {flow!r} has a step snapshot already",
            code="step-snapshot-exists",
            hint="replace it, or reset the step first",
        )
    if expected.versions is not None and (found is None or found.version not in expected.versions):
        raise _stale(f"the step snapshot of {step!r} of flow {flow!r} is not the one that was read")


def _stale(message: str) -> PreconditionError:
    return PreconditionError(
        message, code="step-snapshot-stale", hint="read again, and decide anew"
    )
