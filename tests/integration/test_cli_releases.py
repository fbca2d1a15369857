"""Upgrades to published releases through the command line, as a CI job makes them."""

import base64
import hashlib
import json

import pytest

from juno_snap.agent.identity import generate_ed25519
from juno_snap.replica.samples import sample
from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    look,
    refuse,
    run_child,
    write_sample,
)
from tests.juno.cdn import WASM_TYPE, Page, running_cdn
from tests.juno.modules import extended_satellite, module, with_package
from tests.juno.world import create
from tests.replica.engine import wat

SEED = bytes(31) + b"\x09"
VERSIONS = ("0.1.0", "0.1.1", "0.1.2", "0.2.0")


@pytest.fixture
def empty_cdn(monkeypatch):
    """A server that is configured, and has no releases yet."""
    with running_cdn() as running:
        monkeypatch.setenv("JUNO_SNAP_RELEASES_URL", running.files)
        monkeypatch.setenv("JUNO_SNAP_RELEASES_CHECKSUMS_URL", running.checksums)
        yield running


@pytest.fixture
def cdn(empty_cdn):
    """Four releases of the satellite and one of each other role."""
    for version in VERSIONS:
        empty_cdn.publish("satellite", version, module("satellite", version))
    empty_cdn.publish("orbiter", "0.1.0", module("orbiter", "0.1.0"))
    empty_cdn.publish("mission-control", "0.1.0", module("mission-control", "0.1.0"))
    return empty_cdn


@pytest.fixture
def job(cli, monkeypatch):
    """A job that has nothing but a token."""
    key = generate_ed25519(SEED)
    token = json.dumps({"token": [key.public_key_der.hex(), SEED.hex()]})
    monkeypatch.setenv("JUNO_TOKEN", base64.b64encode(token.encode()).decode())
    assert ask("identity", "show")["principal"] == str(key.principal)
    return cli


@pytest.fixture
def project(job, cdn):
    """A satellite of the first release."""
    return create(job, "satellite", module("satellite", VERSIONS[0]))


def upgrade(*words):
    return ask("upgrade", "-t", "satellite", *words)


def refused(*words):
    """A refusal that leaves the satellite as it was."""
    before = look("satellite")
    ran = refuse("upgrade", "-t", "satellite", *words)
    assert look("satellite") == before
    return ran


def installed():
    return ask("status", "-t", "satellite")["version"]


def snapshots():
    """Ids and labels, the oldest first."""
    there = ask("snapshot", "list", "-t", "satellite")["snapshots"]
    return [(each["id"], each["label"]) for each in sorted(there, key=lambda one: one["taken_at"])]


def sha256_of(cdn, version):
    return hashlib.sha256(cdn.page("satellite", version).body).hexdigest()


def test_releases_are_listed_for_people_and_for_scripts(cli, cdn):
    listed = ask("releases", "-t", "satellite")
    assert [each["version"] for each in listed["releases"]] == list(VERSIONS)
    assert [each["latest"] for each in listed["releases"]] == [False, False, False, True]
    assert listed["releases"][1] == {
        "role": "satellite",
        "version": "0.1.1",
        "latest": False,
        "tags": ["0.0.2"],
    }
    assert {each["role"] for each in ask("releases")["releases"]} == {
        "satellite",
        "mission-control",
        "orbiter",
    }
    ran = juno_snap("releases")
    assert "mission-control" in ran.out


def test_a_job_without_a_terminal_upgrades_to_the_newest_release(project, cdn):
    cdn.published = cdn.published[:2]
    cdn.publish("orbiter", "0.1.0", module("orbiter", "0.1.0"))
    ran = run_child("upgrade", "-t", "satellite", "--latest", "--json", cwd=project)
    assert ran.code == 0, ran.err
    done = ran.document
    assert (done["outcome"], done["module_status"]) == ("upgraded", "running")
    assert done["new_hash"] == done["module_hash"] == sha256_of(cdn, "0.1.1")
    assert done["version"] == {"from": "0.1.0", "to": "0.1.1", "reached": "0.1.1"}
    assert done["release"]["verified"] is True
    assert "releases" not in done
    assert installed() == "0.1.1"
    again = upgrade("--latest")
    assert (again["outcome"], again["version"]["reached"]) == ("unchanged", "0.1.1")


