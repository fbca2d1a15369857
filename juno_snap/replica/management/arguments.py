"""Arguments of a management call: decoded once, read by name and type."""

from collections.abc import Mapping, Sequence
from typing import Final, cast, final

from juno_snap.errors import DecodeError
from juno_snap.ids import SNAPSHOT_ID_MAX_BYTES, SNAPSHOT_ID_MIN_BYTES, Principal
from juno_snap.replica.reject import Reject
from juno_snap.wire.candid import CandidType, Tagged, decode

SNAPSHOT_ID_FIELDS: Final = ("snapshot_id", "replace_snapshot")
"""Blobs that the network decodes as snapshot ids, so that a bad length is a bad payload."""


def invalid_payload(reason: str) -> Reject:
    """The reject of a payload that is not what the method takes."""
    return Reject("IC0408", f"Error decoding candid: {reason}")


@final
class Arguments:
    """A decoded Candid record.

    Decoding has checked the types, so each accessor only says which type the field has.
    """

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    @classmethod
    def decode(cls, payload: bytes, expected: CandidType) -> "Arguments":
        """The one record that ``payload`` holds.

        Raises:
            Reject: IC0408, not Candid or of another type.
        """
        try:
            (record,) = decode(payload, [expected])
        except DecodeError as error:
            raise invalid_payload(error.message) from error
        arguments = as_arguments(record)
        for name in SNAPSHOT_ID_FIELDS:
            if name in arguments:
                _check_snapshot_id(arguments.blob(name))
        return arguments

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def principal(self, name: str) -> Principal:
        """A field of type principal."""
        return cast("Principal", self._fields[name])

    def blob(self, name: str) -> bytes:
        """A field of type blob."""
        return cast("bytes", self._fields[name])

    def text(self, name: str) -> str:
        """A field of type text."""
        return cast("str", self._fields[name])

    def natural(self, name: str) -> int:
        """A field of type nat or one of its fixed sizes."""
        return cast("int", self._fields[name])

    def flag(self, name: str) -> bool:
        """A field of type ``opt bool``, false where it is missing."""
        return self._fields.get(name) is True

    def variant(self, name: str) -> Tagged:
        """A field of a variant type."""
        return cast("Tagged", self._fields[name])

    def record(self, name: str) -> "Arguments":
        """A field of a record type."""
        return as_arguments(self._fields[name])

    def principals(self, name: str) -> Sequence[Principal]:
        """A field of type vector of principals."""
        return cast("Sequence[Principal]", self._fields[name])

    def variants(self, name: str) -> Sequence[Tagged]:
        """A field of type vector of a variant type."""
        return cast("Sequence[Tagged]", self._fields[name])

    def items(self, name: str) -> Sequence[object]:
        """A field of a vector type."""
        return cast("Sequence[object]", self._fields[name])


def as_arguments(value: object) -> Arguments:
    """A record inside another value."""
    return Arguments(cast("Mapping[str, object]", value))


def _check_snapshot_id(raw: bytes) -> None:
    if not SNAPSHOT_ID_MIN_BYTES <= len(raw) <= SNAPSHOT_ID_MAX_BYTES:
        raise invalid_payload(f"a snapshot id cannot have {len(raw)} bytes")
