"""What the local replica costs. Figures are shown; only ratios are asserted, generously."""

import statistics
import time

import anyio
import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import generate_ed25519
from juno_snap.replica.background import start_background, stop_background
from juno_snap.replica.certify import Certifier
from juno_snap.replica.certify_tree import Branch
from juno_snap.replica.history import History
from juno_snap.replica.keys import keys_from_seed
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.replica.state import CANISTER_RANGES, canister_id
from tests.bench.figures import median_ms, report
from tests.replica.client import Client
from tests.replica.requests import ALICE, MINUTE_NS, call

CANISTER = canister_id(7)
NOW_NS = 1_700_000_000 * 1_000_000_000


async def async_median_ms(run, *, times):
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        await run()
        spent.append((time.perf_counter() - begin) * 1000)
    return statistics.median(spent)


@pytest.fixture
async def background_replica(tmp_path):
    """A replica in a process of its own, and how long it took to be ready, in milliseconds."""
    begin = time.perf_counter()
    started = await start_background(ReplicaOptions(directory=tmp_path / "replica"))
    ready_ms = (time.perf_counter() - begin) * 1000
    yield started, ready_ms
    with anyio.CancelScope(shield=True):
        await stop_background(tmp_path / "replica")


@pytest.mark.anyio
async def test_a_no_op_update_costs_a_few_times_a_status(background_replica, capsys):
    running, ready_ms = background_replica
    with Client(running) as client:
        canister = client.create("face")
    options = AgentOptions(url=running.url, root_key=running.root_key)
    async with await open_agent(options, generate_ed25519(ALICE.seed)) as agent:
        await agent.call(canister, "ping", b"")
        status_ms = await async_median_ms(agent.status, times=200)
        query_ms = await async_median_ms(lambda: agent.query(canister, "look", b""), times=200)
        update_ms = await async_median_ms(lambda: agent.call(canister, "ping", b""), times=300)
    report(
        capsys,
        replica_in_the_background_ready=ready_ms,
        replica_status=status_ms,
        replica_query_signed_and_verified=query_ms,
        replica_no_op_update_signed_and_verified=update_ms,
    )
    assert update_ms < 40 * status_ms


def test_a_replica_in_this_process_is_ready_at_once(capsys):
    begin = time.perf_counter()
    with run_replica() as running, Client(running) as client:
        ready_ms = (time.perf_counter() - begin) * 1000
        status_ms = median_ms(lambda: client.http.get("/api/v2/status"), times=50)
    report(capsys, replica_in_this_process_ready=ready_ms)
    assert ready_ms < 2000 * status_ms


def test_a_thousand_kept_requests_cost_a_certificate_little(capsys):
    certifier = Certifier(keys_from_seed("bench"), CANISTER_RANGES)
    history = History()
    number = 0

    def one_more():
        nonlocal number
        number += 1
        content = call(CANISTER, expiry_ns=NOW_NS + MINUTE_NS, nonce=number.to_bytes(8, "big"))
        request_id = history.receive(content, CANISTER).request_id
        history.begin(request_id)
        history.end(request_id, b"reply", NOW_NS)
        certifier.certificate(
            canisters=Branch(),
            requests=history.branch,
            time_ns=NOW_NS,
            paths=[(b"request_status", request_id)],
        )

    few_ms = median_ms(one_more, times=100)
    median_ms(one_more, times=800)
    many_ms = median_ms(one_more, times=100)
    report(capsys, certificate_with_50_requests=few_ms, certificate_with_950_requests=many_ms)
    assert len(history) == 1000
    assert many_ms < 3 * few_ms
