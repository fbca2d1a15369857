"""``juno-snap fleet`` on the replica of the command line."""

import hashlib
import json

import pytest

from juno_snap.replica.samples import sample
from tests.integration.backup_world import log_length
from tests.integration.cli_world import ask, documents, juno_snap, refuse, write_sample
from tests.integration.fleet_world import done_to, make_modules, outcomes, write_fleet

USAGE, NOT_FOUND, CONFIGURATION, FAILED = 2, 4, 10, 16
V2 = 'src = "document_store_v2.wasm"'
BAD = f"{V2}\nchecks = ['version() == \"9.9.9\"']\nhealth_timeout_seconds = 1"


@pytest.fixture
def shops(cli):
    write_sample(cli, "document_store_v2")
    return make_modules(write_sample(cli, "document_store_v1"), 5)


def names(shops):
    return [f"m{number}" for number, _ in enumerate(shops, 1)]


def versions(modules):
    replies = [ask("module", "call", "version", "--query", "--module", each) for each in modules]
    return [each["reply"] for each in replies]


def test_a_fleet_is_planned_in_waves_and_nothing_changes(cli, cli_log, shops):
    file = write_fleet(
        cli,
        names(shops),
        head="concurrency = 2",
        waves="canary = 1\npercentages = [60]",
        upgrade=V2,
    )
    before = log_length(cli_log)
    plan = ask("fleet", "plan", file)["plan"]
    assert [each["modules"] for each in plan["waves"]] == [1, 2, 2]
    assert [each["wave"] for each in plan["modules"]] == [1, 2, 2, 3, 3]
    assert plan["refused"] == 0
    assert plan["update_calls"] == sum(each["update_calls"] for each in plan["modules"]) > 0
    assert int(plan["cycles"]) == sum(int(each["cycles_spent"]) for each in plan["modules"]) > 0
    assert all(each["steps"] for each in plan["modules"])
    assert set().union(*done_to(cli_log, shops, after=before).values()) <= {
        "canister_status", "list_canister_snapshots", "stored_chunks",
    }  # fmt: skip
    assert ask("fleet", "apply", file, "--dry-run")["plan"]["fleet"] == "shops"
    assert "wave" in juno_snap("fleet", "plan", file).out.lower()
    assert refuse("fleet", "status", file).code == NOT_FOUND
    for words in ("--roll-back-wave", "--kind", "backup"), ("--new",):
        assert refuse("fleet", "resume", file, *words).code == USAGE
    back = refuse("fleet", "resume", file, "--roll-back-wave", "--yes")
    assert (back.code, back.error["code"]) == (NOT_FOUND, "no-such-fleet")


@pytest.mark.proves("A8")
def test_a_fleet_is_upgraded_wave_by_wave(cli, cli_log, shops):
    file = write_fleet(cli, names(shops), head="concurrency = 3", waves="canary = 1", upgrade=V2)
    before = log_length(cli_log)
    report = ask("fleet", "apply", file)["fleet"]
    assert report["outcomes"] == {"upgraded": 5}
    assert (report["state"], report["ok"]) == ("done", True)
    assert [(each["done"], each["failed"]) for each in report["waves"]] == [(1, 0), (4, 0)]
    assert versions(shops) == ['("0.2.0")'] * 5
    assert all(
        counted["install_code"] == 1 for counted in done_to(cli_log, shops, after=before).values()
    )
    calls = [json.loads(line) for line in cli_log.read_text("utf-8").splitlines()[before:]]
    order = [each["effective_canister"] for each in calls if each.get("method") == "install_code"]
    assert order[0] == shops[0]
    status = ask("fleet", "status", file)["fleet"]
    assert status == report
    assert ask("fleet", "plan", file)["plan"]["cycles"] == "0"
    again = ask("fleet", "apply", file)["fleet"]
    assert again["outcomes"] == {"unchanged": 5}
    assert refuse("fleet", "resume", file).code == NOT_FOUND


