"""Signed requests: contents, delegations, and the envelope around them.

Source: interface specification, "HTTPS Interface": "Envelope", "Request types", "Delegations".
Whether a signature holds, a delegation covers the request or the expiry fits is for the receiver
to check; here is only what the bytes say and what has to be signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias, final

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal, RequestId
from juno_snap.wire.cbor import (
    as_bytes,
    as_list,
    as_map,
    as_natural,
    as_principal,
    as_text,
    decode_map,
    encode,
)
from juno_snap.wire.request_id import HashValue, hash_of_map, request_id

REQUEST_SEPARATOR: Final = b"\x0aic-request"
DELEGATION_SEPARATOR: Final = b"\x1aic-request-auth-delegation"

NONCE_MAX_BYTES: Final = 32
PATHS_MAX: Final = 1000
PATH_LABELS_MAX: Final = 127
DELEGATIONS_MAX: Final = 20
TARGETS_MAX: Final = 1000
"""These five: interface specification, "Authentication" and "Request: Read state"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MethodContent:
    sender: Principal
    canister_id: Principal
    method_name: str
    arg: bytes
    ingress_expiry_ns: int
    nonce: bytes | None = None
    _known_id: RequestId | None = field(default=None, init=False, repr=False, compare=False)
    """Kept, since hashing two megabytes takes longer than all else that is done with a call."""

    request_type: ClassVar[str]

    def fields(self) -> dict[str, HashValue]:
        """As on the wire; a missing nonce is left out."""
        fields: dict[str, HashValue] = {
            "request_type": self.request_type,
            "sender": self.sender.raw,
            "ingress_expiry": self.ingress_expiry_ns,
            "canister_id": self.canister_id.raw,
            "method_name": self.method_name,
            "arg": self.arg,
        }
        if self.nonce is not None:
            fields["nonce"] = self.nonce
        return fields

    def request_id(self) -> RequestId:
        """What identifies this request everywhere on the network."""
        known = self._known_id
        if known is None:
            known = request_id(self.fields())
            object.__setattr__(self, "_known_id", known)  # the fields are frozen, so it stays true
        return known


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CallContent(_MethodContent):
    """An update call."""

    request_type: ClassVar[str] = "call"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QueryContent(_MethodContent):
    """A query."""

    request_type: ClassVar[str] = "query"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStateContent:
    """A question for certified state. Each path is a tuple of labels."""

    sender: Principal
    paths: tuple[tuple[bytes, ...], ...]
    ingress_expiry_ns: int
    nonce: bytes | None = None

    request_type: ClassVar[str] = "read_state"

    def fields(self) -> dict[str, HashValue]:
        """As on the wire; a missing nonce is left out."""
        fields: dict[str, HashValue] = {
            "request_type": self.request_type,
            "sender": self.sender.raw,
            "ingress_expiry": self.ingress_expiry_ns,
            "paths": [list(path) for path in self.paths],
        }
        if self.nonce is not None:
            fields["nonce"] = self.nonce
        return fields

    def request_id(self) -> RequestId:
        """The hash that is signed."""
        return request_id(self.fields())


