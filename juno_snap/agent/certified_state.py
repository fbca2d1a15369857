"""Certified reads, and what the certificates say of time."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeAlias, final

from juno_snap.agent.answers import certificate_in, is_invalid_expiry
from juno_snap.agent.channel import (
    READ_TTL_SECONDS,
    Connection,
    Posted,
    canister_place,
    subnet_place,
)
from juno_snap.agent.clock_skew import ClockSkewError, skew_between, skew_unknown
from juno_snap.agent.identity import AnonymousIdentity, Identity
from juno_snap.agent.signing import sign_request
from juno_snap.errors import JunoSnapError, TransportError
from juno_snap.ids import Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.certificate import (
    CanisterScope,
    DelegationCache,
    Scope,
    VerifiedCertificate,
    verify_certificate,
)
from juno_snap.wire.envelope import ReadStateContent

Path: TypeAlias = tuple[bytes, ...]

ANY_TIME_NS: Final = 2**63
"""Longer than any clock is wrong: for finding out by how much it is."""

_VERIFIER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="verifier")
"""One, for all: each certificate under way may be of megabytes, and is held several times over."""


@final
class CertifiedState:
    """Reads the state tree; every certificate is verified (no switch turns this off)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._delegations = DelegationCache()
        self._newest_ns: dict[Scope, int] = {}
        self._subnets: dict[Principal, Principal] = {}

    def newest_ns(self, scope: Scope) -> int:
        """The latest certified time seen for ``scope``; 0 where none was seen."""
        return self._newest_ns.get(scope, 0)

    def subnet_of(self, canister_id: Principal) -> Principal | None:
        """The subnet that last spoke for ``canister_id``, and was certified to host it."""
        return self._subnets.get(canister_id)

    async def verify(self, certificate: bytes, scope: Scope) -> VerifiedCertificate:
        """The certificate, checked against root key, scope and clock.

        In a thread: the curve's arithmetic leaves the interpreter to others meanwhile.

        Raises:
            TrustError: It does not hold.
        """
        skew_ns = self._connection.max_clock_skew_ns
        verified = await self._verify(certificate, scope, tolerance_ns=skew_ns)
        self._newest_ns[scope] = max(self.newest_ns(scope), verified.time_ns)
        if isinstance(scope, CanisterScope):
            self._subnets[scope.canister_id] = verified.subnet_id
        return verified

    async def read(
        self,
        scope: Scope,
        paths: Sequence[Path],
        *,
        identity: Identity | None = None,
        not_before_ns: int = 0,
    ) -> VerifiedCertificate:
        """What the network vouches for at ``paths``; absence too is only what is proven.

        Asked by the connection's identity, or by ``identity``. An answer from before
        ``not_before_ns`` is asked for again.

        Raises:
            TransportError: No answer, one that is none, or only old ones.
            TrustError: The certificate does not hold, or a clock is wrong.
        """
        pace = self._connection.pace()
        asker = identity or self._connection.identity
        while True:
            posted = await self._post(scope, paths, asker)
            if is_invalid_expiry(posted.answer):
                raise await self.clock_error(scope)
            verified = await self.verify(certificate_in(posted.answer, posted.url), scope)
            if verified.time_ns >= not_before_ns:
                return verified
            if pace.spent_seconds() > self._connection.poll.catch_up_seconds:
                raise too_old(posted.url, verified.time_ns, not_before_ns)
            await pace.wait()

    async def clock_error(self, scope: Scope) -> ClockSkewError:
        """The error for a request that was refused because of its time, with both clocks in it.

        The network's is read from ``/time``, anonymously: such a read has no expiry.
        """
        try:
            posted = await self._post(scope, (), AnonymousIdentity())
            certificate = certificate_in(posted.answer, posted.url)
            verified = await self._verify(certificate, scope, tolerance_ns=ANY_TIME_NS)
        except JunoSnapError as error:
            return skew_unknown(self._connection.clock.now_ns(), error.message)
        return skew_between(self._connection.clock.now_ns(), verified.time_ns)

    async def _post(self, scope: Scope, paths: Sequence[Path], asker: Identity) -> Posted:
        connection = self._connection
        content = ReadStateContent(
            sender=asker.principal,
            paths=tuple(paths),
            ingress_expiry_ns=connection.expiry_ns(READ_TTL_SECONDS),
        )
        body = sign_request(content, asker).body
        return await connection.channel.post("read_state", _place(scope), body)

    async def _verify(
        self, certificate: bytes, scope: Scope, *, tolerance_ns: int
    ) -> VerifiedCertificate:
        work = partial(
            verify_certificate,
            certificate,
            root_key=self._connection.root_key,
            scope=scope,
            now_ns=self._connection.clock.now_ns(),
            max_age_ns=tolerance_ns,
            max_ahead_ns=tolerance_ns,
            known=self._delegations,
        )
        return await asyncio.get_running_loop().run_in_executor(_VERIFIER, work)


def too_old(url: str, time_ns: int, not_before_ns: int) -> TransportError:
    """The error for a node that stays behind what is already known."""
    late_seconds = (not_before_ns - time_ns) / NS_PER_SECOND
    return TransportError(
        f"{url} keeps answering from {late_seconds:.1f} s before the call that was made",
        url=url,
        code="answer-too-old",
        hint="try again in a minute",
    )


def _place(scope: Scope) -> str:
    if isinstance(scope, CanisterScope):
        return canister_place(scope.canister_id)
    return subnet_place(scope.subnet_id)
