"""Bytes to Candid text: one form, readable, and safe to show."""

import pytest

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.wire.candid import (
    BLOB,
    BOOL,
    EMPTY,
    FLOAT32,
    FLOAT64,
    INT,
    INT16,
    NAT,
    NAT8,
    NAT64,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Func,
    FuncRef,
    Opt,
    Record,
    Service,
    Some,
    Tagged,
    Tuple,
    Variant,
    Vec,
    encode,
    format_reply,
)

CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (NAT, 42, "42 : nat"),
        (NAT, 1000, "1_000 : nat"),
        (INT, -1234567, "-1_234_567 : int"),
        (NAT8, 255, "255 : nat8"),
        (NAT64, 2**64 - 1, "18_446_744_073_709_551_615 : nat64"),
        (INT16, -1000, "-1_000 : int16"),
        (FLOAT64, 1.0, "1.0 : float64"),
        (FLOAT64, 0.1, "0.1 : float64"),
        (FLOAT64, 1e22, "1e+22 : float64"),
        (FLOAT64, float("nan"), "nan : float64"),
        (FLOAT32, float("-inf"), "-inf : float32"),
        (FLOAT32, 0.1, "0.1 : float32"),
        (FLOAT32, 16777216.0, "16777216.0 : float32"),
        (FLOAT32, 3.4028234663852886e38, "3.4028235e+38 : float32"),
        (FLOAT32, 3.4025001647762064e38, "3.4025002e+38 : float32"),
        (FLOAT32, 1.401298464324817e-45, "1e-45 : float32"),
        (BOOL, True, "true"),
        (NULL, None, "null"),
        (RESERVED, None, "null : reserved"),
        (TEXT, "plain \u2603", '"plain \u2603"'),
        (TEXT, 'q"\\\n\r\t', r'"q\"\\\n\r\t"'),
        (TEXT, "\x1b[31m\u202e", r'"\u{1b}[31m\u{202e}"'),
        (BLOB, b"\0\xff", r'blob "\00\ff"'),
        (BLOB, b"", 'blob ""'),
        (BLOB, b"abc", 'blob "abc"'),
        (BLOB, b'a"c', r'blob "\61\22\63"'),
        (PRINCIPAL, CANISTER, 'principal "rrkah-fqaaa-aaaaa-aaaaq-cai"'),
        (Service({}), CANISTER, 'service "rrkah-fqaaa-aaaaa-aaaaq-cai"'),
        (Func([], []), FuncRef(CANISTER, "m"), 'func "rrkah-fqaaa-aaaaa-aaaaq-cai".m'),
        (Func([], []), FuncRef(CANISTER, "a b"), 'func "rrkah-fqaaa-aaaaa-aaaaq-cai"."a b"'),
        (Opt(NAT), None, "null"),
        (Opt(NAT), 1, "opt (1 : nat)"),
        (Opt(TEXT), "a", 'opt "a"'),
        (Opt(Opt(NAT)), Some(None), "opt null"),
        (Opt(Opt(NAT)), Some(1), "opt opt (1 : nat)"),
        (Opt(NULL), Some(None), "opt null"),
        (Opt(RESERVED), Some(None), "opt (null : reserved)"),
        (Vec(EMPTY), [], "vec {}"),
        (Vec(NAT), [1, 2], "vec { 1 : nat; 2 : nat }"),
        (Record({}), {}, "record {}"),
        (Record({"b": NAT, "a": TEXT}), {"a": "x", "b": 1}, 'record { a = "x"; b = 1 : nat }'),
        (Record({"type": BOOL}), {"type": True}, 'record { "type" = true }'),
        (Record({"a b": BOOL}), {"a b": True}, 'record { "a b" = true }'),
        (Record({"_5_": BOOL}), {"_5_": True}, "record { 5 = true }"),
        (Tuple(BOOL, TEXT), (True, "x"), 'record { true; "x" }'),
        (Variant({"ok": NULL}), Tagged("ok"), "variant { ok }"),
        (Variant({"ok": Opt(NAT)}), Tagged("ok"), "variant { ok = null }"),
        (Variant({"ok": NAT}), Tagged("ok", 1), "variant { ok = 1 : nat }"),
    ],
)  # fmt: skip
def test_prints_one_form(kind, value, text):
    assert format_reply(encode([kind], [value]), types=[kind]) == f"({text})"


def test_prints_several_values_and_none():
    assert format_reply(encode([], [])) == "()"
    assert format_reply(encode([NAT, TEXT], [1, "a"])) == '(1 : nat, "a")'


def test_prints_all_that_was_sent_and_names_only_what_is_known():
    data = encode([Record({"a": NAT, "secret": TEXT})], [{"a": 1, "secret": "x"}])
    assert format_reply(data, types=[Record({"a": NAT})]) == (
        '(record { a = 1 : nat; 1682574960 = "x" })'
    )


def test_an_id_with_two_names_stays_a_number():
    one, two = (Record({name: NAT}) for name in ("bkzdivbp", "qaskyvcl"))
    assert one.fields[0].number == two.fields[0].number
    data = encode([one], [{"bkzdivbp": 1}])
    assert format_reply(data, types=[one]) == "(record { bkzdivbp = 1 : nat })"
    printed = format_reply(data, types=[one, two])
    assert printed == f"(record {{ {one.fields[0].number} = 1 : nat }})"


def test_a_type_of_the_future_is_shown_as_reserved():
    assert format_reply(b"DIDL\x01\x67\x00\x01\x00\x02\x00ab") == "(null : reserved)"


def test_what_is_no_candid_is_not_printed():
    with pytest.raises(DecodeError):
        format_reply(b"hello")
