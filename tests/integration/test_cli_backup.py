"""``juno-snap backup``: what needs no network."""

import json

import pytest

from juno_snap.backup.layout import FILES, MANIFEST
from juno_snap.cli.commands import backup as command
from tests.integration.cli_world import ask, juno_snap, refuse
from tests.unit.backup.snapshots import (
    MODULE,
    SNAPSHOT,
    TAKEN_AT_NS,
    content,
    snapshot,
    write,
)

DAY_NS = 86_400 * 10**9


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory and a state, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def root(place):
    """Three backups, a day apart."""
    for number in range(3):
        taken = TAKEN_AT_NS + number * DAY_NS
        write(place / "root" / f"day-{number}", snapshot(taken_at_ns=taken))
    return place / "root"


def test_a_sound_backup_is_verified(root):
    told = ask("backup", "verify", root / "day-0")
    verification = told["verification"]
    assert told["schema"] == 1
    assert verification == {
        "path": str(root / "day-0"),
        "format": "juno-snap",
        "module": str(MODULE),
        "snapshot": str(SNAPSHOT),
        "network": "ic",
        "taken_at": "2023-11-14T22:13:20.123456Z",
        "label": None,
        "protected": False,
        "module_hash": verification["module_hash"],
        "total_size_bytes": verification["total_size_bytes"],
        "ok": True,
        "files": 7,
        "findings": [],
        "remarks": [],
    }
    shown = juno_snap("backup", "verify", root / "day-0")
    assert (shown.code, str(SNAPSHOT) in shown.out) == (0, True)


def test_a_changed_backup_is_told_with_every_file_and_code_14(root):
    memory = root / "day-0" / FILES["wasm_memory"]
    memory.write_bytes(bytes(memory.stat().st_size))
    ran = refuse("backup", "verify", root / "day-0")
    assert (ran.code, ran.error["code"]) == (14, "backup-damaged")
    assert ran.error["path"] == str(root / "day-0")
    found = ran.document["verification"]
    assert (found["ok"], [each["file"] for each in found["findings"]]) == (False, [memory.name])
    shown = juno_snap("backup", "verify", root / "day-0")
    assert (shown.code, memory.name in shown.out) == (14, True)


def test_a_backup_that_cannot_be_opened_has_no_document(root):
    (root / "day-0" / MANIFEST).unlink()
    ran = refuse("backup", "verify", root / "day-0")
    assert (ran.code, ran.error["code"], ran.out) == (14, "backup-unfinished", "")


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "nowhere"),
        ("list", "nowhere"),
        ("prune", "nowhere", "--keep-last", "1"),
        ("convert", "nowhere", "out", "--format", "icp"),
    ],
    ids=lambda words: words[0],
)
def test_a_directory_that_is_not_there_is_code_4(words):
    assert refuse("backup", *words).code == 4


def test_backups_are_listed_the_newest_first(root):
    told = ask("backup", "list", root)
    assert told["root"] == str(root)
    assert [each["path"] for each in told["backups"]] == [
        str(root / f"day-{number}") for number in (2, 1, 0)
    ]
    assert {(each["state"], each["module"]) for each in told["backups"]} == {
        ("complete", str(MODULE))
    }
    shown = juno_snap("backup", "list", root)
    assert shown.out.count(str(SNAPSHOT)) == 3


def test_without_a_place_those_in_the_state_are_listed(place):
    folder = place / "state" / command.BACKUPS_FOLDER
    assert ask("backup", "list") == {"schema": 1, "root": str(folder), "backups": []}
    write(folder / "one", snapshot(label="v1"))
    assert [each["label"] for each in ask("backup", "list")["backups"]] == ["v1"]


def test_pruning_is_shown_before_confirmed_and_done(root):
    words = ("backup", "prune", root, "--keep-last", "1")
    before = content(root)
    planned = ask(*words, "--dry-run")
    assert (planned["dry_run"], content(root) == before) == (True, True)
    ran = refuse(*words)
    assert (ran.code, ran.error["code"]) == (5, "confirmation-needed")
    assert content(root) == before
    done = ask(*words, "--yes")
    assert done == {**planned, "dry_run": False}
    assert done["removed"] == [str(root / "day-1"), str(root / "day-0")]
    assert done["kept"] == [{"path": str(root / "day-2"), "reasons": ["last"]}]
    assert [each.name for each in root.iterdir()] == ["day-2"]
    assert ask(*words)["removed"] == []


def test_pruning_by_periods_is_told_in_words(root):
    shown = juno_snap(
        "backup", "prune", root, "--keep-daily", "2", "--keep-weekly", "1", "--keep-monthly", "1",
        "--dry-run",
    )  # fmt: skip
    lines = shown.out.splitlines()
    assert [line.split("  ")[-1].strip() for line in lines[1:]] == [
        "daily, weekly, monthly", "daily", "would be removed",
    ]  # fmt: skip


def test_rules_that_are_not_said_are_those_of_the_configuration(root, place):
    (place / "juno-snap.toml").write_text("[retention]\nkeep_last = 2\n", encoding="utf-8")
    words = ("backup", "prune", root, "--dry-run", "--config", place / "juno-snap.toml")
    assert ask(*words)["removed"] == [str(root / "day-0")]
    assert ask(*words, "--keep-last", "1")["removed"] == [str(root / "day-1"), str(root / "day-0")]
    assert ask(*words, "--keep-daily", "3")["removed"] == []


def test_pruning_without_a_rule_is_wrong_usage(root):
    assert refuse("backup", "prune", root, "--yes").code == 2
    assert len(list(root.iterdir())) == 3


def test_files_of_others_are_warned_of(root):
    (root / "day-0" / "notes.txt").write_text("mine", encoding="utf-8")
    ran = juno_snap("backup", "prune", root, "--keep-last", "2", "--yes")
    assert ran.code == 0
    assert f"{root / 'day-0'} stays" in ran.err


@pytest.mark.parametrize("to", ["icp", "juno"])
def test_a_backup_is_converted(root, place, to):
    told = ask("backup", "convert", root / "day-0", place / "out", "--format", to)
    assert told["backup"]["format"] == to
    assert told["backup"]["total_size_bytes"] > 131_072
    assert told["remarks"]
    again = refuse("backup", "convert", root / "day-0", place / "out", "--format", to)
    assert (again.code, again.error["code"]) == (14, "backup-not-empty")
    assert ask("backup", "verify", place / "out")["verification"]["ok"]


def test_an_id_that_icp_did_not_keep_can_be_said(root, place):
    ask("backup", "convert", root / "day-0", place / "icp", "--format", "icp")
    words = ("backup", "convert", place / "icp", place / "juno", "--format", "juno")
    assert "--snapshot" in refuse(*words).error["hint"]
    assert refuse(*words, "--snapshot", "zz").code == 2
    assert ask(*words, "--snapshot", f"0x{SNAPSHOT}")["backup"]["snapshot"] == str(SNAPSHOT)
    document = json.loads((place / "juno" / "metadata.json").read_bytes())
    assert document["snapshotId"] == f"0x{SNAPSHOT}"
