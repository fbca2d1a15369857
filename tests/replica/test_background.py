"""A replica in a process of its own."""

import contextlib
import json
import os
import signal
import socket

import pytest

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError
from juno_snap.replica import background, storage
from juno_snap.replica.background import (
    RUNNING_FILE,
    RunningReplica,
    announced,
    background_status,
    command_line,
    find_running,
    process_mark,
    reset_directory,
    start_background,
    stop_background,
)
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.wire.request_status import Replied
from tests.fake_clock import START_NS, FakeClock
from tests.replica.client import Client


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "replica"


@pytest.fixture
def used(directory):
    """A replica's directory in which none runs."""
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        client.create("face")
    return directory


@pytest.fixture
def sleeping_process():
    """Makes a child that sleeps; a deaf one takes no notice of SIGTERM."""
    started = []

    def start(*, deaf):
        script = f"{'trap : TERM;' if deaf else ''} echo; while :; do sleep 0.1; done"
        ready, told = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, told, 1)]
        words = ["sh", "-c", script]
        started.append(os.posix_spawn("/bin/sh", words, os.environ, file_actions=actions))
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return started[-1]

    yield start
    for pid in started:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def a_replica(directory, pid):
    return RunningReplica(
        url="http://127.0.0.1:1",
        host="127.0.0.1",
        port=1,
        pid=pid,
        root_key=b"key",
        started_at_ns=START_NS,
        directory=directory,
    )


@pytest.mark.anyio
async def test_a_replica_is_started_found_used_and_stopped(directory):
    options = ReplicaOptions(directory=directory, seed="seed", round_ms=1)
    started = await start_background(options)
    try:
        assert find_running(directory) == started
        assert started.pid != os.getpid()
        assert os.getsid(started.pid) == started.pid
        with Client(started) as client:
            canister = client.create("face")
    finally:
        stopped = await stop_background(directory)
    assert stopped == started
    assert process_mark(started.pid) is None
    assert find_running(directory) is None
    with run_replica(ReplicaOptions(directory=directory)) as running, Client(running) as client:
        assert running.root_key == started.root_key
        assert client.call(canister, "echo", b"kept") == Replied(b"kept")


@pytest.mark.anyio
async def test_a_second_one_in_the_same_directory_is_refused(directory):
    with (
        run_replica(ReplicaOptions(directory=directory)) as running,
        pytest.raises(PreconditionError) as caught,
    ):
        await start_background(ReplicaOptions(directory=directory))
    assert caught.value.code == "already-running"
    assert running.url in caught.value.message


@pytest.mark.anyio
async def test_a_port_in_use_is_told_by_the_process_that_failed(directory):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PreconditionError) as caught:
            await start_background(ReplicaOptions(directory=directory, port=port))
    assert caught.value.code == "port-in-use"
    assert str(port) in caught.value.message
    assert "--port" in caught.value.hint


@pytest.mark.anyio
async def test_a_directory_that_is_locked_is_told_too(used):
    with storage.open_storage(used), pytest.raises(PreconditionError) as caught:
        await start_background(ReplicaOptions(directory=used))
    assert caught.value.code == "locked"
    assert str(os.getpid()) in caught.value.message


@pytest.mark.anyio
async def test_a_background_replica_needs_a_directory():
    with pytest.raises(PreconditionError) as caught:
        await start_background(ReplicaOptions())
    assert "--dir" in caught.value.hint


@pytest.mark.anyio
async def test_there_is_nothing_to_stop(used):
    with pytest.raises(NotFoundError) as caught:
        await stop_background(used)
    assert "replica start" in caught.value.hint


@pytest.mark.anyio
async def test_a_process_that_dies_before_its_checkpoint_is_told(directory, sleeping_process):
    directory.mkdir()
    pid = sleeping_process(deaf=False)
    (directory / RUNNING_FILE).write_text(json.dumps(running_document(pid)))
    with pytest.raises(JunoSnapError) as caught:
        await stop_background(directory)
    assert caught.value.code == "replica-stop"
    assert "without a checkpoint" in caught.value.message


