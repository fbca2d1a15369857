"""How often the network has to agree, counted in the replica's request log."""

import pytest

from juno_snap.pipeline.policy import ReplaceSnapshot
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import (
    V2,
    at,
    candidate,
    grown,
    install_with_document,
    management_calls,
)

pytestmark = pytest.mark.anyio
MODULE_MEBIBYTES = 6.2
CHUNKS = 7


@pytest.fixture
def log_path(tmp_path):
    return tmp_path / "requests.jsonl"


@pytest.fixture
async def client(log_path):
    with run_replica(ReplicaOptions(round_ms=200, request_log=log_path)) as replica:
        async with client_of(replica) as client:
            yield client


async def test_a_large_upgrade_takes_seven_rounds_four_of_them_without_the_module(client, log_path):
    module = await install_with_document(client)
    await client.take_canister_snapshot(module)
    before = len(management_calls(log_path, module))
    request = UpgradeRequest(snapshots=ReplaceSnapshot(which="oldest"))
    prepared = await prepare_upgrade(
        at(client), module, request, candidate(grown(V2, MODULE_MEBIBYTES))
    )
    await run_upgrade(at(client), prepared)

    calls = management_calls(log_path, module)[before:]
    rounds = {method: {number for name, number in calls if name == method} for method, _ in calls}
    down = ["stop_canister", "take_canister_snapshot", "install_chunked_code", "start_canister"]
    (stopped,), (started,) = rounds["stop_canister"], rounds["start_canister"]
    between = sorted((number, method) for method, number in calls if stopped <= number <= started)
    assert [method for _, method in between] == down
    assert len({number for number, _ in between}) <= 4
    assert len({number for _, number in calls}) <= 7
    assert len(calls) == prepared.plan.outline.update_calls == 3 + CHUNKS + 4 + 2
    assert len({number for _, number in calls}) == prepared.plan.outline.rounds
    assert max(rounds["upload_chunk"]) < stopped
    assert min(rounds["clear_chunk_store"] | rounds["delete_canister_snapshot"]) > started


async def test_a_small_upgrade_takes_five_rounds(client, log_path):
    module = await install_with_document(client)
    before = len(management_calls(log_path, module))
    prepared = await prepare_upgrade(at(client), module, UpgradeRequest(), candidate(V2))
    await run_upgrade(at(client), prepared)
    calls = management_calls(log_path, module)[before:]
    assert len(calls) == prepared.plan.outline.update_calls == 7
    assert len({number for _, number in calls}) == prepared.plan.outline.rounds == 5
