"""Fleets that are killed at random moments: each module is done once, and all are reported."""

import json
import sys
import threading

import pytest

from juno_snap.backup.layout import BEGUN, MANIFEST
from juno_snap.flow.space import FlowSpace
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from tests.chance import Chance
from tests.integration.backup_world import log_length
from tests.integration.cli_world import ask, documents, juno_snap, refuse, write_sample
from tests.integration.fleet_world import done_to, make_modules, write_fleet
from tests.integration.flow_world import start, until
from tests.juno.cdn import running_cdn

LOCKED, REFUSED, FAILED = 3, 5, 16
V2 = 'src = "document_store_v2.wasm"'
BAD = f"{V2}\nchecks = ['version() == \"9.9.9\"']\nhealth_timeout_seconds = 1"


class World:
    """A replica of its own, modules on it, and the state directory of who cares for them."""

    def __init__(self, folder, log):
        self.folder = folder
        self.log = log
        self.modules = []
        self.made = 0
        """Lines of the log until all modules were there."""

    def make(self, count):
        write_sample(self.folder, "document_store_v2")
        self.modules = make_modules(write_sample(self.folder, "document_store_v1"), count)
        for module in self.modules:
            ask("module", "call", "set_document", '("key", "kept")', "--module", module)
        self.made = log_length(self.log)

    def calls(self):
        return self.log.read_text(encoding="utf-8").count('"kind": "call"')

    def done(self, method):
        """How often a method was carried out on each module."""
        found = done_to(self.log, self.modules, after=self.made)
        return [counted[method] for counted in found.values()]

    def snapshots(self, module):
        return ask("snapshot", "list", "--module", module)["snapshots"]


@pytest.fixture
def world(tmp_path, monkeypatch, request):
    log, faults = tmp_path / "requests.jsonl", getattr(request, "param", ())
    with run_replica(ReplicaOptions(seed="fleets", request_log=log, faults=faults)) as replica:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv("JUNO_SNAP_NETWORK", replica.url)
        monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
        monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
        yield World(tmp_path, log)


def is_unfinished(state, flow):
    space = FlowSpace(state=state)
    if space.is_empty:
        return False
    with space.open() as store:
        runs = store.runs(flow)
    return bool(runs) and runs[0].state != "done"


def live_once(world, words, chance, most):
    """One life of the command; whether it was killed before its end.

    Now and then it dies while it starts, mostly some calls after it has begun.
    """
    process, before = start("fleet", *words, "--json"), world.calls()
    if chance.below(6):
        target = before + 1 + chance.below(most)
        until(lambda: world.calls() >= target or process.poll() is not None)
    threading.Event().wait(chance.below(120) / 1000)
    process.kill()
    process.communicate()
    return process.returncode == -9


def survive(world, verb, file, *, kills, most, seed):
    """The last life's result, after so many others were killed; and how many were."""
    chance, killed, flow = Chance(seed), 0, f"fleet-shops-{'upgrade' if verb == 'apply' else verb}"
    for _ in range(kills):
        is_begun = is_unfinished(world.folder / "state", flow)
        word = "resume" if is_begun and chance.below(2) else verb
        killed += live_once(world, (word, file), chance, most)
    ran = juno_snap("fleet", verb, file, "--json")
    assert ran.out, ran.err
    return ran, killed


def tell(capsys, what, modules, killed):
    with capsys.disabled():
        sys.stdout.write(f"\n{what} of {modules} modules, killed {killed} times: each done once\n")


def upgrade_under_kills(world, capsys, *, modules, kills, most, seed):
    world.make(modules)
    file = write_fleet(
        world.folder, world.modules, head="concurrency = 4",
        waves="canary = 1\npercentages = [40]", upgrade=V2,
    )  # fmt: skip
    ran, killed = survive(world, "apply", file, kills=kills, most=most, seed=seed)
    report = ran.document["fleet"]
    assert (ran.code, report["outcomes"]) == (0, {"upgraded": modules}), ran.err
    assert {each["module"] for each in report["modules"]} == set(world.modules)
    for each in report["modules"]:
        (snapshot,) = world.snapshots(each["module"])
        assert (each["snapshot"], each["module_status"]) == (snapshot["id"], "running")
        (operation,) = ask("history", "--module", each["module"])["operations"]
        assert each["operation"] == operation["operation"]
        listed = ask("module", "call", "count_documents", "--query", "--module", each["module"])
        assert listed["reply"] == "(1 : nat)"
    assert world.done("install_code") == [1] * modules
    assert world.done("take_canister_snapshot") == [1] * modules
    tell(capsys, "upgrades", modules, killed)
    assert killed >= kills // 2


