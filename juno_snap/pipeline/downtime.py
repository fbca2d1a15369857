"""The time during which a module is stopped, and the promise that it ends.

Once a stop was sent, a start is sent, whatever happens in between: an error, a lost answer, a
cancellation. What runs between the two is a task of its own. A cancellation does not reach into it,
because a call that was sent cannot be called back and its outcome is worth knowing: no further step
is begun, the start is sent at once, and the outcomes are awaited. A second cancellation leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, TypeVar, final

from juno_snap.errors import JunoSnapError, OutcomeUnknownError, RejectedError
from juno_snap.events import Waiting
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline import codes
from juno_snap.pipeline.report import Evidence, rfc3339
from juno_snap.pipeline.runner import HaltedError, Steps, leaves_outcome_unknown
from juno_snap.units import NS_PER_MS, NS_PER_SECOND

Body: TypeAlias = Callable[[], Awaitable[None]]
T = TypeVar("T")

CALL_TTL_SECONDS: Final = 120
"""Lifetime of the calls from the stop to the start: an unknown outcome is settled after it."""

START_ATTEMPTS: Final = 3
START_PAUSE_SECONDS: Final = 2.0
STARTS_AFTER_EXPIRY_MAX: Final = 5
"""Certified time follows the clock within seconds; more would be a network that stands still."""


def hurried(client: ManagementClient) -> ManagementClient:
    """The client for calls while the module is down: short-lived, and settled for certain."""
    return client.with_call_ttl(CALL_TTL_SECONDS, settle=True)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the time between stop and start went."""

    failed_step: str = ""
    failure: BaseException | None = None
    """What ended the work early; none also where only a cancellation did."""
    start_failure: BaseException | None = None
    started_at_ns: int | None = None
    """Certified time of the start; none where none was sent, or none succeeded."""
    downtime_ms: int = 0
    is_interrupted: bool = False

    @property
    def is_good(self) -> bool:
        """Whether everything that was wanted was done."""
        return not self.is_interrupted and self.failure is None and self.start_failure is None


