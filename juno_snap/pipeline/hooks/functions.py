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

    A plain function has a thread of its own, so that one that hangs holds up neither the loop nor
    the end of the program. What an async one returns is awaited here.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_seconds
    called: asyncio.Future[_Attempt] = loop.create_future()
    _in_thread(function, context, called)
    await asyncio.wait({called}, timeout=timeout_seconds)
    if not called.done():
        return _overdue(timeout_seconds)
    attempt = called.result()
    if attempt.error is not None or not inspect.isawaitable(attempt.value):
        return attempt.error
    task = asyncio.ensure_future(_awaited(attempt.value))
    try:
        await asyncio.wait({task}, timeout=until - loop.time())
        if task.done():
            return task.result().error
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_GRACE_SECONDS)
    return _overdue(timeout_seconds)


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


def _in_thread(
    function: HookFunction, context: HookContext, called: "asyncio.Future[_Attempt]"
) -> None:
    loop = asyncio.get_running_loop()
    variables = contextvars.copy_context()

    def end(attempt: _Attempt) -> None:
        if not called.done():
            called.set_result(attempt)

    def call() -> None:
        attempt = _Attempt()
        with attempt:
            attempt.value = variables.run(function, context)
        with contextlib.suppress(RuntimeError):  # the loop was closed long ago
            loop.call_soon_threadsafe(end, attempt)

    threading.Thread(target=call, name="juno-snap hook", daemon=True).start()


async def _awaited(awaitable: Awaitable[object]) -> _Attempt:
    attempt = _Attempt()
    with attempt:
        await awaitable
    return attempt


def _overdue(timeout_seconds: float) -> TimeoutError:
    return TimeoutError(f"had not ended after {timeout_seconds:g} s")


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
