"""Functions that hooks of the tests name, good and bad ones."""

import asyncio
import contextlib
import sys
import threading

from juno_snap.pipeline.hooks.model import HookVetoError

told = []
"""The context and the thread of every call of ``remember`` and ``remember_async``."""

let_go = []
"""An event for each call of ``hang`` and ``hold_on``; they end when it is set."""

cleaned_up = []
not_a_function = 7


def remember(context):
    told.append((context, threading.current_thread()))


async def remember_async(context):
    await asyncio.sleep(0)
    told.append((context, threading.current_thread()))


def refuse(context):
    raise HookVetoError("not on a Friday")


async def refuse_async(context):
    raise HookVetoError("not on a Friday")


def fail(context):
    raise KeyError("stock")


def leave(context):
    sys.exit(75)


async def leave_async(context):
    sys.exit(75)


def hang(context):
    event = threading.Event()
    let_go.append(event)
    event.wait()


async def hang_async(context):
    try:
        await asyncio.Event().wait()
    finally:
        cleaned_up.append(context.point)


async def hold_on(context):
    """Does not let itself be cancelled."""
    event = threading.Event()
    let_go.append(event)
    while not event.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)


async def block_async(context):
    hang(context)


async def cancel_itself(context):
    raise asyncio.CancelledError


class Plugin:
    def run(self, context):
        remember(context)


plugin = Plugin()
