"""Networks that are chosen, not chosen, or none."""

import json

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.cli_world import ask, create_store, juno_snap, refuse
from tests.integration.misbehaving import misbehaving_network, unused_url

MODULE = "ryjl3-tyaaa-aaaaa-aaaba-cai"


@pytest.fixture
def nowhere(cli, monkeypatch):
    """No network is said."""
    monkeypatch.delenv("JUNO_SNAP_NETWORK")
    monkeypatch.delenv("JUNO_SNAP_ROOT_KEY")
    return cli


def test_without_a_network_the_error_says_how_to_choose(nowhere):
    ran = refuse("snapshot", "list", "--module", MODULE)
    assert (ran.code, ran.error["code"]) == (10, "no-network")
    assert "JUNO_SNAP_NETWORK" in ran.error["hint"]


def test_the_replica_of_the_state_directory_is_the_default(nowhere, tmp_path):
    with run_replica(ReplicaOptions(directory=tmp_path / "state" / "replica")):
        module = ask("module", "create", "--name", "mine")["module"]
        assert ask("status", "--module", "mine", "-n", "local")["module"] == module
    assert refuse("status", "--module", "mine", "-n", "local").error["code"] == "no-local-replica"


def test_a_url_needs_its_root_key(cli, cli_replica, monkeypatch):
    monkeypatch.delenv("JUNO_SNAP_ROOT_KEY")
    ran = refuse("status", "--module", MODULE, "-n", cli_replica.url)
    assert (ran.code, ran.error["code"]) == (10, "no-root-key")


def test_a_fetched_root_key_is_announced_each_time(cli, cli_replica):
    create_store(cli)
    words = ("status", "--module", "docs", "-n", cli_replica.url, "--root-key", "fetch", "--json")
    for _ in range(2):
        ran = juno_snap(*words)
        assert ran.code == 0
        assert "is the one that it tells itself" in ran.err
    assert ran.document["name"] == "docs"


def test_a_configured_network_has_a_name(nowhere, cli_replica):
    (nowhere / "juno-snap.toml").write_text(
        'default_network = "stage"\n[network.stage]\n'
        f'url = "{cli_replica.url}"\nroot_key = "{cli_replica.root_key.hex()}"\n'
    )
    assert ask("module", "create")["module"]
    assert ask("module", "create", "--network", "stage")["module"]


def test_answers_of_another_network_are_not_trusted(cli, cli_replica):
    create_store(cli)
    with run_replica(ReplicaOptions(seed="another")) as other:
        ran = refuse(
            "status", "--module", MODULE, "-n", cli_replica.url, "--root-key", other.root_key.hex()
        )
    assert (ran.code, ran.error["code"]) == (13, "certificate-signature")


def test_a_root_key_that_is_none_is_refused(cli, cli_replica):
    words = ("status", "--module", MODULE, "-n", cli_replica.url, "--root-key")
    assert refuse(*words, "fetched").code == 2
    assert refuse(*words, "00" * 133).error["code"] == "invalid-root-key"


def test_the_root_key_of_mainnet_is_never_fetched(cli):
    ran = refuse("status", "--module", MODULE, "-n", "https://icp-api.io", "--root-key", "fetch")
    assert (ran.code, ran.error["code"]) == (13, "root-key-fetch")


@pytest.mark.parametrize("way", ["html", "empty", "garbage", "endless"])
@pytest.mark.parametrize("pinned", [False, True], ids=["fetched", "pinned"])
def test_a_network_that_is_none_is_told_apart(cli, cli_replica, way, pinned):
    key = cli_replica.root_key.hex() if pinned else "fetch"
    for words in (("snapshot", "list"), ("snapshot", "create"), ("status",)):
        with misbehaving_network(way) as url:
            ran = refuse(*words, "--module", MODULE, "-n", url, "--root-key", key)
        assert ran.code == 1
        assert url in ran.error["message"]
        assert "address" in ran.error["hint"]
        assert ran.out == ""


def test_a_network_that_is_not_there_is_told_soon(cli):
    ran = refuse("status", "--module", MODULE, "-n", unused_url(), "--root-key", "fetch")
    assert ran.code == 1
    assert "cannot connect" in ran.error["message"]


def test_names_belong_to_one_network(cli, monkeypatch):
    create_store(cli)
    with run_replica(ReplicaOptions()) as other:
        monkeypatch.setenv("JUNO_SNAP_NETWORK", other.url)
        monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", other.root_key.hex())
        assert refuse("status", "--module", "docs").code == 4


def test_every_request_of_a_list_is_a_read(cli, cli_replica, tmp_path_factory):
    create_store(cli)
    with run_replica(ReplicaOptions(request_log=(log := cli / "log.jsonl"))) as replica:
        words = ("-n", replica.url, "--root-key", replica.root_key.hex())
        module = ask("module", "create", *words)["module"]
        begin = len(log.read_text().splitlines())
        ask("snapshot", "list", "--module", module, *words)
        lines = [json.loads(line) for line in log.read_text().splitlines()[begin:]]
    assert [line["method"] for line in lines] == ["list_canister_snapshots"]
