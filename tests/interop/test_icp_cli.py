"""The platform's own command line, icp, works with the local replica as with a network."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.motoko import motoko_module, require_npm_packages

pytestmark = pytest.mark.interop


def run(command, **environment):
    ran = subprocess.run(
        command,
        env={**os.environ, "DO_NOT_TRACK": "1", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture
def juno_snap(tmp_path):
    """Our own program as a child process, with a state directory of its own."""
    state = tmp_path / "state"

    def call(*arguments):
        program = [sys.executable, "-m", "juno_snap", *arguments, "--state", str(state), "--json"]
        return json.loads(run(program) or "null")

    call.state = state
    return call


@pytest.fixture
def replica(juno_snap):
    """A local replica in the background, as ``juno-snap replica run`` makes it."""
    yield juno_snap("replica", "start")["replica"]
    juno_snap("replica", "stop")


@pytest.fixture
def store(juno_snap, replica, tmp_path):
    """A persistent Motoko module, made by our program."""
    wasm = tmp_path / "store.wasm"
    wasm.write_bytes(motoko_module("store_v1"))
    return juno_snap("module", "create", "--name", "store", "--wasm", str(wasm))["module"]


@pytest.fixture
def icp(juno_snap, replica, store):
    """The icp program, at the replica, with the identity that our program made at first use."""
    program = require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"
    (key,) = juno_snap.state.glob("identities/*.pem")
    run([program, "identity", "import", "owner", "--from-pem", key, "--storage", "plaintext"])
    network = ["--network", replica["url"], "--root-key", "fetch", "--identity", "owner"]

    def call(*arguments):
        return run([program, *arguments, *network])

    return call


def snapshot_ids(text):
    return re.findall(r"\b[0-9a-f]{36}\b", text)


def test_status_shows_the_module(icp, store):
    shown = json.loads(icp("canister", "status", store, "--json"))
    assert shown["id"] == store
    assert "unning" in json.dumps(shown["status"])


def test_calls_and_verified_queries_reach_the_module(icp, store):
    icp("canister", "call", store, "set_document", '("key", "value")')
    assert "value" in icp("canister", "call", store, "document", '("key")', "--query")


def test_stop_and_start(icp, store, juno_snap):
    icp("canister", "stop", store)
    assert juno_snap("status", "--module", store)["status"] == "stopped"
    icp("canister", "start", store)
    assert juno_snap("status", "--module", store)["status"] == "running"


def test_a_snapshot_brings_the_data_back(icp, store, juno_snap):
    icp("canister", "call", store, "set_document", '("key", "before")')
    icp("canister", "stop", store)
    (made,) = snapshot_ids(icp("canister", "snapshot", "create", store))
    assert snapshot_ids(icp("canister", "snapshot", "list", store)) == [made]
    listed = juno_snap("snapshot", "list", "--module", store)["snapshots"]
    assert [snapshot["id"] for snapshot in listed] == [made]
    icp("canister", "start", store)
    icp("canister", "call", store, "set_document", '("key", "after")')
    icp("canister", "stop", store)
    icp("canister", "snapshot", "restore", store, made)
    icp("canister", "start", store)
    assert "before" in icp("canister", "call", store, "document", '("key")', "--query")


def test_an_upgrade_by_icp_keeps_the_heap(icp, store, tmp_path):
    wasm = tmp_path / "store-v2.wasm"
    wasm.write_bytes(motoko_module("store_v2"))
    icp("canister", "call", store, "set_document", '("key", "value")')
    icp("canister", "install", store, "--mode", "upgrade", "--wasm", str(wasm), "--yes")
    assert "value" in icp("canister", "call", store, "document", '("key")', "--query")
