"""Later sources win, and each value remembers who said it."""

from pathlib import Path

import pytest

from juno_snap.errors import ConfigError, InputError
from juno_snap.settings.load import examine_settings, load_settings
from juno_snap.settings.paths import user_file
from juno_snap.settings.sources import VARIABLES, separate, unknown_variables


def load(folder: Path, *, options=None, environment=None, config=None):
    return load_settings(
        options or {}, config=config, environment=environment or {}, working_directory=folder
    )


def write_user_file(text: str) -> Path:
    file = user_file()
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_without_any_source_the_defaults_hold(project):
    settings = load(project)
    assert settings.default_network is None
    assert settings.stop_timeout_seconds == 60
    assert settings.health_timeout_seconds == 60
    assert settings.rollback_window_seconds == 600
    assert settings.rehearsal_instruction_limit == 300_000_000_000
    assert settings.hooks == ()
    assert settings.costs == {}
    assert settings.call_ttl_seconds == 240
    assert settings.state_directory.is_absolute()
    assert settings.origin_of("upgrade.stop_timeout_seconds") == "default"
    assert settings.networks["ic"].root_key == "ic"
    assert settings.origin_of("network.ic.url") == "built in"


def test_each_source_is_stronger_than_the_one_before(project):
    key = "default_network"
    assert load(project).origin_of(key) == "default"
    user = write_user_file('default_network = "dfx"')
    assert (load(project).default_network, load(project).origin_of(key)) == ("dfx", str(user))
    file = project / "juno-snap.toml"
    file.write_text('default_network = "icp"')
    assert (load(project).default_network, load(project).origin_of(key)) == ("icp", str(file))
    environment = {"JUNO_SNAP_NETWORK": "juno"}
    from_variable = load(project, environment=environment)
    assert (from_variable.default_network, from_variable.origin_of(key)) == (
        "juno",
        "JUNO_SNAP_NETWORK",
    )
    from_option = load(project, environment=environment, options={"--network": "ic"})
    assert (from_option.default_network, from_option.origin_of(key)) == ("ic", "--network")


def test_a_stronger_source_takes_only_what_it_says(project):
    write_user_file("[upgrade]\nstop_timeout_seconds = 7\n[calls]\nttl_seconds = 30\n")
    (project / "juno-snap.toml").write_text("[upgrade]\nstop_timeout_seconds = 9\n")
    settings = load(project)
    assert (settings.stop_timeout_seconds, settings.call_ttl_seconds) == (9, 30)


def test_an_entry_of_a_named_table_is_replaced_whole(project):
    write_user_file('[network.stage]\nurl = "http://10.0.0.1"\nroot_key = "fetch"\n')
    (project / "juno-snap.toml").write_text(
        f'[network.stage]\nurl = "http://10.0.0.2/"\nroot_key = "{"ab" * 133}"\n'
    )
    stage = load(project).networks["stage"]
    assert (stage.url, stage.root_key) == ("http://10.0.0.2", b"\xab" * 133)


def test_mode_and_profile_are_said_here_and_now_only(project):
    settings = load(project)
    assert (settings.mode, settings.profile) == ("production", None)
    settings = load(project, environment={"JUNO_SNAP_MODE": "test", "JUNO_SNAP_PROFILE": "team"})
    assert (settings.mode, settings.profile) == ("test", "team")
    settings = load(project, environment={"JUNO_SNAP_MODE": "test"}, options={"--mode": "staging"})
    assert (settings.mode, settings.origin_of("mode")) == ("staging", "--mode")
    with pytest.raises(InputError, match="mode"):
        load(project, options={"--mode": "../x"})
    (project / "juno-snap.toml").write_text('mode = "staging"')
    with pytest.raises(ConfigError, match="no such setting"):
        load(project)


