"""Keys that other tools keep: which one signs, where, and what is refused."""

import base64
import json
import time

import pytest

from juno_snap.agent.identity import generate_ed25519
from juno_snap.cli.output import traceback_of
from juno_snap.errors import IdentityError
from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import find_store, store_file
from juno_snap.juno.credentials.token import read_key_json, read_token
from juno_snap.wire.envelope import Delegation
from tests.integration.cli_world import (
    ask,
    create_store,
    juno_snap,
    look,
    refuse,
    write_sample,
)

SEED = bytes([7]) * 32
KEY = generate_ed25519(SEED)
PAIR = [KEY.public_key_der.hex(), SEED.hex()]
OWNER = generate_ed25519(bytes([8]) * 32)
REVOKED = generate_ed25519(bytes(32))
SATELLITE = "jx5yt-yyaaa-aaaal-abzbq-cai"
HOUR_NS = 3600 * 10**9


def token_of(key, seed) -> str:
    document = {"token": [key.public_key_der.hex(), seed.hex()]}
    return base64.b64encode(json.dumps(document).encode()).decode()


TOKEN = token_of(KEY, SEED)


def write_store(login, document):
    file = store_file(login)
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def write_private(file, data):
    file.write_bytes(data)
    file.chmod(0o600)
    return file


def delegate(folder, *, expires_at_ns, targets=None, permissions=None, to=KEY, seed=SEED):
    """A configured identity ``ci``: another key signs for OWNER."""
    delegation = Delegation(
        public_key=to.public_key_der,
        expires_at_ns=expires_at_ns,
        targets=targets,
        permissions=permissions,
    )
    entry = {"pubkey": to.public_key_der.hex(), "expiration": f"{expires_at_ns:x}"}
    if targets:
        entry["targets"] = [target.raw.hex() for target in targets]
    if permissions:
        entry["permissions"] = permissions
    signature = OWNER.sign(delegation.signing_payload()).hex()
    chain = {
        "publicKey": OWNER.public_key_der.hex(),
        "delegations": [{"delegation": entry, "signature": signature}],
    }
    (folder / "chain.json").write_text(json.dumps(chain))
    pair = [to.public_key_der.hex(), seed.hex()]
    write_private(folder / "key.json", json.dumps(pair).encode())
    (folder / "juno-snap.toml").write_text(
        '[identity.ci]\nkey_file = "key.json"\ndelegation_file = "chain.json"\n'
    )


def principal(*words):
    return ask("identity", "show", *words)["principal"]


def test_a_token_upgrades_a_module_without_a_terminal(cli, monkeypatch):
    monkeypatch.setenv("JUNO_TOKEN", TOKEN)
    module = create_store(cli)
    assert ask("status", "--module", module)["controllers"] == [str(KEY.principal)]
    new = write_sample(cli, "document_store_v2")
    done = ask("upgrade", "--src", new, "--module", module)
    assert done["outcome"] == "upgraded"
    shown = ask("identity", "show")
    assert (shown["name"], shown["source"]) == ("juno:token", "JUNO_TOKEN (JUNO_TOKEN)")


def test_what_is_said_is_stronger_than_a_token_and_that_than_a_configured_key(cli, monkeypatch):
    write_private(cli / "key.pem", OWNER.to_pem())
    (cli / "juno-snap.toml").write_text('default_identity = "./key.pem"\n')
    assert principal() == str(OWNER.principal)
    monkeypatch.setenv("JUNO_TOKEN", TOKEN)
    assert principal() == str(KEY.principal)
    assert principal("--identity", "./key.pem") == str(OWNER.principal)
    monkeypatch.setenv("JUNO_SNAP_IDENTITY", str(cli / "key.pem"))
    assert principal() == str(OWNER.principal)
    assert principal("--identity", "juno:token") == str(KEY.principal)


def test_a_login_of_juno_is_used_for_mainnet_and_one_of_the_emulator_is_not(cli, monkeypatch):
    write_store(Login(), {"token": PAIR})
    assert ask("identity", "show", "-n", "ic")["name"] == "juno:store"
    assert principal("-n", "ic") == str(KEY.principal)
    create_store(cli)
    assert ask("identity", "show")["name"] == "default"
    monkeypatch.setenv("JUNO_SNAP_MODE", "development")
    assert refuse("identity", "show", "-n", "ic").error["code"] == "no-identity"
    assert principal("--identity", "default") != str(KEY.principal)
    write_store(Login(mode="development"), {"token": [OWNER.public_key_der.hex(), "08" * 32]})
    assert principal() == str(OWNER.principal)
    assert refuse("identity", "show", "-n", "ic").error["code"] == "no-identity"


