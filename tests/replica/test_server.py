"""A replica as a whole: started, stopped, started again, and refused."""

import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from juno_snap.errors import LockedError, PreconditionError
from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica import candid_types
from juno_snap.replica.background import find_running
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.replica.state import SubnetState
from juno_snap.replica.storage import BLOB_FOLDER, FORMAT_FILE, STATE_FILE, open_storage
from juno_snap.replica.storage_schema import FORMAT_VERSION
from juno_snap.wire import cbor
from juno_snap.wire.candid import encode
from juno_snap.wire.request_status import Replied
from tests.replica.client import Client

CREATE = (
    "provisional_create_canister_with_cycles",
    encode([candid_types.PROVISIONAL_CREATE_ARGUMENTS], [{}]),
)
FOREGROUND = """
import sys
from pathlib import Path
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import serve
serve(
    ReplicaOptions(directory=Path(sys.argv[1]), round_ms=int(sys.argv[2]), sync_call_seconds=0.05),
    on_ready=lambda replica: print(replica.url, flush=True),
)
"""


def refused(options, kind=PreconditionError):
    with pytest.raises(kind) as caught, run_replica(options):
        raise AssertionError("it runs")
    return caught.value


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "replica"


def test_a_free_port_is_found_and_named():
    with run_replica() as first, run_replica() as second:
        assert first.port != second.port
        assert first.url == f"http://127.0.0.1:{first.port}"
        assert httpx.get(f"{second.url}/api/v2/status").status_code == 200


def test_a_replica_is_at_rest_after_its_block():
    with run_replica() as running:
        url = running.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/v2/status")


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = refused(ReplicaOptions(port=port))
    assert error.code == "port-in-use"
    assert str(port) in error.message
    assert "--port" in error.hint


def test_a_host_that_is_not_ours_is_refused():
    error = refused(ReplicaOptions(host="192.0.2.1"))
    assert error.code == "port-refused"
    assert "192.0.2.1" in error.message


def test_the_same_port_can_be_taken_again_at_once(directory):
    with run_replica() as running, Client(running) as client:
        client.create()
        port = running.port
    with run_replica(ReplicaOptions(port=port)) as running:
        assert running.port == port


def test_a_seed_makes_the_same_root_key():
    keys = []
    for seed in ("one", "one", None, None):
        with run_replica(ReplicaOptions(seed=seed)) as running:
            keys.append(running.root_key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_restart_keeps_state_keys_and_requests(directory):
    options = ReplicaOptions(directory=directory)
    with run_replica(options) as running, Client(running) as client:
        root_key = running.root_key
        canister = client.create("face")
        content = client.call_content(canister, "echo", b"hello")
        assert client.outcome(client.post_call(content), content) == Replied(b"hello")
        path = (b"canister", canister.raw, b"module_hash")
        before = client.read(canister, path)
    with run_replica(options) as running, Client(running) as client:
        assert running.root_key == root_key
        after = client.read(canister, path)
        assert after.find(path, "the hash") == before.find(path, "the hash")
        assert after.time_ns >= before.time_ns
        again = client.post_call(content)
        assert client.outcome(again, content) == Replied(b"hello")
        assert cbor.decode_map(client.http.get("/api/v2/status").content)["certified_height"] == 0


def test_an_ephemeral_replica_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with run_replica() as running, Client(running) as client:
        client.create("face")
    assert sorted(tmp_path.rglob("*")) == before


def test_compiled_modules_are_kept_in_the_directory(directory):
    options = ReplicaOptions(directory=directory)
    with run_replica(options) as running, Client(running) as client:
        client.create("face")
    assert len([path for path in (directory / "cache").iterdir() if path.is_file()]) == 1


def test_a_directory_in_use_is_refused(directory):
    options = ReplicaOptions(directory=directory)
    with run_replica(options):
        error = refused(options, LockedError)
    assert str(directory) in error.message


def test_a_directory_of_a_newer_version_is_refused_and_left_alone(directory):
    with run_replica(ReplicaOptions(directory=directory)):
        pass
    form = directory / FORMAT_FILE
    form.write_text(form.read_text().replace(f'"version":{FORMAT_VERSION}', '"version":999'))
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    error = refused(ReplicaOptions(directory=directory))
    assert "newer" in error.message
    assert {path: path.read_bytes() for path in before} == before


def test_a_directory_with_other_keys_than_the_seeds_is_refused(directory):
    with run_replica(ReplicaOptions(directory=directory, seed="one")):
        pass
    assert refused(ReplicaOptions(directory=directory, seed="two")).code == "other-keys"


def test_a_damaged_state_is_refused(directory):
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        client.create()
    state = directory / STATE_FILE
    state.write_bytes(state.read_bytes().replace(b'"state"', b'"stat3"'))
    assert refused(ReplicaOptions(directory=directory)).code == "replica-state-damaged"


@pytest.mark.parametrize("attachments", [{}, {"history": b"\xff"}], ids=["missing", "garbage"])
def test_a_damaged_request_history_is_refused(directory, attachments):
    with open_storage(directory) as storage:
        storage.save(SubnetState(), attachments)
    assert refused(ReplicaOptions(directory=directory)).code == "replica-state-damaged"


def test_a_replica_can_be_found_while_it_runs(directory):
    assert find_running(directory) is None
    with run_replica(ReplicaOptions(directory=directory)) as running:
        assert find_running(directory) == running
    assert find_running(directory) is None


def test_an_error_in_the_block_comes_out_and_the_replica_stops(directory):
    options = ReplicaOptions(directory=directory)
    with pytest.raises(KeyError), run_replica(options):
        raise KeyError
    with run_replica(options) as running:
        assert find_running(directory) == running


def start_foreground(directory, round_ms=0):
    process = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, str(directory), str(round_ms)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_foreground_cleanly(directory, number):
    process, url = start_foreground(directory, round_ms=60_000)
    with process, Client(find_running(directory)) as client:
        assert url == client.replica.url
        content = client.call_content(MANAGEMENT_CANISTER, *CREATE)
        assert client.post_call(content).status_code == 202
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert find_running(directory) is None
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        assert isinstance(client.outcome(client.post_call(content), content), Replied)


def test_after_a_kill_the_last_checkpoint_is_there(directory):
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        canister = client.create("face")
    process, _ = start_foreground(directory)
    with process:
        assert find_running(directory).pid == process.pid
        process.kill()
        process.communicate(timeout=30)
    assert find_running(directory) is None
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        assert client.call(canister, "echo", b"still") == Replied(b"still")


def test_a_full_disk_ends_the_replica_and_says_so(directory):
    with pytest.raises(PreconditionError, match="cannot be written") as caught:
        call_without_a_disk(directory)
    assert caught.value.code == "replica-state-unwritable"


def call_without_a_disk(directory):
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        canister = client.create("face")
        shutil.rmtree(directory / BLOB_FOLDER)
        (directory / BLOB_FOLDER).write_bytes(b"in the way")
        fields = {"canister_id": canister, "chunk": b"a new chunk"}
        payload = encode([candid_types.UPLOAD_CHUNK_ARGUMENTS], [fields])
        content = client.call_content(MANAGEMENT_CANISTER, "upload_chunk", payload)
        answer = client.post_call(content, target=canister)
        assert (answer.status_code, "cannot be written" in answer.text) == (503, True)
