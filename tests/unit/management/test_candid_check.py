import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import InputError
from juno_snap.management.candid_check import (
    Expectation,
    arguments_of,
    check_fits,
    compare_reply,
)
from juno_snap.wire.candid import (
    BLOB,
    BOOL,
    FLOAT32,
    FLOAT64,
    INT,
    INT8,
    NAT,
    NAT8,
    NAT64,
    TEXT,
    Opt,
    Record,
    Tagged,
    Variant,
    Vec,
    encode,
    format_reply,
    parse_interface,
)
from tests.unit.wire.candid.candid_values import typed_values

PERSON = Record({"age": NAT8, "name": TEXT})
ADA = encode([PERSON], [{"age": 36, "name": "Ada"}])
RESULT = Variant({"ok": NAT, "err": TEXT})
NUMBERS = Vec(NAT)


def wanted(expected, args="()"):
    return Expectation(method="f", args=args, expected=expected)


def is_equal(reply, expected, did=None):
    interface = parse_interface(did) if did else None
    return compare_reply(reply, wanted(expected), interface=interface).is_equal


@pytest.mark.parametrize("kind", [NAT, INT, NAT8, INT8, NAT64, FLOAT32, FLOAT64])
def test_a_number_is_compared_whatever_its_type(kind):
    reply = encode([kind], [3])
    assert is_equal(reply, "3")
    assert is_equal(reply, "(3)")
    assert not is_equal(reply, "4")
    assert not is_equal(reply, '"3"')
    assert not is_equal(reply, "(3, 3)")


def test_a_type_that_is_written_belongs_to_the_value():
    assert is_equal(encode([NAT8], [3]), "(3 : nat8)")
    assert not is_equal(encode([NAT8], [3]), "(3 : nat16)")


@pytest.mark.parametrize(
    ("kind", "value", "same", "other"),
    [
        (TEXT, 'a"b\n', '"a\\"b\\n"', '"ab"'),
        (BOOL, True, "true", "1"),
        (Opt(NAT), 3, "opt 3", "null"),
        (Opt(NAT), None, "null", "opt 3"),
        (Opt(TEXT), "x", '(opt "x")', 'opt opt "x"'),
        (BLOB, b"\x00a", 'blob "\\00a"', 'blob "a"'),
        (BLOB, b"\x00a", "vec { 0; 97 }", "vec { 0 }"),
        (NUMBERS, [1, 2], "vec { 1; 2 }", "vec { 2; 1 }"),
        (NUMBERS, [], "vec {}", "null"),
        (RESULT, Tagged("ok", 3), "variant { ok = 3 }", 'variant { err = "3" }'),
        (FLOAT32, 0.1, "0.1", "0.2"),
        (FLOAT64, float("nan"), "nan", "inf"),
    ],
)  # fmt: skip
def test_values_are_compared_as_the_type_of_the_reply_has_them(kind, value, same, other):
    reply = encode([kind], [value])
    assert is_equal(reply, same)
    assert not is_equal(reply, other)


def test_fields_stand_in_any_order_and_none_is_missing():
    assert is_equal(ADA, 'record { name = "Ada"; age = 36 }')
    assert is_equal(ADA, 'record { age = 36; name = "Ada" }')
    assert not is_equal(ADA, "record { age = 36 }")
    assert not is_equal(ADA, 'record { age = 36; name = "Ada"; more = 1 }')


def test_a_reply_is_also_compared_as_the_interface_describes_it():
    did = "service : { f : () -> (record { name : text }) query }"
    assert is_equal(ADA, 'record { name = "Ada" }', did)
    assert is_equal(ADA, 'record { name = "Ada"; age = 36 }', did)
    assert not is_equal(ADA, 'record { name = "Bob" }', did)


def test_several_results_are_compared_together():
    reply = encode([NAT, BOOL], [1, True])
    assert is_equal(reply, "(1, true)")
    assert not is_equal(reply, "1")
    assert not is_equal(reply, "(1, false)")
    assert is_equal(encode([], []), "()")


def test_what_came_is_told_with_names_of_the_interface():
    did = "service : { f : () -> (record { name : text; age : nat8 }) query }"
    compared = compare_reply(ADA, wanted("1"), interface=parse_interface(did))
    assert compared.actual == '(record { age = 36 : nat8; name = "Ada" })'


@pytest.mark.parametrize("reply", [b"", b"hello", b"DIDL\x00\x01\x71"])
def test_what_is_no_candid_is_equal_to_nothing(reply):
    compared = compare_reply(reply, wanted("()"), interface=None)
    assert not compared.is_equal
    assert "no Candid" in compared.actual
    assert reply.hex() in compared.actual


@given(st.lists(typed_values(), max_size=3))
def test_every_reply_is_what_it_is_printed_as(drawn):
    reply = encode([kind for kind, _ in drawn], [value for _, value in drawn])
    assert is_equal(reply, format_reply(reply))


DID = "service : { f : (nat64, opt text) -> (text) query }"


@pytest.mark.parametrize("args", ["(1)", "(1, null)", '(1, opt "a")'])
def test_arguments_take_the_types_of_the_method(args):
    interface = parse_interface(DID)
    check_fits(wanted('"x"', args), interface)
    assert arguments_of(wanted("1", args), interface.methods["f"])[:5] == b"DIDL\x01"


@pytest.mark.parametrize(
    ("args", "expected"),
    [("()", '"x"'), ('("1")', '"x"'), ("(1)", "3"), ("(1)", '("x", 1)'), ("(1 : nat)", '"x"')],
)
def test_a_call_of_other_types_than_the_interface_is_refused(args, expected):
    with pytest.raises(InputError):
        check_fits(wanted(expected, args), parse_interface(DID))


def test_a_method_that_the_interface_does_not_know_may_be_of_any_type():
    interface = parse_interface("service : {}")
    check_fits(wanted("3", "(1)"), interface)
    assert arguments_of(wanted("3", "(1)"), None) == encode([NAT], [1])
