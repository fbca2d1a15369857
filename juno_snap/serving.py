"""Listening: a socket at a port, and a uvicorn server that leaves signals to whoever runs it.

Heavy: imported only by what serves.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import final

import uvicorn
from typing_extensions import override

from juno_snap.errors import PreconditionError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host``; port 0 takes any that is free.

    Raises:
        PreconditionError: The port is in use or may not be used; names it.
    """
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: with it,
    # each answer on a connection that is kept would come 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PreconditionError(
            f"cannot listen at port {port} on {host}: {error.strerror or error}",
            code="port-in-use" if error.errno == errno.EADDRINUSE else "port-refused",
            hint="choose another one with --port, or --port 0 for any that is free",
        ) from error
    return listener


@final
class Server(uvicorn.Server):
    """Leaves signals to its owner and says when it listens."""

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
