"""Keys that icp and dfx keep in a keyring of the system."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from juno_snap.agent.identity import generate_ed25519
from tests.interop.test_icp_cli import run
from tests.motoko import require_npm_packages

pytestmark = pytest.mark.interop

SECONDS = 60

WITHOUT_KEYRING = """
import sys
sys.modules["keyring"] = None
from juno_snap.cli.main import main
main()
"""
IN_A_KEYRING = """
printf open | gnome-keyring-daemon --unlock --components=secrets > /dev/null
"$1" identity new bob > /dev/null
"$1" identity principal --identity bob
"$2" -m juno_snap identity show --identity icp:bob --json
"$1" identity delegation request session > key.pem
"$1" identity delegation sign --key-pem key.pem --duration 1h --identity bob > chain.json
"$1" identity delegation use session --from-json chain.json
"$2" -m juno_snap identity show --identity icp:session --json
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home and working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return tmp_path / "home"


def test_a_key_that_icp_put_into_the_keyring_of_the_desktop(home):
    """With GNOME's keyring, which needs no screen; elsewhere the next test is all there is."""
    needed = ("dbus-run-session", "gnome-keyring-daemon")
    if not all(map(shutil.which, needed)):
        pytest.skip(f"needs {' and '.join(needed)}")
    program = require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"
    runtime = home.parent / "run"
    runtime.mkdir(mode=0o700)
    words = ["dbus-run-session", "--", "sh", "-e", "-c", IN_A_KEYRING, "sh", program]
    told = run([*words, sys.executable], XDG_RUNTIME_DIR=str(runtime))
    principal, _, documents = told.partition("\n")
    first, second = json.loads("[" + documents.replace("}\n{", "},{") + "]")
    assert (first["principal"], first["kind"]) == (principal, "secp256k1")
    assert (second["principal"], second["kind"]) == (principal, "delegated")


def write_keyring_identity(home, tool, name, key):
    """An identity whose key is in a keyring, as ``tool`` writes it; the entry's names and value."""
    if tool == "icp":
        folder = home / ".local" / "share" / "icp-cli" / "identity"
        folder.mkdir(parents=True)
        entry = {"kind": "keyring", "principal": str(key.principal), "algorithm": "ed25519"}
        listed = {"v": 1, "identities": {name: entry}}
        (folder / "identity_list.json").write_text(json.dumps(listed))
        return "icp-cli", name, key.to_pem().decode()
    folder = home / ".config" / "dfx" / "identity" / name
    folder.mkdir(parents=True)
    config = {"hsm": None, "encryption": None, "keyring_identity_suffix": name}
    (folder / "identity.json").write_text(json.dumps(config))
    user = f"internet_computer_identity_{name}"
    return "internet_computer_identities", user, key.to_pem().hex()


@pytest.mark.parametrize("tool", ["icp", "dfx"])
def test_a_key_in_a_keyring_is_used_and_what_hinders_it_is_told(home, tool):
    key = generate_ed25519(bytes([6]) * 32)
    service, user, secret = write_keyring_identity(home, tool, "bob", key)
    show = [sys.executable, "-m", "juno_snap", "identity", "show", "--json"]
    show += ["--identity", f"{tool}:bob"]
    keyring = [sys.executable, "-m", "keyring"]

    def call(command, backend, text=""):
        environment = {**os.environ, "PYTHON_KEYRING_BACKEND": backend}
        return subprocess.run(
            command,
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    file_backend = "keyrings.alt.file.PlaintextKeyring"
    empty = call(show, file_backend)
    assert (empty.returncode, json.loads(empty.stderr)["error"]["code"]) == (
        12,
        "identity-not-found",
    )
    assert call([*keyring, "set", service, user], file_backend, secret).returncode == 0
    shown = call(show, file_backend)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["principal"] == str(key.principal)
    closed = call(show, "keyring.backends.fail.Keyring")
    error = json.loads(closed.stderr)["error"]
    assert (closed.returncode, error["code"]) == (12, "keyring-closed")
    assert f"{tool} identity export bob" in error["hint"]
    missing = (
        "import sys; sys.modules['keyring'] = None; from juno_snap.cli.main import main; main()"
    )
    without = call([sys.executable, "-c", missing, *show[3:]], file_backend)
    error = json.loads(without.stderr)["error"]
    assert (without.returncode, error["code"]) == (12, "keyring-missing")
    assert "juno-snap[keyring]" in error["hint"]
