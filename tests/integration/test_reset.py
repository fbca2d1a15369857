"""A reset of Juno's modules: what it would lose is saved, and set again."""

import json
import stat
from pathlib import Path

import pytest

from tests.integration.cli_world import ask, juno_snap, look, refuse
from tests.juno.modules import code_of, module, older_module, with_package
from tests.juno.world import CI_KEY, PARTNER, call, create, settings_of, state_of

OTHER = "aaaaa-aa"
ROLES = ["satellite", "orbiter"]


def write(folder, wasm):
    file = folder / "next.wasm"
    file.write_bytes(wasm)
    return file


def reset(folder, role, *words, wasm=None):
    """The words of a reset."""
    file = write(folder, wasm or module(role, "0.1.1"))
    return ("upgrade", "-t", role, "--src", file, "--reset", *words)


def configured(folder, role):
    """A module with everything that it can be told, and data."""
    mode = "variant { Stable }"
    create(folder, role, module(role, "0.1.0"), memory=mode if role == "satellite" else None)
    for method, argument in settings_of(role):
        call(role, method, argument)
    return state_of(role)


@pytest.mark.parametrize("role", ROLES)
def test_a_reset_sets_everything_again_but_the_data(cli, role):
    before = configured(cli, role)
    done = ask(*reset(cli, role, "--yes"))
    assert done["outcome"] == "upgraded"
    names = [step["name"] for step in done["steps"]]
    assert names[-3:] == ["start", "verify", "restore-configuration"]
    assert CI_KEY in str(before)
    assert state_of(role) == before
    saved = Path(done["steps"][-1]["evidence"]["file"])
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert json.loads(saved.read_text())["role"] == role
    if role == "satellite":
        assert call(role, "get_doc", '("notes", "one")', "--query") == "(null)"
        assert "Stable" in before["get_rule"][0]


def test_going_back_on_a_reset_brings_the_data_too(cli):
    before = configured(cli, "satellite")
    document = call("satellite", "get_doc", '("notes", "one")', "--query")
    ask(*reset(cli, "satellite", "--yes"))
    ask("rollback", "-t", "satellite", "--yes")
    assert state_of("satellite") == before
    assert call("satellite", "get_doc", '("notes", "one")', "--query") == document != "(null)"


def test_a_bad_check_after_a_reset_brings_code_and_data_back(cli):
    before = configured(cli, "satellite")
    document = call("satellite", "get_doc", '("notes", "one")', "--query")
    check = 'get_doc("notes", "one") != "anything"'.replace("!=", "==")
    words = ("--yes", "--check", check, "--health-timeout-seconds", "1", "--force")
    ran = refuse(*reset(cli, "satellite", *words))
    assert ran.code == 15
    assert state_of("satellite") == before
    assert call("satellite", "get_doc", '("notes", "one")', "--query") == document
    assert ran.document["versions_passed"] == 0


def test_a_dry_run_says_what_is_saved_and_what_is_lost(cli):
    configured(cli, "satellite")
    before = look("satellite")
    planned = ask(*reset(cli, "satellite", "--dry-run"))["plan"]
    saved = {each["part"]: each["keys"] for each in planned["reset"]["saved"]}
    assert set(saved["custom domains"]) == {"example.com", "www.example.com"}
    assert {CI_KEY, PARTNER} < set(saved["access keys"])
    assert "documents" in planned["reset"]["lost"]
    assert "restore-configuration" in [step["name"] for step in planned["steps"]]
    shown = juno_snap(*reset(cli, "satellite", "--dry-run"))
    assert "custom domains (2)" in shown.out
    assert "documents" in shown.out
    assert look("satellite") == before


def test_what_was_saved_can_be_set_by_hand(cli):
    """The file is for people too: its calls make of an empty module the same as before."""
    before = configured(cli, "satellite")
    done = ask(*reset(cli, "satellite", "--yes"))
    saved = json.loads(Path(done["steps"][-1]["evidence"]["file"]).read_text())
    ask(*reset(cli, "satellite", "--yes", "--discard-configuration", "--arg", _argument(cli)))
    assert state_of("satellite") != before
    for part in saved["parts"]:
        for one in part["set"]:
            call("satellite", one["method"], one["argument"])
    assert state_of("satellite") == before


