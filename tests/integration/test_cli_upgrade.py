"""Upgrades through the command line."""

import hashlib

import pytest

from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    look,
    refuse,
    write_sample,
)
from tests.replica.engine import wat

RESET = ("--reset", "--discard-configuration")  # a document store has none to be saved


@pytest.fixture
def store(cli):
    """A document store named docs, with the next versions beside it."""
    create_store(cli)
    for name in ("document_store_v2", "document_store_v3"):
        write_sample(cli, name)
    return cli


def upgrade(*words, src="document_store_v2.wasm"):
    return ask("upgrade", "--module", "docs", "--src", src, *words)


def try_foreign(wasm):
    """An upgrade to something that does not call itself a satellite."""
    words = ("--no-snapshot", "--allow-role-change", "--json")
    return juno_snap("upgrade", "--module", "docs", "--src", wasm, *words)


def slots() -> list[str]:
    return [each["id"] for each in ask("snapshot", "list", "--module", "docs")["snapshots"]]


def test_an_upgrade_takes_its_snapshot_and_keeps_the_data(store):
    old = look("docs")["module_hash"]
    done = upgrade()
    assert {
        "schema", "operation", "module", "outcome", "module_status", "old_hash", "new_hash",
        "snapshot", "replaced", "downtime_ms", "duration_ms", "steps", "checks",
    } <= set(done)  # fmt: skip
    assert (done["outcome"], done["module_status"], done["old_hash"]) == (
        "upgraded",
        "running",
        old,
    )
    assert slots() == [done["snapshot"]]
    assert documents("docs") == '(vec { "a"; "b" })'
    names = [step["name"] for step in done["steps"]]
    assert names == ["observe", "stop", "snapshot", "install", "start", "verify"]


def test_the_same_code_again_changes_nothing(store):
    before = look("docs")
    assert upgrade(src="document_store_v1.wasm")["outcome"] == "unchanged"
    assert look("docs") == before


def test_the_snapshot_of_a_bad_upgrade_brings_the_data_back(store):
    upgrade()
    bad = upgrade(src="document_store_v3.wasm")
    assert documents("docs") == '(vec { "b" })'
    ask("snapshot", "restore", bad["snapshot"], "--module", "docs", "--yes")
    assert documents("docs") == '(vec { "a"; "b" })'


def test_the_policies_for_snapshots_do_what_they_say(store):
    assert upgrade("--no-snapshot")["snapshot"] is None
    assert slots() == []
    first = upgrade(src="document_store_v3.wasm")["snapshot"]
    second = upgrade("--no-overwrite", "--allow-downgrade")["snapshot"]
    assert slots() == [first, second]
    kept = upgrade("--keep", "1", "--any", src="document_store_v3.wasm")
    assert (slots(), kept["replaced"]) == ([kept["snapshot"]], [first, second])
    instead = upgrade("--replace", "oldest", "--allow-downgrade")
    assert (slots(), instead["replaced"]) == ([instead["snapshot"]], [kept["snapshot"]])


@pytest.mark.parametrize(
    "words",
    [
        ("--no-snapshot", "--no-overwrite"),
        ("--keep", "2", "--replace", "oldest"),
        ("--any",),
        ("--keep", "0"),
        ("--start", "--leave-stopped"),
        ("--sha256", "abc"),
        ("--reset", "--skip-pre-upgrade"),
        ("--stop-timeout-seconds", "0"),
        ("--wasm-memory-persistence", "sometimes"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused_before_anything(store, words):
    before = look("docs")
    ran = refuse("upgrade", "--module", "docs", "--src", "document_store_v2.wasm", *words)
    assert ran.code == 2
    assert look("docs") == before


def test_only_the_file_with_the_digest_is_installed(store):
    digest = hashlib.sha256((store / "document_store_v2.wasm").read_bytes()).hexdigest()
    before = look("docs")
    wrong = refuse(
        "upgrade", "--module", "docs", "--src", "document_store_v3.wasm", "--sha256", digest
    )
    assert wrong.code == 5
    assert look("docs") == before
    assert upgrade("--sha256", f"0x{digest}")["new_hash"] == digest


def test_a_module_found_stopped_is_a_question(store):
    ask("module", "stop", "--module", "docs")
    before = look("docs")
    ran = refuse("upgrade", "--module", "docs", "--src", "document_store_v2.wasm")
    assert (ran.code, ran.error["code"]) == (5, "found-stopped")
    assert "--leave-stopped" in ran.error["hint"]
    assert look("docs") == before
    assert upgrade("--leave-stopped")["module_status"] == "stopped"
    assert upgrade("--start", src="document_store_v3.wasm")["module_status"] == "running"


def test_a_reset_needs_a_confirmation(store):
    ran = refuse("upgrade", "--module", "docs", "--src", "document_store_v2.wasm", *RESET)
    assert (ran.code, ran.error["code"]) == (5, "confirmation-needed")
    upgrade(*RESET, "--yes")
    assert documents("docs") == "(vec {})"


def test_an_upgrade_without_a_stop_has_no_downtime(store):
    names = [step["name"] for step in upgrade("--no-stop")["steps"]]
    assert "stop" not in names
    assert "start" not in names


def test_a_trap_leaves_the_old_code_and_data_running(store):
    wasm = store / "trap.wasm"
    wasm.write_bytes(wat("trap_in_post_upgrade"))
    before = look("docs")
    ran = try_foreign(wasm)
    assert ran.code == 15
    assert ran.document["outcome"] == "failed"
    assert ran.error["runs_old_code"] is True
    assert look("docs") == before
    assert documents("docs") == '(vec { "a"; "b" })'


def test_unknown_imports_are_named(store):
    wasm = store / "unknown.wasm"
    wasm.write_bytes(wat("unknown_import"))
    before = look("docs")
    ran = try_foreign(wasm)
    assert (ran.code, look("docs")) == (15, before)
    assert "launch_missiles" in ran.error["message"]
    plain = refuse("module", "install", "--mode", "upgrade", "--module", "docs", "--wasm", wasm)
    assert (plain.code, plain.error["error_code"]) == (1, "IC0505")


def test_people_are_told_the_steps_and_the_result(store):
    ran = juno_snap("upgrade", "--module", "docs", "--src", "document_store_v2.wasm")
    assert "install done" in ran.err
    assert "outcome" in ran.out
    assert "upgraded" in ran.out
    quiet = juno_snap("upgrade", "-q", "--module", "docs", "--src", "document_store_v3.wasm")
    assert quiet.code == 0
    assert [line.split(":")[0] for line in quiet.err.splitlines()] == ["warning"]  # of the releases
    plan = juno_snap("upgrade", "--module", "docs", "--src", "document_store_v2.wasm", "--dry-run")
    assert "8 update calls" in plan.out