def test_a_bad_release_stops_after_as_many_failures_and_those_go_back(cli, cli_log, shops):
    file = write_fleet(
        cli, names(shops), head="stop_after_failures = 2\nconcurrency = 1", upgrade=BAD
    )
    before = log_length(cli_log)
    ran = juno_snap("fleet", "apply", file, "--json")
    assert ran.code == FAILED
    report = ran.document["fleet"]
    assert report["state"] == "needs-attention"
    assert report["outcomes"] == {"rolled-back": 2, "pending": 3}
    assert versions(shops) == ['("0.1.0")'] * 5
    counted = done_to(cli_log, shops, after=before)
    assert [each["install_code"] for each in counted.values()] == [1, 1, 0, 0, 0]
    assert [each["load_canister_snapshot"] for each in counted.values()] == [1, 1, 0, 0, 0]
    assert ran.error["code"] == "fleet-failed"
    assert refuse("fleet", "apply", file).error["code"] == "fleet-stopped"
    back = refuse("fleet", "resume", file, "--roll-back-wave", "--yes")
    assert (back.code, back.error["code"]) == (NOT_FOUND, "nothing-to-roll-back")
    # A person has seen it and goes on: the failures are counted anew.
    planned = ask("fleet", "resume", file, "--dry-run")["plan"]
    assert [each.get("ended") for each in planned["modules"]] == ["rolled-back"] * 2 + [None] * 3
    assert [each["cycles_spent"] == "0" for each in planned["modules"]] == [True] * 2 + [False] * 3
    assert "rolled-back already" in juno_snap("fleet", "plan", file).out
    anew = ask("fleet", "apply", file, "--dry-run", "--new")["plan"]
    assert not any("ended" in each for each in anew["modules"])
    resumed = juno_snap("fleet", "resume", file, "--json").document["fleet"]
    assert resumed["outcomes"] == {"rolled-back": 4, "pending": 1}
    # The mended file is another run.
    good = write_fleet(cli, names(shops), upgrade=V2)
    assert refuse("fleet", "apply", good).error["code"] == "fleet-stopped"
    assert refuse("fleet", "resume", good).error["code"] == "fleet-changed"
    assert ask("fleet", "apply", good, "--new")["fleet"]["outcomes"] == {"upgraded": 5}


def test_only_modules_whose_own_check_failed_go_back(cli, shops):
    own = "checks = ['version() == \"9.9.9\"']"
    file = write_fleet(
        cli,
        names(shops),
        head="stop_after_failures = 3\nconcurrency = 5",
        upgrade=f"{V2}\nhealth_timeout_seconds = 1",
        extra={"m2": own},
    )
    ran = juno_snap("fleet", "apply", file, "--json")
    assert ran.code == FAILED
    report = ran.document["fleet"]
    assert report["state"] == "done"
    assert outcomes(report) == {
        "m1": "upgraded", "m2": "rolled-back", "m3": "upgraded", "m4": "upgraded", "m5": "upgraded",
    }  # fmt: skip
    assert versions(shops[:2]) == ['("0.2.0")', '("0.1.0")']
    told = juno_snap("fleet", "status", file)
    assert "rolled-back" in told.out


@pytest.fixture
def second_wave(cli, shops):
    """A fleet whose second wave, m2 and m3, runs the new code, but for m3; something is written."""
    file = write_fleet(
        cli,
        names(shops),
        head="concurrency = 1",
        waves="canary = 1\npercentages = [60]",
        upgrade=f"{V2}\nhealth_timeout_seconds = 1",
        extra={"m3": "checks = ['version() == \"9.9.9\"']"},
    )
    assert juno_snap("fleet", "apply", file).code == FAILED
    assert versions(shops) == [f'("0.{minor}.0")' for minor in (2, 2, 1, 1, 1)]
    ask("module", "call", "set_document", '("new", "text")', "--module", "m2")
    return ("fleet", "resume", file, "--roll-back-wave")


