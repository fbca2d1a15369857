"""The configuration through the command line."""

import os
import shlex
import subprocess

import pytest

from tests.integration.cli_world import (
    ask,
    child_command,
    create_store,
    juno_snap,
    refuse,
    run_child,
)


def test_every_setting_is_shown_with_its_origin(cli):
    file = cli / "juno-snap.toml"
    file.write_text("[upgrade]\nstop_timeout_seconds = 5\n")
    shown = ask("config", "show", "--origins", "--identity", "anonymous")
    settings = {row["key"]: row for row in shown["settings"]}
    assert settings["upgrade.stop_timeout_seconds"] == {
        "key": "upgrade.stop_timeout_seconds", "value": 5, "origin": str(file),
    }  # fmt: skip
    assert settings["default_network"]["origin"] == "JUNO_SNAP_NETWORK"
    assert settings["default_identity"]["origin"] == "--identity"
    assert settings["calls.ttl_seconds"]["origin"] == "default"
    assert settings["network.ic.root_key"]["origin"] == "built in"
    assert shown["files"] == [str(file)]
    assert "origin" not in ask("config", "show")["settings"][0]
    assert str(file) in juno_snap("config", "show", "--origins").out


def test_a_sound_configuration_is_ok(cli):
    checked = ask("config", "check")
    assert (checked["ok"], checked["warnings"]) == (True, [])


def test_what_looks_wrong_is_a_warning(cli, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_NETWROK", "ic")
    (cli / "open.pem").write_text("")
    (cli / "open.pem").chmod(0o644)
    (cli / "juno-snap.toml").write_text(
        '[identity.a]\nkey_file = "none.pem"\n[identity.b]\nkey_file = "open.pem"\n'
    )
    ran = juno_snap("config", "check", "--json")
    assert ran.code == 0
    first, second, third = ran.document["warnings"]
    assert "JUNO_SNAP_NETWROK" in first
    assert "none.pem" in second
    assert "others can read" in third
    assert ran.err.count("warning: ") == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("upgarde = 1", 10, id="unknown key"),
        pytest.param("[calls]\nttl_seconds = '9'", 10, id="wrong type"),
        pytest.param("default_network =", 10, id="no TOML"),
    ],
)
def test_a_wrong_file_is_named_by_every_command(cli, text, code):
    file = cli / "juno-snap.toml"
    file.write_text(text)
    for words in (("config", "check"), ("config", "show"), ("status", "--module", "x")):
        ran = refuse(*words)
        assert (ran.code, ran.error["source"]) == (code, str(file))
        assert str(file) in ran.error["message"]


OPERATIONS = """
[network.ic.costs]
snapshot_cycles = 34
[modules.satellite]
canister = "ryjl3-tyaaa-aaaaa-aaaba-cai"
checks = ['count() == 3', { version = "0.1.0" }, { command = ["./ping.sh"], timeout_seconds = 5 }]
protected_snapshots = ["0x0000000000000001FFFFFFFFFF9000010101"]
[[hooks]]
name = "tell"
point = "after-upgrade"
command = ["sh", "-c", "true"]
modules = ["satellite", "docs", "satelite"]
"""


def test_what_is_said_about_operations_is_shown_and_checked(cli):
    file = cli / "juno-snap.toml"
    file.write_text(OPERATIONS)
    settings = {row["key"]: row for row in ask("config", "show", "--origins")["settings"]}
    assert settings["network.ic.costs.snapshot_cycles"]["value"] == 34
    assert settings["network.ic.costs.snapshot_cycles"]["origin"] == str(file)
    assert settings["modules.satellite.protected_snapshots"]["value"] == [
        "0000000000000001ffffffffff9000010101"
    ]
    checks = settings["modules.satellite.checks"]["value"]
    assert checks[0] == {"call": "count() == 3"}
    assert checks[2] == {"command": ["./ping.sh"], "timeout_seconds": 5}
    assert settings["hooks.tell.point"]["value"] == "after-upgrade"
    create_store(cli)
    missing, misspelt = ask("config", "check")["warnings"]
    assert "ping.sh" in missing
    assert "satelite" in misspelt


