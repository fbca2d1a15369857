"""Bytes to a replica and back over HTTP, bounded in time and size."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Protocol, Self, final

import httpx

from juno_snap.agent.line import Line, Turn
from juno_snap.errors import InputError, TransportError
from juno_snap.units import KIB, MIB
from juno_snap.version import __version__

CBOR_CONTENT_TYPE: Final = "application/cbor"
"""Content type of every request body. Source: interface specification, "HTTPS Interface"."""

ANSWER_MAX_BYTES: Final = 8 * MIB
"""Most that is read of one answer.

The largest answers of the platform are a query's (3 MiB) and a certificate around a reply (2 MiB).
Source: dfinity/ic, ``rs/limits/src/lib.rs``.
"""

CONNECTIONS_MAX: Final = 50
"""More than a transfer of snapshots has calls under way; one that would wait is not sent yet."""

POOLS: Final = 10
"""Among which the connections are: for each request a pool looks at all that it has."""

PIECE_BYTES: Final = 128 * 1024
"""Of a body that is handed to the socket at a time: what it does not take at once is copied."""

SLOWEST_BYTES_PER_SECOND: Final = 16 * KIB
"""A large body is given time for this, beside what every exchange has."""

UNREACHABLE: Final = "unreachable"
"""Error code: no connection was made, so that nothing was delivered."""

ANSWER_TOO_LARGE: Final = "answer-too-large"
"""Error code: the answer did not end within the limit. Asking again would not help."""

LINE_BUSY: Final = "line-busy"
"""Error code: large bodies were ahead until it was too late to send this one; it was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, whole. ``content_type`` is as received, empty where there was none."""

    status: int
    content_type: str
    body: bytes


class Transport(Protocol):
    """The seam to the network: one request, one answer."""

    @property
    def url(self) -> str:
        """Where requests go, for messages; paths are appended to it."""
        ...

    async def send(
        self, path: str, body: bytes | None, *, begin_within_seconds: float | None = None
    ) -> Answer:
        """The answer to ``body`` posted to ``path``, or to a GET where ``body`` is ``None``.

        Any HTTP status is an answer. ``begin_within_seconds``: after that time it is not sent any
        more; None: there is no such time.

        Raises:
            TransportError: No answer, or not a whole one; nothing else leaves.
        """
        ...

    async def aclose(self) -> None:
        """Give connections back; may be called twice."""
        ...


@dataclass(slots=True)
class _Pool:
    """Some of the connections, and how many exchanges are under way on them."""

    client: httpx.AsyncClient
    busy: int = 0


@final
class HttpxTransport:
    """HTTP with a few connection pools, opened when they are needed.

    ``idle_seconds`` bounds each wait for bytes (a synchronous call is answered after at most 10 s),
    ``total_seconds`` the whole exchange, so that an answer that drips is given up too; it is the
    longer the larger the bodies are. Large ones go a few at a time, and no time runs while one
    waits for its turn.
    """

    def __init__(
        self,
        url: str,
        *,
        inbound: Line | None = None,
        connect_seconds: float = 10,
        idle_seconds: float = 30,
        total_seconds: float = 120,
        slowest_bytes_per_second: int = SLOWEST_BYTES_PER_SECOND,
        max_body_bytes: int = ANSWER_MAX_BYTES,
    ) -> None:
        self._url = check_url(url)
        self._total_seconds = total_seconds
        self._slowest_bytes_per_second = slowest_bytes_per_second
        self._max_body_bytes = max_body_bytes
        self._tls = _tls_context(self._url)
        self._timeout = httpx.Timeout(idle_seconds, connect=connect_seconds)
        self._pools: list[_Pool] = []
        self._up = Line()
        self._down = inbound or Line()

    @property
    def url(self) -> str:
        """Where requests go."""
        return self._url

    async def send(
        self, path: str, body: bytes | None, *, begin_within_seconds: float | None = None
    ) -> Answer:
        """The answer to a POST of ``body``, or to a GET where it is ``None``.

        Raises:
            TransportError: No answer, or not a whole one within the limits; or no turn within
                ``begin_within_seconds``.
        """
        url = self._url + path
        try:
            turn = await self._up.turn(len(body or b""), within_seconds=begin_within_seconds)
        except TimeoutError as error:
            raise _line_busy(url) from error
        arrived = False
        try:
            answer = await self._within_limits(url, body, turn)
            arrived = answer.status != HTTPStatus.REQUEST_TIMEOUT
            return answer
        finally:
            turn.judge(arrived=arrived)

    async def aclose(self) -> None:
        """Close the pools."""
        for pool in self._pools:
            await pool.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _within_limits(self, url: str, body: bytes | None, turn: Turn) -> Answer:
        try:
            async with asyncio.timeout(self._seconds_for(len(body or b""))) as limit:
                return await self._exchange(url, body, turn, limit)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TransportError(
                f"cannot connect to {url}: {_reason(error)}",
                url=url,
                maybe_delivered=False,
                code=UNREACHABLE,
                hint="check the network's address, and that it is running",
            ) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TransportError(
                f"{url} did not answer in time: {_reason(error)}", url=url, code="timeout"
            ) from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise TransportError(
                f"{url} gave no whole answer: {_reason(error)}", url=url, code="disconnected"
            ) from error

    async def _exchange(
        self, url: str, body: bytes | None, turn: Turn, limit: asyncio.Timeout
    ) -> Answer:
        method = "GET" if body is None else "POST"
        headers, content = {}, None
        if body is not None:
            headers = {"Content-Type": CBOR_CONTENT_TYPE, "Content-Length": str(len(body))}
            content = _in_pieces(body, turn)
        pool = self._least_busy()
        pool.busy += 1
        try:
            async with pool.client.stream(
                method, url, content=content, headers=headers
            ) as response:
                return Answer(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    body=await self._read(response, url, limit),
                )
        finally:
            pool.busy -= 1

    def _seconds_for(self, size_bytes: int) -> float:
        return self._total_seconds + size_bytes / self._slowest_bytes_per_second

    def _least_busy(self) -> _Pool:
        """The pool with the fewest exchanges under way; a new one where all have some."""
        pool = min(self._pools, key=lambda each: each.busy, default=None)
        if pool is None or (pool.busy and len(self._pools) < POOLS):
            pool = _Pool(client=self._open())
            self._pools.append(pool)
        return pool

    def _open(self) -> httpx.AsyncClient:
        most = CONNECTIONS_MAX // POOLS
        return httpx.AsyncClient(
            verify=self._tls,
            # A proxy that the environment names is for the outside, never for this machine.
            trust_env=not is_loopback(self._url),
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            headers={
                "User-Agent": f"juno-snap/{__version__}",
                # An answer that grows while it is unpacked would slip past the size limit.
                "Accept-Encoding": "identity",
            },
        )

    async def _read(self, response: httpx.Response, url: str, limit: asyncio.Timeout) -> bytes:
        announced = response.headers.get("Content-Length", "0")
        size = int(announced) if announced.isdecimal() else 0
        if size > self._max_body_bytes:
            raise self._too_large(response, url)
        limit.reschedule(None)
        turn = await self._down.turn(size)
        limit.reschedule(asyncio.get_running_loop().time() + self._seconds_for(size))
        arrived = False
        try:
            body = await self._collect(response, url, size)
            arrived = True
            return body
        finally:
            turn.judge(arrived=arrived)

    async def _collect(self, response: httpx.Response, url: str, size: int) -> bytes:
        """The body, in one place from the beginning, and not copied when it is whole."""
        body = io.BytesIO()
        body.seek(size)
        body.write(b"\0")
        body.seek(0)
        async for piece in response.aiter_raw():
            body.write(piece)
            if body.tell() > self._max_body_bytes:
                raise self._too_large(response, url)
        body.truncate()
        return body.getvalue()

    def _too_large(self, response: httpx.Response, url: str) -> TransportError:
        return TransportError(
            f"the answer of {url} is larger than {self._max_body_bytes} bytes",
            url=url,
            status=response.status_code,
            code=ANSWER_TOO_LARGE,
            hint="this is not how a replica answers: check the network's address",
        )


def check_url(text: str) -> str:
    """``text`` without a slash at its end.

    Raises:
        InputError: Not an HTTP address.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError, ValueError):
        url = httpx.URL("")
    host_is_clean = url.host and "%" not in url.host  # httpx escapes what cannot stand there
    if url.scheme not in {"http", "https"} or not host_is_clean or url.query or url.fragment:
        raise InputError(
            f"{text!r} is not the address of a network",
            value=text,
            code="invalid-url",
            hint="write it like https://icp-api.io or http://127.0.0.1:8000",
        )
    return text.strip().rstrip("/")


def host_of(url: str) -> str:
    """The host in ``url``, in lower case, without brackets."""
    return httpx.URL(url).host.lower()


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine itself."""
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _tls_context(url: str) -> ssl.SSLContext | bool:
    """The usual authorities; for plain HTTP a context that trusts nobody and costs no time."""
    if url.lower().startswith("https:"):
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _in_pieces(body: bytes, turn: Turn) -> AsyncIterator[bytes]:
    for offset in range(0, len(body), PIECE_BYTES):
        yield body[offset : offset + PIECE_BYTES]
    turn.end()


def _line_busy(url: str) -> TransportError:
    return TransportError(
        f"the line to {url} was busy with what was sent before, until it was too late",
        url=url,
        maybe_delivered=False,
        code=LINE_BUSY,
        hint="this connection is slow: try again, or from a faster one",
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
