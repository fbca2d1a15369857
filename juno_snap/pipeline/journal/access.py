"""Reading and changing the rows of the journal, inside a transaction that somebody else holds."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sql

from juno_snap.database.rows import Found, Where, add, find, remove, replace
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

ENVELOPE_AT: Final = sql.select(ENVELOPES.c.sealed).where(ENVELOPES.c.place == sql.bindparam("at"))


def operation_found(connection: sql.Connection, operation: str) -> Found:
    """The row of an operation.

    Raises:
        NotFoundError: There is none.
    """
    rows = find(connection, OPERATIONS, {"id": operation})
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
    return tuple(operation_record(row, _steps_of(connection, row["id"])) for row in found)


def _steps_of(connection: sql.Connection, operation: str) -> list[StepRecord]:
    calls = defaultdict[int, list[CallRecord]](list)
    for row, call in calls_found(connection, {"operation": operation}):
        calls[row["step"]].append(call)
    steps = find(connection, STEPS, {"operation": operation}, STEPS.c.number)
    return [step_record(row, calls[row["number"]]) for row in steps]


def calls_found(connection: sql.Connection, where: Where) -> list[tuple[Found, CallRecord]]:
    """The calls that meet ``where``, each with its row, by position.

    Raises:
        BrokenRowError: One, or its envelope, is not what was written.
    """
    rows = find(connection, CALLS, where, CALLS.c.position)
    places = [row["envelope"] for row in rows if row["key"] is not None]
    sealed = {place: connection.scalar(ENVELOPE_AT, {"at": place}) for place in places}

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
    found = [find(connection, CALLS, {**here, "request_id": request_id}) for request_id in new]
    for old in itertools.chain.from_iterable(found):
        call = new.pop(old["request_id"])
        row = call_row(operation, number, old["position"], call, _sealed(connection, call))
        replace(connection, CALLS, _is_call(old), row)
        _remove_sealed(connection, [old])
    if new:
        first = len(find(connection, CALLS, here))
        add_calls(connection, operation, number, new.values(), first=first)


def remove_bodies(connection: sql.Connection, operation: str) -> None:
    """Remove the envelopes of all calls of an operation."""
    calls = find(connection, CALLS, {"operation": operation})
    rows = [row for row in calls if row["key"] is not None]
    for row in rows:
        replace(connection, CALLS, _is_call(row), {**row, "envelope": None, "key": None})
    _remove_sealed(connection, rows)


def _sealed(connection: sql.Connection, call: CallRecord) -> tuple[int, bytes] | None:
    """Seal the envelope of an open call: its place and its key; none where it has none."""
    if call.body is None or call.state != OPEN:
        return None
    key, sealed = seal(call.body, call.request_id)
    return add(connection, ENVELOPES, {"sealed": sealed}), key


def _remove_sealed(connection: sql.Connection, calls: Iterable[Found]) -> None:
    """Remove what was sealed with keys that are gone."""
    places = [call["envelope"] for call in calls if call["envelope"] is not None]
    if places:
        with leaving_pages(connection):
            for place in places:
                remove(connection, ENVELOPES, {"place": place})


def drop_label(connection: sql.Connection, this: Where) -> None:
    """Leave the snapshot that is ``this`` without a label."""
    for row in find(connection, SNAPSHOTS, this):
        replace(connection, SNAPSHOTS, this, {**row, "label": None})


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
        for row in find(connection, SNAPSHOTS, {**here, "label": note.label}):
            if row["id"] != note.id.raw and takes_label:
                drop_label(connection, {**here, "id": row["id"]})
            elif row["id"] != note.id.raw:
                raise PreconditionError(
                    f"the label {note.label!r} is taken by snapshot {SnapshotId(row['id'])}",
                    code="label-taken",
                    hint="take another label",
                )
    row = snapshot_row(root_key, module, note)
    this = {**here, "id": note.id.raw}
    old = find(connection, SNAPSHOTS, this)
    if old:
        said = {name: value for name, value in row.items() if value is not None}
        replace(connection, SNAPSHOTS, this, {**old[0], **said})
    else:
        add(connection, SNAPSHOTS, row)


def remove_absent(
    connection: sql.Connection, root_key: bytes, module: Principal, present: Iterable[SnapshotId]
) -> None:
    """Forget the snapshots of a module that are not ``present`` any more."""
    here, kept = is_in(root_key, module), {snapshot.raw for snapshot in present}
    for row in find(connection, SNAPSHOTS, here):
        if row["id"] not in kept:
            remove(connection, SNAPSHOTS, {**here, "id": row["id"]})


def is_step(operation: str, number: int) -> Where:
    """Which row a step is."""
    return {"operation": operation, "number": number}


def is_of_step(operation: str, number: int) -> Where:
    """Which calls are a step's."""
    return {"operation": operation, "step": number}


def _is_call(row: Found) -> Where:
    return {**is_of_step(row["operation"], row["step"]), "position": row["position"]}


def is_in(root_key: bytes, module: Principal) -> Where:
    """Which snapshots are a module's."""
    return {"root_key": root_key, "module": module.raw}


def is_of(root_key: bytes | None, module: Principal | None) -> Where:
    """Which operations are a network's, a module's, or both; none means any."""
    of_network = {} if root_key is None else {"root_key": root_key}
    of_module = {} if module is None else {"module": module.raw}
    return {**of_network, **of_module}
