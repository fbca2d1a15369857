"""Certificates that must not be believed, each wrong in one way: see ``faults``."""

from typing import Final

from juno_snap.replica.certify_tree import Branch, Value, Wanted, witness
from juno_snap.replica.faults import Flaw
from juno_snap.replica.keys import ReplicaKeys, keys_from_seed
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire import bls, cbor
from juno_snap.wire.certificate import (
    Certificate,
    SubnetDelegation,
    encode_certificate,
    signing_message,
)
from juno_snap.wire.hashtree import HashTree
from juno_snap.wire.leb128 import encode_unsigned

STALE_NS: Final = 600 * NS_PER_SECOND
"""Twice what clients accept."""

EVERY_CANISTER: Final = (bytes(10), b"\xff" * 10)
NO_CANISTER_HERE: Final = (b"\xff" * 9 + b"\xfe", b"\xff" * 10)
"""First and last id of a range; canister ids end in 01 01."""


def spoil(tree: HashTree, flaw: Flaw, keys: ReplicaKeys, time_ns: int) -> bytes:
    """An encoded certificate of ``tree`` with a wrong signature or delegation."""
    stranger = keys_from_seed(f"stranger to {keys.subnet_id}")
    if flaw == "forged":
        return _certificate(tree, stranger.root_secret)
    subnet = keys_from_seed(f"other subnet than {keys.subnet_id}")
    ranges = NO_CANISTER_HERE if flaw == "wrong-range" else EVERY_CANISTER
    signer = stranger if flaw == "wrong-delegation" else keys
    state = _root_state(subnet, ranges, time_ns)
    delegation = SubnetDelegation(
        subnet_id=subnet.subnet_id, certificate=_certificate(state, signer.root_secret)
    )
    return _certificate(tree, subnet.root_secret, delegation)


def _root_state(subnet: ReplicaKeys, ranges: tuple[bytes, bytes], time_ns: int) -> HashTree:
    """What a root subnet says of another one."""
    shard = Branch.of({ranges[0]: Value(cbor.encode([list(ranges)]))})
    key = Branch.of({b"public_key": Value(subnet.root_key_der)})
    state = Branch.of(
        {
            b"canister_ranges": Branch.of({subnet.subnet_id.raw: shard}),
            b"subnet": Branch.of({subnet.subnet_id.raw: key}),
            b"time": Value(encode_unsigned(time_ns)),
        }
    )
    return witness(state, Wanted(whole=True))


def _certificate(
    tree: HashTree, secret: bytes, delegation: SubnetDelegation | None = None
) -> bytes:
    signature = bls.sign(secret, signing_message(tree))
    return encode_certificate(Certificate(tree=tree, signature=signature, delegation=delegation))
