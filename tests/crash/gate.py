"""A proxy between the command line and the replica that holds calls up, loses them, or tells."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from juno_snap.wire.envelope import decode_envelope

Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Passing:
    """A request that comes to the gate, or its answer."""

    number: int
    """Of a call: from 1, in the order in which calls came. 0 for what only reads."""
    method: str
    """Of a call; else ``query`` or ``read_state``."""
    moment: Moment
    nth: int = 0
    """Of a call: which one of its method, from 1."""

    def __str__(self):
        return f"{self.moment} call {self.number} ({self.method})"


class LostError(Exception):
    """What passes the gate is lost: the connection breaks off."""


Watch = Callable[[Passing], Awaitable[None]]


async def let_through(_passing):
    """Nothing happens at the gate."""


@dataclass
class Gate:
    """An HTTP proxy to ``port``; ``watch`` is asked before and after each request."""

    port: int
    watch: Watch = let_through
    calls: list[str] = field(default_factory=list)
    """The methods called so far, in order."""
    url: str = ""
    open: set = field(default_factory=set)
    """A task for each connection."""

    async def clear(self):
        """Wait until nothing is under way any more; the client is gone."""
        await asyncio.gather(*self.open, return_exceptions=True)

    def forget(self):
        """Count calls from 1 again, and let all of them through."""
        self.calls, self.watch = [], let_through

    def accept(self, reader, writer):
        """A client has come."""
        task = asyncio.ensure_future(self.serve(reader, writer))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def serve(self, reader, writer):
        """One connection of a client."""
        above = None
        try:
            above_reader, above = await asyncio.open_connection("127.0.0.1", self.port)
            while request := await read_message(reader):
                passing = self.look_at(request)
                await self.pass_by(passing, "before")
                above.write(request)
                await above.drain()
                await self.pass_by(passing, "during")
                answer = await read_message(above_reader)
                await self.pass_by(passing, "after")
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except (OSError, EOFError, LostError):
            pass
        finally:
            for each in (above, writer):
                if each is not None:
                    each.transport.abort()

    def look_at(self, request):
        """Number, method, and which of that it is; nothing for what is not about a canister."""
        head, _, body = request.partition(b"\r\n\r\n")
        kind = head.split(b" ", 2)[1].decode().rsplit("/", 1)[1]
        if kind != "call":
            return (0, kind, 0) if body else None
        method = decode_envelope(body).content.method_name
        self.calls.append(method)
        return len(self.calls), method, self.calls.count(method)

    async def pass_by(self, passing, moment):
        if passing is not None:
            number, method, nth = passing
            await self.watch(Passing(number, method, moment, nth))


async def read_message(reader):
    """A request or an answer as it is on the wire; nothing where the connection ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


@contextlib.asynccontextmanager
async def gate_to(port):
    """A gate that listens on a port of its own."""
    gate = Gate(port)
    server = await asyncio.start_server(gate.accept, "127.0.0.1", 0)
    gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        for task in list(gate.open):
            task.cancel()
        await asyncio.gather(*gate.open, return_exceptions=True)
