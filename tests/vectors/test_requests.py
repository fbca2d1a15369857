"""Requests as others compute them.

Sources: vector A is the interface specification's own ("Request ids"). Vector B was computed for
this project with SHA-256 and Ed25519 of another implementation (noble, JavaScript), not with this
library. LEB128 samples: interface specification, "Request ids". Ed25519: RFC 8032, 7.1, TEST 2.
P-256: RFC 6979, A.2.5, SHA-256, message "sample". CBOR: RFC 8949, appendix A.
"""

import pytest

from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.wire import cbor, leb128, signature
from juno_snap.wire.envelope import (
    CallContent,
    Delegation,
    Envelope,
    ReadStateContent,
    decode_envelope,
    encode_envelope,
    request_signing_payload,
)
from juno_snap.wire.request_id import hash_of_map

EXPIRY_NS = 1_685_570_400_000_000_000
SEED = bytes(range(32))
KEY_DER = bytes.fromhex(
    "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
)
SENDER = "yavxl-ppty4-enezb-hcalr-cdgzv-zoexx-7od3c-urvk6-rfzs4-552ct-7ae"
CALLEE = Principal.parse("rt4r7-kaaaa-aaaaa-aatja-cai")
CALL = CallContent(
    sender=Principal.parse(SENDER),
    canister_id=CALLEE,
    method_name="hello",
    arg=bytes.fromhex("4449444c0000"),
    ingress_expiry_ns=EXPIRY_NS,
    nonce=bytes(range(16)),
)
REQUEST_ID = bytes.fromhex("e5b1beebe8c0e730579c4fa17280ed457a270824050c77933da44bb244716adb")
SENDER_SIGNATURE = bytes.fromhex(
    "c95fc9afa9101eac0df7a72bed97fe471a83fb799b5641e910716fb778d53aac"
    "7dd5dc1c8072a6da74288499849bb48f9b22b6c3ad1a3032476272e289bfbf06"
)
BODY = bytes.fromhex(
    "d9d9f7a367636f6e74656e74a76c726571756573745f747970656463616c6c6673656e646572581df3c708d264"
    "271017110cd9ae5c4bdfee1ec548d55e89732e77ba14fe026e696e67726573735f6578706972791b1764595927"
    "e9c0006b63616e69737465725f69644a00000000000004d201016b6d6574686f645f6e616d656568656c6c6f63"
    "617267464449444c0000656e6f6e636550000102030405060708090a0b0c0d0e0f6d73656e6465725f7075626b"
    "6579582c302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc866412"
    "5531b86a73656e6465725f7369675840c95fc9afa9101eac0df7a72bed97fe471a83fb799b5641e910716fb778"
    "d53aac7dd5dc1c8072a6da74288499849bb48f9b22b6c3ad1a3032476272e289bfbf06"
)


def test_request_id_of_the_specification():
    fields = {
        "request_type": "call",
        "sender": b"\x04",
        "ingress_expiry": EXPIRY_NS,
        "canister_id": bytes.fromhex("00000000000004d2"),
        "method_name": "hello",
        "arg": b"DIDL\x00\xfd*",
    }
    expected = "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101"
    assert hash_of_map(fields).hex() == expected


def test_key_and_principal():
    assert signature.ed25519_public_der(SEED) == KEY_DER
    assert str(Principal.self_authenticating(KEY_DER)) == SENDER


def test_request_id_with_a_nonce():
    assert CALL.request_id() == REQUEST_ID


def test_signature_of_a_request():
    payload = request_signing_payload(CALL.request_id())
    assert signature.sign_ed25519(SEED, payload) == SENDER_SIGNATURE
    assert signature.verify(KEY_DER, payload, SENDER_SIGNATURE)


def test_body_of_a_request():
    envelope = Envelope(content=CALL, sender_public_key=KEY_DER, sender_signature=SENDER_SIGNATURE)
    assert encode_envelope(envelope) == BODY
    assert decode_envelope(BODY) == envelope


def test_hash_of_a_read_state_request():
    content = ReadStateContent(
        sender=ANONYMOUS,
        paths=((b"request_status", REQUEST_ID), (b"time",)),
        ingress_expiry_ns=EXPIRY_NS,
    )
    expected = "40acf574b11eee6497dd9d1ef0a5cfcbb7573fa96647c8768926e0d5a2caf121"
    assert content.request_id().hex() == expected


def test_hash_of_a_delegation():
    delegation = Delegation(public_key=KEY_DER, expires_at_ns=EXPIRY_NS, targets=(CALLEE,))
    expected = "4f435e0ff965cf5a9b057d6292b8a20ef0d0b363aac28cb39b74c4992aa85f29"
    assert hash_of_map(delegation.fields()).hex() == expected


def test_leb128_samples():
    assert leb128.encode_unsigned(0) == b"\x00"
    assert leb128.encode_unsigned(624_485) == bytes.fromhex("e58e26")
    assert leb128.encode_signed(0) == b"\x00"
    assert leb128.encode_signed(-123_456) == bytes.fromhex("c0bb78")
    assert leb128.decode_unsigned(bytes.fromhex("e58e26")) == (624_485, 3)
    assert leb128.decode_signed(bytes.fromhex("c0bb78")) == (-123_456, 3)


def test_ed25519_of_rfc_8032():
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signed = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert signature.ed25519_public_der(seed) == signature.ED25519_DER_PREFIX + public
    assert signature.sign_ed25519(seed, b"\x72") == signed
    assert signature.verify(signature.ed25519_public_der(seed), b"\x72", signed)


def test_p256_of_rfc_6979():
    point = bytes.fromhex(
        "04"
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    )
    signed = bytes.fromhex(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )
    assert signature.verify(signature.P256_DER_PREFIX + point, b"sample", signed)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("1bffffffffffffffff", 18_446_744_073_709_551_615),
        ("c249010000000000000000", 18_446_744_073_709_551_616),
        ("f4", False),
        ("f6", None),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "ü"),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_cbor_of_rfc_8949(encoded, value):
    assert cbor.decode(bytes.fromhex(encoded)) == value
    assert cbor.decode(cbor.SELF_DESCRIBE + bytes.fromhex(encoded)) == value
