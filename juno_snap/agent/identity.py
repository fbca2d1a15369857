"""Who signs: nobody, a key, or a key with a chain of delegations.

Source: interface specification, "Signatures" and "Authentication". A private key never leaves these
objects but through ``to_pem``: not by ``repr``, not by ``pickle``.
"""

from typing import Final, NoReturn, Protocol, final

from typing_extensions import override

from juno_snap.agent.pem import (
    PrivateKey,
    make_ed25519,
    public_key_der,
    read_private_key,
    sign_with,
    write_private_key,
)
from juno_snap.errors import IdentityError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.wire.envelope import SignedDelegation

SEED_BYTES: Final = 32

REVOKED: Final = frozenset(
    {"535yc-uxytb-gfk7h-tny7p-vjkoe-i4krp-3qmcl-uqfgr-cpgej-yqtjq-rqe"}  # 32 bytes of zero
)
"""Principals whose private key everybody knows.

Source: junobuild/cli, ``REVOKED_CONTROLLERS``; https://forum.dfinity.org/t/27732 (a library
generated this key where it was given no randomness).
"""


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
        self.public_key_der = public_key_der(key)
        self.principal = Principal.self_authenticating(self.public_key_der)

    @property
    def delegations(self) -> tuple[SignedDelegation, ...]:
        """None."""
        return ()

    def sign(self, payload: bytes) -> bytes:
        """64 bytes: an Ed25519 signature, or r and s of ECDSA over SHA-256."""
        return sign_with(self._key, payload)

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
    return KeyIdentity(make_ed25519(seed))


def load_pem(data: bytes, passphrase: bytes | None = None) -> KeyIdentity:
    """The identity in a PEM file; see ``juno_snap.agent.pem`` for its forms.

    Raises:
        IdentityError: No usable key, or a wrong or missing passphrase.
    """
    return KeyIdentity(read_private_key(data, passphrase))


def check_not_revoked(identity: Identity) -> None:
    """Refuse a key that everybody has, at the start of a chain or anywhere in it.

    Raises:
        IdentityError: It is one of them (code ``identity-revoked``).
    """
    keys = [signed.delegation.public_key for signed in identity.delegations]
    principals = [identity.principal, *map(Principal.self_authenticating, keys)]
    for principal in map(str, principals):
        if principal in REVOKED:
            raise IdentityError(
                f"the key of {principal} is revoked: its private half is public",
                code="identity-revoked",
                hint="remove it from the controllers of your modules, and use another key",
            )
