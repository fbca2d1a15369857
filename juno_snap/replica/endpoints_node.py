"""What the endpoints work with, and what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.clock import Clock
from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.replica.certify import Certifier
from juno_snap.replica.fault_plan import NO_FAULTS, UNHARMED, FaultPlan, RequestFaults
from juno_snap.replica.faults import Fault, FaultKind
from juno_snap.replica.ingress import BAD_REQUEST, RequestError
from juno_snap.replica.keys import ReplicaKeys
from juno_snap.replica.late_calls import LateCalls
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.past import StateView
from juno_snap.replica.reject import Reject
from juno_snap.replica.request_log import RequestRecord
from juno_snap.replica.rounds import Rounds
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.wire import cbor
from juno_snap.wire.envelope import Envelope, decode_envelope

CBOR: Final = "application/cbor"
PLAIN_TEXT: Final = "text/plain; charset=utf-8"
OK: Final = 200
ACCEPTED: Final = 202

ASYNCHRONOUS_VERSION: Final = 2
"""Of the call endpoint: it does not wait for the outcome."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A running replica, seen from its endpoints."""

    options: ReplicaOptions
    keys: ReplicaKeys
    certifier: Certifier
    clock: Clock
    time: SubnetTime
    rounds: Rounds
    late_calls: LateCalls
    faults: FaultPlan = NO_FAULTS

    def certificate(
        self, paths: tuple[tuple[bytes, ...], ...], faults: Sequence[Fault] = ()
    ) -> bytes:
        """A certificate of the state now: the last round, all requests, and the time.

        ``faults`` are those of its making.
        """
        view = StateView(
            canisters=self.rounds.published.branch,
            requests=self.rounds.history.branch,
            time_ns=self.time.now_ns(),
        )
        flaw = None
        for fault in faults:
            match fault.kind:
                case FaultKind.OLD_STATE:
                    view = self.rounds.past.view_at(self.time.now_ns() - fault.duration_ns)
                case FaultKind.CERTIFICATE:
                    flaw = fault.flaw
                case _:
                    pass
        return self.certifier.certificate(
            canisters=view.canisters,
            requests=view.requests,
            time_ns=view.time_ns,
            paths=paths,
            flaw=flaw,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One POST. ``target`` is the canister, or subnet, in its address."""

    version: int
    target: Principal
    body: bytes
    record: RequestRecord
    faults: RequestFaults = UNHARMED


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back. ``outcome`` is for the request log."""

    status: int
    content_type: str
    body: bytes
    outcome: str


def cbor_answer(fields: dict[str, object], outcome: str) -> Answer:
    """A success with a CBOR map."""
    return Answer(status=OK, content_type=CBOR, body=cbor.encode(fields), outcome=outcome)


def text_answer(status: int, text: str, outcome: str | None = None) -> Answer:
    """A plain text. It is its own outcome where none is given."""
    return Answer(
        status=status,
        content_type=PLAIN_TEXT,
        body=text.encode(),
        outcome=text if outcome is None else outcome,
    )


def reject_answer(version: int, reject: Reject) -> Answer:
    """A reject that this node makes on its own; nobody vouches for it."""
    fields: dict[str, object] = {
        "reject_code": reject.reject_code,
        "reject_message": reject.message,
        "error_code": reject.error_code,
    }
    if version != ASYNCHRONOUS_VERSION:
        fields = {"status": "non_replicated_rejection", **fields}
    return cbor_answer(fields, f"refused {reject.error_code}")


def open_envelope(question: Question, what: str) -> Envelope:
    """The envelope in the body; ``what`` names the kind of request in the text of a refusal.

    Raises:
        RequestError: It cannot be decoded.
    """
    try:
        return decode_envelope(question.body)
    except DecodeError as error:
        raise RequestError(
            BAD_REQUEST, f"Could not parse body as {what}: {error.message}"
        ) from error


def check_canister(canister_id: Principal, target: Principal) -> None:
    """Refuse a request whose address names another canister than its content.

    Raises:
        RequestError: It does. For the management canister the ingress filter decides.
    """
    if canister_id.raw and canister_id != target:
        raise RequestError(
            BAD_REQUEST,
            f"Specified CanisterId {canister_id} does not match effective canister id "
            f"in URL {target}",
        )
