"""The endpoints of a replica, newest first, and what all requests of one agent share."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeAlias, final

from juno_snap.agent.identity import Identity
from juno_snap.agent.line import Line
from juno_snap.agent.polling import Pace, PollPolicy
from juno_snap.agent.retry import RetryingTransport
from juno_snap.agent.transport import Answer
from juno_snap.clock import Clock
from juno_snap.errors import TransportError
from juno_snap.ids import Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import Entropy

RequestKind: TypeAlias = Literal["call", "query", "read_state"]

VERSIONS: Final[dict[RequestKind, tuple[int, ...]]] = {
    "call": (4, 3, 2),
    "query": (3, 2),
    "read_state": (3, 2),
}
"""Newest first; older nodes have older ones only. Version 2 of ``call`` does not wait.

Source: interface specification, "HTTPS Interface".
"""

NONCE_BYTES: Final = 16

READ_TTL_SECONDS: Final = 120
"""Lifetime of signed queries and reads; longer than they are sent again."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """An answer, where it came from, and what came before it."""

    url: str
    version: int
    answer: Answer
    earlier_maybe_delivered: bool


@final
class Channel:
    """Posts requests to the newest version of an endpoint that the other side has."""

    def __init__(self, transport: RetryingTransport) -> None:
        self._transport = transport
        self._known: dict[RequestKind, tuple[int, ...]] = {}

    @property
    def url(self) -> str:
        """The network's address."""
        return self._transport.url

    async def post(
        self, kind: RequestKind, place: str, body: bytes, *, deadline_ns: int | None = None
    ) -> Posted:
        """The answer to ``body``, sent to ``place``: ``canister/<id>`` or ``subnet/<id>``.

        A 404 leads to the next older version, until one answers otherwise; that one is remembered.

        Raises:
            TransportError: No usable answer (see ``RetryingTransport.deliver``).
        """
        newest, *older = self._known.get(kind, VERSIONS[kind])
        path = f"{place}/{kind}"
        posted = await self._post(newest, path, body, deadline_ns=deadline_ns)
        for version in older:
            if posted.answer.status != HTTPStatus.NOT_FOUND:
                break
            posted = await self._post(
                version, path, body, deadline_ns=deadline_ns, unclear=posted.earlier_maybe_delivered
            )
        if posted.answer.status != HTTPStatus.NOT_FOUND:
            self._known[kind] = (posted.version,)
        return posted

    async def _post(
        self,
        version: int,
        path: str,
        body: bytes,
        *,
        deadline_ns: int | None,
        unclear: bool = False,
    ) -> Posted:
        path = f"/api/v{version}/{path}"
        try:
            delivery = await self._transport.deliver(path, body, deadline_ns=deadline_ns)
        except TransportError as error:
            error.maybe_delivered = error.maybe_delivered or unclear
            raise
        return Posted(
            url=self.url + path,
            version=version,
            answer=delivery.answer,
            earlier_maybe_delivered=unclear or delivery.earlier_maybe_delivered,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What all requests of one agent share."""

    channel: Channel
    inbound: Line
    identity: Identity
    root_key: bytes
    clock: Clock
    entropy: Entropy
    poll: PollPolicy
    max_clock_skew_ns: int

    def expiry_ns(self, ttl_seconds: int) -> int:
        """The ingress expiry of a request made now."""
        return self.clock.now_ns() + ttl_seconds * NS_PER_SECOND

    def nonce(self) -> bytes:
        """What makes two equal requests different."""
        return self.entropy(NONCE_BYTES)

    def pace(self) -> Pace:
        """Fresh waits."""
        return Pace(policy=self.poll, clock=self.clock, entropy=self.entropy)


def canister_place(canister_id: Principal) -> str:
    """Where requests with this effective canister id are posted."""
    return f"canister/{canister_id}"


def subnet_place(subnet_id: Principal) -> str:
    """Where requests about a whole subnet are posted."""
    return f"subnet/{subnet_id}"
