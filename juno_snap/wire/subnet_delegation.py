"""Which subnet may speak with which key, and for which canisters.

Source: interface specification, "Delegation", and "Canister ranges" of the state tree. The checks
are steps 3 and 4 of ``certificate.verify_certificate``.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias, final

from juno_snap.errors import TrustError
from juno_snap.ids import Principal
from juno_snap.wire import bls
from juno_snap.wire.certificate_form import (
    Certificate,
    SubnetDelegation,
    decode_certificate,
    decode_ranges,
    find_leaf,
    malformed_is_untrusted,
    signing_message,
    time_of,
)
from juno_snap.wire.hashtree import (
    Absent,
    Found,
    FoundTree,
    HashTree,
    Unknown,
    check_well_formed,
    labels,
    lookup,
    lookup_subtree,
)

DELEGATIONS_REMEMBERED: Final = 16

SignatureCheck: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""From public key (96 bytes), signature and message to whether the signature holds."""

_Key: TypeAlias = tuple[bytes, bytes, bytes]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDelegation:
    """A delegation that the root key signed. Its age is still to be checked."""

    tree: HashTree
    time_ns: int
    subnet_key: bytes
    """Compressed BLS key of the subnet, 96 bytes."""


@final
class DelegationCache:
    """Delegations that were verified before: each costs its BLS verification once.

    Holds the last ones used. Their age and ranges are checked at each use all the same.
    """

    def __init__(self, size: int = DELEGATIONS_REMEMBERED) -> None:
        self._size = size
        self._known: OrderedDict[_Key, VerifiedDelegation] = OrderedDict()

    def find(self, key: _Key) -> VerifiedDelegation | None:
        """The delegation under ``key``, if it was verified."""
        try:  # another thread may take it away at any moment
            self._known.move_to_end(key)
        except KeyError:
            return None
        return self._known.get(key)

    def add(self, key: _Key, delegation: VerifiedDelegation) -> None:
        """Remember a verified delegation; the one not used for longest makes room."""
        self._known[key] = delegation
        if len(self._known) > self._size:
            self._known.popitem(last=False)


def decode_well_formed(data: bytes, what: str) -> Certificate:
    """Steps 1 and 2: a certificate whose tree is well formed.

    Raises:
        TrustError: It is not (certificate-malformed).
    """
    with malformed_is_untrusted(what):
        certificate = decode_certificate(data)
        check_well_formed(certificate.tree)
    return certificate


def verify_delegation(
    delegation: SubnetDelegation,
    root: bytes,
    known: DelegationCache | None,
    check_signature: SignatureCheck,
) -> VerifiedDelegation:
    """Steps 3a to 3c, or what they gave before for the same bytes under the same root key.

    ``root`` is the compressed key, 96 bytes.

    Raises:
        TrustError: The delegation does not hold.
    """
    key = (root, delegation.subnet_id.raw, sha256(delegation.certificate).digest())
    found = None if known is None else known.find(key)
    if found is not None:
        return found
    verified = _verify_new_delegation(delegation, root, check_signature)
    if known is not None:
        known.add(key, verified)
    return verified


def check_ranges(tree: HashTree, subnet_id: Principal, canister_id: Principal) -> None:
    """Step 4: the root subnet's ``tree`` gives ``canister_id`` to the subnet.

    Raises:
        TrustError: It does not (certificate-range), or hides whether it does (certificate-pruned).
    """
    with malformed_is_untrusted("the list of the subnet's canisters"):
        inside = _is_inside(tree, subnet_id, canister_id)
    if inside is None:
        raise TrustError(
            f"the certificate hides whether canister {canister_id} is on subnet {subnet_id}",
            code="certificate-pruned",
        )
    if not inside:
        raise TrustError(
            f"subnet {subnet_id} may not speak for canister {canister_id}",
            code="certificate-range",
            hint="check the canister id",
        )


def _verify_new_delegation(
    delegation: SubnetDelegation, root: bytes, check_signature: SignatureCheck
) -> VerifiedDelegation:
    inner = decode_well_formed(delegation.certificate, "the subnet's delegation")  # 3a
    if inner.delegation is not None:
        raise TrustError(
            "the subnet's delegation rests on a further delegation, which is not allowed",
            code="certificate-delegation",
        )
    if not check_signature(root, inner.signature, signing_message(inner.tree)):  # 3b
        raise TrustError(
            "the root key did not sign the subnet's delegation",
            code="certificate-delegation",
            hint="check that the network and its root key are the ones you mean",
        )
    what = f"the key of subnet {delegation.subnet_id}"
    der = find_leaf(inner.tree, (b"subnet", delegation.subnet_id.raw, b"public_key"), what)  # 3c
    if der is None:
        raise TrustError(
            f"the delegation is not for subnet {delegation.subnet_id}",
            code="certificate-delegation",
        )
    with malformed_is_untrusted(what):
        subnet_key = bls.der_to_public_key(der)
    return VerifiedDelegation(
        tree=inner.tree,
        time_ns=time_of(inner.tree, "the subnet's delegation"),
        subnet_key=subnet_key,
    )


def _is_inside(tree: HashTree, subnet_id: Principal, canister_id: Principal) -> bool | None:
    """Whether the canister is in the subnet's ranges; None where the tree hides it."""
    sharded = lookup_subtree(tree, (b"canister_ranges", subnet_id.raw))
    if isinstance(sharded, FoundTree):
        return _is_in_shards(sharded.tree, canister_id)
    # The older form: all ranges in one leaf.
    flat = lookup(tree, (b"subnet", subnet_id.raw, b"canister_ranges"))
    if isinstance(flat, Found):
        return _contains(flat.value, canister_id)
    return None if Unknown() in (sharded, flat) else False


def _is_in_shards(shards: HashTree, canister_id: Principal) -> bool | None:
    """Look into the shard with the greatest first id that is not above the canister's."""
    below = [label for label in labels(shards) if label <= canister_id.raw]
    shard = lookup(shards, (below[-1],)) if below else Absent()
    if isinstance(shard, Found) and _contains(shard.value, canister_id):
        return True
    nearer = lookup_subtree(shards, (canister_id.raw,))
    return None if Unknown() in (shard, nearer) else False


def _contains(leaf: bytes, canister_id: Principal) -> bool:
    return any(low <= canister_id <= high for low, high in decode_ranges(leaf))
