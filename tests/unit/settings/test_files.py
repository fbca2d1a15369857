"""What may not stand in a configuration file, and how the error says where it is."""

import os
import re
from pathlib import Path

import pytest

from juno_snap.errors import ConfigError
from juno_snap.settings.load import load_settings
from juno_snap.settings.paths import check_owner
from tests.architecture.imports import ROOT

SATELLITE = '[modules.satellite]\ncanister = "ryjl3-tyaaa-aaaaa-aaaba-cai"\n'


def load(folder):
    return load_settings({}, environment={}, working_directory=folder)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        pytest.param("default_network = 5", "default_network", "valid string", id="wrong type"),
        pytest.param("defautl_network = 'ic'", "defautl_network", "no such setting", id="unknown"),
        pytest.param(
            "[upgrade]\nstop_timeout_seconds = '60'",
            "upgrade.stop_timeout_seconds",
            "valid integer",
            id="number as text",
        ),
        pytest.param(
            "[upgrade]\nstop_timeout_seconds = 0",
            "upgrade.stop_timeout_seconds",
            "greater than or equal to 1",
            id="too small",
        ),
        pytest.param(
            "[calls]\nttl_seconds = 301", "calls.ttl_seconds", "less than or equal", id="too long"
        ),
        pytest.param(
            "[network.stage]\nurl = 'http://h'", "network.stage.root_key", "missing", id="no key"
        ),
        pytest.param(
            "[network.stage]\nurl = 'h:80'\nroot_key = 'fetch'",
            "network.stage.url",
            "http://",
            id="no url",
        ),
        pytest.param(
            "[network.stage]\nurl = 'http://h'\nroot_key = 'trust'",
            "network.stage.root_key",
            "266 hexadecimal digits",
            id="no root key",
        ),
        pytest.param(
            "[network.ic]\nurl = 'http://h'\nroot_key = 'fetch'",
            "network.ic",
            "cannot be redefined",
            id="mainnet redefined",
        ),
        pytest.param(
            "[modules.satellite]\ncanister = 'ryjl3-tyaaa-aaaaa-aaaba-cae'",
            "modules.satellite.canister",
            "checksum",
            id="wrong checksum",
        ),
        pytest.param(
            SATELLITE + "role = 'moon'", "modules.satellite.role", "'satellite'", id="no role"
        ),
        pytest.param(
            "[modules.ryjl3-tyaaa-aaaaa-aaaba-cai]\ncanister = 'ryjl3-tyaaa-aaaaa-aaaba-cai'",
            "modules.ryjl3-tyaaa-aaaaa-aaaba-cai",
            "look like a canister id",
            id="name like an id",
        ),
        pytest.param(
            "[identity.ci]\npassword_command = 'pass show'",
            "identity.ci.password_command",
            "valid list",
            id="command as text",
        ),
        pytest.param(SATELLITE + "checks = [5]", "modules.satellite.checks.0", "text", id="check"),
        pytest.param(
            SATELLITE + "checks = [{version = '1', command = ['x']}]",
            "modules.satellite.checks.0",
            "one of call, command and version",
            id="two checks in one",
        ),
        pytest.param(
            SATELLITE + "checks = ['v() == (1)', {timeout_seconds = 3}]",
            "modules.satellite.checks.1",
            "one of call, command and version",
            id="check of nothing",
        ),
        pytest.param(
            SATELLITE + "checks = [{version = '1', timeout_seconds = 0}]",
            "modules.satellite.checks.0.timeout_seconds",
            "greater than or equal to 1",
            id="check without time",
        ),
        pytest.param(
            SATELLITE + "protected_snapshots = ['1234']",
            "modules.satellite.protected_snapshots.0",
            "not a snapshot id",
            id="no snapshot id",
        ),
        pytest.param(
            "[network.dfx]\nurl = 'http://h'\n[network.dfx.costs]\nnodes = 1",
            "network.dfx.root_key",
            "missing",
            id="half of a network that is built in",
        ),
        pytest.param(
            "[network.stage.costs]\nnodes = 13",
            "network.stage.url",
            "missing",
            id="prices of no network",
        ),
        pytest.param(
            "[network.ic.costs]\nnodes = -1",
            "network.ic.costs.nodes",
            "greater than or equal to 0",
            id="price below zero",
        ),
        pytest.param(
            "[network.ic.costs]\nnodes = 1.5", "network.ic.costs.nodes", "integer", id="half a node"
        ),
        pytest.param("[[hooks]]\nname = 'a'", "hooks.0.point", "missing", id="hook at no point"),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'x'\ncommand = 'ls'",
            "hooks.0.command",
            "valid list",
            id="hook as text",
        ),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'x'\n[[hooks]]\nname = 'a'\npoint = 'y'",
            "hooks",
            "two hooks are named a",
            id="two hooks of a name",
        ),
        pytest.param(
            "[hooks.a]\npoint = 'x'", "hooks", "valid list", id="hooks as a table of tables"
        ),
        pytest.param(
            "[upgrade]\nhealth_timeout_seconds = 0",
            "upgrade.health_timeout_seconds",
            "greater than or equal to 1",
            id="no time to be well",
        ),
        pytest.param(
            "[upgrade]\nrollback_window_seconds = 86401",
            "upgrade.rollback_window_seconds",
            "less than or equal",
            id="going back after a day",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path, text, key, words):
    file = tmp_path / "juno-snap.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.source == str(file)
    assert caught.value.message.startswith(f"{file}: {key}: ")
    assert words in caught.value.message
    assert caught.value.key.startswith(key)


