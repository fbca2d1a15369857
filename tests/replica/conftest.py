"""A replica in this process, and a client of it."""

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.replica.client import Client


@pytest.fixture(scope="module")
def replica(tmp_path_factory):
    """An ephemeral replica with the same keys each time; one for the tests of a file."""
    log = tmp_path_factory.mktemp("replica") / "requests.jsonl"
    with run_replica(ReplicaOptions(seed="tests", request_log=log)) as running:
        yield running


@pytest.fixture(scope="module")
def client(replica):
    """Alice's client."""
    with Client(replica) as one:
        yield one


@pytest.fixture(scope="module")
def canister(client):
    """A canister of Alice's that runs ``wat/face.wat``."""
    return client.create("face")
