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
    assert one == {**taken["snapshot"], "made_by": "user", "scrap": False}
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


def test_a_label_that_no_snapshot_has_is_not_found(store):
    take()
    for words in (("show",), ("restore", "--dry-run"), ("delete", "--yes"), ("protect",)):
        ran = refuse("snapshot", words[0], "befor-2.0", *words[1:], "--module", "docs")
        assert (ran.code, ran.error["code"]) == (4, "snapshot-not-found")


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
    assert ask("snapshot", "list", "--module", "docs")["slots_used"] == 10
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
    assert refuse("snapshot", "show", "not-hex", "--module", "docs").code == 4
    assert look("docs") == before


def test_a_module_without_a_snapshot_has_no_latest(store):
    assert refuse("snapshot", "restore", "--module", "docs", "--yes").code == 4


def test_a_label_stands_for_its_snapshot(store):
    first = ask("snapshot", "create", "--module", "docs", "--label", "before-2.0")["snapshot"]
    assert (first["label"], first["protected"]) == ("before-2.0", False)
    second = take()
    assert (
        ask("snapshot", "show", "before-2.0", "--module", "docs")["snapshot"]["id"] == first["id"]
    )
    plan = ask("snapshot", "restore", "before-2.0", "--module", "docs", "--dry-run")["plan"]
    assert plan["snapshot"]["id"] == first["id"]
    taken = refuse("snapshot", "create", "--module", "docs", "--label", "before-2.0")
    assert (taken.code, taken.error["code"]) == (5, "label-taken")
    for text in ("latest", "cafe", "two words"):
        ran = refuse("snapshot", "label", second, text, "--module", "docs")
        assert (ran.code, ran.error["code"]) == (2, "invalid-label")
    named = ask("snapshot", "label", second, "after-2.0", "--module", "docs")["snapshot"]
    assert (named["id"], named["label"]) == (second, "after-2.0")
    table = juno_snap("snapshot", "list", "--module", "docs").out
    assert "before-2.0" in table
    assert "user" in table
    gone = ask("snapshot", "delete", "before-2.0", "--module", "docs", "--yes")
    assert gone["deleted"] == [first["id"]]
    assert listed() == [second]


def test_a_label_passes_on_to_the_snapshot_that_takes_its_place(store):
    first = take("--label", "nightly")
    ran = ask(
        "snapshot", "create", "--module", "docs", "--label", "nightly", "--replace", "nightly"
    )
    assert ran["replaced"] == [first]
    assert ran["snapshot"]["label"] == "nightly"


def test_protection_is_lifted_by_a_word_or_overcome_by_force(store):
    first, second = take("--protect"), take()
    for words in (
        ("delete", first, "--yes"),
        ("delete", "--all", "--yes"),
        ("create", "--replace", first),
    ):
        ran = refuse("snapshot", *words, "--module", "docs")
        assert (ran.code, ran.error["code"]) == (5, "snapshot-protected")
        assert first in ran.error["message"]
        assert "--force" in ran.error["hint"]
    assert listed() == [first, second]
    lifted = ask("snapshot", "unprotect", first, "--module", "docs")["snapshot"]
    assert (lifted["id"], lifted["protected"]) == (first, False)
    ask("snapshot", "delete", first, "--module", "docs", "--yes")
    protected = ask("snapshot", "protect", "oldest", "--module", "docs")["snapshot"]
    assert (protected["id"], protected["protected"]) == (second, True)
    assert "protected" in juno_snap("snapshot", "list", "--module", "docs").out
    forced = ask("snapshot", "create", "--module", "docs", "--replace", second, "--force")
    assert forced["replaced"] == [second]
    assert ask("snapshot", "delete", "--all", "--force", "--module", "docs", "--yes")["deleted"]


def test_the_configuration_protects_and_only_there_it_is_lifted(store, cli):
    first, second = take(), take()
    (cli / "juno-snap.toml").write_text(
        f'[modules.shop]\ncanister = "{store}"\nprotected_snapshots = ["{first}"]\n'
    )
    found = ask("snapshot", "list", "--module", "shop")["snapshots"]
    assert [entry["protected"] for entry in found] == [True, False]
    ran = refuse("snapshot", "delete", first, "--module", "shop", "--yes")
    assert ran.error["code"] == "snapshot-protected"
    ran = refuse("snapshot", "unprotect", first, "--module", "shop")
    assert (ran.code, ran.error["code"]) == (5, "protected-by-configuration")
    assert "config show --origins" in ran.error["hint"]
    assert ask("snapshot", "create", "--module", "shop", "--replace", "oldest")["replaced"] == [
        second
    ]


def test_marks_are_kept_in_the_state_directory(store, tmp_path):
    first = take("--label", "mine", "--protect")
    key = tmp_path / "state" / "identities" / "default.pem"
    elsewhere = ("--state", tmp_path / "elsewhere", "--identity", key)
    (entry,) = ask("snapshot", "list", "--module", store, *elsewhere)["snapshots"]
    assert (entry["id"], entry["label"], entry["made_by"]) == (first, None, "unknown")
    (entry,) = ask("snapshot", "list", "--module", store)["snapshots"]
    assert (entry["label"], entry["protected"]) == ("mine", True)


@pytest.mark.parametrize("words", [("restore", "mine"), ("delete", "mine")])
def test_a_question_says_which_snapshot_is_meant_how_old_it_is_and_whose(store, words):
    taken = take("--label", "mine")
    asked = refuse("snapshot", *words, "--module", "docs").error["message"]
    assert f"{taken} (mine)" in asked
    assert "less than a minute ago" in asked
    assert "made by user" in asked
    assert ask("status", "--module", "docs")["module_hash"][:12] in asked
