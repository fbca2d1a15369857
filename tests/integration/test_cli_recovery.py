"""Checks, going back, and going on with what was interrupted, through the command line."""

import contextlib
import os
import signal
import sqlite3
import subprocess

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.cli_world import (
    ask,
    child_command,
    create_store,
    documents,
    juno_snap,
    look,
    refuse,
    write_sample,
)

BOTH = '(vec { "a"; "b" })'
GOOD = 'document("b") == opt "text of b"'
BAD = 'document("a") == opt "text of a"'
"""What the third version of the store loses."""


@pytest.fixture
def store(cli):
    """A document store named docs, with the next versions beside it."""
    create_store(cli)
    for name in ("document_store_v2", "document_store_v3"):
        write_sample(cli, name)
    return cli


def words_of_upgrade(version, *words):
    return ("upgrade", "--module", "docs", "--src", f"document_store_v{version}.wasm", *words)


def upgrade(version, *words):
    return ask(*words_of_upgrade(version, *words))


def hash_of(version):
    return ask("upgrade", "--dry-run", *words_of_upgrade(version)[1:])["plan"]["new_hash"]


# Checks


def test_a_check_that_holds_is_reported(store):
    done = upgrade(2, "--check", GOOD, "--check", "version == 0.2.0")
    assert [check["ok"] for check in done["checks"]] == [True, True]
    assert done["outcome"] == "upgraded"
    shown = juno_snap(*words_of_upgrade(3, "--check", GOOD))
    assert f"ok: {GOOD}" in shown.out


def test_a_bad_check_brings_code_and_data_back(store):
    old = look("docs")["module_hash"]
    ran = juno_snap(*words_of_upgrade(3, "--check", BAD, "--health-timeout-seconds", "1", "--json"))
    assert ran.code == 15, ran.err
    report = ran.document
    assert (report["outcome"], report["module_status"]) == ("rolled-back", "running")
    assert report["checks"][0]["ok"] is False
    assert report["downtime_ms"] > 0
    assert report["versions_passed"] == 0
    kept = {each["id"] for each in ask("snapshot", "list", "--module", "docs")["snapshots"]}
    assert {report["safety_snapshot"], report["snapshot"]} <= kept
    assert look("docs")["module_hash"] == old
    assert documents("docs") == BOTH
    assert ask("history")["operations"][0]["outcome"] == "rolled-back"


def test_a_bad_check_is_left_to_a_person_who_says_so(store):
    ran = juno_snap(
        *words_of_upgrade(
            3, "--check", BAD, "--health-timeout-seconds", "1", "--no-rollback", "--json"
        )
    )
    assert ran.code == 16
    assert "juno-snap rollback" in ran.error["hint"]
    assert documents("docs") == '(vec { "b" })'
    assert ask("rollback", "--module", "docs", "--yes")["outcome"] == "restored"
    assert documents("docs") == BOTH


def test_configured_checks_count_besides_those_that_are_said(store):
    module = ask("status", "--module", "docs")["module"]
    (store / "juno-snap.toml").write_text(
        f"[modules.shop]\ncanister = \"{module}\"\nchecks = ['{GOOD}']\n"
        "[upgrade]\nhealth_timeout_seconds = 1\n"
    )
    done = ask(*words_of_upgrade(2, "--check", BAD, "--check", GOOD))
    assert [check["name"] for check in done["checks"]] == [GOOD, BAD]


@pytest.mark.parametrize("text", ["count(", "count() = 3", "", "version == newest", "f() == )"])
def test_a_check_that_does_not_parse_is_the_persons_mistake(store, text):
    before = look("docs")
    ran = refuse(*words_of_upgrade(2, "--check", text))
    assert (ran.code, ran.error["code"]) == (2, "invalid-check")
    assert look("docs") == before


def test_a_check_that_the_new_code_cannot_pass_is_refused_before(store):
    before = look("docs")
    ran = refuse(*words_of_upgrade(2, "--check", "no_such_method() == 1"))
    assert (ran.code, ran.error["code"]) == (5, "check-method-missing")
    assert look("docs") == before


# Hooks


def configure_hook(store, point, command):
    words = ", ".join(f"'{word}'" for word in command)
    (store / "juno-snap.toml").write_text(
        f'[[hooks]]\nname = "mine"\npoint = "{point}"\ncommand = [{words}]\nmodules = ["docs"]\n'
    )


