"""A network that is none: a server on this machine that answers every request in one wrong way."""

import contextlib
import socket
import threading
from collections.abc import Iterator

PIECE = b"x" * 65_536


def _html(connection: socket.socket) -> None:
    body = b"<!doctype html><html><body>Welcome</body></html>"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def _empty(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def _garbage(connection: socket.socket) -> None:
    body = bytes(range(256))
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/cbor\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)


def _not_http(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01 SSH-2.0 whatever\r\n\r\n")


def _endless(connection: socket.socket) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/cbor\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    connection.sendall(head)
    while True:
        connection.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


WAYS = {
    "html": _html,
    "empty": _empty,
    "garbage": _garbage,
    "not-http": _not_http,
    "endless": _endless,
}


@contextlib.contextmanager
def misbehaving_network(way: str) -> Iterator[str]:
    """The URL of a server that answers in that way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, WAYS[way]))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            while _read_request(connection):
                answer(connection)


def _read_request(connection: socket.socket) -> bool:
    """Take one request off the connection; false at its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return False
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65_536)
    return True


def unused_url() -> str:
    """A URL where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
