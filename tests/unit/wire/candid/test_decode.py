"""Bytes to values: what a hostile message gets, and how a mismatch is named."""

import sys
import threading

import pytest

from juno_snap.errors import DecodeError
from juno_snap.wire.candid import (
    BLOB,
    EMPTY,
    INT,
    NAT,
    NAT8,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Func,
    Opt,
    Rec,
    Record,
    Service,
    Some,
    Tagged,
    Tuple,
    Variant,
    Vec,
    decode,
    decode_untyped,
    encode,
    format_reply,
)
from juno_snap.wire.leb128 import encode_unsigned as leb


def message(hex_text):
    return b"DIDL" + bytes.fromhex(hex_text)


BILLION = "8094ebdc03"
HOSTILE = [
    pytest.param(b"", "the message does not begin with DIDL", id="nothing at all"),
    pytest.param(b"DIDM\0\0", "the message does not begin with DIDL", id="another magic"),
    pytest.param(b"DID", "the message does not begin with DIDL", id="half a magic"),
    pytest.param(
        message(BILLION), "1000000000 type definitions; at most 10000", id="a table of a billion"
    ),
    pytest.param(
        message("914e"),
        "10001 type definitions; at most 10000",
        id="a table of ten thousand and one",
    ),
    pytest.param(
        message("00" + BILLION), "types with more than 50000 parts", id="a billion arguments"
    ),
    pytest.param(
        message("016c" + BILLION),
        "types with more than 50000 parts",
        id="a record of a billion fields",
    ),
    pytest.param(
        message("016a" + BILLION),
        "types with more than 50000 parts",
        id="a function of a billion arguments",
    ),
    pytest.param(
        message("0169" + BILLION),
        "types with more than 50000 parts",
        id="a service of a billion methods",
    ),
    pytest.param(
        message("000171" + BILLION),
        "1000000000 bytes are announced and 0 are left",
        id="a text of a billion bytes",
    ),
    pytest.param(
        message("000171" + "ffffffffffffffff7f"),
        "9223372036854775807 bytes are announced and 0 are left",
        id="a text of 2^63 bytes",
    ),
    pytest.param(
        message("016d7b0100" + BILLION),
        "1000000000 bytes are announced and 0 are left",
        id="a blob of a billion bytes",
    ),
    pytest.param(
        message("016d7b0100" + "808080808080808010"),
        "1152921504606846976 bytes are announced and 0 are left",
        id="a blob of 2^60 bytes",
    ),
    pytest.param(
        message("016d7f0100" + BILLION), "too many values for so few bytes", id="a billion nulls"
    ),
    pytest.param(
        message("016d7f0100" + "808080808080808010"),
        "too many values for so few bytes",
        id="2^60 nulls",
    ),
    pytest.param(
        message("026d016c000100" + "808080808080808010"),
        "too many values for so few bytes",
        id="2^60 empty records",
    ),
    pytest.param(
        message("000171" + "8080808080808080808000"),
        "a number of more than 10 bytes",
        id="a length of eleven bytes",
    ),
    pytest.param(
        message("000171" + "80" * 1000),
        "a number of more than 10 bytes",
        id="a length that does not end",
    ),
    pytest.param(
        message("00017d" + "80" * 1_000_000 + "00"),
        "a number of more than 586 bytes",
        id="a number of a megabyte",
    ),
    pytest.param(
        message("00017d" + "80" * 10),
        "the data ends within a number",
        id="a number that does not end",
    ),
    pytest.param(
        message("016c0100000100"), "values nested more than 200 deep", id="values without end"
    ),
    pytest.param(
        message("016e000100" + "01" * 10_000 + "00"),
        "values nested more than 200 deep",
        id="options ten thousand deep",
    ),
    pytest.param(
        message("016d000100" + "01" * 10_000 + "00"),
        "values nested more than 200 deep",
        id="lists ten thousand deep",
    ),
    pytest.param(
        message("016b0100000100" + "00" * 10_000),
        "values nested more than 200 deep",
        id="variants ten thousand deep",
    ),
    pytest.param(message("000171" + "01ff"), "text that is not UTF-8", id="text that is not UTF-8"),
    pytest.param(
        message("000171" + "03eda080"), "text that is not UTF-8", id="text with half a surrogate"
    ),
    pytest.param(message("00017e02"), "2 is no bool", id="a bool of 2"),
    pytest.param(message("016e7d010002"), "2 where an option has 0 or 1", id="an option of 2"),
    pytest.param(
        message("016b01007f010001"), "tag 1 of a variant with 1", id="a tag that is not there"
    ),
    pytest.param(
        message("000168011e" + "00" * 30),
        "a principal has at most 29 bytes, not 30",
        id="a principal of 30 bytes",
    ),
    pytest.param(
        message("00016800"), "an opaque reference instead of a principal", id="an opaque principal"
    ),
    pytest.param(
        message("016a000000010000"),
        "an opaque reference instead of a function",
        id="an opaque function",
    ),
    pytest.param(
        message("016a00000001000100"),
        "an opaque reference instead of a principal",
        id="a function of an opaque service",
    ),
    pytest.param(message("00016f"), "a value of type empty", id="a value of type empty"),
    pytest.param(
        message("01690101617d00"),
        "a method of a service that is no function",
        id="a method that is no function",
    ),
    pytest.param(
        message("0269020162010161016a00000000"),
        "methods that are not sorted or not unique",
        id="methods that are not sorted",
    ),
    pytest.param(
        message("016a0000010400"), "an unknown mode of a function", id="a mode that does not exist"
    ),
    pytest.param(
        message("016c02027d017d00"),
        "field ids that are not sorted",
        id="fields that are not sorted",
    ),
    pytest.param(message("016c02017d017d00"), "field ids that are not sorted", id="a field twice"),
    pytest.param(
        message("016c0180808080107d00"), "field ids that are not sorted", id="a field id of 2^32"
    ),
    pytest.param(
        message("017d00"), "-3 does not begin a type definition", id="a primitive type in the table"
    ),
    pytest.param(message("016e0100"), "there is no type 1", id="a reference out of the table"),
    pytest.param(
        message("01eeffffffffff7f"), "a number of more than 5 bytes", id="an opcode of six bytes"
    ),
    pytest.param(message("00017d0100"), "1 bytes follow the values", id="a byte too much"),
    pytest.param(message("00027d7d01"), "the data ends within a number", id="a byte too few"),
    pytest.param(
        message("01670001000001"),
        "references beside the message",
        id="a type of the future with references",
    ),
]


