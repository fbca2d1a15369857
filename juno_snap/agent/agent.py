"""The agent: calls with certified outcomes, certified reads, verified queries."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, final

from juno_snap.agent.answers import body_map, not_of_the_protocol
from juno_snap.agent.certified_state import CertifiedState, Path
from juno_snap.agent.channel import Channel, Connection
from juno_snap.agent.delegation import check_usable
from juno_snap.agent.identity import Identity, check_not_revoked
from juno_snap.agent.line import Line
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.queries import Queries
from juno_snap.agent.retry import RetryingTransport, RetryPolicy
from juno_snap.agent.root_key import check_fetch_allowed
from juno_snap.agent.signing import sign_request
from juno_snap.agent.submission import CertifiedReply, PreparedCall, Submission
from juno_snap.agent.transport import HttpxTransport, Transport
from juno_snap.clock import Clock, system_clock
from juno_snap.errors import DecodeError, InputError, TransportError
from juno_snap.ids import Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import Entropy
from juno_snap.wire.bls import der_to_public_key
from juno_snap.wire.cbor import as_bytes, as_text
from juno_snap.wire.certificate import CanisterScope, SubnetScope, VerifiedCertificate
from juno_snap.wire.envelope import CallContent

CALL_TTL_MAX_SECONDS: Final = 300
"""The network refuses calls that would live longer.

Source: dfinity/ic, ``rs/limits/src/lib.rs``, ``MAX_INGRESS_TTL``.
"""

STATUS_PATH: Final = "/api/v2/status"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """How to talk to one network."""

    url: str
    root_key: bytes | None
    """DER, 133 bytes; None fetches it from the network, which then is trusted on first use."""
    call_ttl_seconds: int = 240
    max_clock_skew_seconds: int = 300
    """Certificates and signed answers older, or further ahead, are refused.

    Source: interface specification, "Request: Read state", suggests five minutes.
    """
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    poll: PollPolicy = field(default_factory=PollPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """What a replica says of itself; nobody vouches for it. Empty text: not said."""

    root_key: bytes | None
    """DER, 133 bytes; development networks give it."""
    health: str
    version: str


@final
class Agent:
    """One network and one identity. Made by ``open_agent``; closed by ``aclose`` or ``async with``.

    Calls may run concurrently; they share one connection pool.
    """

    def __init__(
        self, connection: Connection, transport: RetryingTransport, *, call_ttl_seconds: int
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._call_ttl_seconds = call_ttl_seconds
        self._state = CertifiedState(connection)
        self._queries = Queries(connection, self._state)

    @property
    def url(self) -> str:
        """The network's address."""
        return self._transport.url

    @property
    def root_key(self) -> bytes:
        """What everything is verified against: DER, 133 bytes."""
        return self._connection.root_key

    @property
    def identity(self) -> Identity:
        """Who signs."""
        return self._connection.identity

    @property
    def call_ttl_seconds(self) -> int:
        """How long a call lives, unless it is said otherwise."""
        return self._call_ttl_seconds

    @property
    def slow_downs(self) -> int:
        """How often the network has asked to slow down; who sends much at once heeds it."""
        return self._transport.slow_downs

    @property
    def inbound(self) -> Line:
        """Large answers on their way; who takes long over one occupies a place meanwhile."""
        return self._connection.inbound

    @property
    def clock(self) -> Clock:
        """The time that this agent goes by."""
        return self._connection.clock

    def prepare(
        self,
        canister_id: Principal,
        method: str,
        arg: bytes,
        *,
        effective_canister_id: Principal | None = None,
        ttl_seconds: int | None = None,
    ) -> PreparedCall:
        """A signed call, to be sent by ``submit``: any number of times, the network runs it once.

        ``effective_canister_id`` decides where it is sent; needed for calls to ``aaaaa-aa``.

        Raises:
            InputError: A lifetime that the network would refuse.
            IdentityError: The delegation has expired or does not allow this call.
        """
        connection = self._connection
        ttl = check_ttl(self._call_ttl_seconds if ttl_seconds is None else ttl_seconds)
        check_usable(
            connection.identity, canister_id=canister_id, now_ns=self.clock.now_ns(), updates=True
        )
        effective = effective_canister_id or canister_id
        content = CallContent(
            sender=connection.identity.principal,
            canister_id=canister_id,
            method_name=method,
            arg=arg,
            ingress_expiry_ns=connection.expiry_ns(ttl),
            nonce=connection.nonce(),
        )
        request = sign_request(content, connection.identity)
        return PreparedCall(
            request_id=request.request_id,
            canister_id=canister_id,
            effective_canister_id=effective,
            method=method,
            expires_at_ns=content.ingress_expiry_ns,
            body=request.body,
            signed_after_ns=self._state.newest_ns(CanisterScope(effective)),
        )

    async def submit(self, prepared: PreparedCall, *, settle: bool = False) -> CertifiedReply:
        """Send a prepared call and wait for its certified outcome.

        One that has expired is not sent any more, only asked for. With ``settle`` one node's word
        ends nothing: after its reject or refusal only a certified outcome counts, or the proof
        that the call never ran. It is for calls that must not be left open, and for those that
        another process may have sent before.

        Raises:
            RejectedError: Refused, by the network (``certified``) or by one node.
            TransportError: It was not delivered, or is proven not to have run (code
                ``call-expired``); ``maybe_delivered`` is false.
            OutcomeUnknownError: It may have run, or may still.
            TrustError: An answer does not hold; the outcome is as unknown as with
                ``OutcomeUnknownError``.
            ClockSkewError: The call was refused because of its time, and was not executed.
        """
        return await Submission(self._connection, self._state, prepared, settle=settle).run()

    async def call(
        self,
        canister_id: Principal,
        method: str,
        arg: bytes,
        *,
        effective_canister_id: Principal | None = None,
        ttl_seconds: int | None = None,
        settle: bool = False,
    ) -> CertifiedReply:
        """``prepare``, then ``submit``. Raises what these raise."""
        prepared = self.prepare(
            canister_id,
            method,
            arg,
            effective_canister_id=effective_canister_id,
            ttl_seconds=ttl_seconds,
        )
        return await self.submit(prepared, settle=settle)

    async def query(
        self,
        canister_id: Principal,
        method: str,
        arg: bytes,
        *,
        effective_canister_id: Principal | None = None,
        not_before_ns: int = 0,
    ) -> bytes:
        """The reply of one node, whose signature was verified; for display and for probes.

        An answer signed before ``not_before_ns`` is asked for again.

        Raises:
            RejectedError: The node refused; not certified.
            TransportError: No answer, one that is none, or only old ones.
            TrustError: Not signed by a node of the canister's subnet, or a clock is wrong.
            IdentityError: The delegation has expired or does not allow this query.
        """
        return await self._queries.ask(
            canister_id,
            method,
            arg,
            effective_canister_id=effective_canister_id or canister_id,
            not_before_ns=not_before_ns,
        )

    async def read_state(
        self, effective_canister_id: Principal, paths: Sequence[Path], *, not_before_ns: int = 0
    ) -> VerifiedCertificate:
        """The certified values at ``paths``, and the certified time.

        The caller has to tell absent (proven) from unknown. An answer from before
        ``not_before_ns`` is asked for again.

        Raises:
            TransportError: No answer, one that is none, a refusal, or only old answers.
            TrustError: The certificate does not hold, or a clock is wrong.
        """
        scope = CanisterScope(effective_canister_id)
        return await self._state.read(scope, paths, not_before_ns=not_before_ns)

    async def read_subnet_state(
        self, subnet_id: Principal, paths: Sequence[Path]
    ) -> VerifiedCertificate:
        """Like ``read_state``, from and about a whole subnet."""
        return await self._state.read(SubnetScope(subnet_id), paths)

    async def status(self) -> ReplicaStatus:
        """What the replica says of itself.

        Raises:
            TransportError: No answer, or one that is none.
        """
        return await fetch_status(self._transport)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def open_agent(
    options: AgentOptions,
    identity: Identity,
    *,
    clock: Clock | None = None,
    transport: Transport | None = None,
    entropy: Entropy = os.urandom,
) -> Agent:
    """An agent, ready for calls; it closes the transport that it was given, too.

    Nothing is sent, but for the question for the root key where it is to be fetched.

    Raises:
        InputError: A malformed address or lifetime.
        IdentityError: A key that everybody has.
        TransportError: The root key cannot be fetched.
        TrustError: The root key of mainnet was to be fetched.
    """
    clock = clock or system_clock()
    check_not_revoked(identity)
    check_ttl(options.call_ttl_seconds)
    inbound = Line()
    below = transport or HttpxTransport(options.url, inbound=inbound)
    retrying = RetryingTransport(below, policy=options.retry, clock=clock, entropy=entropy)
    try:
        root_key = options.root_key or await fetch_root_key(retrying)
    except BaseException:
        await retrying.aclose()
        raise
    connection = Connection(
        channel=Channel(retrying),
        inbound=inbound,
        identity=identity,
        root_key=root_key,
        clock=clock,
        entropy=entropy,
        poll=options.poll,
        max_clock_skew_ns=options.max_clock_skew_seconds * NS_PER_SECOND,
    )
    return Agent(connection, retrying, call_ttl_seconds=options.call_ttl_seconds)


