"""Finds the function that a hook names, and calls it within bounds of time."""

import asyncio
import contextlib
import contextvars
import importlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import metadata
from types import TracebackType
from typing import Final, TypeAlias, final

from juno_snap.pipeline.hooks.model import HookContext, HookSpec, hook_error

ENTRY_POINT_GROUP: Final = "juno_snap.hooks"

CANCEL_GRACE_SECONDS: Final = 1.0
"""What an async function has to clean up after it was cancelled; then it is abandoned."""

HookFunction: TypeAlias = Callable[[HookContext], object]


def load_function(spec: HookSpec) -> HookFunction:
    """The function that ``spec`` names; imports it, which runs the code of its Python module.

    Raises:
        ConfigError: There is no such function, or its import fails in whatever way.
    """
    load = _entry_point(spec).load if ":" not in spec.function else partial(_named, spec.function)
    attempt = _Attempt()
    with attempt:
        attempt.value = load()
    if attempt.error is not None:
        raise hook_error(
            spec,
            f"its function {spec.function!r} cannot be loaded: {describe(attempt.error)}",
            hint="its package must be installed beside juno-snap, or be found through PYTHONPATH",
        ) from attempt.error
    if not callable(attempt.value):
        raise hook_error(spec, f"{spec.function!r} is no function")
    return attempt.value


async def call_function(
    function: HookFunction, context: HookContext, *, timeout_seconds: float
) -> BaseException | None:
    """Call ``function``; what it raised, ``TimeoutError`` where it had not ended in time.

    It has a thread of its own, an async one with a loop of its own: whatever it blocks, the
    operation goes on, and so does the end of the program. When its time is over or on cancellation
    an async one is cancelled; one that does not end by that, and a plain one, is abandoned.
    """
    call = _Call(function, context)
    try:
        await asyncio.wait({call.ended}, timeout=timeout_seconds)
    finally:
        if call.cancel():
            await asyncio.wait({call.ended}, timeout=CANCEL_GRACE_SECONDS)
    if call.is_overdue or not call.ended.done():
        return TimeoutError(f"had not ended after {timeout_seconds:g} s")
    return call.ended.result().error


def describe(error: BaseException) -> str:
    """``error`` as one line for people: its kind and what it says."""
    said = str(error).strip()
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@final
class _Attempt:
    """Code of others: what it raises is kept and goes no further.

    That holds for ``SystemExit``, and for a cancellation of its own making, too.
    """

    def __init__(self) -> None:
        self.value: object = None
        self.error: BaseException | None = None

    def __enter__(self) -> "_Attempt":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        self.error = error
        return not isinstance(error, KeyboardInterrupt)


@final
class _Call:
    """A function while it runs in its thread."""

    def __init__(self, function: HookFunction, context: HookContext) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[_Attempt] = self._loop.create_future()
        self.is_overdue = False
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        copied = contextvars.copy_context()
        thread = threading.Thread(
            target=copied.run,
            args=(self._run, function, context),
            name="juno-snap hook",
            daemon=True,
        )
        thread.start()

    def cancel(self) -> bool:
        """Cancel an async one that has not ended; whether there is something to wait for."""
        if self.ended.done() or self._inner is None:
            return False
        self.is_overdue = True
        loop, task = self._inner
        with contextlib.suppress(RuntimeError):  # its loop has just been closed
            loop.call_soon_threadsafe(task.cancel)
        return True

    def _run(self, function: HookFunction, context: HookContext) -> None:
        attempt = _Attempt()
        with attempt:
            value = function(context)
            if inspect.isawaitable(value):
                asyncio.run(self._await(value))
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            self._loop.call_soon_threadsafe(self._end, attempt)

    async def _await(self, value: Awaitable[object]) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._inner = (asyncio.get_running_loop(), task)
        await value

    def _end(self, attempt: _Attempt) -> None:
        if not self.ended.done():
            self.ended.set_result(attempt)


def _named(text: str) -> object:
    place, _, attributes = text.partition(":")
    found: object = importlib.import_module(place)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return found


def _entry_point(spec: HookSpec) -> metadata.EntryPoint:
    group = metadata.entry_points(group=ENTRY_POINT_GROUP)
    found = {point.value: point for point in group if point.name == spec.function}
    if len(found) > 1:
        places = ", ".join(sorted(found))
        raise hook_error(spec, f"{spec.function!r} is ambiguous: {places}", hint="name one of them")
    if not found:
        known = ", ".join(sorted(group.names)) or "none"
        raise hook_error(
            spec,
            f"no installed package registers {spec.function!r} in {ENTRY_POINT_GROUP}",
            hint=f"registered are: {known}; a function is written package.module:function",
        )
    return found.popitem()[1]
