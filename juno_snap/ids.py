"""Identifiers of the platform: principals, snapshot ids, request ids.

The text form of a principal is ic-py's; what it lets pass or raises in its own way is caught here.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, NewType, final

from ic.principal import Principal as IcPrincipal
from typing_extensions import override

from juno_snap.errors import InputError

RequestId = NewType("RequestId", bytes)
"""SHA-256 of a request's content (interface specification, "Request ids"), 32 bytes."""

PRINCIPAL_MAX_BYTES: Final = 29
"""Source: interface specification, "Principals"."""

SNAPSHOT_ID_MIN_BYTES: Final = 8
SNAPSHOT_ID_MAX_BYTES: Final = 37
"""An 8-byte counter, then the canister id. Source: dfinity/ic, ``canister_snapshots.rs``."""


@final
@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A canister, a user or a subnet. ``raw`` has 0 to 29 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) > PRINCIPAL_MAX_BYTES:
            raise InputError(
                f"a principal has at most {PRINCIPAL_MAX_BYTES} bytes, not {len(self.raw)}",
                value=self.raw.hex(),
                code="invalid-principal",
            )

    @classmethod
    def parse(cls, text: str) -> "Principal":
        """The principal that ``text`` spells, in upper or lower case.

        Raises:
            InputError: Not base32, a wrong checksum, misplaced dashes, or too long.
        """
        try:
            raw = bytes(IcPrincipal.from_str(text.lower()).bytes)
        except (TypeError, ValueError) as error:
            # ic-py raises a plain string (a TypeError) where the checksum or the dashes are wrong.
            raise InputError(
                f"{text!r} is not a principal: its letters or its checksum are wrong",
                value=text,
                code="invalid-principal",
                hint="copy it again, whole; it looks like rrkah-fqaaa-aaaaa-aaaaq-cai",
            ) from error
        return cls(raw)

    @classmethod
    def self_authenticating(cls, public_key_der: bytes) -> "Principal":
        """The principal of a public key: SHA-224 of its DER form, then 0x02."""
        return cls(hashlib.sha224(public_key_der).digest() + b"\x02")

    @override
    def __str__(self) -> str:
        return str(IcPrincipal(self.raw).to_str())


ANONYMOUS: Final = Principal(b"\x04")
MANAGEMENT_CANISTER: Final = Principal(b"")


@final
@dataclass(frozen=True, slots=True, order=True)
class SnapshotId:
    """A module snapshot. Opaque bytes, written as bare lower-case hex."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "SnapshotId":
        """The id that ``text`` spells in hex, with or without ``0x``.

        Raises:
            InputError: Not hex, or of an impossible length.
        """
        try:
            raw = bytes.fromhex(text.lower().removeprefix("0x"))
        except ValueError:
            raw = b""
        if not SNAPSHOT_ID_MIN_BYTES <= len(raw) <= SNAPSHOT_ID_MAX_BYTES:
            raise InputError(
                f"{text!r} is not a snapshot id",
                value=text,
                code="invalid-snapshot-id",
                hint="list the ids with: juno-snap snapshot list",
            )
        return cls(raw)

    @override
    def __str__(self) -> str:
        return self.raw.hex()
