"""Hash trees: what a certificate shows of the state, the rest replaced by digests.

Source: interface specification, "Certificate" and "Lookup".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final, TypeAlias, assert_never, final

from juno_snap.errors import DecodeError
from juno_snap.wire.cbor import DEFAULT_MAX_DEPTH, as_bytes, as_list

DIGEST_BYTES: Final = 32

_EMPTY_SEPARATOR: Final = b"\x11ic-hashtree-empty"
_FORK_SEPARATOR: Final = b"\x10ic-hashtree-fork"
_LABELED_SEPARATOR: Final = b"\x13ic-hashtree-labeled"
_LEAF_SEPARATOR: Final = b"\x10ic-hashtree-leaf"
_EMPTY_DIGEST: Final = sha256(_EMPTY_SEPARATOR).digest()

_EMPTY, _FORK, _LABELED, _LEAF, _PRUNED = range(5)
"""First element of a node's array. Source: interface specification, ``certificates.cddl``."""


@final
@dataclass(frozen=True, slots=True)
class Empty:
    """A tree without content."""


@final
@dataclass(frozen=True, slots=True)
class Fork:
    """Two trees side by side; all labels on the left are smaller."""

    left: "HashTree"
    right: "HashTree"


@final
@dataclass(frozen=True, slots=True)
class Labeled:
    """A tree under a label."""

    label: bytes
    subtree: "HashTree"


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """A value."""

    value: bytes


@final
@dataclass(frozen=True, slots=True)
class Pruned:
    """A tree that is not shown; its root hash, 32 bytes."""

    digest: bytes