def test_a_misspelt_key_brings_the_right_one(tmp_path):
    (tmp_path / "juno-snap.toml").write_text("[upgrade]\nstop_timeout_second = 3")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.hint == "did you mean stop_timeout_seconds?"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("stop_timeout_seconds = 3", "move it to the table upgrade", id="its table"),
        pytest.param('mode = "staging"', "remove mode from ", id="none"),
    ],
)
def test_a_key_that_stands_elsewhere_is_not_proposed_again(tmp_path, text, hint):
    (tmp_path / "juno-snap.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.hint.startswith(hint)


def test_a_value_in_place_of_a_table_is_told_in_words_of_the_file(tmp_path):
    (tmp_path / "juno-snap.toml").write_text("retention = 3")
    with pytest.raises(ConfigError, match=r"retention: should be a table$"):
        load(tmp_path)


def test_a_mark_that_editors_put_before_a_file_is_passed_over(tmp_path):
    (tmp_path / "juno-snap.toml").write_bytes(b"\xef\xbb\xbf[retention]\r\nkeep_last = 3\r\n")
    assert load(tmp_path).retention.keep_last == 3


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[x\n"])
def test_what_is_no_toml_is_named(tmp_path, content):
    file = tmp_path / "juno-snap.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="not a TOML file") as caught:
        load(tmp_path)
    assert caught.value.source == str(file)


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings({}, config=tmp_path / "none.toml", environment={}, working_directory=tmp_path)


def test_a_named_file_of_nobody_does_not_exist(tmp_path):
    file = Path("~nobody-of-that-name") / "x.toml"
    with pytest.raises(ConfigError, match=r"cannot read .*/~nobody-of-that-name/x\.toml"):
        load_settings({}, config=file, environment={}, working_directory=tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_without_a_search_only_the_named_file_is_read(tmp_path):
    (tmp_path / "juno-snap.toml").write_text("default_network = 'ic'")
    (tmp_path / "other.toml").write_text("[calls]\nttl_seconds = 100")

    def found(config):
        return load_settings(
            {}, config=config, environment={}, working_directory=tmp_path, search=False
        )

    assert found(None).files == ()
    assert found(None).default_network is None
    assert found(tmp_path / "other.toml").call_ttl_seconds == 100
    assert found(tmp_path / "other.toml").default_network is None


def test_a_strangers_file_in_a_shared_folder_is_not_obeyed(tmp_path):
    working = tmp_path / "mine"
    working.mkdir()
    file = tmp_path / "juno-snap.toml"
    file.write_text("")
    check_owner(file, working, hint="move it")
    os.chown(file, 12345, -1)
    with pytest.raises(ConfigError, match="another user") as caught:
        load(working)
    assert "--config" in caught.value.hint
    os.chown(working, 12345, -1)
    check_owner(file, working, hint="move it")


def test_the_example_says_only_what_may_be_said(tmp_path):
    example = ROOT / "config" / "juno-snap.toml"
    settings = load_settings({}, config=example, environment={}, working_directory=tmp_path)
    assert settings.files[-1] == example
    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", example.read_text(), flags=re.MULTILINE)
    (tmp_path / "juno-snap.toml").write_text(text)
    everything = load(tmp_path)
    assert everything.default_network == "local"
    assert set(everything.modules) == {"satellite"}
    assert len(everything.modules["satellite"].checks) == 3
    assert len(everything.modules["satellite"].protected_snapshots) == 1
    assert [hook.name for hook in everything.hooks] == ["announce", "office-hours"]
    assert set(everything.costs) == {"staging"}
    left = [line for line in text.splitlines() if re.match(r"#\s*[\[{\"']|# [a-z_]+ =", line)]
    assert left == []
    assert set(everything.identities) == {"ci", "login"}
    assert "staging" in everything.networks
