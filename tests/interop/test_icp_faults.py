"""The same faults at the platform's own command line: they are what a client of others meets."""

import os
import subprocess

import pytest

from tests.motoko import require_npm_packages
from tests.replica.faulty_replica import faulty

pytestmark = pytest.mark.interop


def increment(world):
    """What icp makes of one call: its exit code and everything that it says."""
    program = require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"
    network = ["--network", world.client.replica.url, "--root-key", "fetch"]
    ran = subprocess.run(
        [program, "canister", "call", str(world.counter), "increment", "()", *network],
        env={**os.environ, "DO_NOT_TRACK": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "spec",
    [
        "delay=50ms@call:increment",
        "http=429x2@call:increment",
        "late=50ms@call:increment",
    ],
)
def test_icp_gets_through(spec):
    with faulty(spec) as world:
        code, said = increment(world)
        assert (code, world.count()) == (0, 1), said
        assert world.logged()[0]["faults"] == [spec]


@pytest.mark.parametrize(
    ("spec", "words", "count"),
    [
        ("drop-before@call:increment", "", 0),
        ("drop-after@call:increment", "", 1),
        ("reject=IC0210@call:increment", "IC0210", 0),
        ("refuse=IC0207@call:increment", "IC0207", 0),
        ("http=500@call:increment", "500", 0),
        ("http=503@call:increment", "503", 0),
        ("http-after=502@call:increment", "502", 1),
        ("certificate=forged@call:increment", "Certificate verification failed", 1),
        ("certificate=stale@call:increment", "Certificate is stale", 1),
        ("certificate=pruned@call:increment", "is unknown in the certificate", 1),
        ("certificate=wrong-delegation@call:increment", "Certificate verification failed", 1),
        ("certificate=wrong-range@call:increment", "Certificate is not authorized", 1),
    ],
)
def test_icp_fails(spec, words, count):
    with faulty(spec) as world:
        code, said = increment(world)
        assert code != 0
        assert words in said
        assert world.count() == count