def _argument(cli):
    mine = ask("identity", "show")["principal"]
    return (
        f'(record {{ controllers = vec {{ principal "{mine}" }}; '
        "storage = opt record { system_memory = opt variant { Stable } } })"
    )


def test_a_module_that_cannot_be_read_is_not_reset_without_a_word(cli):
    configured(cli, "satellite")
    ask("module", "stop", "--module", "satellite")
    before = look("satellite")
    ran = refuse(*reset(cli, "satellite", "--yes", "--start"))
    assert (ran.code, ran.error["code"]) == (5, "configuration-unread")
    assert "--discard-configuration" in ran.error["hint"]
    assert look("satellite") == before
    words = ("--yes", "--start", "--discard-configuration", "--arg", _argument(cli))
    done = ask(*reset(cli, "satellite", *words))
    assert done["outcome"] == "upgraded"
    assert "restore-configuration" not in [step["name"] for step in done["steps"]]
    assert call("satellite", "list_custom_domains", "()", "--query") == "(vec {})"


def test_of_a_module_of_unknown_kind_only_code_and_data_are_considered(cli):
    create(cli, "orbiter", code_of("orbiter"), name="thing")
    file = write(cli, code_of("orbiter"))
    words = ("upgrade", "--module", "thing", "--src", file, "--reset", "--dry-run")
    planned = ask(*words)["plan"]
    assert planned["reset"] is None
    assert "configuration-unknown" in [each["code"] for each in planned["warnings"]]


def test_an_older_module_is_what_it_was_called(cli):
    """It says nothing of itself that is certified but its answers."""
    create(cli, "orbiter", older_module("orbiter", "0.0.8"))
    for method, argument in settings_of("orbiter"):
        call("orbiter", method, argument)
    before = state_of("orbiter")
    done = ask(*reset(cli, "orbiter", "--yes", "--force"))
    assert done["steps"][-1]["name"] == "restore-configuration"
    assert state_of("orbiter") == before


def test_the_word_belongs_to_a_reset(cli):
    create(cli, "orbiter", module("orbiter", "0.1.0"))
    file = write(cli, module("orbiter", "0.1.1"))
    ran = refuse("upgrade", "-t", "orbiter", "--src", file, "--discard-configuration")
    assert ran.code == 2
    assert "--discard-configuration" in ran.error["message"]


def refusing(role, method, version="0.1.1"):
    """A release that refuses to be told something."""
    source = code_of(role, without=method)
    return with_package(source, f"@junobuild/{role}", version)


def test_what_cannot_be_set_again_is_told_with_its_file_and_the_way_back(cli):
    before = configured(cli, "satellite")
    wasm = refusing("satellite", "set_custom_domain")
    ran = refuse(*reset(cli, "satellite", "--yes", "--force", wasm=wasm))
    assert ran.code == 16
    assert ran.document["module_status"] == "running"
    assert "example.com" in ran.error["message"]
    failed = ran.document["steps"][-1]
    assert failed["name"] == "restore-configuration"
    assert failed["evidence"]["file"] in ran.error["hint"]
    assert f"juno-snap rollback {ran.document['operation']}" in ran.error["hint"]
    # What could be set was.
    assert state_of("satellite")["list_controllers"] == before["list_controllers"]
    ask("rollback", ran.document["operation"], "--yes")
    assert state_of("satellite") == before


def test_a_reset_can_be_rehearsed_with_its_configuration(cli):
    before = configured(cli, "satellite")
    file = write(cli, module("satellite", "0.1.1"))
    report = ask("rehearse", "-t", "satellite", "--src", file, "--reset")["rehearsal"]
    steps = {step["name"]: step["outcome"] for step in report["steps"]}
    assert (report["outcome"], steps["restore-configuration"]) == ("passed", "done")
    assert state_of("satellite") == before
