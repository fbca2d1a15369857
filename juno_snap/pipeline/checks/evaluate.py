"""Asks until every check is ok or the time is over, and gives the last word on each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.agent.submission import CertifiedReply, PreparedCall
from juno_snap.clock import Clock
from juno_snap.errors import (
    DecodeError,
    IdentityError,
    InputError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.events import Observer, Waiting
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline import codes
from juno_snap.pipeline.checks.fit import expectation_of
from juno_snap.pipeline.checks.model import CheckResult, CheckSpec
from juno_snap.pipeline.checks.probe import Probe
from juno_snap.pipeline.checks.verdict import Attempt, attempt, of_call, of_call_reject
from juno_snap.pipeline.sending import leaves_outcome_unknown
from juno_snap.units import NS_PER_SECOND

Send: TypeAlias = Callable[[PreparedCall], Awaitable[CertifiedReply]]
"""Sends an update call and waits for its outcome."""

CALL_TTL_SECONDS: Final = 60
"""Lifetime of a check's update call: one that was sent is awaited to its end."""

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
PAUSE_GROWTH: Final = 1.5

FIRST_CALL_SECONDS: Final = 2.0
CALL_GROWTH: Final = 4
"""A doubt is settled by an update call, which costs cycles: after 2, 8, 32, ... seconds."""


async def evaluate_checks(
    specs: Sequence[CheckSpec],
    *,
    client: ManagementClient,
    module: Principal,
    not_before_ns: int,
    timeout_seconds: float,
    send: Send,
    clock: Clock,
    observer: Observer,
) -> tuple[CheckResult, ...]:
    """What came of each of ``specs``, in their order.

    ``not_before_ns`` is the certified time of the module's start: older answers are asked again.
    All checks are tried at least once. After ``timeout_seconds`` no further round begins; one that
    has begun takes at most the longest timeout of its checks, and an update call as long as
    its lifetime. Update calls are sent one after the other; after one whose outcome is not known
    only those that the module says are queries. It ends early where a wrong version or a missing
    method is certified, which does not change; what is not clear by then is not evaluated.

    Raises:
        JunoSnapError: What ``send`` raises beside a refusal, silence or distrust of the network.
    """
    probe = Probe(client, module, not_before_ns=not_before_ns, observer=observer)
    evaluation = _Evaluation(
        specs, probe=probe, client=client, module=module, send=send, clock=clock, observer=observer
    )
    await evaluation.run(timeout_seconds)
    return tuple(each.result() for each in evaluation.checks)


@final
@dataclass(slots=True, kw_only=True)
class _Check:
    """One check on its way."""

    spec: CheckSpec
    last: Attempt
    calls: int = 0
    """Update calls that were sent for it."""
    next_call_seconds: float = FIRST_CALL_SECONDS
    """Since the beginning."""
    is_composite: bool = False
    """An update call cannot tell more: it turned out to be a composite query."""
    was_bad: str = ""
    """What was certified to be bad before."""

    def result(self) -> CheckResult:
        ok = {"ok": True, "bad": False}.get(self.last.outcome)
        detail = self.last.detail
        if ok is None and self.was_bad:
            detail = f"{detail} (before that: {self.was_bad})"
        return CheckResult(name=self.spec.text, ok=ok, detail=detail)


@final
class _Evaluation:
    """The rounds."""

    def __init__(
        self,
        specs: Sequence[CheckSpec],
        *,
        probe: Probe,
        client: ManagementClient,
        module: Principal,
        send: Send,
        clock: Clock,
        observer: Observer,
    ) -> None:
        nothing = attempt("unknown", "not tried")
        self.checks = [_Check(spec=spec, last=nothing) for spec in specs]
        self._probe = probe
        self._agent = client.agent
        self._module = module
        self._send = send
        self._clock = clock
        self._observer = observer
        self._began_ns = clock.monotonic_ns()
        self._is_call_open = False

    async def run(self, timeout_seconds: float) -> None:
        """Rounds until all checks are ok, one can only stay bad, or the time is over."""
        pause = FIRST_PAUSE_SECONDS
        while pending := [check for check in self.checks if check.last.outcome != "ok"]:
            attempts = await asyncio.gather(*(self._probe.attempt(check.spec) for check in pending))
            is_last = self._spent_seconds() >= timeout_seconds
            for check, said in zip(pending, attempts, strict=True):
                check.last = await self._settled(check, said, is_last=is_last)
                if check.last.outcome == "bad":
                    check.was_bad = check.last.detail
            still = [check for check in pending if check.last.outcome != "ok"]
            if is_last or any(_is_decided(check) for check in still):
                break
            remaining = timeout_seconds - self._spent_seconds()
            if still and remaining > 0:
                names = ", ".join(check.spec.text for check in still)
                reason = f"checking: {names} ({still[0].last.detail})"
                self._observer(Waiting(reason=reason, remaining_seconds=remaining))
                await self._clock.sleep(min(pause, remaining))
                pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)

    async def _settled(self, check: _Check, said: Attempt, *, is_last: bool) -> Attempt:
        """What was ``said``; a doubt turned into a certified answer, where it is time for that."""
        if said.outcome != "doubtful":
            return said
        is_first = said.is_urgent and check.calls == 0
        if not (is_last or is_first or self._spent_seconds() >= check.next_call_seconds):
            return said
        problem = self._why_not_certified(check)
        if problem:
            return attempt("doubtful", f"{said.detail}; {problem}")
        while check.next_call_seconds <= self._spent_seconds():
            check.next_call_seconds *= CALL_GROWTH
        check.calls += 1
        try:
            return await self._certified(check, said)
        except InputError as error:
            return attempt("unknown", error.message)

    def _why_not_certified(self, check: _Check) -> str:
        """Why no update call is sent for a check, empty where one may be."""
        mode = self._probe.mode(check.spec)
        if mode == "composite_query" or check.is_composite:
            return "a composite query cannot be certified"
        if self._is_call_open and mode != "query":
            return "no further call is sent while an earlier one has no outcome"
        return ""

    async def _certified(self, check: _Check, doubt: Attempt) -> Attempt:
        """What an update call says where the word of a node is in doubt."""
        wanted = expectation_of(check.spec)
        argument = self._probe.argument(check.spec)
        try:
            replied = await self._send(self._prepared(wanted.method, argument))
        except RejectedError as error:
            self._is_call_open = self._is_call_open or leaves_outcome_unknown(error)
            if error.certified and error.error_code == codes.COMPOSITE_NOT_REPLICATED:
                check.is_composite = True
            return of_call_reject(error)
        except (
            DecodeError,
            IdentityError,
            OutcomeUnknownError,
            TransportError,
            TrustError,
        ) as error:
            self._is_call_open = self._is_call_open or leaves_outcome_unknown(error)
            self._probe.warn_of(error)
            return attempt("unknown", f"{error.message}; one node said: {doubt.detail}")
        return of_call(replied.reply, wanted, self._probe.interface)

    def _prepared(self, method: str, arg: bytes) -> PreparedCall:
        ttl_seconds = min(CALL_TTL_SECONDS, self._agent.call_ttl_seconds)
        return self._agent.prepare(self._module, method, arg, ttl_seconds=ttl_seconds)

    def _spent_seconds(self) -> float:
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_SECOND


def _is_decided(check: _Check) -> bool:
    """Whether it is bad and waiting cannot change that."""
    return check.last.outcome == "bad" and check.last.is_final