def test_a_wave_goes_back_where_a_person_says_so_and_what_was_written_is_kept(
    cli, cli_log, shops, second_wave
):
    assert refuse(*second_wave).error["code"] == "confirmation-needed"
    before = log_length(cli_log)
    report = ask(*second_wave, "--yes")["fleet"]
    assert (report["kind"], outcomes(report)) == ("rollback", {"m2": "restored"})
    assert versions(shops) == [f'("0.{minor}.0")' for minor in (2, 1, 1, 1, 1)]
    done = done_to(cli_log, shops, after=before)
    assert [each["load_canister_snapshot"] for each in done.values()] == [0, 1, 0, 0, 0]
    saved, safety = ask("snapshot", "list", "--module", "m2")["snapshots"]
    assert saved["id"] != safety["id"]
    assert documents("m2") == "(vec {})"
    file = second_wave[2]
    assert ask("fleet", "status", file, "--kind", "upgrade")["fleet"]["state"] == "needs-attention"
    assert ask("fleet", "status", file)["fleet"] == report
    ask("snapshot", "restore", safety["id"], "--module", "m2", "--yes")
    assert documents("m2") == '(vec { "new" })'


def test_a_wave_that_went_back_does_not_go_back_again(cli, cli_log, shops, second_wave):
    report = ask(*second_wave, "--yes")["fleet"]
    ask("module", "call", "set_document", '("newer", "text")', "--module", "m2")
    assert ask(*second_wave, "--dry-run")["plan"]["modules"][0]["unchanged"] is True
    before = log_length(cli_log)
    again = ask(*second_wave, "--yes")["fleet"]
    assert again["run"] != report["run"]
    assert again["modules"] == report["modules"]
    done = done_to(cli_log, shops, after=before)
    assert not any(counted["load_canister_snapshot"] for counted in done.values())
    assert documents("m2") == '(vec { "newer" })'


def test_going_back_is_planned_and_refused_where_there_is_other_code_since(
    cli, cli_log, shops, second_wave
):
    before = log_length(cli_log)
    plan = ask("fleet", "plan", second_wave[2], "--kind", "rollback")["plan"]
    assert (plan["kind"], plan["refused"], len(plan["modules"])) == ("rollback", 0, 1)
    assert plan["modules"][0]["name"] == "m2"
    assert "load" in json.dumps(plan["modules"][0]["steps"])
    assert "go back to" in juno_snap(*second_wave, "--dry-run").out
    assert not done_to(cli_log, shops, after=before)[shops[1]]["stop_canister"]
    wasm = write_sample(cli, "document_store_v3")
    ask("upgrade", "--module", "m2", "--src", wasm, "--keep", 5)
    plan = ask(*second_wave, "--dry-run")["plan"]
    assert (plan["refused"], plan["modules"][0]["ok"]) == (1, False)
    ran = juno_snap(*second_wave, "--yes", "--json")
    assert (ran.code, outcomes(ran.document["fleet"])) == (FAILED, {"m2": "refused"})
    (refused,) = ran.document["fleet"]["modules"]
    assert refused["error"]["code"] == "code-changed"
    assert "juno-snap rollback" in refused["error"]["hint"]
    assert versions(shops[1:2]) == ['("0.3.0")']


def test_a_fleet_is_backed_up_and_no_snapshot_stays(cli, shops):
    file = write_fleet(
        cli, names(shops), head="concurrency = 3", waves="canary = 1", backup='directory = "copies"'
    )
    plan = ask("fleet", "backup", file, "--dry-run")["plan"]
    assert (plan["kind"], plan["refused"], len(plan["modules"])) == ("backup", 0, 5)
    assert [each["path"] for each in plan["modules"]] == [str(cli / "copies" / m) for m in shops]
    assert not list(cli.rglob("backups"))
    report = ask("fleet", "backup", file)["fleet"]
    assert report["outcomes"] == {"backed-up": 5}
    none = refuse("fleet", "status", file, "--kind", "upgrade")
    assert (none.code, none.error["code"]) == (NOT_FOUND, "no-such-fleet")
    assert "no upgrade of fleet 'shops'" in none.error["message"]
    listed = ask("backup", "list", cli / "copies")["backups"]
    assert {each["module"] for each in listed} == set(shops)
    for each in report["modules"]:
        assert ask("backup", "verify", each["backup"])["verification"]["ok"]
        assert ask("snapshot", "list", "--module", each["module"])["snapshots"] == []
    ask("fleet", "backup", file)
    assert len(ask("backup", "list", cli / "copies")["backups"]) == 10


