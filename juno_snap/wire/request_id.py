"""Representation-independent hashes: the same for every encoding of the same map.

Source: interface specification, "Representation-independent hashing of structured data".
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

from juno_snap.ids import RequestId
from juno_snap.wire.leb128 import encode_unsigned

HashValue: TypeAlias = "bytes | str | int | Sequence[HashValue] | Mapping[str, HashValue]"
"""What can be hashed. Numbers are naturals; a field without a value is left out of its map."""


def request_id(content: Mapping[str, HashValue]) -> RequestId:
    """The request id of a call's or a query's content, 32 bytes."""
    return RequestId(hash_of_map(content))


def hash_of_map(fields: Mapping[str, HashValue]) -> bytes:
    """The hash of ``fields``, 32 bytes."""
    # 1. Hash of the name, then hash of the value, for each field.
    pairs = [sha256(name.encode()).digest() + _hash(value) for name, value in fields.items()]
    # 2. In bytewise order, so that the order of the fields does not matter. 3. Hash of all.
    return sha256(b"".join(sorted(pairs))).digest()


def _hash(value: HashValue) -> bytes:
    if isinstance(value, bytes):
        return sha256(value).digest()
    if isinstance(value, str):
        return sha256(value.encode()).digest()
    if isinstance(value, int):
        return sha256(encode_unsigned(value)).digest()
    if isinstance(value, Mapping):
        return hash_of_map(value)
    return sha256(b"".join(map(_hash, value))).digest()