def test_each_rule_of_retention_is_said_by_itself(project):
    write_user_file("[retention]\nkeep_last = 3\nkeep_daily = 7\n")
    (project / "juno-snap.toml").write_text("[retention]\nkeep_daily = 2\n")
    kept = load(project).retention
    assert (kept.keep_last, kept.keep_daily, kept.keep_weekly, kept.keep_monthly) == (3, 2, 0, 0)
    (project / "juno-snap.toml").write_text("[retention]\nkeep_daily = -1\n")
    with pytest.raises(ConfigError, match=r"retention\.keep_daily"):
        load(project)


def test_sources_that_are_wrong_are_passed_over_and_told_of(project):
    user = write_user_file("[calls]\nttl_seconds = 30\n")
    file = project / "juno-snap.toml"
    file.write_text("upgarde = 1\n[calls]\nttl_seconds = 'x'\n[modules.a]\n")
    examined = examine_settings(
        {"--network": "icp", "--mode": "a b"},
        environment={"JUNO_SNAP_STOP_TIMEOUT_SECONDS": "soon", "JUNO_SNAP_PROFILE": "team"},
        working_directory=project,
    )
    settings = examined.settings
    assert (settings.call_ttl_seconds, settings.origin_of("calls.ttl_seconds")) == (30, str(user))
    assert (settings.default_network, settings.profile) == ("icp", "team")
    wrong, variable, option = examined.problems
    parts = {part.key: part for part in separate(wrong)}
    assert set(parts) == {"upgarde", "calls.ttl_seconds", "modules.a.canister"}
    assert all(part.source == str(file) and part.hint for part in parts.values())
    assert variable.source == "JUNO_SNAP_STOP_TIMEOUT_SECONDS"
    assert isinstance(option, InputError)


def test_the_project_file_is_found_from_below(project):
    (project / "juno-snap.toml").write_text('default_network = "icp"')
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert load(below).default_network == "icp"


def test_a_named_file_stands_in_place_of_the_project_file(project):
    (project / "juno-snap.toml").write_text('default_network = "icp"')
    other = project / "other.toml"
    other.write_text("[calls]\nttl_seconds = 12\n")
    by_option = load(project, config=Path("other.toml"))
    by_variable = load(project, environment={"JUNO_SNAP_CONFIG": str(other)})
    for settings in (by_option, by_variable):
        assert settings.default_network is None
        assert settings.call_ttl_seconds == 12
        assert settings.files == (other,)


def test_paths_are_relative_to_what_says_them(project):
    file = project / "juno-snap.toml"
    file.write_text(
        'default_identity = "./keys/ci.pem"\n'
        '[identity.ci]\nkey_file = "keys/ci.pem"\npassword_file = "/run/ci.txt"\n'
    )
    below = project / "below"
    below.mkdir()
    settings = load(below)
    assert settings.default_identity == str(project / "keys/ci.pem")
    assert settings.identities["ci"].key_file == project / "keys/ci.pem"
    assert settings.identities["ci"].password_file == Path("/run/ci.txt")
    said = load(below, options={"--identity": "./mine.pem", "--state": "here"})
    assert said.default_identity == str(below / "mine.pem")
    assert said.state_directory == below / "here"
    assert load(below, options={"--identity": "ci"}).default_identity == "ci"


def test_programs_beside_the_file_are_found_from_anywhere(project):
    (project / "juno-snap.toml").write_text(
        '[modules.satellite]\ncanister = "ryjl3-tyaaa-aaaaa-aaaba-cai"\n'
        'checks = [{ command = ["./ping.sh", "./not-a-path"] }, { command = ["curl", "h"] }]\n'
        '[[hooks]]\nname = "a"\npoint = "p"\ncommand = ["hooks/a.sh"]\n'
        '[identity.ci]\npassword_command = ["/bin/pass", "ci"]\n'
    )
    below = project / "below"
    below.mkdir()
    settings = load(below)
    checks = [check.command for check in settings.modules["satellite"].checks]
    assert checks == [(str(project / "ping.sh"), "./not-a-path"), ("curl", "h")]
    assert settings.hooks[0].command == (str(project / "hooks/a.sh"),)
    assert settings.identities["ci"].password_command == ("/bin/pass", "ci")


