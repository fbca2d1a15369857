"""A replica in which something goes wrong, with a counter on it that tells what was executed."""

import contextlib
import json
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from juno_snap.clock import SystemClock
from juno_snap.ids import Principal
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from juno_snap.wire import candid
from juno_snap.wire.request_status import Replied
from tests.replica.client import Client

NOTHING = candid.encode([], [])


class GatedClock(SystemClock):
    """Real time, but who sleeps wakes up when the gate is open. ``sleeps`` keeps every wait."""

    def __init__(self, *, is_open=True):
        self.sleeps = []
        self.gate = threading.Event()
        if is_open:
            self.gate.set()

    async def sleep(self, seconds):
        self.sleeps.append(seconds)
        while not self.gate.is_set():
            await super().sleep(0.002)


@dataclass
class Faulty:
    """The replica, a client of it, and a counter."""

    client: Client
    counter: Principal
    log: Path

    def increment(self, **fields):
        """A call that adds one; it is not sent yet."""
        return self.client.call_content(self.counter, "increment", NOTHING, **fields)

    def send(self, content, version=4):
        return self.client.post_call(content, version=version)

    def outcome(self, content):
        """What becomes of ``content`` when it is sent (again)."""
        return self.client.outcome(self.send(content), content)

    def status(self, content):
        """What the state says of a call: None is proven absence."""
        path = (b"request_status", content.request_id(), b"status")
        return self.client.read(self.counter, path).find(path, "the status")

    def count(self):
        """How many calls were executed."""
        reply, _ = self.client.query(self.counter, "read", NOTHING)
        (count,) = candid.decode(reply.arg, [candid.NAT])
        return count

    def all_logged(self):
        """The request log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def logged(self):
        """The lines of the request log in which a fault happened."""
        return [line for line in self.all_logged() if "faults" in line]


@contextlib.contextmanager
def faulty(*specs, clock=None, **options):
    """A replica with these faults."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "requests.jsonl")
        chosen = ReplicaOptions(
            faults=tuple(map(parse_fault, specs)), request_log=log, seed="faults", **options
        )
        with run_replica(chosen, clock=clock) as running, Client(running) as client:
            counter = client.create()
            client.install(counter, sample("counter"))
            yield Faulty(client=client, counter=counter, log=log)


def replied(count):
    """The outcome of a call that made the counter ``count``."""
    return Replied(candid.encode([candid.NAT], [count]))