def test_a_release_that_would_be_skipped_is_named(project):
    ran = refused("--latest")
    assert (ran.code, ran.error["code"]) == (5, "release-skipped")
    assert "0.1.1, 0.1.2" in ran.error["message"]
    assert "--step" in ran.error["hint"]
    assert upgrade("--version", "0.1.1")["version"]["reached"] == "0.1.1"
    assert upgrade("--latest", "--allow-skip")["version"]["reached"] == "0.2.0"


def test_stepping_goes_through_every_release_and_keeps_the_snapshot_before_the_first(project, cdn):
    earlier = upgrade("--version", "0.1.1")["snapshot"]
    cdn.publish("satellite", "0.2.1", module("satellite", "0.2.1"))
    done = upgrade("--latest", "--step")
    assert [each["release"]["version"] for each in done["releases"]] == ["0.1.2", "0.2.0", "0.2.1"]
    assert [each["outcome"] for each in done["releases"]] == ["upgraded"] * 3
    assert done["version"] == {"from": "0.1.1", "to": "0.2.1", "reached": "0.2.1"}
    assert (installed(), done["new_hash"]) == ("0.2.1", sha256_of(cdn, "0.2.1"))
    first, second, third = (each["snapshot"] for each in done["releases"])
    assert snapshots() == [(first, "before-0.2.1"), (third, None)]
    assert [each["replaced"] for each in done["releases"]] == [[earlier], [], [second]]
    ask("snapshot", "restore", "before-0.2.1", "-t", "satellite", "--yes")
    assert installed() == "0.1.1"


def store(version):
    """A release of the document store, which says that it is a satellite."""
    sample_of = {"0.1.0": "document_store_v1", "0.3.0": "document_store_v3"}
    wasm = sample(sample_of.get(version, "document_store_v2"))
    return wasm.replace(b'"version": "0.2.0"', f'"version": "{version}"'.encode())


STEP = ("upgrade", "-t", "satellite", "--latest", "--step", "--json")
CHECK = ("--check", "count_documents() == 2", "--health-timeout-seconds", "1")
LOSES = store("0.3.0")
TRAPS = with_package(wat("trap_in_post_upgrade"), "@junobuild/satellite", "0.3.0")


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [pytest.param(LOSES, "rolled-back", id="loses"), pytest.param(TRAPS, "failed", id="traps")],
)
def test_a_release_that_fails_goes_back_one_and_the_next_run_goes_on(job, empty_cdn, bad, outcome):
    create_store(job, "satellite")
    for version in ("0.2.0", "0.4.0"):
        empty_cdn.publish("satellite", version, store(version))
    empty_cdn.publish("satellite", "0.3.0", bad)
    words = CHECK if bad is LOSES else ("--force",)
    ran = juno_snap(*STEP, *words)
    assert ran.code == 15
    assert [each["outcome"] for each in ran.document["releases"]] == ["upgraded", outcome]
    assert ran.document["version"] == {"from": "0.1.0", "to": "0.4.0", "reached": "0.2.0"}
    assert (ran.document["outcome"], ran.error["exit_code"]) == (outcome, 15)
    assert "not all the way to 0.4.0: the module is at 0.2.0" in ran.err
    assert (installed(), look("satellite")["status"]) == ("0.2.0", "running")
    assert documents("satellite") == '(vec { "a"; "b" })'
    first = ran.document["releases"][0]["snapshot"]
    assert (first, "before-0.4.0") in snapshots()

    mended = store("0.2.0").replace(b'"version": "0.2.0"', b'"version": "0.3.0"')
    empty_cdn.publish("satellite", "0.3.0", mended)
    done = ask(*STEP[:-1], *words)
    assert [each["release"]["version"] for each in done["releases"]] == ["0.3.0", "0.4.0"]
    assert done["version"] == {"from": "0.2.0", "to": "0.4.0", "reached": "0.4.0"}
    assert (installed(), (first, "before-0.4.0") in snapshots()) == ("0.4.0", True)
    ask("snapshot", "restore", "before-0.4.0", "-t", "satellite", "--yes")
    assert installed() == "0.1.0"


