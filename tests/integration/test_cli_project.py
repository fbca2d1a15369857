"""A module addressed as ``-t satellite`` through the project's configuration."""

import json
import os

import pytest

from tests.integration.cli_world import ask, create_store, documents, juno_snap, refuse, run_child
from tests.motoko import require_npm_packages

OTHER = "ryjl3-tyaaa-aaaaa-aaaba-cai"


def write_json(folder, **config):
    file = folder / "juno.config.json"
    file.write_text(json.dumps(config))
    return file


FORMS = {
    "juno.config.json": '{"satellite": {"ids": {"production": "ID", "staging": "OTHER"}}}',
    "juno.json": '{"satellite": {"satelliteId": "ID", "source": "build"}}',
    "juno.config.ts": """import { defineConfig } from "@junobuild/config";
interface Mode { mode: string }
export default defineConfig(({ mode }: Mode) => ({
  satellite: { ids: { [mode]: mode === "production" ? "ID" : "OTHER" } },
}));
""",
    "juno.config.mjs": """import { defineConfig } from "@junobuild/config";
export default defineConfig({ satellite: { ids: { production: "ID", staging: "OTHER" } } });
""",
    "juno.config.cjs": """const { defineConfig } = require("@junobuild/config");
module.exports = defineConfig({ satellite: { id: "ID" } });
""",
}


@pytest.mark.parametrize("name", FORMS)
def test_a_satellite_is_addressed_through_every_form(cli, name):
    packages = require_npm_packages()
    module = create_store(cli)
    (cli / "node_modules").mkdir()
    (cli / "node_modules" / "typescript").symlink_to(packages / "typescript")
    (cli / name).write_text(FORMS[name].replace("ID", module).replace("OTHER", OTHER))
    seen = ask("status", "-t", "satellite")
    assert (seen["module"], seen["role"], seen["name"]) == (module, "satellite", "docs")
    reply = ask("module", "call", "list_documents", "-t", "s")["reply"]
    assert reply == documents(module)
    taken = ask("snapshot", "create", "-t", "satellite")["snapshot"]["id"]
    listed = ask("snapshot", "list", "--module", module)["snapshots"]
    assert [each["id"] for each in listed] == [taken]


def test_the_mode_decides(cli, monkeypatch):
    module = create_store(cli)
    write_json(cli, satellite={"ids": {"production": OTHER, "staging": module}})
    assert ask("status", "-t", "satellite", "-m", "staging")["module"] == module
    monkeypatch.setenv("JUNO_SNAP_MODE", "staging")
    assert ask("status", "-t", "satellite")["module"] == module
    assert refuse("status", "-t", "satellite", "--mode", "production").code == 4
    ran = refuse("status", "-t", "satellite", "-m", "test")
    assert (ran.code, ran.error["code"]) == (10, "no-target")
    assert "production, staging" in ran.error["message"]


def test_a_folder_within_the_repository_knows_its_project(cli, monkeypatch):
    module = create_store(cli)
    write_json(cli, orbiter={"id": module})
    (cli / ".git").mkdir()
    (cli / "src").mkdir()
    monkeypatch.chdir(cli / "src")
    assert ask("status", "-t", "orbiter")["module"] == module


def test_an_entry_of_the_tools_own_file_comes_first_in_its_mode(cli):
    module = create_store(cli)
    code = cli / "juno.config.mjs"
    code.write_text(
        "import { writeFileSync } from 'node:fs';\nwriteFileSync('ran', '');\n"
        f"export default {{ satellite: {{ id: '{OTHER}' }} }};\n"
    )
    own = cli / "juno-snap.toml"
    own.write_text(f'[modules.main]\ncanister = "{module}"\nrole = "satellite"\n')
    assert ask("status", "-t", "satellite")["module"] == module
    assert not (cli / "ran").exists()
    assert refuse("status", "-t", "satellite", "-m", "staging").code == 4
    assert (cli / "ran").exists()
    own.write_text(
        f'[modules.main]\ncanister = "{module}"\nrole = "satellite"\nmode = "staging"\n'
        f'[modules.mission]\ncanister = "{module}"\nrole = "mission-control"\n'
    )
    assert ask("status", "-t", "satellite", "-m", "staging")["module"] == module
    assert ask("status", "-t", "m")["module"] == module
    ran = refuse("status", "-t", "m", "-m", "staging")
    assert (ran.code, ran.error["code"]) == (10, "no-target")
    assert 'mode = "staging"' in ran.error["hint"]


