"""Who signs: nobody, a key, or a key with a chain of delegations.

Source: interface specification, "Signatures" and "Authentication". A private key never leaves these
objects but through ``to_pem``: not by ``repr``, not by ``pickle``.
"""

from typing import Final, NoReturn, Protocol, final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from juno_snap.agent.pem import PrivateKey, read_private_key, write_private_key
from juno_snap.errors import IdentityError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.wire.envelope import SignedDelegation

SEED_BYTES: Final = 32
NUMBER_BYTES: Final = 32

CURVE_ORDERS: Final = {
    "secp256k1": 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
    "secp256r1": 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
}
"""Number of points. Source: SEC 2, sections 2.4.1 and 2.4.2."""


class Identity(Protocol):
    """Somebody who can sign requests."""

    @property
    def principal(self) -> Principal:
        """The sender of what is signed."""
        ...

    @property
    def public_key_der(self) -> bytes | None:
        """The key of the sender: the first of a chain. ``None``: anonymous."""
        ...

    @property
    def delegations(self) -> tuple[SignedDelegation, ...]:
        """From the sender's key to the one that signs, in this order; mostly empty."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """The signature over ``payload`` (separator and message); empty for the anonymous."""
        ...


@final
class AnonymousIdentity:
    """Nobody: may read what is public."""

    @property
    def principal(self) -> Principal:
        """``2vxsx-fae``."""
        return ANONYMOUS

    @property
    def public_key_der(self) -> bytes | None:
        """None."""
        return None

    @property
    def delegations(self) -> tuple[SignedDelegation, ...]:
        """None."""
        return ()

    def sign(self, payload: bytes) -> bytes:
        """Nothing: an anonymous request carries no signature."""
        del payload
        return b""

    @override
    def __repr__(self) -> str:
        return "AnonymousIdentity()"


@final
class KeyIdentity:
    """A private key: Ed25519, or ECDSA on secp256k1 or P-256."""

    __slots__ = ("_key", "principal", "public_key_der")

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.public_key_der = key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.principal = Principal.self_authenticating(self.public_key_der)

    @property
    def delegations(self) -> tuple[SignedDelegation, ...]:
        """None."""
        return ()

    def sign(self, payload: bytes) -> bytes:
        """64 bytes: an Ed25519 signature, or r and s of ECDSA over SHA-256."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(payload)
        r, s = decode_dss_signature(self._key.sign(payload, ec.ECDSA(SHA256())))
        # Of the two numbers that would do the lower one: libraries for secp256k1 refuse the other.
        s = min(s, CURVE_ORDERS[self._key.curve.name] - s)
        return r.to_bytes(NUMBER_BYTES, "big") + s.to_bytes(NUMBER_BYTES, "big")

    def to_pem(self, *, passphrase: bytes | None = None) -> bytes:
        """The private key as PKCS#8 in PEM form, protected where a passphrase is given."""
        return write_private_key(self._key, passphrase)

    @override
    def __repr__(self) -> str:
        return f"KeyIdentity({self.principal})"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def anonymous() -> Identity:
    """Nobody."""
    return AnonymousIdentity()


def generate_ed25519(seed: bytes) -> KeyIdentity:
    """The identity whose Ed25519 private key is ``seed``, 32 random bytes.

    Raises:
        IdentityError: Not 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise IdentityError(
            f"an Ed25519 private key has {SEED_BYTES} bytes, not {len(seed)}",
            code="identity-malformed",
        )
    return KeyIdentity(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def load_pem(data: bytes, passphrase: bytes | None = None) -> KeyIdentity:
    """The identity in a PEM file; see ``juno_snap.agent.pem`` for its forms.

    Raises:
        IdentityError: No usable key, or a wrong or missing passphrase.
    """
    return KeyIdentity(read_private_key(data, passphrase))
