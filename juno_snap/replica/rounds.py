"""Rounds: calls are collected, then executed in order, on the one thread that touches the state.

The event loop owns the request history and what was last published; the executor thread owns the
subnet, its canisters and everything of Wasm. Nothing else crosses but immutable values.

A round begins with its first call, or with what the round before has left. Rounds of a busy replica
follow each other without a gap, as a network's do: where the first call comes soon after a round,
it is in one that began when that was closed. Where a canister has a timer or a heartbeat, or
somebody waits for a time to pass, a round also begins without a call: when that is due, and a
second after the last such round at the earliest. So a replica at rest stays at rest, and one
without any of these does nothing between two calls.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar, final

from juno_snap.clock import Clock
from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal, RequestId
from juno_snap.replica.calls import Answer
from juno_snap.replica.certify_canisters import CanisterTrees, PublishedCanisters
from juno_snap.replica.checkpoints import Checkpoints
from juno_snap.replica.history import History
from juno_snap.replica.past import PastStates, StateView
from juno_snap.replica.reject import Reject
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.replica.runtime import EXECUTOR_STACK_BYTES
from juno_snap.replica.subnet import Subnet
from juno_snap.units import NS_PER_MS, NS_PER_SECOND
from juno_snap.wire.envelope import CallContent, QueryContent

Result = TypeVar("Result")

TICK_NS: Final = NS_PER_SECOND
"""How far apart rounds without calls are at least; rounds of the network are about as far."""

_LATE_NS: Final = NS_PER_MS
"""Slept beyond the due time: what sleeps and what tells the time are two clocks."""


def single_thread() -> ThreadPoolExecutor:
    """The executor: one thread, with a stack that deep recursion in Wasm does not overflow."""
    before = threading.stack_size(EXECUTOR_STACK_BYTES)
    try:
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica")
        executor.submit(int).result()  # the thread is made at the first use, with this stack
    finally:
        threading.stack_size(before)
    return executor


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A call that waits for its round."""

    round_number: int
    ended: asyncio.Future[None]
    """Done when the outcome is in the history; or when the replica stops, without one."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    request_id: RequestId
    call: CallContent
    size_bytes: int | None
    """Of the whole message, which costs its canister cycles."""
    planned: Reject | None
    """A fault: the outcome in place of execution."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the event loop learns of the subnet after a round."""

    ended: list[tuple[RequestId, Answer]]
    published: PublishedCanisters
    was_managed: bool
    """A management call has changed a canister: nobody may know before it is on disk."""
    has_work: bool
    wake_ns: int | None


