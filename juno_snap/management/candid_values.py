"""Decoded Candid as values of known types."""

from collections.abc import Sequence
from typing import TypeVar, final

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.wire.candid import CandidType, Tagged, decode, encode

T = TypeVar("T")


@final
class Fields:
    """A decoded record. The decoder has checked the types; here they become known to readers."""

    def __init__(self, record: object) -> None:
        self._record: dict[str, object] = typed(record, dict)

    def take(self, name: str, kind: type[T]) -> T:
        """The value of a field."""
        return typed(self._record.get(name), kind)

    def find(self, name: str, kind: type[T]) -> T | None:
        """The value of an optional field."""
        value = self._record.get(name)
        return None if value is None else typed(value, kind)

    def within(self, name: str) -> "Fields":
        """A field that is a record."""
        return Fields(self._record.get(name))

    def each(self, name: str) -> list["Fields"]:
        """A field that is a vector of records."""
        return [Fields(item) for item in self.take(name, list)]

    def principals(self, name: str) -> tuple[Principal, ...]:
        """A field that is a vector of principals."""
        return tuple(typed(item, Principal) for item in self.take(name, list))

    def tag(self, name: str) -> str:
        """The tag of a field that is a variant."""
        return self.take(name, Tagged).tag


def typed(value: object, kind: type[T]) -> T:
    """``value``, which is of ``kind``.

    Raises:
        DecodeError: It is not.
    """
    if not isinstance(value, kind):
        raise DecodeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def argument(kind: CandidType, value: object) -> bytes:
    """The message that carries one value.

    Raises:
        InputError: It does not fit.
    """
    return encode([kind], [value])


def result(reply: bytes, kind: CandidType) -> object:
    """The one value of a reply.

    Raises:
        DecodeError: Another type, or no Candid.
    """
    return decode(reply, [kind])[0]


def result_fields(reply: bytes, kind: CandidType) -> Fields:
    """The one record of a reply. Raises ``DecodeError`` as ``result`` does."""
    return Fields(result(reply, kind))


def result_records(reply: bytes, kind: CandidType) -> list[Fields]:
    """The one vector of records of a reply. Raises ``DecodeError`` as ``result`` does."""
    return [Fields(item) for item in typed(result(reply, kind), list)]


def hashes(records: Sequence[Fields]) -> tuple[bytes, ...]:
    """Of records with a field ``hash``."""
    return tuple(record.take("hash", bytes) for record in records)
