"""CBOR as the platform uses it, bounded in size and depth.

Source: interface specification, "CBOR". Only numbers, text, bytes, booleans, null, arrays and maps
with text keys pass; of the tags only the self-describing one at the very front and big naturals.
"""

import io
from typing import Final

import cbor2

from juno_snap.errors import DecodeError
from juno_snap.ids import PRINCIPAL_MAX_BYTES, Principal
from juno_snap.units import MIB

SELF_DESCRIBE: Final = bytes.fromhex("d9d9f7")
"""Tag 55799. Source: RFC 8949, section 3.4.6."""

DEFAULT_MAX_BYTES: Final = 8 * MIB
"""Above every answer: the network caps a body at 5 MiB. Source: dfinity/ic, ``http_handler.rs``."""

DEFAULT_MAX_DEPTH: Final = 128
"""Nested arrays and maps. Source: serde_cbor's recursion limit, with which agent-rs reads."""

DEFAULT_MAX_VALUES: Final = 200_000
"""Values in one message: above the labels that one request may ask for (1000 paths of 127 each).

Bounds the work for a message of many tiny values, such as a hash tree of empty nodes.
"""

_REFUSED_TAGS: Final = (
    0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip
"""What cbor2 would turn into something else than plain data: dates, shared and cyclic references,
patterns, addresses, sets, frozen maps."""


def encode(value: object) -> bytes:
    """``value`` as self-described CBOR, definite lengths, maps in their own order.

    Raises:
        TypeError: A value has no CBOR form; this is a mistake in the caller.
    """
    try:
        return SELF_DESCRIBE + cbor2.dumps(value)
    except cbor2.CBOREncodeError as error:
        raise TypeError(f"no CBOR form: {error}") from error


def decode(
    data: bytes,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_depth: int = DEFAULT_MAX_DEPTH,
    max_values: int = DEFAULT_MAX_VALUES,
) -> object:
    """The one value in ``data``: int, float, str, bytes, bool, None, list, or dict with str keys.

    The leading tag may be missing. Lists and maps are plain mutable ones.

    Raises:
        DecodeError: Malformed, cut short, followed by more bytes, too long, too deep, too many
            values, a key twice in a map, or a kind of value that the platform never sends.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"CBOR of {len(data)} bytes is above the limit of {max_bytes}")
    stream = io.BytesIO(data)
    # Below tag 55799 cbor2 6 makes frozen maps and tuples, so the tag is passed over here.
    stream.seek(len(SELF_DESCRIBE) if data.startswith(SELF_DESCRIBE) else 0)
    decoder = cbor2.CBORDecoder(
        stream,
        tag_hook=_refuse_tag,
        semantic_decoders=dict.fromkeys(_REFUSED_TAGS, _refuse_tag),
        max_depth=max_depth,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
        read_size=len(data),  # else it grows a buffer by 64 KiB at a time
    )
    try:
        value: object = decoder.decode()
    except cbor2.CBORError as error:
        raise DecodeError(f"malformed CBOR: {error}", offset=stream.tell()) from error
    if stream.tell() != len(data):
        extra = len(data) - stream.tell()
        raise DecodeError(f"{extra} bytes follow the CBOR value", offset=stream.tell())
    _check_plain(value, max_values)
    return value


def decode_map(data: bytes) -> dict[str, object]:
    """Like ``decode``, for a message that is a map.

    Raises:
        DecodeError: As ``decode``, or the value is not a map.
    """
    return as_map(decode(data), "the message")


def as_map(value: object, what: str) -> dict[str, object]:
    """``value`` as a map with text keys. Raises ``DecodeError`` naming ``what`` if it is none."""
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is not a map")
    return {str(key): item for key, item in value.items()}


def as_list(value: object, what: str) -> list[object]:
    """``value`` as a list. Raises ``DecodeError`` naming ``what`` if it is none."""
    if not isinstance(value, list):
        raise DecodeError(f"{what} is not an array")
    return value


def as_bytes(value: object, what: str) -> bytes:
    """``value`` as bytes. Raises ``DecodeError`` naming ``what`` if it is none."""
    if not isinstance(value, bytes):
        raise DecodeError(f"{what} is not a byte string")
    return value


def as_text(value: object, what: str) -> str:
    """``value`` as text. Raises ``DecodeError`` naming ``what`` if it is none."""
    if not isinstance(value, str):
        raise DecodeError(f"{what} is not text")
    return value


def as_natural(value: object, what: str) -> int:
    """``value`` as a natural number. Raises ``DecodeError`` naming ``what`` if it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DecodeError(f"{what} is not a natural number")
    return value


def as_principal(value: object, what: str) -> Principal:
    """``value`` as a principal. Raises ``DecodeError`` naming ``what`` if it is none."""
    raw = as_bytes(value, what)
    if len(raw) > PRINCIPAL_MAX_BYTES:
        raise DecodeError(f"{what} has {len(raw)} bytes, too many for a principal")
    return Principal(raw)


def _refuse_tag(*_details: object) -> object:
    raise DecodeError("a CBOR tag that the platform does not use")


def _check_plain(value: object, max_values: int) -> None:
    """Refuse what is left of CBOR's other kinds of value, and more values than anyone sends."""
    waiting = [value]
    seen = 1
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
            seen += len(item)
        elif isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise DecodeError("a CBOR map has a key that is not text")
            waiting += item.values()
            seen += len(item)
        elif item is not None and not isinstance(item, bytes | str | int | float):
            raise DecodeError(f"CBOR value of an unexpected kind: {type(item).__name__}")
        if seen > max_values:
            raise DecodeError(f"CBOR of more than {max_values} values")
