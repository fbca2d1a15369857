"""Update calls: ``/api/v{2,3,4}/canister/<id>/call``.

Source: interface specification, "Synchronous Call" and "Asynchronous Call"; the order of work and
the texts are those of dfinity/ic, ``rs/http_endpoints/public/src/call``.
"""

import asyncio
from typing import Final

from juno_snap.errors import PreconditionError
from juno_snap.ids import RequestId
from juno_snap.replica.endpoints_node import (
    ACCEPTED,
    ASYNCHRONOUS_VERSION,
    Answer,
    Node,
    Question,
    cbor_answer,
    check_canister,
    open_envelope,
    reject_answer,
    text_answer,
)
from juno_snap.replica.faults import FaultKind, explain
from juno_snap.replica.history import Request
from juno_snap.replica.ingress import BAD_REQUEST, RequestError, validate
from juno_snap.replica.reject import Reject
from juno_snap.units import MIB
from juno_snap.wire.envelope import CallContent

INGRESS_MAX_BYTES: Final = 2 * MIB
"""Source: dfinity/ic, ``rs/limits/src/lib.rs``, an application subnet."""

TOO_LARGE: Final = 413
UNAVAILABLE: Final = 503

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
            return reject_answer(question.version, reject)
        # The same bytes may have come in while the filter was at work.
        known = node.rounds.history.find(request_id)
    if known is not None:
        return _answer_known(node, question, known)
    ended = _bring_in(node, question, call)
    if question.version == ASYNCHRONOUS_VERSION:
        return text_answer(ACCEPTED, "", "accepted")
    return await _wait(node, question, request_id, ended)


def _bring_in(node: Node, question: Question, call: CallContent) -> asyncio.Future[None]:
    """Give the call to a round; what comes back is done when it has ended."""
    outcome, wait_ns = None, 0
    sent_again = node.late_calls.holds(call.request_id())
    for fault in () if sent_again else question.faults.executing():
        if fault.kind is FaultKind.LATE:
            wait_ns = fault.duration_ns
        else:
            outcome = Reject(fault.value, explain(fault))
    if wait_ns:
        return node.late_calls.add(
            call, question.target, wait_ns=wait_ns, outcome=outcome, record=question.record
        )
    size_bytes = len(question.body)
    ticket = node.rounds.add(call, question.target, outcome=outcome, size_bytes=size_bytes)
    question.record.round_number = ticket.round_number
    return ticket.ended


def _check_size(request_id: RequestId, size_bytes: int) -> None:
    if size_bytes > INGRESS_MAX_BYTES:
        raise RequestError(
            TOO_LARGE,
            f"Request 0x{request_id.hex()} is too large. Message byte size {size_bytes} is "
            f"larger than the max allowed {INGRESS_MAX_BYTES}.",
        )


async def _wait(
    node: Node, question: Question, request_id: RequestId, ended: asyncio.Future[None]
) -> Answer:
    done, _ = await asyncio.wait({ended}, timeout=node.options.sync_call_seconds)
    if done and not ended.cancelled():
        try:
            ended.result()
        except PreconditionError as error:  # it ran, but that cannot be kept: the replica ends
            raise RequestError(UNAVAILABLE, error.message) from error
    request = node.rounds.history.find(request_id)
    if request is None or request.outcome is None:
        return text_answer(ACCEPTED, NOT_IN_TIME, "not in time")
    return _certified(node, question, request)


def _answer_known(node: Node, question: Question, known: Request) -> Answer:
    """A request that came in before is not executed again, whatever became of it."""
    if question.version == ASYNCHRONOUS_VERSION:
        return text_answer(ACCEPTED, "", "duplicate")
    if known.outcome is None:
        return text_answer(ACCEPTED, DUPLICATE, "duplicate")
    return _certified(node, question, known)


def _certified(node: Node, question: Question, request: Request) -> Answer:
    outcome = "replied"
    if isinstance(request.outcome, Reject):
        outcome = f"rejected {request.outcome.error_code}"
    paths = ((b"request_status", request.request_id),)
    certificate = node.certificate(paths, question.faults.certifying())
    # The status says that there is a certificate; how the call ended stands in it.
    return cbor_answer({"status": "replied", "certificate": certificate}, outcome)
