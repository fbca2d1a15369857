"""Documents and files of releases over HTTP: bounded, taken up where they broke off, from one host.

What is tried again: no connection, an answer that breaks off or comes late, 429, and 5xx.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias, final

import httpx

from juno_snap.agent.transport import is_loopback
from juno_snap.clock import Clock, system_clock
from juno_snap.errors import DecodeError, NotFoundError, TransportError, TrustError
from juno_snap.juno.releases.cache import Partial, ReleaseCache
from juno_snap.version import __version__
from juno_snap.waits import growing_wait

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REDIRECTS_MAX: Final = 5
ATTEMPTS: Final = 4
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
TOTAL_SECONDS: Final = 600.0
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 5.0
SERVER_FAULT: Final = 500

FILE_HOSTS: Final[Mapping[str, frozenset[str]]] = {
    "github.com": frozenset(
        {"release-assets.githubusercontent.com", "objects.githubusercontent.com"}
    )
}
"""Where a host keeps what it serves. Source: GitHub's documents, "Allow lists for assets"."""

Moved: TypeAlias = Callable[[int, int], None]
"""Told how many bytes are there, and of how many; 0 where that is not known."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was at an address. ``headers`` by lower-case name, of the answer that began it."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    is_whole: bool
    """It came as one answer, so that a certificate in ``headers`` is about ``body``."""


@final
@dataclass(slots=True, kw_only=True)
class _Download:
    """A body that grows over several answers."""

    body: bytearray = field(default_factory=bytearray)
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = False


@final
class ReleaseHttp:
    """A client for releases; ``cache`` keeps what broke off from one run to the next."""

    def __init__(self, cache: ReleaseCache, *, clock: Clock | None = None) -> None:
        self._cache = cache
        self._clock = clock or system_clock()

    async def fetch(self, url: str, *, max_bytes: int, moved: Moved | None = None) -> Fetched:
        """What is at ``url``, whole.

        Raises:
            NotFoundError: Nothing is there.
            TrustError: A redirect leads to another host.
            DecodeError: It is larger than ``max_bytes``.
            TransportError: No whole answer after several attempts. What came is kept.
        """
        download = _Download()
        kept = self._cache.partial(url)
        if kept is not None and len(kept.data) < max_bytes:
            download.body, download.etag = bytearray(kept.data), kept.etag
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._attempt(url, download, max_bytes, moved)
            except TransportError as error:
                if not _may_pass(error) or attempt == ATTEMPTS:
                    self._keep(url, download)
                    raise
                wait = growing_wait(FIRST_WAIT_SECONDS, 2.0, LONGEST_WAIT_SECONDS, attempt)
                await self._clock.sleep(wait)
            except asyncio.CancelledError:
                self._keep(url, download)
                raise
            else:
                break
        self._cache.drop_partial(url)
        return Fetched(
            url=url,
            headers=download.headers,
            body=bytes(download.body),
            is_whole=download.is_whole,
        )

    def _keep(self, url: str, download: _Download) -> None:
        """Without a mark of the whole nobody could tell later what it is the beginning of."""
        if download.body and download.etag:
            data = bytes(download.body)
            self._cache.keep_partial(url, Partial(data=data, etag=download.etag))

    async def _attempt(
        self, url: str, download: _Download, max_bytes: int, moved: Moved | None
    ) -> None:
        """One answer, added to what is there or in its place."""
        asked: dict[str, str] = {}
        if download.body and download.etag:
            asked = {"Range": f"bytes={len(download.body)}-", "If-Range": download.etag}
        with _explained(url):
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                _client(url) as client,
                _answer(client, url, asked) as answer,
            ):
                _check_status(answer, url)
                total_bytes = _begin(answer, download)
                if total_bytes > max_bytes:
                    raise _too_large(url, max_bytes)
                async for piece in answer.aiter_raw():
                    download.body += piece
                    if len(download.body) > max_bytes:
                        raise _too_large(url, max_bytes)
                    if moved is not None:
                        moved(len(download.body), total_bytes)


class _explained:  # noqa: N801  # used like a function
    """Errors of the client become ours."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        """Nothing is done yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            raise TransportError(
                f"cannot connect to {self._url}: {error}",
                url=self._url,
                maybe_delivered=False,
                code="unreachable",
                hint="check the connection, and the address: juno-snap config show --origins",
            ) from error
        if isinstance(error, httpx.HTTPError | httpx.StreamError | OSError | TimeoutError):
            raise TransportError(
                f"{self._url} gave no whole answer: {str(error) or type(error).__name__}",
                url=self._url,
                code="disconnected",
                hint="try again: what has come is kept",
            ) from error


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        # For plain HTTP to this machine a context that trusts nobody and costs no time.
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback(url) else True,
        # A proxy that the environment names is for the outside, never for this machine.
        trust_env=not is_loopback(url),
        timeout=httpx.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS),
        headers={
            "User-Agent": f"juno-snap/{__version__}",
            # What is published is what counts, not what a server makes of it on the way.
            "Accept-Encoding": "identity",
        },
    )


