import pytest

from juno_snap.errors import InputError, PreconditionError
from juno_snap.flow.model import (
    DATA_MAX_BYTES,
    DEPTH_MAX,
    SNAPSHOT_MAX_BYTES,
    SnapshotTooLargeError,
    check_name,
    decode,
    encode_data,
    encode_snapshot,
)

CIRCLE = []
CIRCLE.append(CIRCLE)


def text_of(size_bytes, letter="x"):
    """Text that takes that many bytes as JSON."""
    return letter * ((size_bytes - 2) // len(letter.encode()))


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["", "2017-01-01T00:00:00.000Z", 0, -1.5, None, True, [], {}, {"a": {"b": [1, None]}}, "ü€😀"],
)
@pytest.mark.proves("A5")
def test_what_is_json_comes_back_as_it_was(value):
    assert decode(encode_snapshot(value)) == value


@pytest.mark.parametrize("letter", ["x", "ü", "€", "😀"])
@pytest.mark.proves("A13", "B12")
def test_the_limit_counts_bytes_of_compact_utf_8(letter):
    width = len(letter.encode())
    largest = letter * ((SNAPSHOT_MAX_BYTES - 2) // width)
    largest += "y" * (SNAPSHOT_MAX_BYTES - 2 - len(largest.encode()))
    assert len(encode_snapshot(largest).encode()) == SNAPSHOT_MAX_BYTES
    with pytest.raises(SnapshotTooLargeError) as refused:
        encode_snapshot(largest + "y")
    assert refused.value.fields == {"size_bytes": 5121, "limit_bytes": 5120}


@pytest.mark.proves("A13")
def test_the_limit_counts_no_spaces_between_the_parts():
    value = {str(number): [number, number] for number in range(300)}
    body = encode_snapshot(value)
    assert " " not in body
    assert len(body) < SNAPSHOT_MAX_BYTES


@pytest.mark.proves("A14", "B13")
def test_a_refusal_names_size_limit_and_another_way():
    with pytest.raises(SnapshotTooLargeError) as refused:
        encode_snapshot("x" * 6000)
    assert "5120" in refused.value.message
    assert "6002" in refused.value.message
    assert "emit" in refused.value.hint


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="NaN"),
        pytest.param({"a": float("inf")}, id="infinity"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({1, 2}, id="set"),
        pytest.param(object(), id="object"),
        pytest.param(CIRCLE, id="circle"),
        pytest.param("\ud800", id="half a character"),
        pytest.param({1: "a"}, id="number as a name"),
        pytest.param([{"a": [{None: 1}]}], id="null as a name, deep"),
        pytest.param(10**5000, id="a number that cannot be read back"),
        pytest.param(nested(DEPTH_MAX + 1), id="deeper than allowed"),
        pytest.param(nested(100_000), id="deeper than the stack"),
    ],
)
def test_what_is_no_json_is_refused(value):
    with pytest.raises(InputError) as refused:
        encode_snapshot(value)
    assert refused.value.code == "not-json"


def test_what_is_just_not_too_deep_comes_back():
    assert decode(encode_snapshot(nested(DEPTH_MAX))) == nested(DEPTH_MAX)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "'a'", "-Infinity", "[" * 100_000])
def test_text_that_is_no_json_is_refused(text):
    with pytest.raises(InputError) as refused:
        decode(text)
    assert refused.value.code == "not-json"


def test_a_number_that_overflows_is_refused_when_it_is_kept():
    with pytest.raises(InputError, match="JSON"):
        encode_snapshot(decode("1e999"))


def test_a_message_has_a_limit_of_its_own():
    assert len(encode_data("x" * (DATA_MAX_BYTES - 2))) == DATA_MAX_BYTES
    with pytest.raises(PreconditionError) as refused:
        encode_data("x" * DATA_MAX_BYTES)
    assert refused.value.code == "data-too-large"


@pytest.mark.proves("A16", "B15")
def test_about_170_canister_ids_fill_a_step_snapshot():
    ids = [f"rrkah-fqaaa-aaaaa-{number:05}-cai" for number in range(1000)]
    fit = next(n for n in range(1000) if len(encode_data(ids[: n + 1])) > SNAPSHOT_MAX_BYTES)
    assert 150 <= fit <= 190
    encode_snapshot(ids[:fit])
    with pytest.raises(SnapshotTooLargeError):
        encode_snapshot(ids[: fit + 1])


@pytest.mark.parametrize("name", ["a", "query-orders", "A.b_c-1", "x" * 64])
def test_names_of_flows_and_steps(name):
    assert check_name("flow", name) == name


@pytest.mark.parametrize("name", ["", ".", "-a", "a b", "a/b", "../a", "x" * 65, "é", 7, None])
def test_other_names_are_refused(name):
    with pytest.raises(InputError):
        check_name("flow", name)