def test_a_configured_key_is_stronger_than_a_login(cli):
    write_store(Login(), {"token": PAIR})
    write_private(cli / "key.pem", OWNER.to_pem())
    (cli / "juno-snap.toml").write_text('default_identity = "./key.pem"\n')
    assert principal("-n", "ic") == str(OWNER.principal)


def test_after_a_logout_there_is_no_login(cli):
    write_store(Login(), {})
    ran = refuse("identity", "show", "-n", "ic")
    assert (ran.code, ran.error["code"]) == (12, "no-identity")
    assert "logged in" in ran.error["message"]
    assert refuse("identity", "show", "--identity", "juno:store").error["code"] == (
        "identity-not-found"
    )


def test_each_profile_is_a_login_of_its_own(cli, monkeypatch):
    write_store(Login(profile="team"), {"token": PAIR})
    assert refuse("identity", "show", "-n", "ic").code == 12
    monkeypatch.setenv("JUNO_SNAP_PROFILE", "team")
    assert principal("-n", "ic") == str(KEY.principal)


def test_keys_are_withheld_from_a_network_that_anybody_may_be(cli, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_NETWORK", "http://192.0.2.1")
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", "fetch")
    write_store(Login(), {"token": PAIR})
    monkeypatch.setenv("JUNO_SNAP_MODE", "development")
    write_store(Login(mode="development"), {"token": PAIR})
    assert refuse("identity", "show").error["code"] == "no-identity"
    monkeypatch.setenv("JUNO_TOKEN", TOKEN)
    ran = refuse("identity", "show")
    assert (ran.code, ran.error["code"]) == (12, "identity-withheld")
    assert "--identity juno:token" in ran.error["hint"]
    assert principal("--identity", "juno:token") == str(KEY.principal)


def test_a_configured_name_stands_for_a_key_of_another_tool(cli):
    write_store(Login(), {"token": PAIR})
    (cli / "juno-snap.toml").write_text('[identity.me]\nkey = "juno:store"\n')
    assert principal("--identity", "me") == str(KEY.principal)
    for table in ('key = "juno:other"', 'key = "juno:store"\nkey_file = "x.pem"'):
        (cli / "juno-snap.toml").write_text(f"[identity.me]\n{table}\n")
        assert refuse("identity", "show").code == 10


@pytest.mark.parametrize("make", ["token", "file", "store", "delegation"])
def test_the_revoked_key_signs_nothing(cli, make, monkeypatch):
    module = create_store(cli)
    before = look(module)
    words = ()
    match make:
        case "token":
            monkeypatch.setenv("JUNO_TOKEN", token_of(REVOKED, bytes(32)))
        case "file":
            words = ("--identity", write_private(cli / "revoked.pem", REVOKED.to_pem()))
        case "store":
            monkeypatch.setenv("JUNO_SNAP_MODE", "development")
            write_store(
                Login(mode="development"), {"token": [REVOKED.public_key_der.hex(), "00" * 32]}
            )
        case "delegation":
            until = time.time_ns() + HOUR_NS
            delegate(cli, expires_at_ns=until, to=REVOKED, seed=bytes(32))
            words = ("--identity", "ci")
    ran = refuse("module", "stop", "--module", module, *words)
    assert (ran.code, ran.error["code"]) == (12, "identity-revoked")
    monkeypatch.delenv("JUNO_TOKEN", raising=False)
    monkeypatch.delenv("JUNO_SNAP_MODE", raising=False)
    assert look(module) == before


def test_the_revoked_key_is_not_imported(cli):
    file = write_private(cli / "revoked.pem", REVOKED.to_pem())
    assert refuse("identity", "import", file, "--name", "x").error["code"] == "identity-revoked"
    assert ask("identity", "list")["identities"] == []


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        pytest.param(
            {"expires_at_ns": 1_700_000_000 * 10**9},
            "identity-expired",
            "2023-11-14T22:13:20Z",
            id="expired",
        ),
        pytest.param(
            {"targets": (Principal.parse(SATELLITE),)},
            "identity-delegation",
            "does not allow calls to aaaaa-aa",
            id="for another module",
        ),
        pytest.param(
            {"permissions": "queries"}, "identity-delegation", "queries only", id="for queries"
        ),
    ],
)
def test_a_delegation_that_does_not_allow_it_changes_nothing(cli, changes, code, said):
    delegate(cli, expires_at_ns=time.time_ns() + HOUR_NS)
    module = ask("module", "create", "--identity", "ci")["module"]
    before = look(module)
    delegate(cli, **{"expires_at_ns": time.time_ns() + HOUR_NS, **changes})
    for words in (("snapshot", "create"), ("module", "stop"), ("module", "delete", "--yes")):
        ran = refuse(*words, "--module", module, "--identity", "ci")
        assert (ran.code, ran.error["code"]) == (12, code), words
        assert said in ran.error["message"]
    assert look(module) == before


