"""How often to ask again while waiting for the network."""

from dataclasses import dataclass
from typing import final

from juno_snap.clock import Clock
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import Entropy, growing_wait, with_jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """Waits between questions, and when to give up."""

    first_wait_seconds: float = 0.25
    growth: float = 1.4
    longest_wait_seconds: float = 2.0
    jitter: float = 0.25
    """Share of each wait that is random."""
    budget_seconds: float = 330.0
    """Waiting for a call ends this long after it was sent or last seen under way.

    Longer than a call can live, so that mostly its certified expiry comes first.
    """
    send_again_seconds: float = 10.0
    """A call that the network does not know yet is sent again after this time: the node that took
    it may have lost it."""
    send_refused_again_seconds: float = 1.0
    """The same where one node refused it and that does not count; doubled from time to time."""
    catch_up_seconds: float = 30.0
    """How long to wait for an answer that is not older than asked for."""

    def wait_to_send_again(self, *, refusals: int) -> float:
        """Seconds from one sending of a call to the next; ``refusals``: how many did not count."""
        if refusals == 0:
            return self.send_again_seconds
        return growing_wait(self.send_refused_again_seconds, 2, self.send_again_seconds, refusals)


@final
class Pace:
    """The waits of one task; they grow until there is progress."""

    def __init__(self, *, policy: PollPolicy, clock: Clock, entropy: Entropy) -> None:
        self._policy = policy
        self._clock = clock
        self._entropy = entropy
        self._waits = 0
        self._begun_ns = clock.monotonic_ns()

    def restart(self) -> None:
        """Progress was made: the budget begins anew."""
        self._begun_ns = self._clock.monotonic_ns()

    def spent_seconds(self) -> float:
        """Time since the start, or since the last progress."""
        return (self._clock.monotonic_ns() - self._begun_ns) / NS_PER_SECOND

    async def wait(self) -> None:
        """The next wait."""
        self._waits += 1
        policy = self._policy
        seconds = growing_wait(
            policy.first_wait_seconds, policy.growth, policy.longest_wait_seconds, self._waits
        )
        await self._clock.sleep(with_jitter(seconds, policy.jitter, self._entropy))
