"""A replica for the tests of the command line."""

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica


@pytest.fixture(scope="module")
def cli_log(tmp_path_factory):
    """Gets a line for each request."""
    return tmp_path_factory.mktemp("replica") / "requests.jsonl"


@pytest.fixture(scope="module")
def cli_replica(cli_log):
    """An ephemeral replica with a request log; one for the tests of a file."""
    with run_replica(ReplicaOptions(seed="command line", request_log=cli_log)) as running:
        yield running


@pytest.fixture
def cli(cli_replica, monkeypatch, tmp_path):
    """An environment whose network is the replica, with an own state and working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("JUNO_SNAP_NETWORK", cli_replica.url)
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", cli_replica.root_key.hex())
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return folder