@final
class Downtime:
    """Does something while a module is stopped."""

    def __init__(
        self,
        client: ManagementClient,
        module: Principal,
        steps: Steps,
        *,
        sends_stop: bool,
        sends_start: bool,
        stop_timeout_seconds: float,
    ) -> None:
        self._client = hurried(client)
        self._module = module
        self._steps = steps
        self._clock = steps.clock
        self._sends_stop = sends_stop
        self._sends_start = sends_start
        self._stop_timeout_seconds = stop_timeout_seconds
        self._stop: asyncio.Task[int] | None = None
        self._stop_expires_at_ns = 0
        self._stop_sent_ns = 0
        self._start_replied_ns: int | None = None
        self._started_at_ns: int | None = None
        self._is_interrupted = False

    async def around(self, body: Body) -> Ending:
        """Stop, run ``body``, start; says how that went and raises nothing of it.

        Raises:
            asyncio.CancelledError: Cancelled a second time: a start was sent, its outcome unknown.
        """
        work = asyncio.ensure_future(self._work(body))
        await self._attend(work)
        last_step = self._steps.current
        start_failure = None
        if self._owes_start():
            rescue = partial(self._start, work)
            start = asyncio.ensure_future(self._steps.run("start", rescue, is_rescue=True))
            await self._finish(start)
            start_failure = start.exception()
        await self._finish(work)
        failure = work.exception()
        if isinstance(failure, HaltedError):
            failure = None
        return Ending(
            failed_step=last_step if failure else "",
            failure=failure,
            start_failure=start_failure,
            started_at_ns=self._started_at_ns,
            downtime_ms=self.downtime_ms,
            is_interrupted=self._is_interrupted,
        )

    @property
    def downtime_ms(self) -> int:
        """From sending the stop to the reply to the start, or until now where there is none."""
        if self._stop is None:
            return 0
        end_ns = self._start_replied_ns or self._clock.monotonic_ns()
        return (end_ns - self._stop_sent_ns) // NS_PER_MS

    async def _attend(self, task: asyncio.Task[T]) -> None:
        """Return when ``task`` has ended, or at the first cancellation; a second one is raised."""
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if self._is_interrupted:
                raise
            self._is_interrupted = True
            self._steps.halt()

    async def _finish(self, task: asyncio.Task[T]) -> None:
        """Return when ``task`` has ended, the first cancellation notwithstanding."""
        while not task.done():
            await self._attend(task)

    async def _work(self, body: Body) -> None:
        if self._sends_stop:
            await self._steps.run("stop", self._send_stop)
        await body()

    async def _send_stop(self) -> Evidence:
        self._stop_sent_ns = self._clock.monotonic_ns()
        self._stop_expires_at_ns = self._clock.now_ns() + CALL_TTL_SECONDS * NS_PER_SECOND
        self._stop = asyncio.ensure_future(self._client.stop_canister(self._module))
        timer = asyncio.ensure_future(self._clock.sleep(self._stop_timeout_seconds))
        await asyncio.wait((self._stop, timer), return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        if not self._stop.done():
            raise self._stop_timeout()
        try:
            return {"certified_at": rfc3339(self._stop.result())}
        except RejectedError as error:
            if error.error_code == codes.STOP_TIMED_OUT:
                raise self._stop_timeout() from error
            raise

    def _stop_timeout(self) -> JunoSnapError:
        return JunoSnapError(
            f"module {self._module} did not stop within {self._stop_timeout_seconds:g} s: it waits "
            "for answers to calls that it has made",
            code="stop-timeout",
            hint="try again when it is less busy, or give it more time with --stop-timeout-seconds",
        )

    def _owes_start(self) -> bool:
        """Whether the module must be started: a stop was sent, or it was to be started anyway."""
        return self._sends_start and (self._stop is not None or not self._sends_stop)

    async def _start(self, work: asyncio.Task[None]) -> Evidence:
        was_stopping = self._stop is not None and not self._stop.done()
        await self._start_patiently()
        if self._stop is not None:
            await asyncio.wait((self._stop,))
            await self._undo_stop(self._stop, was_stopping=was_stopping)
        # Only a cancellation leaves work behind; what it was doing belongs into the report.
        await asyncio.wait((work,))
        return {"certified_at": rfc3339(self._started_at_ns or 0)}

    async def _undo_stop(self, stop: asyncio.Task[int], *, was_stopping: bool) -> None:
        """Start again where the stop was, or may yet be, carried out after the start."""
        error = stop.exception()
        if error is None:
            if was_stopping:
                self._start_replied_ns = None
                await self._start_patiently()
        elif leaves_outcome_unknown(error):
            expires_at_ns = self._stop_expires_at_ns
            if isinstance(error, OutcomeUnknownError):
                expires_at_ns = error.expires_at_ns
            await self._start_after(expires_at_ns)

    async def _start_after(self, expires_at_ns: int) -> None:
        """Start until the certified time is past the moment at which an unsettled stop expires."""
        for _ in range(STARTS_AFTER_EXPIRY_MAX):
            if self._is_interrupted or (self._started_at_ns or 0) > expires_at_ns:
                return
            seconds = max(1.0, (expires_at_ns - self._clock.now_ns()) / NS_PER_SECOND)
            reason = "the stop may still be carried out; the module is started again after that"
            self._steps.observer(Waiting(reason=reason, remaining_seconds=seconds))
            await self._clock.sleep(seconds)
            await self._start_patiently()

    async def _start_patiently(self) -> None:
        """Start the module; what is in the way may be gone a moment later.

        Raises:
            Exception: Whatever the last of several attempts failed with.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._started_at_ns = await self._client.start_canister(self._module)
            except Exception:
                # Even after an error of ours the module must not stay stopped.
                if attempt == START_ATTEMPTS:
                    raise
                await self._clock.sleep(START_PAUSE_SECONDS)
            else:
                self._start_replied_ns = self._start_replied_ns or self._clock.monotonic_ns()
                return
