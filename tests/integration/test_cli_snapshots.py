"""Module snapshots through the command line."""

import pytest

from tests.integration.cli_world import ask, create_store, documents, juno_snap, look, refuse


@pytest.fixture
def store(cli):
    """A document store named docs."""
    return create_store(cli)


def take(*words) -> str:
    return ask("snapshot", "create", "--module", "docs", *words)["snapshot"]["id"]


def listed() -> list[str]:
    return [each["id"] for each in ask("snapshot", "list", "--module", "docs")["snapshots"]]


def test_a_snapshot_is_taken_listed_and_shown(store):
    taken = ask("snapshot", "create", "--module", "docs")
    assert set(taken["snapshot"]) == {"id", "taken_at", "total_size_bytes", "label", "protected"}
    assert (taken["replaced"], taken["module_status"]) == ([], "running")
    found = ask("snapshot", "list", "--module", "docs")
    assert (found["module"], found["slots_used"], found["slots_max"]) == (store, 1, 10)
    (one,) = found["snapshots"]
    assert one == {**taken["snapshot"], "made_by": "unknown"}
    shown = ask("snapshot", "show", "latest", "--module", "docs")["snapshot"]
    assert shown["id"] == one["id"]
    assert shown["wasm_hash"] == ask("status", "--module", "docs")["module_hash"]
    assert int(shown["storage_cycles_per_30_days"]) > 0
    table = juno_snap("snapshot", "list", "--module", "docs").out
    assert one["id"] in table
    assert one["id"] in juno_snap("snapshot", "show", "latest", "--module", "docs").out


def test_a_stopped_module_stays_stopped(store):
    ask("module", "stop", "--module", "docs")
    assert ask("snapshot", "create", "--module", "docs")["module_status"] == "stopped"
    assert ask("snapshot", "restore", "--module", "docs", "--yes")["module_status"] == "stopped"


def test_a_snapshot_brings_data_back_and_saves_what_it_replaces(store):
    first = take()
    ask("module", "call", "set_document", '("c", "more")', "--module", "docs")
    restored = ask("snapshot", "restore", first, "--module", "docs", "--yes")
    assert (restored["outcome"], restored["snapshot"]) == ("restored", first)
    assert documents("docs") == '(vec { "a"; "b" })'
    safety = restored["safety_snapshot"]
    ask("snapshot", "restore", safety, "--module", "docs", "--yes")
    assert documents("docs") == '(vec { "a"; "b"; "c" })'


def test_a_restore_needs_a_confirmation(store):
    take()
    before = look("docs")
    ran = refuse("snapshot", "restore", "--module", "docs")
    assert (ran.code, ran.error["code"], ran.out) == (5, "confirmation-needed", "")
    assert "--yes" in ran.error["hint"]
    assert look("docs") == before


def test_an_id_may_be_shortened_and_written_with_0x(store):
    first, second = take(), take()
    plan = ask("snapshot", "restore", f"0x{first}", "--module", "docs", "--dry-run")["plan"]
    assert plan["snapshot"]["id"] == first
    assert ask("snapshot", "show", second[:17], "--module", "docs")["snapshot"]["id"] == second
    ambiguous = refuse("snapshot", "show", "0", "--module", "docs")
    assert (ambiguous.code, ambiguous.error["code"]) == (2, "ambiguous-snapshot-id")


def test_snapshots_are_deleted_by_id_or_all_together(store):
    first, second, third = take(), take(), take()
    assert refuse("snapshot", "delete", first, "--module", "docs").code == 5
    gone = ask("snapshot", "delete", first, "--module", "docs", "--yes")
    assert gone["deleted"] == [first]
    would = ask("snapshot", "delete", "--all", "--module", "docs", "--dry-run")
    assert would["would_delete"] == [second, third]
    assert listed() == [second, third]
    assert refuse("snapshot", "delete", "--module", "docs").code == 2
    assert refuse("snapshot", "delete", second, "--all", "--module", "docs").code == 2
    ask("snapshot", "delete", "--all", "--module", "docs", "--yes")
    assert listed() == []


def test_a_full_module_is_told_both_ways_out(store):
    ids = [take("--no-stop") for _ in range(10)]
    before = look("docs")
    ran = refuse("snapshot", "create", "--module", "docs")
    assert ran.code == 5
    assert "--replace" in ran.error["hint"]
    assert look("docs") == before
    upgrade = refuse(
        "upgrade", "--module", "docs", "--src", "document_store_v1.wasm", "--arg", "()"
    )
    assert upgrade.code == 5
    assert "--no-snapshot" in upgrade.error["hint"]
    assert look("docs") == before
    replaced = ask("snapshot", "create", "--module", "docs", "--replace", "oldest")
    assert replaced["replaced"] == [ids[0]]
    assert listed() == [*ids[1:], replaced["snapshot"]["id"]]
    discard = refuse("snapshot", "restore", "--module", "docs", "--yes")
    assert (discard.code, discard.error["code"]) == (5, "no-safety-snapshot")
    ask("snapshot", "restore", "--module", "docs", "--yes", "--discard-current")


def test_an_id_of_another_module_is_not_found(store, cli):
    take()
    other = ask("module", "create", "--name", "other", "--wasm", "document_store_v1.wasm")
    foreign = ask("snapshot", "create", "--module", "other")["snapshot"]["id"]
    before = look("docs")
    for words in (("show",), ("restore", "--yes"), ("delete", "--yes")):
        ran = refuse("snapshot", words[0], foreign, "--module", "docs", *words[1:])
        assert (ran.code, ran.error["code"]) == (4, "snapshot-of-another-module")
        assert other["module"] in ran.error["message"]
    assert refuse("snapshot", "restore", "0" * 36, "--module", "docs", "--yes").code == 4
    assert refuse("snapshot", "show", "not-hex", "--module", "docs").code == 2
    assert look("docs") == before


def test_a_module_without_a_snapshot_has_no_latest(store):
    assert refuse("snapshot", "restore", "--module", "docs", "--yes").code == 4
