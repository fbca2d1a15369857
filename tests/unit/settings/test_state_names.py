"""Names and keys in the state directory."""

import stat

import pytest

from juno_snap.errors import ConfigError, IdentityError, InputError, PreconditionError
from juno_snap.ids import Principal
from juno_snap.settings import identities, names

KEY, OTHER_KEY = b"\x01" * 133, b"\x02" * 133
ONE = Principal.parse("ryjl3-tyaaa-aaaaa-aaaba-cai")
TWO = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")


def test_a_name_belongs_to_one_network(tmp_path):
    names.remember_module(tmp_path, KEY, "docs", ONE)
    assert names.named_modules(tmp_path, KEY) == {"docs": ONE}
    assert names.named_modules(tmp_path, OTHER_KEY) == {}


def test_a_taken_name_is_refused(tmp_path):
    names.check_name_is_free(tmp_path, KEY, "docs")
    names.remember_module(tmp_path, KEY, "docs", ONE)
    with pytest.raises(PreconditionError, match="already named docs"):
        names.check_name_is_free(tmp_path, KEY, "docs")
    names.check_name_is_free(tmp_path, OTHER_KEY, "docs")


def test_a_deleted_module_loses_its_names(tmp_path):
    names.remember_module(tmp_path, KEY, "a.b", ONE)
    names.remember_module(tmp_path, KEY, "c", TWO)
    names.forget_module(tmp_path, KEY, ONE)
    assert names.named_modules(tmp_path, KEY) == {"c": TWO}


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "a" * 65, str(ONE)])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InputError):
        names.check_name(name)


@pytest.mark.parametrize("content", ["", "{}", '{"canister": 5}', '{"canister": "x-y"}', "[]"])
def test_a_damaged_name_file_is_named(tmp_path, content):
    names.remember_module(tmp_path, KEY, "docs", ONE)
    (file,) = (tmp_path / "modules").rglob("docs.json")
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"docs\.json is damaged"):
        names.named_modules(tmp_path, KEY)


def store(state, name="ci", pem=b"PEM"):
    identities.store_identity(state, name, pem, principal="2vxsx-fae", kind="ed25519")


def test_a_stored_key_is_private_and_its_public_part_known(tmp_path):
    store(tmp_path)
    found = identities.stored_identity(tmp_path, "ci")
    assert (found.principal, found.kind) == ("2vxsx-fae", "ed25519")
    assert found.key_file.read_bytes().endswith(b"\nPEM")
    assert stat.S_IMODE(found.key_file.stat().st_mode) == 0o600
    assert identities.stored_identities(tmp_path) == [found]
    assert identities.stored_identity(tmp_path, "other") is None
    assert [file.name for file in found.key_file.parent.iterdir()] == ["ci.pem"]


@pytest.mark.parametrize("name", ["ci", "anonymous"])
def test_a_key_is_never_stored_over_another(tmp_path, name):
    store(tmp_path)
    with pytest.raises(PreconditionError, match="already an identity"):
        store(tmp_path, name, b"OTHER")
    assert [each.name for each in identities.stored_identities(tmp_path)] == ["ci"]
    assert identities.stored_identity(tmp_path, "ci").key_file.read_bytes().endswith(b"PEM")


def test_a_key_that_was_not_stored_here_is_reported(tmp_path):
    file = identities.key_file_of(tmp_path, "ci")
    file.parent.mkdir()
    file.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(IdentityError, match=r"ci\.pem was not stored"):
        identities.stored_identity(tmp_path, "ci")