async def fetch_root_key(transport: Transport) -> bytes:
    """The root key that a development network gives: DER, 133 bytes. Trusted on first use.

    Raises:
        TrustError: This is mainnet, whose key is never asked for.
        TransportError: No answer, or none with a key.
    """
    check_fetch_allowed(transport.url)
    key = (await fetch_status(transport)).root_key
    if key is None:
        raise TransportError(
            f"{transport.url} does not give its root key",
            url=transport.url,
            code="no-root-key",
            hint="write the network's root key into the configuration",
        )
    return key


async def fetch_status(transport: Transport) -> ReplicaStatus:
    """What the replica behind ``transport`` says of itself.

    Raises:
        TransportError: No answer, or one that is none.
    """
    url = transport.url + STATUS_PATH
    answer = await transport.send(STATUS_PATH, None)
    fields = body_map(answer, url)
    try:
        key = fields.get("root_key")
        if key is not None:
            der_to_public_key(as_bytes(key, "root_key"))
        return ReplicaStatus(
            root_key=None if key is None else as_bytes(key, "root_key"),
            health=as_text(fields.get("replica_health_status", ""), "replica_health_status"),
            version=as_text(fields.get("impl_version", ""), "impl_version"),
        )
    except DecodeError as error:
        what = f"a status in which something is wrong: {error.message}"
        raise not_of_the_protocol(url, what, answer.status) from error


def check_ttl(seconds: int) -> int:
    """``seconds`` as the lifetime of a call.

    Raises:
        InputError: Not between 1 and 300.
    """
    if not 1 <= seconds <= CALL_TTL_MAX_SECONDS:
        raise InputError(
            f"a call lives 1 to {CALL_TTL_MAX_SECONDS} seconds, not {seconds}",
            value=str(seconds),
            code="invalid-ttl",
        )
    return seconds
