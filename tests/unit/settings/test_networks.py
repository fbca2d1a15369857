"""Which network is meant."""

import pytest

from juno_snap.errors import ConfigError, InputError
from juno_snap.settings.load import load_settings
from juno_snap.settings.networks import LocalReplica, Network, choose_network

LOCAL = LocalReplica(url="http://127.0.0.1:4321", root_key=b"\x01" * 133)


def choose(folder, local=None, environment=None, **options):
    named = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    settings = load_settings(named, environment=environment or {}, working_directory=folder)
    return choose_network(settings, lambda: local)


def test_the_local_replica_is_the_default_while_it_runs(tmp_path):
    network = choose(tmp_path, LOCAL)
    assert (network.name, network.url, network.root_key) == ("local", LOCAL.url, LOCAL.root_key)


def test_without_any_the_error_says_how_to_choose(tmp_path):
    with pytest.raises(ConfigError) as caught:
        choose(tmp_path)
    assert caught.value.code == "no-network"
    assert "juno-snap replica start" in caught.value.hint
    assert "JUNO_SNAP_NETWORK" in caught.value.hint


def test_local_must_run(tmp_path):
    with pytest.raises(ConfigError) as caught:
        choose(tmp_path, network="local")
    assert caught.value.code == "no-local-replica"


@pytest.mark.parametrize(("name", "port"), [("juno", 5987), ("icp", 8000), ("dfx", 4943)])
def test_foreign_local_networks_are_built_in_and_fetch_their_key(tmp_path, name, port):
    network = choose(tmp_path, LOCAL, network=name)
    assert (network.url, network.root_key) == (f"http://127.0.0.1:{port}", "fetch")
    assert not network.is_impostor_possible


def test_mainnet_is_pinned(tmp_path):
    network = choose(tmp_path, network="ic")
    assert (network.url, network.root_key) == ("https://icp-api.io", "ic")


def test_a_url_needs_its_root_key(tmp_path):
    with pytest.raises(ConfigError) as caught:
        choose(tmp_path, network="http://192.0.2.1:80/")
    assert caught.value.code == "no-root-key"
    network = choose(tmp_path, network="http://192.0.2.1:80/", root_key="fetch")
    assert (network.url, network.root_key) == ("http://192.0.2.1:80", "fetch")
    by_variable = choose(
        tmp_path, network="https://h", environment={"JUNO_SNAP_ROOT_KEY": "AB" * 133}
    )
    assert by_variable.root_key == b"\xab" * 133


def test_a_root_key_is_not_for_a_network_with_its_own(tmp_path):
    with pytest.raises(InputError, match="goes with a URL"):
        choose(tmp_path, network="ic", root_key="fetch")
    from_variable = choose(tmp_path, network="ic", environment={"JUNO_SNAP_ROOT_KEY": "fetch"})
    assert from_variable.root_key == "ic"


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://u@h", "http://h/?q=1"])
def test_a_malformed_url_is_refused(tmp_path, url):
    with pytest.raises(ConfigError):
        choose(tmp_path, network=url, root_key="fetch")


def test_an_unknown_name_brings_the_known_ones(tmp_path):
    with pytest.raises(ConfigError) as caught:
        choose(tmp_path, network="main")
    assert caught.value.code == "unknown-network"
    assert "dfx, ic, icp, juno, local" in caught.value.hint


def test_a_configured_local_network_replaces_the_built_in_one(tmp_path):
    (tmp_path / "juno-snap.toml").write_text(
        '[network.local]\nurl = "http://127.0.0.1:8000"\nroot_key = "fetch"\n'
    )
    network = choose(tmp_path, LOCAL, network="local")
    assert network.url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:80", True),
        ("http://localhost:80", True),
        ("http://x.localhost:80", True),
        ("http://[::1]:80", True),
        ("http://192.168.1.4", False),
        ("http://localhost.example.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_only_this_machine_is_trusted_to_tell_its_key(url, loopback):
    network = Network(name="x", url=url, root_key="fetch")
    assert network.is_loopback is loopback
    assert network.is_impostor_possible is not loopback
    assert not Network(name="x", url=url, root_key=b"\x01" * 133).is_impostor_possible
