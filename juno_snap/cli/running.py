"""Runs asynchronous work until it ends or a person ends it."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, Final, TypeAlias, TypeVar

from juno_snap.cli.exit_codes import CancelledByPersonError, ExitCode
from juno_snap.cli.output import Output
from juno_snap.errors import OutcomeUnknownError, TransportError

T = TypeVar("T")
Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends work in order: a person, a system, a terminal or connection that is closed."""

LEAVING: Final = frozenset({signal.SIGINT, signal.SIGTERM})
"""What a second time leaves at once. Who closes a terminal did not ask twice: its shell and the
kernel may both send SIGHUP."""

SAME_PRESS_SECONDS: Final = 0.5
"""Signals that come so soon after the first are the same Ctrl-C: the terminal sends it to every
process, and programs that run others (npm, uv, make) pass it on once more."""

LOOK_UP_SECONDS: Final = 0.5
"""A signal that comes after a question is shown and before the answer is read would not end the
read, which has not begun: it is noticed so late."""

STATUS_HINT: Final = "juno-snap status shows how things stand"

SUSPENDING: Final = (signal.SIGTSTP,)
"""Ctrl-Z would hold a process whose module may be stopped."""


def run(work: Coroutine[Any, Any, T], output: Output) -> T:
    """The result of ``work``.

    The first SIGINT, SIGTERM or SIGHUP cancels it, so that it can end in order; a second SIGINT or
    SIGTERM leaves at once with exit code 130. It cannot be suspended. A signal that was ignored
    when this process began (``nohup``) stays ignored.

    Raises:
        CancelledByPersonError: It was cancelled, and has ended.
    """
    collect_garbage()
    try:
        return asyncio.run(_interruptible(work, output))
    except asyncio.CancelledError as error:
        told = str(error)  # of an operation, with what to do
        raise CancelledByPersonError(
            told or "cancelled", hint=STATUS_HINT if told else ""
        ) from error


def collect_garbage() -> None:
    """Collect garbage from now on, which ``main`` has put off; a process that stays needs it."""
    if not gc.isenabled():
        gc.freeze()  # what the start has made is not looked at again
        gc.enable()


@contextlib.contextmanager
def prompting() -> Iterator[None]:
    """While a person is asked, a signal ends the question and the command with it.

    Raises:
        CancelledByPersonError: It came.
    """
    if not _gets_signals():
        yield
        return
    handlers = dict.fromkeys(_heeded(SIGNALS), signal.default_int_handler)
    usual = dict.fromkeys(_heeded(SUSPENDING), signal.SIG_DFL)
    with _handling({**handlers, **usual, signal.SIGALRM: _look_up}):
        signal.setitimer(signal.ITIMER_REAL, LOOK_UP_SECONDS, LOOK_UP_SECONDS)
        try:
            yield
        except KeyboardInterrupt:
            raise CancelledByPersonError("cancelled at the question; nothing was changed") from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _look_up(_number: int, _frame: FrameType | None) -> None:
    """Interrupt the read: Python then looks for the signals that came before it."""


async def _interruptible(work: Coroutine[Any, Any, T], output: Output) -> T:
    task = asyncio.ensure_future(work)
    if not _gets_signals():
        return await task
    loop = asyncio.get_running_loop()
    first_at: float | None = None

    def end_in_order() -> None:
        output.warn("interrupted: ending in order, nothing new is begun; once more leaves at once")
        task.cancel()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal first_at
        if first_at is None:
            first_at = loop.time()
            loop.call_soon_threadsafe(end_in_order)
        elif number in LEAVING and loop.time() - first_at >= SAME_PRESS_SECONDS:
            output.last_word("left at once; juno-snap resume brings an operation to its end")
            os._exit(ExitCode.CANCELLED)

    def on_suspending(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(output.warn, "not suspended: something is under way")

    ending = dict.fromkeys(_heeded(SIGNALS), on_signal)
    staying = dict.fromkeys(_heeded(SUSPENDING), on_suspending)
    with _handling(ending), _handling(staying):
        return await task


@contextlib.contextmanager
def _handling(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded(numbers: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Those that whoever started this process did not tell it to ignore."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def _gets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


async def reading(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work`` that only reads.

    Some reads are calls that every node carries out; a call without a certified outcome is
    nothing to worry about where it changes nothing: it is a network that does not answer.

    Raises:
        TransportError: That.
    """
    try:
        return await work
    except OutcomeUnknownError as error:
        cause = error.__cause__ or error.__context__
        url = cause.url if isinstance(cause, TransportError) else ""
        raise TransportError(
            f"the network gave no usable answer; nothing was changed: {error.message}",
            url=url,
            hint="check the network's address, then try again",
        ) from error
