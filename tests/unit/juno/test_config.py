"""What a project's juno.config says: names, order, modes, ids, ports, and what is wrong with it."""

import json

import pytest

from juno_snap.errors import ConfigError
from juno_snap.juno.config import NAMES, find_configs, id_of, parse_config, problems_of, read_json

ONE = "ryjl3-tyaaa-aaaaa-aaaba-cai"
TWO = "rrkah-fqaaa-aaaaa-aaaaq-cai"


def parsed(document, tmp_path):
    return parse_config(document, tmp_path / "juno.config.json")


@pytest.mark.parametrize(
    ("satellite", "mode", "key", "found"),
    [
        pytest.param({"id": ONE}, "production", "satellite.id", ONE, id="id"),
        pytest.param({"id": ONE}, "staging", "satellite.id", ONE, id="id for every mode"),
        pytest.param({"satelliteId": ONE}, "production", "satellite.satelliteId", ONE, id="older"),
        pytest.param(
            {"satelliteId": ONE, "id": TWO}, "production", "satellite.id", TWO, id="id first"
        ),
        pytest.param(
            {"ids": {"staging": ONE}, "id": TWO},
            "staging",
            "satellite.ids.staging",
            ONE,
            id="mode first",
        ),
        pytest.param(
            {"ids": {"staging": ONE}, "id": TWO}, "production", "satellite.id", TWO, id="no mode"
        ),
        pytest.param(
            {"ids": {"staging": None}, "id": TWO}, "staging", "satellite.id", TWO, id="null"
        ),
        pytest.param(
            {"ids": {"production": f" {ONE}\n"}},
            "production",
            "satellite.ids.production",
            ONE,
            id="space around",
        ),
    ],
)
def test_an_id_is_found_as_juno_finds_it(tmp_path, satellite, mode, key, found):
    config = parsed({"satellite": {**satellite, "source": "dist"}, "api": {"url": "x"}}, tmp_path)
    got = id_of(config, "satellite", mode)
    assert (str(got.id), got.key) == (found, key)


def test_a_value_in_place_of_an_object_is_told_in_words_of_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"json: satellite: should be an object$"):
        parsed({"satellite": ONE}, tmp_path)


def test_an_orbiter_has_its_own_older_key(tmp_path):
    config = parsed({"orbiter": {"orbiterId": ONE}}, tmp_path)
    assert id_of(config, "orbiter", "production").key == "orbiter.orbiterId"
    assert "satellite" not in config.ids


@pytest.mark.parametrize(
    "text",
    [
        "<PROD_SATELLITE_ID>",
        "<DEV_SATELLITE_ID>",
        "<SATELLITE_ID>",
        "PROD_SATELLITE_ID",
        "your-satellite-id",
        "YOUR_SATELLITE_ID",
        "",
        "  ",
    ],
)
def test_a_placeholder_is_refused_with_file_key_and_cure(tmp_path, text):
    config = parsed({"satellite": {"ids": {"production": text, "test": ONE}}}, tmp_path)
    assert str(id_of(config, "satellite", "test").id) == ONE
    with pytest.raises(ConfigError) as caught:
        id_of(config, "satellite", "production")
    error = caught.value
    assert error.code == "placeholder"
    assert (error.source, error.key) == (str(config.file), "satellite.ids.production")
    assert str(config.file) in error.message
    assert "satellite.ids.production" in error.message
    assert "Juno Console" in error.hint
    assert [each.key for each in problems_of(config)] == ["satellite.ids.production"]


def test_what_is_no_id_is_refused(tmp_path):
    config = parsed({"orbiter": {"id": "ryjl3-tyaaa-aaaaa-aaaba-caj"}}, tmp_path)
    with pytest.raises(ConfigError) as caught:
        id_of(config, "orbiter", "production")
    assert (caught.value.code, caught.value.key) == ("invalid-principal", "orbiter.id")


