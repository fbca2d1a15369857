"""The calls that came in, and how each of them ended.

Belongs to the event loop. A request stays known until it can no longer be sent again, so that no
call ever runs twice. Source: interface specification, "Synchronous Call" and "Request status".
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

from juno_snap.ids import Principal, RequestId
from juno_snap.replica.calls import Answer
from juno_snap.replica.certify_tree import Branch, Node, Value
from juno_snap.replica.reject import Reject
from juno_snap.units import KIB, NS_PER_SECOND
from juno_snap.wire import cbor
from juno_snap.wire.envelope import CallContent
from juno_snap.wire.leb128 import encode_unsigned

KEPT_NS: Final = 300 * NS_PER_SECOND
"""How long an outcome is kept at least. Source: interface specification, "Request status"."""

LIST_NAME: Final = "history"
REPLY_INSIDE_MAX_BYTES: Final = 64 * KIB

RequestStatus: TypeAlias = Literal["received", "processing", "replied", "rejected"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call that came in."""

    request_id: RequestId
    sender: Principal
    canister_id: Principal
    effective_canister_id: Principal
    expires_at_ns: int
    status: RequestStatus = "received"
    outcome: Answer | None = None
    """Set with the last two statuses."""
    ended_at_ns: int = 0

    @property
    def forgotten_at_ns(self) -> int:
        """When it may be forgotten: its outcome is old, and it cannot come in again."""
        return max(self.ended_at_ns + KEPT_NS, self.expires_at_ns)

    def ended(self, outcome: Answer, at_ns: int) -> "Request":
        """The request when the call has ended."""
        status: RequestStatus = "rejected" if isinstance(outcome, Reject) else "replied"
        return replace(self, status=status, outcome=outcome, ended_at_ns=at_ns)


@final
class History:
    """All requests by id, and their part of the state tree."""

    def __init__(self) -> None:
        self.branch = Branch()
        self._requests: dict[RequestId, Request] = {}
        self._ended: list[tuple[int, RequestId]] = []

    def __len__(self) -> int:
        return len(self._requests)

    def find(self, request_id: RequestId) -> Request | None:
        """The request, if it is known."""
        return self._requests.get(request_id)

    def receive(self, call: CallContent, effective_canister_id: Principal) -> Request:
        """Note a call that is going to be executed. It must not be known already."""
        request = Request(
            request_id=call.request_id(),
            sender=call.sender,
            canister_id=call.canister_id,
            effective_canister_id=effective_canister_id,
            expires_at_ns=call.ingress_expiry_ns,
        )
        self._keep(request)
        return request

    def begin(self, request_id: RequestId) -> None:
        """Note that execution has begun."""
        self._keep(replace(self._requests[request_id], status="processing"))

    def end(self, request_id: RequestId, outcome: Answer, at_ns: int) -> None:
        """Note how the call ended."""
        ended = self._requests[request_id].ended(outcome, at_ns)
        self._keep(ended)
        heapq.heappush(self._ended, (ended.forgotten_at_ns, ended.request_id))

    def forget_old(self, now_ns: int) -> None:
        """Forget the requests of which nobody can know any more."""
        while self._ended and self._ended[0][0] < now_ns:
            request_id = heapq.heappop(self._ended)[1]
            del self._requests[request_id]
            self.branch = self.branch.remove(request_id)

    def to_attachments(self, ending: Iterable[Request] = ()) -> dict[str, bytes]:
        """All requests that have begun, to be kept over a restart, by the name of the part.

        ``ending`` are in it as they are given, though nobody may know of their end yet. A long
        reply is a part of its own: the same bytes in each checkpoint, which are written once.
        """
        requests = self._requests | {request.request_id: request for request in ending}
        begun = [request for request in requests.values() if request.status != "received"]
        long = {
            _reply_name(request): request.outcome
            for request in begun
            if isinstance(request.outcome, bytes) and len(request.outcome) > REPLY_INSIDE_MAX_BYTES
        }
        listed = cbor.encode(
            [_fields(request, inside=_reply_name(request) not in long) for request in begun]
        )
        return {LIST_NAME: listed, **long}

    @classmethod
    def from_attachments(cls, attachments: Mapping[str, bytes]) -> "History":
        """What ``to_attachments`` gave.

        Raises:
            DecodeError: Something else.
        """
        history = cls()
        data = attachments.get(LIST_NAME, b"")
        size = max(len(data), 1)
        listed = cbor.decode(data, max_bytes=size, max_values=size)  # our own file, of any length
        for item in cbor.as_list(listed, "the history"):
            request = _request(cbor.as_map(item, "a request"), attachments)
            history._keep(request)
            if request.outcome is not None:
                heapq.heappush(history._ended, (request.forgotten_at_ns, request.request_id))
        return history

    def _keep(self, request: Request) -> None:
        self._requests[request.request_id] = request
        self.branch = self.branch.put(request.request_id, request_branch(request))


def request_branch(request: Request) -> Branch:
    """The tree below ``/request_status/<id>``."""
    children: dict[bytes, Node] = {b"status": Value(request.status.encode())}
    outcome = request.outcome
    if isinstance(outcome, Reject):
        children[b"reject_code"] = Value(encode_unsigned(outcome.reject_code))
        children[b"reject_message"] = Value(outcome.message.encode())
        children[b"error_code"] = Value(outcome.error_code.encode())
    elif outcome is not None:
        children[b"reply"] = Value(outcome)
    return Branch.of(children)


def _reply_name(request: Request) -> str:
    return f"reply-{request.request_id.hex()}"


def _fields(request: Request, *, inside: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "request_id": request.request_id,
        "sender": request.sender.raw,
        "canister_id": request.canister_id.raw,
        "effective_canister_id": request.effective_canister_id.raw,
        "expires_at_ns": request.expires_at_ns,
        "ended_at_ns": request.ended_at_ns,
    }
    outcome = request.outcome
    if isinstance(outcome, Reject):
        fields |= {"error_code": outcome.error_code, "reject_message": outcome.message}
    elif outcome is not None:
        fields |= {"reply": outcome} if inside else {"reply_in": _reply_name(request)}
    return fields


def _request(fields: Mapping[str, object], attachments: Mapping[str, bytes]) -> Request:
    request = Request(
        request_id=RequestId(cbor.as_bytes(fields.get("request_id"), "a request id")),
        sender=cbor.as_principal(fields.get("sender"), "a sender"),
        canister_id=cbor.as_principal(fields.get("canister_id"), "a canister"),
        effective_canister_id=cbor.as_principal(
            fields.get("effective_canister_id"), "an effective canister"
        ),
        expires_at_ns=cbor.as_natural(fields.get("expires_at_ns"), "an expiry"),
        status="processing",
    )
    outcome = _outcome(fields, attachments)
    if outcome is None:
        return request
    return request.ended(outcome, cbor.as_natural(fields.get("ended_at_ns"), "an end"))


def _outcome(fields: Mapping[str, object], attachments: Mapping[str, bytes]) -> Answer | None:
    """How the call ended; None where it was still open."""
    if "reply" in fields:
        return cbor.as_bytes(fields["reply"], "a reply")
    if "reply_in" in fields:
        name = cbor.as_text(fields["reply_in"], "where a reply is")
        return cbor.as_bytes(attachments.get(name), "a reply")
    if "error_code" not in fields:
        return None
    error_code = cbor.as_text(fields["error_code"], "an error code")
    return Reject(error_code, cbor.as_text(fields.get("reject_message"), "a message"))
