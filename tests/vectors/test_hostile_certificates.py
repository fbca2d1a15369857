"""Certificates that are wrong in one way each, and what we say is wrong with them.

Source: ``hostile_certificates.json`` is made by ``make_hostile_certificates.mjs`` beside it, from
the interface specification ("Certification"), with noble curves and nothing of ours.
``tests/interop`` makes it anew, and asks the platform's own library for its verdict.
"""

import json
from pathlib import Path

import pytest

from juno_snap.errors import TrustError
from juno_snap.ids import Principal, RequestId
from juno_snap.wire.certificate import (
    CanisterScope,
    CertificateTimeError,
    SubnetScope,
    request_status,
    verify_certificate,
)
from juno_snap.wire.request_status import Replied

VECTORS = json.loads(Path(__file__).with_name("hostile_certificates.json").read_bytes())
ROOT_KEY, SUBNET, CANISTER, REQUEST = (
    bytes.fromhex(VECTORS[name]) for name in ("root_key", "subnet", "canister", "request")
)
NOW_NS = int(VECTORS["now_ns"])
SECOND_NS = 1_000_000_000

MALFORMED, SIGNATURE, DELEGATION, RANGE, PRUNED, STALE, AHEAD = (
    f"certificate-{name}"
    for name in ("malformed", "signature", "delegation", "range", "pruned", "stale", "ahead")
)
HERE, THERE = Principal(CANISTER), Principal(SUBNET)
NOT_OURS = "this network did not make it"
NOT_ITS_CANISTER = f"subnet {THERE} may not speak for canister {HERE}"

REASONS = {
    "cut short": (MALFORMED, "the certificate is malformed: malformed CBOR: premature end"),
    "something behind it": (MALFORMED, "1 bytes follow the CBOR value"),
    "no tree": (MALFORMED, "a node of a hash tree is not an array"),
    "no signature": (MALFORMED, "the signature of a certificate is not a byte string"),
    "a signature that is text": (MALFORMED, "the signature of a certificate is not a byte string"),
    "an unknown kind of node": (MALFORMED, "a node of a hash tree is malformed (kind 5)"),
    "a digest of 31 bytes": (MALFORMED, "a digest of 31 bytes"),
    "a fork of one": (MALFORMED, "a node of a hash tree is malformed (kind 1)"),
    "labels in the wrong order": (MALFORMED, "the certificate is malformed: the labels of a hash"),
    "a label twice": (MALFORMED, "the certificate is malformed: the labels of a hash tree are not"),
    "a value beside labels": (MALFORMED, "a hash tree mixes a value with other nodes"),
    "a wrong order further below": (MALFORMED, "the labels of a hash tree are not in increasing"),
    "signed by another key": (SIGNATURE, NOT_OURS),
    "a reply changed after signing": (SIGNATURE, NOT_OURS),
    "a time changed after signing": (SIGNATURE, NOT_OURS),
    "signed as something else than a state": (SIGNATURE, NOT_OURS),
    "signed without a separator": (SIGNATURE, NOT_OURS),
    "a signature of 47 bytes": (SIGNATURE, NOT_OURS),
    "a signature outside the group": (SIGNATURE, NOT_OURS),
    "a signature at infinity": (SIGNATURE, NOT_OURS),
    "a subnet without its delegation": (SIGNATURE, NOT_OURS),
    "the root key with a delegation": (SIGNATURE, NOT_OURS),
    "a delegation that a stranger signed": (DELEGATION, "the root key did not sign"),
    "a delegation that the subnet signed itself": (DELEGATION, "the root key did not sign"),
    "a delegation that rests on another": (DELEGATION, "rests on a further delegation"),
    "a delegation for another subnet": (DELEGATION, f"the delegation is not for subnet {THERE}"),
    "a delegation with another subnet id": (DELEGATION, "the delegation is not for subnet oqpme"),
    "a subnet id of 30 bytes": (MALFORMED, "subnet_id has 30 bytes"),
    "a delegation that is no certificate": (
        MALFORMED,
        "the subnet's delegation is malformed: malformed CBOR",
    ),
    "a delegation without an order": (
        MALFORMED,
        "the subnet's delegation is malformed: the labels of a hash tree are not in increasing",
    ),
    "a delegation that hides the key": (PRUNED, f"does not show the key of subnet {THERE}"),
    "a subnet key of another algorithm": (MALFORMED, "not the DER form of a BLS12-381 public key"),
    "a subnet key cut short": (MALFORMED, "not the DER form of a BLS12-381 public key"),
    "a delegation without a time": (MALFORMED, "the subnet's delegation has no time"),
    "a delegation of last month and two days": (STALE, "the subnet's delegation is 2764800 s old"),
    "a delegation of tomorrow": (AHEAD, "the subnet's delegation is 86400 s ahead"),
    "a canister below the range": (RANGE, NOT_ITS_CANISTER),
    "a canister above the range": (RANGE, NOT_ITS_CANISTER),
    "a canister between two shards": (RANGE, NOT_ITS_CANISTER),
    "a canister in the older ranges only": (RANGE, NOT_ITS_CANISTER),
    "a canister outside the older ranges": (RANGE, NOT_ITS_CANISTER),
    "no ranges at all": (RANGE, NOT_ITS_CANISTER),
    "ranges of another subnet only": (RANGE, NOT_ITS_CANISTER),
    "hidden ranges": (PRUNED, f"hides whether canister {HERE} is on subnet {THERE}"),
    "a hidden shard": (PRUNED, f"hides whether canister {HERE} is on subnet {THERE}"),
    "a range with one end": (MALFORMED, "a range of canister ids does not have two ends"),
    "ranges that are no CBOR": (
        MALFORMED,
        "the list of the subnet's canisters is malformed: malformed CBOR",
    ),
    "six minutes old": (STALE, "the certificate is 360 s old"),
    "six minutes ahead": (AHEAD, "the certificate is 360 s ahead"),
    "no time": (MALFORMED, "the certificate has no time"),
    "a hidden time": (PRUNED, "does not show the time of the certificate"),
    "a time that never ends": (
        MALFORMED,
        "the time of the certificate is malformed: the data ends within a number",
    ),
    "a time with labels": (
        MALFORMED,
        "the time of the certificate is malformed: a path leads to labels",
    ),
    "a hidden status": (PRUNED, f"does not show the status of request {REQUEST.hex()}"),
    "a hidden call": (PRUNED, f"does not show the status of request {REQUEST.hex()}"),
    "an unknown status": (MALFORMED, "an unknown status: 'paid'"),
    "a status that is no text": (MALFORMED, "the status of a request is not text"),
    "a status with labels": (
        MALFORMED,
        f"the status of request {REQUEST.hex()} is malformed: a path leads to labels",
    ),
    "a reply that is missing": (MALFORMED, f"has no reply for request {REQUEST.hex()}"),
    "a hidden reply": (PRUNED, f"does not show the reply of request {REQUEST.hex()}"),
    "a reject without a code": (MALFORMED, f"has no reject_code for request {REQUEST.hex()}"),
    "a reject code that never ends": (MALFORMED, "the reject code is malformed: the data ends"),
    "a hidden reject message": (
        PRUNED,
        f"does not show the reject_message of request {REQUEST.hex()}",
    ),
}


