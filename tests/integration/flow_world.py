"""Flow files in a temporary folder, a source they can query, and child processes that run them."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from tests.integration.cli_world import child_command

PATIENCE_SECONDS = 30
PAGE = 4

COUNTER = """
from juno_snap import Flow

flow = Flow("counter")


@flow.step("count")
def count(msg, cfg, snapshot, ctx):
    snapshot["iteration"] = snapshot.get("iteration", 0) + 1
    ctx.emit("snapshot", snapshot)
    ctx.emit("data", {"iteration": snapshot["iteration"]})
"""

SLOW = """
import pathlib
import threading

from juno_snap import Flow

flow = Flow("slow")


@flow.step("work")
def work(msg, cfg, snapshot, ctx):
    for number in range(snapshot.get("done", 0), msg.get("until", 1000)):
        with pathlib.Path("log").open("a") as log:
            log.write(f"{number}\\n")
        ctx.emit("snapshot", {"done": number + 1}, durable=msg.get("durable", False))
        threading.Event().wait(msg.get("seconds", 0.02))
"""


def write_flow(folder, name, text):
    """A Python file with a flow; its source on the command line."""
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return f"{file}:flow"


def start(*words):
    """A command line as a process that may be killed."""
    return start_program(*child_command(*words)[1:])


def start_program(*words):
    """Python, as such a process."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(is_so):
    """Wait until something is so."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "it has not happened"
        pause.wait(0.01)


class Source:
    """An HTTP API with objects that have a date; it pages, and remembers what it was asked."""

    def __init__(self, url):
        self.url = url
        self.objects = []
        self.asked = []
        self.breaks_at = None

    def add(self, *objects):
        self.objects += [{"id": name, "updated_at": at} for name, at in objects]

    def answer(self, since, page):
        self.asked.append((since, page))
        found = [each for each in self.objects if each["updated_at"] > since]
        rest = found[(page - 1) * PAGE :]
        return {"objects": rest[:PAGE], "next": page + 1 if len(rest) > PAGE else None}


@contextlib.contextmanager
def source_server():
    """A ``Source`` on a port of its own."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = parse_qs(urlparse(self.path).query)
            page = int(asked["page"][0])
            found = source.answer(asked["since"][0], page)
            body = json.dumps(found).encode()
            self.send_response(500 if page == source.breaks_at else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    source = Source(f"http://127.0.0.1:{server.server_port}/objects")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


FORGETFUL = """
import pathlib
import threading

from juno_snap import Flow

flow = Flow("forgetful")


@flow.step("work")
def work(msg, cfg, snapshot):
    for number in range(1000):
        with pathlib.Path("log").open("a") as log:
            log.write(f"{number}\\n")
        threading.Event().wait(0.02)
"""
