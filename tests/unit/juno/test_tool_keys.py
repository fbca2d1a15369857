"""Identities of icp-cli and dfx, as their files say."""

import json
from pathlib import Path

import pytest

from juno_snap.agent.identity import generate_ed25519
from juno_snap.errors import IdentityError
from juno_snap.juno.credentials.tools import (
    KeyringEntry,
    dfx_folder,
    icp_folder,
    tool_key,
    tool_keys,
)

KEY = generate_ed25519(bytes([7]) * 32)
PRINCIPAL = str(KEY.principal)


@pytest.fixture(autouse=True)
def icp_home(monkeypatch, tmp_path):
    monkeypatch.setenv("ICP_HOME", str(tmp_path / "icp"))
    monkeypatch.setenv("DFX_CONFIG_ROOT", str(tmp_path / "dfx"))
    return tmp_path / "icp" / "identity"


def write_list(folder: Path, **identities):
    folder.mkdir(parents=True)
    listed = {"v": 1, "identities": {"anonymous": {"kind": "anonymous"}, **identities}}
    (folder / "identity_list.json").write_text(json.dumps(listed))


def write_dfx(folder: Path, name: str, config=None, pem=None):
    place = folder / "dfx" / ".config" / "dfx" / "identity" / name
    place.mkdir(parents=True)
    if config is not None:
        (place / "identity.json").write_text(json.dumps(config))
    if pem is not None:
        (place / "identity.pem").write_bytes(pem)
    return place


@pytest.mark.parametrize(
    ("entry", "place", "delegation"),
    [
        pytest.param({"kind": "pem", "format": "pbes2"}, "keys/a.pem", None, id="file"),
        pytest.param({"kind": "keyring"}, ("icp-cli", "a"), None, id="keyring"),
        pytest.param(
            {"kind": "delegation", "storage": {"kind": "pem", "format": "plaintext"}},
            "keys/a.pem",
            "delegations/a.json",
            id="delegation to a key in a file",
        ),
        pytest.param(
            {"kind": "internet-identity", "storage": {"kind": "keyring"}},
            ("icp-cli", "delegation:a"),
            "delegations/a.json",
            id="delegation to a key in the keyring",
        ),
    ],
)
def test_where_icp_keeps_keys(icp_home, entry, place, delegation):
    write_list(icp_home, a={**entry, "principal": PRINCIPAL, "algorithm": "ed25519"})
    (key,) = tool_keys("icp")
    assert (key.label, key.principal) == ("icp:a", PRINCIPAL)
    wanted = (
        icp_home / place
        if isinstance(place, str)
        else KeyringEntry(service=place[0], user=place[1], is_hex=False)
    )
    assert key.place == wanted
    assert key.delegation_file == (delegation and icp_home / delegation)
    assert tool_key("icp", "a") == key


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        pytest.param({"kind": "hsm", "module": "/x", "slot": 0}, "hsm", id="device"),
        pytest.param({"kind": "pending-delegation"}, "not given yet", id="no delegation yet"),
        pytest.param({"kind": "telepathy"}, "telepathy", id="a kind of the future"),
    ],
)
def test_what_cannot_be_read_there_is_told(icp_home, entry, said):
    write_list(icp_home, a=entry)
    with pytest.raises(IdentityError, match=said) as caught:
        tool_key("icp", "a")
    assert caught.value.code == "identity-storage"


@pytest.mark.parametrize(
    ("config", "said", "hint"),
    [
        pytest.param(
            {"encryption": {"pw_salt": "x", "file_nonce": [1]}},
            "encrypted in a form",
            "dfx identity export a > key.pem",
            id="encrypted",
        ),
        pytest.param({"hsm": {"key_id": "1"}}, "on a device", "another identity", id="device"),
    ],
)
def test_what_dfx_keeps_for_itself_is_told(tmp_path, config, said, hint):
    write_dfx(tmp_path, "a", config)
    with pytest.raises(IdentityError, match=said) as caught:
        tool_key("dfx", "a")
    assert hint in caught.value.hint


def test_where_dfx_keeps_keys(tmp_path):
    plain = write_dfx(tmp_path, "a", pem=KEY.to_pem())
    write_dfx(tmp_path, "b", {"hsm": None, "encryption": None, "keyring_identity_suffix": "b"})
    write_dfx(tmp_path, "empty")
    (a, b) = tool_keys("dfx")
    assert a.place == plain / "identity.pem"
    user = "internet_computer_identity_b"
    wanted = KeyringEntry(service="internet_computer_identities", user=user, is_hex=True)
    assert b.place == wanted


@pytest.mark.parametrize("text", ["", "[]", '{"hsm"'])
def test_an_identity_of_dfx_that_is_damaged_leaves_the_others_alone(tmp_path, text):
    write_dfx(tmp_path, "a", pem=KEY.to_pem())
    broken = write_dfx(tmp_path, "b", pem=KEY.to_pem()) / "identity.json"
    broken.write_text(text)
    assert tool_key("dfx", "a").principal is None
    assert [key.label for key in tool_keys("dfx")] == ["dfx:a", "dfx:b"]
    with pytest.raises(IdentityError, match=r"dfx:b .*identity\.json is damaged"):
        tool_key("dfx", "b")


@pytest.mark.parametrize("text", ["", "[]", '{"v": 2, "identities": {}}', '{"v": 1}'])
def test_a_list_that_cannot_be_read_is_told(icp_home, text):
    icp_home.mkdir(parents=True)
    (icp_home / "identity_list.json").write_text(text)
    with pytest.raises(IdentityError, match=r"identity_list\.json cannot be read"):
        tool_keys("icp")


def test_a_missing_name_is_told_with_those_that_there_are(icp_home):
    with pytest.raises(IdentityError, match="no identity named a") as caught:
        tool_key("icp", "a")
    assert str(icp_home) in caught.value.hint
    write_list(icp_home, b={"kind": "keyring"})
    with pytest.raises(IdentityError) as caught:
        tool_key("icp", "a")
    assert caught.value.hint == "it has b"


def test_each_platform_has_its_own_place():
    home = {"HOME": "/a"}
    assert icp_folder(home, platform="linux") == Path("/a/.local/share/icp-cli/identity")
    mac = Path("/a/Library/Application Support/org.dfinity.icp-cli/identity")
    assert icp_folder(home, platform="darwin") == mac
    said = {**home, "XDG_DATA_HOME": "/data"}
    assert icp_folder(said, platform="linux") == Path("/data/icp-cli/identity")
    assert dfx_folder(home) == Path("/a/.config/dfx/identity")
