"""A content network for releases, on this machine: a real server that can be told to go wrong."""

import contextlib
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STEMS = {
    "satellite": "satellite",
    "mission-control": "mission_control",
    "orbiter": "orbiter",
}
PLURALS = {
    "satellite": "satellites",
    "mission-control": "mission_controls",
    "orbiter": "orbiters",
}
WASM_TYPE = "application/wasm"


@dataclass(kw_only=True)
class Page:
    """What is at a path."""

    body: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cuts_after: list[int] = field(default_factory=list)
    """Bytes of the body after which the connection breaks off, one for each answer that does."""
    has_etag: bool = True
    has_ranges: bool = True


@dataclass(kw_only=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]


@dataclass(kw_only=True)
class Cdn:
    """The server: what it serves, and what it was asked. Releases are tagged 0.0.1, 0.0.2 ..."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    published: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> str:
        return f"{self.url}/releases"

    @property
    def checksums(self) -> str:
        return f"{self.url}/download"

    def publish(self, role: str, version: str, wasm: bytes) -> bytes:
        """A release with its checksum; the file as it is served."""
        file = gzip.compress(wasm, mtime=0)
        self.published.append((role, version))
        tag = f"0.0.{len(self.published)}"
        digest = hashlib.sha256(file).hexdigest()
        self.page(role, version, Page(body=file, content_type=WASM_TYPE))
        text = f"{'0' * 64}  ./console.wasm.gz\n{digest}  ./{STEMS[role]}.wasm.gz\n"
        self.pages[f"/download/v{tag}/checksums.txt"] = Page(body=text.encode())
        self._list()
        return file

    def page(self, role: str, version: str, page: Page | None = None) -> Page:
        """The page of a release; another one in its place where that is said."""
        path = f"/releases/{STEMS[role]}-v{version}.wasm.gz"
        if page is not None:
            self.pages[path] = page
        return self.pages[path]

    def checksums_of(self, role: str, version: str) -> Page:
        """The page of its checksums."""
        number = self.published.index((role, version)) + 1
        return self.pages[f"/download/v0.0.{number}/checksums.txt"]

    def asked(self, ending: str) -> list[Request]:
        """The requests for paths with that ending."""
        return [request for request in self.requests if request.path.endswith(ending)]

    def _list(self) -> None:
        """The newest first: nobody promises an order."""
        listed: dict[str, object] = {
            plural: [v for r, v in reversed(self.published) if r == role] or ["0.0.1"]
            for role, plural in PLURALS.items()
        }
        listed["releases"] = [
            {"tag": f"0.0.{number}", "console": "0.1.0", STEMS[role]: version}
            for number, (role, version) in enumerate(self.published, 1)
        ]
        body = json.dumps(listed).encode()
        self.pages["/releases/metadata.json"] = Page(body=body, content_type="application/json")


@contextlib.contextmanager
def running_cdn() -> Iterator[Cdn]:
    """A server on a free port, in a thread."""
    cdn = Cdn()
    server = _Server(("127.0.0.1", 0), _handler(cdn))
    cdn.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield cdn
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, _request: object, _address: object) -> None:
        """Whoever has read enough closes the connection, and nobody wants to know."""


def _handler(cdn: Cdn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(
                path=self.path, headers={key.lower(): text for key, text in self.headers.items()}
            )
            cdn.requests.append(request)
            page = cdn.pages.get(self.path)
            if page is None:
                page = Page(body=b"<html>not found</html>", content_type="text/html", status=404)
            self._answer(page, request)

        def _answer(self, page: Page, request: Request) -> None:
            etag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            start = _start(page, request.headers, etag)
            rest = page.body[start:]
            self.send_response(206 if start else page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(rest)))
            if start:
                last = len(page.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(page.body)}")
            if page.has_etag:
                self.send_header("ETag", etag)
            for key, text in page.headers.items():
                self.send_header(key, text)
            self.end_headers()
            if page.cuts_after:
                rest = rest[: page.cuts_after.pop(0)]
                self.close_connection = True
            self.wfile.write(rest)

        def log_message(self, *_details: object) -> None:
            """Nothing is written to the terminal."""

    return Handler


def _start(page: Page, headers: Mapping[str, str], etag: str) -> int:
    """Where the answer begins: in the middle only for who has the beginning of this very file."""
    asked = headers.get("range", "").removeprefix("bytes=").removesuffix("-")
    is_same = headers.get("if-range") in {None, etag}
    return int(asked) if asked.isdecimal() and page.has_ranges and is_same else 0
