"""Who signs, through the command line."""

import json
import stat
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from juno_snap.agent.identity import generate_ed25519
from juno_snap.wire.envelope import Delegation
from tests.integration.cli_world import ask, create_store, juno_snap, look, refuse, run_child

KEY = generate_ed25519(bytes(range(32)))
PRINCIPAL = str(KEY.principal)


@pytest.fixture
def pem(cli):
    """A key that only its owner can read."""
    return write_key(cli / "key.pem", KEY.to_pem())


def write_key(path, data: bytes, mode: int = 0o600):
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_key_is_made_at_first_use_and_shown_only_then(cli, tmp_path):
    ran = refuse("identity", "show")
    assert (ran.code, ran.error["code"]) == (12, "no-identity")
    assert not (tmp_path / "state").exists()
    create_store(cli)
    shown = ask("identity", "show")
    assert {"principal", "kind", "source"} <= set(shown)
    file = tmp_path / "state" / "identities" / "default.pem"
    assert (shown["kind"], shown["source"]) == ("ed25519", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ask("status", "--module", "docs")["controllers"] == [shown["principal"]]


def test_showing_needs_no_network(cli, monkeypatch, pem):
    monkeypatch.setenv("JUNO_SNAP_NETWORK", "http://192.0.2.1")
    assert ask("identity", "show", "--identity", pem)["principal"] == PRINCIPAL
    monkeypatch.delenv("JUNO_SNAP_NETWORK")
    assert ask("identity", "show", "--identity", "anonymous")["kind"] == "anonymous"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1", id="secp256k1"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), "p256", id="p256"),
    ],
)
def test_other_kinds_of_keys_sign_too(cli, make, kind):
    data = make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = write_key(cli / "other.pem", data)
    assert ask("identity", "show", "--identity", file)["kind"] == kind
    assert ask("module", "create", "--identity", file)["module"]


def test_a_key_is_imported_under_a_name(cli, pem, monkeypatch):
    imported = ask("identity", "import", pem, "--name", "ci")["identity"]
    assert (imported["name"], imported["principal"]) == ("ci", PRINCIPAL)
    (row,) = ask("identity", "list")["identities"]
    assert (row["name"], row["principal"], row["kind"]) == ("ci", PRINCIPAL, "ed25519")
    assert ask("identity", "show", "--identity", "ci")["principal"] == PRINCIPAL
    monkeypatch.setenv("JUNO_SNAP_IDENTITY", "ci")
    module = ask("module", "create")["module"]
    assert ask("status", "--module", module)["controllers"] == [PRINCIPAL]
    again = refuse("identity", "import", pem, "--name", "ci")
    assert (again.code, again.error["code"]) == (5, "name-taken")
    assert refuse("identity", "import", pem, "--name", "../x").code == 2


def test_no_secret_is_ever_printed(cli, pem):
    secret = bytes(range(32)).hex()
    body = "".join(pem.read_text().splitlines()[1:-1])
    for words in (
        ("identity", "import", pem, "--name", "ci"),
        ("identity", "list"),
        ("identity", "show", "--identity", pem, "--verbose"),
    ):
        for ran in (juno_snap(*words), juno_snap(*words, "--json")):
            assert secret not in ran.out + ran.err
            assert body not in ran.out + ran.err


