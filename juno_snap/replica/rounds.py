"""Rounds: calls are collected, then executed in order, on the one thread that touches the state.

The event loop owns the request history and what was last published; the executor thread owns the
subnet, its canisters and everything of Wasm. Nothing else crosses but immutable values.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar, final

from juno_snap.clock import Clock
from juno_snap.ids import Principal
from juno_snap.replica.certify_canisters import CanisterTrees, PublishedCanisters
from juno_snap.replica.history import History, Outcome, Request
from juno_snap.replica.reject import Reject
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.replica.runtime import EXECUTOR_STACK_BYTES
from juno_snap.replica.subnet import Subnet
from juno_snap.units import NS_PER_MS, NS_PER_SECOND
from juno_snap.wire.envelope import CallContent, QueryContent

Result = TypeVar("Result")

_logger: Final = logging.getLogger(__name__)


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
    """Done when the outcome is in the history."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    call: CallContent
    request: Request
    ended: asyncio.Future[None]
    size_bytes: int | None
    """Of the whole message, which costs its canister cycles."""


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
    ) -> None:
        self.history = history
        self.published = PublishedCanisters()
        self._subnet = subnet
        self._trees = CanisterTrees()
        self._executor = executor
        self._clock = clock
        self._time = time
        self._round_ns = round_ms * NS_PER_MS
        self._next_number = 1
        self._waiting: list[_Waiting] = []
        self._began_at_ns = 0
        self._running: asyncio.Task[None] | None = None
        self._in_a_hurry = asyncio.Event()

    @property
    def executed(self) -> int:
        """How many rounds have begun to execute since the start."""
        return self._next_number - 1

    async def open(self) -> None:
        """Publish the state that there is. Has to be called once, before anything else."""
        self.published = await self.on_executor(self._refresh)

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
        self, call: CallContent, effective_canister_id: Principal, *, size_bytes: int | None = None
    ) -> Ticket:
        """Put a call that was accepted, and is not in the history yet, into the next round."""
        request = self.history.receive(call, effective_canister_id)
        ended = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._began_at_ns = self._clock.monotonic_ns()
        self._waiting.append(
            _Waiting(call=call, request=request, ended=ended, size_bytes=size_bytes)
        )
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return Ticket(round_number=self._next_number, ended=ended)

    async def finish(self) -> None:
        """Execute what waits without waiting out the round; return when nothing waits."""
        self._in_a_hurry.set()
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._collect()
                batch, self._waiting = self._waiting, []
                self._next_number += 1
                await self._execute(batch)
        finally:
            self._running = None

    async def _collect(self) -> None:
        """Wait until the round that has begun is over."""
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

    async def _execute(self, batch: list[_Waiting]) -> None:
        time_ns = self._time.next_round_ns()
        for item in batch:
            self.history.begin(item.request.request_id)
        outcomes, self.published = await self.on_executor(lambda: self._work(batch, time_ns))
        for item, outcome in zip(batch, outcomes, strict=True):
            self.history.end(item.request.request_id, outcome, time_ns)
            item.ended.set_result(None)
        self.history.forget_old(time_ns)

    def _work(
        self, batch: list[_Waiting], time_ns: int
    ) -> tuple[list[Outcome], PublishedCanisters]:
        """On the executor thread: the whole round."""
        return [self._outcome(item, time_ns) for item in batch], self._refresh()

    def _outcome(self, item: _Waiting, time_ns: int) -> Outcome:
        if item.call.ingress_expiry_ns < time_ns:
            request_id = f"0x{item.request.request_id.hex()}"
            return Reject(
                "IC0202", f"Ingress message {request_id} timed out waiting to start executing."
            )
        try:
            return self._subnet.execute(item.call, time_ns, size_bytes=item.size_bytes)
        except Reject as reject:
            return reject
        except Exception as error:  # what else ran in this round keeps its outcome
            _logger.exception("a mistake in the local replica")
            return Reject("IC0521", f"The local replica made a mistake: {error!r}")

    def _refresh(self) -> PublishedCanisters:
        return self._trees.refresh(self._subnet.canisters)