HashTree: TypeAlias = Empty | Fork | Labeled | Leaf | Pruned


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The path has this value."""

    value: bytes


@final
@dataclass(frozen=True, slots=True)
class FoundTree:
    """The path leads to this tree, which is neither empty nor pruned as a whole."""

    tree: HashTree


@final
@dataclass(frozen=True, slots=True)
class Absent:
    """It is proven that the path is not in the state."""


@final
@dataclass(frozen=True, slots=True)
class Unknown:
    """The tree does not say: the place where the path would be is pruned."""


class NoValueError(DecodeError):
    """The path is in the tree but has no value of its own: it leads to labels."""


def root_hash(tree: HashTree) -> bytes:
    """The root hash, 32 bytes."""
    match tree:
        case Fork(left=left, right=right):
            return sha256(_FORK_SEPARATOR + root_hash(left) + root_hash(right)).digest()
        case Labeled(label=label, subtree=subtree):
            return sha256(_LABELED_SEPARATOR + label + root_hash(subtree)).digest()
        case Leaf(value=value):
            leaf = sha256(_LEAF_SEPARATOR)
            leaf.update(value)
            return leaf.digest()
        case Pruned(digest=digest):
            return digest
        case Empty():
            return _EMPTY_DIGEST
        case _:
            assert_never(tree)


def decode_tree(value: object, *, max_depth: int = DEFAULT_MAX_DEPTH) -> HashTree:
    """The tree in a decoded CBOR value. Its order is not checked (``check_well_formed``).

    Raises:
        DecodeError: Not a node, a digest of a wrong size, or deeper than ``max_depth``.
    """
    if max_depth == 0:
        raise DecodeError("a hash tree is too deep")
    node = as_list(value, "a node of a hash tree")
    tag = node[0] if node else None
    if isinstance(tag, bool) or not isinstance(tag, int):
        raise DecodeError("a node of a hash tree does not say its kind")
    match tag, node[1:]:
        case int(kind), [left, right] if kind == _FORK:
            return Fork(
                decode_tree(left, max_depth=max_depth - 1),
                decode_tree(right, max_depth=max_depth - 1),
            )
        case int(kind), [label, subtree] if kind == _LABELED:
            return Labeled(
                as_bytes(label, "a label"), decode_tree(subtree, max_depth=max_depth - 1)
            )
        case int(kind), [leaf] if kind == _LEAF:
            return Leaf(as_bytes(leaf, "a leaf"))
        case int(kind), [digest] if kind == _PRUNED:
            return _pruned(as_bytes(digest, "a digest"))
        case int(kind), [] if kind == _EMPTY:
            return Empty()
        case _:
            raise DecodeError(f"a node of a hash tree is malformed (kind {tag})")


def encode_tree(tree: HashTree) -> list[object]:
    """The tree as nested lists, ready for CBOR."""
    match tree:
        case Empty():
            return [_EMPTY]
        case Fork(left=left, right=right):
            return [_FORK, encode_tree(left), encode_tree(right)]
        case Labeled(label=label, subtree=subtree):
            return [_LABELED, label, encode_tree(subtree)]
        case Leaf(value=value):
            return [_LEAF, value]
        case Pruned(digest=digest):
            return [_PRUNED, digest]
        case _:
            assert_never(tree)


def check_well_formed(tree: HashTree) -> None:
    """Refuse a tree in which a lookup could be misled.

    Raises:
        DecodeError: Labels are not strictly increasing, or a leaf stands beside labels.
    """
    if isinstance(tree, Leaf):
        return
    forest = list(_flatten(tree))
    if any(isinstance(node, Leaf) for node in forest):
        raise DecodeError("a hash tree mixes a value with other nodes")
    labeled = [node for node in forest if isinstance(node, Labeled)]
    if any(one.label >= other.label for one, other in pairwise(labeled)):
        raise DecodeError("the labels of a hash tree are not in increasing order")
    for node in labeled:
        check_well_formed(node.subtree)


def lookup(tree: HashTree, path: Sequence[bytes]) -> Found | Absent | Unknown:
    """What a well-formed tree says about the value at ``path``.

    Raises:
        NoValueError: The path is there and leads to labels, not to a value.
    """
    end = _descend(tree, path)
    match end:
        case Leaf(value=value):
            return Found(value)
        case Empty():
            return Absent()
        case Pruned():
            return Unknown()
        case Absent() | Unknown():
            return end
        case Fork() | Labeled():
            raise NoValueError("a path leads to labels, not to a value")
        case _:
            assert_never(end)


def lookup_subtree(tree: HashTree, path: Sequence[bytes]) -> FoundTree | Absent | Unknown:
    """What a well-formed tree says about the tree at ``path``; an empty one counts as absent."""
    end = _descend(tree, path)
    match end:
        case Empty():
            return Absent()
        case Pruned():
            return Unknown()
        case Absent() | Unknown():
            return end
        case Leaf() | Fork() | Labeled():
            return FoundTree(end)
        case _:
            assert_never(end)


def labels(tree: HashTree) -> list[bytes]:
    """The labels directly below the root that are visible, in increasing order."""
    return [node.label for node in _flatten(tree) if isinstance(node, Labeled)]


def _descend(tree: HashTree, path: Sequence[bytes]) -> HashTree | Absent | Unknown:
    for label in path:
        below = _find_label(label, tree)
        if isinstance(below, Absent | Unknown):
            return below
        tree = below
    return tree


def _find_label(label: bytes, tree: HashTree) -> HashTree | Absent | Unknown:
    """The specification's ``find_label``: absence needs both neighbours, or an end, in sight."""
    if isinstance(tree, Leaf):
        return Absent()
    neighbour_in_sight = True
    for node in _flatten(tree):
        if not isinstance(node, Labeled):
            neighbour_in_sight = False
        elif node.label == label:
            return node.subtree
        elif node.label > label:
            return Absent() if neighbour_in_sight else Unknown()
        else:
            neighbour_in_sight = True
    return Absent() if neighbour_in_sight else Unknown()


def _flatten(tree: HashTree) -> Iterator[Labeled | Leaf | Pruned]:
    """The nodes below the forks of ``tree``, from left to right; empty ones are dropped."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case Fork(left=left, right=right):
                waiting += (right, left)
            case Empty():
                pass
            case Labeled() | Leaf() | Pruned():
                yield node
            case _:
                assert_never(node)


def _pruned(digest: bytes) -> Pruned:
    if len(digest) != DIGEST_BYTES:
        raise DecodeError(f"a digest of {len(digest)} bytes")
    return Pruned(digest)