def test_a_mode_without_an_id_names_those_that_have_one(tmp_path):
    config = parsed({"satellite": {"ids": {"development": ONE, "staging": TWO}}}, tmp_path)
    with pytest.raises(ConfigError, match="production; it has development, staging") as caught:
        id_of(config, "satellite", "production")
    assert caught.value.code == "no-target"
    assert "satellite.ids.production" in caught.value.hint


@pytest.mark.parametrize(
    ("emulator", "port"),
    [
        pytest.param({"skylab": {"ports": {"server": 6001}}}, 6001, id="skylab"),
        pytest.param({"satellite": {"ports": {"server": 6002}}}, 6002, id="satellite"),
        pytest.param({"console": {"ports": {"server": 6003, "admin": 1}}}, 6003, id="console"),
        pytest.param(
            {"skylab": {"ports": {"server": 1}}, "satellite": {}}, None, id="the one that counts"
        ),
        pytest.param({"runner": {"type": "podman"}}, None, id="only a runner"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_port_is_that_of_the_image_that_juno_starts(tmp_path, emulator, port):
    assert parsed({"emulator": emulator}, tmp_path).emulator_port == port


@pytest.mark.parametrize(
    ("document", "key"),
    [
        pytest.param([], "", id="a list"),
        pytest.param(None, "", id="null"),
        pytest.param("text", "", id="text"),
        pytest.param({"satellite": ONE}, "satellite", id="satellite"),
        pytest.param({"satellite": {"id": 5}}, "satellite.id", id="id"),
        pytest.param({"satellite": {"ids": [ONE]}}, "satellite.ids", id="ids"),
        pytest.param({"orbiter": {"ids": {"a": 1}}}, "orbiter.ids.a", id="an id of ids"),
        pytest.param(
            {"emulator": {"skylab": {"ports": {"server": 70000}}}},
            "emulator.skylab.ports.server",
            id="port",
        ),
    ],
)
def test_a_wrong_form_is_named_by_its_key(tmp_path, document, key):
    with pytest.raises(ConfigError) as caught:
        parsed(document, tmp_path)
    assert (caught.value.source, caught.value.key) == (str(tmp_path / "juno.config.json"), key)
    assert key in caught.value.message
    assert caught.value.hint


def test_json_that_is_none_is_named_by_its_line(tmp_path):
    file = tmp_path / "juno.json"
    file.write_text('{\n  "satellite": {\n    "id": "x",\n  }\n}\n')
    with pytest.raises(ConfigError, match=r"juno\.json, line (3|4), column \d+") as caught:
        read_json(file)
    assert "comma" in caught.value.hint
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match="not JSON"):
        read_json(file)
    file.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="not JSON"):
        read_json(file)
    file.write_text("\ufeff" + json.dumps({"satellite": {"id": ONE}}), encoding="utf-8")
    assert str(id_of(read_json(file), "satellite", "production").id) == ONE


def test_names_are_tried_in_junos_order(tmp_path):
    for name in reversed(NAMES):
        (tmp_path / name).write_text("")
        assert find_configs(tmp_path)[0].name == name
    assert [file.name for file in find_configs(tmp_path)] == list(NAMES)
    (tmp_path / NAMES[0]).unlink()
    (tmp_path / NAMES[0]).mkdir()  # as Docker leaves it where it should have mounted a file
    assert find_configs(tmp_path)[0].name == NAMES[1]


def test_it_is_looked_for_up_to_the_root_of_the_repository_only(tmp_path):
    inner = tmp_path / "repository" / "packages" / "app"
    inner.mkdir(parents=True)
    above = tmp_path / "juno.json"
    above.write_text("{}")
    assert find_configs(inner) == ()
    (tmp_path / "repository" / ".git").write_text("gitdir: elsewhere")
    assert find_configs(inner) == ()
    root = tmp_path / "repository" / "juno.config.mjs"
    root.write_text("")
    assert find_configs(inner) == (root,)
    nearest = inner / "juno.config.json"
    nearest.write_text("{}")
    assert find_configs(inner) == (nearest,)
    assert find_configs(tmp_path) == (above,)
