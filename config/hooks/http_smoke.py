#!/usr/bin/env python3
"""Looks whether a page answers with 200 and, where a text is given, whether it holds that text.

Before an upgrade, so that nobody upgrades what is broken already:

    [[hooks]]
    name = "site-answers"
    point = "before-upgrade"
    command = ["./hooks/http_smoke.py", "https://example.org/", "Welcome"]
    timeout_seconds = 30

At ``after-start`` it tells and undoes nothing. What shall bring the old code back is a check.
"""

import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20
READ_MAX_BYTES = 4_000_000
OK = 200


def fetch(url: str) -> tuple[int, str]:
    """Status and text of one page; redirections are not followed."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"no URL: {url!r}")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    path = parts.path or "/"
    try:
        connection.request("GET", f"{path}?{parts.query}" if parts.query else path)
        answer = connection.getresponse()
        return answer.status, answer.read(READ_MAX_BYTES).decode(errors="replace")
    finally:
        connection.close()


def main() -> None:
    """Look once; the exit code says what was seen."""
    if len(sys.argv) not in {2, 3}:
        sys.exit("say a URL, and a text that its page should hold")
    url, *expected = sys.argv[1:]
    try:
        status, text = fetch(url)
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"{url} does not answer: {error}")
    if status != OK:
        sys.exit(f"{url} answers {status}")
    if expected and expected[0] not in text:
        sys.exit(f"{url} does not hold {expected[0]!r}")


if __name__ == "__main__":
    main()
