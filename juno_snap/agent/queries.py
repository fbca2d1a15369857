"""Queries, and the signatures of the nodes that answer them.

A query's answer is one node's word, signed. It is checked (interface specification, "Request:
Query call") that

1. the answer names at least one node of the subnet that hosts the canister, by the subnet's own
   certified list of nodes and keys;
2. that node signed the answer together with this request's id;
3. it did so within the accepted difference of clocks.

That shows who answered, not that the answer is right: what matters is read certified, or called.
"""

from http import HTTPStatus
from typing import TypeAlias, final

from juno_snap.agent.answers import (
    describe,
    is_invalid_expiry,
    not_of_the_protocol,
    refusal,
    reject_error,
)
from juno_snap.agent.certified_state import CertifiedState, too_old
from juno_snap.agent.channel import READ_TTL_SECONDS, Connection, canister_place
from juno_snap.agent.delegation import check_usable
from juno_snap.agent.identity import AnonymousIdentity
from juno_snap.agent.signing import sign_request
from juno_snap.errors import DecodeError, TrustError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, Principal, RequestId
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.certificate import CanisterScope
from juno_snap.wire.envelope import QueryContent
from juno_snap.wire.hashtree import FoundTree, Unknown, labels
from juno_snap.wire.query_response import (
    NodeSignature,
    QueryReplied,
    QueryResponse,
    decode_query_response,
    node_signing_payload,
)
from juno_snap.wire.signature import verify

NodeKeys: TypeAlias = dict[Principal, bytes]
"""Keys of a subnet's nodes in DER form."""


@final
class Queries:
    """Asks queries of one network; remembers the nodes of each subnet."""

    def __init__(self, connection: Connection, state: CertifiedState) -> None:
        self._connection = connection
        self._state = state
        self._nodes: dict[Principal, NodeKeys] = {}

    async def ask(
        self,
        canister_id: Principal,
        method: str,
        arg: bytes,
        *,
        effective_canister_id: Principal,
        not_before_ns: int = 0,
    ) -> bytes:
        """The reply. One that was signed before ``not_before_ns`` is asked for again.

        Raises:
            RejectedError: The node refused; not certified.
            TransportError: No answer, one that is none, or only old ones.
            TrustError: The answer is not signed by a node of the subnet, or a clock is wrong.
            IdentityError: The delegation does not allow this query.
        """
        pace = self._connection.pace()
        while True:
            url, request_id, response = await self._post(
                canister_id, method, arg, effective_canister_id
            )
            signed_at_ns = await self._check_signed(response, request_id, effective_canister_id)
            if signed_at_ns >= not_before_ns:
                break
            if pace.spent_seconds() > self._connection.poll.catch_up_seconds:
                raise too_old(url, signed_at_ns, not_before_ns)
            await pace.wait()
        if isinstance(response, QueryReplied):
            return response.arg
        raise reject_error(
            method,
            code=response.reject_code,
            message=response.reject_message,
            error_code=response.error_code or "",
            certified=False,
        )

    async def _post(
        self, canister_id: Principal, method: str, arg: bytes, effective_canister_id: Principal
    ) -> tuple[str, RequestId, QueryResponse]:
        connection = self._connection
        identity = connection.identity
        check_usable(identity, canister_id=canister_id, now_ns=connection.clock.now_ns())
        content = QueryContent(
            sender=identity.principal,
            canister_id=canister_id,
            method_name=method,
            arg=arg,
            ingress_expiry_ns=connection.expiry_ns(READ_TTL_SECONDS),
            nonce=connection.nonce(),
        )
        request = sign_request(content, identity)
        place = canister_place(effective_canister_id)
        posted = await connection.channel.post("query", place, request.body)
        if is_invalid_expiry(posted.answer):
            raise await self._state.clock_error(CanisterScope(effective_canister_id))
        if posted.answer.status != HTTPStatus.OK:
            raise refusal(posted.answer, posted.url)
        try:
            response = decode_query_response(posted.answer.body)
        except DecodeError as error:
            what = f"{describe(posted.answer)} ({error.message})"
            raise not_of_the_protocol(posted.url, what, posted.answer.status) from error
        return posted.url, request.request_id, response

    async def _check_signed(
        self, response: QueryResponse, request_id: RequestId, effective_canister_id: Principal
    ) -> int:
        """Steps 1 to 3; the time of the newest signature that holds."""
        if not response.signatures:
            raise TrustError("the answer to a query is not signed", code="query-unsigned")
        keys = self._known_nodes(effective_canister_id)
        if not _signed_by(response, keys):
            keys = await self._fetch_nodes(effective_canister_id)
        signatures = _signed_by(response, keys)
        if not signatures:
            raise TrustError(
                "no node of the subnet signed the answer to a query", code="query-unknown-node"
            )
        valid = [
            signature.timestamp_ns
            for signature in signatures
            if _holds(signature, response, request_id, keys[signature.node_id])
        ]
        if not valid:
            raise TrustError(
                "the signature of the answer to a query does not hold", code="query-signature"
            )
        self._check_fresh(max(valid))
        return max(valid)

    def _check_fresh(self, signed_at_ns: int) -> None:
        ahead_ns = self._connection.clock.now_ns() - signed_at_ns
        if abs(ahead_ns) > self._connection.max_clock_skew_ns:
            seconds = abs(ahead_ns) // NS_PER_SECOND
            side = "old" if ahead_ns > 0 else "ahead"
            raise TrustError(
                f"the answer to a query is {seconds} s {side} by this computer's clock",
                code="query-stale",
                hint="compare this computer's clock with the real time",
            )

    def _known_nodes(self, effective_canister_id: Principal) -> NodeKeys:
        subnet_id = self._state.subnet_of(effective_canister_id)
        return {} if subnet_id is None else self._nodes.get(subnet_id, {})

    async def _fetch_nodes(self, effective_canister_id: Principal) -> NodeKeys:
        """The certified nodes of the subnet that hosts the canister."""
        certificate = await self._state.read(
            CanisterScope(effective_canister_id), [(b"subnet",)], identity=AnonymousIdentity()
        )
        subnet_id = certificate.subnet_id
        path = (b"subnet", subnet_id.raw, b"node")
        found = certificate.lookup_subtree(path)
        if isinstance(found, Unknown):
            raise TrustError(
                f"the certificate does not show the nodes of subnet {subnet_id}",
                code="certificate-pruned",
            )
        nodes: NodeKeys = {}
        for label in labels(found.tree) if isinstance(found, FoundTree) else []:
            key = certificate.find((*path, label, b"public_key"), "the key of a node")
            if key is not None and len(label) <= PRINCIPAL_MAX_BYTES:
                nodes[Principal(label)] = key
        self._nodes[subnet_id] = nodes
        return nodes


def _signed_by(response: QueryResponse, keys: NodeKeys) -> list[NodeSignature]:
    return [signature for signature in response.signatures if signature.node_id in keys]


def _holds(
    signature: NodeSignature, response: QueryResponse, request_id: RequestId, key: bytes
) -> bool:
    payload = node_signing_payload(response, request_id, signature.timestamp_ns)
    try:
        return verify(key, payload, signature.signature)
    except DecodeError:
        return False
