"""Takes what steps emit, and writes it a moment later.

An emit checks its value, keeps it as text, and returns; a thread writes the newest value of each
step ``FLUSH_SECONDS`` later, many emits in one transaction. A barrier writes at once. What a step
emits as data is written together with the next snapshot that it emits, or with its end: a marker
and the data before it are never apart.
"""

import atexit
import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, final

from juno_snap.errors import InputError
from juno_snap.flow.model import (
    SNAPSHOT_WARN_BYTES,
    Claim,
    NewUnit,
    StepSnapshot,
    TakenOverError,
    Write,
    decode,
    encode_snapshot,
)

FLUSH_SECONDS: Final = 0.04
"""The promise is 50 ms; the rest is for the write."""


class Sink(Protocol):
    """Where it is written: the part of a store that this needs."""

    def write(self, claim: Claim, writes: list[Write], *, at_ns: int) -> bool:
        """Write all of it at once; false where the claim is void."""
        ...


@final
@dataclass(slots=True)
class Cell:
    """The step snapshot of one step, as the run knows it."""

    step: str
    body: str | None
    sequence: int
    is_dirty: bool = False
    covered: list[tuple[str, NewUnit]] = field(default_factory=list)
    """Data that were emitted before the newest snapshot and are not written yet."""


@final
@dataclass(slots=True)
class Outbox:
    """What the work on one unit has emitted as data since its last snapshot."""

    waiting: list[tuple[str, NewUnit]] = field(default_factory=list)


@final
class Emitter:
    """The writer of one run; for the threads of its steps."""

    def __init__(
        self,
        sink: Sink,
        claim: Claim,
        *,
        now_ns: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        self._sink = sink
        self._claim = claim
        self._now_ns = now_ns
        self._warn = warn
        self._cells: dict[str, Cell] = {}
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._writing = threading.RLock()
        self._is_waiting = False
        self._is_closed = False
        self.problem: Exception | None = None
        """Why the last write did not succeed."""
        self.writes = 0
        """Transactions so far."""
        self._thread = threading.Thread(target=self._work, name="juno-snap flow", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def open_step(self, step: str, stored: StepSnapshot | None) -> None:
        """Begin with what is stored of a step; what was emitted before is newer and stays."""
        with self._lock:
            if step not in self._cells:
                body, sequence = (stored.body, stored.sequence) if stored else (None, 0)
                self._cells[step] = Cell(step=step, body=body, sequence=sequence)

    def value(self, step: str) -> object:
        """A copy of the newest snapshot of a step; an empty object where it has none."""
        with self._lock:
            body = self._cells[step].body
        return {} if body is None else decode(body)

    def emit(self, step: str, value: object, outbox: Outbox) -> None:
        """Let ``value`` be the snapshot of ``step``.

        Raises:
            InputError: It is no JSON; the old one stays.
            SnapshotTooLargeError: It is too large; the old one stays.
            PreconditionError, LockedError: What was emitted before could not be written.
        """
        body = encode_snapshot(value)
        with self._lock:
            self._take(self._cells[step], body, outbox)
        if len(body) >= SNAPSHOT_WARN_BYTES // 4:  # a character has at most four bytes
            self._warn_of_size(step, body)

    def update(self, step: str, partial: Mapping[str, object], outbox: Outbox) -> None:
        """Merge ``partial`` into the snapshot of ``step``; the whole is stored.

        Raises:
            InputError: One of both is no object, or a name begins with ``$``; or as ``emit``.
        """
        _check_partial(partial)
        with self._lock:
            cell = self._cells[step]
            whole = {} if cell.body is None else decode(cell.body)
            if not isinstance(whole, dict):
                raise InputError(
                    f"the step snapshot of {step!r} is no object, so nothing can be merged into it",
                    code="not-an-object",
                    hint="emit a whole one",
                )
            body = encode_snapshot({**whole, **partial})
            self._take(cell, body, outbox)
        self._warn_of_size(step, body)

    def flush(self) -> None:
        """Write what is not written; on return it is on disk.

        Raises:
            PreconditionError, LockedError: It could not be written; it is kept for the next time.
        """
        with self._writing:
            with self._lock:
                writes = [self._collect(cell) for cell in self._cells.values() if cell.is_dirty]
            if not writes:
                return
            try:
                is_ours = self._sink.write(self._claim, writes, at_ns=self._now_ns())
            except Exception as error:
                self._put_back(writes)
                self.problem = error
                raise
            self.writes += 1
            self.problem = None if is_ours else TakenOverError(self._claim.flow)
            if self.problem is not None:
                raise self.problem

    def end(self, step: str, outbox: Outbox, finish: Callable[[list[Write]], None]) -> None:
        """Let ``finish`` write all that is not written, the rest of ``outbox`` with it.

        Raises:
            PreconditionError, LockedError: What ``finish`` raises; all is kept.
        """
        with self._writing:
            with self._lock:
                self._cells[step].covered += outbox.waiting
                outbox.waiting = []
                dirty = [c for c in self._cells.values() if c.is_dirty or c.covered]
                writes = [self._collect(cell) for cell in dirty]
            try:
                finish(writes)
            except Exception:
                self._put_back(writes)
                raise
            self.writes += 1
            self.problem = None

    def close(self) -> None:
        """Write what is not written, and take nothing more; a second time does nothing."""
        atexit.unregister(self.close)
        with self._lock:
            self._is_closed = True
            self._wake.notify_all()
        with contextlib.suppress(Exception):  # who closes looks at ``problem``
            self.flush()

    def _take(self, cell: Cell, body: str, outbox: Outbox) -> None:
        if self._is_closed or self.problem is not None:
            raise self.problem or TakenOverError(self._claim.flow)
        cell.body = body
        cell.sequence += 1
        cell.is_dirty = True
        if outbox.waiting:
            cell.covered += outbox.waiting
            outbox.waiting = []
        if self._is_waiting:
            self._is_waiting = False
            self._wake.notify()

    def _collect(self, cell: Cell) -> Write:
        write = Write(
            step=cell.step,
            body=cell.body if cell.is_dirty else None,
            sequence=cell.sequence,
            units=cell.covered,
        )
        cell.is_dirty = False
        cell.covered = []
        return write

    def _put_back(self, writes: list[Write]) -> None:
        with self._lock:
            for write in writes:
                cell = self._cells[write.step]
                cell.covered = [*write.units, *cell.covered]
                cell.is_dirty = cell.is_dirty or write.body is not None

    def _warn_of_size(self, step: str, body: str) -> None:
        size_bytes = len(body.encode())
        if size_bytes >= SNAPSHOT_WARN_BYTES and step not in self._warned:
            self._warned.add(step)
            self._warn(f"the step snapshot of {step!r} has {size_bytes} of 5120 bytes")

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._is_closed and not any(c.is_dirty for c in self._cells.values()):
                    self._is_waiting = True
                    self._wake.wait()
                if not self._is_closed:
                    self._wake.wait_for(lambda: self._is_closed, timeout=FLUSH_SECONDS)
                if self._is_closed:
                    return  # who closes writes
            with contextlib.suppress(Exception):  # the next emit raises it
                self.flush()


def _check_partial(partial: object) -> None:
    if not isinstance(partial, dict):
        raise InputError(
            f"an update is an object, not {type(partial).__name__}",
            code="not-an-object",
            hint="emit a whole snapshot instead",
        )
    for name in partial:
        if isinstance(name, str) and name.startswith("$"):
            raise InputError(
                f"{name!r} is no operator: an update is merged as it stands",
                value=name,
                code="no-operators",
                hint="leave out names that begin with $",
            )
