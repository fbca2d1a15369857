"""Runs asynchronous work until it ends or a person ends it."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any, Final, TypeVar

from juno_snap.cli.exit_codes import CancelledByPersonError, ExitCode
from juno_snap.cli.output import Output

T = TypeVar("T")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run(work: Coroutine[Any, Any, T], output: Output) -> T:
    """The result of ``work``.

    The first SIGINT or SIGTERM cancels it, so that it can end in order; the second leaves at once
    with exit code 130.

    Raises:
        CancelledByPersonError: It was cancelled, and has ended.
    """
    if not gc.isenabled():  # see ``main``; what the start has made is not looked at again
        gc.freeze()
        gc.enable()
    try:
        return asyncio.run(_interruptible(work, output))
    except asyncio.CancelledError as error:
        raise CancelledByPersonError(str(error) or "cancelled") from error


@contextlib.contextmanager
def prompting() -> Iterator[None]:
    """While a person is asked, a signal ends the question and the command with it.

    Raises:
        CancelledByPersonError: It came.
    """
    if not _gets_signals():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        raise CancelledByPersonError("cancelled at the question; nothing was changed") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _interruptible(work: Coroutine[Any, Any, T], output: Output) -> T:
    task = asyncio.ensure_future(work)
    if not _gets_signals():
        return await task
    loop = asyncio.get_running_loop()
    seen = False

    def end_in_order() -> None:
        output.warn("interrupted: ending in order, nothing new is begun; once more leaves at once")
        task.cancel()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        if seen:
            os._exit(ExitCode.CANCELLED)
        seen = True
        loop.call_soon_threadsafe(end_in_order)

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        return await task
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _gets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
