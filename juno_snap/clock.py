"""Time as an argument: the only place that reads a clock or sleeps."""

import asyncio
import time
from typing import Protocol, final


class Clock(Protocol):
    """What the library needs to know of time."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...


@final
class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary moment; never goes back."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)


def system_clock() -> Clock:
    """The machine's own clock."""
    return SystemClock()
