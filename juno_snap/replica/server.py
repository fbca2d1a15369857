"""A replica that listens: in this process for tests and the demo, or in the foreground."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import PreconditionError
from juno_snap.replica.background import RunningReplica, announced
from juno_snap.replica.endpoints import build_app
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.request_log import RequestLog
from juno_snap.replica.server_state import OpenState, open_state

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
        PreconditionError: The port is in use; the directory is not usable.
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
        PreconditionError: The port is in use; the directory is not usable.
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
class _Server(uvicorn.Server):
    """Leaves signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(
    options: ReplicaOptions, clock: Clock, on_ready: OnReady, stop: asyncio.Event
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        state = await stack.enter_async_context(open_state(options, clock))
        log = RequestLog(options.request_log)
        stack.callback(log.close)
        listener = _listen(options)
        stack.callback(listener.close)
        server = _Server(_config(build_app(state.node, log)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        replica = _describe(options, state, listener, clock.now_ns())
        stack.enter_context(announced(replica))
        on_ready(replica)
        try:
            await stop.wait()
        finally:
            await _stop(server, serving, state)


async def _stop(server: _Server, serving: "asyncio.Task[None]", state: OpenState) -> None:
    """Execute what waits, answer it, take no more, and write everything down."""
    await state.node.rounds.finish()
    server.should_exit = True
    await serving
    await state.node.rounds.finish()
    await state.checkpoint()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _listen(options: ReplicaOptions) -> socket.socket:
    """A socket on the port that was asked for.

    Raises:
        PreconditionError: The port is in use or may not be used; names it.
    """
    place = f"port {options.port} on {options.host}"
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: with it,
    # each answer on a connection that is kept would come 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PreconditionError(
            f"cannot listen at {place}: {error.strerror or error}",
            code="port-in-use" if error.errno == errno.EADDRINUSE else "port-refused",
            hint="choose another one with --port, or --port 0 for any that is free",
        ) from error
    return listener


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
