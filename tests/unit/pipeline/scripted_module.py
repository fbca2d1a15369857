"""A double for the order of faults: one module behind the methods of a management client.

It keeps the network's rules that matter for the order of things, and nothing else; that the real
parts work together is tested against the local replica.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from juno_snap.errors import (
    DecodeError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.management.types import CertifiedInfo, GlobalTimer, Snapshot, SnapshotMetadata
from juno_snap.units import MIB
from tests.unit.pipeline.values import CALLER, MODULE, OLD_HASH, snapshot_id, status

SECOND_NS = 1_000_000_000
BEGIN_NS = 1_800_000_000 * SECOND_NS


class PatientClock:
    """Short waits pass at once; a long one lasts until ``overdue`` is called."""

    def __init__(self, longest_seconds=5.0):
        self._now_ns = BEGIN_NS
        self._longest_seconds = longest_seconds
        self._overdue = asyncio.Event()
        self.sleeps = []

    def now_ns(self):
        return self._now_ns

    def monotonic_ns(self):
        return self._now_ns

    async def sleep(self, seconds):
        self.sleeps.append(seconds)
        if seconds > self._longest_seconds:
            await self._overdue.wait()
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds):
        self._now_ns += round(seconds * SECOND_NS)

    def overdue(self):
        """Long waits end."""
        self._overdue.set()


def certified_reject(error_code="IC0503", message="trapped"):
    return RejectedError(message, reject_code=5, error_code=error_code, certified=True)


def uncertified_reject():
    return RejectedError("no", reject_code=4, error_code="IC0512", certified=False)


def outcome_unknown(expires_in_seconds=1):
    expires_at_ns = BEGIN_NS + expires_in_seconds * SECOND_NS
    return OutcomeUnknownError("?", request_id=b"\x01" * 32, expires_at_ns=expires_at_ns)


def not_delivered():
    return TransportError("no route", url="http://x", maybe_delivered=False)


@dataclass
class Fault:
    """What happens to one call: an error, before or after the call took effect."""

    error: BaseException | None = None
    takes_effect: bool = False
    before: Callable[[], None] | None = None
    """Called when the call is sent."""
    gate: asyncio.Event | None = None
    """The call takes effect and is answered only when this is set."""


FAULTS = {
    "certified reject": lambda: Fault(certified_reject()),
    "temporary reject": lambda: Fault(certified_reject("IC0210", "heap delta rate limited")),
    "uncertified reject": lambda: Fault(uncertified_reject()),
    "not delivered": lambda: Fault(not_delivered()),
    "lost before": lambda: Fault(outcome_unknown()),
    "lost after": lambda: Fault(outcome_unknown(), takes_effect=True),
    "forged": lambda: Fault(TrustError("forged"), takes_effect=True),
    "unreadable": lambda: Fault(DecodeError("garbage"), takes_effect=True),
    "bug": lambda: Fault(ZeroDivisionError("a bug of ours")),
}


class ScriptedModule:
    """The module and the client that manages it."""

    def __init__(self, *, clock=None, snapshots=(), chunks=(), run_status="running", faults=None):
        self.clock = clock or PatientClock()
        self.agent = SimpleNamespace(identity=SimpleNamespace(principal=CALLER), clock=self.clock)
        self.calls = []
        self.faults = defaultdict(list, {name: list(all_) for name, all_ in (faults or {}).items()})
        self.run_status = run_status
        self.module_hash = OLD_HASH
        self.data = "old"
        self.controllers = (CALLER,)
        self.snapshots = {old.id: (old, OLD_HASH, "older") for old in snapshots}
        self.chunks = set(chunks)
        self.timer_at_ns = None
        self.last_install_at_ns = 500
        self._next_snapshot = len(snapshots)
        self._pending_stop = None

    def with_call_ttl(self, seconds, *, settle=False):
        assert (seconds, settle) == (120, True)
        return self

    async def _call(self, name, effect):
        self.calls.append(name)
        fault = self.faults[name].pop(0) if self.faults[name] else Fault(takes_effect=True)
        if fault.before:
            fault.before()
        await asyncio.sleep(0)
        if fault.gate:
            await fault.gate.wait()
        self.clock.advance(1)
        result = effect() if fault.takes_effect or fault.error is None else None
        if fault.error is not None:
            raise fault.error
        return result

    async def canister_info(self, _module, *, not_before_ns=0):
        self.calls.append("canister_info")
        await asyncio.sleep(0)
        self.clock.advance(0.1)
        assert self.clock.now_ns() >= not_before_ns
        return CertifiedInfo(
            exists=True,
            module_hash=self.module_hash,
            controllers=self.controllers,
            last_install_at_ns=self.last_install_at_ns,
            certified_at_ns=self.clock.now_ns(),
        )

    async def metadata_sections(self, _module, names):
        return dict.fromkeys(names)

    async def metadata(self, _module, _name):
        return None

    async def canister_status(self, _module):
        return await self._call(
            "canister_status",
            lambda: status(status=self.run_status, module_hash=self.module_hash),
        )

    async def list_canister_snapshots(self, _module):
        return await self._call(
            "list_canister_snapshots", lambda: [kept[0] for kept in self.snapshots.values()]
        )

    async def stored_chunks(self, _module):
        return await self._call("stored_chunks", lambda: tuple(self.chunks))

    async def upload_chunk(self, _module, chunk):
        digest = hashlib.sha256(chunk).digest()
        await self._call("upload_chunk", lambda: self.chunks.add(digest))
        return digest

    async def clear_chunk_store(self, _module):
        return await self._call("clear_chunk_store", self._clear)

    async def stop_canister(self, _module):
        return await self._call("stop_canister", self._stop)

    async def start_canister(self, _module):
        return await self._call("start_canister", self._start)

    async def take_canister_snapshot(self, _module, *, replace=None):
        return await self._call("take_canister_snapshot", lambda: self._take(replace))

    async def delete_canister_snapshot(self, _module, snapshot):
        return await self._call(
            "delete_canister_snapshot", lambda: self._now(self.snapshots.pop(snapshot))
        )

    async def install_code(self, _module, _mode, wasm, _arg):
        digest = hashlib.sha256(wasm).digest()
        return await self._call("install_code", lambda: self._install(digest))

    async def install_chunked_code(self, _module, _mode, hashes, digest, _arg):
        assert set(hashes) <= self.chunks
        return await self._call("install_chunked_code", lambda: self._install(digest))

    async def load_canister_snapshot(self, _module, snapshot):
        return await self._call("load_canister_snapshot", lambda: self._load(snapshot))

    async def read_canister_snapshot_metadata(self, _module, snapshot):
        taken = self.snapshots[snapshot][0]
        metadata = SnapshotMetadata(
            source="taken_from_canister",
            taken_at_ns=taken.taken_at_ns,
            wasm_module_bytes=3,
            globals=(),
            wasm_memory_bytes=MIB,
            stable_memory_bytes=0,
            wasm_chunk_store=(),
            canister_version=3,
            certified_data=b"",
            global_timer=GlobalTimer(self.timer_at_ns),
            on_low_wasm_memory_hook_status=None,
        )
        return await self._call("read_canister_snapshot_metadata", lambda: metadata)

    def _now(self, _done):
        return self.clock.now_ns()

    def _clear(self):
        return self._now(self.chunks.clear())

    def _stop(self):
        self.run_status = "stopped"
        return self._now(None)

    def _start(self):
        self.run_status = "running"
        return self._now(None)

    def _take(self, replaced):
        if replaced is not None:
            del self.snapshots[replaced]
        taken = Snapshot(
            id=snapshot_id(self._next_snapshot, MODULE),
            taken_at_ns=self.clock.now_ns(),
            total_size_bytes=MIB,
        )
        self._next_snapshot += 1
        self.snapshots[taken.id] = (taken, self.module_hash, self.data)
        return taken

    def _install(self, digest):
        self.module_hash, self.data = digest, "new"
        self.last_install_at_ns = self.clock.now_ns()
        return self._now(None)

    def _load(self, snapshot):
        _, self.module_hash, self.data = self.snapshots[snapshot]
        self.last_install_at_ns = self.clock.now_ns()
        return self._now(None)

    def sent(self, *names):
        """The calls of these names in their order."""
        return [name for name in self.calls if name in names]


def changing_calls(module):
    """What was sent that changes something, in order."""
    reading = {
        "canister_info", "canister_status", "list_canister_snapshots", "stored_chunks",
        "read_canister_snapshot_metadata",
    }  # fmt: skip
    return [name.removesuffix("_canister") for name in module.calls if name not in reading]