def back_up_under_kills(world, capsys, *, modules, kills, most, seed):
    world.make(modules)
    file = write_fleet(
        world.folder, world.modules, head="concurrency = 4", backup='directory = "copies"'
    )
    ran, killed = survive(world, "backup", file, kills=kills, most=most, seed=seed)
    report = ran.document["fleet"]
    assert (ran.code, report["outcomes"]) == (0, {"backed-up": modules}), ran.err
    for each in report["modules"]:
        assert ask("backup", "verify", each["backup"])["verification"]["ok"]
        assert world.snapshots(each["module"]) == []
        assert ask("status", "--module", each["module"])["status"] == "running"
    listed = ask("backup", "list", world.folder / "copies")["backups"]
    assert sorted(each["module"] for each in listed) == sorted(world.modules)
    assert world.done("take_canister_snapshot") == [1] * modules
    tell(capsys, "backups", modules, killed)
    assert killed >= kills // 2


def roll_back_under_kills(world, capsys, *, modules, kills, most, seed):
    """The second wave: all modules but the first."""
    world.make(modules)
    file = write_fleet(
        world.folder, world.modules, head="concurrency = 3", waves="canary = 1", upgrade=V2
    )
    upgraded = {each["module"]: each for each in ask("fleet", "apply", file)["fleet"]["modules"]}
    wave = world.modules[1:]
    for module in wave:
        ask("module", "call", "set_document", '("new", "written since")', "--module", module)
    chance, killed = Chance(seed), 0
    back = ("resume", file, "--roll-back-wave", "--yes")
    for _ in range(kills):
        killed += live_once(world, back, chance, most)
    ran = juno_snap("fleet", *back, "--json")
    assert ran.code == 0, ran.err
    report = ran.document["fleet"]
    assert (report["kind"], report["outcomes"]) == ("rollback", {"restored": modules - 1})
    assert {each["module"] for each in report["modules"]} == set(wave)
    assert world.done("load_canister_snapshot") == [0] + [1] * (modules - 1)
    assert world.done("take_canister_snapshot") == [1] + [2] * (modules - 1)
    for module in wave:
        status = ask("status", "--module", module)
        assert (status["version"], status["status"]) == ("0.1.0", "running")
        assert documents(module) == '(vec { "key" })'
        (went_back, _) = ask("history", "--module", module)["operations"]
        assert went_back["kind"] == "rollback"
        (safety,) = {each["id"] for each in world.snapshots(module)} - {
            upgraded[module]["snapshot"]
        }
        ask("snapshot", "restore", safety, "--module", module, "--yes")
        assert documents(module) == '(vec { "key"; "new" })'
    assert ask("status", "--module", world.modules[0])["version"] == "0.2.0"
    tell(capsys, "going back", modules - 1, killed)
    assert killed >= kills // 2


@pytest.mark.proves("A9", "B8")
def test_a_killed_fleet_takes_each_module_of_a_wave_back_once(world, capsys):
    roll_back_under_kills(world, capsys, modules=4, kills=2, most=12, seed=7)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(50, 53))
def test_thirty_modules_go_back_with_a_fleet_that_is_killed_ten_times(world, capsys, seed):
    roll_back_under_kills(world, capsys, modules=30, kills=10, most=24, seed=seed)


@pytest.mark.proves("A2", "A9", "B4", "B8")
def test_a_killed_fleet_upgrades_each_module_once(world, capsys):
    upgrade_under_kills(world, capsys, modules=6, kills=3, most=14, seed=5)


@pytest.mark.proves("A2", "A9", "B8", "B9")
def test_a_killed_fleet_backs_each_module_up_once(world, capsys):
    back_up_under_kills(world, capsys, modules=6, kills=3, most=20, seed=6)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(30, 33))
def test_thirty_modules_are_upgraded_by_a_fleet_that_is_killed_ten_times(world, capsys, seed):
    upgrade_under_kills(world, capsys, modules=30, kills=10, most=24, seed=seed)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(40, 43))
def test_thirty_modules_are_backed_up_by_a_fleet_that_is_killed_five_times(world, capsys, seed):
    back_up_under_kills(world, capsys, modules=30, kills=5, most=60, seed=seed)


@pytest.mark.parametrize(
    ("world", "written", "directory"),
    [
        ((parse_fault("delay=3sx1@call:read_canister_snapshot_data"),), BEGUN, "elsewhere"),
        ((parse_fault("delay=3sx1@call:delete_canister_snapshot"),), MANIFEST, "copies"),
    ],
    indirect=["world"],
    ids=["while it is copied", "once it is copied"],
)
def test_a_backup_that_is_begun_anew_leaves_no_snapshot_of_the_killed_one(
    world, written, directory
):
    world.make(2)
    file = write_fleet(
        world.folder, world.modules, head="concurrency = 1", backup='directory = "copies"'
    )
    process = start("fleet", "backup", file, "--json")
    until(lambda: list(world.folder.glob(f"copies/*/*/{written}")))
    process.kill()
    process.communicate()
    assert [len(world.snapshots(module)) for module in world.modules] == [1, 0]
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("copies", directory), encoding="utf-8")
    if directory != "copies":
        assert refuse("fleet", "backup", file).error["code"] == "fleet-changed"
    report = ask("fleet", "backup", file, "--new")["fleet"]
    assert report["outcomes"] == {"backed-up": 2}
    assert [world.snapshots(module) for module in world.modules] == [[], []]
    assert world.done("take_canister_snapshot") == [2, 1]
    (cut, *_) = ask("backup", "list", world.folder / "copies")["backups"][-1:]
    assert (cut["module"], cut["state"]) == (world.modules[0], "complete")


