"""On a terminal: questions, live steps, colours, and what a signal does."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from juno_snap.agent.identity import generate_ed25519
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.cli_world import ask, child_command, create_store, documents, look

KEY = generate_ed25519(bytes(range(32)))
DEADLINE_SECONDS = 30


class Terminal:
    """A command on a terminal of its own; ``text`` is what it has shown so far."""

    def __init__(self, *words, **environment):
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            child_command(*words),
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment},
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        self.text = ""

    def read_until(self, words):
        end = time.monotonic() + DEADLINE_SECONDS
        while words not in self.text:
            assert self._read_more(end), f"{words!r} was not shown: {self.text}"

    def say(self, line):
        os.write(self._main, line.encode())

    def end(self) -> int:
        while self._read_more(time.monotonic() + DEADLINE_SECONDS):
            pass
        os.close(self._main)
        return self.process.wait(timeout=DEADLINE_SECONDS)

    def _read_more(self, end) -> bool:
        ready, _, _ = select.select([self._main], [], [], max(0, end - time.monotonic()))
        try:
            piece = os.read(self._main, 65_536) if ready else b""
        except OSError:  # the other side is closed
            piece = b""
        self.text += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)


@pytest.fixture
def store(cli):
    """A document store named docs."""
    create_store(cli)
    return cli


def test_a_question_is_answered(store):
    taken = ask("snapshot", "create", "--module", "docs")["snapshot"]["id"]
    ask("module", "call", "set_document", '("c", "d")', "--module", "docs")
    for answer, code in (("\n", 5), ("n\n", 5), ("y\n", 0)):
        restore = Terminal("snapshot", "restore", "--module", "docs")
        restore.read_until("[y/N] ")
        assert f"load snapshot {taken}" in restore.text
        restore.say(answer)
        assert restore.end() == code
    assert documents("docs") == '(vec { "a"; "b" })'


@pytest.mark.parametrize(
    ("words", "environment"),
    [(("--headless",), {}), ((), {"CI": "true"}), (("--identity", "k.pem"), {"JUNO_TOKEN": "x"})],
    ids=["headless", "CI", "JUNO_TOKEN"],
)
def test_nothing_is_asked_where_nobody_should_be(store, words, environment):
    (store / "k.pem").write_bytes(KEY.to_pem())
    reset = Terminal("replica", "reset", *words, **environment)
    assert reset.end() == 5
    assert "--yes" in reset.text
    assert "[y/N]" not in reset.text


def test_ctrl_c_at_a_question_changes_nothing(store):
    ask("snapshot", "create", "--module", "docs")
    before = look("docs")
    restore = Terminal("snapshot", "restore", "--module", "docs")
    restore.read_until("[y/N] ")
    restore.process.send_signal(signal.SIGINT)
    assert restore.end() == 130
    assert "nothing was changed" in restore.text
    assert look("docs") == before


def test_a_passphrase_is_asked_for_and_not_shown(store):
    (store / "locked.pem").write_bytes(KEY.to_pem(passphrase=b"open sesame"))
    (store / "locked.pem").chmod(0o600)
    show = Terminal("identity", "show", "--identity", "locked.pem")
    show.read_until("passphrase of ")
    show.say("open sesame\n")
    assert show.end() == 0
    assert str(KEY.principal) in show.text
    assert "open sesame" not in show.text


def test_a_module_found_stopped_is_asked_about(store):
    ask("module", "stop", "--module", "docs")
    upgrade = Terminal("upgrade", "--module", "docs", "--src", "document_store_v1.wasm")
    upgrade.read_until("start it afterwards? [y/N] ")
    upgrade.say("y\n")
    assert upgrade.end() == 0
    assert look("docs")["status"] == "running"


def test_no_color_is_respected(store):
    snapshot = Terminal("snapshot", "create", "--module", "docs", NO_COLOR="1")
    assert snapshot.end() == 0
    assert "done" in snapshot.text
    assert not re.search(r"\x1b\[[0-9;]*m", snapshot.text)


def test_json_is_json_on_a_terminal_too(store):
    status = Terminal("status", "--module", "docs", "--json")
    assert status.end() == 0
    assert json.loads(status.text)["name"] == "docs"


@pytest.fixture
def slow(cli, monkeypatch):
    """A document store on a network with rounds of half a second."""
    with run_replica(ReplicaOptions(round_ms=500)) as replica:
        monkeypatch.setenv("JUNO_SNAP_NETWORK", replica.url)
        monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
        create_store(cli)
        yield cli


def test_steps_are_shown_live_and_in_colour(slow):
    snapshot = Terminal("snapshot", "create", "--module", "docs")
    assert snapshot.end() == 0
    assert re.search(r"stop\s+\.\.\.\s+0\.\d s", snapshot.text)
    assert re.search(r"stop\s+\x1b\[32mdone", snapshot.text)
    assert "\x1b[2K" in snapshot.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_starts_the_module_again(slow, number):
    with subprocess.Popen(
        child_command("snapshot", "create", "--module", "docs", "--json", "--verbose"),
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        for line in running.stderr:
            if line.startswith("stop ..."):
                break
        running.send_signal(number)
        rest = running.stderr.read()
        document = json.loads(running.stdout.read())
        assert running.wait(timeout=DEADLINE_SECONDS) == 130
    assert "once more leaves at once" in rest
    assert json.loads(rest.splitlines()[-1])["error"]["code"] == "cancelled"
    assert document["module_status"] == "running"
    assert look("docs")["status"] == "running"
    assert look("docs")["snapshots"] == []


def test_the_second_signal_leaves_at_once(slow):
    with subprocess.Popen(
        child_command("snapshot", "create", "--module", "docs"),
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        for line in running.stderr:
            if line.startswith("stop ..."):
                break
        running.send_signal(signal.SIGINT)
        for line in running.stderr:
            if "once more" in line:
                break
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=DEADLINE_SECONDS) == 130
        assert running.stdout.read() == ""
