"""The local replica through the command line: here, in the background, and in each other's way."""

import json
import os
import signal
import socket
import subprocess

import pytest

from tests.integration.cli_world import (
    ask,
    child_command,
    create_store,
    documents,
    juno_snap,
    refuse,
    run_child,
)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A state directory without a network; what was started in it is stopped again."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    yield folder
    juno_snap("replica", "stop", "--json")


def replica_folder(alone):
    return alone.parent / "state" / "replica"


def test_a_replica_in_the_background_keeps_its_state(alone):
    assert ask("replica", "status")["running"] is False
    started = ask("replica", "start")["replica"]
    assert ask("replica", "status")["replica"]["url"] == started["url"]
    create_store(alone)
    again = refuse("replica", "start")
    assert (again.code, again.error["code"]) == (5, "already-running")
    assert ask("replica", "stop")["running"] is False
    assert refuse("status", "--module", "docs").code == 10
    restarted = ask("replica", "start")["replica"]
    assert restarted["root_key"] == started["root_key"]
    assert documents("docs") == '(vec { "a"; "b" })'


def test_a_reset_needs_a_stop_and_a_confirmation(alone):
    assert refuse("replica", "reset", "--yes").code == 4
    ask("replica", "start")
    create_store(alone)
    running = refuse("replica", "reset", "--yes")
    assert (running.code, running.error["code"]) == (5, "already-running")
    ask("replica", "stop")
    assert refuse("replica", "reset").error["code"] == "confirmation-needed"
    ask("replica", "reset", "--yes")
    ask("replica", "start")
    assert refuse("status", "--module", "docs").code == 4


def test_nothing_is_stopped_where_nothing_runs(alone):
    assert refuse("replica", "stop").code == 4


def test_a_port_in_use_is_told(alone):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words in (("start",), ("run", "--ephemeral"), ("run",)):
            ran = refuse("replica", *words, "--port", port)
            assert (ran.code, ran.error["code"]) == (5, "port-in-use")
            assert str(port) in ran.error["message"]


def test_a_directory_in_use_is_told(alone):
    ask("replica", "start")
    ran = refuse("replica", "run")
    assert (ran.code, ran.error["code"]) == (3, "locked")
    assert str(replica_folder(alone)) in ran.error["message"]


def test_a_directory_of_a_newer_version_is_left_alone(alone):
    ask("replica", "start")
    ask("replica", "stop")
    file = replica_folder(alone) / "format.json"
    content = json.loads(file.read_text())
    newer = {key: value + 1 if isinstance(value, int) else value for key, value in content.items()}
    file.write_text(json.dumps(newer))
    for words in ("run", "start"):
        ran = refuse("replica", words)
        assert ran.code == 5
        assert "newer" in ran.error["message"] or "newer" in ran.error["hint"]
    assert json.loads(file.read_text()) == newer


def test_an_ephemeral_replica_has_no_directory(alone):
    assert refuse("replica", "run", "--ephemeral", "--dir", "x").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replica_here_says_how_to_use_it_and_ends_in_order(alone, number):
    log = alone / "requests.jsonl"
    words = ("replica", "run", "--ephemeral", "--request-log", log, "--json")
    with subprocess.Popen(
        child_command(*words), env=os.environ, stdout=subprocess.PIPE, text=True
    ) as running:
        lines = iter(running.stdout.readline, "}\n")
        replica = json.loads("".join(lines) + "}")["replica"]
        ran = run_child(
            "module", "create", "-n", replica["url"], "--root-key", replica["root_key"], "--json"
        )
        assert ran.code == 0, ran.err
        running.send_signal(number)
        assert running.wait(timeout=20) == 0
    assert "provisional_create_canister_with_cycles" in log.read_text()


def test_people_are_told_how_to_use_it(alone):
    text = juno_snap("replica", "start").out
    assert "juno-snap COMMAND -n local" in text
    assert "root key" in text


def test_a_fault_is_declared_and_seen(alone, tmp_path):
    log = tmp_path / "requests.jsonl"
    spec = "http=503x1@call:set_document"
    slow = "delay=1ms@call:list_documents"
    ask("replica", "start", "--fault", spec, "--fault", slow, "--request-log", log)
    create_store(alone)
    assert documents("docs") == '(vec { "a"; "b" })'
    happened = [json.loads(line).get("faults") for line in log.read_text().splitlines()]
    assert happened.count([spec]) == 1
    assert happened.count([slow]) == 1


@pytest.mark.parametrize("command", ["run", "start"])
def test_a_fault_that_says_nothing_is_refused_with_the_place(alone, command):
    ran = refuse("replica", command, "--fault", "http=503@calls")
    assert (ran.code, ran.error["code"]) == (2, "invalid-fault")
    assert (ran.error["value"], ran.error["position"]) == ("http=503@calls", 14)
    assert "the end is expected at position 14" in ran.error["message"]
    assert not replica_folder(alone).exists()
