"""What an upgrade costs at the pace of a network: calls, rounds, downtime, time in all.

Peers, counted in their sources for a module of 6.5 MB with a snapshot: Juno's CLI sends 15 update
calls and takes 9 rounds, 8 of them while the module is down.
"""

import sys

import pytest

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

ROUND_MS = 500
MODULE_MEBIBYTES = 3.3
"""3.5 MB, four chunks."""
CALLS = 3 + 4 + 4 + 1
ROUNDS = 7
ROUNDS_DOWN = 4


@pytest.mark.anyio
async def test_an_upgrade_of_three_and_a_half_megabytes(tmp_path, capsys):
    log_path = tmp_path / "requests.jsonl"
    with run_replica(ReplicaOptions(round_ms=ROUND_MS, request_log=log_path)) as replica:
        async with client_of(replica) as client:
            module = await install_with_document(client)
            before = len(management_calls(log_path, module))
            wasm = candidate(grown(V2, MODULE_MEBIBYTES))
            prepared = await prepare_upgrade(at(client), module, UpgradeRequest(), wasm)
            report = await run_upgrade(at(client), prepared)
    calls = management_calls(log_path, module)[before:]
    rounds = {number for _, number in calls}
    rounds_of = dict(calls)
    down = [
        number
        for number in rounds
        if rounds_of["stop_canister"] <= number <= rounds_of["start_canister"]
    ]
    with capsys.disabled():
        sys.stdout.write(
            f"\nupgrade of {wasm.size_bytes / 1e6:.1f} MB, rounds of {ROUND_MS} ms: "
            f"{len(calls)} calls, {len(rounds)} rounds, {len(down)} of them down, "
            f"{report.facts.downtime_ms} ms down, {report.facts.duration_ms} ms in all\n"
        )
    assert len(calls) == CALLS
    assert len(rounds) <= ROUNDS
    assert len(down) <= ROUNDS_DOWN