def test_an_encrypted_key_stays_encrypted_and_asks_for_its_passphrase(cli, monkeypatch, tmp_path):
    file = write_key(cli / "locked.pem", KEY.to_pem(passphrase=b"open sesame"))
    ran = refuse("identity", "import", file, "--name", "ci")
    assert (ran.code, ran.error["code"]) == (12, "identity-passphrase")
    assert "JUNO_SNAP_IDENTITY_PASSWORD" in ran.error["hint"]
    assert ran.error["message"].count("locked.pem") == 1
    monkeypatch.setenv("JUNO_SNAP_IDENTITY_PASSWORD", "wrong")
    wrong = refuse("identity", "import", file, "--name", "ci")
    assert (wrong.code, wrong.error["code"]) == (12, "identity-passphrase")
    assert ask("identity", "list")["identities"] == []
    monkeypatch.setenv("JUNO_SNAP_IDENTITY_PASSWORD", "open sesame")
    ask("identity", "import", file, "--name", "ci")
    stored = (tmp_path / "state" / "identities" / "ci.pem").read_text()
    assert "ENCRYPTED" in stored
    assert ask("module", "create", "--identity", "ci")["module"]
    monkeypatch.delenv("JUNO_SNAP_IDENTITY_PASSWORD")
    assert ask("identity", "show", "--identity", "ci")["principal"] == PRINCIPAL
    assert refuse("module", "create", "--identity", "ci").code == 12


def test_a_passphrase_comes_from_a_command_or_a_file(cli):
    write_key(cli / "locked.pem", KEY.to_pem(passphrase=b"open sesame"))
    write_key(cli / "phrase.txt", b"open sesame\nand more\n")
    config = cli / "juno-snap.toml"
    table = '[identity.ci]\nkey_file = "locked.pem"\n'
    for line in (
        'password_command = ["printf", "open sesame\\\\nmore"]',
        'password_file = "phrase.txt"',
    ):
        config.write_text(table + line)
        assert ask("identity", "show", "--identity", "ci")["principal"] == PRINCIPAL
    for line in ('password_command = ["false"]', 'password_command = ["no-such-program"]'):
        config.write_text(table + line)
        assert refuse("identity", "show", "--identity", "ci").code == 12
    assert ask("identity", "list")["identities"][0]["principal"] is None


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_key_that_others_can_read_is_a_warning(cli, pem, mode):
    pem.chmod(mode)
    ran = juno_snap("module", "create", "--identity", pem, "--json", "--quiet")
    assert ran.code == 0
    assert f"warning: others can read the key file {pem}" in ran.err
    assert ran.document["module"]


def test_a_command_that_protects_a_key_can_be_pasted_whatever_its_path(cli, pem):
    spaced = pem.rename(pem.with_name("my key.pem"))
    spaced.chmod(0o644)
    ran = juno_snap("identity", "show", "--identity", spaced)
    assert f"chmod 600 '{spaced}'\n" in ran.err
    (cli / "juno-snap.toml").write_text('[identity.me]\nkey_file = "my key.pem"\n')
    assert f"chmod 600 '{spaced}'" in [line["cure"] for line in ask("doctor")["doctor"]]


def test_a_passphrase_in_a_file_that_others_can_read_is_a_warning(cli):
    write_key(cli / "locked.pem", KEY.to_pem(passphrase=b"open sesame"))
    file = write_key(cli / "pass phrase", b"open sesame\r\n")
    file.chmod(0o644)
    config = '[identity.ci]\nkey_file = "locked.pem"\npassword_file = "pass phrase"\n'
    (cli / "juno-snap.toml").write_text(config)
    assert f"chmod 600 '{file}'\n" in juno_snap("identity", "show", "--identity", "ci").err


def rsa_key(protection) -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def public_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda: b"nothing", "identity-malformed", id="no PEM"),
        pytest.param(lambda: rsa_key(NoEncryption()), "identity-kind", id="RSA"),
        pytest.param(
            lambda: rsa_key(BestAvailableEncryption(b"x")),
            "identity-passphrase",
            id="RSA with a passphrase",
        ),
        pytest.param(public_key, "identity-kind", id="public key"),
        pytest.param(lambda: KEY.to_pem().replace(b"M", b"!"), "identity-malformed", id="damaged"),
    ],
)
def test_what_is_no_usable_key_is_told(cli, make, code):
    module = create_store(cli)
    before = look(module)
    file = write_key(cli / "wrong.pem", make())
    ran = refuse("module", "stop", "--module", "docs", "--identity", file)
    assert (ran.code, ran.error["code"]) == (12, code)
    assert str(file) in ran.error["message"]
    assert look(module) == before