@pytest.mark.parametrize(("data", "fault"), HOSTILE)
def test_a_hostile_message_is_an_error(data, fault):
    with pytest.raises(DecodeError, match=fault):
        decode(data, [])
    with pytest.raises(DecodeError, match=fault):
        format_reply(data)


def exponential_record(levels, *, below):
    """A value of 2^levels nulls whose type takes a few bytes a level."""
    table = bytes([0x6C, 2, 0, 0x7F, 1, 0x7F])
    for level in range(levels - 1):
        table += bytes([0x6C, 2, 0, level, 1, level])
    return b"DIDL" + leb(levels + 1) + table + below


def test_a_small_message_cannot_ask_for_a_million_values():
    data = exponential_record(20, below=b"\x6e\x13\x01\x14\x01")
    with pytest.raises(DecodeError, match="too many values for so few bytes"):
        decode(data, [])


def test_values_that_need_no_bytes_are_read_in_reasonable_numbers():
    assert decode(message("016d7f0100e807"), [Vec(NULL)]) == [[None] * 1000]
    many = [{}] * 10_000
    assert decode(encode([Vec(Record({}))], [many]), [Vec(Record({}))]) == [many]


def test_a_type_table_may_have_ten_thousand_entries_and_no_more_parts_than_allowed():
    assert decode_untyped(b"DIDL" + leb(10_000) + b"\x6e\x7d" * 10_000 + b"\0") == []
    fields = b"".join(leb(number) + b"\x7f" for number in range(50_001))
    with pytest.raises(DecodeError, match="more than 50000 parts"):
        decode_untyped(b"DIDL\1\x6c" + leb(50_001) + fields + b"\0")


