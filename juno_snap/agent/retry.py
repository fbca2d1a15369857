"""The same bytes again: the one retry policy of this layer.

What is retried: no connection, a broken or late answer, 408, 429, and 5xx. What is not: an answer
that says no (another 4xx), one that makes no sense, and one that does not end. For a signed call
this is safe: the network runs one request id once (interface specification, "Request: Call"), so
that the same bytes may be sent until the ingress expiry, and are never sent after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from juno_snap.agent.transport import ANSWER_TOO_LARGE, LINE_BUSY, Answer, Transport
from juno_snap.clock import Clock
from juno_snap.errors import TransportError
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import Entropy, growing_wait, with_jitter

SERVER_FAULT: Final = 500


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why the other side did not take a request, and the code of the error."""

    text: str
    code: str


NOT_TAKEN: Final[Mapping[int, _Refusal]] = {
    HTTPStatus.REQUEST_TIMEOUT: _Refusal("gave up a request that came too slowly", "timeout"),
    HTTPStatus.TOO_MANY_REQUESTS: _Refusal("asks to slow down", "overloaded"),
}

TOO_MUCH: Final = frozenset({"overloaded", "timeout", "disconnected", LINE_BUSY})
"""Codes of errors that too much at once may be the cause of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long and how often; waits grow from one attempt to the next."""

    first_wait_seconds: float = 0.25
    growth: float = 2.0
    longest_wait_seconds: float = 5.0
    jitter: float = 0.5
    """Share of each wait that is random, so that many clients do not come back at once."""
    budget_seconds: float = 60.0
    """No attempt begins later than this after the first."""
    first_contact_seconds: float = 3.0
    """The same for a host that never answered in HTTP: a wrong address should be told soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An answer and what came before it."""

    answer: Answer
    earlier_maybe_delivered: bool
    """An earlier attempt may have arrived although its answer did not come back."""


@final
class RetryingTransport:
    """A transport that sends again; itself a ``Transport``."""

    def __init__(
        self, transport: Transport, *, policy: RetryPolicy, clock: Clock, entropy: Entropy
    ) -> None:
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._entropy = entropy
        self._reached = False
        self.slow_downs = 0
        """How often less should have been under way at once: the other side asked to slow down
        (429), or an exchange was too slow to come to its end."""

    @property
    def url(self) -> str:
        """Where requests go."""
        return self._transport.url

    async def send(
        self, path: str, body: bytes | None, *, begin_within_seconds: float | None = None
    ) -> Answer:
        """The first answer that is not 408, 429 or 5xx.

        Raises:
            TransportError: There was none within the budget.
        """
        deadline_ns = None
        if begin_within_seconds is not None:
            deadline_ns = self._clock.now_ns() + round(begin_within_seconds * NS_PER_SECOND)
        return (await self.deliver(path, body, deadline_ns=deadline_ns)).answer

    async def deliver(
        self, path: str, body: bytes | None, *, deadline_ns: int | None = None
    ) -> Delivery:
        """Like ``send``; no attempt begins at or after ``deadline_ns`` (UTC).

        Raises:
            TransportError: No usable answer. ``maybe_delivered`` is false only where it is known
                of every attempt that nothing arrived.
        """
        sending = _Sending(
            transport=self._transport,
            path=path,
            body=body,
            clock=self._clock,
            deadline=deadline_ns,
            failed=self._note_failure,
        )
        begun_ns = self._clock.monotonic_ns()

        def is_over(state: RetryCallState) -> bool:
            spent = (self._clock.monotonic_ns() - begun_ns) / NS_PER_SECOND
            self._reached = self._reached or sending.reached
            if spent + state.upcoming_sleep > self._budget_seconds():
                return True
            woken_ns = self._clock.now_ns() + round(state.upcoming_sleep * NS_PER_SECOND)
            return deadline_ns is not None and woken_ns >= deadline_ns

        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            stop=is_over,
            wait=lambda state: self._wait_seconds(state.attempt_number),
            retry=retry_if_exception(is_transient),
            reraise=True,
        )
        try:
            answer: Answer = await retrying(sending.attempt)
        except TransportError as error:
            raise sending.summary(error) from error
        finally:
            sending.let_go()
        self._reached = True
        return Delivery(answer=answer, earlier_maybe_delivered=sending.maybe_delivered)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._transport.aclose()

    def _note_failure(self, error: TransportError) -> None:
        if error.code in TOO_MUCH:
            self.slow_downs += 1

    def _budget_seconds(self) -> float:
        policy = self._policy
        return policy.budget_seconds if self._reached else policy.first_contact_seconds

    def _wait_seconds(self, attempts: int) -> float:
        policy = self._policy
        longest = policy.longest_wait_seconds
        whole = growing_wait(policy.first_wait_seconds, policy.growth, longest, attempts)
        return with_jitter(whole, policy.jitter, self._entropy)


@final
class _Sending:
    """One body on its way: its attempts and what is known of them together."""

    def __init__(
        self,
        *,
        transport: Transport,
        path: str,
        body: bytes | None,
        clock: Clock,
        deadline: int | None,
        failed: Callable[[TransportError], None],
    ) -> None:
        self._transport = transport
        self._path = path
        self._body = body
        self._clock = clock
        self._deadline_ns = deadline
        self._failed = failed
        self._attempts = 0
        self.maybe_delivered = False
        self.reached = False

    def let_go(self) -> None:
        """Forget the body; tenacity refers to itself, and so to this, until the next collection."""
        self._body = None

    async def attempt(self) -> Answer:
        """One exchange; 408, 429 and 5xx become errors."""
        within_seconds = None
        if self._deadline_ns is not None:
            within_seconds = (self._deadline_ns - self._clock.now_ns()) / NS_PER_SECOND
        if within_seconds is not None and within_seconds <= 0:
            raise TransportError(
                "the request has expired and is not sent any more",
                url=self._transport.url + self._path,
                maybe_delivered=False,
                code="expired",
            )
        self._attempts += 1
        try:
            answer = await self._transport.send(
                self._path, self._body, begin_within_seconds=within_seconds
            )
            self._check_status(answer)
        except TransportError as error:
            self.maybe_delivered = self.maybe_delivered or error.maybe_delivered
            self.reached = self.reached or error.status != 0
            self._failed(error)
            raise
        return answer

    def summary(self, last: TransportError) -> TransportError:
        """The last error with what the earlier attempts add to it."""
        if self._attempts > 1:
            text = f"{last.message} (after {self._attempts} attempts)"
        else:
            text = last.message
        return TransportError(
            text,
            url=last.url,
            status=last.status,
            maybe_delivered=self.maybe_delivered,
            code=last.code,
            hint=last.hint,
        )

    def _check_status(self, answer: Answer) -> None:
        url = self._transport.url + self._path
        said = answer.body[:200].decode("utf-8", "replace").strip()
        refused = NOT_TAKEN.get(answer.status)
        if refused:
            raise TransportError(
                f"{url} {refused.text} ({answer.status}): {said}",
                url=url,
                status=answer.status,
                maybe_delivered=False,
                code=refused.code,
                hint="wait a little and try again",
            )
        if answer.status >= SERVER_FAULT:
            # A gateway may say so after it has passed the request on.
            raise TransportError(
                f"{url} failed ({answer.status}): {said or 'nothing more was said'}",
                url=url,
                status=answer.status,
                code="server-fault",
            )


def is_transient(error: BaseException) -> bool:
    """Whether the same bytes may have more luck."""
    final = {ANSWER_TOO_LARGE, LINE_BUSY, "expired"}
    return isinstance(error, TransportError) and error.code not in final