def test_two_of_one_role_are_not_guessed_between(cli):
    (cli / "juno-snap.toml").write_text(
        f'[modules.a]\ncanister = "{OTHER}"\nrole = "orbiter"\n'
        f'[modules.b]\ncanister = "{OTHER}"\nrole = "orbiter"\n'
    )
    ran = refuse("status", "-t", "orbiter")
    assert (ran.code, ran.error["code"]) == (10, "ambiguous-target")
    assert "a, b" in ran.error["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("snapshot", "create"),
        ("upgrade", "--src", "new.wasm"),
        ("history",),
        ("config", "check"),
        ("config", "show"),
    ],
    ids=" ".join,
)
def test_a_placeholder_is_refused_everywhere(cli, words):
    (cli / "new.wasm").write_bytes(b"\0asm\1\0\0\0")
    create_store(cli)
    ask("snapshot", "create", "--module", "docs")  # so that there is a journal to look into
    file = write_json(cli, satellite={"ids": {"production": "<PROD_SATELLITE_ID>"}})
    ran = refuse(*words, "-t", "satellite")
    assert (ran.code, ran.error["code"]) == (10, "placeholder")
    assert (ran.error["source"], ran.error["key"]) == (str(file), "satellite.ids.production")
    assert "<PROD_SATELLITE_ID>" in ran.error["message"]
    assert "Juno Console" in ran.error["hint"]


def test_code_is_run_for_a_target_only(cli):
    create_store(cli)
    file = cli / "juno.config.cjs"
    file.write_text("require('node:fs').writeFileSync('ran', '');\nthrow new Error('run');\n")
    for words in (
        ("--help",),
        ("status", "--help"),
        ("status", "--module", "docs"),
        ("config", "show", "--origins"),
        ("config", "check"),
        ("identity", "show"),
        ("backup", "list"),
    ):
        assert juno_snap(*words).code == 0
    assert "not run" in juno_snap("config", "check").err
    assert not (cli / "ran").exists()
    ran = refuse("config", "check", "-t", "satellite")
    assert (ran.code, ran.error["code"], ran.error["source"]) == (10, "juno-config", str(file))
    assert "line 2: Error: run" in ran.error["message"]
    assert (cli / "ran").exists()


def test_a_strangers_project_is_not_run(cli, monkeypatch):
    (cli / ".git").mkdir()
    (cli / "mine").mkdir()
    file = cli / "juno.config.mjs"
    file.write_text("import { writeFileSync } from 'node:fs';\nwriteFileSync('ran', '');\n")
    monkeypatch.chdir(cli / "mine")
    os.chown(file, 12345, -1)
    ran = refuse("status", "-t", "satellite")
    assert (ran.code, ran.error["code"]) == (10, "config-owner")
    assert not (cli / "ran").exists()


def test_the_emulator_is_where_the_project_says(cli, cli_replica, monkeypatch):
    monkeypatch.delenv("JUNO_SNAP_ROOT_KEY")
    module = create_store_at(cli, cli_replica, monkeypatch)
    port = int(cli_replica.url.rpartition(":")[2])
    write_json(
        cli,
        satellite={"ids": {"development": module}},
        emulator={"skylab": {"ports": {"server": port}}},
    )
    seen = ask("status", "-n", "juno", "-t", "satellite", "-m", "development")
    assert seen["module"] == module