def test_a_first_release_that_fails_leaves_no_label_and_no_second_snapshot(job, empty_cdn):
    create_store(job, "satellite")
    empty_cdn.publish("satellite", "0.2.0", LOSES.replace(b"0.3.0", b"0.2.0"))
    empty_cdn.publish("satellite", "0.4.0", store("0.4.0"))
    ran = juno_snap(*STEP, *CHECK)
    assert (ran.code, ran.document["version"]["reached"]) == (15, "0.1.0")
    ((taken, label), _safety) = snapshots()
    assert (taken, label) == (ran.document["snapshot"], None)
    empty_cdn.publish("satellite", "0.2.0", store("0.2.0"))
    done = ask(*STEP[:-1], *CHECK)
    first, last = (each["snapshot"] for each in done["releases"])
    assert done["releases"][0]["replaced"] == [taken]
    assert {(first, "before-0.4.0"), (last, None)} < set(snapshots())


def test_a_label_that_a_person_gave_stays_theirs(project, cdn):
    mine = ask("snapshot", "create", "-t", "satellite", "--label", "before-0.2.0")["snapshot"]["id"]
    done = upgrade("--latest", "--step")
    first, _, last = (each["snapshot"] for each in done["releases"])
    labelled = [(mine, "before-0.2.0"), (first, "before-0.2.0-2"), (last, None)]
    assert snapshots() == labelled


KILLER = """#!/bin/sh
# Ends the program when the second release has been installed.
echo >> installed
test "$(wc -l < installed)" -ne 2 || kill -9 "$PPID"
"""


def test_a_run_that_was_killed_between_two_releases_goes_on_where_it_was(project):
    (project / "killer.sh").write_text(KILLER, encoding="utf-8")
    (project / "killer.sh").chmod(0o755)
    hook = '[[hooks]]\nname = "killer"\npoint = "after-install"\ncommand = ["./killer.sh"]\n'
    (project / "juno-snap.toml").write_text(hook, encoding="utf-8")
    ran = run_child(*STEP, cwd=project)
    assert (ran.code, ran.out) == (-9, "")
    ((first, label),) = [each for each in snapshots() if each[1] is not None]
    assert label == "before-0.2.0"
    done = ask(*STEP[:-1])
    assert [each["release"]["version"] for each in done["releases"]] == ["0.1.2", "0.2.0"]
    assert [each["outcome"] for each in done["releases"]] == ["upgraded"] * 2
    assert (installed(), look("satellite")["status"]) == ("0.2.0", "running")
    assert [each for each in snapshots() if each[1] is not None] == [(first, label)]


def test_a_stock_release_over_functions_of_ones_own_is_refused(project):
    create(project, "satellite", extended_satellite("0.1.0"), name="mine")
    before = look("mine")
    ran = refuse("upgrade", "--module", "mine", "--version", "0.1.1")
    assert (ran.code, "--allow-stock" in ran.error["hint"]) == (5, True)
    assert look("mine") == before


def test_a_module_of_another_kind_is_not_given_a_release(cli, cdn):
    ask("module", "create", "--name", "counter", "--wasm", write_sample(cli, "counter"))
    ran = refuse("upgrade", "--module", "counter", "--latest")
    assert (ran.code, ran.error["code"]) == (2, "role-unknown")


def told(plan, name):
    """The text of a planned step."""
    return next(step["text"] for step in plan["steps"] if step["name"] == name)


def test_every_release_on_the_way_is_planned_and_later_ones_are_estimates(project, cdn):
    before = look("satellite")
    planned = upgrade("--latest", "--step", "--dry-run")
    assert planned["route"] == ["0.1.1", "0.1.2", "0.2.0"]
    first, second, third = planned["releases"]
    assert (first["plan"], first["estimate"]) == (planned["plan"], False)
    assert [each["version"] for each in (first, second, third)] == planned["route"]
    assert [each["plan"]["new_hash"] for each in planned["releases"]] == [
        sha256_of(cdn, version) for version in planned["route"]
    ]
    assert second["plan"]["old_hash"] == first["plan"]["new_hash"]
    assert [each["plan"]["refusals"] for each in planned["releases"]] == [[], [], []]
    for each in (second, third):
        assert each["estimate"]
        assert each["plan"]["warnings"][0]["code"] == "estimated"
    assert "labelled before-0.2.0" in told(first["plan"], "snapshot")
    assert told(third["plan"], "tidy") == "delete snapshot (the one taken before 0.1.2)"
    available = [int(each["plan"]["cycles"]["available"]) for each in planned["releases"]]
    assert available == sorted(available, reverse=True)
    assert len(set(available)) == len(available)
    shown = juno_snap("upgrade", "-t", "satellite", "--latest", "--step", "--dry-run")
    assert "release 0.2.0, 3 of 3, an estimate" in shown.out
    assert look("satellite") == before
    done = upgrade("--latest", "--step")
    deleted = [each["replaced"] for each in done["releases"]]
    assert deleted == [[], [], [done["releases"][1]["snapshot"]]]