@asynccontextmanager
async def _answer(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str]
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET, after the redirects that stay on the host."""
    place = url
    for _ in range(REDIRECTS_MAX + 1):
        async with client.stream("GET", place, headers=headers) as answer:
            if answer.status_code not in REDIRECTS:
                yield answer
                return
            place = _redirected(url, answer)
    raise TransportError(f"{url} redirects too often", url=url, code="redirects")


def _redirected(url: str, answer: httpx.Response) -> str:
    try:
        target = answer.url.join(answer.headers.get("Location", ""))
    except httpx.InvalidURL:
        target = httpx.URL("")
    asked = httpx.URL(url)
    is_same = (target.host, target.port) == (asked.host, asked.port)
    is_known = target.host in FILE_HOSTS.get(asked.host, ()) and target.port is None
    is_weaker = asked.scheme == "https" and target.scheme != "https"
    if is_weaker or not (is_same or is_known):
        raise TrustError(
            f"{url} redirects to another place, {target.scheme}://{target.netloc.decode()}",
            code="redirect-elsewhere",
            hint="nothing was installed; if that is where releases are now, configure that address",
        )
    return str(target)


def _check_status(answer: httpx.Response, url: str) -> None:
    status = answer.status_code
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise NotFoundError(
            f"nothing is published at {url} ({status})",
            code="not-published",
            hint="juno-snap releases lists what is; check the address it comes from",
        )
    raise TransportError(
        f"{url} answered with status {status}",
        url=url,
        status=status,
        code="server-fault" if status >= SERVER_FAULT else "unexpected-status",
        hint="try again later",
    )


def _begin(answer: httpx.Response, download: _Download) -> int:
    """Prepare for the body; its whole size, 0 where it is not said.

    An answer that is not exactly the rest of what is there begins it anew.

    Raises:
        TransportError: It is another part than the one that was asked for.
    """
    size = answer.headers.get("Content-Length", "")
    length = int(size) if size.isdecimal() else 0
    if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
        start, _, total = answer.headers.get("Content-Range", "").partition("/")
        if download.body and start.startswith(f"bytes {len(download.body)}-"):
            return int(total) if total.isdecimal() else 0
        download.body.clear()
        raise TransportError(
            f"{answer.url} sent another part than the one that was asked for",
            url=str(answer.url),
            code="wrong-range",
        )
    download.body.clear()
    etag = answer.headers.get("ETag", "")
    download.etag = etag if etag.startswith('"') else ""
    download.headers = {name.lower(): value for name, value in answer.headers.items()}
    download.is_whole = True
    return length


def _may_pass(error: TransportError) -> bool:
    """Whether another attempt may have more luck."""
    is_busy = error.status == HTTPStatus.TOO_MANY_REQUESTS
    return is_busy or error.code in {"unreachable", "disconnected", "server-fault", "wrong-range"}


def _too_large(url: str, max_bytes: int) -> DecodeError:
    return DecodeError(
        f"{url} is larger than {max_bytes} bytes",
        code="release-too-large",
        hint="this is no release: check the address, juno-snap config show --origins",
    )
