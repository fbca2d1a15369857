"""An upgrade that is killed while it uploads, and what the next one makes of that."""

import asyncio

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import (
    V2,
    candidate,
    document,
    grown,
    install_with_document,
    management_calls,
    upgrade_process,
    upgraded,
)

pytestmark = pytest.mark.anyio
MODULE_MEBIBYTES = 19.5
CHUNKS = 20
SEEN_BEFORE_THE_KILL = 3
FOREIGN_CHUNK = b"of somebody else"


@pytest.fixture
def log_path(tmp_path):
    return tmp_path / "requests.jsonl"


@pytest.fixture
def replica(log_path):
    with run_replica(ReplicaOptions(round_ms=200, request_log=log_path)) as running:
        yield running


async def killed_while_uploading(replica, client, log_path, module, wasm_path, pem_path):
    """Run an upgrade in a process of its own and kill it once some chunks have arrived."""
    process = await upgrade_process(replica, module, wasm_path, pem_path)
    try:
        while uploads(log_path, module) < SEEN_BEFORE_THE_KILL:
            assert process.returncode is None
            await asyncio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()
    # What the killed process had sent is still executed; then the log is still.
    await client.stored_chunks(module)


def uploads(log_path, module):
    return [method for method, _ in management_calls(log_path, module)].count("upload_chunk")


async def test_chunks_of_a_killed_upload_are_reused(replica, log_path, tmp_path):
    wasm = grown(V2, MODULE_MEBIBYTES)
    wasm_path, pem_path = tmp_path / "v2.wasm", tmp_path / "owner.pem"
    wasm_path.write_bytes(wasm)
    async with client_of(replica) as client:
        pem_path.write_bytes(client.agent.identity.to_pem())
        module = await install_with_document(client)
        await killed_while_uploading(replica, client, log_path, module, wasm_path, pem_path)
        arrived = len(await client.stored_chunks(module))
        assert SEEN_BEFORE_THE_KILL <= arrived < CHUNKS
        assert (await client.canister_status(module)).status == "running"
        before = uploads(log_path, module)
        report = await upgraded(client, module, wasm)
        assert report.outcome == "upgraded"
        assert uploads(log_path, module) - before == CHUNKS - arrived
        staged = next(step for step in report.facts.steps if step.name == "stage")
        assert staged.evidence == {"sent": CHUNKS - arrived, "reused": arrived}
        assert await client.stored_chunks(module) == ()
        assert await document(client, module, "greeting") == "hello"


async def test_chunks_of_others_stay_in_the_store_unless_told(replica):
    async with client_of(replica) as client:
        module = await install_with_document(client)
        foreign = await client.upload_chunk(module, FOREIGN_CHUNK)
        first, second = grown(V2, 3), grown(V2, 3)
        await upgraded(client, module, first)
        assert set(await client.stored_chunks(module)) == {foreign, *candidate(first).chunk_hashes}
        await upgraded(client, module, second, clear_chunks=True)
        assert await client.stored_chunks(module) == ()