def test_a_later_release_that_will_be_refused_is_told_before_the_first(project, cdn):
    cdn.publish("satellite", "0.2.1", module("orbiter", "0.2.1"))
    planned = upgrade("--latest", "--step", "--dry-run")
    refusals = [[one["code"] for one in each["plan"]["refusals"]] for each in planned["releases"]]
    assert refusals[:3] == [[], [], []]
    assert "role-change" in refusals[3]


def test_what_the_cdn_sends_wrong_changes_nothing(project, cdn):
    good = cdn.page("satellite", "0.1.1")
    evil = good.body[:-1] + bytes([good.body[-1] ^ 1])
    cdn.page("satellite", "0.1.1", Page(body=evil, content_type=WASM_TYPE))
    ran = refused("--version", "0.1.1")
    assert (ran.code, ran.error["code"]) == (13, "release-checksum")
    cdn.page("satellite", "0.1.1", Page(body=b"<html>Sorry</html>", content_type="text/html"))
    ran = refused("--version", "0.1.1")
    assert (ran.code, ran.error["code"]) == (13, "release-not-wasm")
    with running_cdn() as other:
        there = {"Location": f"{other.url}/releases/satellite-v0.1.1.wasm.gz"}
        cdn.page("satellite", "0.1.1", Page(body=b"", status=302, headers=there))
        ran = refused("--version", "0.1.1")
        assert (ran.code, ran.error["code"], other.requests) == (13, "redirect-elsewhere", [])
    cdn.page("satellite", "0.1.1", Page(body=b"gone", status=404))
    assert refused("--version", "0.1.1").code == 4
    cdn.page("satellite", "0.1.1", good).cuts_after = [1000]
    assert upgrade("--version", "0.1.1")["version"]["reached"] == "0.1.1"


def test_a_later_release_that_cannot_be_had_leaves_all_of_them_undone(project, cdn):
    cdn.page("satellite", "0.2.0").status = 404
    assert refused("--latest", "--step").code == 4


def test_without_a_checksum_a_release_needs_a_word(project, cdn):
    cdn.checksums_of("satellite", "0.1.1").status = 404
    ran = refused("--version", "0.1.1")
    assert (ran.code, ran.error["code"]) == (5, "release-unverified")
    ran = refused("--version", "0.1.1", "--sha256", "00" * 32)
    assert (ran.code, ran.error["code"]) == (13, "release-checksum")
    done = upgrade("--version", "0.1.1", "--unverified-release")
    assert (done["outcome"], done["release"]["verified"]) == ("upgraded", False)


def test_a_release_that_is_not_published_is_not_found(project):
    ran = refused("--version", "0.3.0")
    assert (ran.code, ran.error["code"]) == (4, "release-not-found")


def test_an_older_release_is_refused(project):
    upgrade("--version", "0.1.1")
    ran = refused("--version", "0.1.0")
    assert (ran.code, ran.error["code"]) == (5, "downgrade")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--latest", "--version", "0.1.1"),
        ("--src", "satellite.wasm", "--latest"),
        ("--src", "satellite.wasm", "--step"),
        ("--latest", "--step", "--reset"),
        ("--latest", "--step", "--sha256", "00" * 32),
        ("--version", "1.x"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_together_are_refused(project, words):
    assert refused(*words).code == 2


def test_a_cdn_that_is_not_there_is_told(cli, monkeypatch):
    monkeypatch.setenv("JUNO_SNAP_RELEASES_URL", "http://127.0.0.1:1/releases")
    ran = refuse("releases")
    assert (ran.code, ran.error["code"]) == (1, "unreachable")


def test_the_address_of_the_releases_is_a_setting(cli, cdn, monkeypatch):
    monkeypatch.delenv("JUNO_SNAP_RELEASES_URL")
    config = cli / "juno-snap.toml"
    config.write_text(f'[releases]\nurl = "{cdn.files}/"\n', encoding="utf-8")
    assert ask("releases", "-t", "s")["source"] == f"{cdn.files}/metadata.json"
    config.write_text('[releases]\nroot_key = "fetch"\n', encoding="utf-8")
    assert refuse("releases").code == 10
