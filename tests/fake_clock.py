"""Time that passes only when somebody waits or says so."""

import asyncio

from juno_snap.units import NS_PER_SECOND

START_NS = 1_800_000_000 * NS_PER_SECOND


class FakeClock:
    """A ``Clock``: ``sleep`` returns at once and moves the time; ``sleeps`` keeps every wait."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = 0
        self.sleeps: list[float] = []

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic_ns += round(seconds * NS_PER_SECOND)
        self._now_ns += round(seconds * NS_PER_SECOND)

    def set_wrong_by(self, seconds: float) -> None:
        """Put the clock forward (or back) as a person does: no time passes."""
        self._now_ns += round(seconds * NS_PER_SECOND)