def test_a_delegation_for_the_management_canister_and_the_module_is_enough(cli):
    delegate(cli, expires_at_ns=time.time_ns() + HOUR_NS)
    module = ask("module", "create", "--identity", "ci")["module"]
    targets = (Principal.parse(module), MANAGEMENT_CANISTER)
    delegate(cli, expires_at_ns=time.time_ns() + HOUR_NS, targets=targets)
    ask("module", "stop", "--module", module, "--identity", "ci")
    assert ask("status", "--module", module, "--identity", "ci")["status"] == "stopped"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param('{"token": [', id="cut off"),
        pytest.param("\x00" * 16 + ":" + "\x01" * 20, id="encrypted and damaged"),
        pytest.param(None, id="not readable"),
    ],
)
def test_a_store_that_cannot_be_read_changes_nothing(cli, document, monkeypatch):
    module = create_store(cli)
    before = look(module)
    file = write_store(Login(mode="development"), document or "")
    if document is None:
        file.unlink()
        file.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("JUNO_SNAP_MODE", "development")
        patch.setenv("JUNO_SNAP_JUNO_PASSWORD", "secret")
        ran = refuse("module", "stop", "--module", module)
        assert ran.code == 12
        assert str(file) in ran.error["message"]
        assert ran.error["hint"]
        assert principal("--identity", "default")
    assert look(module) == before


def test_a_secret_that_others_can_read_is_a_warning(cli, monkeypatch):
    file = write_store(Login(), {"token": PAIR})
    file.parent.chmod(0o755)
    words = ("identity", "show", "-n", "ic", "--quiet", "--json")
    assert f"warning: others can read the key in {file}" in juno_snap(*words).err
    file.parent.chmod(0o700)
    assert juno_snap(*words).err == ""
    (cli / "phrase.txt").write_text("open sesame\n")
    write_private(cli / "locked.pem", KEY.to_pem(passphrase=b"open sesame"))
    (cli / "juno-snap.toml").write_text(
        '[identity.ci]\nkey_file = "locked.pem"\npassword_file = "phrase.txt"\n'
    )
    said = f"warning: others can read the password in {cli / 'phrase.txt'}"
    assert said in juno_snap("identity", "show", "--identity", "ci").err


def test_what_a_login_is_for_is_listed(cli, monkeypatch):
    write_store(Login(), {"token": PAIR, "satellites": [{"p": SATELLITE, "n": "shop"}]})
    monkeypatch.setenv("JUNO_TOKEN", TOKEN)
    listed = ask("identity", "list")
    names = {row["name"]: row["principal"] for row in listed["identities"]}
    assert names == {"juno:token": str(KEY.principal), "juno:store": str(KEY.principal)}
    assert listed["segments"] == [{"role": "satellite", "module": SATELLITE, "name": "shop"}]
    assert "shop" in juno_snap("identity", "list").out


def test_the_mission_control_is_the_one_of_the_login(cli, monkeypatch):
    module = create_store(cli)
    missing = refuse("status", "-t", "mission-control")
    assert (missing.code, missing.error["code"]) == (10, "no-target")
    assert "juno login" in missing.error["hint"]
    write_store(Login(), {"missionControl": module, "satellites": [{"p": SATELLITE, "n": "shop"}]})
    assert ask("status", "-t", "mission-control")["module"] == module
    assert refuse("status", "-t", "m", "--mode", "staging").error["code"] == "no-target"
    assert refuse("status", "-t", "satellite").error["code"] == "no-target"
    (cli / "juno-snap.toml").write_text(f'[modules.mission-control]\ncanister = "{SATELLITE}"\n')
    assert SATELLITE in refuse("status", "-t", "m").error["message"]


def test_the_mission_control_of_a_login_is_shown_where_it_is_asked_for(cli):
    file = write_store(Login(), {"missionControl": SATELLITE})
    rows = ask("config", "show", "--origins", "-t", "m")["settings"]
    assert rows[-1] == {"key": "target.mission-control", "value": SATELLITE, "origin": str(file)}
    assert rows[:-1] == ask("config", "show", "--origins")["settings"]


