"""Runs a flow from a program of one's own, with the state directory of the command line."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from juno_snap.events import Observer, ignore_events
from juno_snap.flow import engine
from juno_snap.flow.engine import RunOptions, RunReport
from juno_snap.flow.flow import Flow
from juno_snap.flow.space import FlowSpace
from juno_snap.library.asking import forgiving
from juno_snap.library.network import state_directory


async def run_flow(
    flow: Flow,
    *,
    message: object = None,
    state: Path | None = None,
    new: bool = False,
    again: bool = False,
    drop_state: bool = False,
    on_event: Observer = ignore_events,
) -> RunReport:
    """Run ``flow`` to its end; a run that was stopped or killed goes on where it was.

    On SIGTERM, if the program has no handler of its own, what was emitted is written, the run is
    marked as stopped, and the process ends by the signal.

    Args:
        flow: What to run.
        message: JSON for the first step. None: an empty object, or what it had before.
        state: Where step snapshots are. None: what the variable ``JUNO_SNAP_STATE`` says, else the
            user's state directory.
        new: Begin a new run even where the last one is unfinished.
        again: Go on with a run that has failed as often as it may.
        drop_state: Forget the step snapshots of steps that are gone.
        on_event: Told of each step, wait and remark. An exception in it is logged.

    Raises:
        LockedError: The flow runs already.
        ConfigError: A secret's variable is not set.
        InputError: The flow has no step, or the message is no JSON.
        PreconditionError: The last run needs attention, or a step that holds something is gone.
        FlowError: A step has failed as often as it may.
    """
    options = RunOptions(message=message, is_anew=new, is_again=again, drops=drop_state)
    space = FlowSpace(state=state_directory(state))
    with _ending_in_order():
        return await engine.run_flow(flow, space, options, observer=forgiving(on_event))


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """On SIGTERM the task is cancelled, and the signal has its usual effect when it has ended."""
    task = asyncio.current_task()
    is_main = threading.current_thread() is threading.main_thread()
    if task is None or not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    loop = asyncio.get_running_loop()
    came: list[bool] = []

    def end() -> None:
        came.append(True)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        if came:
            signal.raise_signal(signal.SIGTERM)
