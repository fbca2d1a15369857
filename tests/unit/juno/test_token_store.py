"""The token store of Juno's CLI, as far as it is not encrypted."""

import json
import os
from pathlib import Path

import pytest

from juno_snap.agent.identity import generate_ed25519
from juno_snap.errors import IdentityError
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import find_store, segments_of, store_file

SEED = bytes([7]) * 32
KEY = generate_ed25519(SEED)
PAIR = [KEY.public_key_der.hex(), SEED.hex()]
SATELLITE = "jx5yt-yyaaa-aaaal-abzbq-cai"
ORBITER = "rrkah-fqaaa-aaaaa-aaaaq-cai"
CONTROL = "ryjl3-tyaaa-aaaaa-aaaba-cai"
LOGIN = Login()


def no_password():
    pytest.fail("asked for a password")


def write(document, login=LOGIN) -> Path:
    file = store_file(login)
    file.parent.mkdir(parents=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document, indent="\t"))
    return file


@pytest.mark.parametrize(
    ("mode", "profile", "name"),
    [
        ("production", None, "juno"),
        ("development", None, "juno-development"),
        ("staging", None, "juno-staging"),
        ("development", "team", "juno-team-development"),
        ("production", "team", "juno-team-production"),
        ("production", "", "juno"),
    ],
)
def test_each_mode_and_profile_has_its_own_store(mode, profile, name):
    login = Login(mode=mode, profile=profile)
    assert login.store_name == name
    assert login.is_mainnet == (mode != "development")


@pytest.mark.parametrize(
    ("platform", "environment", "file"),
    [
        ("linux", {}, "/a/.config/juno-nodejs/config.json"),
        ("linux", {"XDG_CONFIG_HOME": "/etc/a"}, "/etc/a/juno-nodejs/config.json"),
        ("darwin", {}, "/a/Library/Preferences/juno-nodejs/config.json"),
        ("win32", {}, "/a/AppData/Roaming/juno-nodejs/Config/config.json"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/juno-nodejs/Config/config.json"),
    ],
)
def test_each_platform_has_its_own_place(platform, environment, file):
    found = store_file(LOGIN, {"HOME": "/a", **environment}, platform=platform)
    assert found == Path(file)


def test_a_store_says_who_is_logged_in_and_for_what():
    write(
        {
            "token": PAIR,
            "satellites": [{"p": SATELLITE, "n": "shop"}],
            "orbiters": [{"p": ORBITER}],
            "missionControl": CONTROL,
            "__internal__": {"migrations": {"version": "1"}},
        }
    )
    assert find_store(LOGIN).content.key.principal == KEY.principal
    found = [(each.role, str(each.id), each.name) for each in segments_of(LOGIN, no_password)]
    assert found == [
        ("satellite", SATELLITE, "shop"),
        ("mission-control", CONTROL, None),
        ("orbiter", ORBITER, None),
    ]


def test_a_store_of_another_login_is_not_looked_at():
    write({"token": PAIR}, Login(profile="team"))
    assert find_store(LOGIN) is None
    assert segments_of(LOGIN, no_password) == ()


def test_after_a_logout_there_is_a_store_and_no_key():
    write({})
    assert find_store(LOGIN).content.key is None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param("", "no token store", id="empty"),
        pytest.param('{"token": [', "no token store", id="cut off"),
        pytest.param("[]", "no token store", id="another document"),
        pytest.param({"token": "x"}, "token", id="a token of another form"),
        pytest.param({"token": [PAIR[0], "00"]}, "length", id="a key cut off"),
        pytest.param({"satellites": [{"p": "x", "n": "y"}]}, "satellites.0.p", id="no id"),
        pytest.param({"missionControl": "x"}, "missionControl", id="no mission control"),
    ],
)
def test_a_damaged_store_is_told_without_a_word_of_its_key(document, said):
    file = write(document)
    with pytest.raises(IdentityError, match=said) as caught:
        find_store(LOGIN)
    assert str(file) in caught.value.message
    assert SEED.hex() not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("first", [b"{", b" {", b"\xfe"])
def test_an_encrypted_store_is_known_whatever_its_first_byte(first):
    vector = first.ljust(16, b"\x9c")
    file = write({})
    file.write_bytes(vector + b":" + bytes(range(200, 232)))
    assert find_store(LOGIN).content is None


def test_a_store_with_a_colon_in_that_place_is_not_encrypted():
    file = write({})
    file.write_bytes(b'{"satellites"   :   []}')
    assert file.read_bytes()[16:17] == b":"
    assert find_store(LOGIN).content.key is None


def test_the_place_is_the_one_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert store_file(LOGIN).is_relative_to(tmp_path / "elsewhere")
    assert store_file(LOGIN) == store_file(LOGIN, os.environ)
