"""A replica for each file of tests, and the ways to it: our own client, and Node."""

import functools

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.interop.programs import run_program
from tests.interop.store import OWNER, Store
from tests.motoko import motoko_module


@pytest.fixture(scope="session")
def compile_cache(tmp_path_factory):
    """Each module is compiled once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def replica(compile_cache):
    """An ephemeral replica in this process."""
    with run_replica(ReplicaOptions(compile_cache=compile_cache)) as running:
        yield running


@pytest.fixture
async def client(replica):
    """The owner's client, to set things up and to look at them from outside."""
    async with client_of(replica, OWNER) as one:
        yield one


@pytest.fixture
async def store(client):
    """A module of the owner's in persistent Motoko."""
    return await Store.new(client, motoko_module("store_v1"))


@pytest.fixture
def program(replica):
    """Runs a program of ``clients/`` at the replica."""
    return functools.partial(run_program, replica=replica)
