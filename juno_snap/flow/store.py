"""Where flows stand: written by the one run of a flow that is live, read by anybody.

Each verb is one transaction, on disk when it returns. Threads of one process may share a store.
Every verb may raise:

    PreconditionError: ``flows-file-damaged``, ``-read-only`` or ``-full``; the message names the
        file, the hint says what to do.
    LockedError: ``flows-file-busy``: another process holds the file for more than ten seconds; or
        ``flow-taken-over``: another run of the flow has begun, and this one may not write.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, final

import sqlalchemy as sql

from juno_snap.database.rows import find
from juno_snap.database.sqlite import Database, Work
from juno_snap.flow import FLOWS_FILE, edits
from juno_snap.flow.access import (
    add_units,
    flow_found,
    flow_record,
    holds,
    put_flow,
    put_run,
    put_snapshot,
    put_unit,
    run_record,
    runs_found,
    snapshots_found,
    units_found,
)
from juno_snap.flow.beginning import NewRun, begin_run
from juno_snap.flow.edits import ANYTHING, Editor, Expected
from juno_snap.flow.model import (
    Claim,
    FlowRecord,
    LastChange,
    RunRecord,
    RunState,
    StepSnapshot,
    TakenOverError,
    Unit,
    UnitState,
    Write,
)
from juno_snap.flow.schema import FLOWS, LAYOUT, RUNS, UNITS
from juno_snap.version import __version__

Result = TypeVar("Result")

PENDING: Final = ("pending", "begun", "failed")
"""States of units that are still to be done by the run that works on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnd:
    """How the work on a unit ended."""

    unit: Unit
    state: UnitState
    error: str | None = None


