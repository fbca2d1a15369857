import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import DecodeError
from juno_snap.wire import leb128


@given(st.integers(0, 2**128), st.binary(max_size=3))
def test_an_unsigned_number_survives_its_encoding(value, before):
    data = before + leb128.encode_unsigned(value)
    assert leb128.decode_unsigned(data + b"\x00", len(before)) == (value, len(data))


@given(st.integers(-(2**127), 2**127), st.binary(max_size=3))
def test_a_signed_number_survives_its_encoding(value, before):
    data = before + leb128.encode_signed(value)
    assert leb128.decode_signed(data + b"\x00", len(before)) == (value, len(data))


def test_longer_forms_are_read():
    assert leb128.decode_natural(b"\x81\x80\x00") == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="cut-short"),
        pytest.param(b"\x01\x01", id="two-numbers"),
        pytest.param(b"\x80" * 19 + b"\x01", id="too-long"),
        pytest.param(b"\xff" * 100_000, id="far-too-long"),
    ],
)
def test_refuses(data):
    with pytest.raises(DecodeError):
        leb128.decode_natural(data)


def test_a_longer_number_can_be_allowed():
    data = leb128.encode_unsigned(2**300)
    with pytest.raises(DecodeError):
        leb128.decode_unsigned(data)
    assert leb128.decode_unsigned(data, max_bytes=64) == (2**300, len(data))


def test_a_negative_number_has_no_unsigned_form():
    with pytest.raises(ValueError, match="negative"):
        leb128.encode_unsigned(-1)
