"""Certificates as they are sent, and the values that stand in their leaves; nothing is verified.

Source: interface specification, "Encoding of certificates" and "The system state tree".
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import DecodeError, TrustError
from juno_snap.ids import Principal
from juno_snap.wire.cbor import as_bytes, as_list, as_map, as_principal, decode, decode_map, encode
from juno_snap.wire.hashtree import (
    Found,
    HashTree,
    Unknown,
    decode_tree,
    encode_tree,
    lookup,
    root_hash,
)
from juno_snap.wire.leb128 import decode_natural

STATE_ROOT_SEPARATOR: Final = b"\x0dic-state-root"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetDelegation:
    """The root subnet's word for the key of another subnet, itself an encoded certificate."""

    subnet_id: Principal
    certificate: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate as it is sent."""

    tree: HashTree
    signature: bytes
    delegation: SubnetDelegation | None = None


def decode_certificate(data: bytes) -> Certificate:
    """The certificate in ``data``, unverified. Keys that are not known are skipped.

    Raises:
        DecodeError: Malformed.
    """
    fields = decode_map(data)
    delegation = fields.get("delegation")
    return Certificate(
        tree=decode_tree(fields.get("tree")),
        signature=as_bytes(fields.get("signature"), "the signature of a certificate"),
        delegation=None if delegation is None else _decode_delegation(delegation),
    )


def encode_certificate(certificate: Certificate) -> bytes:
    """The certificate as it is sent."""
    fields: dict[str, object] = {
        "tree": encode_tree(certificate.tree),
        "signature": certificate.signature,
    }
    if certificate.delegation is not None:
        fields["delegation"] = {
            "subnet_id": certificate.delegation.subnet_id.raw,
            "certificate": certificate.delegation.certificate,
        }
    return encode(fields)


def signing_message(tree: HashTree) -> bytes:
    """What the subnet signs."""
    return STATE_ROOT_SEPARATOR + root_hash(tree)


def decode_principals(leaf: bytes) -> tuple[Principal, ...]:
    """The principals in a leaf such as ``/canister/<id>/controllers``.

    Raises:
        DecodeError: Not an array of principals.
    """
    return tuple(as_principal(item, "an entry") for item in as_list(decode(leaf), "the leaf"))


def decode_ranges(leaf: bytes) -> tuple[tuple[Principal, Principal], ...]:
    """The ranges of canister ids in a leaf, both ends included.

    Raises:
        DecodeError: Not an array of pairs of principals.
    """
    ranges = []
    for item in as_list(decode(leaf), "the leaf"):
        match as_list(item, "a range"):
            case [low, high]:
                ranges.append((as_principal(low, "an end"), as_principal(high, "an end")))
            case _:
                raise DecodeError("a range of canister ids does not have two ends")
    return tuple(ranges)


def find_leaf(tree: HashTree, path: Sequence[bytes], what: str) -> bytes | None:
    """The value at ``path`` of a verified tree; None where it is proven absent.

    Raises:
        TrustError: The tree hides the place (certificate-pruned), or there is no value but labels
            (certificate-malformed). The text names ``what``.
    """
    with malformed_is_untrusted(what):
        found = lookup(tree, path)
    if isinstance(found, Unknown):
        raise TrustError(f"the certificate does not show {what}", code="certificate-pruned")
    return found.value if isinstance(found, Found) else None


def time_of(tree: HashTree, what: str) -> int:
    """``/time`` of a tree in nanoseconds, UTC.

    Raises:
        TrustError: It is hidden, missing or no number.
    """
    leaf = find_leaf(tree, (b"time",), f"the time of {what}")
    if leaf is None:
        raise TrustError(f"{what} has no time", code="certificate-malformed")
    with malformed_is_untrusted(f"the time of {what}"):
        return decode_natural(leaf)


@contextlib.contextmanager
def malformed_is_untrusted(what: str) -> Iterator[None]:
    """Turn a ``DecodeError`` inside into a ``TrustError`` that names ``what``."""
    try:
        yield
    except DecodeError as error:
        raise TrustError(
            f"{what} is malformed: {error.message}", code="certificate-malformed"
        ) from error


def _decode_delegation(value: object) -> SubnetDelegation:
    fields = as_map(value, "delegation")
    return SubnetDelegation(
        subnet_id=as_principal(fields.get("subnet_id"), "subnet_id"),
        certificate=as_bytes(fields.get("certificate"), "the certificate of a delegation"),
    )
