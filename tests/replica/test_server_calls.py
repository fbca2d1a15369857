"""Calls between canisters, timers and heartbeats as clients of a whole replica see them."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica.management.methods import METHODS
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.wire.candid import encode
from juno_snap.wire.certificate import request_status
from juno_snap.wire.request_status import Pending, Rejected, Replied
from tests.replica.client import Client
from tests.replica.puppet import (
    END,
    HEARTBEAT,
    TIMER,
    call,
    hold,
    note,
    puppet,
    reply,
    set_task,
    set_timer,
)

PATIENCE_SECONDS = 20


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "replica"


@pytest.fixture
def impatient(directory):
    """A replica whose synchronous calls do not wait."""
    return ReplicaOptions(directory=directory, sync_call_seconds=1.0)


def installed(client, wasm, *more_controllers):
    canister = client.create()
    client.install(canister, wasm)
    controllers = [client.sender, *more_controllers]
    client.manage(
        "update_settings",
        canister,
        canister_id=canister,
        settings={"controllers": [*controllers, canister]},
    )
    return canister


def run(client, canister, program):
    outcome = client.call(canister, "run", program + END)
    assert isinstance(outcome, Replied), outcome
    return outcome.reply


def trace(client, canister):
    return client.query(canister, "trace")[0].arg


def status(client, canister, request_id):
    verified = client.read(canister, (b"request_status", request_id))
    return request_status(verified, request_id)


def until(condition):
    """Wait until ``condition`` holds."""
    for _ in range(PATIENCE_SECONDS * 50):
        if condition():
            return
        Event().wait(0.02)
    raise AssertionError("it never holds")


def test_a_call_goes_through_two_canisters_and_back(client):
    here, there = (installed(client, puppet()) for _ in range(2))
    program = call(there, note("x") + reply(b"pong"), on_reply=reply(b"done"))
    assert run(client, here, program) == b"done"
    assert trace(client, there) == b"x"


def test_with_rounds_that_last_all_that_follows_is_in_one_round(tmp_path):
    log = tmp_path / "log.jsonl"
    options = ReplicaOptions(round_ms=50, request_log=log)
    with run_replica(options) as running, Client(running) as client:
        here, there = (installed(client, puppet()) for _ in range(2))
        inner = call(here, reply(), on_reply=reply())
        assert run(client, here, call(there, inner, on_reply=reply(b"done"))) == b"done"
        run(client, here, reply())
    rounds = [json.loads(line)["round"] for line in log.read_text().splitlines()]
    assert rounds == list(range(1, len(rounds) + 1))


def test_a_call_that_takes_longer_is_processing_and_ends_later(impatient):
    with run_replica(impatient) as running, Client(running) as client:
        here, holder = (installed(client, puppet()) for _ in range(2))
        program = call(holder, hold(holder) + END, on_reply=reply(b"done")) + END
        content = client.call_content(here, "run", program)
        assert client.post_call(content).status_code == 202
        assert status(client, here, content.request_id()) == Pending("processing")
        assert client.post_call(content).status_code == 202  # known: it does not run again
        stopping = client.call_content(
            MANAGEMENT_CANISTER,
            "stop_canister",
            encode([METHODS["stop_canister"].arguments], [{"canister_id": here}]),
        )
        assert client.post_call(stopping, target=here).status_code == 202
        client.manage("start_canister", holder, canister_id=holder)
        assert status(client, here, content.request_id()) == Replied(b"done")
        assert status(client, here, stopping.request_id()) == Replied(b"DIDL\0\0")


def test_open_calls_outlive_a_restart(impatient):
    with run_replica(impatient) as running, Client(running) as client:
        here, holder = (installed(client, puppet()) for _ in range(2))
        program = call(holder, hold(holder) + END, on_reply=reply(b"done")) + END
        content = client.call_content(here, "run", program)
        assert client.post_call(content).status_code == 202
    with run_replica(impatient) as running, Client(running) as client:
        assert status(client, here, content.request_id()) == Pending("processing")
        assert client.post_call(content).status_code == 202
        client.manage("start_canister", holder, canister_id=holder)
        assert status(client, here, content.request_id()) == Replied(b"done")


def test_who_waits_for_an_open_call_is_let_go_when_the_replica_stops(directory):
    options = ReplicaOptions(directory=directory, sync_call_seconds=3600)
    with ThreadPoolExecutor(max_workers=1) as thread, ExitStack() as stack:
        with run_replica(options) as running, Client(running) as client:
            holder = installed(client, puppet())
            content = client.call_content(holder, "run", hold(holder) + END)
            other = stack.enter_context(Client(running))
            waiting = thread.submit(other.post_call, content)
            until(lambda: status(client, holder, content.request_id()) == Pending("processing"))
        assert waiting.result().status_code == 202


def test_a_timer_runs_without_any_call(client):
    canister = installed(client, puppet(TIMER))
    run(client, canister, set_task(note("t")) + set_timer(50_000_000) + reply())
    until(lambda: trace(client, canister) == b"t")


def test_a_heart_beats_while_nobody_calls(client):
    canister = installed(client, puppet(HEARTBEAT))
    run(client, canister, set_task(note("h")) + reply())
    until(lambda: len(trace(client, canister)) > 1)
    client.manage("stop_canister", canister, canister_id=canister)


def test_a_timer_goes_on_after_a_restart(directory):
    options = ReplicaOptions(directory=directory)
    with run_replica(options) as running, Client(running) as client:
        canister = installed(client, puppet(TIMER))
        run(client, canister, set_task(note("t")) + set_timer(1_000_000_000) + reply())
    with run_replica(options) as running, Client(running) as client:
        until(lambda: trace(client, canister) == b"t")


def test_a_missing_answer_is_certified(client):
    canister = installed(client, puppet())
    outcome = client.call(canister, "run", note("x") + END)
    assert isinstance(outcome, Rejected)
    assert outcome.error_code == "IC0506"
    assert trace(client, canister) == b"x"