SATELLITE = '[modules.satellite]\ncanister = "ryjl3-tyaaa-aaaaa-aaaba-cai"\n'


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        pytest.param(
            SATELLITE + "checks = ['count( == 3']", "modules.satellite.checks", "count(", id="check"
        ),
        pytest.param(
            SATELLITE + "checks = [{ version = 'newest' }]",
            "modules.satellite.checks",
            "newest",
            id="version",
        ),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'between'\ncommand = ['ls']",
            "hooks.a.point",
            "between",
            id="point",
        ),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'before-stop'\ncommand = ['ls']\nfunction = 'm:f'",
            "hooks.a",
            "both",
            id="two things in a hook",
        ),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'before-stop'", "hooks.a", "neither", id="empty hook"
        ),
        pytest.param(
            "[[hooks]]\nname = 'a'\npoint = 'before-stop'\nfunction = 'a b'",
            "hooks.a",
            "a b",
            id="function",
        ),
        pytest.param(
            "[network.ic.costs]\nstorage = 3", "network.ic.costs.storage", "storage", id="price"
        ),
    ],
)
def test_what_could_never_work_is_named_with_file_and_key(cli, text, key, words):
    file = cli / "juno-snap.toml"
    file.write_text(text)
    ran = refuse("config", "check")
    assert (ran.code, ran.error["source"], ran.error["key"]) == (10, str(file), key)
    assert str(file) in ran.error["message"]
    assert words in ran.error["message"]
    assert ran.error["hint"]


def test_an_unknown_network_or_identity_is_found(cli, monkeypatch):
    assert refuse("config", "check", "-n", "moon").error["code"] == "unknown-network"
    assert refuse("config", "check", "--identity", "nobody").error["code"] == "unknown-identity"


def test_a_named_file_is_read_instead(cli):
    (cli / "juno-snap.toml").write_text("wrong")
    (cli / "other.toml").write_text("")
    assert ask("config", "check", "--config", "other.toml")["files"] == [str(cli / "other.toml")]
    assert refuse("config", "check", "--config", "none.toml").code == 10


def test_a_root_key_that_is_none_is_found(cli):
    (cli / "juno-snap.toml").write_text(
        f'[network.stage]\nurl = "http://h"\nroot_key = "{"00" * 133}"\n'
    )
    assert refuse("config", "check").error["code"] == "invalid-root-key"


@pytest.mark.parametrize("words", [("config", "show"), ("config", "show", "--json"), ("--help",)])
def test_a_reader_that_has_gone_is_no_mistake(cli, words):
    with subprocess.Popen(
        child_command(*words), env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        assert running.wait(timeout=30) == 1
        assert running.stderr.read() == b""


@pytest.mark.parametrize(
    "words", [("config", "show"), ("config", "show", "--json"), ("--version",)]
)
def test_a_result_that_cannot_be_written_is_told(cli, words):
    for target in ("/dev/full", "&-"):
        shell = " ".join([*map(shlex.quote, child_command(*words)), f">{target}"])
        done = subprocess.run(
            ["sh", "-c", shell], env=os.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "the result could not be written" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("streams", ["2>&-", "<&-", "2>/dev/full", "<&- 2>&-"])
def test_streams_that_are_closed_are_no_mistake(cli, streams):
    shell = " ".join([*map(shlex.quote, child_command("config", "show")), streams])
    done = subprocess.run(["sh", "-c", shell], env=os.environ, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert b"default_network" in done.stdout
    shell = " ".join([*map(shlex.quote, child_command("identity", "show", "-n", "ic")), streams])
    done = subprocess.run(["sh", "-c", shell], env=os.environ, capture_output=True, check=False)
    assert done.returncode == 12


def test_a_letter_that_the_output_cannot_show_does_not_cost_the_result(cli, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("JUNO_SNAP_STATE", str(cli / "höhle"))
    ran = run_child("config", "show")
    assert (ran.code, ran.err) == (0, "")
    assert "h\\xf6hle" in ran.out
