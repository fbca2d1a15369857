"""Snapshots of a chosen size carried to disk and back, and what that takes of a process."""

import contextlib
import itertools
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from juno_snap.management.types import Install
from juno_snap.replica.background import start_background, stop_background
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.units import NS_PER_MS
from tests.crash.crash_world import clean_environment
from tests.integration.cli_world import child_command
from tests.integration.management_world import NO_ARGUMENTS, OWNER
from tests.motoko import require_npm_packages

PAGE_BYTES = 65_536
MEGABYTE = 1_000_000
LOOK_AGAIN_SECONDS = 0.02

FULL = """
(module
  (import "ic0" "msg_reply" (func $reply))
  (memory {pages})
  (func (export "canister_update fill") (param) (local $at i64) (local $x i64)
    (local.set $x (i64.const 88172645463325252))
    (loop $next
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (i64.store (i32.wrap_i64 (local.get $at)) (local.get $x))
      (local.set $at (i64.add (local.get $at) (i64.const 64)))
      (br_if $next (i64.lt_u (local.get $at) (i64.const {bytes}))))
    (call $reply)))
"""
"""Has something else in each 64 bytes of its memory, so that no slice is nothing but zeros."""


async def take_full(client, megabytes):
    """A module with that much on its heap, and a snapshot of it."""
    pages = megabytes * MEGABYTE // PAGE_BYTES
    module = await client.provisional_create_canister()
    text = FULL.format(pages=pages, bytes=pages * PAGE_BYTES)
    await client.install_code(module, Install(), wasm_from_text(text), b"")
    await client.agent.call(module, "fill", NO_ARGUMENTS)
    return module, (await client.take_canister_snapshot(module)).id


@contextlib.asynccontextmanager
async def replica_at(folder, round_ms=0):
    """A replica in a process of its own, which shares none with either client."""
    log = folder / "requests.jsonl"
    options = ReplicaOptions(directory=folder / "replica", round_ms=round_ms, request_log=log)
    try:
        yield await start_background(options)
    finally:
        await stop_background(options.directory)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a process took."""

    seconds: float
    peak_bytes: int
    in_flight: int = 0
    """Calls under way at a time, at most."""
    rounds: int = 0
    """That executed any of its calls."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Our program and icp, each with the owner's key and settings of its own, at one replica."""

    replica: object
    folder: Path
    owner: object = OWNER

    @property
    def ours_environment(self):
        return clean_environment() | {
            "HOME": str(self.folder),
            "JUNO_SNAP_NETWORK": self.replica.url,
            "JUNO_SNAP_ROOT_KEY": self.replica.root_key.hex(),
            "JUNO_SNAP_IDENTITY": str(self.key_file),
            "JUNO_SNAP_STATE": str(self.folder / "state"),
        }

    @property
    def key_file(self):
        place = self.folder / "owner.pem"
        if not place.exists():
            place.write_bytes(self.owner.to_pem())
            place.chmod(0o600)
        return place

    def ours(self, *words):
        return self.measure(child_command(*words, "--headless", "--json"), self.ours_environment)

    def icp(self, *words):
        """``icp canister snapshot``."""
        return self.measure(
            [self.icp_program, "canister", "snapshot", *words, *self.icp_network],
            self.icp_environment,
        )

    def import_key(self):
        """Once, before ``icp``."""
        key = ("owner", "--from-pem", self.key_file, "--storage", "plaintext")
        command = [self.icp_program, "identity", "import", *key]
        self.measure(command, self.icp_environment)

    @property
    def icp_program(self):
        return require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"

    @property
    def icp_environment(self):
        home = {"HOME": str(self.folder), "DO_NOT_TRACK": "1", "NO_COLOR": "1"}
        return clean_environment() | home

    @property
    def icp_network(self):
        root_key = self.replica.root_key.hex()
        return ["--network", self.replica.url, "--root-key", root_key, "--identity", "owner"]

    def measure(self, command, environment):
        """Run it to its end, which has to be a good one."""
        began = time.monotonic()
        log = self.folder / "requests.jsonl"
        passed = log.stat().st_size if log.exists() else 0
        with (self.folder / "said").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                list(map(str, command)),
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            peak = watched(process)
            seconds = time.monotonic() - began
            said.seek(0)
            assert process.returncode == 0, said.read()
        calls = calls_in(log, passed)
        rounds = len({each["round"] for each in calls})
        return Taken(
            seconds=seconds, peak_bytes=peak, in_flight=most_in_flight(calls), rounds=rounds
        )


def watched(process):
    """The most memory that ``process`` has held, known when it has ended.

    Read from VmHWM: what ``getrusage`` says begins with the size of the process that started it.
    """
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.returncode is None:
        with contextlib.suppress(OSError):
            for line in status.read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_AGAIN_SECONDS)
    return peak


def calls_in(log, passed):
    """What the request log says of calls from ``passed``."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(passed)
        return [line for line in map(json.loads, file) if line["kind"] == "call"]


def most_in_flight(calls):
    """How many calls were under way at the same time."""
    begins = [(each["at_ns"], 1) for each in calls]
    ends = [(each["at_ns"] + each["duration_ms"] * NS_PER_MS, -1) for each in calls]
    return max(itertools.accumulate(step for _, step in sorted(begins + ends)), default=0)


def row(what, taken):
    return (
        f"{what:<24} {taken.seconds:7.2f} s {taken.peak_bytes / MEGABYTE:7.0f} MB "
        f"{taken.in_flight:4} calls at a time {taken.rounds:4} rounds\n"
    )


def tell(capsys, text):
    with capsys.disabled():
        sys.stdout.write(text)
