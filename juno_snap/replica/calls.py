"""Calls under way: who waits for an answer, what runs when one comes, and what is on its way.

Plain data, and a part of the state. Answering calls is in ``answers``, executing them in
``delivery``.

What a kill must not lose: every checkpoint has the calls that are open, the messages on their way
and, in the request history, the calls of users that have begun; a replica that starts again goes on
with them. A call that came in after the newest checkpoint is unknown: it may be sent again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from juno_snap.ids import MANAGEMENT_CANISTER, Principal, RequestId
from juno_snap.replica.execution import Callbacks
from juno_snap.replica.reject import Reject

Answer: TypeAlias = bytes | Reject
"""How a call ends: its reply, or its reject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromUser:
    """A call that came in from outside; its outcome goes into the request history."""

    request_id: RequestId
    sender: Principal
    kind: Literal["user"] = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromCanister:
    """A call by a canister; its outcome runs one of the canister's callbacks."""

    sender: Principal
    callback_id: int
    deadline_ns: int = 0
    """When the caller stops waiting; 0: never."""
    kind: Literal["canister"] = "canister"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSystem:
    """A heartbeat, a timer or a hook: nobody waits for an answer."""

    sender: Principal = MANAGEMENT_CANISTER
    kind: Literal["system"] = "system"


Origin: TypeAlias = FromUser | FromCanister | FromSystem


@dataclass(slots=True, kw_only=True)
class CallContext:
    """One call that a canister works on, over all the messages that this takes."""

    origin: Origin
    cycles_available: int = 0
    """Cycles that came with it and were not accepted; they go back with the answer."""
    has_answered: bool = False
    is_deleted: bool = False
    """The code was uninstalled: answers to its own calls bring back cycles and run nothing."""
    instructions: int = 0
    """Used for it so far."""
    outstanding: int = 0
    """Own calls without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What waits for the answer to one call of a canister."""

    context_id: int
    callee: Principal
    callbacks: Callbacks
    deadline_ns: int = 0
    """When an answer is made up, if none came; 0: never."""
    callback_cycles: int = 0
    """Set aside for running it; 0 where calls cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """A ``stop_canister`` that is answered when no call is open any more."""

    origin: Origin
    cycles: int
    at_ns: int


@dataclass(slots=True, kw_only=True)
class OpenCalls:
    """All of these of one canister."""

    contexts: dict[int, CallContext] = field(default_factory=dict)
    callbacks: dict[int, Callback] = field(default_factory=dict)
    next_id: int = 0
    stops: list[StopRequest] = field(default_factory=list)

    @property
    def are_open(self) -> bool:
        """Whether a canister with them has to wait before it is stopped."""
        return bool(self.contexts)

    def in_flight(self) -> Mapping[Principal, int]:
        """How many calls have no answer yet, by callee."""
        return Counter(callback.callee for callback in self.callbacks.values())

    def new_id(self) -> int:
        """An id for a context or a callback, not used before."""
        self.next_id += 1
        return self.next_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call on its way to a canister, or to the management canister."""

    origin: FromUser | FromCanister
    receiver: Principal
    method: str
    arg: bytes
    cycles: int = 0
    expires_at_ns: int = 0
    """A user's call that has not begun by then never begins; 0 for calls by canisters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer on its way to the canister that called."""

    receiver: Principal
    callback_id: int
    refund_cycles: int
    reply: bytes = b""
    reject_code: int = 0
    """0: it is a reply."""
    reject_message: str = ""


Queued: TypeAlias = Request | Response
