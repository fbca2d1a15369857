"""On a terminal: questions, live steps, colours, signals, and a terminal that is gone."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from juno_snap.agent.identity import generate_ed25519
from juno_snap.cli.running import SAME_PRESS_SECONDS
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import store_file
from juno_snap.replica.faults import parse_fault
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

    def hang_up(self):
        os.close(self._main)

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


def encrypt_login(document, password, vector=bytes(range(16))) -> bytes:
    """As the npm package conf writes it; ``tests/interop`` reads what that wrote itself."""
    key = hashlib.pbkdf2_hmac("sha512", password, vector, 10_000, 32)
    padding = PKCS7(128).padder()
    padded = padding.update(json.dumps(document).encode()) + padding.finalize()
    cipher = Cipher(AES256(key), CBC(vector)).encryptor()
    return vector + b":" + cipher.update(padded) + cipher.finalize()


@pytest.mark.parametrize(("said", "code"), [("open sesame", 0), ("closed sesame", 12)])
def test_the_password_of_a_login_is_asked_for_and_not_shown(cli, said, code):
    file = store_file(Login())
    file.parent.mkdir(parents=True)
    pair = [KEY.public_key_der.hex(), bytes(range(32)).hex()]
    file.write_bytes(encrypt_login({"token": pair}, b"open sesame"))
    show = Terminal("identity", "show", "-n", "ic")
    show.read_until("passphrase of ")
    show.say(f"{said}\n")
    assert show.end() == code
    assert (str(KEY.principal) in show.text) == (code == 0)
    assert ("the password is wrong" in show.text) == (code == 12)
    assert said not in show.text


@pytest.mark.parametrize("words", [("doctor",), ("status",)], ids=" ".join)
def test_the_password_of_a_login_that_signs_and_names_the_module_is_asked_for_once(cli, words):
    made = ask("module", "create", "--name", "mine")["module"]
    file = store_file(Login())
    file.parent.mkdir(parents=True)
    pair = [KEY.public_key_der.hex(), bytes(range(32)).hex()]
    login = {"token": pair, "missionControl": made}
    file.write_bytes(encrypt_login(login, b"open sesame"))
    shown = Terminal(*words, "-t", "mission-control", "--identity", "juno:store")
    shown.read_until("passphrase of ")
    shown.say("open sesame\n")
    shown.end()
    assert shown.text.count("passphrase of ") == 1
    assert made in shown.text


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
def slow(cli, monkeypatch, request):
    """A document store on a network with rounds of half a second; parameters are its faults."""
    faults = tuple(map(parse_fault, getattr(request, "param", ())))
    with run_replica(ReplicaOptions(round_ms=500, faults=faults)) as replica:
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


@contextlib.contextmanager
def stopping(*words, **options):
    """A snapshot that is about to stop its module, on a slow network, and its standard error."""
    with subprocess.Popen(
        child_command("snapshot", "create", "--module", "docs", *words),
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as running:
        read_until(running, "stop ...")
        yield running


def read_until(running, words):
    """Read lines of standard error up to the one that begins with ``words``."""
    for line in running.stderr:
        if line.startswith(words):
            return
    pytest.fail(f"{words!r} was not said")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_starts_the_module_again(slow, number):
    with stopping("--json", "--verbose") as running:
        running.send_signal(number)
        rest = running.stderr.read()
        document = json.loads(running.stdout.read())
        assert running.wait(timeout=DEADLINE_SECONDS) == 130
    assert "once more leaves at once" in rest
    assert json.loads(rest.splitlines()[-1])["error"]["code"] == "cancelled"
    assert document["module_status"] == "running"
    assert look("docs")["status"] == "running"
    assert look("docs")["snapshots"] == []


HOLDS = pytest.mark.parametrize(
    "slow", [["accept-forever@call:start_canister"]], ids=["held"], indirect=True
)


def let_pass(seconds, running):
    """Time in which it does not end."""
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(timeout=seconds)


@HOLDS
def test_the_second_signal_leaves_at_once(slow):
    with stopping() as running:
        running.send_signal(signal.SIGINT)
        read_until(running, "warning: interrupted")
        let_pass(SAME_PRESS_SECONDS, running)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=DEADLINE_SECONDS) == 130
        assert running.stdout.read() == ""
        assert "juno-snap resume" in running.stderr.read()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_passed_on_by_others_counts_once(slow, second):
    """A terminal sends Ctrl-C to all of its processes, and some of them send it on."""
    with stopping() as running:
        running.send_signal(second)
        read_until(running, "warning: interrupted")
        running.send_signal(second)
        assert running.wait(timeout=DEADLINE_SECONDS) == 130
        assert "runs now" in running.stdout.read()
    assert look("docs")["status"] == "running"


@HOLDS
def test_a_closed_terminal_never_asks_twice(slow):
    with stopping() as running:
        running.send_signal(signal.SIGHUP)
        read_until(running, "warning: interrupted")
        for _ in range(2):
            let_pass(SAME_PRESS_SECONDS, running)
            running.send_signal(signal.SIGHUP)
        let_pass(SAME_PRESS_SECONDS, running)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=DEADLINE_SECONDS) == 130


def test_what_is_ignored_from_the_start_stays_ignored(slow):
    """As under ``nohup``."""
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with stopping(**ignore) as running:
        running.send_signal(signal.SIGHUP)
        assert running.wait(timeout=DEADLINE_SECONDS) == 0
    assert len(look("docs")["snapshots"]) == 1


def test_an_operation_cannot_be_suspended(slow):
    with stopping() as running:
        running.send_signal(signal.SIGTSTP)
        read_until(running, "warning: not suspended")
        assert running.wait(timeout=DEADLINE_SECONDS) == 0
    assert look("docs")["status"] == "running"


def test_nobody_who_listens_is_no_reason_to_stop(slow):
    """Both readers go while the module is stopped, as ``| head`` does."""
    with stopping() as running:
        running.stderr.close()
        running.stdout.close()
        assert running.wait(timeout=DEADLINE_SECONDS) == 0
    assert look("docs")["status"] == "running"
    assert len(look("docs")["snapshots"]) == 1


def test_a_terminal_that_goes_away_is_no_reason_to_stop(slow):
    snapshot = Terminal("snapshot", "create", "--module", "docs")
    snapshot.read_until("stop")
    snapshot.hang_up()
    snapshot.process.wait(timeout=DEADLINE_SECONDS)
    assert look("docs")["status"] == "running"


def test_a_reader_that_does_not_read_is_not_waited_for(slow):
    """As a terminal that is paused with Ctrl-S."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    os.set_blocking(writing, True)
    with subprocess.Popen(
        child_command("snapshot", "create", "--module", "docs", "--verbose"),
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    ) as running:
        assert running.wait(timeout=DEADLINE_SECONDS) == 0
    os.close(writing)
    os.close(reading)
    assert len(look("docs")["snapshots"]) == 1
