"""Chance that repeats: the same seed, the same choices, on every machine."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """Draws numbers, bytes and items; each draw is the hash of the seed and a counter."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws = 0

    def draw_bytes(self, count: int) -> bytes:
        """At most 32 bytes."""
        self._draws += 1
        return sha256(f"{self._seed} {self._draws}".encode()).digest()[:count]

    def below(self, bound: int) -> int:
        """A number from 0 up to ``bound``, which is not among them."""
        return int.from_bytes(self.draw_bytes(8), "big") % bound

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """That many of the items, in their order; all of them where there are not more."""
        left = list(range(len(items)))
        while len(left) > count:
            left.pop(self.below(len(left)))
        return [items[place] for place in left]
