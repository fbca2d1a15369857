"""Signatures by people and nodes: Ed25519, ECDSA on secp256k1 and on P-256.

Source: interface specification, "Signatures". Keys are DER in exactly one form each; ECDSA points
are uncompressed, its signatures the two numbers r and s, 32 bytes each, over SHA-256.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from juno_snap.errors import DecodeError

ED25519_DER_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
SECP256K1_DER_PREFIX: Final = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
P256_DER_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""SubjectPublicKeyInfo up to the key itself. Source: RFC 8410, RFC 5480."""

ED25519_KEY_BYTES: Final = 32
POINT_BYTES: Final = 65
"""An uncompressed point: 0x04, then two coordinates."""
UNCOMPRESSED: Final = b"\x04"
NUMBER_BYTES: Final = 32
"""Of each coordinate, and of r and s."""


def verify(public_key_der: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether the key made ``signature`` over ``payload`` (separator and message).

    Raises:
        DecodeError: The key is of another kind, in another form, or no point of its curve.
    """
    raw = _after(public_key_der, ED25519_DER_PREFIX, ED25519_KEY_BYTES)
    if raw is not None:
        return _verify_ed25519(raw, payload, signature)
    for prefix, curve in (
        (SECP256K1_DER_PREFIX, ec.SECP256K1()),
        (P256_DER_PREFIX, ec.SECP256R1()),
    ):
        raw = _after(public_key_der, prefix, POINT_BYTES)
        if raw is not None:
            return _verify_ecdsa(curve, raw, payload, signature)
    raise DecodeError("a public key of an unknown kind or form", code="unknown-key-type")


def sign_ed25519(seed: bytes, payload: bytes) -> bytes:
    """The signature, 64 bytes, by the private key ``seed`` (32 bytes)."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(payload)


def ed25519_public_der(seed: bytes) -> bytes:
    """The public key of the private key ``seed`` (32 bytes) as DER, 44 bytes."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return ED25519_DER_PREFIX + key.public_bytes_raw()


def _after(der: bytes, prefix: bytes, size_bytes: int) -> bytes | None:
    if der.startswith(prefix) and len(der) == len(prefix) + size_bytes:
        return der[len(prefix) :]
    return None


def _verify_ed25519(raw: bytes, payload: bytes, signature: bytes) -> bool:
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    try:
        key.verify(signature, payload)
    except InvalidSignature:
        return False
    return True


def _verify_ecdsa(curve: ec.EllipticCurve, point: bytes, payload: bytes, signature: bytes) -> bool:
    if not point.startswith(UNCOMPRESSED):
        raise DecodeError("a public key that is not an uncompressed point", code="unknown-key-type")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise DecodeError("a public key that is no point of its curve") from error
    if len(signature) != 2 * NUMBER_BYTES:
        return False
    r = int.from_bytes(signature[:NUMBER_BYTES])
    s = int.from_bytes(signature[NUMBER_BYTES:])
    try:
        key.verify(encode_dss_signature(r, s), payload, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
