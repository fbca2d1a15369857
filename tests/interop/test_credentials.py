"""Keys and logins that other programs wrote: conf (Juno's CLI), @icp-sdk/core, icp."""

import json

import pytest

from juno_snap.agent.identity import generate_ed25519
from tests.integration.cli_world import ask, juno_snap, refuse
from tests.interop.test_icp_cli import run
from tests.motoko import require_npm_packages, run_node

pytestmark = pytest.mark.interop

PASSWORD = "pässwörd of 🚀"
SATELLITE = "jx5yt-yyaaa-aaaal-abzbq-cai"
CONTROL = "rrkah-fqaaa-aaaaa-aaaaq-cai"
SEGMENTS = {"satellites": [{"p": SATELLITE, "n": "shop"}], "missionControl": CONTROL}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home and working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return tmp_path / "home"


def ask_node(program, task, **environment):
    require_npm_packages()
    ran = run_node(["node", f"clients/{program}.mjs"], task=json.dumps(task), **environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def write_logins(home, *logins):
    """Token stores by the real package, in the place that it chooses for this home."""
    return ask_node("juno_login", logins, HOME=str(home), XDG_CONFIG_HOME="")


def test_a_login_is_read_where_and_as_it_was_written(home, monkeypatch):
    plain, encrypted = write_logins(
        home,
        {"name": "juno", "seed": "07" * 32, **SEGMENTS},
        {"name": "juno-team-staging", "seed": "09" * 32, "password": PASSWORD, **SEGMENTS},
    )
    shown = ask("identity", "show", "-n", "ic")
    assert shown["principal"] == plain["principal"]
    assert (shown["kind"], shown["source"]) == ("ed25519", plain["path"])
    listed = ask("identity", "list")["segments"]
    assert [(each["role"], each["module"], each["name"]) for each in listed] == [
        ("satellite", SATELLITE, "shop"),
        ("mission-control", CONTROL, None),
    ]
    monkeypatch.setenv("JUNO_SNAP_MODE", "staging")
    monkeypatch.setenv("JUNO_SNAP_PROFILE", "team")
    locked = refuse("identity", "show", "-n", "ic")
    assert (locked.code, locked.error["code"]) == (12, "identity-passphrase")
    assert "JUNO_SNAP_JUNO_PASSWORD" in locked.error["hint"]
    assert ask("identity", "list")["identities"][0]["kind"] == "identity-passphrase"
    monkeypatch.setenv("JUNO_SNAP_JUNO_PASSWORD", PASSWORD)
    assert ask("identity", "show", "-n", "ic")["principal"] == encrypted["principal"]


def test_the_password_of_a_login_comes_from_a_variable_a_command_or_a_file(home, monkeypatch):
    logins = [
        {"name": f"juno-p{number}", "seed": f"{number:02}" * 32, "password": PASSWORD, "old": old}
        for number, old in enumerate([False, False, True, True, True], start=1)
    ]
    (home.parent / "phrase.txt").write_text(f"{PASSWORD}\n")
    (home.parent / "phrase.txt").chmod(0o600)
    written = write_logins(home, *[{**each, "name": f"{each['name']}-x"} for each in logins])
    monkeypatch.setenv("JUNO_SNAP_MODE", "x")
    for number, login in enumerate(written, start=1):
        monkeypatch.setenv("JUNO_SNAP_PROFILE", f"p{number}")
        for said in (f'password_command = ["echo", "{PASSWORD}"]', 'password_file = "phrase.txt"'):
            (home.parent / "juno-snap.toml").write_text(
                f'[identity.me]\nkey = "juno:store"\n{said}\n'
            )
            assert ask("identity", "show", "-n", "ic")["principal"] == login["principal"]
        with monkeypatch.context() as patch:
            patch.setenv("JUNO_SNAP_JUNO_PASSWORD", "wrong")
            ran = refuse("identity", "show", "--identity", "me")
            assert (ran.code, ran.error["code"]) == (12, "identity-passphrase")
            assert "the password is wrong" in ran.error["message"]


def test_a_token_of_the_console_is_the_same_principal_here_and_there(home, monkeypatch):
    for number, login in enumerate(
        write_logins(home, *({"name": "juno", "seed": f"{number:02x}" * 32} for number in range(9)))
    ):
        monkeypatch.setenv("JUNO_TOKEN", login["token"])
        assert login["principal"] == str(generate_ed25519(bytes([number]) * 32).principal)
        if number == 0:
            assert refuse("identity", "show").error["code"] == "identity-revoked"
        else:
            assert ask("identity", "show")["principal"] == login["principal"]


def test_chains_of_delegations_sign_for_their_owner(home, replica, monkeypatch):
    folder = home.parent
    monkeypatch.setenv("JUNO_SNAP_NETWORK", replica.url)
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
    made = ask_node("delegation_chains", {"targets": ["aaaaa-aa"]})
    (folder / "session.json").write_text(made["session"])
    (folder / "session.json").chmod(0o600)
    tables = []
    for name, one in made["chains"].items():
        (folder / f"{name}_chain.json").write_text(one["chain"])
        tables.append(
            f'[identity.{name}]\nkey_file = "session.json"\ndelegation_file = "{name}_chain.json"'
        )
    (folder / "juno-snap.toml").write_text("\n".join(tables))
    expired = made["chains"].pop("expired")
    for name, one in made["chains"].items():
        assert ask("identity", "show", "--identity", name)["principal"] == one["principal"]
        module = ask("module", "create", "--identity", name)["module"]
        ask("module", "stop", "--module", module, "--identity", name)
        seen = ask("status", "--module", module, "--identity", name)
        assert (seen["status"], seen["controllers"]) == ("stopped", [one["principal"]])
    ran = refuse("module", "create", "--identity", "expired")
    assert (ran.code, ran.error["code"]) == (12, "identity-expired")
    assert expired["principal"] in ran.error["message"]


@pytest.fixture
def icp(home):
    """The icp program, in the same home."""
    program = require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"

    def call(*arguments):
        return run([program, "identity", *map(str, arguments)])

    return call


def test_identities_of_icp_are_used_by_name(home, icp, monkeypatch):
    phrase, public, chain = (home.parent / name for name in ("phrase", "key.pem", "chain.json"))
    phrase.write_text("open sesame")
    icp("new", "plain", "--storage", "plaintext")
    icp("new", "locked", "--storage", "password", "--storage-password-file", phrase)
    imported = home.parent / "import.pem"
    imported.write_bytes(generate_ed25519(bytes([5]) * 32).to_pem())
    icp("import", "ed", "--from-pem", imported, "--storage", "plaintext")
    public.write_text(icp("delegation", "request", "session", "--storage", "plaintext"))
    pending = refuse("identity", "show", "--identity", "icp:session")
    assert (pending.code, pending.error["code"]) == (12, "identity-storage")
    chain.write_text(
        icp("delegation", "sign", "--key-pem", public, "--duration", "1h", "--identity", "plain")
    )
    icp("delegation", "use", "session", "--from-json", chain)
    rows = {row["name"]: row["principal"] for row in ask("identity", "list")["identities"]}
    theirs = {
        name: icp("principal", "--identity", name, "--identity-password-file", phrase).strip()
        for name in ("plain", "locked", "ed", "session")
    }
    assert rows == {f"icp:{name}": principal for name, principal in theirs.items()}
    assert theirs["session"] == theirs["plain"]
    assert refuse("identity", "show", "--identity", "icp:locked").error["code"] == (
        "identity-passphrase"
    )
    monkeypatch.setenv("JUNO_SNAP_IDENTITY_PASSWORD", "open sesame")
    for name, principal in theirs.items():
        assert ask("identity", "show", "--identity", f"icp:{name}")["principal"] == principal
    kind = ask("identity", "show", "--identity", "icp:session")["kind"]
    assert kind == "delegated"
    assert "others can read" in juno_snap("identity", "show", "--identity", "icp:plain").err
