"""Who may begin: a wave waits for the one before, and nobody begins after too many failures."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final, final

from juno_snap.clock import Clock
from juno_snap.errors import PreconditionError
from juno_snap.events import Observer, Waiting
from juno_snap.units import NS_PER_SECOND

TICK_SECONDS: Final = 1.0


@final
class FleetStoppedError(PreconditionError):
    """Too many modules of a fleet have failed; nothing further was begun."""

    default_code = "fleet-stopped"


@final
class Gate:
    """Counts the modules of a run; all of one event loop pass through it."""

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        ended: int,
        failed: int,
        stop_after_failures: int,
    ) -> None:
        """``ended`` and ``failed`` are of the lives of this run before."""
        self._starts = [0, *itertools.accumulate(sizes)]
        self._most = stop_after_failures
        self._changed = asyncio.Condition()
        self.ended = ended
        self.failed = failed
        self.active = 0
        self.is_stopped = False

    async def reach(self, wave: int) -> None:
        """Wait until all modules of the waves before have come to their end.

        Raises:
            FleetStoppedError: See ``enter``.
        """
        start = self._starts[wave - 1]
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_full or self.ended >= start)
            await self._check()

    async def enter(self) -> None:
        """A module begins.

        Raises:
            FleetStoppedError: None may any more; those that were under way have ended.
        """
        async with self._changed:
            await self._check()
            self.active += 1

    async def leave(self, *, is_good: bool | None) -> None:
        """A module has come to its end; none: it was broken off and has not."""
        async with self._changed:
            self.active -= 1
            if is_good is not None:
                self.ended += 1
                self.failed += not is_good
            self._changed.notify_all()

    async def _check(self) -> None:
        if not self.is_full:
            return
        # Who raises ends the others: not before they have come to their own end.
        await self._changed.wait_for(lambda: self.active == 0)
        self.is_stopped = True
        many = "1 module has" if self.failed == 1 else f"{self.failed} modules have"
        raise FleetStoppedError(
            f"{many} failed; no further one was begun",
            hint="see what went wrong; juno-snap fleet resume FILE goes on with the others",
        )

    @property
    def is_full(self) -> bool:
        """Whether so many have failed that nobody may begin."""
        return self.failed >= self._most


async def pause(until_ns: int, clock: Clock, observer: Observer, reason: str) -> None:
    """Wait for a time to come, and tell how long that takes."""
    while (left_ns := until_ns - clock.now_ns()) > 0:
        left = left_ns / NS_PER_SECOND
        observer(Waiting(reason=reason, remaining_seconds=left))
        await clock.sleep(min(TICK_SECONDS, left))
