"""Queries: ``/api/v{2,3}/canister/<id>/query``. Replies and rejects are signed by the node.

Source: interface specification, "Request: Query call".
"""

from dataclasses import replace

from juno_snap.ids import Principal
from juno_snap.replica.certify_canisters import PublishedCanisters
from juno_snap.replica.endpoints_node import (
    CBOR,
    OK,
    Answer,
    Node,
    Question,
    check_canister,
    open_envelope,
)
from juno_snap.replica.ingress import BAD_REQUEST, RequestError, validate
from juno_snap.replica.reject import Reject
from juno_snap.wire.envelope import QueryContent
from juno_snap.wire.query_response import (
    NodeSignature,
    QueryRejected,
    QueryReplied,
    QueryResponse,
    encode_query_response,
    node_signing_payload,
)
from juno_snap.wire.signature import sign_ed25519


async def answer_query(node: Node, question: Question) -> Answer:
    """Run a query on the state of the last round.

    Raises:
        RequestError: It is malformed or not validly signed.
    """
    envelope = open_envelope(question, "read request")
    query = envelope.content
    if not isinstance(query, QueryContent):
        raise RequestError(
            BAD_REQUEST, "Could not parse body as read request: it holds another kind of request"
        )
    question.record.content = query
    check_canister(query.canister_id, question.target)
    time_ns = node.time.now_ns()
    validate(envelope, time_ns)

    def certify(canisters: PublishedCanisters, canister_id: Principal) -> bytes:
        return node.certifier.certificate(
            canisters=canisters.branch,
            requests=node.rounds.history.branch,
            time_ns=time_ns,
            paths=((b"canister", canister_id.raw, b"certified_data"),),
        )

    response: QueryResponse
    try:
        reply = await node.rounds.query(query, time_ns, certify)
        response, outcome = QueryReplied(arg=reply), "replied"
    except Reject as reject:
        response = QueryRejected(
            reject_code=reject.reject_code,
            reject_message=reject.message,
            error_code=reject.error_code,
        )
        outcome = f"rejected {reject.error_code}"
    body = encode_query_response(_signed(node, query, response, time_ns))
    return Answer(status=OK, content_type=CBOR, body=body, outcome=outcome)


def _signed(
    node: Node, query: QueryContent, response: QueryResponse, time_ns: int
) -> QueryResponse:
    payload = node_signing_payload(response, query.request_id(), time_ns)
    signature = NodeSignature(
        node_id=node.keys.node_id,
        timestamp_ns=time_ns,
        signature=sign_ed25519(node.keys.node_seed, payload),
    )
    return replace(response, signatures=(signature,))
