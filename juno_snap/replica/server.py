"""A replica that listens: in this process for tests and the demo, or in the foreground."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from juno_snap.clock import Clock, system_clock
from juno_snap.replica.background import RunningReplica, announced
from juno_snap.replica.endpoints import BREAK_OFF, build_app
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.request_log import RequestLog
from juno_snap.replica.server_state import OpenState, open_state
from juno_snap.serving import Server, listen

IDLE_CONNECTION_SECONDS: Final = 75
"""Longer than clients keep one, so that none is closed under a request."""

GRACE_SECONDS: Final = 10
"""How long requests under way may take at a stop. Waiting calls are executed at once."""

OnReady: TypeAlias = Callable[[RunningReplica], None]


@contextlib.contextmanager
def run_replica(
    options: ReplicaOptions | None = None, *, clock: Clock | None = None
) -> Iterator[RunningReplica]:
    """A replica in a thread of this process; ready when the block begins, at rest after it.

    Raises:
        PreconditionError: The port is in use; the directory is not usable, or is not any more.
        LockedError: The directory is in use.
    """
    ready: Future[_Started] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        await _run(
            options or ReplicaOptions(),
            clock or system_clock(),
            lambda replica: ready.set_result(_Started(replica=replica, loop=loop, stop=stop)),
            stop,
        )

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica-http") as thread:
        whole_run = thread.submit(lambda: asyncio.run(run()))
        whole_run.add_done_callback(lambda _: ready.cancel())
        try:
            started = ready.result()
        except CancelledError:
            whole_run.result()
            raise
        try:
            yield started.replica
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it ended by itself
                started.loop.call_soon_threadsafe(started.stop.set)
            whole_run.result()


def serve(options: ReplicaOptions, *, on_ready: OnReady, clock: Clock | None = None) -> None:
    """Run a replica until this process gets SIGINT, SIGTERM or SIGHUP; its state is then on disk.

    Belongs into the main thread.

    Raises:
        PreconditionError: The port is in use; the directory is not usable, or is not any more.
        LockedError: The directory is in use.
    """

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        await _run(options, clock or system_clock(), on_ready, stop)

    asyncio.run(run())


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    replica: RunningReplica
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


@final
class _Protocol(H11Protocol):
    """Lets the application break the connection off, for which ASGI has no word."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("this is no stream")
        super().connection_made(transport)
        app = self.app

        async def with_a_way_out(scope: Scope, receive: Receive, send: Send) -> None:
            scope[BREAK_OFF] = transport.abort
            await app(scope, receive, send)

        self.app = with_a_way_out


async def _run(
    options: ReplicaOptions, clock: Clock, on_ready: OnReady, stop: asyncio.Event
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        state = await stack.enter_async_context(open_state(options, clock))
        log = RequestLog(options.request_log)
        stack.callback(log.close)
        listener = listen(options.host, options.port)
        stack.callback(listener.close)
        server = Server(_config(build_app(state.node, log)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        replica = _describe(options, state, listener, clock.now_ns())
        stack.enter_context(announced(replica))
        on_ready(replica)
        try:
            await _until_stop(stop, state)
        finally:
            await _stop(server, serving, state)


async def _until_stop(stop: asyncio.Event, state: OpenState) -> None:
    """Wait for the order to stop, or for the need to."""
    waiting = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(state.failed())}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


async def _stop(server: Server, serving: "asyncio.Task[None]", state: OpenState) -> None:
    """Execute what waits, answer it, take no more, and write everything down."""
    await state.finish()
    server.should_exit = True
    await serving
    await state.finish()
    await state.checkpoint()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _describe(
    options: ReplicaOptions, state: OpenState, listener: socket.socket, now_ns: int
) -> RunningReplica:
    port = int(listener.getsockname()[1])
    return RunningReplica(
        url=f"http://{options.host}:{port}",
        host=options.host,
        port=port,
        pid=os.getpid(),
        root_key=state.node.keys.root_key_der,
        started_at_ns=now_ns,
        directory=options.directory,
    )
