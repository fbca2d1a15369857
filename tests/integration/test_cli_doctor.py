"""What ``juno-snap doctor`` finds, each in a set-up that is really broken in that way."""

import asyncio
import json
import os
import subprocess
import sys
import time

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import generate_ed25519, load_pem
from juno_snap.ids import Principal
from juno_snap.library.keys import make_default_key
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterSettings
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.journal.store import Journal
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.units import NS_PER_SECOND
from tests.crash.crash_world import KILLING, ROOT
from tests.integration.cli_world import ask, create_store, juno_snap, look, write_sample
from tests.integration.pipeline_world import install_with_document

DAY_SECONDS = 24 * 3600


class ShiftedClock:
    """The machine's clock, wrong by as much as is said."""

    def __init__(self, ahead_seconds=0):
        self.ahead_seconds = ahead_seconds

    def now_ns(self):
        return time.time_ns() + self.ahead_seconds * NS_PER_SECOND

    def monotonic_ns(self):
        return time.monotonic_ns()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


@pytest.fixture
def clock(request):
    """That of the replica, and of ``manage``; it may be put forward, never back."""
    return ShiftedClock(getattr(request, "param", 0))


@pytest.fixture
def cli_replica(clock, tmp_path):
    options = ReplicaOptions(seed="doctor", request_log=tmp_path / "requests.jsonl")
    with run_replica(options, clock=clock) as running:
        yield running


@pytest.fixture
def manage(cli, cli_replica, clock, tmp_path):
    """Does something to a module by the key of the state directory."""
    make_default_key(tmp_path / "state")

    def manage(work):
        async def run():
            key = load_pem((tmp_path / "state" / "identities" / "default.pem").read_bytes())
            options = AgentOptions(url=cli_replica.url, root_key=cli_replica.root_key)
            async with await open_agent(options, key, clock=clock) as agent:
                return await work(ManagementClient(agent))

        return asyncio.run(run())

    return manage


def examined(*words):
    """Exit code and lines by name."""
    ran = juno_snap("doctor", *words, "--json")
    lines = {}
    for line in ran.document["doctor"]:
        assert bool(line["cure"]) == (line["level"] in {"warning", "problem"}), line
        lines.setdefault(line["name"], []).append(line)
    return ran.code, lines


def levels(lines):
    return {name: each[0]["level"] for name, each in lines.items() if each[0]["level"] != "ok"}


def problems(lines):
    return {one["code"] for each in lines.values() for one in each if one["level"] == "problem"}


def warned(lines, name):
    return [each for each in lines[name] if each["level"] == "warning"]


def test_a_sound_module_is_ok_and_nothing_is_changed(cli, tmp_path):
    module = create_store(cli, "satellite")
    ask("snapshot", "create", "--module", module)
    before, log = look(module), tmp_path / "requests.jsonl"
    asked = len(log.read_text().splitlines())
    ran = juno_snap("doctor", "-t", "satellite", "--json")
    sent = [json.loads(line) for line in log.read_text().splitlines()[asked:]]
    methods = sorted(each["method"] for each in sent if each.get("method"))
    assert ran.code == 0, ran.err
    assert all(line["ok"] for line in ran.document["doctor"])
    assert methods == ["canister_status", "list_canister_snapshots", "stored_chunks"]
    assert look(module) == before
    shown = juno_snap("doctor", "-t", "satellite").out
    assert "satellite 0.1.0" in shown
    assert "1 of 10 slots used" in shown


def test_without_a_module_the_machine_and_the_network_are_looked_at_and_no_key_is_made(cli):
    code, lines = examined()
    assert (code, levels(lines)) == (0, {})
    assert list(lines) == [
        "configuration", "network", "root-key", "clock", "identity", "journal", "operations",
        "disk", "version",
    ]  # fmt: skip
    assert "none yet" in lines["identity"][0]["text"]
    assert ask("identity", "list")["identities"] == []


def test_a_network_that_is_down_is_one_problem_and_the_rest_is_looked_at(cli, monkeypatch):
    module = create_store(cli)
    monkeypatch.setenv("JUNO_SNAP_NETWORK", "http://127.0.0.1:9")
    code, lines = examined("--module", module)
    assert code == 1
    assert [name for name, level in levels(lines).items() if level == "problem"] == ["network"]
    assert {"root-key", "clock", "status"} <= set(levels(lines))
    assert lines["status"][0]["ok"] is None
    assert lines["disk"][0]["ok"]


def test_a_wrong_root_key_is_named_and_nothing_is_believed(cli, monkeypatch):
    module = create_store(cli)
    monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", "ic")
    code, lines = examined("--module", module, "--identity", "default")
    assert (code, problems(lines)) == (13, {"root-key-other"})
    assert lines["root-key"][0]["level"] == "problem"
    assert "--root-key" in lines["root-key"][0]["cure"]
    assert lines["code"][0]["level"] == "unknown"


