"""What the endpoints work with, and what they answer."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.clock import Clock
from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.replica.certify import Certifier
from juno_snap.replica.ingress import BAD_REQUEST, RequestError
from juno_snap.replica.keys import ReplicaKeys
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.request_log import RequestRecord
from juno_snap.replica.rounds import Rounds
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.wire import cbor
from juno_snap.wire.envelope import Envelope, decode_envelope

CBOR: Final = "application/cbor"
PLAIN_TEXT: Final = "text/plain; charset=utf-8"
OK: Final = 200
ACCEPTED: Final = 202


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

    def certificate(self, paths: tuple[tuple[bytes, ...], ...]) -> bytes:
        """A certificate of the state now: the last round, all requests, and the time."""
        return self.certifier.certificate(
            canisters=self.rounds.published.branch,
            requests=self.rounds.history.branch,
            time_ns=self.time.now_ns(),
            paths=paths,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One POST. ``target`` is the canister, or subnet, in its address."""

    version: int
    target: Principal
    body: bytes
    record: RequestRecord


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
