"""The files of the console's page: who may read them, and what a browser is told to allow."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from tests.architecture.imports import PACKAGE
from tests.integration.console_world import running_console

WEB = PACKAGE / "console" / "web"
ADDRESSES = {
    "/": "text/html; charset=utf-8",
    "/page/main.js": "text/javascript; charset=utf-8",
    "/page/page.css": "text/css; charset=utf-8",
    "/page/icon.svg": "image/svg+xml",
}
ALLOWED = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
TEXT_AS_PROGRAM = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|srcdoc|"
    r"createContextualFragment|DOMParser|setAttribute\(.on"
)


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("files") / "state") as made:
        yield made


@pytest.fixture
def stranger(console):
    """A client without the token."""
    with httpx.Client(base_url=console.url) as client:
        yield client


class Tags(HTMLParser):
    """The tags of a page, with their attributes and the text in them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if self.found:
            self.found[-1][2].append(data)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_file_is_for_everybody_here_and_kept_by_nobody(stranger, path):
    answer = stranger.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, ADDRESSES[path])
    said = answer.headers["content-security-policy"].split("; ")
    assert dict(each.split(" ", 1) for each in said) == ALLOWED
    for name, value in {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers
    assert "set-cookie" not in answer.headers
    file = WEB / (path.rpartition("/")[2] or "index.html")
    assert answer.content == file.read_bytes()
    head = stranger.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_every_file_has_an_address(stranger):
    for file in WEB.iterdir():
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        assert stranger.get(path).status_code == 200


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_foreign_page_or_name_gets_no_file(console, stranger, path):
    for headers, code in (
        ({"host": f"evil.example:{console.port}"}, "foreign-host"),
        ({"origin": "http://evil.example"}, "foreign-origin"),
    ):
        answer = stranger.get(path, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, code)


def test_only_reading_and_only_these_files_need_no_token(console, stranger):
    for method, path in (
        ("POST", "/"),
        ("DELETE", "/page/main.js"),
        ("GET", "/page/index.html"),
        ("GET", "/page/..%2fapp.py"),
        ("GET", "/page/%2e%2e/app.py"),
        ("GET", "/page/main.js/"),
        ("GET", "/index.html"),
    ):
        assert stranger.request(method, path).status_code == 401, (method, path)
        with console.client() as client:
            assert client.request(method, path).status_code in {404, 405}, (method, path)


def test_the_page_has_no_program_style_or_address_of_its_own(stranger):
    """What the policy would have a browser refuse is not there, and nothing is from elsewhere."""
    tags = Tags(stranger.get("/").text).found
    named = {name for _, attributes, _ in tags for name in attributes}
    assert not {name for name in named if name.startswith("on")} | (named & {"style", "action"})
    addresses = [
        attributes[name]
        for _, attributes, _ in tags
        for name in ("src", "href")
        if name in attributes
    ]
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/page/")
        assert stranger.get(address).status_code == 200
    for tag, attributes, text in tags:
        assert tag != "style"
        if tag == "script":
            assert (attributes["type"], "".join(text).strip()) == ("module", "")


def test_no_text_becomes_a_program_and_nothing_comes_from_elsewhere():
    for file in WEB.iterdir():
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".js":
            assert TEXT_AS_PROGRAM.findall(text) == [], file.name
            imported = re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)""", text)
            assert all((WEB / each).is_file() for each in imported)
        if file.suffix == ".css":
            assert re.findall(r"@import|url\(", text) == []
        if file.suffix != ".svg":  # whose namespace is an address
            assert re.findall(r"https?://", text) == [], file.name
