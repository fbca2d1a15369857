#!/usr/bin/env python3
"""Tells a webhook how an operation goes: one POST with ``{"text": ...}`` as chat services take it.

    [[hooks]]
    name = "tell-the-team"
    point = "after-upgrade"
    command = ["./hooks/notify_webhook.py"]
    timeout_seconds = 30
    pass_variables = ["WEBHOOK_TOKEN"]  # only where the webhook wants one

WEBHOOK_URL says where to; WEBHOOK_TOKEN, where it is set, is sent as a bearer token. A second hook,
of another name and at "on-failure", tells of what went wrong.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20
GOOD = range(200, 300)


def sentence(told: dict) -> str:
    """What happened, in one line; ``told`` is the document that every hook gets."""
    subject = f"{told['kind']} of {told['module']} on {told['network']} ({told['operation']})"
    if told["rehearsal"]:
        subject = f"rehearsal: {subject}"
    if told["error"]:
        return f"{subject} failed: {told['error']['message']}"
    return f"{subject}: {told['point']}, {told['step_outcome'] or 'about to begin'}"


def post(url: str, document: dict, token: str) -> int:
    """Send ``document``; the status of the answer."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"WEBHOOK_URL is no URL: {url!r}")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    try:
        connection.request("POST", target, json.dumps(document).encode(), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def main() -> None:
    """Read what we are told and pass it on."""
    told = json.load(sys.stdin)
    url = os.environ.get("WEBHOOK_URL", "")
    token = os.environ.get("WEBHOOK_TOKEN", "")
    try:
        status = post(url, {"text": sentence(told)}, token)
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"the webhook was not told: {error}")
    if status not in GOOD:
        sys.exit(f"the webhook was not told: it answered {status}")


if __name__ == "__main__":
    main()
