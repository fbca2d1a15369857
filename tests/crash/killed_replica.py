"""A replica that is killed at any moment, and what has to be true of it afterwards."""

import contextlib
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from hashlib import sha256

import httpx

from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica.background import find_running
from juno_snap.replica.management.methods import METHODS
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire.candid import Tagged, decode, encode
from juno_snap.wire.request_status import Replied
from tests.chance import Chance
from tests.replica.client import Client

FOREGROUND = """
import sys
from pathlib import Path
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import serve
serve(
    ReplicaOptions(directory=Path(sys.argv[1])),
    on_ready=lambda replica: print(replica.url, flush=True),
)
"""

MODULE = """
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory (export "memory") 64)
  (@custom "icp:public version" "{version}")
  (func $fill
    (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store (local.get $at) (i32.add (local.get $at) (i32.const {version})))
      (local.set $at (i32.add (local.get $at) (i32.const 256)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 4194304)))))
  (func (export "canister_init") (call $fill))
  (func (export "canister_post_upgrade") (call $fill))
  (func (export "canister_update bump")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_query count")
    (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_query filled")
    (call $append (i32.const 4194048) (i32.const 4)) (call $reply)))
"""
"""Writes to each of its pages when it is installed, so that a checkpoint takes a while."""


def module(version):
    return wasm_from_text(MODULE.format(version=version))


@dataclass
class Expected:
    """What the client was told, and so must be there."""

    version: int | None = None
    snapshots: set = field(default_factory=set)
    count: int = 0
    count_written: int = 0
    """What the count was at the last acknowledged management call, or is since the last install."""


@dataclass
class Action:
    """A management call, and what it makes of the state once its reply is known."""

    method: str
    fields: dict
    apply: object


@dataclass
class Killed:
    """One module on a replica in ``directory``, and the model of it. ``chance`` decides all."""

    directory: object
    chance: Chance
    expected: Expected = field(default_factory=Expected)
    canister: object = None
    unclear: tuple | None = None
    """The call that was under way at the kill: its content and action."""
    acknowledged: int = 0
    settled_by: dict = field(default_factory=lambda: {"known": 0, "sent again": 0})

    def life(self, *, kill_after_seconds):
        """Start, check, act until the kill; None never kills, and only checks."""
        process = subprocess.Popen(
            [sys.executable, "-c", FOREGROUND, str(self.directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout.readline(), process.stderr.read()
            with Client(find_running(self.directory)) as self.client:
                self.canister = self.canister or self.client.create()
                self.settle()
                self.check()
                if kill_after_seconds is not None:
                    self.act_until_killed(process, kill_after_seconds)
        finally:
            process.kill()
            process.communicate(timeout=30)

    def act_until_killed(self, process, seconds):
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        with contextlib.suppress(httpx.TransportError):
            while True:
                self.act()
        timer.join()

    def act(self):
        if self.expected.version is not None and self.chance.below(10) < 3:
            self.bump()
            return
        action = self.choose()
        payload = encode([METHODS[action.method].arguments], [action.fields])
        content = self.client.call_content(
            MANAGEMENT_CANISTER, action.method, payload, nonce=self.chance.draw_bytes(16)
        )
        self.unclear = (content, action)
        self.finish(self.client.post_call(content, target=self.canister))

    def bump(self):
        before = self.expected.count
        content = self.client.call_content(self.canister, "bump", nonce=self.chance.draw_bytes(16))
        outcome = self.client.outcome(self.client.post_call(content), content)
        assert outcome == Replied((before + 1).to_bytes(4, "little"))
        self.expected.count += 1

    def choose(self):
        versions = {"install": 1} if self.expected.version is None else {}
        if self.expected.version is not None:
            newer = self.expected.version + 1
            versions = {"upgrade": newer, "reinstall": newer}
        choices = [self.installing(mode, version) for mode, version in versions.items()]
        if self.expected.version is not None:
            choices += [self.taking()] * 3
        choices += [self.deleting(each) for each in sorted(self.expected.snapshots)]
        return self.chance.choose(choices)

    def installing(self, mode, version):
        def apply(_reply):
            self.expected.version, self.expected.count = version, 0

        fields = {
            "canister_id": self.canister,
            "mode": Tagged(mode),
            "wasm_module": module(version),
            "arg": b"",
        }
        return Action("install_code", fields, apply)

    def taking(self):
        old = sorted(self.expected.snapshots)
        replace = self.chance.choose(old) if len(old) > 3 else None

        def apply(reply):
            self.expected.snapshots.discard(replace)
            assert reply["id"] not in self.expected.snapshots
            self.expected.snapshots.add(reply["id"])

        fields = {"canister_id": self.canister, "replace_snapshot": replace}
        return Action("take_canister_snapshot", fields, apply)

    def deleting(self, snapshot_id):
        fields = {"canister_id": self.canister, "snapshot_id": snapshot_id}
        return Action(
            "delete_canister_snapshot",
            fields,
            lambda _reply: self.expected.snapshots.discard(snapshot_id),
        )

    def settle(self):
        """Send the call that was under way again, the same bytes: it has run once, then."""
        if self.unclear is None:
            return
        content, _ = self.unclear
        path = (b"request_status", content.request_id(), b"status")
        known = self.client.read(self.canister, path).find(path, "status") is not None
        self.settled_by["known" if known else "sent again"] += 1
        written = self.expected.count_written
        self.finish(self.client.post_call(content, target=self.canister))
        self.expected.count_written = min(written, self.expected.count)

    def finish(self, answer):
        content, action = self.unclear
        assert answer.status_code == 200, answer.text
        outcome = self.client.outcome(answer, content, target=self.canister)
        assert isinstance(outcome, Replied), outcome
        values = decode(outcome.reply, METHODS[action.method].results)
        action.apply(values[0] if values else None)
        self.unclear = None
        self.acknowledged += 1
        self.expected.count_written = self.expected.count

    def check(self):
        """Every acknowledged management call is there; of the rest, the last seconds may miss."""
        expected, client = self.expected, self.client
        path = (b"canister", self.canister.raw, b"module_hash")
        found = client.read(self.canister, path).find(path, "the hash")
        if expected.version is None:
            assert found is None
            return
        assert found == sha256(module(expected.version)).digest()
        listed = client.manage("list_canister_snapshots", self.canister, canister_id=self.canister)
        assert {each["id"] for each in listed} == expected.snapshots
        filled, _ = client.query(self.canister, "filled")
        assert int.from_bytes(filled.arg, "little") == 4194048 + expected.version
        counted, _ = client.query(self.canister, "count")
        count = int.from_bytes(counted.arg, "little")
        assert expected.count_written <= count <= expected.count + 1
        expected.count = expected.count_written = count
