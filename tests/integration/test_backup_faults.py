"""Backups over a network that slows down, loses answers and refuses for a while."""

import contextlib
import json

import pytest

from juno_snap.agent.transport import HttpxTransport
from juno_snap.backup.layout import FILES
from juno_snap.pipeline.backup_create import BackupRequest, make_backup
from juno_snap.pipeline.backup_restore import UploadRequest, prepare_upload, run_upload
from juno_snap.pipeline.window import IN_FLIGHT_MAX
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.bench.transfer import calls_in, most_in_flight, take_full
from tests.integration.backup_world import slices_in
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import at
from tests.integration.slow_line import slow_line

MEGABYTES = 8
LIMIT_SECONDS = 2
"""For one exchange, on a line that takes one and a half times as long for all of them."""
READ, SENT = "read_canister_snapshot_data", "upload_canister_snapshot_data"

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def network(log, *faults):
    """The owner's client of a replica of its own, and a module with a snapshot."""
    options = ReplicaOptions(faults=tuple(map(parse_fault, faults)), request_log=log)
    with run_replica(options) as replica:
        async with client_of(replica) as client:
            module, snapshot = await take_full(client, MEGABYTES)
            yield client, module, snapshot


@pytest.mark.parametrize(
    "fault",
    ["http=429x6", "drop-after=3", "drop-before=3", "http-after=503x3", "reject=IC0210x2"],
)
@pytest.mark.parametrize("method", [READ, SENT])
async def test_a_snapshot_comes_through(tmp_path, method, fault):
    log = tmp_path / "requests.jsonl"
    async with network(log, f"{fault}@call:{method}") as (client, module, snapshot):
        workspace = at(client)
        request = BackupRequest(directory=tmp_path / "copy", which=str(snapshot))
        await make_backup(workspace, module, request)
        upload = UploadRequest(path=tmp_path / "copy", loads=False)
        done = await run_upload(workspace, await prepare_upload(workspace, module, upload))
        # The upload has read some of it back; this reads all.
        again = BackupRequest(directory=tmp_path / "again", which=str(done.snapshot))
        await make_backup(workspace, module, again)
        assert len(await client.list_canister_snapshots(module)) == 2
    for name in FILES.values():
        copies = [(tmp_path / each / name).read_bytes() for each in ("copy", "again")]
        assert copies[0] == copies[1], name
    happened = [json.loads(line).get("faults") for line in log.read_text().splitlines()]
    assert any(happened)
    assert most_in_flight(calls_in(log, 0)) <= IN_FLIGHT_MAX


async def test_a_line_on_which_all_slices_together_take_too_long(tmp_path):
    log = tmp_path / "requests.jsonl"
    options = ReplicaOptions(request_log=log, receive_timeout_seconds=LIMIT_SECONDS)
    line_bytes_per_second = 2 * MEGABYTES * 1_000_000 / (3 * LIMIT_SECONDS)
    with run_replica(options) as replica:
        async with client_of(replica) as near:
            module, snapshot = await take_full(near, MEGABYTES)
        async with (
            slow_line(replica.url, line_bytes_per_second) as url,
            client_of(replica, transport=HttpxTransport(url, total_seconds=LIMIT_SECONDS)) as far,
        ):
            request = BackupRequest(directory=tmp_path / "copy", which=str(snapshot))
            made = await make_backup(at(far), module, request)
            reads = [each for each in calls_in(log, 0) if each["method"] == READ]
            assert len(reads) == slices_in(made.backup)  # nothing was asked for twice
            upload = UploadRequest(path=tmp_path / "copy", loads=False)
            done = await run_upload(at(far), await prepare_upload(at(far), module, upload))
        async with client_of(replica) as near:
            there = {each.id for each in await near.list_canister_snapshots(module)}
    assert there == {snapshot, done.snapshot}


@pytest.mark.parametrize("fault", ["drop-after=1", "http-after=503x2", "late=300msx1"])
async def test_the_call_that_makes_the_snapshot_takes_one_slot(tmp_path, fault):
    log = tmp_path / "requests.jsonl"
    making = "upload_canister_snapshot_metadata"
    async with network(log, f"{fault}@call:{making}") as (client, module, snapshot):
        workspace = at(client)
        request = BackupRequest(directory=tmp_path / "copy", which=str(snapshot))
        await make_backup(workspace, module, request)
        upload = UploadRequest(path=tmp_path / "copy", loads=False)
        done = await run_upload(workspace, await prepare_upload(workspace, module, upload))
        there = {each.id for each in await client.list_canister_snapshots(module)}
    assert there == {snapshot, done.snapshot}
