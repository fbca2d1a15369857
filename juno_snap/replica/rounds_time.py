"""The time of the subnet: near the clock's, and never going back."""

import threading
from typing import final

from juno_snap.clock import Clock


@final
class SubnetTime:
    """Gives out times; may be asked from any thread."""

    def __init__(self, clock: Clock, *, not_before_ns: int = 0) -> None:
        self._clock = clock
        self._last_ns = not_before_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """The time now, not before any time given out earlier."""
        with self._lock:
            self._last_ns = max(self._clock.now_ns(), self._last_ns)
            return self._last_ns

    def next_round_ns(self) -> int:
        """A time for a new round, later than every time given out earlier."""
        with self._lock:
            self._last_ns = max(self._clock.now_ns(), self._last_ns + 1)
            return self._last_ns