def test_a_bad_release_stops_a_killed_fleet_and_all_go_back(world):
    world.make(5)
    head = "stop_after_failures = 2\nconcurrency = 2"
    file = write_fleet(world.folder, world.modules, head=head, upgrade=BAD)
    process = start("fleet", "apply", file, "--json")
    until(lambda: max(world.done("load_canister_snapshot")) > 0)
    process.kill()
    process.communicate()
    ran = juno_snap("fleet", "resume", file, "--json")
    report = ran.document["fleet"]
    assert (ran.code, report["state"]) == (FAILED, "needs-attention")
    bad = report["outcomes"]["rolled-back"]  # one may have been under way when the second failed
    assert report["outcomes"] == {"rolled-back": bad, "pending": 5 - bad}
    assert bad in {2, 3}
    assert world.done("install_code") == [1] * bad + [0] * (5 - bad)
    assert world.done("load_canister_snapshot") == [1] * bad + [0] * (5 - bad)
    for module in world.modules:
        status = ask("status", "--module", module)
        assert (status["version"], status["status"]) == ("0.1.0", "running")


def test_a_killed_fleet_goes_on_with_the_release_that_was_the_newest_when_it_began(
    world, monkeypatch
):
    world.make(3)
    file = write_fleet(world.folder, world.modules, head="concurrency = 1", upgrade="latest = true")
    with running_cdn() as cdn:
        monkeypatch.setenv("JUNO_SNAP_RELEASES_URL", cdn.files)
        monkeypatch.setenv("JUNO_SNAP_RELEASES_CHECKSUMS_URL", cdn.checksums)
        for version in (1, 2):
            cdn.publish("satellite", f"0.{version}.0", sample(f"document_store_v{version}"))
        process = start("fleet", "apply", file, "--json")
        until(lambda: world.done("stop_canister")[1] > 0)
        process.kill()
        process.communicate()
        cdn.publish("satellite", "0.3.0", sample("document_store_v3"))
        report = ask("fleet", "apply", file)["fleet"]
        assert len(cdn.asked(".wasm.gz")) == 1
    assert (report["outcomes"], world.done("install_code")) == ({"upgraded": 3}, [1, 1, 1])
    for module in world.modules:
        status = ask("status", "--module", module)
        assert (status["version"], status["status"]) == ("0.2.0", "running")


def test_a_wave_does_not_go_back_while_an_upgrade_of_it_is_cut(world):
    world.make(3)
    file = write_fleet(world.folder, world.modules, head="concurrency = 1", upgrade=V2)
    process = start("fleet", "apply", file, "--json")
    until(lambda: world.done("stop_canister")[1] > 0)
    process.kill()
    process.communicate()
    ran = refuse("fleet", "resume", file, "--roll-back-wave", "--yes")
    assert (ran.code, ran.error["code"]) == (REFUSED, "unfinished-operation")
    (cut,) = [
        each["operation"]
        for each in ask("history")["operations"]
        if each["module"] == world.modules[1]
    ]
    assert cut in ran.error["hint"]
    report = ask("fleet", "resume", file)["fleet"]
    assert (report["outcomes"], world.done("install_code")) == ({"upgraded": 3}, [1, 1, 1])


@pytest.mark.proves("B6")
def test_a_second_run_is_refused_until_the_first_one_is_dead(world):
    world.make(3)
    file = write_fleet(
        world.folder, world.modules, waves="canary = 1\npause_seconds = 600", upgrade=V2
    )
    process = start("fleet", "apply", file, "--json")
    until(lambda: '"wave": 2' in json.dumps(marker(world)))
    assert refuse("fleet", "resume", file).code == LOCKED
    assert refuse("fleet", "apply", file).code == LOCKED
    assert ask("fleet", "status", file)["fleet"]["state"] == "running"
    assert refuse("fleet", "resume", file, "--roll-back-wave", "--yes").code == LOCKED
    process.kill()
    process.communicate()
    assert ask("fleet", "status", file)["fleet"]["state"] == "interrupted"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("600", "0"), encoding="utf-8")
    report = ask("fleet", "resume", file)["fleet"]
    assert (report["outcomes"], world.done("install_code")) == ({"upgraded": 3}, [1, 1, 1])


def marker(world):
    """The step snapshot of the fleet, if there is one."""
    space = FlowSpace(state=world.folder / "state")
    if space.is_empty:
        return None
    with space.open() as store:
        found = store.snapshot("fleet-shops-upgrade", "work")
    return found.value if found else None
