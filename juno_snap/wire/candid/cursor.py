"""Reading and writing positions: bounds, depth and work are checked here and nowhere else."""

from typing import Final

from juno_snap.errors import DecodeError
from juno_snap.wire import leb128
from juno_snap.wire.candid.values import MisfitError

DEPTH_MAX: Final = 200
"""Values nested deeper are refused: two frames a level stay far from the interpreter's limit."""

NUMBER_MAX_BITS: Final = 4096
"""Largest ``nat`` and ``int``. The platform's own have 128 bits; the format knows no limit."""

_NUMBER_MAX_BYTES: Final = NUMBER_MAX_BITS // 7 + 1
_LENGTH_MAX_BYTES: Final = 10
_FREE_ALLOWANCE: Final = 20_000
_ALLOWANCE_PER_BYTE: Final = 2
_SINGLE_BYTE_MAX: Final = 0x7F


class Cursor:
    """A position in a message. Nothing is copied but what is taken.

    Values that may need no bytes (null, reserved, records) are paid from an allowance that grows
    with the message, so that a short message cannot ask for endless work and memory.
    """

    __slots__ = ("_allowance", "_depth", "data", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0
        self._depth = 0
        self._allowance = _FREE_ALLOWANCE + _ALLOWANCE_PER_BYTE * len(data)

    @property
    def remaining(self) -> int:
        """Bytes that have not been read."""
        return len(self.data) - self.offset

    def fault(self, message: str) -> DecodeError:
        """An error at this position, to be raised."""
        return DecodeError(f"Candid: {message}", offset=self.offset)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self.offset + count
        if end > len(self.data):
            raise self.fault(f"{count} bytes are announced and {self.remaining} are left")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def byte(self) -> int:
        """The next byte."""
        if self.offset >= len(self.data):
            raise self.fault("the message ends too early")
        value = self.data[self.offset]
        self.offset += 1
        return value

    def length(self) -> int:
        """A count, a length or an index: unsigned LEB128 of at most ten bytes."""
        if self.offset < len(self.data) and self.data[self.offset] <= _SINGLE_BYTE_MAX:
            self.offset += 1
            return self.data[self.offset - 1]
        return self.unsigned(_LENGTH_MAX_BYTES)

    def unsigned(self, max_bytes: int = _NUMBER_MAX_BYTES) -> int:
        """A natural number, unsigned LEB128."""
        value, self.offset = leb128.decode_unsigned(self.data, self.offset, max_bytes=max_bytes)
        return value

    def signed(self, max_bytes: int = _NUMBER_MAX_BYTES) -> int:
        """A whole number, signed LEB128."""
        value, self.offset = leb128.decode_signed(self.data, self.offset, max_bytes=max_bytes)
        return value

    def text(self) -> str:
        """A length and as many bytes of UTF-8."""
        start = self.offset
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError as error:
            self.offset = start
            raise self.fault("text that is not UTF-8") from error

    def spend(self, count: int = 1) -> None:
        """Pay for values that may need no bytes."""
        self._allowance -= count
        if self._allowance < 0:
            raise self.fault("too many values for so few bytes")

    def enter(self) -> None:
        """Go one level deeper into a value."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self.fault(f"values nested more than {DEPTH_MAX} deep")

    def leave(self) -> None:
        """Come back from ``enter``."""
        self._depth -= 1


class Writer:
    """Collects the bytes of values; large ones are kept as they are until ``bytes``."""

    __slots__ = ("_depth", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes | bytearray | memoryview] = []
        self._depth = 0

    def put(self, part: bytes | bytearray | memoryview) -> None:
        """Append."""
        self._parts.append(part)

    def put_sized(self, part: bytes | bytearray | memoryview, size: int) -> None:
        """Append a length and the bytes."""
        self._parts.append(leb128.encode_unsigned(size))
        self._parts.append(part)

    def enter(self) -> None:
        """Go one level deeper into a value."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise MisfitError(f"values nested more than {DEPTH_MAX} deep")

    def leave(self) -> None:
        """Come back from ``enter``."""
        self._depth -= 1

    def joined(self) -> bytes:
        """Everything written."""
        return b"".join(self._parts)
