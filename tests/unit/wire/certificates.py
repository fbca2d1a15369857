"""Makes certificates, whole ones and such as fail one check and only it."""

from collections.abc import Mapping

from juno_snap.ids import Principal
from juno_snap.wire import bls, cbor
from juno_snap.wire.certificate import (
    CanisterScope,
    Certificate,
    SubnetDelegation,
    encode_certificate,
    signing_message,
    verify_certificate,
)
from juno_snap.wire.hashtree import Fork, HashTree, Labeled, Leaf, Pruned, root_hash
from juno_snap.wire.leb128 import encode_unsigned

ROOT_SECRET = bytes(31) + b"\x07"
SUBNET_SECRET = bytes(31) + b"\x08"
STRANGER_SECRET = bytes(31) + b"\x09"
ROOT_KEY = bls.public_key_to_der(bls.public_key(ROOT_SECRET))
SUBNET_KEY = bls.public_key_to_der(bls.public_key(SUBNET_SECRET))
ROOT_SUBNET = Principal.self_authenticating(ROOT_KEY)
SUBNET = Principal.self_authenticating(SUBNET_KEY)
NOW_NS = 1_750_000_000_000_000_000


def canister(number):
    return Principal(number.to_bytes(8) + b"\x01\x01")


CANISTER = canister(0x105)
RANGE = (canister(0x100), canister(0x1FF))


def tree_of(content):
    """Nested maps with labels as keys; bytes become leaves, finished nodes stay as they are."""
    if isinstance(content, bytes):
        return Leaf(content)
    if not isinstance(content, Mapping):
        return content
    return forest([Labeled(label, tree_of(content[label])) for label in sorted(content)])


def forest(nodes):
    if len(nodes) == 1:
        return nodes[0]
    middle = len(nodes) // 2
    return Fork(forest(nodes[:middle]), forest(nodes[middle:]))


def hide(tree: HashTree, *path: bytes) -> HashTree:
    """``tree`` with the node that carries the last label of ``path`` pruned, label and all."""
    match tree:
        case Fork(left, right):
            return Fork(hide(left, *path), hide(right, *path))
        case Labeled(label, subtree) if label == path[0]:
            return Labeled(label, hide(subtree, *path[1:])) if path[1:] else prune(tree)
        case _:
            return tree


def prune(tree: HashTree) -> Pruned:
    return Pruned(root_hash(tree))


def time_leaf(time_ns=NOW_NS):
    return encode_unsigned(time_ns)


def certify(tree, *, secret=ROOT_SECRET, delegation=None):
    if isinstance(tree, Mapping):
        tree = tree_of(tree)
    signature = bls.sign(secret, signing_message(tree))
    return encode_certificate(Certificate(tree=tree, signature=signature, delegation=delegation))


def ranges_leaf(*ranges):
    return cbor.encode([[low.raw, high.raw] for low, high in ranges])


def root_state(*ranges, key=SUBNET_KEY, subnet=SUBNET, time_ns=NOW_NS):
    """What the root subnet certifies for a subnet, ranges in shards as the network does today."""
    return tree_of(
        {
            b"canister_ranges": {
                subnet.raw: {low.raw: ranges_leaf((low, high)) for low, high in ranges}
            },
            b"subnet": {subnet.raw: {b"public_key": key, b"type": b"application"}},
            b"time": time_leaf(time_ns),
        }
    )


def older_root_state(*ranges, key=SUBNET_KEY, subnet=SUBNET, time_ns=NOW_NS):
    """The same with all ranges in one leaf below the subnet."""
    return tree_of(
        {
            b"subnet": {subnet.raw: {b"canister_ranges": ranges_leaf(*ranges), b"public_key": key}},
            b"time": time_leaf(time_ns),
        }
    )


def delegate(tree=None, *, secret=ROOT_SECRET, subnet=SUBNET, delegation=None):
    """The root's word for ``subnet``; without ``tree`` a good one."""
    tree = root_state(RANGE) if tree is None else tree
    return SubnetDelegation(
        subnet_id=subnet, certificate=certify(tree, secret=secret, delegation=delegation)
    )


def delegated(delegation=None, *, state=None, secret=SUBNET_SECRET):
    """A certificate of the subnet; without arguments a good one."""
    return certify(
        state or {b"time": time_leaf()}, secret=secret, delegation=delegation or delegate()
    )


def verify(data, *, scope=None, now_ns=NOW_NS, root_key=ROOT_KEY, **options):
    return verify_certificate(
        data, root_key=root_key, scope=scope or CanisterScope(CANISTER), now_ns=now_ns, **options
    )
