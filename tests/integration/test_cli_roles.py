"""Roles and guards through the command line, against modules in the likeness of Juno's."""

import pytest

from tests.integration.cli_world import ask, juno_snap, look, refuse
from tests.juno.modules import (
    code_of,
    extended_satellite,
    module,
    older_module,
    with_metadata,
    with_package,
)
from tests.juno.world import create


def upgrade(*words, target="satellite", wasm):
    """The words of an upgrade of ``target`` to ``wasm``."""
    return ("upgrade", "-t", target, "--src", wasm, *words)


def write(folder, wasm):
    file = folder / "next.wasm"
    file.write_bytes(wasm)
    return file


# Not compiled before a test runs.
GUARDS = [
    pytest.param(
        lambda: module("satellite", "0.1.0"),
        lambda: module("orbiter", "0.2.0"), "role-change",
        "--allow-role-change", id="an orbiter on a satellite",
    ),
    pytest.param(
        lambda: module("satellite", "0.1.0"),
        lambda: code_of("satellite"), "role-change",
        "--allow-role-change", id="a Wasm that says nothing",
    ),
    pytest.param(
        lambda: extended_satellite("0.1.0"),
        lambda: module("satellite", "0.1.1"), "stock-over-extended",
        "--allow-stock", id="stock over extended",
    ),
    pytest.param(
        lambda: module("satellite", "0.1.1"),
        lambda: module("satellite", "0.1.0"), "downgrade",
        "--allow-downgrade", id="a downgrade",
    ),
    pytest.param(
        lambda: older_module("satellite", "0.0.17", build="extended"),
        lambda: module("satellite", "0.1.0"),
        "stock-over-extended", "--allow-stock", id="an older extended one",
    ),
    pytest.param(
        lambda: module("satellite", "0.1.0"),
        lambda: older_module("satellite", "0.0.17", build="stock"),
        "downgrade", "--allow-downgrade", id="back to an older kind",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("installed", "new", "code", "flag"), GUARDS)
def test_it_is_refused_with_its_reason_and_lifted_by_its_own_word_alone(
    cli, installed, new, code, flag
):
    create(cli, "satellite", installed())
    wasm, before = write(cli, new()), look("satellite")
    # Their interfaces differ, and --force is the word for that.
    others = {"--allow-role-change", "--allow-stock", "--allow-downgrade", "--allow-skip"} - {flag}
    for words in ((), ("--force", "--yes"), ("--force", *others)):
        ran = refuse(*upgrade(*words, wasm=wasm))
        assert (ran.code, ran.error["code"]) == (5, code)
        assert flag in ran.error["hint"]
    assert look("satellite") == before
    planned = ask(*upgrade("--dry-run", wasm=wasm))["plan"]
    assert [flag] == next(each for each in planned["refusals"] if each["code"] == code)["flags"]
    assert f"({flag})" in juno_snap(*upgrade("--dry-run", wasm=wasm)).out
    lifted = ask(*upgrade("--dry-run", "--force", flag, wasm=wasm))["plan"]
    assert lifted["refusals"] == []
    assert code in [each["code"] for each in lifted["warnings"]]


def test_what_was_allowed_is_done(cli):
    create(cli, "satellite", extended_satellite("0.1.0"))
    wasm = write(cli, module("satellite", "0.1.0"))
    assert ask(*upgrade("--allow-stock", wasm=wasm))["outcome"] == "upgraded"
    assert ask("status", "-t", "satellite")["juno"]["build"] == "stock"


def test_a_target_that_is_another_module_is_refused_before_anything(cli):
    create(cli, "orbiter", module("orbiter", "0.1.0"), name="satellite")
    before = look("satellite")
    wasm = write(cli, module("orbiter", "0.1.1"))
    for words in ((), ("--force", "--allow-role-change")):
        ran = refuse(*upgrade(*words, wasm=wasm))
        assert (ran.code, ran.error["code"]) == (5, "role-mismatch")
        assert "an orbiter 0.1.0" in ran.error["message"]
    assert look("satellite") == before
    seen = ask("status", "-t", "satellite")
    assert (seen["role"], seen["version"]) == ("orbiter", "0.1.0")
    assert "named as the satellite" in " ".join(seen["advice"])
    # The same code again is refused too: the person means another module.
    assert refuse(*upgrade(wasm=write(cli, module("orbiter", "0.1.0")))).code == 5


def test_a_mission_control_is_not_reset(cli):
    create(cli, "mission-control", module("mission-control", "0.1.0"))
    wasm = write(cli, module("mission-control", "0.1.1"))
    ran = refuse(*upgrade("--reset", "--yes", "--force", target="m", wasm=wasm))
    assert (ran.code, ran.error["code"]) == (5, "reset-mission-control")


@pytest.mark.parametrize("role", ["satellite", "mission-control", "orbiter"])
def test_status_tells_role_and_release_of_a_module_with_a_package(cli, role):
    create(cli, role, module(role, "0.1.4"))
    seen = ask("status", "--module", role)
    assert (seen["role"], seen["version"]) == (role, "0.1.4")
    assert seen["juno"] == {
        "package": f"@junobuild/{role}",
        "package_version": "0.1.4",
        "dependencies": {},
        "build": "stock" if role == "satellite" else None,
        "evidence": "juno:package",
        "certified": True,
    }


def test_status_tells_what_an_extended_satellite_depends_on(cli):
    create(cli, "satellite", extended_satellite("0.1.3", name="shop", version="7.1.0"))
    seen = ask("status", "-t", "satellite", "--identity", "anonymous")
    assert (seen["role"], seen["version"], seen["juno"]["build"]) == (
        "satellite",
        "0.1.3",
        "extended",
    )
    assert seen["juno"]["package_version"] == "7.1.0"
    assert seen["juno"]["dependencies"]["@junobuild/satellite"] == "0.1.3"
    shown = juno_snap("status", "-t", "satellite").out
    assert "shop 7.1.0" in shown
    assert "extended" in shown


def test_status_says_what_of_an_older_module_is_not_certified(cli):
    create(cli, "satellite", older_module("satellite", "0.0.17", build="stock"))
    seen = ask("status", "-t", "satellite")
    assert (seen["role"], seen["version"], seen["juno"]["evidence"]) == (
        "satellite",
        "0.0.17",
        "juno:build",
    )
    assert not seen["juno"]["certified"]
    assert "not certified" in " ".join(seen["advice"])


def test_an_unreadable_package_is_told_and_trusted_by_nobody(cli):
    create(cli, "satellite", with_metadata(code_of("satellite"), "juno:package", b"{"))
    seen = ask("status", "-t", "satellite")
    assert seen["version"] is None
    assert "juno:package is malformed" in " ".join(seen["advice"])


def test_a_mission_control_tells_what_it_looks_after(cli):
    create(cli, "mission-control", module("mission-control", "0.1.0"))
    ids = {}
    for role in ("satellite", "orbiter"):
        create(cli, role, module(role, "0.1.0"))
        ids[role] = ask("status", "-t", role)["module"]
    said = f'(principal "{ids["satellite"]}", opt "shop")'
    ask("module", "call", "set_satellite", said, "--module", "mission-control")
    said = f'(principal "{ids["orbiter"]}", null)'
    ask("module", "call", "set_orbiter", said, "--module", "mission-control")
    seen = ask("status", "-t", "mission-control")
    assert seen["segments"] == [
        {"module": ids["satellite"], "role": "satellite", "name": "shop"},
        {"module": ids["orbiter"], "role": "orbiter", "name": None},
    ]
    assert f"satellite {ids['satellite']} shop" in juno_snap("status", "-t", "m").out
    stranger = ask("status", "-t", "m", "--identity", "anonymous")
    assert stranger["segments"] is None
    assert "does not list its" in " ".join(stranger["advice"])
    ask("module", "stop", "--module", "mission-control")
    assert ask("status", "-t", "m")["segments"] is None


def test_a_module_that_is_stopped_already_is_upgraded_all_the_same(cli):
    """Juno's own commands ask the module itself first, which a stopped one does not answer."""
    create(cli, "satellite", older_module("satellite", "0.0.17", build="stock"))
    ask("module", "stop", "--module", "satellite")
    wasm = write(cli, module("satellite", "0.1.0"))
    planned = ask(*upgrade("--start", "--dry-run", wasm=wasm))["plan"]
    assert "version-unknown" in [each["code"] for each in planned["warnings"]]
    done = ask(*upgrade("--start", wasm=wasm))
    assert (done["outcome"], done["module_status"]) == ("upgraded", "running")
    again = write(cli, module("satellite", "0.1.1"))
    ask("module", "stop", "--module", "satellite")
    assert ask(*upgrade("--leave-stopped", wasm=again))["module_status"] == "stopped"
    assert ask("status", "-t", "s")["version"] == "0.1.1"


def test_a_module_that_no_command_of_junos_reaches_is_upgraded_by_its_id(cli):
    code = code_of("satellite")
    create(cli, "satellite", with_package(code, "@junobuild/console", "0.1.0"), name="console")
    wasm = write(cli, with_package(code, "@junobuild/console", "0.2.0"))
    console = ask("status", "--module", "console")["module"]
    done = ask("upgrade", "--module", console, "--src", wasm)
    assert done["outcome"] == "upgraded"
    ran = refuse("upgrade", "--module", console, "--src", write(cli, module("orbiter", "0.1.0")))
    assert (ran.code, ran.error["code"]) == (5, "role-change")


def test_a_mission_control_that_looks_after_none_of_a_role_makes_no_fleet(cli):
    create(cli, "mission-control", module("mission-control", "0.1.0"))
    said = '(principal "aaaaa-aa", opt "shop")'
    ask("module", "call", "set_satellite", said, "--module", "mission-control")
    (cli / "fleet.toml").write_text(
        '[fleet]\nname = "all"\n[[modules]]\nmission_control = "mission-control"\n'
        'role = "orbiter"\n',
        encoding="utf-8",
    )
    ran = refuse("fleet", "backup", cli / "fleet.toml")
    assert (ran.code, ran.error["key"]) == (10, "modules.0")
    assert "looks after no orbiter" in ran.error["message"]


def test_a_fleet_is_what_a_mission_control_looks_after(cli):
    create(cli, "mission-control", module("mission-control", "0.1.0"))
    create(cli, "satellite", module("satellite", "0.1.0"))
    shop = ask("status", "--module", "satellite")["module"]
    for verb, named in (("set_satellite", shop), ("set_orbiter", "aaaaa-aa")):
        said = f'(principal "{named}", opt "shop")'
        ask("module", "call", verb, said, "--module", "mission-control")
    write(cli, module("satellite", "0.1.1")).rename(cli / "new.wasm")
    (cli / "fleet.toml").write_text(
        '[fleet]\nname = "all"\n[upgrade]\nsrc = "new.wasm"\nallow = ["skip"]\n'
        '[[modules]]\nmission_control = "mission-control"\nrole = "satellite"\n',
        encoding="utf-8",
    )
    report = ask("fleet", "apply", cli / "fleet.toml")["fleet"]
    assert [(each["module"], each["outcome"]) for each in report["modules"]] == [(shop, "upgraded")]