def test_a_hook_may_veto_and_the_module_is_as_before(store):
    configure_hook(store, "before-stop", ["sh", "-c", "echo not today; exit 75"])
    before = look("docs")
    ran = juno_snap(*words_of_upgrade(2, "--json"))
    assert ran.code == 5
    assert "not today" in ran.err
    assert ran.document["module_status"] == "running"
    assert look("docs") == before


@pytest.mark.parametrize("point", ["before-upgrade", "before-stop"])
def test_a_hook_that_cannot_be_executed_stops_nothing_but_the_upgrade(store, point):
    configure_hook(store, point, ["./not-there.sh"])
    before = look("docs")
    ran = juno_snap(*words_of_upgrade(2, "--json"))
    assert ran.code in {5, 15}
    assert "not-there.sh" in ran.error["message"]
    assert ran.document["downtime_ms"] == 0
    assert not any(step["calls"] for step in ask("history")["operations"][0]["steps"])
    assert look("docs") == before


def test_a_hook_is_for_the_modules_that_it_names(store):
    configure_hook(store, "before-upgrade", ["false"])
    text = (store / "juno-snap.toml").read_text()
    (store / "juno-snap.toml").write_text(text.replace('"docs"', '"others"'))
    assert upgrade(2)["outcome"] == "upgraded"


def test_a_hook_reaches_the_same_network_with_juno_snap(store):
    program = " ".join(child_command("module", "call", "version", "--query", "--module"))
    script = f"{program} $JUNO_SNAP_MODULE > told.txt"
    configure_hook(store, "after-start", ["sh", "-c", script])
    upgrade(2)
    assert (store / "told.txt").read_text() == '("0.2.0")\n'


# Going back by hand


def test_going_back_needs_a_confirmation_and_is_shown_before(store):
    upgrade(2)
    assert refuse("rollback", "--module", "docs").error["code"] == "confirmation-needed"
    names = [
        step["name"] for step in ask("rollback", "--module", "docs", "--dry-run")["plan"]["steps"]
    ]
    assert "load" in names
    assert hash_of(2) == look("docs")["module_hash"]


def test_the_upgrade_to_go_back_on_is_chosen_by_its_name(store):
    first = upgrade(2, "--no-overwrite")
    second = upgrade(3, "--no-overwrite")
    ask("rollback", first["operation"], "--yes")
    assert look("docs")["module_hash"] == first["old_hash"]
    assert documents("docs") == BOTH
    assert second["snapshot"] in {
        each["id"] for each in ask("snapshot", "list", "--module", "docs")["snapshots"]
    }


def test_going_back_on_nothing_is_not_found(store):
    assert refuse("rollback", "--module", "docs", "--yes").code == 4
    assert refuse("rollback", "20260101-000000-000000", "--yes").code == 4
    unknown = refuse("rollback", "20260101-000000-000000", "--module", "docs", "--yes")
    assert (unknown.code, unknown.error["code"]) == (4, "not-found")
    assert "juno-snap history" in unknown.error["hint"]


def test_a_snapshot_that_is_gone_is_not_found(store):
    done = upgrade(2)
    before = look("docs")["module_hash"]
    ask("snapshot", "delete", done["snapshot"], "--module", "docs", "--yes")
    ran = refuse("rollback", done["operation"], "--yes")
    assert ran.code == 4
    assert look("docs")["module_hash"] == before


# Going on


@pytest.fixture
def slow(cli, monkeypatch):
    """The document store on a network with rounds of half a second."""
    with run_replica(ReplicaOptions(round_ms=500)) as replica:
        monkeypatch.setenv("JUNO_SNAP_NETWORK", replica.url)
        monkeypatch.setenv("JUNO_SNAP_ROOT_KEY", replica.root_key.hex())
        create_store(cli)
        for name in ("document_store_v2", "document_store_v3"):
            write_sample(cli, name)
        yield cli


def upgrade_until(line, version=2):
    """An upgrade that has told ``line``, still running."""
    return process_until(line, *words_of_upgrade(version))


