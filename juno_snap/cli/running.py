"""Runs asynchronous work until it ends or a person ends it."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, ClassVar, TypeVar

from juno_snap.cli.output import Output
from juno_snap.errors import JunoSnapError

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CANCELLED = 130


class CancelledByPersonError(JunoSnapError):
    """A person or a system ended the command; what was stopped has been told to start."""

    default_code: ClassVar[str] = "cancelled"


def run(work: Coroutine[Any, Any, T], output: Output) -> T:
    """The result of ``work``.

    The first SIGINT or SIGTERM cancels it, so that it can end in order; the second leaves at once
    with exit code 130.

    Raises:
        CancelledByPersonError: It was cancelled, and has ended.
    """
    try:
        return asyncio.run(_interruptible(work, output))
    except asyncio.CancelledError as error:
        raise CancelledByPersonError(
            str(error) or "cancelled",
            hint="run the command again; a dry run or the status shows how things stand",
        ) from error


async def _interruptible(work: Coroutine[Any, Any, T], output: Output) -> T:
    task = asyncio.ensure_future(work)
    if threading.current_thread() is not threading.main_thread():
        return await task  # only the main thread gets signals

    def first() -> None:
        output.warn("interrupted: ending in order, nothing new is begun; once more leaves at once")
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _leave)
        task.cancel()

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, first)
    try:
        return await task
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(CANCELLED)
