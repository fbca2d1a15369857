"""What was done and what is unfinished, through the command line."""

import contextlib
import sqlite3

import pytest

from juno_snap.ids import Principal, RequestId
from juno_snap.pipeline.journal.records import CallRecord, NewOperation
from juno_snap.pipeline.journal.store import Journal
from juno_snap.settings.names import remember_module
from juno_snap.units import NS_PER_SECOND
from tests.integration.cli_world import ask, juno_snap, refuse

DOCS = Principal.parse("ryjl3-tyaaa-aaaaa-aaaba-cai")
OTHER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
KEY = b"\x01" * 133
OTHER_KEY = b"\x02" * 133
BODY = b"a signed envelope"
SNAPSHOT = "0000000000000001ffffffffff9000010101"


def state_of(folder):
    return folder.parent / "state"


def operation(place: int, **values) -> NewOperation:
    usual = {
        "id": f"20261121-0737{place:02}-000000",
        "kind": "upgrade",
        "network": "http://h",
        "root_key": KEY,
        "module": DOCS,
        "principal": Principal(b"\x09" * 29),
        "began_at_ns": (1_700_000_000 + place) * NS_PER_SECOND,
        "digest": b"\x07" * 32,
        "program": {
            "before": {"module_hash": "aa" * 32},
            "change": {"kind": "install", "wasm_sha256": "bb" * 32},
        },
    }
    return NewOperation(**{**usual, **values})


def call(**values) -> CallRecord:
    usual = {
        "request_id": RequestId(b"\x05" * 32),
        "canister_id": Principal(b""),
        "effective_canister_id": DOCS,
        "method": "stop_canister",
        "expires_at_ns": 1_700_000_240 * NS_PER_SECOND,
        "signed_after_ns": 1_700_000_000 * NS_PER_SECOND,
    }
    return CallRecord(**{**usual, **values})


@pytest.fixture
def past(cli):
    """Three operations: one finished, one of another module, and an unfinished one."""
    with Journal.open(state_of(cli)) as journal:
        first = operation(1)
        journal.begin(first)
        step = journal.begin_step(
            first.id, name="snapshot", leg="forward", at_ns=first.began_at_ns, calls=(call(),)
        )
        journal.end_step(
            first.id,
            step.number,
            state="done",
            at_ns=first.began_at_ns + NS_PER_SECOND,
            evidence={"id": SNAPSHOT},
            calls=(call(state="replied"),),
        )
        journal.finish(
            first.id,
            outcome="upgraded",
            at_ns=first.began_at_ns + 2 * NS_PER_SECOND,
            report={"old_hash": "aa" * 32, "new_hash": "cc" * 32},
        )
        journal.begin(operation(2, module=OTHER, kind="snapshot", program={}))
        last = operation(3, root_key=OTHER_KEY)
        journal.begin(last)
        journal.begin_step(
            last.id, name="stop", leg="forward", at_ns=last.began_at_ns, calls=(call(body=BODY),)
        )
    return cli


def told(*words):
    return ask("history", *words)["operations"]


def places(*words):
    return [each["operation"][13:15] for each in told(*words)]


def test_without_a_journal_there_is_no_past_and_none_is_made(cli):
    assert told() == []
    assert told("--module", str(DOCS)) == []
    assert not (state_of(cli) / "journal.sqlite").exists()
    assert refuse("history", "20261121-073701-000000").code == 4


def test_everything_about_an_operation_is_told(past):
    last, _, first = told()
    step = first.pop("steps")[0]
    assert first == {
        "operation": "20261121-073701-000000",
        "kind": "upgrade",
        "module": str(DOCS),
        "name": None,
        "network": "http://h",
        "principal": str(Principal(b"\x09" * 29)),
        "host": first["host"],
        "version": first["version"],
        "began_at": "2023-11-14T22:13:21.000000Z",
        "finished_at": "2023-11-14T22:13:23.000000Z",
        "outcome": "upgraded",
        "old_hash": "aa" * 32,
        "new_hash": "cc" * 32,
        "snapshot": SNAPSHOT,
        "safety_snapshot": None,
    }
    assert step == {
        "name": "snapshot",
        "leg": "forward",
        "outcome": "done",
        "began_at": "2023-11-14T22:13:21.000000Z",
        "duration_ms": 1000,
        "evidence": {"id": SNAPSHOT},
        "calls": [
            {
                "method": "stop_canister",
                "request_id": "05" * 32,
                "expires_at": "2023-11-14T22:17:20.000000Z",
                "state": "replied",
            }
        ],
    }
    assert (last["outcome"], last["finished_at"]) == (None, None)
    assert (last["old_hash"], last["new_hash"]) == ("aa" * 32, "bb" * 32)
    assert last["steps"][0]["duration_ms"] is None


def test_the_newest_come_first_and_not_all_of_them(past):
    assert places() == ["03", "02", "01"]
    assert places("--limit", "2") == ["03", "02"]
    assert refuse("history", "--limit", "0").code == 2


def test_they_are_chosen_by_module_and_by_network(past, cli_replica):
    assert places("--module", str(DOCS)) == ["03", "01"]
    assert places("--module", str(DOCS), "--limit", "1") == ["03"]
    (past / "juno-snap.toml").write_text(f'[modules.satellite]\ncanister = "{OTHER}"\n')
    assert places("-t", "satellite") == ["02"]
    assert told("--module", "satellite")[0]["name"] == "satellite"
    with Journal.open(state_of(past)) as journal:
        journal.begin(operation(4, root_key=cli_replica.root_key))
    assert places("-n", cli_replica.url) == ["04"]
    assert places("-n", cli_replica.url, "--root-key", "fetch") == ["04"]
    assert places("-n", "ic") == []


def test_a_name_that_was_given_stands_for_a_module_of_its_network(past):
    remember_module(state_of(past), OTHER_KEY, "docs", DOCS)
    assert places("--module", "docs") == ["03"]
    assert told("--module", "docs")[0]["name"] == "docs"
    unknown = refuse("history", "--module", "nobody")
    assert (unknown.code, unknown.error["code"]) == (4, "module-not-found")


def test_an_operation_is_shown_with_its_steps_and_never_with_an_envelope(past):
    name = "20261121-073703-000000"
    assert [each["operation"] for each in told(name)] == [name]
    shown = juno_snap("history", name).out
    for words in ("stop_canister open", "juno-snap resume", str(DOCS), "http://h", "bb" * 32):
        assert words in shown
    assert BODY.hex() not in juno_snap("history", "-v", "--json").out
    table = juno_snap("history").out
    assert "unfinished" in table
    assert SNAPSHOT in table
    assert "stop_canister" not in table
    assert "stop_canister" in juno_snap("history", "-v").out
    assert refuse("history", "20261121-073709-000000").code == 4
    assert refuse("history", name, "--module", str(DOCS)).code == 2


def test_a_journal_of_a_newer_version_is_refused(past):
    with contextlib.closing(sqlite3.connect(state_of(past) / "journal.sqlite")) as file, file:
        file.execute("UPDATE journal_format SET version = 99")
    ran = refuse("history")
    assert (ran.code, ran.error["code"]) == (5, "journal-newer")
    assert "journal.sqlite" in ran.error["message"]
    assert ran.error["hint"]


def test_a_damaged_journal_is_refused(past):
    file = state_of(past) / "journal.sqlite"
    file.write_bytes(b"no database" * 1000)
    ran = refuse("history")
    assert (ran.code, ran.error["code"]) == (5, "journal-damaged")
    assert str(file) in ran.error["message"]