def test_hooks_of_all_sources_hold_in_the_order_in_which_they_are_said(project):
    write_user_file(
        '[[hooks]]\nname = "z"\npoint = "p"\nfunction = "mine:z"\n'
        '[[hooks]]\nname = "both"\npoint = "p"\nfunction = "mine:both"\n'
    )
    (project / "juno-snap.toml").write_text(
        '[[hooks]]\nname = "y"\npoint = "p"\nfunction = "ours:y"\n'
        '[[hooks]]\nname = "both"\npoint = "p"\nfunction = "ours:both"\n'
        '[[hooks]]\nname = "a"\npoint = "p"\nfunction = "ours:a"\nmodules = ["satellite"]\n'
    )
    hooks = load(project).hooks
    assert [hook.function for hook in hooks] == ["mine:z", "ours:both", "ours:y", "ours:a"]
    assert [hook.modules for hook in hooks] == [None, None, None, {"satellite"}]


def test_prices_are_said_without_saying_where_the_network_is(project):
    user = write_user_file('[network.stage]\nurl = "http://10.0.0.1"\nroot_key = "fetch"\n')
    file = project / "juno-snap.toml"
    file.write_text("[network.ic.costs]\nnodes = 34\n[network.local.costs]\nnodes = 1\n")
    settings = load(project)
    assert settings.costs == {"ic": {"nodes": 34}, "local": {"nodes": 1}}
    assert settings.networks["ic"].url == "https://icp-api.io"
    assert "local" not in settings.networks
    assert settings.origin_of("network.ic.costs.nodes") == str(file)
    assert settings.origin_of("network.ic.url") == "built in"
    assert settings.origin_of("network.stage.url") == str(user)


def test_empty_variables_say_nothing(project):
    environment = dict.fromkeys(VARIABLES, "")
    assert load(project, environment=environment) == load(project)


def test_numbers_in_variables_are_read(project):
    environment = {
        "JUNO_SNAP_STOP_TIMEOUT_SECONDS": "5",
        "JUNO_SNAP_CALL_TTL_SECONDS": "6",
        "JUNO_SNAP_HEALTH_TIMEOUT_SECONDS": "7",
        "JUNO_SNAP_ROLLBACK_WINDOW_SECONDS": "0",
        "JUNO_SNAP_REHEARSAL_INSTRUCTION_LIMIT": "8",
    }
    settings = load(project, environment=environment)
    assert (settings.stop_timeout_seconds, settings.call_ttl_seconds) == (5, 6)
    assert (settings.health_timeout_seconds, settings.rollback_window_seconds) == (7, 0)
    assert settings.rehearsal_instruction_limit == 8


@pytest.mark.parametrize("variable", ["JUNO_SNAP_STOP_TIMEOUT_SECONDS", "JUNO_SNAP_ROOT_KEY"])
def test_a_malformed_variable_is_named(project, variable):
    with pytest.raises(ConfigError, match=variable) as caught:
        load(project, environment={variable: "many"})
    assert caught.value.source == variable


def test_a_malformed_option_is_the_persons_mistake(project):
    with pytest.raises(InputError, match="--root-key"):
        load(project, options={"--root-key": "abc"})


def test_misspelt_variables_are_found():
    environment = {"JUNO_SNAP_NETWROK": "ic", "JUNO_SNAP_NETWORK": "ic", "HOME": "/"}
    assert unknown_variables(environment) == ["JUNO_SNAP_NETWROK"]


def test_every_value_is_listed_once(project):
    (project / "juno-snap.toml").write_text(
        '[modules.satellite]\ncanister = "ryjl3-tyaaa-aaaaa-aaaba-cai"\nrole = "satellite"\n'
        'checks = ["v() == (1)"]\n[[hooks]]\nname = "a"\npoint = "p"\nfunction = "m:f"\n'
    )
    keys = [value.key for value in load(project).values]
    assert len(keys) == len(set(keys))
    assert {"default_network", "modules.satellite.canister", "network.juno.url"} <= set(keys)
    assert {"modules.satellite.checks", "hooks.a.point"} <= set(keys)