@final
class FlowStore:
    """Flows, their step snapshots, runs and units."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()

    @classmethod
    def open(cls, directory: Path) -> "FlowStore":
        """The flows of the state directory ``directory``; both are made where they are missing.

        Raises:
            PreconditionError: Also ``flows-file-newer``: a later version of this program wrote it.
        """
        return cls(Database.open(directory / FLOWS_FILE, LAYOUT, __version__))

    @classmethod
    def in_memory(cls) -> "FlowStore":
        """Flows that nobody knows of after this process."""
        return cls(Database.in_memory(LAYOUT, __version__))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
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

    def flows(self) -> tuple[FlowRecord, ...]:
        """All flows that were ever run, by name."""
        rows = self._read(lambda c: find(c, FLOWS, sql.true(), FLOWS.c.flow))
        return tuple(flow_record(row) for row in rows)

    def flow(self, flow: str) -> FlowRecord:
        """A flow.

        Raises:
            NotFoundError: It was never run.
        """
        return flow_record(self._read(lambda c: flow_found(c, flow)))

    def snapshots(self, flow: str) -> tuple[StepSnapshot, ...]:
        """The step snapshots of a flow, by step."""
        return tuple(self._read(lambda c: snapshots_found(c, flow)))

    def snapshot(self, flow: str, step: str) -> StepSnapshot | None:
        """The snapshot of a step, if it has one."""
        return next(iter(self._read(lambda c: snapshots_found(c, flow, step))), None)

    def runs(self, flow: str, *, limit: int = 1) -> tuple[RunRecord, ...]:
        """The last runs of a flow, newest first."""

        def work(connection: sql.Connection) -> tuple[RunRecord, ...]:
            rows = runs_found(connection, flow, limit=limit)
            return tuple(run_record(connection, row) for row in rows)

        return self._read(work)

    def units(
        self, run: str, step: str, *, after: int = 0, limit: int = 100, is_open: bool = False
    ) -> tuple[Unit, ...]:
        """Units of a step beyond position ``after``; with ``is_open`` those that are not done."""
        condition = (UNITS.c.step == step) & (UNITS.c.position > after)
        if is_open:
            condition &= UNITS.c.state.in_(PENDING)
        return tuple(self._read(lambda c: units_found(c, run, condition, limit=limit)))

    def begin(self, new: NewRun) -> tuple[Claim, bool]:
        """The claim of a run that begins, or goes on; and whether it goes on.

        Raises:
            PreconditionError: ``step-dropped``, ``needs-attention``, ``run-unfinished``.
        """
        return self._write(lambda connection: begin_run(connection, new))

    def write(self, claim: Claim, writes: Sequence[Write], *, at_ns: int) -> bool:
        """Write what steps have emitted; false, and nothing done, where the claim is void."""

        def work(connection: sql.Connection) -> bool:
            if not holds(connection, claim):
                return False
            _put(connection, claim, writes, at_ns)
            return True

        return self._write(work)

    def begin_unit(self, claim: Claim, unit: Unit) -> Unit:
        """Write down that work on a unit begins; it comes back with its attempts counted."""

        def work(connection: sql.Connection) -> Unit:
            _check(connection, claim)
            found = snapshots_found(connection, claim.flow, unit.step)
            sequence = found[0].sequence if found else 0
            has_moved = sequence > unit.seen_sequence
            begun = replace(
                unit,
                state="begun",
                attempts=1 if has_moved else unit.attempts + 1,
                seen_sequence=sequence,
            )
            put_unit(connection, claim.run, begun)
            return begun

        return self._write(work)

    def end_unit(
        self, claim: Claim, end: UnitEnd, writes: Sequence[Write] = (), *, at_ns: int
    ) -> None:
        """Write down how a unit ended, together with what its step has emitted up to there."""

        def work(connection: sql.Connection) -> None:
            _check(connection, claim)
            _put(connection, claim, writes, at_ns)
            ended = replace(end.unit, state=end.state, error=end.error)
            put_unit(connection, claim.run, ended)

        self._write(work)

    def finish(self, claim: Claim, state: RunState, *, at_ns: int, error: str | None) -> None:
        """Write down how a run ended."""

        def work(connection: sql.Connection) -> None:
            _check(connection, claim)
            (row,) = find(connection, RUNS, {"id": claim.run})
            ended = {**row, "state": state, "ended_at_ns": at_ns, "error": error}
            put_run(connection, ended)

        self._write(work)

    def ask_to_stop(self, flow: str) -> None:
        """Ask the live run of a flow to stop; it looks now and then.

        Raises:
            NotFoundError: There is no such flow.
        """

        def work(connection: sql.Connection) -> None:
            row = flow_found(connection, flow)
            put_flow(connection, {**row, "stop_asked": row["fence"]})

        self._write(work)

    def is_asked_to_stop(self, claim: Claim) -> bool:
        """Whether the run of ``claim`` should stop: it was asked to, or may not write any more."""

        def work(connection: sql.Connection) -> bool:
            row = flow_found(connection, claim.flow)
            return bool(row["stop_asked"] == claim.fence or not holds(connection, claim))

        return self._read(work)

    def set_snapshot(
        self, flow: str, step: str, body: str, editor: Editor, expected: Expected = ANYTHING
    ) -> StepSnapshot:
        """See ``edits.set_snapshot``."""
        return self._write(lambda c: edits.set_snapshot(c, flow, step, body, editor, expected))

    def reset(
        self, flow: str, step: str | None, editor: Editor, expected: Expected = ANYTHING
    ) -> tuple[str, ...]:
        """See ``edits.reset``."""
        return self._write(lambda c: edits.reset(c, flow, step, editor, expected))

    def undo(
        self, flow: str, step: str | None, editor: Editor, expected: Expected = ANYTHING
    ) -> tuple[str, ...]:
        """See ``edits.undo``."""
        return self._write(lambda c: edits.undo(c, flow, step, editor, expected))

    def last_change(self, flow: str) -> LastChange | None:
        """See ``edits.last_change``."""
        return self._read(lambda c: edits.last_change(c, flow))

    def _read(self, work: Work[Result]) -> Result:
        with self._lock:
            return self._database.read(work)

    def _write(self, work: Work[Result]) -> Result:
        with self._lock:
            return self._database.write(work)


def _put(connection: sql.Connection, claim: Claim, writes: Sequence[Write], at_ns: int) -> None:
    for each in writes:
        if each.body is not None:
            snapshot = StepSnapshot(
                step=each.step,
                body=each.body,
                epoch=claim.epoch,
                sequence=each.sequence,
                run=claim.run,
                updated_at_ns=at_ns,
            )
            put_snapshot(connection, claim.flow, snapshot)
        add_units(connection, claim.run, each.units)


def _check(connection: sql.Connection, claim: Claim) -> None:
    if not holds(connection, claim):
        raise TakenOverError(claim.flow)