def test_a_key_signs_for_whoever_delegated_to_it(cli, pem):
    owner = generate_ed25519(bytes([7]) * 32)
    expires_at_ns = time.time_ns() + 3600 * 10**9
    delegation = Delegation(
        public_key=KEY.public_key_der, expires_at_ns=expires_at_ns, targets=None, permissions=None
    )
    signed = {
        "delegation": {"pubkey": KEY.public_key_der.hex(), "expiration": f"{expires_at_ns:x}"},
        "signature": owner.sign(delegation.signing_payload()).hex(),
    }
    chain = {"publicKey": owner.public_key_der.hex(), "delegations": [signed]}
    (cli / "chain.json").write_text(json.dumps(chain))
    (cli / "juno-snap.toml").write_text(
        '[identity.ci]\nkey_file = "key.pem"\ndelegation_file = "chain.json"\n'
    )
    shown = ask("identity", "show", "--identity", "ci")
    assert (shown["principal"], shown["kind"]) == (str(owner.principal), "delegated")
    module = ask("module", "create", "--identity", "ci")["module"]
    seen = ask("status", "--module", module, "--identity", "ci")
    assert seen["controllers"] == [str(owner.principal)]


def test_a_missing_key_or_name_is_told(cli):
    assert refuse("identity", "show", "--identity", "./none.pem").code == 12
    ran = refuse("identity", "show", "--identity", "none")
    assert (ran.code, ran.error["code"]) == (12, "unknown-identity")
    assert "anonymous" in ran.error["hint"]


def test_a_file_to_import_that_is_not_there_is_not_found(cli):
    ran = refuse("identity", "import", "none.pem", "--name", "ci")
    assert (ran.code, ran.error["code"], ran.error["hint"]) == (4, "not-found", "")


def test_a_stranger_changes_nothing(cli, pem):
    module = create_store(cli)
    ask("snapshot", "create", "--module", "docs")
    before = look(module)
    for words in (
        ("snapshot", "create"),
        ("snapshot", "list"),
        ("snapshot", "restore", "--yes"),
        ("snapshot", "delete", "--all", "--yes"),
        ("upgrade", "--src", "document_store_v1.wasm", "--no-snapshot", "--arg", "()"),
        ("module", "stop"),
        ("module", "install", "--wasm", "document_store_v1.wasm"),
    ):
        for identity in (pem, "anonymous"):
            ran = refuse(*words, "--module", module, "--identity", identity)
            assert ran.code == 5, words
            assert "control" in ran.error["message"]
    assert look(module) == before


def test_nobody_signs_for_mainnet_by_default(cli):
    words = ("module", "stop", "--module", "ryjl3-tyaaa-aaaaa-aaaba-cai", "-n", "ic")
    assert (refuse(*words).code, refuse(*words).error["code"]) == (12, "no-identity")
    anonymous = refuse(*words, "--identity", "anonymous")
    assert (anonymous.code, anonymous.error["code"]) == (12, "anonymous")


def test_a_configured_identity_is_withheld_from_a_network_that_anybody_may_be(
    cli, pem, monkeypatch
):
    monkeypatch.setenv("JUNO_SNAP_NETWORK", "http://192.0.2.1")
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", "fetch")
    monkeypatch.setenv("JUNO_SNAP_IDENTITY", str(pem))
    ran = refuse("identity", "show")
    assert (ran.code, ran.error["code"]) == (12, "identity-withheld")
    assert ask("identity", "show", "--identity", pem)["principal"] == PRINCIPAL


def test_a_child_process_shows_the_same(cli, pem):
    ran = run_child("identity", "show", "--identity", pem, "--json")
    assert json.loads(ran.out)["principal"] == PRINCIPAL
