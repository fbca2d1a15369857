"""The journal: written before and after every step, read by whoever comes later.

Each verb is one transaction, on disk when it returns. What is read back equals what was written, or
the file is damaged (``journal-damaged``). Every verb may raise:

    PreconditionError: ``journal-damaged``, ``journal-read-only`` or ``journal-full``; the message
        names the file, the hint says what to do.
    LockedError: ``journal-busy``: another process holds the file for more than ten seconds.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

import sqlalchemy as sql

from juno_snap.database.rows import add, find, replace
from juno_snap.database.sqlite import Database
from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.access import (
    add_calls,
    calls_found,
    drop_label,
    is_in,
    is_of,
    is_of_step,
    is_step,
    operation_found,
    operations_of,
    put_calls,
    put_note,
    remove_absent,
    remove_bodies,
    step_found,
)
from juno_snap.pipeline.journal.records import (
    CallRecord,
    Leg,
    NewOperation,
    OperationRecord,
    SnapshotNote,
    StepRecord,
    StepState,
)
from juno_snap.pipeline.journal.rows import (
    kept_of,
    operation_row,
    snapshot_note,
    step_record,
    step_row,
)
from juno_snap.pipeline.journal.schema import LAYOUT, OPERATIONS, SNAPSHOTS, STEPS, to_json
from juno_snap.version import __version__

NEWEST_FIRST: Final = OPERATIONS.c.place.desc()
LAST_STEP_FIRST: Final = STEPS.c.number.desc()


@final
class Journal:
    """Operations, their steps and calls, and what is known of snapshots; for one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, directory: Path) -> "Journal":
        """The journal of the state directory ``directory``; both are made where they are missing.

        Raises:
            PreconditionError: Also ``journal-newer``: a later version of this program wrote it.
        """
        return cls(Database.open(directory / JOURNAL_FILE, LAYOUT, __version__))

    @classmethod
    def in_memory(cls) -> "Journal":
        """A journal that nobody reads after this process."""
        return cls(Database.in_memory(LAYOUT, __version__))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def make_ready(self, reserve_bytes: int) -> None:
        """Be sure that an operation can be written to its end: keep room for it and try a write.

        ``reserve_bytes`` is at least what the records to come hold, bodies included. The room is
        kept until ``close``; a write that finds the disk full takes it.
        """
        self._database.make_ready(reserve_bytes)

    def begin(
        self,
        new: NewOperation,
        *,
        steps: Sequence[StepRecord] = (),
        present: Collection[SnapshotId] | None = None,
    ) -> None:
        """Write down an operation before its first step.

        ``steps`` were taken before, to look at the module: they have ended, and have no calls. Of
        snapshots that are not among those ``present`` nothing is known any more.

        Raises:
            PreconditionError: There is one of that id (``operation-exists``).
        """

        def work(connection: sql.Connection) -> None:
            if find(connection, OPERATIONS, {"id": new.id}):
                raise PreconditionError(
                    f"there is an operation {new.id} already",
                    code="operation-exists",
                    hint="run it again",
                )
            add(connection, OPERATIONS, operation_row(new))
            for step in steps:
                add(connection, STEPS, step_row(new.id, step))
            if present is not None:
                remove_absent(connection, new.root_key, new.module, present)

        self._database.write(work)

    def begin_step(
        self,
        operation: str,
        *,
        name: str,
        leg: Leg,
        at_ns: int,
        seen: Mapping[str, object] | None = None,
        calls: Sequence[CallRecord] = (),
    ) -> StepRecord:
        """Write down a step and the signed calls it is about to send.

        Raises:
            NotFoundError: There is no such operation.
        """

        def work(connection: sql.Connection) -> StepRecord:
            operation_found(connection, operation)
            steps = find(connection, STEPS, {"operation": operation}, LAST_STEP_FIRST, limit=1)
            number = 1 + (steps[0]["number"] if steps else 0)
            step = StepRecord(
                number=number, name=name, leg=leg, state="begun", began_at_ns=at_ns, seen=seen or {}
            )
            row = step_row(operation, step)
            add(connection, STEPS, row)
            add_calls(connection, operation, number, calls)
            return step_record(row, calls)  # not read back: envelopes are large

        return self._database.write(work)

    def add_calls(self, operation: str, number: int, calls: Sequence[CallRecord]) -> None:
        """Write down further signed calls of a step that was begun.

        Raises:
            NotFoundError: There is no such step.
        """

        def work(connection: sql.Connection) -> None:
            step_found(connection, operation, number)
            put_calls(connection, operation, number, calls)

        self._database.write(work)

    def end_step(
        self,
        operation: str,
        number: int,
        *,
        state: StepState,
        at_ns: int,
        evidence: Mapping[str, object],
        calls: Sequence[CallRecord] = (),
        notes: Sequence[SnapshotNote] = (),
    ) -> StepRecord:
        """Write down how a step ended, and what that says of snapshots.

        ``calls`` are those whose state changed; the envelope of one that is not open any more is
        removed. A step may be ended again, when more is known. A label passes on from the snapshot
        that had it: what has happened is never refused, and that snapshot may be gone.

        Raises:
            NotFoundError: There is no such step.
        """

        def work(connection: sql.Connection) -> StepRecord:
            old = step_record(step_found(connection, operation, number), ())
            step = dataclasses.replace(old, state=state, ended_at_ns=at_ns, evidence=evidence)
            row = step_row(operation, step)
            replace(connection, STEPS, is_step(operation, number), row)
            put_calls(connection, operation, number, calls)
            begun = operation_found(connection, operation) if notes else {}
            for note in notes:
                module = Principal(begun["module"])
                put_note(connection, begun["root_key"], module, note, takes_label=True)
            found = calls_found(connection, is_of_step(operation, number))
            return step_record(row, [call for _, call in found])

        return self._database.write(work)

    def finish(
        self, operation: str, *, outcome: str, at_ns: int, report: Mapping[str, object] | None
    ) -> None:
        """Write down how an operation ended; no envelope of it is left.

        Raises:
            NotFoundError: There is no such operation.
        """

        def work(connection: sql.Connection) -> None:
            row = {
                **operation_found(connection, operation),
                "outcome": outcome,
                "finished_at_ns": at_ns,
                "report": None if report is None else to_json(dict(report)),
            }
            replace(connection, OPERATIONS, {"id": operation}, row)
            remove_bodies(connection, operation)

        self._database.write(work)
        self._database.empty_log()

    def operation(self, operation: str) -> OperationRecord:
        """An operation with its steps and calls.

        Raises:
            NotFoundError: There is none.
        """

        def work(connection: sql.Connection) -> OperationRecord:
            row = operation_found(connection, operation)
            return operations_of(connection, [row])[0]

        return self._database.read(work)

    def unfinished(
        self, root_key: bytes, module: Principal | None = None
    ) -> tuple[OperationRecord, ...]:
        """Operations of a network, or of one module, that were not written to their end.

        The oldest comes first. One that runs just now is among them.
        """

        def work(connection: sql.Connection) -> tuple[OperationRecord, ...]:
            rows = find(
                connection,
                OPERATIONS,
                {"outcome": None, **is_of(root_key, module)},
                OPERATIONS.c.place,
            )
            return operations_of(connection, rows)

        return self._database.read(work)

    def history(
        self, *, root_key: bytes | None = None, module: Principal | None = None, limit: int = 20
    ) -> tuple[OperationRecord, ...]:
        """The last ``limit`` operations, newest first."""

        def work(connection: sql.Connection) -> tuple[OperationRecord, ...]:
            where = is_of(root_key, module)
            rows = find(connection, OPERATIONS, where, NEWEST_FIRST, limit=limit)
            return operations_of(connection, rows)

        return self._database.read(work)

    def needed(self) -> frozenset[bytes]:
        """SHA-256 of all that unfinished operations keep; ``Vault.release`` is for the rest."""

        def work(connection: sql.Connection) -> frozenset[bytes]:
            rows = find(connection, OPERATIONS, {"outcome": None})
            return frozenset(sha256 for row in rows for sha256 in kept_of(row))

        return self._database.read(work)

    def notes(self, root_key: bytes, module: Principal) -> Mapping[SnapshotId, SnapshotNote]:
        """What is known of the snapshots of a module, and how their operations ended."""

        def work(connection: sql.Connection) -> Mapping[SnapshotId, SnapshotNote]:
            rows = find(connection, SNAPSHOTS, is_in(root_key, module))
            names = {row["operation"] for row in rows} - {None}
            found = [find(connection, OPERATIONS, {"id": name}) for name in names]
            by_id = {row["id"]: row for rows_of_one in found for row in rows_of_one}
            notes = (snapshot_note(row, by_id.get(row["operation"])) for row in rows)
            return {note.id: note for note in notes}

        return self._database.read(work)

    def note(self, root_key: bytes, module: Principal, note: SnapshotNote) -> None:
        """Write down what is known of a snapshot.

        What ``note`` leaves out (none) stays as it was; ``is_protected`` is always taken from it.
        How its operation ended is not: the operation says that.

        Raises:
            PreconditionError: Another snapshot of the module has the label (``label-taken``).
        """
        self._database.write(lambda connection: put_note(connection, root_key, module, note))

    def drop_label(self, root_key: bytes, module: Principal, snapshot: SnapshotId) -> None:
        """Leave a snapshot without a label; nothing else of what is known of it changes."""
        this = {**is_in(root_key, module), "id": snapshot.raw}
        self._database.write(lambda connection: drop_label(connection, this))

    def forget_absent(
        self, root_key: bytes, module: Principal, present: Collection[SnapshotId]
    ) -> None:
        """Forget the snapshots of a module that are not ``present`` any more."""
        self._database.write(
            lambda connection: remove_absent(connection, root_key, module, present)
        )
