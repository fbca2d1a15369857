"""Requests as a client would make them, and the keys to sign them with."""

from dataclasses import dataclass

from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.wire.envelope import (
    CallContent,
    Delegation,
    Envelope,
    QueryContent,
    ReadStateContent,
    SignedDelegation,
    encode_envelope,
    request_signing_payload,
)
from juno_snap.wire.signature import ed25519_public_der, sign_ed25519

MINUTE_NS = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Key:
    """An Ed25519 key made of one number."""

    number: int

    @property
    def seed(self):
        return bytes([self.number]) * 32

    @property
    def der(self):
        return ed25519_public_der(self.seed)

    @property
    def principal(self):
        return Principal.self_authenticating(self.der)

    def sign(self, payload):
        return sign_ed25519(self.seed, payload)

    def delegate(self, key, **fields):
        delegation = Delegation(public_key=key.der, **fields)
        return SignedDelegation(
            delegation=delegation, signature=self.sign(delegation.signing_payload())
        )


ALICE, BOB, CAROL = Key(1), Key(2), Key(3)


def envelope(content, key=None, *, delegations=(), signer=None):
    """``content`` signed by ``key``, or by ``signer`` at the end of a chain of delegations."""
    if key is None:
        return Envelope(content=content)
    return Envelope(
        content=content,
        sender_public_key=key.der,
        sender_signature=(signer or key).sign(request_signing_payload(content.request_id())),
        delegations=tuple(delegations),
    )


def call(canister_id, method="method", arg=b"", *, sender=ANONYMOUS, expiry_ns, nonce=None):
    return CallContent(
        sender=sender,
        canister_id=canister_id,
        method_name=method,
        arg=arg,
        ingress_expiry_ns=expiry_ns,
        nonce=nonce,
    )


def query(canister_id, method="method", arg=b"", *, sender=ANONYMOUS, expiry_ns, nonce=None):
    return QueryContent(
        sender=sender,
        canister_id=canister_id,
        method_name=method,
        arg=arg,
        ingress_expiry_ns=expiry_ns,
        nonce=nonce,
    )


def read_state(*paths, sender=ANONYMOUS, expiry_ns):
    return ReadStateContent(sender=sender, paths=tuple(paths), ingress_expiry_ns=expiry_ns)


def body(content, key=None, **chain):
    """The bytes of a POST."""
    return encode_envelope(envelope(content, key, **chain))
