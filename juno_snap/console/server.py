"""The server: made for one state directory, on the loopback address, until it is told to end."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import uvicorn

from juno_snap.console import HOST
from juno_snap.console.app import OnTrouble, build_app
from juno_snap.console.guard import SCHEME, Doors, Guard
from juno_snap.files import lock_file, make_private_folders, write_private, writing_in
from juno_snap.flow.space import LOCKS, FlowSpace
from juno_snap.serving import Server, listen

HEADER_FILE: Final = "console.header"
"""In the state directory, for its owner only, while the console runs: the line that a request needs
(``curl -H @FILE``), which so stands on no command line."""

TOKEN_BYTES: Final = 32
GRACE_SECONDS: Final = 12
"""For requests under way at a stop: longer than a write waits for another process."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunningConsole:
    """A console that answers."""

    url: str
    port: int
    pid: int
    header_file: Path
    token: str = field(repr=False)

    @property
    def page_url(self) -> str:
        """The page, with the token in the fragment: the part that a browser sends to nobody."""
        return f"{self.url}/#token={self.token}"


OnReady = Callable[[RunningConsole], None]


def serve(space: FlowSpace, port: int, *, on_ready: OnReady, on_trouble: OnTrouble) -> None:
    """Serve until this process gets SIGINT, SIGTERM or SIGHUP; belongs into the main thread.

    Each start has a token of its own.

    Raises:
        PreconditionError: The port is in use, or the state directory cannot be written.
        LockedError: A console of this state directory runs.
    """

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:  # what nohup ignores stays ignored
                loop.add_signal_handler(number, stop.set)
        await _run(space, port, on_ready, on_trouble, stop)

    asyncio.run(run())


async def _run(
    space: FlowSpace, port: int, on_ready: OnReady, on_trouble: OnTrouble, stop: asyncio.Event
) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(space.state))
        listener = listen(HOST, port)
        stack.callback(listener.close)
        port = int(listener.getsockname()[1])
        doors = Doors.of(port, secrets.token_urlsafe(TOKEN_BYTES))
        server = Server(_config(build_app(space, doors, on_trouble=on_trouble)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        try:
            file = stack.enter_context(_told(space.state, doors.token))
            url = f"http://{doors.hosts[0]}"
            on_ready(
                RunningConsole(
                    url=url, port=port, pid=os.getpid(), header_file=file, token=doors.token
                )
            )
            await stop.wait()
        finally:
            server.should_exit = True
            await serving


def _config(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what is wrong with a request is told to whoever sent it
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """One console for a state directory, as there is one file with its token."""
    with contextlib.ExitStack() as held:
        with writing_in(state):
            make_private_folders(state, state / LOCKS)
            path = state / LOCKS / "console.lock"
            held.enter_context(lock_file(path, purpose="the console of this state directory"))
        yield


@contextlib.contextmanager
def _told(state: Path, token: str) -> Iterator[Path]:
    """The token in a file while the block runs."""
    file = state / HEADER_FILE
    with writing_in(state):
        write_private(file, f"Authorization: {SCHEME} {token}\n".encode())
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
