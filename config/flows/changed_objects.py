"""Hands on what has changed in an HTTP API since the last run, page by page.

The API answers ``GET SOURCE?since=TIME&page=N`` with ``{"objects": [...], "next": N}``, each object
with its ``updated_at``.
The marker is the largest update date among what came back, never the present time: an object that
is written between the query and the marker would be missed.
"""

import json

import httpx

from juno_snap import Flow

FIRST_DATE = "2017-01-01T00:00:00.000Z"


def query(cfg, since, page):
    answer = httpx.get(cfg["source"], params={"since": since, "page": page}, timeout=30)
    return answer.raise_for_status().json()


def whole(msg, cfg, snapshot, ctx):
    """The marker is a date, and it is emitted when all objects were handed on."""
    if not isinstance(snapshot, str) or not snapshot:
        ctx.log("expected a string in the snapshot but found: %s", json.dumps(snapshot))
        snapshot = FIRST_DATE
    latest, page = snapshot, 1
    while page:
        answer = query(cfg, snapshot, page)
        for each in answer["objects"]:
            ctx.emit("data", each)
            latest = max(latest, each["updated_at"])
        page = answer.get("next")
    ctx.emit("snapshot", latest)


def by_page(msg, cfg, snapshot, ctx):
    """The same for many objects: killed in one page, it goes on with that page."""
    since, latest = snapshot.get("since", FIRST_DATE), snapshot.get("latest", FIRST_DATE)
    page = snapshot.get("page", 1)
    while page:
        answer = query(cfg, since, page)
        for each in answer["objects"]:
            ctx.emit("data", each)
            latest = max(latest, each["updated_at"])
        page = answer.get("next")
        if page:
            ctx.emit("snapshot", {"since": since, "latest": latest, "page": page}, durable=True)
    ctx.emit("snapshot", {"since": latest, "latest": latest})


def declare(name, step, source):
    """A flow of that name that queries ``source``."""
    flow = Flow(name)
    flow.step("query", cfg={"source": source})(step)
    return flow