@pytest.mark.anyio
async def test_a_process_that_does_not_end_is_told(directory, sleeping_process):
    directory.mkdir()
    pid = sleeping_process(deaf=True)
    (directory / RUNNING_FILE).write_text(json.dumps(running_document(pid)))
    clock = FakeClock()
    with pytest.raises(JunoSnapError) as caught:
        await stop_background(directory, clock=clock, timeout_seconds=5)
    assert "did not end within 5 s" in caught.value.message
    assert sum(clock.sleeps) == pytest.approx(5, abs=0.1)


def running_document(pid):
    return {
        "url": "http://127.0.0.1:1",
        "host": "127.0.0.1",
        "port": 1,
        "pid": pid,
        "process": process_mark(pid),
        "root_key": "00",
        "started_at_ns": START_NS,
    }


def test_the_status_has_the_time_since_the_start(directory):
    directory.mkdir()
    replica = a_replica(directory, os.getpid())
    clock = FakeClock()
    clock.advance(90)
    assert not background_status(directory, clock=clock).running
    with announced(replica):
        status = background_status(directory, clock=clock)
    assert status.running
    assert status.replica == replica
    assert status.uptime_seconds == 90


def test_a_process_id_that_is_anothers_by_now_is_no_replica(directory):
    directory.mkdir()
    with announced(a_replica(directory, os.getpid())):
        document = json.loads((directory / RUNNING_FILE).read_text())
        (directory / RUNNING_FILE).write_text(json.dumps(document | {"process": "1"}))
        assert find_running(directory) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x"}'])
def test_a_damaged_note_is_no_replica(directory, content):
    directory.mkdir()
    (directory / RUNNING_FILE).write_text(content)
    assert find_running(directory) is None


def test_a_reset_removes_the_directory(used):
    reset_directory(used)
    assert not used.exists()


def test_a_reset_leaves_what_a_replica_did_not_write(used):
    (used / "notes.txt").write_text("mine")
    reset_directory(used)
    assert [path.name for path in used.iterdir()] == ["notes.txt"]


def test_a_reset_of_another_folder_removes_nothing(directory):
    directory.mkdir()
    (directory / "state.json").write_text("mine")
    with pytest.raises(PreconditionError) as caught:
        reset_directory(directory)
    assert caught.value.code == "not-a-replica-directory"
    assert (directory / "state.json").exists()


def test_a_reset_of_nothing_says_so(directory):
    with pytest.raises(NotFoundError):
        reset_directory(directory)


def test_a_reset_while_a_replica_runs_is_refused(directory):
    with run_replica(ReplicaOptions(directory=directory)), pytest.raises(PreconditionError):
        reset_directory(directory)


def test_a_reset_while_the_directory_is_locked_is_refused(used):
    with storage.open_storage(used), pytest.raises(JunoSnapError) as caught:
        reset_directory(used)
    assert caught.value.code == "locked"
    assert (used / storage.STATE_FILE).exists()


def test_the_names_are_those_of_the_storage():
    assert background.FORMAT_FILE == storage.FORMAT_FILE
    assert background.KIND == storage.KIND
    assert background.LOCK_FILE == storage.LOCK_FILE
    assert background.STATE_NAMES == (storage.STATE_FILE, storage.BLOB_FOLDER)


def test_every_option_is_passed_on(tmp_path):
    options = ReplicaOptions(
        port=1234,
        directory=tmp_path,
        round_ms=5,
        request_log=tmp_path / "log",
        seed="seed",
        rate_limits=True,
        snapshot_loadable_after_seconds=60,
        storage_cycles_per_gib_second=7,
    )
    words = command_line(options)
    for pair in (
        ("--port", "1234"),
        ("--dir", str(tmp_path)),
        ("--round-ms", "5"),
        ("--request-log", str(tmp_path / "log")),
        ("--seed", "seed"),
        ("--loadable-after", "60"),
        ("--storage-price", "7"),
    ):
        assert words[words.index(pair[0]) + 1] == pair[1]
    assert "--rate-limits" in words
    assert "--no-rate-limits" in command_line(ReplicaOptions(directory=tmp_path))
