"""Lets the declared faults happen around the answer to a request.

Those that take the place of execution or spoil certificates happen where that is done; which do
is asked of ``Question.faults``. What each of them is stands in ``faults``.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, final

from juno_snap.errors import DecodeError
from juno_snap.replica.endpoints_node import (
    ACCEPTED,
    Answer,
    Node,
    Question,
    reject_answer,
    text_answer,
)
from juno_snap.replica.fault_plan import RequestFaults
from juno_snap.replica.faults import Fault, FaultKind, Place, explain
from juno_snap.replica.reject import Reject
from juno_snap.replica.request_log import RequestKind
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import ReadStateContent, decode_envelope

PLACES: Final[dict[RequestKind, Place]] = {
    "call": "call",
    "query": "query",
    "read_state": "read_state",
    "subnet_read_state": "read_state",
}


@final
class BrokenOff(Exception):  # noqa: N818  # an event, not an error
    """The connection has to break off. ``outcome`` is what had happened until then."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


async def answer_with_faults(
    node: Node,
    kind: RequestKind,
    answer: Callable[[Node, Question], Awaitable[Answer]],
    question: Question,
) -> Answer:
    """What ``answer`` answers, or what goes wrong before or after.

    Raises:
        RequestError: The request is refused.
        BrokenOff: There is to be no answer.
    """
    faults = RequestFaults(node.faults, PLACES[kind], _method(question.body))
    question.record.faults = faults.happened
    for fault in faults.before():
        if fault.kind is FaultKind.DELAY:
            await node.clock.sleep(fault.duration_ns / NS_PER_SECOND)
        else:
            return _in_place_of_all(fault, question)
    answered = await answer(node, replace(question, faults=faults))
    for fault in faults.after():
        if fault.kind is FaultKind.DROP_AFTER:
            raise BrokenOff(answered.outcome)
        return _http(fault, f"{answered.outcome}, then {fault.value}")
    return answered


def _in_place_of_all(fault: Fault, question: Question) -> Answer:
    match fault.kind:
        case FaultKind.HTTP:
            return _http(fault, fault.value)
        case FaultKind.REFUSE:
            reject = Reject(fault.value, explain(fault))
            return reject_answer(question.version, reject)
        case FaultKind.ACCEPT_FOREVER:
            return text_answer(ACCEPTED, "", "accepted for ever")
        case _:
            raise BrokenOff("nothing done")


def _http(fault: Fault, outcome: str) -> Answer:
    return text_answer(int(fault.value), explain(fault), outcome)


def _method(body: bytes) -> str:
    """The method that is called, empty for reads and for what is malformed."""
    try:
        content = decode_envelope(body).content
    except DecodeError:
        return ""
    return "" if isinstance(content, ReadStateContent) else content.method_name
