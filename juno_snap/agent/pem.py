"""Private keys: out of and into PEM files, and what they sign.

Read: PKCS#8, plain and with a passphrase; "EC PRIVATE KEY" (SEC 1), with or without the
"EC PARAMETERS" that openssl puts before it; and the form of PKCS#8 for Ed25519 that also holds
the public key (RFC 8410, section 10.3), which ring and dfx write and ``cryptography`` refuses.
Not read: every other kind of key, each with an error that names the kind.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from juno_snap.errors import IdentityError

PrivateKey: TypeAlias = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=label)-----", re.DOTALL
)
KEY_LABELS: Final = {b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"EC PRIVATE KEY"}
WRONG_LABELS: Final = {
    b"PUBLIC KEY": "a public key; the private key is needed",
    b"RSA PUBLIC KEY": "a public RSA key; a private key of another kind is needed",
    b"CERTIFICATE": "a certificate; a private key is needed",
    b"CERTIFICATE REQUEST": "a certificate request; a private key is needed",
    b"RSA PRIVATE KEY": "an RSA key, which the network does not accept",
    b"DSA PRIVATE KEY": "a DSA key, which the network does not accept",
    b"OPENSSH PRIVATE KEY": "a key in OpenSSH's own form; PKCS#8 is needed",
}
SUPPORTED: Final = "use an Ed25519, secp256k1 or P-256 private key in PEM form"

CURVE_ORDERS: Final = {
    "secp256k1": 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
    "secp256r1": 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
}
"""Number of points. Source: SEC 2, sections 2.4.1 and 2.4.2."""
NUMBER_BYTES: Final = 32

ED25519_ALGORITHM: Final = bytes.fromhex("06032b6570")
"""Object identifier 1.3.101.112. Source: RFC 8410, section 3."""

INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE = 0x02, 0x03, 0x04, 0x30
PUBLIC_KEY_TAG, PUBLIC_KEY_TAG_OF_RING = 0x81, 0xA1
"""RFC 5958 tags the public key in place of its type; ring puts the tag around it."""

SHORT_MAX: Final = 0x7F
"""Lengths up to here take one byte; an Ed25519 key is shorter. Source: X.690, section 8.1.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    label: bytes
    text: bytes
    body: bytes

    @property
    def is_encrypted(self) -> bool:
        return self.label == b"ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in self.body


def read_private_key(data: bytes, passphrase: bytes | None) -> PrivateKey:
    """The private key in a PEM file. A passphrase that is not needed is ignored.

    Raises:
        IdentityError: No key, a key of another kind, damaged, or a wrong or missing passphrase;
            its code says which: identity-malformed, identity-kind or identity-passphrase.
    """
    block = _key_block(data)
    if not block.is_encrypted:
        pair = _ed25519_with_public_key(_der(block))
        if pair is not None:
            return _ed25519_pair(*pair)
        passphrase = None
    elif not passphrase:
        raise IdentityError(
            "the key is protected by a passphrase",
            code="identity-passphrase",
            hint="say the passphrase",
        )
    try:
        key = serialization.load_pem_private_key(block.text, passphrase)
    except UnsupportedAlgorithm as error:
        raise IdentityError(
            f"the key cannot be read: {error}", code="identity-kind", hint=SUPPORTED
        ) from error
    except (ValueError, TypeError) as error:
        raise _unreadable(block) from error
    return _supported(key)


def write_private_key(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """``key`` as PKCS#8 in PEM form, protected where a passphrase is given."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def make_ed25519(seed: bytes) -> PrivateKey:
    """The Ed25519 key whose private half is ``seed``, 32 bytes."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed)


def public_key_der(key: PrivateKey) -> bytes:
    """The public half as a network has it."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign_with(key: PrivateKey, payload: bytes) -> bytes:
    """64 bytes: an Ed25519 signature, or r and s of ECDSA over SHA-256."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(payload)
    r, s = decode_dss_signature(key.sign(payload, ec.ECDSA(SHA256())))
    # Of the two numbers that would do the lower one: libraries for secp256k1 refuse the other.
    s = min(s, CURVE_ORDERS[key.curve.name] - s)
    return r.to_bytes(NUMBER_BYTES, "big") + s.to_bytes(NUMBER_BYTES, "big")


def _key_block(data: bytes) -> _Block:
    blocks = [
        _Block(label=found["label"], text=found[0] + b"\n", body=found["body"])
        for found in BLOCK.finditer(data)
    ]
    for block in blocks:
        if block.label in KEY_LABELS:
            return block
    for block in blocks:
        if block.label in WRONG_LABELS:
            raise IdentityError(
                f"this is {WRONG_LABELS[block.label]}", code="identity-kind", hint=SUPPORTED
            )
    raise IdentityError(
        "there is no private key in PEM form in this file",
        code="identity-malformed",
        hint="a key begins with a line like -----BEGIN PRIVATE KEY-----, and ends with another",
    )


def _der(block: _Block) -> bytes:
    try:
        return base64.b64decode(b"".join(block.body.split()), validate=True)
    except binascii.Error:
        return b""  # a damaged body is told by the parser that reads it next


def _ed25519_with_public_key(der: bytes) -> tuple[bytes, bytes] | None:
    """Private and public half of an Ed25519 key that holds both; None for all else."""
    match _elements(der):
        case [(tag, body)] if tag == SEQUENCE:
            parts = _elements(body)
        case _:
            return None
    match [*parts[:3], *parts[-1:]]:
        case [(version, _), (algorithm, identifier), (octets, key), (tag, public)]:
            pass
        case _:
            return None
    if (version, algorithm, octets) != (INTEGER, SEQUENCE, OCTET_STRING):
        return None
    seed = dict(_elements(key)).get(OCTET_STRING)
    if tag == PUBLIC_KEY_TAG_OF_RING:
        public = dict(_elements(public)).get(BIT_STRING, b"")
    elif tag != PUBLIC_KEY_TAG:
        return None
    if identifier != ED25519_ALGORITHM or seed is None:
        return None
    return seed, public[1:]  # a bit string begins with the number of bits not used


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of the values that follow each other in ``der``; none if it is damaged."""
    found: list[tuple[int, bytes]] = []
    position = 0
    while position + 2 <= len(der):
        tag, size = der[position], der[position + 1]
        position += 2
        if size > SHORT_MAX:
            return []
        found.append((tag, der[position : position + size]))
        position += size
    return found if position == len(der) else []


def _ed25519_pair(seed: bytes, public: bytes) -> PrivateKey:
    try:
        key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError as error:
        raise IdentityError(
            "the key is damaged: its length is wrong", code="identity-malformed"
        ) from error
    if key.public_key().public_bytes_raw() != public:
        raise IdentityError(
            "the key is damaged: its public half is not of its private half",
            code="identity-malformed",
        )
    return key


def _supported(key: object) -> PrivateKey:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name in CURVE_ORDERS:
            return key
        kind = f"a key on the curve {key.curve.name}"
    else:
        kind = f"a key of the kind {type(key).__name__.removesuffix('PrivateKey')}"
    raise IdentityError(
        f"this is {kind}, which the network does not accept", code="identity-kind", hint=SUPPORTED
    )


def _unreadable(block: _Block) -> IdentityError:
    if block.is_encrypted:
        return IdentityError(
            "the passphrase is wrong, or the key is damaged",
            code="identity-passphrase",
            hint="try the passphrase again",
        )
    return IdentityError(
        "the key is damaged: it cannot be read", code="identity-malformed", hint=SUPPORTED
    )
