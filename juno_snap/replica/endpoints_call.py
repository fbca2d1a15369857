"""Update calls: ``/api/v{2,3,4}/canister/<id>/call``.

Source: interface specification, "Synchronous Call" and "Asynchronous Call"; the order of work and
the texts are those of dfinity/ic, ``rs/http_endpoints/public/src/call``.
"""

import asyncio
from typing import Final

from juno_snap.ids import RequestId
from juno_snap.replica.endpoints_node import (
    ACCEPTED,
    Answer,
    Node,
    Question,
    cbor_answer,
    check_canister,
    open_envelope,
    text_answer,
)
from juno_snap.replica.history import Request
from juno_snap.replica.ingress import BAD_REQUEST, RequestError, validate
from juno_snap.replica.reject import Reject
from juno_snap.replica.rounds import Ticket
from juno_snap.units import MIB
from juno_snap.wire.envelope import CallContent

INGRESS_MAX_BYTES: Final = 2 * MIB
"""Source: dfinity/ic, ``rs/limits/src/lib.rs``, an application subnet."""

TOO_LARGE: Final = 413
ASYNCHRONOUS_VERSION: Final = 2

NOT_IN_TIME: Final = (
    "Message did not complete execution and certification within the replica defined timeout."
)
DUPLICATE: Final = "Duplicate request. Message is already being tracked and executed."


async def answer_call(node: Node, question: Question) -> Answer:
    """Bring a call in, and, but for version 2, wait for its outcome.

    Raises:
        RequestError: It is malformed, too large, or not validly signed.
    """
    envelope = open_envelope(question, "call message")
    call = envelope.content
    if not isinstance(call, CallContent):
        raise RequestError(
            BAD_REQUEST, "Could not parse body as call message: it holds another kind of request"
        )
    question.record.content = call
    check_canister(call.canister_id, question.target)
    request_id = call.request_id()
    _check_size(request_id, len(question.body))
    validate(envelope, node.time.now_ns())
    known = node.rounds.history.find(request_id)
    if known is None:
        try:
            await node.rounds.accept(call, question.target, size_bytes=len(question.body))
        except Reject as reject:
            return _refused(question.version, reject)
        # The same bytes may have come in while the filter was at work.
        known = node.rounds.history.find(request_id)
    if known is not None:
        return _answer_known(node, question.version, known)
    ticket = node.rounds.add(call, question.target, size_bytes=len(question.body))
    question.record.round_number = ticket.round_number
    if question.version == ASYNCHRONOUS_VERSION:
        return text_answer(ACCEPTED, "", "accepted")
    return await _wait(node, request_id, ticket)


def _check_size(request_id: RequestId, size_bytes: int) -> None:
    if size_bytes > INGRESS_MAX_BYTES:
        raise RequestError(
            TOO_LARGE,
            f"Request 0x{request_id.hex()} is too large. Message byte size {size_bytes} is "
            f"larger than the max allowed {INGRESS_MAX_BYTES}.",
        )


async def _wait(node: Node, request_id: RequestId, ticket: Ticket) -> Answer:
    await asyncio.wait({ticket.ended}, timeout=node.options.sync_call_seconds)
    request = node.rounds.history.find(request_id)
    if request is None or request.outcome is None:
        return text_answer(ACCEPTED, NOT_IN_TIME, "not in time")
    return _certified(node, request)


def _answer_known(node: Node, version: int, known: Request) -> Answer:
    """A request that came in before is not executed again, whatever became of it."""
    if version == ASYNCHRONOUS_VERSION:
        return text_answer(ACCEPTED, "", "duplicate")
    if known.outcome is None:
        return text_answer(ACCEPTED, DUPLICATE, "duplicate")
    return _certified(node, known)


def _certified(node: Node, request: Request) -> Answer:
    outcome = "replied"
    if isinstance(request.outcome, Reject):
        outcome = f"rejected {request.outcome.error_code}"
    certificate = node.certificate(((b"request_status", request.request_id),))
    # The status says that there is a certificate; how the call ended stands in it.
    return cbor_answer({"status": "replied", "certificate": certificate}, outcome)


def _refused(version: int, reject: Reject) -> Answer:
    fields: dict[str, object] = {
        "reject_code": reject.reject_code,
        "reject_message": reject.message,
        "error_code": reject.error_code,
    }
    if version != ASYNCHRONOUS_VERSION:
        fields = {"status": "non_replicated_rejection", **fields}
    return cbor_answer(fields, f"refused {reject.error_code}")