def test_a_damaged_login_is_named_where_its_mission_control_is_meant(cli):
    file = write_store(Login(), '{"missionControl": 5}')
    ran = refuse("status", "-t", "mission-control", "--identity", "anonymous")
    assert (ran.code, ran.error["code"]) == (12, "identity-malformed")
    assert str(file) in ran.error["message"]


def test_identities_of_other_tools_are_listed_and_used(cli, monkeypatch):
    monkeypatch.setenv("DFX_CONFIG_ROOT", str(cli))
    folder = cli / ".config" / "dfx" / "identity" / "alice"
    folder.mkdir(parents=True)
    write_private(folder / "identity.pem", KEY.to_pem())
    (row,) = ask("identity", "list")["identities"]
    assert (row["name"], row["principal"]) == ("dfx:alice", str(KEY.principal))
    assert principal("--identity", "dfx:alice") == str(KEY.principal)
    ran = refuse("identity", "show", "--identity", "dfx:bob")
    assert (ran.code, ran.error["hint"]) == (12, "it has alice")


def test_json_of_agent_js_is_imported_as_a_key(cli, tmp_path):
    file = write_private(cli / "key.json", json.dumps(PAIR).encode())
    assert principal("--identity", file) == str(KEY.principal)
    ask("identity", "import", file, "--name", "web")
    assert "PRIVATE KEY" in (tmp_path / "state" / "identities" / "web.pem").read_text()
    assert principal("--identity", "web") == str(KEY.principal)


def test_who_is_no_controller_hears_which_role_would_be(cli):
    module = create_store(cli)
    file = write_private(cli / "key.pem", KEY.to_pem())
    ran = refuse("snapshot", "create", "--module", module, "--identity", file)
    assert (ran.code, ran.error["code"]) == (5, "not-controller")
    assert "role Admin" in ran.error["hint"]


def secrets_in(text: str) -> list[str]:
    """What of the key, its token and its file stands in ``text``."""
    body = "".join(KEY.to_pem().decode().splitlines()[1:-1])
    known = {"seed": SEED.hex(), "token": TOKEN[:60], "tail": TOKEN[-40:], "PEM": body[20:]}
    return [name for name, secret in known.items() if secret.lower() in text.lower()]


def test_no_secret_is_in_any_output(cli, monkeypatch):
    module = create_store(cli)
    write_store(Login(mode="development"), {"token": PAIR})
    write_private(cli / "key.pem", KEY.to_pem())
    delegate(cli, expires_at_ns=time.time_ns() + HOUR_NS)
    outputs = []
    for environment in ({"JUNO_TOKEN": TOKEN}, {"JUNO_SNAP_MODE": "development"}):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            for words in (
                ("identity", "show"),
                ("identity", "list"),
                ("config", "show", "--origins"),
                ("config", "check"),
                ("status", "--module", module),
                ("module", "stop", "--module", module),
                ("snapshot", "create", "--module", module, "--identity", "ci"),
                ("identity", "import", "key.json", "--name", "copy"),
                ("identity", "show", "--identity", "juno:nothing"),
            ):
                styles = ((), ("--json",), ("--verbose",))
                outputs += [juno_snap(*words, *style) for style in styles]
    assert {ran.code for ran in outputs} == {0, 5, 12}
    assert secrets_in("".join(ran.out + ran.err for ran in outputs)) == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(json.dumps({"token": [*PAIR, "x"]}), id="three halves"),
        pytest.param(json.dumps({"token": [PAIR[1], PAIR[0]]}), id="turned round"),
        pytest.param(json.dumps({"token": {"seed": SEED.hex()}}), id="another form"),
        pytest.param(json.dumps({"token": PAIR})[:-3], id="cut off"),
        pytest.param(json.dumps({"token": PAIR, "satellites": [SEED.hex()]}), id="misplaced"),
    ],
)
def test_no_secret_is_in_an_error_or_its_traceback(cli, broken, monkeypatch):
    packed = base64.b64encode(broken.encode()).decode()
    file = write_store(Login(), broken)
    texts = []
    for read in (
        lambda: read_token(packed),
        lambda: read_key_json(broken.encode(), "key.json"),
        lambda: find_store(Login()),
    ):
        try:
            read()
        except IdentityError as error:
            texts.append(traceback_of(error) + repr(error))
    assert texts
    monkeypatch.setenv("JUNO_TOKEN", packed)
    for words in (
        ("identity", "show"),
        ("identity", "list"),
        ("identity", "show", "--identity", file),
        ("identity", "show", "--identity", "juno:store"),
    ):
        ran = juno_snap(*words, "--verbose")
        texts.append(ran.out + ran.err)
    assert secrets_in("".join(texts)) == []
