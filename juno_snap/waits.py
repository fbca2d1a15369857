"""How long to wait from one attempt to the next."""

from collections.abc import Callable
from typing import TypeAlias

Entropy: TypeAlias = Callable[[int], bytes]
"""As many random bytes as asked for, like ``os.urandom``."""


def growing_wait(first_seconds: float, growth: float, longest_seconds: float, step: int) -> float:
    """The wait after the ``step``-th attempt (from 1), without randomness."""
    # Past this step the cap holds for every sensible growth, and the power cannot overflow.
    return min(longest_seconds, first_seconds * growth ** min(step - 1, 64))


def with_jitter(seconds: float, share: float, entropy: Entropy) -> float:
    """``seconds`` less a random part of at most ``share`` of it."""
    chance = int.from_bytes(entropy(4), "big") / 2**32
    return seconds * (1 - share * chance)
