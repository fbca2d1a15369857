"""Reading and changing the rows of the journal, inside a transaction that somebody else holds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sql

from juno_snap.database.rows import Condition, Found, add, find, replace
from juno_snap.database.sqlite import leaving_pages
from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.journal.envelopes import seal, unseal
from juno_snap.pipeline.journal.records import (
    CallRecord,
    OperationRecord,
    SnapshotNote,
    StepRecord,
)
from juno_snap.pipeline.journal.rows import (
    OPEN,
    call_record,
    call_row,
    operation_record,
    snapshot_row,
    step_record,
)
from juno_snap.pipeline.journal.schema import (
    CALLS,
    ENVELOPES,
    OPERATIONS,
    SNAPSHOTS,
    STEPS,
)


def operation_found(connection: sql.Connection, operation: str) -> Found:
    """The row of an operation.

    Raises:
        NotFoundError: There is none.
    """
    rows = find(connection, OPERATIONS, OPERATIONS.c.id == operation)
    if not rows:
        raise NotFoundError(
            f"the journal knows no operation {operation!r}",
            hint="list them with: juno-snap history",
        )
    return rows[0]


def step_found(connection: sql.Connection, operation: str, number: int) -> Found:
    """The row of a step.

    Raises:
        NotFoundError: There is none.
    """
    rows = find(connection, STEPS, is_step(operation, number))
    if not rows:
        raise NotFoundError(f"the journal knows no step {number} of operation {operation!r}")
    return rows[0]


def operations_of(
    connection: sql.Connection, found: Sequence[Found]
) -> tuple[OperationRecord, ...]:
    """The operations of these rows, in the same order, with their steps and calls."""
    names = [row["id"] for row in found]
    calls = defaultdict[tuple[str, int], list[CallRecord]](list)
    for row, call in calls_found(connection, CALLS.c.operation.in_(names)):
        calls[row["operation"], row["step"]].append(call)
    steps = defaultdict[str, list[StepRecord]](list)
    for row in find(connection, STEPS, STEPS.c.operation.in_(names), STEPS.c.number):
        step = step_record(row, calls[row["operation"], row["number"]])
        steps[row["operation"]].append(step)
    return tuple(operation_record(row, steps[row["id"]]) for row in found)


def calls_found(connection: sql.Connection, condition: Condition) -> list[tuple[Found, CallRecord]]:
    """The calls that meet ``condition``, each with its row, by position.

    Raises:
        BrokenRowError: One, or its envelope, is not what was written.
    """
    rows = find(connection, CALLS, condition, CALLS.c.position)
    places = [row["envelope"] for row in rows if row["key"] is not None]
    query = sql.select(ENVELOPES).where(ENVELOPES.c.place.in_(places))
    sealed = {row.place: row.sealed for row in connection.execute(query)} if places else {}

    def body(row: Found) -> bytes | None:
        if row["key"] is None:
            return None
        return unseal(sealed.get(row["envelope"]), row["key"], row["request_id"])

    return [(row, call_record(row, body(row))) for row in rows]


def add_calls(
    connection: sql.Connection,
    operation: str,
    number: int,
    calls: Iterable[CallRecord],
    *,
    first: int = 0,
) -> None:
    """Add calls to a step that has ``first`` of them; what is open keeps its envelope."""
    for position, call in enumerate(calls, first):
        sealed = _sealed(connection, call)
        add(connection, CALLS, call_row(operation, number, position, call, sealed))


def put_calls(
    connection: sql.Connection, operation: str, number: int, calls: Iterable[CallRecord]
) -> None:
    """Add calls to a step; one whose request id is there already is written in its place."""
    here = is_of_step(operation, number)
    new = {call.request_id: call for call in calls}
    for old in find(connection, CALLS, here & CALLS.c.request_id.in_(new)) if new else ():
        call = new.pop(old["request_id"])
        row = call_row(operation, number, old["position"], call, _sealed(connection, call))
        replace(connection, CALLS, _is_call(old), row)
        _remove_sealed(connection, [old])
    if new:
        first = connection.scalar(sql.select(sql.func.count()).where(here)) or 0
        add_calls(connection, operation, number, new.values(), first=first)


def remove_bodies(connection: sql.Connection, operation: str) -> None:
    """Remove the envelopes of all calls of an operation."""
    signed = (CALLS.c.operation == operation) & CALLS.c.key.is_not(None)
    rows = find(connection, CALLS, signed)
    for row in rows:
        replace(connection, CALLS, _is_call(row), {**row, "envelope": None, "key": None})
    _remove_sealed(connection, rows)


def _sealed(connection: sql.Connection, call: CallRecord) -> tuple[int, bytes] | None:
    """Seal the envelope of an open call: its place and its key; none where it has none."""
    if call.body is None or call.state != OPEN:
        return None
    key, sealed = seal(call.body, call.request_id)
    place: int = connection.execute(sql.insert(ENVELOPES), {"sealed": sealed}).lastrowid
    return place, key


def _remove_sealed(connection: sql.Connection, calls: Iterable[Found]) -> None:
    """Remove what was sealed with keys that are gone."""
    places = [call["envelope"] for call in calls if call["envelope"] is not None]
    if places:
        with leaving_pages(connection):
            connection.execute(sql.delete(ENVELOPES).where(ENVELOPES.c.place.in_(places)))


def put_note(
    connection: sql.Connection,
    root_key: bytes,
    module: Principal,
    note: SnapshotNote,
    *,
    takes_label: bool = False,
) -> None:
    """Write down what is known of a snapshot; what ``note`` leaves out stays.

    ``takes_label``: another snapshot that has the label loses it.

    Raises:
        PreconditionError: Another snapshot of the module has the label (``label-taken``).
    """
    here = is_in(root_key, module)
    if note.label is not None:
        for row in find(connection, SNAPSHOTS, here & (SNAPSHOTS.c.label == note.label)):
            if row["id"] != note.id.raw and takes_label:
                other = here & (SNAPSHOTS.c.id == row["id"])
                replace(connection, SNAPSHOTS, other, {**row, "label": None})
            elif row["id"] != note.id.raw:
                raise PreconditionError(
                    f"the label {note.label!r} is taken by snapshot {SnapshotId(row['id'])}",
                    code="label-taken",
                    hint="take another label",
                )
    row = snapshot_row(root_key, module, note)
    this = here & (SNAPSHOTS.c.id == note.id.raw)
    old = find(connection, SNAPSHOTS, this)
    if old:
        said = {name: value for name, value in row.items() if value is not None}
        replace(connection, SNAPSHOTS, this, {**old[0], **said})
    else:
        add(connection, SNAPSHOTS, row)


def is_step(operation: str, number: int) -> Condition:
    """Which row a step is."""
    return (STEPS.c.operation == operation) & (STEPS.c.number == number)


def is_of_step(operation: str, number: int) -> Condition:
    """Which calls are a step's."""
    return (CALLS.c.operation == operation) & (CALLS.c.step == number)


def _is_call(row: Found) -> Condition:
    position: int = row["position"]
    return is_of_step(row["operation"], row["step"]) & (CALLS.c.position == position)


def is_in(root_key: bytes, module: Principal) -> Condition:
    """Which snapshots are a module's."""
    return (SNAPSHOTS.c.root_key == root_key) & (SNAPSHOTS.c.module == module.raw)


def is_of(root_key: bytes | None, module: Principal | None) -> Condition:
    """Which operations are a network's, a module's, or both; none means any."""
    of_network = sql.true() if root_key is None else OPERATIONS.c.root_key == root_key
    of_module = sql.true() if module is None else OPERATIONS.c.module == module.raw
    return sql.and_(of_network, of_module)
