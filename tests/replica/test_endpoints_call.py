"""Update calls: waiting, not waiting, refused, and sent twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica import candid_types
from juno_snap.replica.endpoints_call import DUPLICATE, NOT_IN_TIME
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from juno_snap.wire import cbor
from juno_snap.wire.candid import NAT, decode, encode
from juno_snap.wire.certificate import request_status
from juno_snap.wire.envelope import encode_envelope
from juno_snap.wire.request_status import Pending, Rejected, Replied
from tests.replica import requests
from tests.replica.client import NOWHERE, Client
from tests.replica.requests import ALICE, BOB

NO_FIELDS = encode([candid_types.PROVISIONAL_CREATE_ARGUMENTS], [{}])


@pytest.fixture(scope="module")
def counter(client):
    canister_id = client.create()
    client.install(canister_id, sample("counter"))
    return canister_id


def count(client, counter):
    response, _ = client.query(counter, "read", b"DIDL\0\0")
    return decode(response.arg, [NAT])[0]


@pytest.fixture
def slow_replica(tmp_path):
    """Rounds that last longer than any test, and a short wait for them."""
    log = tmp_path / "requests.jsonl"
    options = ReplicaOptions(round_ms=60_000, sync_call_seconds=0.05, request_log=log)
    with run_replica(options) as running:
        yield running


@pytest.mark.parametrize("version", [3, 4])
def test_a_synchronous_call_answers_with_its_certificate(client, canister, version):
    content = client.call_content(canister, "echo", b"hello")
    answer = client.post_call(content, version=version)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/cbor"
    assert client.outcome(answer, content) == Replied(b"hello")


def test_an_asynchronous_call_answers_with_nothing(client, canister):
    content = client.call_content(canister, "echo", b"hello")
    answer = client.post_call(content, version=2)
    assert (answer.status_code, answer.content) == (202, b"")
    # The next round comes after the first one, so its end is the end of both.
    client.call(canister, "ping")
    path = (b"request_status", content.request_id(), b"reply")
    assert client.read(canister, path[:2]).find(path, "the reply") == b"hello"


@pytest.mark.parametrize("key", [None, ALICE], ids=["anonymous", "signed"])
def test_anybody_may_call(client, canister, key):
    with client.as_(key) as other:
        assert other.call(canister, "echo", b"hello") == Replied(b"hello")


def test_a_reject_of_the_code_is_certified(client, canister):
    assert client.call(canister, "refuse") == Rejected(
        code=4, message="no, thanks", error_code="IC0406"
    )


def test_a_method_that_does_not_exist_is_a_certified_reject(client, canister):
    outcome = client.call(canister, "missing")
    assert isinstance(outcome, Rejected)
    assert outcome.error_code == "IC0536"


@pytest.mark.parametrize("version", [3, 4])
def test_the_ingress_filter_refuses_without_a_certificate(client, version):
    answer = client.post_call(client.call_content(NOWHERE, "ping"), version=version)
    assert answer.status_code == 200
    assert cbor.decode_map(answer.content) == {
        "status": "non_replicated_rejection",
        "reject_code": 3,
        "reject_message": f"Canister {NOWHERE} not found",
        "error_code": "IC0301",
    }


def test_an_asynchronous_call_is_refused_without_a_status(client):
    answer = client.post_call(client.call_content(NOWHERE, "ping"), version=2)
    assert answer.status_code == 200
    fields = cbor.decode_map(answer.content)
    assert set(fields) == {"reject_code", "reject_message", "error_code"}
    assert fields["error_code"] == "IC0301"


def test_a_refused_call_leaves_no_trace(client):
    content = client.call_content(NOWHERE, "ping")
    client.post_call(content)
    path = (b"request_status", content.request_id(), b"status")
    assert client.read(NOWHERE, path).find(path, "the status") is None


def test_the_canister_of_the_address_must_be_the_one_called(client, canister):
    answer = client.post_call(client.call_content(canister, "ping"), target=NOWHERE)
    assert answer.status_code == 400
    assert answer.text == (
        f"Specified CanisterId {canister} does not match effective canister id in URL {NOWHERE}"
    )


def test_a_management_call_must_be_addressed_to_its_canister(client, canister, counter):
    payload = encode([candid_types.CANISTER_ID], [{"canister_id": canister}])
    content = client.call_content(MANAGEMENT_CANISTER, "stop_canister", payload)
    answer = client.post_call(content, target=counter)
    assert cbor.decode_map(answer.content)["status"] == "non_replicated_rejection"
    assert isinstance(client.call(canister, "ping"), Replied)


def test_an_expired_call_is_refused(client, canister):
    answer = client.post_call(client.call_content(canister, "ping", expiry_ns=1))
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request expiry: Specified ingress_expiry not within")


def test_a_call_by_somebody_else_is_refused(client, canister):
    content = client.call_content(canister, "ping", sender=ALICE.principal)
    answer = client.post("call", canister, requests.body(content, BOB), version=4)
    assert answer.status_code == 400
    assert answer.text.startswith(f"The user id '{ALICE.principal}' does not match")


def test_a_damaged_signature_is_refused_and_nothing_runs(client, counter):
    before = count(client, counter)
    content = client.call_content(counter, "increment", b"DIDL\0\0")
    good = requests.envelope(content, ALICE)
    damaged = bytes([good.sender_signature[0] ^ 1]) + good.sender_signature[1:]
    body = encode_envelope(good).replace(good.sender_signature, damaged)
    answer = client.post("call", counter, body, version=4)
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid signature: ")
    assert count(client, counter) == before


def test_a_nonce_of_33_bytes_is_refused(client, canister):
    answer = client.post_call(client.call_content(canister, "ping", nonce=b"n" * 33))
    assert answer.status_code == 400


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_same_call_never_runs_twice(client, counter, version):
    before = count(client, counter)
    content = client.call_content(counter, "increment", b"DIDL\0\0")
    first = client.outcome(client.post_call(content), content)
    again = client.post_call(content, version=version)
    if version == 2:
        assert again.status_code == 202
    else:
        assert client.outcome(again, content) == first
    assert count(client, counter) == before + 1


def test_the_same_call_many_times_at_once_runs_once(client, counter):
    before = count(client, counter)
    content = client.call_content(counter, "increment", b"DIDL\0\0")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.post_call(content), range(16)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert {answer.text for answer in answers if answer.status_code == 202} <= {DUPLICATE}
    assert count(client, counter) == before + 1


def test_a_rejected_call_is_not_tried_again(client, canister):
    content = client.call_content(canister, "refuse")
    first, again = (client.outcome(client.post_call(content), content) for _ in range(2))
    assert first == again
    assert isinstance(again, Rejected)


def test_a_call_that_takes_too_long_is_left_to_polling(slow_replica):
    with Client(slow_replica) as client:
        content = client.call_content(
            MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", NO_FIELDS
        )
        answer = client.post_call(content, target=MANAGEMENT_CANISTER)
        assert (answer.status_code, answer.text) == (202, NOT_IN_TIME)
        path = (b"request_status", content.request_id())
        verified = client.read(MANAGEMENT_CANISTER, path)
        assert verified.find((*path, b"status"), "the status") == b"received"
        again = client.post_call(content, target=MANAGEMENT_CANISTER)
        assert (again.status_code, again.text) == (202, DUPLICATE)


def test_what_waits_at_a_stop_is_executed_first(tmp_path):
    options = ReplicaOptions(round_ms=60_000, sync_call_seconds=0.05, directory=tmp_path / "r")
    with run_replica(options) as running, Client(running) as client:
        content = client.call_content(
            MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", NO_FIELDS
        )
        assert client.post_call(content, target=MANAGEMENT_CANISTER).status_code == 202
    with run_replica(options) as running, Client(running) as client:
        answer = client.post_call(content, target=MANAGEMENT_CANISTER)
        assert isinstance(client.outcome(answer, content, target=NOWHERE), Replied)


def test_the_status_of_a_waiting_call_is_pending(slow_replica):
    with Client(slow_replica) as client:
        content = client.call_content(
            MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", NO_FIELDS
        )
        client.post_call(content, target=MANAGEMENT_CANISTER, version=2)
        verified = client.read(MANAGEMENT_CANISTER, (b"request_status", content.request_id()))
        assert request_status(verified, content.request_id()) == Pending("received")