def outcome(certificate, scope=None, root_key=ROOT_KEY):
    """What the certificate says of the call, for a client that asked for this canister."""
    verified = verify_certificate(
        bytes.fromhex(certificate),
        root_key=root_key,
        scope=scope or CanisterScope(HERE),
        now_ns=NOW_NS,
    )
    return request_status(verified, RequestId(REQUEST))


@pytest.mark.parametrize("name", VECTORS["good"])
def test_a_good_certificate_is_believed(name):
    assert outcome(VECTORS["good"][name]) == Replied(b"DIDL\0\0")


@pytest.mark.parametrize("name", VECTORS["hostile"])
def test_a_hostile_certificate_is_refused_for_what_is_wrong_with_it(name):
    code, says = REASONS[name]
    with pytest.raises(TrustError) as caught:
        outcome(VECTORS["hostile"][name])
    assert caught.value.code == code
    assert says in caught.value.message


def test_every_hostile_certificate_has_its_reason():
    assert REASONS.keys() == VECTORS["hostile"].keys()
    assert len(REASONS) > 20
    assert len(set(REASONS.values())) > 20


@pytest.mark.parametrize(
    ("name", "late_seconds"),
    [
        ("six minutes old", 360),
        ("six minutes ahead", -360),
        ("a delegation of last month and two days", 32 * 86_400),
        ("a delegation of tomorrow", -86_400),
    ],
)
def test_a_wrong_time_is_told_in_numbers(name, late_seconds):
    with pytest.raises(CertificateTimeError) as caught:
        outcome(VECTORS["hostile"][name])
    assert caught.value.fields == {
        "certificate_time_ns": NOW_NS - late_seconds * SECOND_NS,
        "now_ns": NOW_NS,
    }


def test_a_subnet_speaks_for_itself_and_for_no_other():
    good = VECTORS["good"]
    own = outcome(good["of another subnet"], SubnetScope(THERE))
    assert own == Replied(b"DIDL\0\0")
    for name in ("of the root subnet", "of another subnet"):
        with pytest.raises(TrustError, match="not from aaaaa-aa") as caught:
            outcome(good[name], SubnetScope(Principal(b"")))
        assert caught.value.code == RANGE


@pytest.mark.parametrize("name", VECTORS["good"])
def test_no_certificate_is_good_on_another_network(name):
    with pytest.raises(TrustError) as caught:
        outcome(VECTORS["good"][name], root_key=bytes.fromhex(VECTORS["other_root_key"]))
    assert caught.value.code == (DELEGATION if "another subnet" in name else SIGNATURE)
