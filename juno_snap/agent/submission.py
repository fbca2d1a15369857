"""From a signed call to its certified outcome.

What ends the waiting, and what does not (interface specification, "Overview of canister calling"
and "Request: Call"):

* A certificate that shows the call replied or rejected: the outcome.
* One that shows it done: the call ended and its result is lost. One that shows it received or
  processing: it is under way; its status is asked for again.
* A reject that one node made on its own, or a refusal of the HTTP request: that node's claim. It is
  reported at once, unless an earlier attempt may have been delivered or the caller wants the matter
  settled: then only certified state counts.
* Silence: the status is asked for, and while the network does not know the call the same bytes are
  sent again, until the expiry.
* Certified time past the expiry with the status proven absent: the call never runs. It also never
  *ran*, if it was absent at a certified time before the expiry and at most five minutes earlier:
  the outcome of a call is kept that long after its end (dfinity/ic, ``MAX_INGRESS_TTL`` in
  ``rs/limits/src/lib.rs``). Otherwise it may have run and been forgotten: unknown.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, assert_never, final

from juno_snap.agent.answers import is_invalid_expiry, read_call_answer, refusal, reject_error
from juno_snap.agent.certified_state import CertifiedState
from juno_snap.agent.channel import Connection, Posted, canister_place
from juno_snap.agent.clock_skew import ClockSkewError, show_time
from juno_snap.errors import (
    JunoSnapError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
)
from juno_snap.ids import Principal, RequestId
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.certificate import (
    CanisterScope,
    Done,
    Pending,
    Rejected,
    Replied,
    StatusAbsent,
    VerifiedCertificate,
    request_status,
)

STATUS_KEPT_NS: Final = 300 * NS_PER_SECOND
"""How long the network remembers the outcome of a call that has ended."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A signed call. Whoever has ``body`` can make it, until it expires."""

    request_id: RequestId
    canister_id: Principal
    effective_canister_id: Principal
    method: str
    expires_at_ns: int
    body: bytes = field(repr=False)
    signed_after_ns: int
    """A certified time before which the call cannot have run, because it was not signed yet;
    0 where none was known."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedReply:
    """What a call returned, and the certified time at which that was known."""

    reply: bytes = field(repr=False)
    time_ns: int
    request_id: RequestId


@final
class Submission:
    """One prepared call on its way; ``run`` is called once."""

    def __init__(
        self, connection: Connection, state: CertifiedState, prepared: PreparedCall, *, settle: bool
    ) -> None:
        self._connection = connection
        self._state = state
        self._prepared = prepared
        self._settle = settle
        self._pace = connection.pace()
        self._scope = CanisterScope(prepared.effective_canister_id)
        self._absent_at_ns = prepared.signed_after_ns
        self._seen = False
        self._last_sent_ns: int | None = None
        # Whether the call may have been delivered without a word of it. One that is submitted only
        # after its expiry is asked for because somebody sent it earlier.
        self._unclear = connection.clock.now_ns() >= prepared.expires_at_ns
        self._refusals = 0
        # What a node said that did not settle the matter.
        self._claim: JunoSnapError | None = None

    async def run(self) -> CertifiedReply:
        """Send, and wait for the certified outcome.

        Raises:
            RejectedError: Refused.
            TransportError: Not delivered, or proven not to have run (code ``call-expired``).
            OutcomeUnknownError: No certified outcome.
            TrustError: An answer that does not hold.
            ClockSkewError: Refused because of its time.
        """
        outcome = await self._step()
        while outcome is None:
            if self._pace.spent_seconds() > self._connection.poll.budget_seconds:
                raise self._unknown("the network did not tell the outcome in time") from self._claim
            await self._pace.wait()
            outcome = await self._step()
        return outcome

    async def _step(self) -> CertifiedReply | None:
        return await (self._send() if self._is_to_be_sent() else self._ask())

    def _is_to_be_sent(self) -> bool:
        clock = self._connection.clock
        if self._seen or clock.now_ns() >= self._prepared.expires_at_ns:
            return False
        if self._last_sent_ns is None:
            return True
        waited_seconds = (clock.monotonic_ns() - self._last_sent_ns) / NS_PER_SECOND
        return waited_seconds >= self._connection.poll.wait_to_send_again(refusals=self._refusals)

    async def _send(self) -> CertifiedReply | None:
        prepared = self._prepared
        try:
            posted = await self._connection.channel.post(
                "call",
                canister_place(prepared.effective_canister_id),
                prepared.body,
                deadline_ns=prepared.expires_at_ns,
            )
        except TransportError as error:
            self._remember(error, settles=not error.maybe_delivered)
            return None
        finally:
            self._last_sent_ns = self._connection.clock.monotonic_ns()
        self._unclear = self._unclear or posted.earlier_maybe_delivered
        match posted.answer.status:
            case HTTPStatus.OK:
                certificate = self._certificate_in(posted)
                del posted  # of megabytes, many of which may wait to be verified
                if certificate is not None:
                    with self._connection.inbound.occupied(len(certificate)):
                        return self._examine(await self._state.verify(certificate, self._scope))
            case HTTPStatus.ACCEPTED:
                self._unclear = True
            case _ if is_invalid_expiry(posted.answer) and not self._is_open():
                raise await self._state.clock_error(self._scope)
            case _:
                self._remember(refusal(posted.answer, posted.url), settles=True)
        return None

    def _certificate_in(self, posted: Posted) -> bytes | None:
        """The unverified certificate; without one, what the node said is remembered."""
        try:
            said = read_call_answer(posted.answer, posted.url, self._prepared.method)
        except TransportError as error:
            self._remember(error, settles=False)
            return None
        if isinstance(said, RejectedError):
            self._remember(said, settles=True)
            return None
        self._unclear = True
        return said

    async def _ask(self) -> CertifiedReply | None:
        path = (b"request_status", self._prepared.request_id)
        try:
            certificate = await self._state.read(self._scope, [path])
        except (TransportError, ClockSkewError) as error:
            raise self._unknown(error.message) from error
        return self._examine(certificate)

    def _examine(self, certificate: VerifiedCertificate) -> CertifiedReply | None:
        prepared = self._prepared
        status = request_status(certificate, prepared.request_id)
        match status:
            case Replied(reply=reply):
                return CertifiedReply(
                    reply=reply, time_ns=certificate.time_ns, request_id=prepared.request_id
                )
            case Rejected(code=code, message=message, error_code=error_code):
                raise reject_error(
                    prepared.method,
                    code=code,
                    message=message,
                    error_code=error_code,
                    certified=True,
                )
            case Done():
                raise self._unknown(
                    "it has ended, but the network has dropped its result",
                    hint="look at the module's state to see what the call did",
                )
            case Pending():
                if not self._seen:
                    self._pace.restart()
                self._seen = True
            case StatusAbsent():
                self._check_expired(certificate.time_ns)
            case _:
                assert_never(status)
        return None

    def _check_expired(self, time_ns: int) -> None:
        """Conclude what can be concluded from the status being absent at ``time_ns``."""
        prepared = self._prepared
        if time_ns <= prepared.expires_at_ns:
            if not self._seen:
                self._absent_at_ns = max(self._absent_at_ns, time_ns)
            return
        if self._seen or time_ns - self._absent_at_ns > STATUS_KEPT_NS:
            raise self._unknown(
                "it has expired, and may have run and been forgotten",
                hint="look at the module's state to see whether the call ran",
            ) from self._claim
        said = f"; earlier: {self._claim.message}" if self._claim else ""
        raise TransportError(
            f"{prepared.method} was not executed: it expired at"
            f" {show_time(prepared.expires_at_ns)} before the network had taken it{said}",
            url=self._connection.channel.url,
            maybe_delivered=False,
            code="call-expired",
            hint="the call changed nothing: try again",
        ) from self._claim

    def _is_open(self) -> bool:
        """Whether one node's word is not enough to end the waiting."""
        return self._settle or self._unclear

    def _remember(self, error: JunoSnapError, *, settles: bool) -> None:
        """Raise ``error`` where it ends the matter, else keep it for the final message."""
        if settles and not self._is_open():
            raise error
        if settles:
            self._refusals += 1
        else:
            self._unclear = True
        self._claim = error

    def _unknown(self, reason: str, *, hint: str = "") -> OutcomeUnknownError:
        prepared = self._prepared
        said = f" (earlier: {self._claim.message})" if self._claim else ""
        until = show_time(prepared.expires_at_ns)
        return OutcomeUnknownError(
            f"the outcome of {prepared.method} is not known: {reason}{said}",
            request_id=prepared.request_id,
            expires_at_ns=prepared.expires_at_ns,
            hint=hint or f"ask for its status again; the call may still begin until {until}",
        )