def process_until(line, *words):
    """A command that has told ``line``, still running."""
    running = subprocess.Popen(
        child_command(*words),
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for told in running.stderr:
        if told.startswith(line):
            return running
    pytest.fail(f"{line!r} was not told")


def killed(line="snapshot ..."):
    """The name of an upgrade that was killed after it told ``line``."""
    with upgrade_until(line) as running:
        running.send_signal(signal.SIGKILL)
    last = ask("history")["operations"][0]
    assert last["outcome"] is None
    return last["operation"]


def test_a_killed_upgrade_is_brought_to_its_end(slow):
    operation = killed()
    status = ask("status", "--module", "docs")
    assert any("juno-snap resume" in line for line in status["advice"])
    other = refuse(*words_of_upgrade(3))
    assert (other.code, other.error["code"]) == (5, "unfinished-operation")
    shown = ask("resume", "--dry-run")
    assert shown["operation"]["operation"] == operation
    done = ask("resume")
    assert (done["operation"], done["outcome"]) == (operation, "upgraded")
    assert done["module_status"] == "running"
    assert documents("docs") == BOTH
    finished = refuse("resume", operation)
    assert (finished.code, finished.error["code"]) == (5, "operation-finished")
    assert refuse("resume").code == 4
    assert refuse("resume", "--module", "docs").code == 4
    assert refuse("resume", "20260101-000000-000000").code == 4


def test_the_same_upgrade_again_goes_on_with_it(slow):
    operation = killed()
    ran = juno_snap(*words_of_upgrade(2))
    assert ran.code == 0, ran.err
    assert operation in ran.err
    assert ask("history")["operations"][0]["outcome"] == "upgraded"
    assert len(ask("history")["operations"]) == 1


def test_an_interrupted_upgrade_can_be_taken_back(slow):
    old = look("docs")["module_hash"]
    killed("start ...")
    assert ask("resume", "--back", "--module", "docs")["module_status"] == "running"
    assert look("docs")["module_hash"] == old
    assert documents("docs") == BOTH


def test_an_interrupted_upgrade_can_be_abandoned(slow):
    operation = killed()
    assert ask("resume", operation, "--abandon")["module_status"] == "running"
    assert look("docs")["status"] == "running"
    assert refuse("resume").code == 4


def test_an_upgrade_of_a_module_that_was_deleted_meanwhile_can_be_closed(slow):
    operation = killed("stop ...")
    module = ask("status", "--module", "docs")["module"]
    ask("module", "stop", "--module", "docs")
    ask("module", "delete", "--module", "docs", "--yes")
    ran = refuse("resume")
    assert (ran.code, ran.error["code"]) == (5, "module-not-found")
    assert f"juno-snap resume {operation} --abandon" in ran.error["hint"]
    assert ask("resume", operation, "--abandon")["module"] == module
    assert refuse("resume").error["code"] == "nothing-to-resume"


def test_only_one_direction_can_be_gone_in(store):
    assert refuse("resume", "--back", "--abandon").code == 2


def test_ctrl_c_says_how_to_go_on_and_the_module_runs(slow):
    with upgrade_until("snapshot ...") as running:
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
        assert running.wait(timeout=30) == 130
    assert look("docs")["status"] == "running"
    assert "run it again" in told or "juno-snap resume" in told
    assert upgrade(2)["outcome"] == "upgraded"


def end_in_order(*words, at):
    """What a command says that got Ctrl-C when it told the line ``at``."""
    with process_until(at, *words) as running:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    return out, err


def test_ctrl_c_before_the_load_does_not_claim_that_anything_was_loaded_or_undone(slow):
    kept = ask("snapshot", "create", "--module", "docs")["snapshot"]["id"]
    words = ("snapshot", "restore", kept, "--module", "docs", "--yes")
    shown, _ = end_in_order(*words, at="stop ...")
    rows = dict(line.split("  ", 1) for line in shown.splitlines())
    assert "loaded" not in rows
    assert rows["to be loaded"].strip() == kept
    assert rows["changes undone"].strip() == "-"


def test_ctrl_c_while_a_snapshot_is_taken_does_not_ask_for_it_again(slow):
    _, told = end_in_order("snapshot", "create", "--module", "docs", at="snapshot ...")
    (taken,) = ask("snapshot", "list", "--module", "docs")["snapshots"]
    assert f"snapshot {taken['id']} was taken" in told
    assert "run " not in told


def test_a_second_process_finds_the_module_locked(slow):
    with upgrade_until("stop ...") as running:
        second = juno_snap(*words_of_upgrade(2), "--json")
        assert second.code == 3
        assert second.error["code"] == "locked"
        assert str(running.pid) in second.error["message"]
        for words in (
            ("module", "stop"),
            ("module", "delete", "--yes"),
            ("module", "install", "--mode", "upgrade", "--wasm", "document_store_v3.wasm"),
        ):
            assert refuse(*words, "--module", "docs").code == 3
        assert running.wait(timeout=30) == 0
    assert look("docs")["status"] == "running"


def test_going_back_while_an_upgrade_is_not_finished_points_to_resume(slow):
    operation = killed()
    ran = refuse("rollback", "--module", "docs", "--yes")
    assert (ran.code, ran.error["code"]) == (5, "unfinished-operation")
    assert f"juno-snap resume {operation}" in ran.error["hint"]


# The journal


def spoil(cli):
    (cli.parent / "state" / "journal.sqlite").write_bytes(b"no database" * 1000)


def outdate(cli):
    file = sqlite3.connect(cli.parent / "state" / "journal.sqlite")
    with contextlib.closing(file), file:
        file.execute("UPDATE journal_format SET version = 99")


def empty(cli):
    file = sqlite3.connect(cli.parent / "state" / "journal.sqlite")
    with contextlib.closing(file), file:
        file.execute("DROP TABLE operations")


@pytest.mark.parametrize(
    ("harm", "code"),
    [(spoil, "journal-damaged"), (outdate, "journal-newer"), (empty, "journal-damaged")],
    ids=["bad", "newer", "without its tables"],
)
def test_nothing_is_changed_without_a_sound_journal_and_everything_is_shown(store, harm, code):
    taken = upgrade(2)["snapshot"]
    before = look("docs")
    harm(store)
    for words in (words_of_upgrade(3), ("rollback", "--module", "docs", "--yes"), ("resume",)):
        ran = refuse(*words)
        assert (ran.code, ran.error["code"]) == (5, code)
    assert refuse(*words_of_upgrade(3, "--dry-run")).error["code"] == code
    listed = juno_snap("snapshot", "list", "--module", "docs", "--json")
    assert [each["id"] for each in listed.document["snapshots"]] == [taken]
    assert "warning: the journal" in listed.err
    after = look("docs")
    assert (after["status"], after["module_hash"]) == (before["status"], before["module_hash"])


def test_a_state_directory_that_cannot_be_written_is_noticed_before_the_stop(store):
    module = ask("status", "--module", "docs")["module"]
    key = store.parent / "state" / "identities" / "default.pem"
    before = look("docs")
    elsewhere = ("--module", module, "--identity", key, "--state", "/proc/nowhere")
    words = ("upgrade", "--src", "document_store_v2.wasm", *elsewhere)
    assert "install" in [each["name"] for each in ask(*words, "--dry-run")["plan"]["steps"]]
    ran = refuse(*words)
    assert (ran.code, ran.error["code"]) == (5, "journal-read-only")
    assert look("docs") == before
    assert ask("snapshot", "list", *elsewhere)["snapshots"] == []


def test_a_state_directory_that_cannot_be_written_is_named_by_whatever_writes_there(store):
    module = ask("status", "--module", "docs")["module"]
    key = store.parent / "state" / "identities" / "default.pem"
    state = ("--state", "/proc/nowhere")
    signed = ("--identity", key, *state)
    new_key = refuse("status", "--module", module, *state)
    assert "made a key" not in new_key.err
    created = refuse("module", "create", "--name", "more", *signed)
    assert "created " in created.err
    imported = refuse("identity", "import", key, "--name", "mine", *state)
    rehearsed = refuse("rehearse", "--module", module, "-s", "document_store_v2.wasm", *signed)
    for ran in (new_key, created, imported, rehearsed):
        assert (ran.code, ran.error["code"]) == (5, "state-read-only")
        assert "/proc/nowhere" in ran.error["message"]
    backed_up = refuse("backup", "create", "--module", module, *signed)
    assert (backed_up.code, backed_up.error["code"]) == (14, "backup-not-writable")
    for how in ("start", "run"):
        started = refuse("replica", how, *state)
        assert (started.code, started.error["code"]) == (5, "replica-directory")


def test_a_module_that_is_gone_back_on_while_it_is_stopped_is_planned_to_run(store):
    upgrade(2)
    ask("module", "stop", "--module", "docs")
    plan = ask("rollback", "--module", "docs", "--dry-run")["plan"]
    assert "start" in [step["name"] for step in plan["steps"]]
    assert "left-stopped" not in [each["code"] for each in plan["warnings"]]
    assert ask("rollback", "--module", "docs", "--yes")["module_status"] == "running"