def test_a_backup_that_fails_holds_up_no_other(cli, shops):
    file = write_fleet(cli, names(shops), head="concurrency = 1", backup='directory = "copies"')
    (cli / "copies").mkdir()
    (cli / "copies" / shops[0]).write_text("in the way", encoding="utf-8")
    plan = ask("fleet", "plan", file, "--kind", "backup")["plan"]
    assert [each["ok"] for each in plan["modules"]] == [False, True, True, True, True]
    ran = juno_snap("fleet", "backup", file, "--json")
    report = ran.document["fleet"]
    assert (ran.code, report["state"]) == (FAILED, "done")
    assert report["outcomes"] == {"failed": 1, "backed-up": 4}
    assert report["modules"][0]["error"]["message"]
    assert "fleet backup FILE begins another backup" in ran.error["hint"]
    (cli / "copies" / shops[0]).unlink()
    assert ask("fleet", "backup", file)["fleet"]["outcomes"] == {"backed-up": 5}


def test_a_module_that_cannot_be_upgraded_is_refused_and_the_others_are_not(cli, shops):
    ask("module", "stop", "--module", "m3")
    file = write_fleet(cli, names(shops), head="stop_after_failures = 2", upgrade=V2)
    plan = ask("fleet", "plan", file)["plan"]
    assert [each["ok"] for each in plan["modules"]] == [True, True, False, True, True]
    ran = juno_snap("fleet", "apply", file, "--json")
    assert ran.code == FAILED
    (refused,) = [each for each in ran.document["fleet"]["modules"] if each["name"] == "m3"]
    assert (refused["outcome"], refused["operation"]) == ("refused", None)
    assert refused["error"]["message"]
    assert refuse("fleet", "resume", file).code == NOT_FOUND
    assert "fleet apply FILE tries" in ran.error["hint"]
    mended = write_fleet(cli, names(shops), upgrade=f'{V2}\nfound_stopped = "start"')
    report = ask("fleet", "apply", mended)["fleet"]
    assert report["outcomes"] == {"unchanged": 4, "upgraded": 1}


def test_what_a_refused_module_would_cost_is_no_part_of_the_whole_cost(cli, shops):
    head = "concurrency = 2"
    without = ask("fleet", "plan", write_fleet(cli, ["m1", "m2"], head=head, upgrade=V2))["plan"]
    ask("module", "stop", "--module", "m3")
    file = write_fleet(cli, ["m1", "m2", "m3"], head=head, upgrade=V2)
    plan = ask("fleet", "plan", file)["plan"]
    assert (without["refused"], plan["refused"]) == (0, 1)
    assert plan["modules"][2]["cycles_spent"] == "0"
    for total in "update_calls", "rounds", "cycles":
        assert plan[total] == without[total] != 0


