"""A console as a process of its own, over flows that were run, and a client that may ask it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from juno_snap import Flow, run_flow
from tests.integration.cli_world import child_command

FLOW = "orders"
STEPS = ("query", "pack", "ship")
SNAPSHOTS = f"/v2/flows/{FLOW}/snapshots"
PATIENCE_SECONDS = 30
FLOW_ENDED = {"page": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """One that answers."""

    url: str
    port: int
    state: Path
    header_file: Path
    process: subprocess.Popen

    @property
    def header(self):
        name, _, value = self.header_file.read_text(encoding="utf-8").strip().partition(": ")
        return {name: value}

    @contextlib.contextmanager
    def client(self, **headers):
        with httpx.Client(base_url=self.url, headers={**self.header, **headers}) as client:
            yield client


def run_orders(state):
    """A flow of three steps, of which the first leaves a snapshot behind."""
    flow = Flow(FLOW)

    @flow.step("query")
    def query(msg, cfg, snapshot, ctx):
        ctx.emit("snapshot", FLOW_ENDED)

    for step in STEPS[1:]:
        flow.step(step)(lambda msg, cfg, snapshot: None)
    asyncio.run(run_flow(flow, state=state, new=True))


def start_console(state, *words, environment=None):
    return subprocess.Popen(
        child_command("console", "--json", "--state", state, *words),
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_ready(process):
    """The document of a console that has begun to listen."""
    lines = []
    while not (lines and lines[-1] == "}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    return json.loads("".join(lines))["console"]


@contextlib.contextmanager
def running_console(state, *words):
    process = start_console(state, *words)
    try:
        ready = read_ready(process)
        yield Console(
            url=ready["url"],
            port=ready["port"],
            state=state,
            header_file=Path(ready["header_file"]),
            process=process,
        )
    finally:
        end(process)


def end(process, number=signal.SIGTERM):
    """Exit code and standard error of a console that was told to end."""
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, err


def document(value, step="pack"):
    """What is sent to store ``value``."""
    return {"data": {"type": "snapshot", "id": step, "attributes": {"snapshot": value}}}


def told(answer):
    """What came back, without what is said about each step snapshot."""
    found = answer.json()
    for each in found["data"] if isinstance(found["data"], list) else [found["data"]]:
        del each["meta"]
    return found


def resource(value, step):
    """What comes back for it."""
    return {
        "type": "snapshot",
        "id": step,
        "links": {"self": f"{SNAPSHOTS}/{step}"},
        "attributes": {"snapshot": value},
    }