Content: TypeAlias = CallContent | QueryContent | ReadStateContent


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """The right of another key to sign, until ``expires_at_ns``."""

    public_key: bytes
    """DER form of the key that may sign."""
    expires_at_ns: int
    targets: tuple[Principal, ...] | None = None
    """Canisters that may be called; None: any. Management calls need ``aaaaa-aa``."""
    permissions: str | None = None
    """``queries`` or ``all``; None: all."""

    def fields(self) -> dict[str, HashValue]:
        """As on the wire."""
        fields: dict[str, HashValue] = {
            "pubkey": self.public_key,
            "expiration": self.expires_at_ns,
        }
        if self.targets is not None:
            fields["targets"] = [target.raw for target in self.targets]
        if self.permissions is not None:
            fields["permissions"] = self.permissions
        return fields

    def signing_payload(self) -> bytes:
        """What the delegating key signs."""
        return DELEGATION_SEPARATOR + hash_of_map(self.fields())


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDelegation:
    """A delegation, signed by the key before it in the chain."""

    delegation: Delegation
    signature: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request as it is sent. Key and signature are absent for the anonymous sender."""

    content: Content
    sender_public_key: bytes | None = None
    sender_signature: bytes | None = None
    delegations: tuple[SignedDelegation, ...] = ()


def request_signing_payload(request: RequestId) -> bytes:
    """What the sender signs."""
    return REQUEST_SEPARATOR + request


def encode_envelope(envelope: Envelope) -> bytes:
    """The body of a POST."""
    fields: dict[str, object] = {"content": envelope.content.fields()}
    if envelope.sender_public_key is not None:
        fields["sender_pubkey"] = envelope.sender_public_key
    if envelope.sender_signature is not None:
        fields["sender_sig"] = envelope.sender_signature
    if envelope.delegations:
        fields["sender_delegation"] = [
            {"delegation": signed.delegation.fields(), "signature": signed.signature}
            for signed in envelope.delegations
        ]
    return encode(fields)


def decode_envelope(data: bytes) -> Envelope:
    """The request in the body of a POST.

    Raises:
        DecodeError: Malformed, above a limit of the specification, or with a field that this
            library does not know: the request id would cover it unseen.
    """
    fields = decode_map(data)
    _refuse_unknown(
        fields, {"content", "sender_pubkey", "sender_sig", "sender_delegation"}, "the envelope"
    )
    chain = fields.get("sender_delegation")
    delegations = [] if chain is None else as_list(chain, "sender_delegation")
    if len(delegations) > DELEGATIONS_MAX:
        raise DecodeError(f"{len(delegations)} delegations, at most {DELEGATIONS_MAX} are allowed")
    return Envelope(
        content=_decode_content(as_map(fields.get("content"), "content")),
        sender_public_key=_optional_bytes(fields, "sender_pubkey"),
        sender_signature=_optional_bytes(fields, "sender_sig"),
        delegations=tuple(_decode_signed_delegation(item) for item in delegations),
    )


def decode_delegation(fields: Mapping[str, object]) -> Delegation:
    """The delegation that a CBOR map spells.

    Raises:
        DecodeError: A field is missing, unknown, of a wrong type or above a limit.
    """
    _refuse_unknown(fields, {"pubkey", "expiration", "targets", "permissions"}, "a delegation")
    targets = fields.get("targets")
    if targets is not None and len(as_list(targets, "targets")) > TARGETS_MAX:
        raise DecodeError(f"a delegation has more than {TARGETS_MAX} targets")
    permissions = fields.get("permissions")
    return Delegation(
        public_key=as_bytes(fields.get("pubkey"), "pubkey"),
        expires_at_ns=as_natural(fields.get("expiration"), "expiration"),
        targets=None
        if targets is None
        else tuple(as_principal(item, "a target") for item in as_list(targets, "targets")),
        permissions=None if permissions is None else as_text(permissions, "permissions"),
    )


def _decode_signed_delegation(item: object) -> SignedDelegation:
    fields = as_map(item, "a signed delegation")
    _refuse_unknown(fields, {"delegation", "signature"}, "a signed delegation")
    return SignedDelegation(
        delegation=decode_delegation(as_map(fields.get("delegation"), "delegation")),
        signature=as_bytes(fields.get("signature"), "the signature of a delegation"),
    )


def _decode_content(fields: Mapping[str, object]) -> Content:
    kind = as_text(fields.get("request_type"), "request_type")
    nonce = _optional_bytes(fields, "nonce")
    if nonce is not None and len(nonce) > NONCE_MAX_BYTES:
        raise DecodeError(f"a nonce of {len(nonce)} bytes, at most {NONCE_MAX_BYTES} are allowed")
    sender = as_principal(fields.get("sender"), "sender")
    expiry = as_natural(fields.get("ingress_expiry"), "ingress_expiry")
    known = {"request_type", "sender", "ingress_expiry", "nonce"}
    if kind == ReadStateContent.request_type:
        _refuse_unknown(fields, known | {"paths"}, "content")
        return ReadStateContent(
            sender=sender,
            paths=_decode_paths(fields.get("paths")),
            ingress_expiry_ns=expiry,
            nonce=nonce,
        )
    _refuse_unknown(fields, known | {"canister_id", "method_name", "arg"}, "content")
    kinds: dict[str, type[CallContent | QueryContent]] = {
        content.request_type: content for content in (CallContent, QueryContent)
    }
    if kind not in kinds:
        raise DecodeError(f"unknown request_type {kind!r}")
    return kinds[kind](
        sender=sender,
        canister_id=as_principal(fields.get("canister_id"), "canister_id"),
        method_name=as_text(fields.get("method_name"), "method_name"),
        arg=as_bytes(fields.get("arg"), "arg"),
        ingress_expiry_ns=expiry,
        nonce=nonce,
    )


def _decode_paths(value: object) -> tuple[tuple[bytes, ...], ...]:
    paths = as_list(value, "paths")
    if len(paths) > PATHS_MAX:
        raise DecodeError(f"{len(paths)} paths, at most {PATHS_MAX} are allowed")
    decoded = []
    for path in paths:
        labels = as_list(path, "a path")
        if len(labels) > PATH_LABELS_MAX:
            raise DecodeError(f"a path of {len(labels)} labels, at most {PATH_LABELS_MAX}")
        decoded.append(tuple(as_bytes(label, "a label") for label in labels))
    return tuple(decoded)


def _optional_bytes(fields: Mapping[str, object], name: str) -> bytes | None:
    value = fields.get(name)
    return None if value is None else as_bytes(value, name)


def _refuse_unknown(fields: Mapping[str, object], known: set[str], what: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise DecodeError(f"{what} has a field that is not supported: {', '.join(unknown)}")