def test_an_answer_that_another_key_signed_is_no_proof(cli):
    liar = ReplicaOptions(seed="doctor", faults=(parse_fault("certificate=forged@read_state"),))
    with run_replica(liar) as running:
        words = ("-n", running.url, "--root-key", running.root_key.hex())
        code, lines = examined(*words)
    assert (code, problems(lines)) == (13, {"certificate-signature"})
    assert lines["root-key"][0]["level"] == "problem"
    assert lines["clock"][0]["level"] == "unknown"


@pytest.mark.parametrize(
    ("clock", "level", "side"),
    [
        pytest.param(20, "warning", "behind", id="a little"),
        pytest.param(900, "problem", "behind", id="behind"),
        pytest.param(-900, "problem", "ahead of", id="ahead"),
    ],
    indirect=["clock"],
)
def test_clocks_that_disagree_are_told_with_both_times(cli, clock, level, side):
    code, lines = examined()
    assert code == (13 if level == "problem" else 0)
    assert lines["clock"][0]["level"] == level
    assert f"s {side} the network's" in lines["clock"][0]["text"]
    assert problems(lines) <= {"clock-skew"}


def test_a_stranger_is_told_who_controls_the_module(cli, tmp_path):
    module = create_store(cli)
    key = cli / "key.pem"
    key.write_bytes(generate_ed25519(bytes([5]) * 32).to_pem())
    key.chmod(0o644)
    tmp_path.chmod(0o755)
    cli.chmod(0o755)
    code, lines = examined("--module", module, "--identity", "./key.pem")
    assert (code, problems(lines)) == (5, {"not-controller"})
    (open_key,) = warned(lines, "identity")
    assert "others can read" in open_key["text"]
    assert "chmod 600" in open_key["cure"]
    assert "Admin" in lines["controllers"][0]["cure"]
    assert lines["code"][0]["ok"]


def test_no_usable_identity_is_the_only_problem(cli):
    module = create_store(cli)
    code, lines = examined("--module", module, "--identity", "./missing.pem")
    assert (code, problems(lines)) == (12, {"identity-not-found"})
    assert lines["controllers"][0]["level"] == "unknown"
    assert lines["code"][0]["ok"]


def test_a_module_that_does_not_exist_is_named(cli):
    create_store(cli)
    code, lines = examined("--module", str(Principal(b"\x00" * 6 + b"\x10\x00\x01\x01")))
    assert (code, problems(lines)) == (4, {"module-not-found"})
    assert lines["module"][-1]["level"] == "problem"
    code, lines = examined("-t", "orbiter")
    assert (code, problems(lines)) == (10, {"no-target"})


def test_the_code_of_another_role_is_named(cli):
    module = create_store(cli)
    (cli / "juno-snap.toml").write_text(f'[modules.orbiter]\ncanister = "{module}"\n')
    code, lines = examined("-t", "orbiter")
    assert (code, problems(lines)) == (10, {"wrong-role"})


def test_a_stopped_module_and_staged_chunks_are_told(cli, manage):
    module = create_store(cli)
    manage(lambda client: client.upload_chunk(Principal.parse(module), b"a part of something"))
    ask("module", "stop", "--module", module)
    code, lines = examined("--module", module)
    assert (code, problems(lines)) == (5, {"module-stopped"})
    assert f"juno-snap module start --module {module}" in lines["status"][0]["cure"]
    assert "1 chunks" in warned(lines, "chunks")[0]["text"]


@pytest.mark.parametrize(("left_days", "level"), [(20, "warning"), (1, "problem"), (-1, "problem")])
def test_a_module_that_freezes_soon_is_told_how_soon(cli, manage, left_days, level):
    canister = Principal.parse(create_store(cli))

    async def nearly(client):
        status = await client.canister_status(canister)
        days = status.cycles // status.idle_cycles_burned_per_day - left_days
        seconds = days * DAY_SECONDS
        settings = CanisterSettings(freezing_threshold_seconds=seconds)
        await client.update_settings(canister, settings)

    manage(nearly)
    code, lines = examined("--module", canister)
    assert lines["cycles"][0]["level"] == level
    assert problems(lines) <= {"freezes-soon", "module-frozen"}
    assert code == (5 if level == "problem" else 0)


