import pytest

from juno_snap.errors import DecodeError
from juno_snap.wire import bls

SECRET = bytes(31) + b"\x05"
KEY = bls.public_key(SECRET)
SIGNATURE = bls.sign(SECRET, b"message")
INFINITY_G1 = b"\xc0" + bytes(47)
INFINITY_G2 = b"\xc0" + bytes(95)


def test_accepts_the_signature_of_its_message_only():
    assert bls.verify(KEY, SIGNATURE, b"message")
    assert not bls.verify(KEY, SIGNATURE, b"massage")
    assert not bls.verify(bls.public_key(bytes(31) + b"\x06"), SIGNATURE, b"message")


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SIGNATURE[:-1], id="cut-short"),
        pytest.param(SIGNATURE + b"\x00", id="too-long"),
        pytest.param(bytes([SIGNATURE[0] ^ 0x20]) + SIGNATURE[1:], id="the-negative-point"),
        pytest.param(bytes([SIGNATURE[0] & 0x7F]) + SIGNATURE[1:], id="not-marked-compressed"),
        pytest.param(INFINITY_G1, id="infinity"),
        pytest.param(b"\x9f" + b"\xff" * 47, id="above-the-field"),
        # x = 4 is on the curve y^2 = x^3 + 4 but not in the subgroup of prime order.
        pytest.param(b"\x80" + bytes(46) + b"\x04", id="outside-the-subgroup"),
    ],
)
def test_refuses_a_spoilt_signature(signature):
    assert not bls.verify(KEY, signature, b"message")


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="empty"),
        pytest.param(KEY[:-1], id="cut-short"),
        pytest.param(INFINITY_G2, id="infinity"),
        pytest.param(KEY[:-1] + bytes([KEY[-1] ^ 1]), id="one-bit"),
    ],
)
def test_refuses_a_spoilt_key(key):
    assert not bls.verify(key, SIGNATURE, b"message")
    assert not bls.verify(key, INFINITY_G1, b"message")


def test_a_key_survives_its_der_form():
    der = bls.public_key_to_der(KEY)
    assert len(der) == 133
    assert bls.der_to_public_key(der) == KEY


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"", id="empty"),
        pytest.param(KEY, id="bare"),
        pytest.param(bls.public_key_to_der(KEY)[:-1], id="cut-short"),
        pytest.param(bls.public_key_to_der(KEY) + b"\x00", id="too-long"),
        pytest.param(
            bls.public_key_to_der(KEY).replace(b"\x01\x02\x01\x06", b"\x01\x02\x02\x06"),
            id="another-algorithm",
        ),
        pytest.param(
            bls.public_key_to_der(KEY).replace(b"\x05\x03\x02\x01\x03", b"\x05\x03\x02\x02\x03"),
            id="another-curve",
        ),
    ],
)
def test_refuses_another_der_form(der):
    with pytest.raises(DecodeError):
        bls.der_to_public_key(der)


def test_a_bare_key_of_a_wrong_size_has_no_der_form():
    with pytest.raises(ValueError, match="96 bytes"):
        bls.public_key_to_der(KEY[:-1])