def test_a_hash_holds_for_the_code_that_it_stands_beside(cli, shops):
    write_sample(cli, "document_store_v3")
    old, new = (hashlib.sha256(sample(f"document_store_v{n}")).hexdigest() for n in (2, 3))
    own = 'src = "document_store_v3.wasm"\n'
    extra = {
        "m2": own,
        "m3": f'{own}sha256 = "{new}"',
        "m4": f'{own}sha256 = "{old}"',
        "m5": "checks = ['version() == \"0.2.0\"']",
    }
    file = write_fleet(cli, names(shops), upgrade=f'{V2}\nsha256 = "{old}"', extra=extra)
    plan = ask("fleet", "plan", file)["plan"]
    assert [each["ok"] for each in plan["modules"]] == [True, True, True, False, True]
    assert "SHA-256" in plan["modules"][3]["refusals"][0]["text"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[fleet]\nname = 'a b'\n[[modules]]\nmodule = 'x'", "fleet.name"),
        ("[fleet]\nname = 'a'\nspeed = 3\n[[modules]]\nmodule = 'x'", "fleet.speed"),
        ("[fleet]\nname = 'a'\n", "modules"),
        ("[fleet]\nname = 'a'\n[[modules]]\n", "modules.0"),
        ("[fleet]\nname = 'a'\nconcurrency = 0\n[[modules]]\nmodule = 'x'", "fleet.concurrency"),
        (
            "[fleet]\nname = 'a'\n[waves]\npercentages = [50, 10]\n[[modules]]\nmodule = 'x'",
            "waves",
        ),
        ("[fleet]\nname = 'a'\n[[modules]]\nmodule = 'm1'", "upgrade.src"),
        ("[fleet]\nname='a'\n[upgrade]\nsrc='no.wasm'\n[[modules]]\nmodule='m1'", "upgrade.src"),
        (
            f"[fleet]\nname='a'\n[upgrade]\n{V2}\nchecks = ['?']\n[[modules]]\nmodule='m1'",
            "upgrade.checks",
        ),
        (
            f"[fleet]\nname='a'\n[upgrade]\n{V2}\n[[modules]]\nmodule='m1'\nchecks = ['?']",
            "modules.0.checks",
        ),
        (
            f"[fleet]\nname='a'\n[upgrade]\n{V2}\narg = '(1'\n[[modules]]\nmodule='m1'",
            "upgrade.arg",
        ),
        (
            f"[fleet]\nname='a'\n[upgrade]\n{V2}\n" + "[[modules]]\nmodule='m1'\n" * 2,
            "modules",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_key(cli, shops, text, key):
    file = cli / "fleet.toml"
    file.write_text(text, encoding="utf-8")
    for verb in ("plan", "apply"):
        ran = refuse("fleet", verb, file)
        assert (ran.code, ran.error["key"]) == (CONFIGURATION, key)
        assert str(file) in ran.error["message"]
        assert ran.error["hint"]


def test_a_path_in_the_file_may_begin_at_home(cli, shops, monkeypatch):
    home = cli / "home"
    home.mkdir()
    (cli / "document_store_v2.wasm").rename(home / "new.wasm")
    monkeypatch.setenv("HOME", str(home))
    said = {"upgrade": 'src = "~/new.wasm"', "backup": 'directory = "~/copies"'}
    file = write_fleet(cli, ["m1"], **said)
    assert ask("fleet", "plan", file)["plan"]["refused"] == 0
    (planned,) = ask("fleet", "plan", file, "--kind", "backup")["plan"]["modules"]
    assert planned["path"] == str(home / "copies" / shops[0])
    file = write_fleet(cli, ["m1"], upgrade='src = "~nobody-here/new.wasm"')
    assert refuse("fleet", "plan", file).error["key"] == "upgrade.src"


def test_no_toml_and_no_file_are_told_apart(cli):
    (cli / "fleet.toml").write_text("[fleet", encoding="utf-8")
    assert refuse("fleet", "plan", cli / "fleet.toml").code == CONFIGURATION
    assert refuse("fleet", "status", cli / "none.toml").code == NOT_FOUND


def test_a_role_means_every_module_that_is_configured_for_it(cli, shops):
    tables = [
        f'[modules.{name}]\ncanister = "{module}"\nrole = "satellite"\n'
        for name, module in zip(("north", "south"), shops, strict=False)
    ]
    (cli / "juno-snap.toml").write_text("\n".join(tables), encoding="utf-8")
    file = cli / "fleet.toml"
    file.write_text(
        f'[fleet]\nname = "sites"\n[upgrade]\n{V2}\n[[modules]]\nrole = "satellite"',
        encoding="utf-8",
    )
    report = ask("fleet", "apply", file)["fleet"]
    assert outcomes(report) == {"north": "upgraded", "south": "upgraded"}
