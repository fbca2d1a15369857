"""BLS signatures on the curve BLS12-381: signatures in G1, public keys in G2.

Source: draft-irtf-cfrg-bls-signature-04 with the ciphersuite below; the key's DER form is in the
interface specification, "Delegation".
"""

from functools import lru_cache
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from juno_snap.errors import DecodeError

CIPHERSUITE: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
SIGNATURE_BYTES: Final = 48
PUBLIC_KEY_BYTES: Final = 96
DER_PREFIX: Final = bytes.fromhex(
    "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100"
)
"""Algorithm 1.3.6.1.4.1.44668.5.3.1.2.1, curve 1.3.6.1.4.1.44668.5.3.2.1."""

KEYS_REMEMBERED: Final = 16
"""Decompressed public keys: a network's root key and the subnets in use."""

SIGNATURES_REMEMBERED: Final = 16
"""What was found out of the last signatures: calls of one round have one certified state, and so
one signature."""


def public_key_to_der(key: bytes) -> bytes:
    """The DER form, 133 bytes, of a compressed key of 96 bytes."""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"a BLS public key has {PUBLIC_KEY_BYTES} bytes, not {len(key)}")
    return DER_PREFIX + key


def der_to_public_key(der: bytes) -> bytes:
    """The compressed key, 96 bytes, in its DER form. Agents compare prefix and length like this.

    Raises:
        DecodeError: Another length, algorithm or curve.
    """
    if len(der) != len(DER_PREFIX) + PUBLIC_KEY_BYTES or not der.startswith(DER_PREFIX):
        raise DecodeError("not the DER form of a BLS12-381 public key")
    return der[len(DER_PREFIX) :]


@lru_cache(maxsize=SIGNATURES_REMEMBERED)
def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key (96 bytes) made ``signature`` (48 bytes) over ``message``.

    A key or a signature that is no point of its group, or is the point at infinity, is false.
    """
    try:
        key = _public_point(public_key)
        point = G1Point.from_compressed_bytes(signature)  # checks the subgroup
    except ValueError:
        return False
    if point == G1Point.identity():
        return False
    # e(signature, generator) = e(hash, key), as one product with a single final exponentiation.
    hashed = G1Point.hash_to_curve(message, CIPHERSUITE)
    return GT.pairing_check([point, -hashed], [G2Point(), key])


def sign(secret: bytes, message: bytes) -> bytes:
    """The signature, 48 bytes. ``secret`` is 32 bytes, a big-endian number below the order."""
    point = G1Point.hash_to_curve(message, CIPHERSUITE) * Scalar.from_be_bytes(secret)
    return bytes(point.to_compressed_bytes())


def public_key(secret: bytes) -> bytes:
    """The compressed public key, 96 bytes, of ``secret``."""
    return bytes((G2Point() * Scalar.from_be_bytes(secret)).to_compressed_bytes())


@lru_cache(maxsize=KEYS_REMEMBERED)
def _public_point(key: bytes) -> G2Point:
    point = G2Point.from_compressed_bytes(key)  # checks the subgroup
    if point == G2Point.identity():
        raise ValueError("the point at infinity is no public key")
    return point
