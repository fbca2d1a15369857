"""``juno-snap backup copy`` to a server that speaks S3, killed in the middle of a multipart upload.

The server is moto's, a process of its own; ``pip install -e '.[dev,s3-tests]'`` brings it. It keeps
what it stores in memory, so that a copy begins anew once it is back.
"""

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.cli_world import ask, child_command
from tests.unit.backup.snapshots import content, noise, snapshot, write

pytestmark = pytest.mark.campaign

END_SECONDS = 180
"""Of what a copy may take to notice that its server is gone, on a machine that does much else."""
HEAP_BYTES = 160 * 16 * 65_536
"""Above the 50 MiB that s3fs sends as one part."""


class Server:
    """What it says goes by line by line."""

    def __init__(self, process):
        self.process = process
        self.port = int(self.wait_for(r"Running on http://127\.0\.0\.1:(\d+)")[1])

    def wait_for(self, pattern):
        for line in self.process.stderr:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"the server has ended and never said {pattern}")

    def listen_no_more(self):
        threading.Thread(target=self.process.stderr.read, daemon=True).start()


@contextmanager
def serving(monkeypatch):
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", "0"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            server = Server(process)
            url = f"http://127.0.0.1:{server.port}"
            monkeypatch.setenv("FSSPEC_S3", json.dumps({"endpoint_url": url}))
            assert httpx.put(f"{url}/bucket").status_code == 200
            yield server
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "some secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return tmp_path


def test_a_copy_ends_when_its_server_is_killed_and_the_same_command_makes_it(place, monkeypatch):
    backup = write(place / "backup", snapshot(heap=noise("heap", HEAP_BYTES)))
    words = ("backup", "copy", backup, "s3://bucket/there")
    with serving(monkeypatch) as server:
        with subprocess.Popen(
            child_command(*map(str, words), "--json"),
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as copying:
            server.wait_for("wasm_memory.*partNumber=1")
            server.process.kill()
            _, told = copying.communicate(timeout=END_SECONDS)
        error = json.loads(told)["error"]
        assert (copying.returncode, error["code"]) == (14, "destination-failed")
        assert "1 of 7 files have arrived" in error["message"]
        assert "is no backup yet" in error["message"]
    with serving(monkeypatch) as server:
        server.listen_no_more()
        assert ask(*words)["copy"]["sent"] == 7
        ask("backup", "copy", "s3://bucket/there", "back")
    assert content(place / "back") == content(backup)
