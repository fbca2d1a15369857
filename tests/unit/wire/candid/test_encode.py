"""Values to bytes: what is taken, and how what is not taken is named."""

import pytest

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.wire.candid import (
    BLOB,
    FLOAT32,
    INT8,
    NAT,
    NAT8,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Func,
    FuncRef,
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
    encode,
)

CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")


def test_optional_fields_may_be_left_out():
    record = Record({"a": Opt(NAT), "b": TEXT, "c": RESERVED, "d": NULL})
    assert encode([record], [{"b": "x"}]) == encode(
        [record], [{"a": None, "b": "x", "c": None, "d": None}]
    )


def test_a_field_whose_name_begins_with_an_underscore_keeps_its_hash():
    assert decode(encode([Record({"_x": NAT})], [{"_x": 1}]), [Record({"_21305_": NAT})]) == [
        {"_21305_": 1}
    ]


@pytest.mark.parametrize(
    ("expected", "value", "message"),
    [
        (NAT, -1, "argument 1: expected nat, found int -1"),
        (NAT, True, "argument 1: expected nat, found bool True"),
        (NAT8, 256, "argument 1: expected nat8, found int 256"),
        (INT8, -129, "argument 1: expected int8, found int -129"),
        (FLOAT32, 1e39, "argument 1: expected float32, found float 1e+39"),
        (TEXT, b"x", "argument 1: expected text, found bytes"),
        (TEXT, "\ud800", "argument 1: expected text, found str '\\ud800'"),
        (PRINCIPAL, "aaaaa-aa", "argument 1: expected principal, found str 'aaaaa-aa'"),
        (BLOB, [1], "argument 1: expected blob, found list"),
        (Vec(NAT), [1, "x"], "argument 1, item 1: expected nat, found str 'x'"),
        (
            Record({"a": Record({"b": NAT})}),
            {"a": {"b": None}},
            "argument 1, field a, field b: expected nat, found NoneType",
        ),
        (Record({"a": NAT}), {}, "argument 1: field a is missing"),
        (
            Record({"a": NAT}),
            {"a": 1, "aa": 2},
            "argument 1: there is no field 'aa'; the fields are: a",
        ),
        (Record({"a": NAT}), [1], "argument 1: expected record, found list"),
        (Tuple(NAT, NAT), (1,), "argument 1: expected a tuple of 2"),
        (
            Variant({"ok": NULL}),
            Tagged("err"),
            "argument 1: there is no tag 'err'; the tags are: ok",
        ),
        (Variant({"ok": NAT}), Tagged("ok"), "argument 1, tag ok: expected nat, found NoneType"),
        (Opt(Opt(NAT)), 1, "argument 1: expected Some or None, found int"),
        (Func([], []), CANISTER, "argument 1: expected func, found Principal"),
        (Service({}), FuncRef(CANISTER, "x"), "argument 1: expected service, found FuncRef"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_its_place(expected, value, message):
    with pytest.raises(InputError) as caught:
        encode([expected], [value])
    assert caught.value.message == message


def test_a_number_beyond_the_limit_is_refused_and_not_printed_whole():
    assert decode(encode([NAT], [2**4096 - 1]), [NAT]) == [2**4096 - 1]
    with pytest.raises(InputError, match=r"expected nat, found int 1044388881\d+\.\.\.$"):
        encode([NAT], [2**4096])


def test_as_many_values_as_types_are_needed():
    with pytest.raises(InputError, match="1 values for 2 Candid types"):
        encode([NAT, NAT], [1])


def test_a_type_that_is_never_defined_is_refused():
    with pytest.raises(InputError, match="never defined"):
        encode([Opt(Rec())], [None])


def test_a_type_that_is_only_a_name_for_itself_is_refused():
    name = Rec()
    name.fill(name)
    with pytest.raises(InputError, match="never defined"):
        encode([name], [None])


def test_a_name_for_a_primitive_type_needs_no_place_in_the_table():
    name = Rec()
    name.fill(NAT)
    assert encode([name], [42]) == encode([NAT], [42])


def test_two_fields_with_one_id_are_refused():
    with pytest.raises(InputError, match="one name or one id"):
        Record({"a": NAT, "_97_": NAT})


def test_two_types_with_the_same_text_stay_apart():
    # Written without escapes both would be "record {a:nat; b:nat}".
    one, two = Record({"a:nat; b": NAT}), Record({"a": NAT, "b": NAT})
    data = encode([one, two], [{"a:nat; b": 1}, {"a": 2, "b": 3}])
    assert decode(data, [one, two]) == [{"a:nat; b": 1}, {"a": 2, "b": 3}]


def test_equal_definitions_are_written_once():
    assert encode([Opt(NAT), Opt(NAT)], [None, None]).hex() == "4449444c016e7d0200000000"


def test_values_that_never_end_are_refused():
    nested = Rec()
    nested.fill(Opt(Vec(nested)))
    value: list[object] = []
    value.append(value)
    with pytest.raises(InputError, match="nested more than 200 deep"):
        encode([nested], [value])


def test_types_that_never_end_are_refused():
    nested = NAT
    for _ in range(1000):
        nested = Opt(nested)
    with pytest.raises(InputError, match="type nested more than 200 deep"):
        encode([nested], [None])


def test_a_blob_may_be_any_buffer():
    data = encode([BLOB], [b"\0\xff"])
    assert encode([BLOB], [bytearray(b"\0\xff")]) == data
    assert encode([BLOB], [memoryview(b"\0\xff")]) == data


def test_some_is_taken_where_it_is_not_needed():
    assert encode([Opt(NAT)], [Some(1)]) == encode([Opt(NAT)], [1])
