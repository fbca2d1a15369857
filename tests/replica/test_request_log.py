"""The request log: every request once, with what a person wants to count."""

import json

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.request_log import RequestLog, RequestRecord, path_text
from juno_snap.replica.server import run_replica
from tests.replica.client import Client

CANISTER = Principal(b"\x00" * 7 + b"\x07\x01\x01")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "requests.jsonl"


def lines_of(log):
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_there_when_the_answer_is(log):
    with run_replica(ReplicaOptions(request_log=log)) as running, Client(running) as client:
        client.http.get("/api/v2/status")
        (line,) = lines_of(log)
    assert (line["kind"], line["status"], line["outcome"]) == ("status", 200, "healthy")


def test_the_rounds_of_some_calls_can_be_counted(log):
    with run_replica(ReplicaOptions(request_log=log)) as running, Client(running) as client:
        canister = client.create("face")
        client.call(canister, "ping")
        client.call(canister, "refuse")
    calls = [line for line in lines_of(log) if line["kind"] == "call"]
    assert [(call["method"], call["round"], call["outcome"]) for call in calls] == [
        ("provisional_create_canister_with_cycles", 1, "replied"),
        ("install_code", 2, "replied"),
        ("ping", 3, "replied"),
        ("refuse", 4, "rejected IC0406"),
    ]
    assert [call["canister"] for call in calls] == ["aaaaa-aa", "aaaaa-aa", *[str(canister)] * 2]
    assert {call["effective_canister"] for call in calls[1:]} == {str(canister)}


def test_each_kind_of_request_has_its_own_facts(log):
    with run_replica(ReplicaOptions(request_log=log)) as running, Client(running) as client:
        canister = client.create("face")
        log.write_text("", encoding="utf-8")
        client.query(canister, "look")
        client.read(canister, (b"canister", canister.raw, b"module_hash"), (b"time",))
        content = client.call_content(canister, "ping")
        client.post_call(content, version=2)
        client.http.get("/nowhere")
    query, read, call, other = lines_of(log)
    assert (query["kind"], query["method"], query["round"]) == ("query", "look", None)
    assert read["paths"] == [f"canister/{canister}/module_hash", "time"]
    assert call["request_id"] == content.request_id().hex()
    assert (call["version"], call["status"], call["outcome"]) == (2, 202, "accepted")
    assert call["round"] == 3
    assert call["request_bytes"] > 100
    assert (other["kind"], other["status"]) == ("other", 404)


def test_a_refused_request_is_written_down_with_the_reason(log):
    with run_replica(ReplicaOptions(request_log=log)) as running, Client(running) as client:
        client.post_call(client.call_content(CANISTER, "ping", expiry_ns=1))
        client.post_call(client.call_content(CANISTER, "ping"))
    expired, missing = lines_of(log)
    assert expired["outcome"].startswith("Invalid request expiry: ")
    assert (expired["status"], expired["method"]) == (400, "ping")
    assert (missing["outcome"], missing["round"]) == ("refused IC0301", None)


def test_a_log_is_continued(log):
    log.write_text("before\n", encoding="utf-8")
    written = RequestLog(log)
    written.write(RequestRecord(kind="status", at_ns=1))
    written.close()
    first, second = log.read_text(encoding="utf-8").splitlines()
    assert first == "before"
    assert json.loads(second)["at_ns"] == 1


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    missing = tmp_path / "no" / "such" / "folder"
    with (
        pytest.raises(PreconditionError) as caught,
        run_replica(ReplicaOptions(request_log=missing)),
    ):
        raise AssertionError("it runs")
    assert str(missing) in caught.value.message
    assert "--request-log" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((b"time",), "time"),
        ((b"request_status", b"\xff\x00", b"reply"), "request_status/ff00/reply"),
        ((b"canister", CANISTER.raw, b"metadata", b"a b"), f"canister/{CANISTER}/metadata/a b"),
        ((b"subnet", bytes(40)), f"subnet/{'00' * 40}"),
        ((b"line\nbreak",), "6c696e650a627265616b"),
        ((), ""),
    ],
)
def test_paths_are_spelled_for_people(path, text):
    assert path_text(path) == text
