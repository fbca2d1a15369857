"""The steps of an operation as lines, where there is no terminal."""

from collections.abc import Callable
from typing import Final, final

from juno_snap.cli.words import seconds
from juno_snap.events import (
    BytesMoved,
    Event,
    ItemsDone,
    Notice,
    StepFinished,
    StepStarted,
    Waiting,
)

WAITING_EVERY_SECONDS: Final = 10.0
"""A countdown is told so often; a log is read afterwards, and must show that it went on."""

Tell = Callable[[str], None]


@final
class Lines:
    """An observer that tells what happens, a line each; a wait at its begin and now and then.

    ``steps``: whether steps and remarks are told, and not only warnings and waits.
    """

    def __init__(self, *, note: Tell, warn: Tell, steps: bool = True) -> None:
        self._note = note
        self._warn = warn
        self._steps = steps
        self._waiting: Waiting | None = None

    def observe(self, event: Event) -> None:
        """Take notice of ``event``."""
        match event:
            case StepStarted(step=step):
                self._waiting = None
                self._tell(f"{step} ...")
            case StepFinished(step=step, outcome=outcome, duration_ms=duration_ms, detail=detail):
                self._waiting = None
                rest = f": {detail}" if detail else ""
                self._tell(f"{step} {outcome} in {seconds(duration_ms)}{rest}")
            case Waiting():
                self._wait(event)
            case Notice(text=text, warning=warning):
                (self._warn if warning else self._tell)(text)
            case BytesMoved() | ItemsDone():
                pass

    def _tell(self, text: str) -> None:
        if self._steps:
            self._note(text)

    def _wait(self, event: Waiting) -> None:
        told, left = self._waiting, event.remaining_seconds
        if told and told.reason == event.reason:
            passed = told.remaining_seconds - left
            if 0 <= passed < WAITING_EVERY_SECONDS:
                return
        self._waiting = event
        self._note(f"waiting: {event.reason} ({left:.0f} s left)")