def test_two_hundred_levels_fit_into_a_deep_stack():
    """A caller that uses a third of the interpreter's frames still decodes the deepest message."""
    link = Rec()
    link.fill(Opt(Record({"tail": link})))
    value = None
    for _ in range(100):
        value = {"tail": value}
    found = []

    def work(frames):
        if frames:
            work(frames - 1)
        else:
            data = encode([link], [value])
            found.extend([decode(data, [link]), format_reply(data)])

    thread = threading.Thread(target=work, args=(sys.getrecursionlimit() // 3,))
    thread.start()
    thread.join()
    assert found[0] == [value]


def test_one_level_more_is_refused():
    with pytest.raises(DecodeError, match="nested more than 200 deep"):
        decode_untyped(message("016e000100" + "01" * 201 + "00"))
    assert decode_untyped(message("016e000100" + "01" * 200 + "00"))


def test_an_expected_option_without_end_is_refused():
    endless = Rec()
    endless.fill(Opt(endless))
    with pytest.raises(DecodeError, match="options without end"):
        decode(encode([NAT], [1]), [endless])


@pytest.mark.parametrize(
    ("sent", "value", "expected", "found"),
    [
        (NAT, 5, INT, 5),
        (NAT, 5, Opt(NAT), 5),
        (NAT, 5, Opt(TEXT), None),
        (NAT, 5, RESERVED, None),
        (NULL, None, Opt(NAT), None),
        (RESERVED, None, Opt(NAT), None),
        (Opt(NAT), 5, Opt(INT), 5),
        (Opt(NAT), 5, Opt(TEXT), None),
        (NAT, 5, Opt(Opt(NAT)), Some(5)),
        (NAT, 5, Opt(Opt(TEXT)), Some(None)),
        (Vec(NAT8), b"ab", Vec(Opt(NAT8)), [97, 98]),
        (Vec(EMPTY), [], BLOB, b""),
        (BLOB, b"", Vec(TEXT), []),
        (Record({"a": NAT, "z": TEXT}), {"a": 1, "z": "x"}, Record({"a": NAT}), {"a": 1}),
        (Record({"a": NAT}), {"a": 1}, Record({"a": NAT, "b": Opt(NAT)}), {"a": 1, "b": None}),
        (Record({"a": NAT}), {"a": 1}, Record({"b": RESERVED, "c": NULL}), {"b": None, "c": None}),
        (Record({"a": NAT}), {"a": 1}, Record({"a": Opt(TEXT)}), {"a": None}),
        (Tuple(NAT, TEXT), (1, "x"), Tuple(NAT), (1,)),
        (Tuple(NAT, TEXT), (1, "x"), Record({"_1_": TEXT}), {"_1_": "x"}),
        (Variant({"a": NAT, "b": NULL}), Tagged("a", 1), Variant({"a": INT}), Tagged("a", 1)),
        (Variant({"a": NAT, "b": NULL}), Tagged("b"), Opt(Variant({"a": INT})), None),
    ],
)
def test_a_value_is_seen_at_the_expected_type(sent, value, expected, found):
    assert decode(encode([sent], [value]), [expected]) == [found]


@pytest.mark.parametrize(
    ("sent", "value", "expected", "message"),
    [
        (TEXT, "x", NAT, "argument 1: expected nat, found text"),
        (INT, 5, NAT, "argument 1: expected nat, found int"),
        (RESERVED, None, NULL, "argument 1: expected null, found reserved"),
        (Vec(TEXT), ["x"], Vec(NAT), "argument 1, item 0: expected nat, found text"),
        (NAT, 1, Record({}), "argument 1: expected record, found nat"),
        (Record({}), {}, Record({"a": NAT}), "argument 1: field a is missing"),
        (Record({"a": Record({"b": NAT})}), {"a": {"b": 1}}, Record({"a": Record({"b": TEXT})}),
         "argument 1, field a, field b: expected text, found nat"),
        (Variant({"_5_": NULL}), Tagged("_5_"), Variant({"a": NULL}),
         "argument 1: tag _5_ is none of: a"),
        (Variant({"a": NAT}), Tagged("a", 1), Variant({"a": TEXT}),
         "argument 1, tag a: expected text, found nat"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(sent, value, expected, message):
    with pytest.raises(DecodeError) as caught:
        decode(encode([sent], [value]), [expected])
    assert caught.value.message == f"Candid: {message}"
    assert caught.value.code == "candid-type"


def test_missing_arguments_are_none_where_the_type_allows_it():
    data = encode([NAT], [1])
    assert decode(data, [NAT, Opt(NAT), NULL, RESERVED]) == [1, None, None, None]
    with pytest.raises(DecodeError, match="argument 2 is missing: expected text"):
        decode(data, [NAT, TEXT])


def test_further_arguments_are_ignored_and_yet_checked():
    assert decode(encode([NAT, TEXT], [1, "x"]), [NAT]) == [1]
    with pytest.raises(DecodeError):
        decode(message("00027d7e0105"), [NAT])


def test_references_are_taken_only_at_types_that_they_have():
    method = Func([NAT], [TEXT], ["query"])
    principal = decode(message("0001680100"), [PRINCIPAL])[0]
    data = encode([Service({"a": method, "b": method})], [principal])
    assert decode(data, [Service({"a": method})]) == [principal]
    assert decode(data, [PRINCIPAL]) == [principal]
    for other in (
        Service({"c": method}),
        Service({"a": Func([NAT], [TEXT])}),
        Service({"a": Func([INT], [TEXT], ["query"])}),
        Service({"a": Func([NAT], [NAT], ["query"])}),
    ):
        with pytest.raises(DecodeError, match="expected service, found service"):
            decode(data, [other])


def test_the_offset_of_a_fault_is_known():
    with pytest.raises(DecodeError) as caught:
        decode_untyped(message("00017e02"))
    assert caught.value.offset == 8
