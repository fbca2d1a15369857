"""The steps of an operation on a terminal, live: what runs, how long, how many bytes."""

import time
from types import TracebackType
from typing import Final, Self, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from juno_snap.cli.words import printable, seconds
from juno_snap.events import (
    BytesMoved,
    Event,
    ItemsDone,
    Notice,
    StepFinished,
    StepOutcome,
    StepStarted,
    Waiting,
)
from juno_snap.units import NS_PER_MS

STYLES: Final[dict[StepOutcome, str]] = {
    "done": "green",
    "skipped": "dim",
    "failed": "red",
    "unknown": "yellow",
}
REFRESHES_PER_SECOND: Final = 8


@final
class LiveSteps:
    """A list of steps that redraws itself while it is entered; stays on the screen afterwards."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._finished: list[StepFinished] = []
        self._running: dict[str, int] = {}
        self._waiting: Waiting | None = None
        self._bytes = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._items = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_SECOND,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting = None
        self._running.clear()
        self._live.stop()

    def observe(self, event: Event) -> None:
        """Take notice of ``event``."""
        match event:
            case StepStarted(step=step):
                self._running[step] = time.monotonic_ns()
                self._waiting = None
            case StepFinished(step=step):
                self._running.pop(step, None)
                self._finished.append(event)
                self._waiting = None
            case Waiting():
                self._waiting = event
            case BytesMoved(what=what, done_bytes=done, total_bytes=total):
                self._progress(self._bytes, what, done, total)
            case ItemsDone(what=what, done=done, total=total):
                self._progress(self._items, what, done, total)
            case Notice(text=text, warning=warning):
                label = "warning: " if warning else ""
                style = "yellow" if warning else ""
                self._console.print(Text(label + printable(text), style=style))

    def _progress(self, progress: Progress, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = progress.add_task(what)
        progress.update(self._tasks[what], completed=done, total=total)

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for step in self._finished:
            detail = printable(step.detail) if self._verbose or step.outcome != "done" else ""
            table.add_row(
                Text(step.step),
                Text(step.outcome, style=STYLES[step.outcome]),
                Text(seconds(step.duration_ms)),
                Text(detail),
            )
        for name, began_ns in self._running.items():
            elapsed_ms = (time.monotonic_ns() - began_ns) // NS_PER_MS
            table.add_row(Text(name), Text("..."), Text(seconds(elapsed_ms)), Text(""))
        parts: list[RenderableType] = [table]
        parts += [each.get_renderable() for each in (self._bytes, self._items) if each.tasks]
        if self._waiting:
            left = f"({self._waiting.remaining_seconds:.0f} s left)"
            parts.append(Text(f"waiting: {printable(self._waiting.reason)} {left}"))
        return Group(*parts)
