"""LEB128: whole numbers in as many bytes as they need, seven bits each.

Source: DWARF 4, section 7.6; interface specification, "Encoding of certificates".
"""

from typing import Final

from juno_snap.errors import DecodeError

DEFAULT_MAX_BYTES: Final = 19
"""Enough for 128 bits: times, codes, lengths and cycles. Bounds the work for a hostile number."""

_PAYLOAD: Final = 0x7F
_MORE: Final = 0x80
_SIGN: Final = 0x40


def encode_unsigned(value: int) -> bytes:
    """The shortest unsigned form of ``value``.

    Raises:
        ValueError: ``value`` is negative.
    """
    if value < 0:
        raise ValueError("unsigned LEB128 of a negative number")
    out = bytearray()
    while value > _PAYLOAD:
        out.append(value & _PAYLOAD | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_signed(value: int) -> bytes:
    """The shortest signed form of ``value``."""
    out = bytearray()
    while not -_SIGN <= value < _SIGN:
        out.append(value & _PAYLOAD | _MORE)
        value >>= 7
    out.append(value & _PAYLOAD)
    return bytes(out)


def decode_unsigned(
    data: bytes, offset: int = 0, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[int, int]:
    """The number at ``offset`` and the offset after it. Longer than shortest forms are accepted.

    Raises:
        DecodeError: The data ends within the number, or it has more than ``max_bytes`` bytes.
    """
    end = _end_of_number(data, offset, max_bytes)
    value = 0
    for position in range(end - 1, offset - 1, -1):
        value = value << 7 | data[position] & _PAYLOAD
    return value, end


def decode_signed(
    data: bytes, offset: int = 0, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[int, int]:
    """Like ``decode_unsigned``, in two's complement: bit 6 of the last byte is the sign."""
    value, end = decode_unsigned(data, offset, max_bytes=max_bytes)
    if data[end - 1] & _SIGN:
        value -= 1 << 7 * (end - offset)
    return value, end


def decode_natural(data: bytes) -> int:
    """The natural number that fills ``data``, as in a leaf of the state tree.

    Raises:
        DecodeError: Not exactly one number.
    """
    value, end = decode_unsigned(data)
    if end != len(data):
        raise DecodeError("bytes follow the number", offset=end)
    return value


def _end_of_number(data: bytes, offset: int, max_bytes: int) -> int:
    for position in range(offset, min(len(data), offset + max_bytes)):
        if data[position] < _MORE:
            return position + 1
    if len(data) - offset >= max_bytes:
        raise DecodeError(f"a number of more than {max_bytes} bytes", offset=offset)
    raise DecodeError("the data ends within a number", offset=len(data))
