"""The state tree as its owner holds it: immutable nodes that remember their digests.

A node below which nothing changed is shared by the old and the new tree, so that a new certificate
hashes only what is new. The labels at one level form a binary tree that splits at the first bit in
which they differ: its shape depends on the labels alone, it is balanced for request ids (hashes)
and for counters, and to put in or take out a label makes as many new nodes as the tree is deep.

``witness`` cuts out what a certificate shows. Source: interface specification, "Certification".
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, TypeAlias, final

from juno_snap.wire import hashtree

EMPTY_DIGEST: Final = sha256(b"\x11ic-hashtree-empty").digest()
_FORK: Final = b"\x10ic-hashtree-fork"
_LABELED: Final = b"\x13ic-hashtree-labeled"
_LEAF: Final = b"\x10ic-hashtree-leaf"

BITS_PER_BYTE: Final = 9
"""One that says that the byte is there, so that a prefix comes first, and its own eight."""


@final
class Value:
    """A leaf."""

    __slots__ = ("_digest", "content")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The hash of this leaf."""
        if self._digest is None:
            self._digest = sha256(_LEAF + self.content).digest()
        return self._digest


@final
class Twig:
    """One label and what is below it."""

    __slots__ = ("_digest", "child", "first")

    def __init__(self, label: bytes, child: "Node") -> None:
        self.first = label
        self.child = child
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The hash of this edge."""
        if self._digest is None:
            self._digest = sha256(_LABELED + self.first + self.child.digest).digest()
        return self._digest


@final
class Fork:
    """Two or more labels: those on the right have a one at bit ``position``, the others a zero."""

    __slots__ = ("_digest", "first", "left", "position", "right")

    def __init__(self, left: "Twig | Fork", right: "Twig | Fork", position: int) -> None:
        self.left = left
        self.right = right
        self.position = position
        self.first: bytes = left.first
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The hash of this fork."""
        if self._digest is None:
            self._digest = sha256(_FORK + self.left.digest + self.right.digest).digest()
        return self._digest


Level: TypeAlias = Twig | Fork | None
"""All labels at one level; None is a level without labels."""


@final
class Branch:
    """A level of the tree: labels in bytewise order."""

    __slots__ = ("level",)

    def __init__(self, level: Level = None) -> None:
        self.level = level

    @classmethod
    def of(cls, children: Mapping[bytes, "Node"]) -> "Branch":
        """The level with these labels."""
        level: Level = None
        for label, child in children.items():
            level = _put(level, label, child)
        return cls(level)

    @property
    def digest(self) -> bytes:
        """The hash of this level."""
        return EMPTY_DIGEST if self.level is None else self.level.digest

    def put(self, label: bytes, child: "Node") -> "Branch":
        """This level with ``child`` at ``label``, in the place of what was there."""
        return Branch(_put(self.level, label, child))

    def remove(self, label: bytes) -> "Branch":
        """This level without ``label``."""
        return Branch(_remove(self.level, label))

    def find(self, label: bytes) -> "Node | None":
        """What is at ``label``."""
        if self.level is None:
            return None
        twig = _nearest(self.level, label)
        return twig.child if twig.first == label else None

    def labels(self) -> list[bytes]:
        """All labels in order."""
        found: list[bytes] = []
        waiting = [] if self.level is None else [self.level]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Twig):
                found.append(node.first)
            else:
                waiting += [node.right, node.left]
        return found

    def neighbours(self, label: bytes) -> list[bytes]:
        """The labels around one that is not there: the one before and the one after, if any."""
        node = self.level
        before: Twig | Fork | None = None
        after: bytes | None = None
        while isinstance(node, Fork):
            if label < node.right.first:
                after = node.right.first
                node = node.left
            else:
                before = node.left
                node = node.right
        if node is None:
            return []
        if node.first < label:
            return [node.first] if after is None else [node.first, after]
        return [node.first] if before is None else [_last(before), node.first]


Node: TypeAlias = Value | Branch


