"""Backups over the network: made, compared, carried to the same module and to another."""

import json

import pytest

from juno_snap.backup.layout import MANIFEST, METADATA
from juno_snap.backup.reader import open_backup
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.units import WASM_PAGE_BYTES
from tests.integration.backup_world import (
    READS,
    backed_up,
    called,
    contents,
    log_length,
    slices_in,
    snapshots_of,
)
from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    refuse,
    write_sample,
)


@pytest.fixture
def store(cli):
    """A document store with two documents; its id."""
    return create_store(cli)


OTHER = '(module (memory 3) (global (export "five") i64 (i64.const 5)))'
RESET = ("--reset", "--discard-configuration", "--no-snapshot")


def reset(cli, module):
    wasm = write_sample(cli, "document_store_v1")
    ask("upgrade", "--module", module, "-s", wasm, *RESET, "--yes")


def test_a_module_that_lost_everything_gets_its_data_back(cli, store):
    before = documents(store)
    made = backed_up(store, cli / "copy", "--delete-snapshot")
    assert made["deleted_snapshot"] is True
    assert made["total_size_bytes"] == open_backup(cli / "copy").total_size_bytes
    assert ask("backup", "verify", cli / "copy")["verification"]["ok"] is True
    assert snapshots_of(store) == []
    reset(cli, store)
    assert documents(store) != before

    done = ask("backup", "restore", cli / "copy", "--module", store, "--yes")
    assert documents(store) == before
    assert (done["module"], done["outcome"]) == (store, "restored")
    made_by = {each["id"]: each["made_by"] for each in snapshots_of(store)}
    assert made_by[done["snapshot"]] == "user"
    assert made_by[done["safety_snapshot"]].startswith("safety")
    assert ask("status", "--module", store)["status"] == "running"
    assert not list((cli.parent / "state" / "uploads").iterdir())


def test_a_backup_goes_into_another_module(cli, store):
    backed_up(store, cli / "copy")
    other = ask("module", "create", "--name", "other")["module"]
    ran = juno_snap("backup", "restore", cli / "copy", "--module", other, "--yes", "--json")
    assert ran.code == 0, ran.err
    assert "settings, controllers, cycles, logs" in ran.err
    ask("module", "start", "--module", other)
    assert documents(other) == documents(store)


def test_a_backup_in_junos_layout_comes_back(cli, store):
    before = documents(store)
    backed_up(store, cli / "theirs", "--format", "juno")
    assert open_backup(cli / "theirs").layout == "juno"
    assert [each.name for each in cli.iterdir() if each.name.startswith(".")] == []
    reset(cli, store)
    ask("backup", "restore", cli / "theirs", "--module", store, "--yes")
    assert documents(store) == before


def test_without_a_directory_a_backup_lies_in_the_state_and_is_listed(cli, store):
    made = ask("backup", "create", "--module", store)["backup"]
    (listed,) = ask("backup", "list")["backups"]
    assert (listed["path"], listed["snapshot"]) == (made["path"], made["snapshot"])
    assert str(cli.parent / "state" / "backups") in made["path"]


def test_a_backup_of_a_snapshot_that_is_there_takes_none(cli, store):
    taken = ask("snapshot", "create", "--module", store, "--label", "before-2.0")["snapshot"]
    for number, which in enumerate(("before-2.0", "latest", taken["id"], taken["id"][:18])):
        made = backed_up(store, cli / f"{number}", "--snapshot", which)
        assert (made["snapshot"], made["took_snapshot"]) == (taken["id"], False)
    assert [each["id"] for each in snapshots_of(store)] == [taken["id"]]


def test_download_and_upload_are_the_same_under_junos_names(cli, store):
    taken = ask("snapshot", "create", "--module", store)["snapshot"]
    ask("snapshot", "download", "latest", "--module", store, "-o", "copy")
    before = ask("status", "--module", store)
    done = ask("snapshot", "upload", "copy", "--module", store)
    assert (done["outcome"], done["operation"]) == ("uploaded", None)
    assert {each["id"] for each in snapshots_of(store)} == {taken["id"], done["snapshot"]}
    after = ask("status", "--module", store)
    assert (after["status"], after["module_hash"]) == (before["status"], before["module_hash"])
    shown = ask("snapshot", "show", done["snapshot"], "--module", store)["snapshot"]
    assert shown["wasm_hash"] == before["module_hash"]


