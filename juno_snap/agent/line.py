"""One way of the line to a network: how many large bodies are on it at a time.

More than it takes would not arrive sooner. On a slow line none of them would arrive in time: the
other side gives up a body that takes minutes, and so do we. And each of them is held in memory, so
that what has come and is being verified or written down counts, too.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final, final

from juno_snap.units import KIB

LARGE_BODY_BYTES: Final = 64 * KIB
"""A body above it is large; smaller ones do not wait."""

PLACES_MAX: Final = 12
"""Large bodies at a time. At 200 ms to the other side and back a connection carries one in a second
or two, so that they still make some 10 MB/s."""

PLACES_AT_FIRST: Final = 2

QUICK_SECONDS: Final = 3.0
"""A body that takes less, and arrives, makes room for another one."""

SLOW_SECONDS: Final = 10.0
"""One that takes more halves the room, as one does that does not arrive."""


@final
class Line:
    """Places for large bodies: few at first, more while they are carried quickly, fewer if not."""

    def __init__(self, *, now_seconds: Callable[[], float] = monotonic) -> None:
        self.now_seconds = now_seconds
        self._places = PLACES_AT_FIRST
        self._taken = 0
        self._room = asyncio.Event()
        self._tell_room()

    @property
    def has_room(self) -> bool:
        """Whether a large body can go at once."""
        return self._taken < self._places

    async def turn(self, size_bytes: int, *, within_seconds: float | None = None) -> "Turn":
        """A place for a body of this size, which has to be given back; a small one needs none.

        Raises:
            TimeoutError: There was none in time.
        """
        if size_bytes <= LARGE_BODY_BYTES:
            return Turn(None, began_seconds=0)
        async with asyncio.timeout(within_seconds):
            while not self.has_room:
                await self._room.wait()
        self._taken += 1
        self._tell_room()
        return Turn(self, began_seconds=self.now_seconds())

    @contextlib.contextmanager
    def occupied(self, size_bytes: int) -> Iterator[None]:
        """Take a place inside the block, without waiting: what has come is still dealt with."""
        if size_bytes <= LARGE_BODY_BYTES:
            yield
            return
        self._taken += 1
        self._tell_room()
        try:
            yield
        finally:
            self.give_back()

    def give_back(self) -> None:
        """Free the place of a body."""
        self._taken -= 1
        self._tell_room()

    def widen(self) -> None:
        """Take one more at a time."""
        self._places = min(PLACES_MAX, self._places + 1)
        self._tell_room()

    def narrow(self) -> None:
        """Take half as many at a time."""
        self._places = max(1, self._places // 2)
        self._tell_room()

    def _tell_room(self) -> None:
        if self.has_room:
            self._room.set()
        else:
            self._room.clear()


@final
class Turn:
    """A body's place on the line, from when it is taken until ``end``."""

    def __init__(self, line: Line | None, *, began_seconds: float) -> None:
        self._line = line
        self._began_seconds = began_seconds
        self._seconds: float | None = None

    def end(self) -> None:
        """The body has been handed over; the second time this does nothing."""
        if self._line is not None and self._seconds is None:
            self._seconds = self._line.now_seconds() - self._began_seconds
            self._line.give_back()

    def judge(self, *, arrived: bool) -> None:
        """End it, and draw the conclusion for those that follow."""
        self.end()
        if self._line is None or self._seconds is None:
            return
        if not arrived or self._seconds > SLOW_SECONDS:
            self._line.narrow()
        elif self._seconds < QUICK_SECONDS:
            self._line.widen()