@final
class Wanted:
    """Which paths a certificate shows. ``whole`` shows everything from here on."""

    __slots__ = ("below", "whole")

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        self.below: dict[bytes, Wanted] = {}

    @classmethod
    def of(cls, paths: Iterable[Iterable[bytes]]) -> "Wanted":
        """What ``paths`` ask for; a path that ends at a branch asks for all of it."""
        root = cls()
        for path in paths:
            place = root
            for label in path:
                place = place.below.setdefault(label, cls())
            place.whole = True
        return root


def witness(node: Node, wanted: Wanted) -> hashtree.HashTree:
    """``node`` with all hidden that ``wanted`` does not name.

    Where a wanted label is absent, its two neighbours are shown, which proves it.
    """
    if isinstance(node, Value):
        if wanted.whole or wanted.below:
            return hashtree.Leaf(node.content)
        return hashtree.Pruned(node.digest)
    if node.level is None:
        return hashtree.Empty()
    if wanted.whole:
        return _everything(node.level)
    asked = {label: below for label, below in wanted.below.items() if node.find(label) is not None}
    around = [
        found for label in wanted.below if label not in asked for found in node.neighbours(label)
    ]
    shown = {label: Wanted() for label in around} | asked
    return _reveal(node.level, sorted(shown.items()))


def _reveal(node: Twig | Fork, shown: list[tuple[bytes, Wanted]]) -> hashtree.HashTree:
    if not shown:
        return hashtree.Pruned(node.digest)
    if isinstance(node, Twig):
        return hashtree.Labeled(node.first, witness(node.child, shown[0][1]))
    split = bisect_left(shown, node.right.first, key=lambda item: item[0])
    return hashtree.Fork(_reveal(node.left, shown[:split]), _reveal(node.right, shown[split:]))


def _everything(node: Twig | Fork) -> hashtree.HashTree:
    if isinstance(node, Twig):
        return hashtree.Labeled(node.first, witness(node.child, Wanted(whole=True)))
    return hashtree.Fork(_everything(node.left), _everything(node.right))


def _put(level: Level, label: bytes, child: Node) -> Twig | Fork:
    twig = Twig(label, child)
    if level is None:
        return twig
    nearest = _nearest(level, label).first
    position = None if nearest == label else _first_difference(nearest, label)
    return _place(level, twig, position)


def _place(node: Twig | Fork, twig: Twig, position: int | None) -> Twig | Fork:
    """Put ``twig`` where labels begin to differ at ``position``; None takes its equal's place."""
    if isinstance(node, Fork) and (position is None or node.position < position):
        if _bit(twig.first, node.position):
            return Fork(node.left, _place(node.right, twig, position), node.position)
        return Fork(_place(node.left, twig, position), node.right, node.position)
    if position is None:
        return twig
    if _bit(twig.first, position):
        return Fork(node, twig, position)
    return Fork(twig, node, position)


def _remove(level: Level, label: bytes) -> Level:
    if level is None or isinstance(level, Twig):
        return None if level is None or level.first == label else level
    if _bit(label, level.position):
        rest = _remove(level.right, label)
        return level.left if rest is None else Fork(level.left, rest, level.position)
    rest = _remove(level.left, label)
    return level.right if rest is None else Fork(rest, level.right, level.position)


def _nearest(node: Twig | Fork, label: bytes) -> Twig:
    """The label that shares the longest beginning with ``label``, itself if it is there."""
    while isinstance(node, Fork):
        node = node.right if _bit(label, node.position) else node.left
    return node


def _last(node: Twig | Fork) -> bytes:
    while isinstance(node, Fork):
        node = node.right
    return node.first


def _bit(label: bytes, position: int) -> int:
    index, bit = divmod(position, BITS_PER_BYTE)
    if index >= len(label):
        return 0
    return 1 if bit == 0 else label[index] >> (BITS_PER_BYTE - 1 - bit) & 1


def _first_difference(one: bytes, other: bytes) -> int:
    """The first position at which two different labels differ."""
    index = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    if index in {len(one), len(other)}:
        return index * BITS_PER_BYTE
    difference = one[index] ^ other[index]
    return index * BITS_PER_BYTE + BITS_PER_BYTE - difference.bit_length()
