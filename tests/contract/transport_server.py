"""A small HTTP server on this machine that misbehaves as its path says; for tests of transports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

ENDLESS_PIECE = b"x" * 65_536
LARGE_BYTES = 10**12


class TransportServer:
    """``seen`` keeps method, path, headers and body of each request, in order.

    ``waiting`` is released by each exchange that waits for ``go_on``.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.sent_bytes = 0
        self.failures_left = 0
        self.waiting = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        if path == "/unread":
            await self._wait()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append((method, path, headers, body))
        name = path.strip("/").replace("-", "_")
        if name.startswith("status/"):
            status, _, text = name.removeprefix("status/").partition("/")
            self._answer(writer, int(status), "text/plain", text.encode())
        else:
            await getattr(self, name)(writer, body)
        await writer.drain()
        return name in {"echo", "html", "nothing", "unread"} or name.startswith("status/")

    def _answer(self, writer, status: int, content_type: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def _wait(self) -> None:
        self.waiting.release()
        await self.go_on.wait()

    async def unread(self, writer, body: bytes) -> None:
        """Read the request's body only when told to go on."""
        self._answer(writer, 200, "text/plain", str(len(body)).encode())

    async def in_two_parts(self, writer, body: bytes) -> None:
        """Give one half of the answer, and the other when told to go on."""
        half = len(body) // 2
        writer.write(f"HTTP/1.1 200 x\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        writer.write(body[:half])
        await writer.drain()
        await self._wait()
        writer.write(body[half:])

    async def echo(self, writer, body: bytes) -> None:
        self._answer(writer, 200, "application/cbor", body)

    async def html(self, writer, _body: bytes) -> None:
        self._answer(writer, 200, "text/html", b"<!doctype html>")

    async def nothing(self, writer, _body: bytes) -> None:
        self._answer(writer, 200, "", b"")

    async def garbage(self, writer, _body: bytes) -> None:
        writer.write(b"\x16\x03\x01 this is not HTTP at all\r\n\r\n")

    async def closed(self, _writer, _body: bytes) -> None:
        """Close the connection without a word."""

    async def cut_short(self, writer, _body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nonly this")

    async def slow(self, _writer, _body: bytes) -> None:
        await asyncio.Event().wait()

    async def dripping(self, writer, _body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.005)

    async def endless(self, writer, _body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(f"{len(ENDLESS_PIECE):x}\r\n".encode() + ENDLESS_PIECE + b"\r\n")
            await writer.drain()
            self.sent_bytes += len(ENDLESS_PIECE)

    async def too_large(self, writer, _body: bytes) -> None:
        writer.write(f"HTTP/1.1 200 x\r\ncontent-length: {LARGE_BYTES}\r\n\r\n".encode())
        await self.endless(writer, b"")

    async def failing(self, writer, body: bytes) -> None:
        """Fail in turns as often as told (429, 503, no answer), then echo."""
        self.failures_left -= 1
        match self.failures_left % 3 if self.failures_left >= 0 else -1:
            case 0:
                self._answer(writer, 429, "text/plain", b"slow down")
            case 1:
                self._answer(writer, 503, "text/plain", b"overloaded")
            case -1:
                await self.echo(writer, body)


@contextlib.asynccontextmanager
async def transport_server() -> AsyncIterator[TransportServer]:
    """The server, listening on a free port until the end of the block."""
    behaviour = TransportServer()
    tasks: list[asyncio.Task[None]] = []

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(behaviour.serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    behaviour.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield behaviour
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unused_url() -> str:
    """An address of this machine where nobody listens."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"
