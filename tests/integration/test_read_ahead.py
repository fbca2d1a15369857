"""Slices that are asked for together with the metadata, and guesses that were wrong."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from juno_snap.agent.transport import HttpxTransport
from juno_snap.backup.layout import FILES
from juno_snap.management.types import AllowedViewers, CanisterSettings, Reinstall
from juno_snap.pipeline.backup_create import BackupRequest, make_backup
from juno_snap.pipeline.window import IN_FLIGHT_MAX
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.server import run_replica
from tests.bench.transfer import MEGABYTE, PAGE_BYTES, calls_in, take_full
from tests.integration.backup_world import slices_in
from tests.integration.management_world import OWNER, STRANGER, client_of
from tests.integration.pipeline_world import at

SMALL_MEGABYTES, LARGE_MEGABYTES = 8, 90
"""Fewer slices than may be under way at a time, and more."""

pytestmark = pytest.mark.anyio


class Counting:
    """A transport that knows how many calls were under way at a time, at most."""

    def __init__(self, url):
        self._below = HttpxTransport(url)
        self.url = url
        self.most_calls = self._calls = 0

    async def send(self, path, body, *, begin_within_seconds=None):
        is_call = path.endswith("/call")
        self._calls += is_call
        self.most_calls = max(self.most_calls, self._calls)
        try:
            return await self._below.send(path, body, begin_within_seconds=begin_within_seconds)
        finally:
            self._calls -= is_call

    async def aclose(self):
        await self._below.aclose()


@dataclass(frozen=True)
class Network:
    """A replica of its own whose requests are logged in ``folder``."""

    replica: object
    folder: Path

    def client(self):
        return client_of(self.replica)

    async def back_up(self, module, snapshot, name, *, identity=OWNER):
        """The backup, the calls that it took, and how many were under way at a time."""
        log = self.folder / "requests.jsonl"
        passed = log.stat().st_size
        counting = Counting(self.replica.url)
        async with client_of(self.replica, identity, transport=counting) as client:
            request = BackupRequest(directory=self.folder / name, which=str(snapshot))
            made = await make_backup(at(client), module, request)
        assert counting.most_calls <= IN_FLIGHT_MAX
        return made.backup, calls_in(log, passed)


@contextlib.contextmanager
def network(folder, **options):
    log = folder / "requests.jsonl"
    with run_replica(ReplicaOptions(request_log=log, **options)) as replica:
        yield Network(replica, folder)


def check_same(left, right):
    for name in FILES.values():
        assert (left.path / name).read_bytes() == (right.path / name).read_bytes(), name


async def test_a_small_snapshot_is_there_before_its_metadata(tmp_path):
    slow = parse_fault("delay=2s@call:read_canister_snapshot_metadata")
    with network(tmp_path, faults=(slow,)) as there:
        async with there.client() as client:
            module, snapshot = await take_full(client, SMALL_MEGABYTES)
        backup, calls = await there.back_up(module, snapshot, "copy")
    *slices, metadata = sorted(calls, key=lambda each: each["round"])
    assert metadata["method"] == "read_canister_snapshot_metadata"
    assert len(slices) == slices_in(backup)  # each once


async def test_each_slice_of_a_large_one_is_asked_for_once(tmp_path):
    with network(tmp_path) as there:
        async with there.client() as client:
            module, snapshot = await take_full(client, LARGE_MEGABYTES)
        backup, calls = await there.back_up(module, snapshot, "copy")
    assert slices_in(backup) > IN_FLIGHT_MAX
    assert len(calls) == 1 + slices_in(backup)


SIZED = """
(module
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (memory {heap})
  (func (export "canister_init") (drop (call $grow (i64.const {stable})))))
"""


def code(*, heap=0, stable=0):
    """A module with so many megabytes of either memory."""
    heap, stable = (each * MEGABYTE // PAGE_BYTES for each in (heap, stable))
    return wasm_from_text(SIZED.format(heap=heap, stable=stable))


LARGER = 2 * LARGE_MEGABYTES
CHANGES = {
    "smaller": code(heap=1),
    "larger": code(heap=LARGER),
    "elsewhere": code(stable=LARGER),
}


@pytest.mark.parametrize("megabytes", [SMALL_MEGABYTES, LARGE_MEGABYTES])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_module_that_has_changed_since(tmp_path, change, megabytes):
    with network(tmp_path) as there:
        async with there.client() as client:
            module, snapshot = await take_full(client, megabytes)
            undisturbed, _ = await there.back_up(module, snapshot, "before")
            await client.install_code(module, Reinstall(), CHANGES[change], b"")
        backup, _ = await there.back_up(module, snapshot, "after")
    check_same(backup, undisturbed)


async def test_what_is_under_way_counts_though_it_does_not_come_first(tmp_path):
    with network(tmp_path) as there:
        async with there.client() as client:
            module, _ = await take_full(client, 1)
            both = code(heap=LARGE_MEGABYTES, stable=LARGE_MEGABYTES)
            await client.install_code(module, Reinstall(), both, b"")
            snapshot = (await client.take_canister_snapshot(module)).id
            await client.install_code(module, Reinstall(), code(stable=LARGE_MEGABYTES), b"")
        await there.back_up(module, snapshot, "copy")


async def test_someone_who_may_read_the_snapshot_but_not_the_status(tmp_path):
    with network(tmp_path) as there:
        async with there.client() as client:
            module, snapshot = await take_full(client, SMALL_MEGABYTES)
            viewers = AllowedViewers((STRANGER.principal,))
            await client.update_settings(module, CanisterSettings(snapshot_visibility=viewers))
        undisturbed, _ = await there.back_up(module, snapshot, "owner")
        backup, calls = await there.back_up(module, snapshot, "stranger", identity=STRANGER)
    check_same(backup, undisturbed)
    assert len(calls) == 1 + slices_in(backup)
