"""Calls the function of a step: an async one is awaited, a plain one has a thread of its own."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Sequence

from juno_snap.flow.context import Context, StopRequestError
from juno_snap.flow.flow import Step

Outcome = tuple[object, BaseException | None]


async def call_step(
    step: Step, arguments: Sequence[object], context: Context, *, stop_grace_seconds: float
) -> object:
    """What the function of ``step`` returns.

    On cancellation an async one is cancelled. A plain one ends at its next emit, or is left behind
    after ``stop_grace_seconds``: its thread does not hold up the end of the program, and what it
    still emits is not taken.

    Raises:
        Exception: Whatever it raises; an attempt to end the program becomes ``RuntimeError``.
    """
    taken = [*arguments, context] if step.takes_context else arguments
    if step.is_async:
        try:
            return await step.function(*taken)
        except (SystemExit, StopRequestError) as error:
            raise _left(error) from error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise _left(error) from error  # of something inside: nobody has cancelled the flow
    value, raised = await _in_thread(lambda: step.function(*taken), context, stop_grace_seconds)
    if raised is None:
        return value
    if isinstance(raised, Exception):
        raise raised
    raise _left(raised) from raised


def is_cancelled() -> bool:
    """Whether this task was asked to end, whatever the code in it has made of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _in_thread(
    call: Callable[[], object], context: Context, stop_grace_seconds: float
) -> Outcome:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Outcome] = loop.create_future()

    def end(outcome: Outcome) -> None:
        if not ended.done():
            ended.set_result(outcome)

    def run() -> None:
        value: object = None
        raised: BaseException | None = None
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001  # code of others: nothing passes
            raised = error
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(end, (value, raised))

    copied = contextvars.copy_context()
    threading.Thread(
        target=copied.run, args=(run,), name=f"juno-snap step {context.step}", daemon=True
    ).start()
    try:
        await asyncio.wait({ended})
    except asyncio.CancelledError:
        context.ask_to_stop()
        await asyncio.wait({ended}, timeout=stop_grace_seconds)
        raise
    return ended.result()


def _left(error: BaseException) -> RuntimeError:
    return RuntimeError(f"the step ended with {type(error).__name__}: {error}")
