"""A line between a client and a replica that carries few bytes a second, whoever sends them."""

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

PIECE_BYTES = 8 * 1024
BUFFER_BYTES = 32 * 1024
SEGMENT_BYTES = 1460
"""As on a real line: within a machine segments are larger, and whole bodies stay in its buffers."""


class Pace:
    """One way of the line: all who send share it."""

    def __init__(self, bytes_per_second):
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def carry(self, size):
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self._bytes_per_second
        await asyncio.sleep(self._free_at - now)


async def pump(reader, writer, pace):
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE_BYTES):
            await pace.carry(len(piece))
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


def small_socket():
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    made.setblocking(False)
    return made


@contextlib.asynccontextmanager
async def slow_line(url, bytes_per_second):
    """The address of the replica at ``url`` over such a line."""
    up, down = Pace(bytes_per_second), Pace(bytes_per_second)
    target = urlsplit(url)

    async def serve(reader, writer):
        there = small_socket()
        await asyncio.get_running_loop().sock_connect(there, (target.hostname, target.port))
        back, forth = await asyncio.open_connection(sock=there, limit=PIECE_BYTES)
        try:
            await asyncio.gather(pump(reader, forth, up), pump(back, writer, down))
        finally:
            forth.close()
            writer.close()

    listening = small_socket()
    listening.bind(("127.0.0.1", 0))
    async with await asyncio.start_server(serve, sock=listening, limit=PIECE_BYTES):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
