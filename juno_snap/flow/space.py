"""Where flows are kept: a state directory with their file and a lock for each."""

import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import LockedError, NotFoundError
from juno_snap.files import lock_file, make_private_folders
from juno_snap.flow import FLOWS_FILE
from juno_snap.flow.edits import ANYTHING, Editor, Expected
from juno_snap.flow.model import (
    FlowRecord,
    FlowState,
    LastChange,
    RunRecord,
    StepSnapshot,
    check_name,
    encode_snapshot,
    version_of,
)
from juno_snap.flow.schema import LAYOUT
from juno_snap.flow.store import FlowStore
from juno_snap.pipeline.report import rfc3339

LOCKS: Final = "locks"
LOOKS: Final = 5
LOOK_SECONDS: Final = 0.05
"""Who asks whether a flow runs holds its lock for a moment: a run that begins looks again."""

STOP_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFound:
    """A flow, and what it is doing."""

    record: FlowRecord
    state: FlowState
    last: RunRecord | None
    change: LastChange | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpace:
    """The flows of one state directory."""

    state: Path
    clock: Clock = field(default_factory=system_clock)

    def open(self) -> FlowStore:
        """The store of all flows.

        Raises:
            PreconditionError: It is damaged, of a newer version, or cannot be written.
        """
        return FlowStore.open(self.state)

    @property
    def is_empty(self) -> bool:
        """Whether no flow was ever run here; the file is not made to find out."""
        return not (self.state / FLOWS_FILE).exists()

    @contextlib.contextmanager
    def lock(self, flow: str) -> Iterator[None]:
        """Hold a flow, so that nobody else on this state directory runs or changes it.

        Raises:
            LockedError: It runs, or is being changed; names pid, host and since when.
            PreconditionError: The lock cannot be written.
        """
        details = f" on {socket.gethostname()}, since {rfc3339(self.clock.now_ns())}"
        path = self._lock_path(flow)
        with contextlib.ExitStack() as held:
            try:
                make_private_folders(self.state, path.parent)
                held.enter_context(lock_file(path, purpose=f"flow {flow}", details=details))
            except OSError as error:
                raise LAYOUT.refusals.of_os_error(str(path), error) from error
            yield

    @contextlib.asynccontextmanager
    async def lock_patiently(self, flow: str) -> "AsyncIterator[None]":
        """The same for a run that begins: one who only looks does not turn it away.

        Raises:
            LockedError: As ``lock``.
            PreconditionError: As ``lock``.
        """
        with contextlib.ExitStack() as held:
            for left in reversed(range(LOOKS)):
                try:
                    held.enter_context(self.lock(flow))
                    break
                except LockedError:
                    if not left:
                        raise
                await self.clock.sleep(LOOK_SECONDS)
            yield

    def is_running(self, flow: str) -> bool:
        """Whether a process holds the flow."""
        try:
            descriptor = os.open(self._lock_path(flow), os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def state_of(self, flow: str, last: RunRecord | None) -> FlowState:
        """What a flow is doing; ``last`` is its last run."""
        if self.is_running(flow):
            return "running"
        if last is None:
            return "never-run"
        return "interrupted" if last.state == "running" else last.state

    def flows(self) -> tuple[FlowFound, ...]:
        """All flows that were ever run here, by name."""
        if self.is_empty:
            return ()
        with self.open() as store:
            return tuple(self._found(store, record) for record in store.flows())

    def snapshots(self, flow: str) -> tuple[StepSnapshot, ...]:
        """The step snapshots of a flow, by step.

        Raises:
            InputError: It is no name.
            NotFoundError: There is no such flow.
        """
        return self.snapshots_with_version(flow)[0]

    def snapshots_with_version(self, flow: str) -> tuple[tuple[StepSnapshot, ...], str]:
        """The same, and their ``version_of``.

        A change between the two reads makes a version that was never true: nothing matches it.

        Raises:
            InputError: It is no name.
            NotFoundError: There is no such flow.
        """
        self.check_known(flow)
        with self.open() as store:
            epoch = store.flow(flow).epoch
            found = store.snapshots(flow)
        return found, version_of(epoch, found)

    def set_snapshot(
        self, flow: str, step: str, value: object, *, expected: Expected = ANYTHING
    ) -> StepSnapshot:
        """Give a step of a flow that does not run this snapshot.

        Raises:
            InputError, SnapshotTooLargeError: The value may not be one.
            NotFoundError: No such flow or step; or none to replace and one was expected.
            LockedError: The flow runs.
            PreconditionError: There is another than was expected.
        """
        body = encode_snapshot(value)
        with self._editing(flow) as (store, editor):
            return store.set_snapshot(flow, step, body, editor, expected)

    def reset(
        self, flow: str, step: str | None, *, expected: Expected = ANYTHING
    ) -> tuple[str, ...]:
        """Remove the snapshot of a step, or of all steps, of a flow that does not run.

        Raises:
            NotFoundError: No such flow or step; or none to remove and one was expected.
            LockedError: The flow runs.
            PreconditionError: There is another than was expected.
        """
        with self._editing(flow) as (store, editor):
            return store.reset(flow, step, editor, expected)

    def undo(
        self, flow: str, step: str | None, *, expected: Expected = ANYTHING
    ) -> tuple[str, ...]:
        """Take back the last change by a person, of a flow that does not run.

        Raises:
            NotFoundError: No such flow or step, or nothing was changed.
            LockedError: The flow runs.
            PreconditionError: There is another than was expected.
        """
        with self._editing(flow) as (store, editor):
            return store.undo(flow, step, editor, expected)

    async def stop(self, flow: str, *, timeout_seconds: float) -> bool:
        """Ask a flow to stop and wait until it has; false where it had not in time.

        Raises:
            NotFoundError: There is no such flow.
        """
        self.check_known(flow)
        with self.open() as store:
            store.flow(flow)
            if not self.is_running(flow):
                return True
            store.ask_to_stop(flow)
        left_seconds = timeout_seconds
        while self.is_running(flow):
            if left_seconds <= 0:
                return False
            await self.clock.sleep(STOP_LOOK_SECONDS)
            left_seconds -= STOP_LOOK_SECONDS
        return True

    @contextlib.contextmanager
    def _editing(self, flow: str) -> "Iterator[tuple[FlowStore, Editor]]":
        self.check_known(flow)
        with self.lock(flow), self.open() as store:
            yield store, Editor(name=this_process(), at_ns=self.clock.now_ns())

    def check_known(self, flow: str) -> None:
        """Accept a name that a flow may have, where there are flows.

        Raises:
            InputError: It is no name.
            NotFoundError: No flow was run yet; the file is not made to find out.
        """
        check_name("flow", flow)
        if self.is_empty:
            raise NotFoundError(
                f"there is no flow {flow!r}: none was run yet",
                code="no-such-flow",
                hint="run one with: juno-snap flow run FILE.py:NAME",
            )

    def _found(self, store: FlowStore, record: FlowRecord) -> FlowFound:
        last = next(iter(store.runs(record.name)), None)
        return FlowFound(
            record=record,
            state=self.state_of(record.name, last),
            last=last,
            change=store.last_change(record.name),
        )

    def _lock_path(self, flow: str) -> Path:
        return self.state / LOCKS / f"flow-{flow}.lock"


def this_process() -> str:
    """Who this is, for display."""
    return f"pid {os.getpid()} on {socket.gethostname()}"
