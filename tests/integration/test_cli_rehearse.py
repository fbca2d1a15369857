"""Rehearsals on the command line, alone and before an upgrade."""

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    look,
    refuse,
    write_sample,
)
from tests.integration.pipeline_world import management_calls
from tests.integration.test_rehearse import ENDLESS, TRAPPING
from tests.motoko import motoko_module

GOOD = "count_documents() == 2"
QUICKLY = ("--health-timeout-seconds", "1")
STOPS = {"stop_canister", "install_code", "install_chunked_code", "start_canister"}

FOREIGN = ("--force", "--allow-role-change")
"""For code with another interface, which does not call itself a satellite."""


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("replica") / "requests.jsonl"


@pytest.fixture(scope="module")
def cli_replica(log_path):
    with run_replica(ReplicaOptions(request_log=log_path)) as running:
        yield running


@pytest.fixture
def store(cli):
    """A document store named docs, with the next versions, good and bad, beside it."""
    create_store(cli)
    for name in ("document_store_v2", "document_store_v3"):
        write_sample(cli, name)
    (cli / "trapping.wasm").write_bytes(TRAPPING)
    (cli / "endless.wasm").write_bytes(ENDLESS)
    return cli


def rehearsed(*words, src="document_store_v2.wasm"):
    return ask("rehearse", "--module", "docs", "--src", src, *words)["rehearsal"]


def test_a_rehearsal_tells_what_an_upgrade_would_do_and_changes_nothing(store):
    before = look("docs")
    report = rehearsed("--check", GOOD)
    assert report["outcome"] == "passed"
    assert report["trap"] is None
    assert report["checks"] == [{"name": GOOD, "ok": True, "detail": report["checks"][0]["detail"]}]
    assert look("docs") == before


@pytest.mark.parametrize(
    ("src", "words", "said"),
    [
        ("trapping.wasm", (), "the old data has no owner"),
        ("endless.wasm", ("--instruction-limit", "1000000"), "limit of 1000000 instructions"),
        ("document_store_v3.wasm", ("--check", GOOD, *QUICKLY), "count_documents"),
    ],
)
def test_a_bad_release_is_told_in_a_document_and_with_exit_code_5(store, src, words, said):
    before = look("docs")
    ran = juno_snap("rehearse", "--module", "docs", "-s", src, *words, *FOREIGN, "--json")
    assert ran.code == 5
    assert ran.document["rehearsal"]["outcome"] == "failed"
    assert said in ran.document["rehearsal"]["reason"]
    assert ran.error["code"] == "rehearsal-failed"
    assert look("docs") == before


def test_people_are_told_what_a_rehearsal_cannot_know(store):
    ran = juno_snap("rehearse", "--module", "docs", "-s", "document_store_v2.wasm")
    assert ran.code == 0
    assert "passed" in ran.out
    assert "calls to other canisters" in ran.out
    assert "rehearsal: install" in ran.err


def test_the_copy_stays_as_a_backup_unless_it_must_not(store):
    copy = rehearsed()["copy"]
    again = ask("rehearse", "-s", "document_store_v2.wasm", "--backup", copy)["rehearsal"]
    assert (again["outcome"], again["copy"]) == ("passed", None)
    assert rehearsed("--no-cache")["copy"] is None


def test_a_backup_needs_no_network(store, monkeypatch):
    copy = rehearsed()["copy"]
    monkeypatch.delenv("JUNO_SNAP_NETWORK")
    monkeypatch.delenv("JUNO_SNAP_ROOT_KEY")
    ran = juno_snap(
        "rehearse", "-s", "document_store_v2.wasm", "--backup", copy, "--check", GOOD, "--json"
    )
    assert ran.code == 0
    assert ran.document["rehearsal"]["outcome"] == "passed"
    assert "no network was chosen" in ran.err


def test_two_sources_are_refused(store):
    assert (
        refuse(
            "rehearse", "--module", "docs", "-s", "document_store_v2.wasm",
            "--backup", "here", "--snapshot", "latest",
        ).code
        == 2
    )  # fmt: skip


def test_an_upgrade_that_passes_its_rehearsal_goes_on(store):
    done = ask(
        "upgrade", "--module", "docs", "-s", "document_store_v2.wasm", "--rehearse", "--check", GOOD
    )
    assert done["outcome"] == "upgraded"
    assert [each["id"] for each in ask("snapshot", "list", "--module", "docs")["snapshots"]] == [
        done["snapshot"]
    ]
    assert documents("docs") == '(vec { "a"; "b" })'


@pytest.mark.parametrize(
    ("src", "words"),
    [
        ("trapping.wasm", FOREIGN),
        ("endless.wasm", FOREIGN),
        ("document_store_v3.wasm", ("--check", GOOD, *QUICKLY)),
    ],
)
def test_an_upgrade_that_fails_its_rehearsal_does_not_stop_the_module(
    store, log_path, monkeypatch, src, words
):
    monkeypatch.setenv("JUNO_SNAP_REHEARSAL_INSTRUCTION_LIMIT", "1000000")
    module = ask("status", "--module", "docs")["module"]
    before, begun = look("docs"), len(calls(log_path, module))
    ran = refuse("upgrade", "--module", "docs", "-s", src, "--rehearse", *words)
    assert ran.code == 5
    assert ran.error["code"] == "rehearsal-failed"
    assert look("docs") == before
    assert STOPS.isdisjoint(calls(log_path, module)[begun:])


def test_an_upgrade_to_an_incompatible_persistent_type_does_not_stop_the_module(cli, log_path):
    for name in ("store_v1", "store_incompatible"):
        (cli / f"{name}.wasm").write_bytes(motoko_module(name))
    module = ask("module", "create", "--name", "docs", "--wasm", "store_v1.wasm")["module"]
    before, begun = look("docs"), len(calls(log_path, module))
    ran = refuse(
        "upgrade", "--module", "docs", "-s", "store_incompatible.wasm", "--rehearse", "--force"
    )
    assert "Memory-incompatible" in ran.error["message"]
    assert look("docs") == before
    assert STOPS.isdisjoint(calls(log_path, module)[begun:])


def test_nothing_is_rehearsed_where_nothing_would_change(store, log_path):
    module = ask("status", "--module", "docs")["module"]
    begun = len(calls(log_path, module))
    done = ask("upgrade", "--module", "docs", "-s", "document_store_v1.wasm", "--rehearse")
    assert done["outcome"] == "unchanged"
    assert "take_canister_snapshot" not in calls(log_path, module)[begun:]


def calls(log_path, module):
    """The methods that were called about a module."""
    return [method for method, _ in management_calls(log_path, module)]
