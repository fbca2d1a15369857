"""Queries: each answer is signed by the node, replies and rejects alike."""

import time
from dataclasses import replace

import pytest

from juno_snap.ids import Principal
from juno_snap.wire.query_response import QueryRejected, QueryReplied, node_signing_payload
from juno_snap.wire.request_status import Replied
from juno_snap.wire.signature import verify
from tests.replica import requests
from tests.replica.client import NOWHERE
from tests.replica.requests import ALICE


def node_key(client, canister, node_id):
    """The node's key, as the certified state has it."""
    subnet_id = Principal.self_authenticating(client.replica.root_key)
    path = (b"subnet", subnet_id.raw, b"node", node_id.raw, b"public_key")
    return client.read(canister, (b"subnet",)).find(path, "the node's key")


def signed_by_node(client, canister, response, request_id):
    (signature,) = response.signatures
    payload = node_signing_payload(response, request_id, signature.timestamp_ns)
    return verify(node_key(client, canister, signature.node_id), payload, signature.signature)


@pytest.mark.parametrize("version", [2, 3])
def test_a_reply_is_signed_by_the_node(client, canister, version):
    response, request_id = client.query(canister, "look", version=version)
    assert isinstance(response, QueryReplied)
    assert signed_by_node(client, canister, response, request_id)


@pytest.mark.parametrize(
    ("method", "error_code"), [("no", "IC0406"), ("crash", "IC0502"), ("missing", "IC0536")]
)
def test_a_reject_is_signed_by_the_node(client, canister, method, error_code):
    response, request_id = client.query(canister, method)
    assert isinstance(response, QueryRejected)
    assert response.error_code == error_code
    assert response.reject_code == int(error_code[3])
    assert signed_by_node(client, canister, response, request_id)


def test_the_signature_is_for_this_answer_to_this_request_at_this_time(client, canister):
    response, request_id = client.query(canister, "look")
    (signature,) = response.signatures
    later = replace(signature, timestamp_ns=signature.timestamp_ns + 1)
    assert not signed_by_node(client, canister, replace(response, arg=b"other"), request_id)
    assert not signed_by_node(client, canister, response, bytes(32))
    assert not signed_by_node(client, canister, replace(response, signatures=(later,)), request_id)


def test_the_node_is_the_principal_of_its_key(client, canister):
    response, _ = client.query(canister, "look")
    (signature,) = response.signatures
    key = node_key(client, canister, signature.node_id)
    assert Principal.self_authenticating(key) == signature.node_id


def test_an_answer_has_the_time_of_now(client, canister):
    before_ns = time.time_ns()
    response, _ = client.query(canister, "now_query")
    (signature,) = response.signatures
    assert before_ns <= signature.timestamp_ns <= time.time_ns()
    assert int.from_bytes(response.arg, "little") == signature.timestamp_ns


def test_a_canister_that_does_not_exist_rejects_queries(client, canister):
    response, request_id = client.query(NOWHERE, "look")
    assert response.error_code == "IC0301"
    assert signed_by_node(client, canister, response, request_id)


def test_a_query_cannot_change_anything(client, canister):
    response, _ = client.query(canister, "ping")
    assert isinstance(response, QueryRejected)
    assert response.error_code == "IC0536"


def test_the_canister_of_the_address_must_be_the_one_asked(client, canister):
    content = requests.query(canister, "look", expiry_ns=client.expiry_ns())
    answer = client.post("query", NOWHERE, requests.body(content), version=3)
    assert answer.status_code == 400
    assert answer.text.startswith(f"Specified CanisterId {canister} does not match")


def test_only_the_anonymous_may_ask_with_an_old_expiry(client, canister):
    old = requests.query(canister, "look", expiry_ns=1)
    assert client.post("query", canister, requests.body(old), version=3).status_code == 200
    signed = requests.query(canister, "look", sender=ALICE.principal, expiry_ns=1)
    answer = client.post("query", canister, requests.body(signed, ALICE), version=3)
    assert answer.status_code == 400
    assert answer.text.startswith("Invalid request expiry: ")


def test_a_query_sees_the_certificate_of_the_canisters_own_data(client):
    canister = client.create("face")
    assert client.call(canister, "certify", b"the root of something") == Replied(b"")
    response, _ = client.query(canister, "certificate")
    verified = client.verify(response.arg, canister)
    path = (b"canister", canister.raw, b"certified_data")
    assert verified.find(path, "the certified data") == b"the root of something"
    (signature,) = response.signatures
    assert verified.time_ns == signature.timestamp_ns


def test_a_certificate_of_certified_data_shows_nothing_else(client):
    canister = client.create("face")
    response, _ = client.query(canister, "certificate")
    tree = repr(client.verify(response.arg, canister).tree)
    assert "for everybody" not in tree
    assert "controllers" not in tree
