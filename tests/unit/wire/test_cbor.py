import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import DecodeError
from juno_snap.wire import cbor

plain = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**80) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_a_value_survives_its_encoding(value):
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_a_decode_error(data):
    try:
        value = cbor.decode(data)
    except DecodeError:
        return
    assert isinstance(value, int | float | str | bytes | list | dict | None)


def test_writes_the_tag_and_reads_without_it():
    assert cbor.encode({"a": 1}) == bytes.fromhex("d9d9f7a1616101")
    assert cbor.decode(bytes.fromhex("a1616101")) == {"a": 1}


def test_hands_out_plain_lists_and_maps():
    value = cbor.decode(bytes.fromhex("d9d9f7a161618101"))
    assert type(value) is dict
    assert type(value["a"]) is list


def test_reads_indefinite_lengths_and_big_naturals():
    assert cbor.decode(bytes.fromhex("9f5f41014102ffff")) == [b"\x01\x02"]
    assert cbor.decode(bytes.fromhex("c249010000000000000000")) == 2**64


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("0000", id="two-values"),
        pytest.param("d9d9f7", id="only-the-tag"),
        pytest.param("d9d9f7d9d9f700", id="the-tag-twice"),
        pytest.param("4401", id="cut-short"),
        pytest.param("9bffffffffffffffff00", id="endless-array"),
        pytest.param("5bffffffffffffffff00", id="endless-bytes"),
        pytest.param("a2616101616102", id="key-twice"),
        pytest.param("a10102", id="key-not-text"),
        pytest.param("61ff", id="not-utf8"),
        pytest.param("d81c81d81d00", id="cyclic-reference"),
        pytest.param("d90100824161d81900", id="string-reference"),
        pytest.param("c074323032352d30312d30315430303a30303a30305a", id="date"),
        pytest.param("c48220 01".replace(" ", ""), id="decimal"),
        pytest.param("d901028101", id="set"),
        pytest.param("d8640a", id="days"),
        pytest.param("d9fffe01", id="unknown-tag"),
        pytest.param("f7", id="undefined"),
        pytest.param("f0", id="simple-value"),
        pytest.param("ff", id="break"),
        pytest.param("81" * 129 + "00", id="too-deep"),
        pytest.param("81" * 100_000, id="far-too-deep"),
        pytest.param("9a00030d40" + "00" * 200_000, id="too-many-values"),
        pytest.param("9a00020000" + "8100" * 0x20000, id="too-many-arrays"),
    ],
)
def test_refuses(data):
    with pytest.raises(DecodeError):
        cbor.decode(bytes.fromhex(data))


def test_limits_are_arguments():
    assert cbor.decode(bytes.fromhex("8100"), max_depth=1, max_bytes=2) == [0]
    with pytest.raises(DecodeError):
        cbor.decode(bytes.fromhex("818100"), max_depth=1)
    with pytest.raises(DecodeError, match="above the limit of 2"):
        cbor.decode(bytes.fromhex("818100"), max_bytes=2)
    with pytest.raises(DecodeError, match="more than 2 values"):
        cbor.decode(bytes.fromhex("818100"), max_values=2)


def test_what_has_no_form_is_the_callers_mistake():
    with pytest.raises(TypeError):
        cbor.encode({"a": object()})


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (cbor.as_map, []),
        (cbor.as_list, {}),
        (cbor.as_bytes, "text"),
        (cbor.as_text, b"bytes"),
        (cbor.as_natural, -1),
        (cbor.as_natural, True),
        (cbor.as_natural, 1.0),
        (cbor.as_principal, bytes(30)),
        (cbor.as_principal, None),
    ],
)
def test_a_field_of_a_wrong_type_is_named(read, wrong):
    with pytest.raises(DecodeError, match="the field"):
        read(wrong, "the field")


def test_a_message_has_to_be_a_map():
    assert cbor.decode_map(cbor.encode({"a": [1]})) == {"a": [1]}
    with pytest.raises(DecodeError):
        cbor.decode_map(cbor.encode([1]))