@pytest.mark.parametrize("clock", [-40 * DAY_SECONDS], indirect=True)
def test_old_snapshots_and_what_is_left_over_are_told(cli, manage, clock, cli_replica, tmp_path):
    canister = manage(install_with_document)
    module = str(canister)
    manage(lambda client: client.take_canister_snapshot(canister))
    clock.ahead_seconds = 0
    _, lines = examined("--module", module)
    assert "the newest 40.0 days old" in warned(lines, "snapshots")[0]["text"]

    async def fill(client):
        taken = [await client.take_canister_snapshot(canister) for _ in range(9)]
        return [each.id for each in taken[:2]]

    left = manage(fill)
    ids = [str(each) for each in left]
    with Journal.open(tmp_path / "state") as journal:
        for snapshot, purpose in zip(left, ("rehearsal", "upload"), strict=True):
            note = SnapshotNote(id=snapshot, purpose=purpose)
            journal.note(cli_replica.root_key, canister, note)
    code, lines = examined("--module", module)
    texts = [each["text"] for each in warned(lines, "snapshots")]
    assert (code, len(texts)) == (0, 3)
    assert texts[0] == "no slot is free"
    assert sorted(text.split(" ", 1)[0] for text in texts[1:]) == sorted(ids)
    assert {text.split(" ", 1)[1] for text in texts[1:]} == {
        "was left by a rehearsal", "is uploaded in part only",
    }  # fmt: skip


def test_an_upgrade_that_was_killed_is_told_with_the_way_to_its_end(cli, tmp_path):
    module = create_store(cli)
    new, log = write_sample(cli, "document_store_v2"), tmp_path / "writes.log"
    words = ("upgrade", "--src", new, "--module", module, "--yes")
    command = [sys.executable, KILLING, log, tmp_path / "state", KILLED_AT, *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(list(map(str, command)), env=env, check=False, capture_output=True, timeout=60)
    code, lines = examined("--module", module)
    (line,) = lines["operations"]
    assert (line["level"], line["code"]) == ("problem", "unfinished-operation")
    assert line["cure"].startswith("bring it to its end: juno-snap resume 2")
    assert "resume" in lines["status"][0]["cure"]
    assert code == 1
    ask("resume", "--module", module)
    code, lines = examined("--module", module)
    assert (code, problems(lines)) == (0, set())


KILLED_AT = 18
"""A write of an upgrade after its stop."""


def test_a_damaged_journal_is_told_and_the_rest_is_looked_at(cli, tmp_path):
    module = create_store(cli)
    ask("snapshot", "create", "--module", module)
    for file in (tmp_path / "state").glob(f"{JOURNAL_FILE}*"):
        file.write_bytes(b"no journal any more" * 1000)
    code, lines = examined("--module", module)
    assert (code, problems(lines)) == (5, {"journal-damaged"})
    assert lines["operations"][0]["level"] == "unknown"
    assert lines["status"][0]["ok"]


def test_code_without_node_is_told(cli, monkeypatch):
    (cli / "juno.config.mjs").write_text("throw new Error('this is run')\n")
    monkeypatch.setenv("PATH", str(cli))
    code, lines = examined()
    assert (code, problems(lines)) == (10, {"no-node"})
    assert "install Node" in lines["node"][0]["cure"]


def test_five_breakages_at_once_are_each_told_with_their_cure(cli, manage, monkeypatch):
    module = create_store(cli)
    manage(lambda client: client.upload_chunk(Principal.parse(module), b"a part"))
    ask("module", "stop", "--module", module)
    (cli / "juno-snap.toml").write_text("[upgrade]\nstop_timeout_seconds = 'soon'\n")
    (cli / "juno.config.json").write_text('{"satellite": {"id": "<SATELLITE_ID>"}}')
    monkeypatch.setenv("JUNO_SNAP_CALL_TTL_SECONDS", "many")
    monkeypatch.setenv("JUNO_SNAP_NETWROK", "ic")
    broken = ("stop_timeout_seconds", "<SATELLITE_ID>", "JUNO_SNAP_CALL_TTL_SECONDS")
    shown = juno_snap("config", "show", "--origins", "--identity", "nobody", "--json")
    assert shown.code == 10
    for part in (*broken, "no identity named nobody"):
        (told,) = [each for each in shown.document["problems"] if part in each["problem"]]
        assert told["cure"]
    code, lines = examined("--module", module, "--identity", "nobody")
    said = [each for each in lines["configuration"] if each["level"] == "problem"]
    for part in broken:
        (told,) = [each for each in said if part in each["text"]]
    assert "JUNO_SNAP_NETWROK" in warned(lines, "configuration")[0]["text"]
    assert lines["identity"][0]["code"] == "unknown-identity"
    assert code == 10
    code, lines = examined("--module", module, "--identity", "default")
    assert {"module-stopped"} < problems(lines)
    assert warned(lines, "chunks")
    ran = juno_snap("doctor", "--module", module, "--identity", "default", "--json")
    assert (ran.code, ran.error["code"]) == (1, "doctor-problems")
    assert "4 things are wrong" in ran.error["message"]
