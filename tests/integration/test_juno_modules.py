"""The modules that stand for Juno's keep what they are told, and know who may tell them."""

import pytest

from tests.integration.cli_world import ask, refuse
from tests.juno.modules import module, older_module
from tests.juno.world import create, principal

OTHER = "aaaaa-aa"


@pytest.fixture
def satellite(cli):
    return create(cli, "satellite", module("satellite", "0.1.0"))


def call(method, argument="()", *words, name="satellite"):
    return ask("module", "call", method, argument, "--module", name, *words)["reply"]


def test_a_satellite_keeps_controllers_domains_configuration_and_rules_over_an_upgrade(satellite):
    call(
        "set_controllers",
        f'(record {{ controllers = vec {{ principal "{OTHER}" }}; controller = record '
        '{ metadata = vec { record { "profile"; "ci" } }; scope = variant { Write }; '
        "expires_at = null } })",
    )
    call("set_custom_domain", '("example.com", opt "bn")')
    call("set_db_config", "(record { version = null; max_memory_size = null })")
    wasm = satellite / "next.wasm"
    wasm.write_bytes(module("satellite", "0.1.1"))
    ask("upgrade", "--module", "satellite", "--src", wasm)
    controllers = call("list_controllers", "()", "--query")
    assert f'principal "{OTHER}"' in controllers
    assert principal() in controllers
    assert "Write" in controllers
    assert '"example.com"' in call("list_custom_domains", "()", "--query")
    assert "version = opt" in call("get_db_config", "()", "--query")
    stale = "(record { version = opt (7 : nat64); max_memory_size = null })"
    ran = refuse("module", "call", "set_db_config", stale, "--module", "satellite")
    assert "version_outdated_or_future" in ran.error["message"]


def test_a_satellite_has_the_memory_that_it_was_installed_with(cli):
    argument = (
        "(record { controllers = vec {}; "
        "storage = opt record { system_memory = opt variant { Stable } } })"
    )
    create(cli, "satellite", module("satellite", "0.1.0"), argument=argument)
    rule = call("get_rule", '(variant { Storage }, "#dapp")', "--query")
    assert "Stable" in rule
    assert '"#dapp"' not in call("list_rules", "(variant { Storage }, record {})", "--query")


def test_strangers_learn_nothing(satellite):
    ran = refuse(
        "module", "call", "list_controllers", "--module", "satellite", "--query",
        "--identity", "anonymous",
    )  # fmt: skip
    assert "caller_not_admin" in ran.error["message"]


def test_a_mission_control_lists_what_was_added(cli):
    create(cli, "mission-control", module("mission-control", "0.1.0"))
    call("set_satellite", f'(principal "{OTHER}", opt "shop")', name="mission-control")
    call("set_orbiter", f'(principal "{OTHER}", null)', name="mission-control")
    assert '"shop"' in call("list_satellites", "()", "--query", name="mission-control")
    assert OTHER in call("list_orbiters", "()", "--query", name="mission-control")


@pytest.mark.parametrize("role", ["satellite", "mission-control", "orbiter"])
def test_older_releases_tell_their_version_when_asked(cli, role):
    create(cli, role, older_module(role, "0.0.8"))
    assert call("version", "()", "--query", name=role) == '("0.0.8")'
