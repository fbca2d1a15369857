"""May this request come in: who signed it, for whom, until when.

Whether a canister takes the call is not asked here (``subnet``), nor what a ``read_state`` may show
(``ingress_paths``). Limits on counts and lengths are kept by ``wire.envelope``.
Texts are the network's. Source: dfinity/ic, ``rs/validator/src/ingress_validation.rs``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, final

from juno_snap.errors import DecodeError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import (
    CallContent,
    Content,
    Envelope,
    ReadStateContent,
    SignedDelegation,
    request_signing_payload,
)
from juno_snap.wire.signature import verify

INGRESS_TTL_NS: Final = 300 * NS_PER_SECOND
PERMITTED_DRIFT_NS: Final = 30 * NS_PER_SECOND
"""Both: dfinity/ic, ``rs/limits/src/lib.rs``."""

BAD_REQUEST: Final = 400

PERMISSIONS: Final = {None, "all", "queries"}
"""What a delegation may say. Source: interface specification, "Authentication"."""


@final
class RequestError(Exception):
    """A request that is refused with an HTTP status and a plain text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@final
@dataclass(frozen=True, slots=True)
class Targets:
    """The canisters that a chain of delegations allows; None allows all."""

    canisters: frozenset[Principal] | None = None

    def allow(self, canister_id: Principal) -> bool:
        """Whether ``canister_id`` is among them."""
        return self.canisters is None or canister_id in self.canisters

    def narrowed_to(self, targets: tuple[Principal, ...] | None) -> "Targets":
        """What is left when a further delegation names ``targets``."""
        if targets is None:
            return self
        further = frozenset(targets)
        return Targets(further if self.canisters is None else self.canisters & further)


def validate(envelope: Envelope, now_ns: int) -> Targets:
    """The canisters that the sender may act on.

    1. The expiry lies within the window (not asked of anonymous queries and reads).
    2. The anonymous sender has no signature, every other one has.
    3. The sender is the principal of the public key.
    4. No delegation has expired, no key occurs twice, each permits this kind of request, and each
       is signed by the key before it.
    5. The last key signed the request.
    6. The canister called is a target of all delegations. (For reads: ``ingress_paths``.)

    Raises:
        RequestError: One of these does not hold.
    """
    content = envelope.content
    if isinstance(content, CallContent) or content.sender != ANONYMOUS:
        _check_expiry(content.ingress_expiry_ns, now_ns)  # 1.
    targets = _validate_sender(envelope, now_ns)
    if not isinstance(content, ReadStateContent) and not targets.allow(content.canister_id):  # 6.
        raise RequestError(
            BAD_REQUEST, f"Canister '{content.canister_id}' is not one of the delegation targets."
        )
    return targets


def _check_expiry(expiry_ns: int, now_ns: int) -> None:
    latest_ns = now_ns + INGRESS_TTL_NS + PERMITTED_DRIFT_NS
    if not now_ns <= expiry_ns <= latest_ns:
        # agent-js sets its clock by the first words of this text.
        raise RequestError(
            BAD_REQUEST,
            "Invalid request expiry: Specified ingress_expiry not within expected range: "
            f"Minimum allowed expiry: {_moment(now_ns)}, "
            f"Maximum allowed expiry: {_moment(latest_ns)}, "
            f"Provided expiry: {_moment(expiry_ns)}",
        )


def _validate_sender(envelope: Envelope, now_ns: int) -> Targets:
    sender = envelope.content.sender
    public_key, signature = envelope.sender_public_key, envelope.sender_signature
    if public_key is None and signature is None and not envelope.delegations:
        if sender != ANONYMOUS:  # 2.
            raise RequestError(BAD_REQUEST, f"Missing signature from user: {sender}")
        return Targets()
    if sender == ANONYMOUS:  # 2.
        raise RequestError(BAD_REQUEST, "Signature is not allowed for the anonymous user.")
    if public_key is None or signature is None:
        raise RequestError(BAD_REQUEST, f"Missing signature from user: {sender}")
    if sender != Principal.self_authenticating(public_key):  # 3.
        raise RequestError(
            BAD_REQUEST,
            f"The user id '{sender}' does not match the public key '{public_key.hex()}'",
        )
    _check_chain(public_key, envelope.delegations, envelope.content, now_ns)
    targets = Targets()
    for signed in envelope.delegations:  # 4.
        _check_signature(
            public_key, signed.delegation.signing_payload(), signed.signature, "Invalid delegation"
        )
        targets = targets.narrowed_to(signed.delegation.targets)
        public_key = signed.delegation.public_key
    payload = request_signing_payload(envelope.content.request_id())
    _check_signature(public_key, payload, signature, "Invalid signature")  # 5.
    return targets


def _check_chain(
    public_key: bytes, chain: tuple[SignedDelegation, ...], content: Content, now_ns: int
) -> None:
    """Check what the delegations say; that they are signed comes later."""
    for signed in chain:
        expires_at_ns = signed.delegation.expires_at_ns
        if expires_at_ns < now_ns:
            raise RequestError(
                BAD_REQUEST,
                "Invalid delegation expiry: Specified sender delegation has expired:\n"
                f"Provided expiry:    {_moment(expires_at_ns)}\n"
                f"Local replica time: {_moment(now_ns)}",
            )
    seen = {public_key}
    for signed in chain:
        key = signed.delegation.public_key
        if key in seen:
            raise RequestError(
                BAD_REQUEST,
                "Invalid delegation: Chain of delegations contains at least one cycle: "
                f"first repeating public key encountered {key.hex()}",
            )
        seen.add(key)
    permissions = {signed.delegation.permissions for signed in chain}
    if not permissions <= PERMISSIONS:
        raise RequestError(
            BAD_REQUEST,
            "Invalid delegation: unknown permissions: "
            + ", ".join(sorted(map(str, permissions - PERMISSIONS))),
        )
    if "queries" in permissions and isinstance(content, CallContent):
        raise RequestError(
            BAD_REQUEST, "Invalid delegation: the delegation permits queries, not calls"
        )


def _check_signature(public_key: bytes, payload: bytes, signature: bytes, what: str) -> None:
    try:
        good = verify(public_key, payload, signature)
    except DecodeError as error:
        raise RequestError(BAD_REQUEST, f"{what}: Invalid public key: {error.message}") from error
    if not good:
        raise RequestError(
            BAD_REQUEST,
            f"{what}: Invalid basic signature: the signature 0x{signature.hex()} was not made "
            f"by the public key 0x{public_key.hex()}",
        )


def _moment(at_ns: int) -> str:
    """A time as the network prints it: UTC, to the nanosecond."""
    seconds, rest_ns = divmod(at_ns, NS_PER_SECOND)
    try:
        moment = datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError):
        return f"{at_ns} ns"  # beyond the year 9999
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest_ns:09d} UTC"
