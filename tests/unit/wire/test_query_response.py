import pytest

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal, RequestId
from juno_snap.wire import cbor, signature
from juno_snap.wire.query_response import (
    NodeSignature,
    QueryRejected,
    QueryReplied,
    decode_query_response,
    encode_query_response,
    node_signing_payload,
)

SEED = bytes(32)
NODE_KEY = signature.ed25519_public_der(SEED)
NODE = Principal.self_authenticating(NODE_KEY)
REQUEST = RequestId(b"r" * 32)
SIGNED = (NodeSignature(node_id=NODE, timestamp_ns=5, signature=b"s" * 64),)
REPLIED = QueryReplied(arg=b"DIDL", signatures=SIGNED)
REJECTED = QueryRejected(
    reject_code=5, reject_message="trapped", error_code="IC0503", signatures=SIGNED
)


@pytest.mark.parametrize(
    "response",
    [REPLIED, REJECTED, QueryRejected(reject_code=3, reject_message="no"), QueryReplied(arg=b"")],
)
def test_an_answer_survives_its_encoding(response):
    assert decode_query_response(encode_query_response(response)) == response


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param((QueryReplied(arg=b"DIDM"), REQUEST, 5), id="another-reply"),
        pytest.param((REPLIED, RequestId(b"q" * 32), 5), id="another-request"),
        pytest.param((REPLIED, REQUEST, 6), id="another-time"),
        pytest.param((REJECTED, REQUEST, 5), id="a-reject"),
    ],
)
def test_a_node_signs_answer_request_and_time(forged):
    signed = signature.sign_ed25519(SEED, node_signing_payload(REPLIED, REQUEST, 5))
    assert signature.verify(NODE_KEY, node_signing_payload(REPLIED, REQUEST, 5), signed)
    assert not signature.verify(NODE_KEY, node_signing_payload(*forged), signed)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(QueryRejected(reject_code=5, reject_message="trapped"), id="no-error-code"),
        pytest.param(
            QueryRejected(reject_code=5, reject_message="trapped", error_code=""),
            id="empty-error-code",
        ),
        pytest.param(
            QueryRejected(reject_code=4, reject_message="trapped", error_code="IC0503"),
            id="another-code",
        ),
    ],
)
def test_a_node_signs_every_part_of_a_reject(other):
    assert node_signing_payload(other, REQUEST, 5) != node_signing_payload(REJECTED, REQUEST, 5)


def test_unknown_fields_are_skipped_and_signatures_may_be_missing():
    data = cbor.encode({"status": "replied", "reply": {"arg": b"1", "new": 1}, "new": 2})
    assert decode_query_response(data) == QueryReplied(arg=b"1")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no-status"),
        pytest.param({"status": "received"}, id="unknown-status"),
        pytest.param({"status": "replied"}, id="no-reply"),
        pytest.param({"status": "replied", "reply": {"arg": "text"}}, id="arg-as-text"),
        pytest.param({"status": "rejected", "reject_code": 1}, id="no-message"),
        pytest.param(
            {"status": "rejected", "reject_code": -1, "reject_message": ""}, id="negative-code"
        ),
        pytest.param(
            {"status": "replied", "reply": {"arg": b""}, "signatures": [{}]}, id="empty-signature"
        ),
        pytest.param(
            {"status": "replied", "reply": {"arg": b""}, "signatures": {}}, id="signatures-no-array"
        ),
        pytest.param(["replied"], id="no-map"),
    ],
)
def test_refuses(fields):
    with pytest.raises(DecodeError):
        decode_query_response(cbor.encode(fields))