@final
class Rounds:
    """Executes calls round by round. All methods belong to the event loop."""

    def __init__(
        self,
        subnet: Subnet,
        history: History,
        *,
        executor: ThreadPoolExecutor,
        clock: Clock,
        time: SubnetTime,
        round_ms: int = 0,
        checkpoints: Checkpoints | None = None,
        past: PastStates | None = None,
    ) -> None:
        self.history = history
        self.published = PublishedCanisters()
        self._subnet = subnet
        self._trees = CanisterTrees()
        self._executor = executor
        self._checkpoints = checkpoints
        self.past = past or PastStates()
        self._turn = asyncio.Lock()
        self._clock = clock
        self._time = time
        self._round_ns = round_ms * NS_PER_MS
        self._next_number = 1
        self._waiting: list[_Waiting] = []
        self._open: dict[RequestId, asyncio.Future[None]] = {}
        self._began_at_ns: int | None = None
        self._closed_at_ns = clock.monotonic_ns() - self._round_ns
        self._has_work = False
        self._tick_is_due = False
        self._ticked_at_ns = 0
        self._running: asyncio.Task[None] | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._in_a_hurry = asyncio.Event()

    @property
    def executed(self) -> int:
        """How many rounds have begun to execute since the start."""
        return self._next_number - 1

    async def open(self) -> None:
        """Publish the state that there is. Has to be called once, before anything else."""
        seen = await self.on_executor(lambda: self._look([]))
        self.published, self._has_work = seen.published, seen.has_work
        self._note(self._time.now_ns())
        if self._has_work:
            self._start()
        else:
            self._set_alarm(seen.wake_ns)

    async def on_executor(self, work: Callable[[], Result]) -> Result:
        """The result of ``work``, done on the executor thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def accept(
        self, call: CallContent, effective_canister_id: Principal, *, size_bytes: int | None = None
    ) -> None:
        """Ask whether the call may come in. Raises ``Reject`` if not."""
        await self.on_executor(
            lambda: self._subnet.accept(call, effective_canister_id, size_bytes=size_bytes)
        )

    async def query(
        self,
        query: QueryContent,
        time_ns: int,
        certify: Callable[[PublishedCanisters, Principal], bytes],
    ) -> bytes:
        """The reply to a query. Raises ``Reject``.

        ``certify`` makes the data certificate of a canister; it runs on the executor thread, with
        the canisters as the query sees them.
        """
        return await self.on_executor(
            lambda: self._subnet.query(
                query, time_ns, lambda canister_id: certify(self._trees.published, canister_id)
            )
        )

    def add(
        self,
        call: CallContent,
        effective_canister_id: Principal,
        *,
        outcome: Reject | None = None,
        size_bytes: int | None = None,
    ) -> Ticket:
        """Put a call that was accepted, and is not in the history yet, into the next round.

        With an ``outcome`` it is not executed: a fault.
        """
        request_id = self.history.receive(call, effective_canister_id).request_id
        ended = self._open[request_id] = asyncio.get_running_loop().create_future()
        self._waiting.append(
            _Waiting(request_id=request_id, call=call, size_bytes=size_bytes, planned=outcome)
        )
        self._start()
        return Ticket(round_number=self._next_number, ended=ended)

    @contextlib.asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """No round runs inside the block, and no checkpoint of a round is written."""
        async with self._turn:
            yield

    async def checkpoint(self) -> None:
        """Write the state down between two rounds. Without a directory there is nothing to do.

        Raises:
            PreconditionError: It cannot be written.
        """
        async with self._turn:
            if self._checkpoints is not None:
                await self._checkpoints.save(self.history)

    async def finish(self) -> None:
        """Execute what waits without waiting out the round; return when nothing waits.

        Calls that are still open then are a part of the state; whoever waits for one is told to
        wait no longer. From now on no round begins but for a call.
        """
        self._in_a_hurry.set()
        self._stop_alarm()
        while self._running is not None:
            await asyncio.wait({self._running})
        for ended in self._open.values():
            ended.set_result(None)
        self._open.clear()

    def _start(self) -> None:
        """Begin a round, if none has begun that takes in more."""
        self._stop_alarm()
        if self._began_at_ns is None:
            self._began_at_ns = self._begin_ns()
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        wake_ns = None
        try:
            while self._waiting or self._has_work or self._tick_is_due:
                if not self._tick_is_due:
                    await self._collect()
                wake_ns = await self._execute()
                if self._in_a_hurry.is_set():
                    self._has_work = False
        finally:
            self._running = None
        self._set_alarm(wake_ns)

    def _set_alarm(self, wake_ns: int | None) -> None:
        if wake_ns is not None and not self._in_a_hurry.is_set():
            self._alarm = asyncio.create_task(self._wait_until(wake_ns))

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def _wait_until(self, wake_ns: int) -> None:
        """Begin a round of its own at a time."""
        due_ns = max(wake_ns, self._ticked_at_ns + TICK_NS) + _LATE_NS
        await self._clock.sleep(max(due_ns - self._time.now_ns(), 0) / NS_PER_SECOND)
        self._alarm = None
        self._ticked_at_ns = self._time.now_ns()
        self._tick_is_due = True
        self._start()

    def _begin_ns(self) -> int:
        """When the round that now has its first call began: half a round is left to it at least."""
        now_ns = self._clock.monotonic_ns()
        return self._closed_at_ns if 2 * (now_ns - self._closed_at_ns) < self._round_ns else now_ns

    async def _collect(self) -> None:
        """Wait until the round that has begun is over."""
        if self._began_at_ns is None:  # with what the round before has left
            self._began_at_ns = self._begin_ns()
        passed_ns = self._clock.monotonic_ns() - self._began_at_ns
        rest_ns = self._round_ns - passed_ns
        if rest_ns <= 0 or self._in_a_hurry.is_set():
            return
        over = asyncio.ensure_future(self._clock.sleep(rest_ns / NS_PER_SECOND))
        hurry = asyncio.ensure_future(self._in_a_hurry.wait())
        try:
            await asyncio.wait({over, hurry}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            hurry.cancel()

    async def _execute(self) -> int | None:
        """Execute a round with all that has come; when the next one is due if none comes."""
        async with self._turn:
            batch, self._waiting = self._waiting, []
            self._began_at_ns, self._tick_is_due = None, False
            self._closed_at_ns = self._clock.monotonic_ns()
            self._next_number += 1
            time_ns = self._time.next_round_ns()
            for item in batch:
                self.history.begin(item.request_id)
            seen = await self.on_executor(lambda: self._work(batch, time_ns))
            try:
                await self._write_down(seen, time_ns)
            except PreconditionError as error:
                self._give_up(error)
                return None
            self.published, self._has_work = seen.published, seen.has_work
            for request_id, outcome in seen.ended:
                self.history.end(request_id, outcome, time_ns)
                ended = self._open.pop(request_id, None)
                if ended is not None:
                    ended.set_result(None)
            self.history.forget_old(time_ns)
            self._note(time_ns)
            return seen.wake_ns

    def _note(self, time_ns: int) -> None:
        canisters, requests = self.published.branch, self.history.branch
        self.past.note(StateView(canisters=canisters, requests=requests, time_ns=time_ns))

    async def _write_down(self, seen: _Seen, time_ns: int) -> None:
        """Before anybody knows of the round: what has to be on disk first."""
        if self._checkpoints is None:
            return
        self._checkpoints.note_change()
        if seen.was_managed:
            found = ((self.history.find(request_id), outcome) for request_id, outcome in seen.ended)
            ending = [request.ended(outcome, time_ns) for request, outcome in found if request]
            await self._checkpoints.save(self.history, ending)

    def _give_up(self, error: PreconditionError) -> None:
        """Tell those who wait that there will be no outcome."""
        for ended in self._open.values():
            ended.set_exception(error)
            ended.exception()  # not every call has somebody who waits
        self._open.clear()
        self._waiting, self._has_work = [], False

    def _work(self, batch: list[_Waiting], time_ns: int) -> _Seen:
        """On the executor thread: the whole round."""
        planned: list[tuple[RequestId, Answer]] = []
        for item in batch:
            if item.planned is None:
                size_bytes = item.size_bytes
                self._subnet.submit(item.request_id, item.call, time_ns, size_bytes=size_bytes)
            else:
                planned.append((item.request_id, item.planned))
        return self._look([*planned, *self._subnet.run_round(time_ns)])

    def _look(self, ended: list[tuple[RequestId, Answer]]) -> _Seen:
        """On the executor thread: what there is to tell."""
        return _Seen(
            ended=ended,
            published=self._trees.refresh(self._subnet.canisters),
            was_managed=self._subnet.take_managed(),
            has_work=self._subnet.has_work,
            wake_ns=self._subnet.next_wake_ns(),
        )
