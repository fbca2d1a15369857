"""What long work tells whoever watches it.

The library is silent: it hands these values to an ``Observer`` and never writes to a terminal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

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
class Waiting:
    """Waiting for a temporary condition to pass, or for a time to come."""

    reason: str
    remaining_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a person should know and that stops nothing."""

    text: str
    warning: bool = False


Event: TypeAlias = StepStarted | StepFinished | BytesMoved | Waiting | Notice
Observer: TypeAlias = Callable[[Event], None]


def ignore_events(_event: Event) -> None:
    """Watch nothing."""