def create_store_at(folder, replica, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
    try:
        return create_store(folder)
    finally:
        monkeypatch.delenv("JUNO_SNAP_ROOT_KEY")


def test_every_value_is_shown_with_its_origin(cli, monkeypatch):
    own = cli / "juno-snap.toml"
    own.write_text(
        f'[modules.main]\ncanister = "{OTHER}"\nrole = "satellite"\n[retention]\nkeep_daily = 7\n'
    )
    file = write_json(
        cli,
        satellite={"id": "rrkah-fqaaa-aaaaa-aaaaq-cai"},
        orbiter={"ids": {"production": OTHER}},
        emulator={"skylab": {"ports": {"server": 6001}}},
    )
    monkeypatch.setenv("JUNO_SNAP_PROFILE", "team")
    shown = ask("config", "show", "--origins", "-m", "production")
    rows = {row["key"]: (row["value"], row["origin"]) for row in shown["settings"]}
    assert rows["mode"] == ("production", "--mode")
    assert rows["profile"] == ("team", "JUNO_SNAP_PROFILE")
    assert rows["retention.keep_daily"] == (7, str(own))
    assert rows["retention.keep_last"] == (0, "default")
    assert rows["juno.satellite.id"] == ("rrkah-fqaaa-aaaaa-aaaaq-cai", str(file))
    assert rows["juno.emulator.skylab.ports.server"] == (6001, str(file))
    assert rows["target.satellite"] == (OTHER, f"{own}: modules.main.canister")
    assert rows["target.orbiter"] == (OTHER, f"{file}: orbiter.ids.production")
    assert "target.mission-control" not in rows
    assert shown["problems"] == []
    (warning,) = ask("config", "check")["warnings"]
    assert f"-t satellite is {OTHER}" in warning
    assert str(file) in warning


def test_a_broken_set_up_is_told_of_at_once_with_a_cure_for_each(cli, monkeypatch):
    own = cli / "juno-snap.toml"
    own.write_text(
        f'upgarde = 1\n[modules.main]\ncanister = "{OTHER}x"\n[calls]\nttl_seconds = 900\n'
    )
    file = write_json(cli, satellite={"id": "<SATELLITE_ID>"}, orbiter={"ids": {"staging": ""}})
    monkeypatch.setenv("JUNO_SNAP_STOP_TIMEOUT_SECONDS", "soon")
    words = ("config", "show", "--origins", "--identity", "nobody", "-n", "moon")
    for command in (words, ("config", "check", *words[3:])):
        ran = refuse(*command)
        assert (ran.code, ran.error["code"]) == (10, "config-problems")
        problems = ran.document["problems"]
        found = {(each["source"], each["key"]) for each in problems}
        assert {
            (str(own), "upgarde"),
            (str(own), "modules.main.canister"),
            (str(own), "calls.ttl_seconds"),
            ("JUNO_SNAP_STOP_TIMEOUT_SECONDS", "upgrade.stop_timeout_seconds"),
            (str(file), "satellite.id"),
        } <= found
        codes = {each["code"] for each in problems}
        assert {"unknown-network", "unknown-identity", "placeholder"} <= codes
        assert len(problems) == 7
        assert all(each["problem"] and each["cure"] for each in problems)
    assert "did you mean upgrade?" in {each["cure"] for each in problems}
    warnings = ran.document["warnings"]
    assert any("orbiter.ids.staging" in each for each in warnings)
    told = juno_snap(*words)
    assert told.code == 10
    assert "CURE" in told.out
    assert "did you mean upgrade?" in told.out


def test_what_is_passed_over_is_told(cli):
    write_json(cli, satellite={"id": OTHER})
    (cli / "juno.json").write_text("{}")
    (warning,) = ask("config", "check")["warnings"]
    assert "juno.config.json is passed over" in warning


def test_a_child_process_reads_it_too(cli):
    module = create_store(cli)
    (cli / "juno.config.mjs").write_text(FORMS["juno.config.mjs"].replace("ID", module))
    ran = run_child("status", "-t", "satellite", "--json", cwd=cli)
    assert ran.code == 0, ran.err
    assert ran.document["module"] == module
