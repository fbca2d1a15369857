import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import DecodeError
from juno_snap.ids import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from juno_snap.wire import cbor
from juno_snap.wire.envelope import (
    CallContent,
    Delegation,
    Envelope,
    QueryContent,
    ReadStateContent,
    SignedDelegation,
    decode_envelope,
    encode_envelope,
    request_signing_payload,
)

principals = st.binary(max_size=29).map(Principal)
nonces = st.none() | st.binary(max_size=32)
numbers = st.integers(0, 2**64 - 1)


def methods(content):
    return st.builds(
        content,
        sender=principals,
        canister_id=principals,
        method_name=st.text(max_size=10),
        arg=st.binary(),
        ingress_expiry_ns=numbers,
        nonce=nonces,
    )


contents = (
    methods(CallContent)
    | methods(QueryContent)
    | st.builds(
        ReadStateContent,
        sender=principals,
        paths=st.lists(st.lists(st.binary(max_size=8), max_size=4).map(tuple), max_size=4).map(
            tuple
        ),
        ingress_expiry_ns=numbers,
        nonce=nonces,
    )
)
delegations = st.builds(
    SignedDelegation,
    delegation=st.builds(
        Delegation,
        public_key=st.binary(max_size=44),
        expires_at_ns=numbers,
        targets=st.none() | st.lists(principals, max_size=3).map(tuple),
        permissions=st.none() | st.sampled_from(["queries", "all"]),
    ),
    signature=st.binary(max_size=64),
)
envelopes = st.builds(
    Envelope,
    content=contents,
    sender_public_key=st.none() | st.binary(max_size=44),
    sender_signature=st.none() | st.binary(max_size=64),
    delegations=st.lists(delegations, max_size=3).map(tuple),
)

CALL = CallContent(
    sender=ANONYMOUS,
    canister_id=MANAGEMENT_CANISTER,
    method_name="stop_canister",
    arg=b"DIDL",
    ingress_expiry_ns=1,
)
FIELDS = {"content": CALL.fields()}
READ = {
    "content": ReadStateContent(sender=ANONYMOUS, paths=(), ingress_expiry_ns=1).fields(),
}
DELEGATION = {"delegation": {"pubkey": b"key", "expiration": 1}, "signature": b""}


@given(envelopes)
def test_an_envelope_survives_its_encoding(envelope):
    decoded = decode_envelope(encode_envelope(envelope))
    assert decoded == envelope
    assert decoded.content.request_id() == envelope.content.request_id()


@given(contents, contents)
def test_only_equal_contents_have_equal_request_ids(one, other):
    assert (one.request_id() == other.request_id()) == (one == other)


def test_a_query_is_not_the_call_with_the_same_fields():
    query = QueryContent(
        sender=CALL.sender,
        canister_id=CALL.canister_id,
        method_name=CALL.method_name,
        arg=CALL.arg,
        ingress_expiry_ns=CALL.ingress_expiry_ns,
    )
    assert query.request_id() != CALL.request_id()
    assert query != CALL


def test_the_anonymous_sender_sends_its_content_alone():
    assert cbor.decode_map(encode_envelope(Envelope(content=CALL))).keys() == {"content"}


def test_what_is_signed_begins_with_its_separator():
    payload = request_signing_payload(CALL.request_id())
    assert payload == b"\x0aic-request" + CALL.request_id()


@pytest.mark.parametrize(
    "targets", [None, (), (MANAGEMENT_CANISTER,)], ids=["any", "none", "management"]
)
def test_targets_are_part_of_what_a_delegation_signs(targets):
    delegation = Delegation(public_key=b"key", expires_at_ns=1, targets=targets)
    others = {
        Delegation(public_key=b"key", expires_at_ns=1, targets=other).signing_payload()
        for other in (None, (), (MANAGEMENT_CANISTER,))
        if other != targets
    }
    assert delegation.signing_payload() not in others
    assert delegation.signing_payload().startswith(b"\x1aic-request-auth-delegation")


def changed(fields, **changes):
    return {**fields, "content": {**fields["content"], **changes}}


def without(fields, name):
    return {"content": {key: item for key, item in fields["content"].items() if key != name}}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no-content"),
        pytest.param({"content": [1]}, id="content-no-map"),
        pytest.param({**FIELDS, "new": 1}, id="unknown-field"),
        pytest.param(changed(FIELDS, sender_info={}), id="unknown-content-field"),
        pytest.param(changed(READ, arg=b""), id="field-of-another-request"),
        pytest.param(changed(FIELDS, request_type="upgrade"), id="unknown-request-type"),
        pytest.param(changed(FIELDS, request_type=b"call"), id="request-type-no-text"),
        pytest.param(changed(FIELDS, sender=bytes(30)), id="sender-too-long"),
        pytest.param(changed(FIELDS, canister_id="aaaaa-aa"), id="canister-id-as-text"),
        pytest.param(changed(FIELDS, ingress_expiry=-1), id="negative-expiry"),
        pytest.param(changed(FIELDS, ingress_expiry=1.5), id="fractional-expiry"),
        pytest.param(changed(FIELDS, nonce=bytes(33)), id="nonce-too-long"),
        pytest.param(changed(FIELDS, arg="DIDL"), id="arg-as-text"),
        pytest.param(changed(FIELDS, method_name=b"stop"), id="method-name-as-bytes"),
        *[pytest.param(without(FIELDS, name), id=f"no-{name}") for name in FIELDS["content"]],
        pytest.param(without(READ, "paths"), id="no-paths"),
        pytest.param(changed(READ, paths=[[]] * 1001), id="too-many-paths"),
        pytest.param(changed(READ, paths=[[b""] * 128]), id="path-too-long"),
        pytest.param(changed(READ, paths=[["time"]]), id="label-as-text"),
        pytest.param({**FIELDS, "sender_sig": "text"}, id="signature-as-text"),
        pytest.param({**FIELDS, "sender_delegation": {}}, id="delegations-no-array"),
        pytest.param({**FIELDS, "sender_delegation": [DELEGATION] * 21}, id="21-delegations"),
        pytest.param(
            {**FIELDS, "sender_delegation": [{"delegation": {}, "signature": b""}]},
            id="empty-delegation",
        ),
        pytest.param(
            {**FIELDS, "sender_delegation": [{**DELEGATION, "new": 1}]}, id="delegation-field"
        ),
        pytest.param(
            {
                **FIELDS,
                "sender_delegation": [
                    {
                        "delegation": {"pubkey": b"", "expiration": 1, "targets": [b""] * 1001},
                        "signature": b"",
                    }
                ],
            },
            id="1001-targets",
        ),
    ],
)
def test_refuses(fields):
    with pytest.raises(DecodeError):
        decode_envelope(cbor.encode(fields))


def test_the_untouched_fields_are_accepted():
    assert decode_envelope(cbor.encode(FIELDS)).content == CALL
    assert decode_envelope(cbor.encode(READ)).content.paths == ()
    assert decode_envelope(
        cbor.encode({**FIELDS, "sender_delegation": [DELEGATION] * 20})
    ).delegations
