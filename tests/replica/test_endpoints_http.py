"""Addresses, methods, sizes and content types."""

import socket

import httpx
import pytest

from juno_snap.ids import Principal
from juno_snap.replica.endpoints import BODY_MAX_BYTES
from juno_snap.replica.endpoints_call import INGRESS_MAX_BYTES
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from juno_snap.wire import cbor
from juno_snap.wire.request_status import Replied
from tests.replica import requests


def test_the_status_has_the_root_key(replica, client):
    answer = client.http.get("/api/v2/status")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/cbor"
    fields = cbor.decode_map(answer.content)
    assert fields["root_key"] == replica.root_key
    assert fields["replica_health_status"] == "healthy"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v3/status",
        "/api/v1/canister/aaaaa-aa/call",
        "/api/v5/canister/aaaaa-aa/call",
        "/api/v4/canister/aaaaa-aa/query",
        "/api/v4/canister/aaaaa-aa/read_state",
        "/api/v3/canister/aaaaa-aa/other",
        "/api/v3/subnet/aaaaa-aa/query",
        "/api/v3/canister/aaaaa-aa/query/more",
    ],
)
def test_there_is_nothing_at_other_addresses(client, path):
    assert client.http.post(path, content=b"").status_code == 404


def test_other_methods_are_refused(client):
    assert client.http.post("/api/v2/status").status_code == 405
    assert client.http.get("/api/v3/canister/aaaaa-aa/query").status_code == 405


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        pytest.param("application/cbor", True, id="as it should be"),
        pytest.param("Application/CBOR; charset=utf-8", True, id="with case and parameters"),
        pytest.param("application/json", False, id="another"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
    ],
)
def test_the_content_type_is_cbor(client, content_type, good):
    headers = {} if content_type is None else {"content-type": content_type}
    body = requests.body(requests.read_state((b"time",), expiry_ns=0))
    target = Principal.parse("aaaaa-aa")
    answer = client.post("read_state", target, body, version=3, headers=headers)
    if good:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert answer.text == "Unexpected content-type, expected application/cbor."


@pytest.mark.parametrize("kind", ["call", "query", "read_state"])
def test_an_address_that_is_no_principal_is_refused(client, kind):
    answer = client.post(kind, "aaaaa-ab", b"", version=3)
    assert answer.status_code == 400
    assert "aaaaa-ab" in answer.text


@pytest.mark.parametrize("kind", ["call", "query", "read_state"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xff", id="garbage"),
        pytest.param(cbor.encode({}), id="an empty map"),
        pytest.param(cbor.encode([1, 2]), id="a list"),
        pytest.param(b"<html></html>", id="HTML"),
    ],
)
def test_a_body_that_is_no_envelope_is_refused(client, kind, body):
    answer = client.post(kind, "aaaaa-aa", body, version=3)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    what = "call message" if kind == "call" else "read request"
    assert answer.text.startswith(f"Could not parse body as {what}: ")


@pytest.mark.parametrize("kind", ["call", "query", "read_state"])
def test_an_envelope_of_another_kind_is_refused(client, canister, kind):
    contents = {
        "call": client.call_content(canister, "ping"),
        "query": requests.query(canister, "look", expiry_ns=client.expiry_ns()),
        "read_state": requests.read_state((b"time",), expiry_ns=client.expiry_ns()),
    }
    for other, content in contents.items():
        if other != kind:
            key = client.key if other == "call" else None
            answer = client.post(kind, canister, requests.body(content, key), version=3)
            assert answer.status_code == 400
            assert "another kind of request" in answer.text


def test_a_body_above_five_mebibytes_is_refused(client):
    answer = client.post("query", "aaaaa-aa", b"x" * (BODY_MAX_BYTES + 1), version=3)
    assert answer.status_code == 413
    assert str(BODY_MAX_BYTES) in answer.text


def test_a_body_that_comes_in_pieces_is_measured_too(client):
    pieces = (b"x" * 1_000_000 for _ in range(6))
    answer = client.post("query", "aaaaa-aa", pieces, version=3)
    assert answer.status_code == 413


def test_a_call_above_two_mebibytes_is_refused_with_its_id(client, canister):
    content = client.call_content(canister, "echo", b"x" * INGRESS_MAX_BYTES)
    answer = client.post_call(content)
    assert answer.status_code == 413
    size = len(requests.body(content, client.key))
    assert answer.text == (
        f"Request 0x{content.request_id().hex()} is too large. Message byte size {size} is larger "
        f"than the max allowed {INGRESS_MAX_BYTES}."
    )


def test_a_call_of_nearly_two_mebibytes_runs(client, canister):
    arg = b"x" * (INGRESS_MAX_BYTES - 1000)
    assert client.call(canister, "echo", arg) == Replied(arg)


def test_any_page_may_use_the_replica_from_a_browser(client):
    origin = {"origin": "https://example.com"}
    assert (
        client.http.get("/api/v2/status", headers=origin).headers["access-control-allow-origin"]
        == "*"
    )
    asked = origin | {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = client.http.options("/api/v4/canister/aaaaa-aa/call", headers=asked)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_a_refusal_can_be_read_in_a_browser_too(client):
    answer = client.http.post("/nowhere", headers={"origin": "https://example.com"})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_body_that_does_not_arrive_is_given_up():
    with run_replica(ReplicaOptions(receive_timeout_seconds=0.05)) as running:
        with socket.create_connection((running.host, running.port), timeout=10) as connection:
            connection.sendall(
                b"POST /api/v3/canister/aaaaa-aa/query HTTP/1.1\r\nhost: replica\r\n"
                b"content-type: application/cbor\r\ncontent-length: 100\r\n\r\nbegin"
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{running.url}/api/v2/status").status_code == 200


def test_a_client_that_goes_away_does_no_harm(replica):
    with socket.create_connection((replica.host, replica.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v3/canister/aaaaa-aa/query HTTP/1.1\r\nhost: replica\r\n"
            b"content-type: application/cbor\r\ncontent-length: 100\r\n\r\nbegin"
        )
    assert httpx.get(f"{replica.url}/api/v2/status").status_code == 200
