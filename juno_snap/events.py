"""What long work tells whoever watches it.

The library is silent: it hands these values to an ``Observer`` and never writes to a terminal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

StepOutcome: TypeAlias = Literal["done", "failed", "skipped", "unknown"]
"""``unknown``: something was sent and no certified outcome came back; it is not failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step of an operation begins. ``step`` is its stable name."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step of an operation has ended."""

    step: str
    outcome: StepOutcome
    duration_ms: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesMoved:
    """Progress of a transfer; ``done_bytes`` never decreases within one ``what``."""

    what: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsDone:
    """Progress of work on many things, such as the modules of a fleet."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Waiting for a temporary condition to pass, or for a time to come."""

    reason: str
    remaining_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a person should know and that stops nothing."""

    text: str
    warning: bool = False


Event: TypeAlias = StepStarted | StepFinished | BytesMoved | ItemsDone | Waiting | Notice
Observer: TypeAlias = Callable[[Event], None]


@final
class SteadyObserver:
    """An observer whose errors end nothing: after the first one it is told no more.

    A module that is down must not stay so because a progress bar broke.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.problem: Exception | None = None
        """The error that it raised, if it did."""

    def __call__(self, event: Event) -> None:
        """Tell of ``event``."""
        if self.problem is not None:
            return
        try:
            self._observer(event)
        except Exception as error:  # noqa: BLE001  # whatever it is, the work goes on
            self.problem = error


def ignore_events(_event: Event) -> None:
    """Watch nothing."""