def test_an_upload_gives_the_old_one_up_only_after_reading_all_of_the_new_one(cli, cli_log, store):
    old = backed_up(store, cli / "copy")["snapshot"]
    begin = log_length(cli_log)
    done = ask("snapshot", "upload", "copy", "--module", store, "--replace", old, "--yes")
    assert [each["id"] for each in snapshots_of(store)] == [done["snapshot"]]
    assert done["replaced"] == [old]
    methods = called(cli_log, after=begin)
    gone = methods.index("delete_canister_snapshot")
    slices = slices_in(open_backup(cli / "copy"))
    assert methods[:gone].count("read_canister_snapshot_data") == slices
    last_sent = max(n for n, each in enumerate(methods) if each == "upload_canister_snapshot_data")
    assert last_sent < methods.index("read_canister_snapshot_data")


def shown_times(module, *which):
    taken_at = {each["id"]: each["taken_at"] for each in snapshots_of(module)}
    return [taken_at[each] for each in which]


def compared(name, there, here):
    return f"{name} is {there} on the network and {here} in the backup"


def test_sizes_and_globals_that_differ_from_the_network_are_named(cli, store):
    backed_up(store, cli / "copy")
    (cli / "other.wasm").write_bytes(wasm_from_text(OTHER))
    ask("upgrade", "--module", store, "-s", "other.wasm", *RESET, "--yes", "--allow-role-change")
    other = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    words = ("backup", "verify", cli / "copy", "--against-chain", "--snapshot", other)
    findings = refuse(*words).document["verification"]["findings"]
    problems = {each["file"]: each["problem"] for each in findings}
    size = open_backup(cli / "copy").size("wasm_memory")
    there, here = f"{3 * WASM_PAGE_BYTES} bytes", f"{size} bytes"
    assert problems["wasm_memory.bin"] == compared("wasm_memory_size", there, here)
    assert any("global 0 is i64 5 on the network and " in each["problem"] for each in findings)


def test_a_backup_is_compared_with_its_snapshot_on_the_network(cli, store):
    made = backed_up(store, cli / "copy")
    words = ("backup", "verify", cli / "copy", "--against-chain")
    assert ask(*words)["verification"]["ok"] is True
    ask("module", "call", "set_document", '("c", "later")', "--module", store)
    other = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    ran = refuse(*words, "--snapshot", other)
    assert (ran.code, ran.error["code"]) == (14, "backup-differs")
    assert "is sound, but not what the network has" in ran.error["message"]
    findings = ran.document["verification"]["findings"]
    there, here = shown_times(store, other, made["snapshot"])
    assert {"file": METADATA, "problem": compared("taken_at_timestamp", there, here)} in findings
    assert any(each["problem"].startswith("canister_version is ") for each in findings)
    ask("snapshot", "delete", made["snapshot"], "--module", store, "--yes")
    assert refuse(*words).code == 4


def test_a_dry_run_tells_and_changes_nothing(cli, cli_log, store):
    backed_up(store, cli / "copy")
    begin, before = log_length(cli_log), snapshots_of(store)
    plan = ask("backup", "create", "--module", store, "-o", "new", "--dry-run")["plan"]
    assert plan["snapshot"] is None
    assert [each["name"] for each in plan["steps"]][1:3] == ["stop", "snapshot"]
    assert not (cli / "new").exists()
    plan = ask("backup", "restore", "copy", "--module", store, "--dry-run")["plan"]
    assert [each["name"] for each in plan["steps"]] == [
        *("observe", "upload", "read-back", "stop", "safety-snapshot", "load", "start")
    ]
    ingress = int(plan["cycles"]["ingress"])
    assert ingress > 2_000 * plan["upload_bytes"] > 0
    assert set(called(cli_log, after=begin)) <= READS
    assert snapshots_of(store) == before


def test_a_restore_is_asked_for_where_nobody_can_answer(cli, cli_log, store):
    backed_up(store, cli / "copy")
    begin = log_length(cli_log)
    ran = refuse("backup", "restore", "copy", "--module", store)
    assert (ran.code, "--yes" in json.dumps(ran.error)) == (5, True)
    assert set(called(cli_log, after=begin)) <= READS


def test_a_backup_that_is_finished_is_not_made_again_but_its_snapshot_is_deleted(cli, store):
    made = backed_up(store, cli / "copy")
    before = contents(cli / "copy")
    assert MANIFEST in before
    ran = refuse("backup", "create", "--module", store, "-o", cli / "copy")
    assert (ran.code, ran.error["code"]) == (14, "backup-finished")
    assert [each["id"] for each in snapshots_of(store)] == [made["snapshot"]]
    again = backed_up(store, cli / "copy", "--delete-snapshot")
    assert (again["took_snapshot"], again["deleted_snapshot"]) == (False, True)
    assert snapshots_of(store) == []
    assert contents(cli / "copy") == before
    assert (
        refuse("backup", "create", "--module", store, "-o", "copy", "--delete-snapshot").code == 14
    )
