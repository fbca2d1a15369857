"""Certified reads: ``/api/v{2,3}/{canister,subnet}/<id>/read_state``."""

from juno_snap.replica.endpoints_node import Answer, Node, Question, cbor_answer, open_envelope
from juno_snap.replica.ingress import BAD_REQUEST, RequestError, validate
from juno_snap.replica.ingress_paths import Reader
from juno_snap.wire.envelope import ReadStateContent


async def answer_read_state(node: Node, question: Question) -> Answer:
    """A certificate for a canister's address."""
    return _answer(node, question, of_subnet=False)


async def answer_subnet_read_state(node: Node, question: Question) -> Answer:
    """A certificate for a subnet's address."""
    if question.target != node.keys.subnet_id:
        raise RequestError(
            BAD_REQUEST,
            f"Specified subnet ID {question.target} does not match the subnet ID of this node "
            f"{node.keys.subnet_id}",
        )
    return _answer(node, question, of_subnet=True)


def _answer(node: Node, question: Question, *, of_subnet: bool) -> Answer:
    """Show what is asked for, or that it is absent.

    Raises:
        RequestError: It is malformed, not validly signed, or asks for what it may not see.
    """
    envelope = open_envelope(question, "read request")
    content = envelope.content
    if not isinstance(content, ReadStateContent):
        raise RequestError(
            BAD_REQUEST, "Could not parse body as read request: it holds another kind of request"
        )
    question.record.content = content
    reader = Reader(
        sender=content.sender,
        targets=validate(envelope, node.time.now_ns()),
        target=question.target,
        of_subnet=of_subnet,
        version=question.version,
        history=node.rounds.history,
        views=node.rounds.published.views,
        root_subnet_id=node.keys.subnet_id,
    )
    reader.check(content.paths)
    return cbor_answer({"certificate": node.certificate(content.paths)}, "certified")
