"""Candid text to bytes: every form of a value, with and without expected types."""

import pytest

from juno_snap.errors import InputError
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
    CandidTextError,
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
    format_reply,
    parse_arguments,
)

MANAGEMENT = Principal(b"")
CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
NO_PRINCIPAL = "'aaaaa-ab' is not a principal: its letters or its checksum are wrong"
PAIR = Record({"a": NAT, "b": Opt(TEXT)})


@pytest.mark.parametrize(
    ("text", "types", "values"),
    [
        ("()", [], []),
        ("(1, )", [NAT], [1]),
        ("(42 : nat)", [NAT], [42]),
        ("42", [NAT], [42]),
        ("42 : nat8", [NAT8], [42]),
        ("(-3)", [INT], [-3]),
        ("(+3)", [NAT], [3]),
        ("(1_000_000)", [NAT], [1_000_000]),
        ("(0xff, 0xDEAD_beef, -0x10)", [NAT, NAT, INT], [255, 0xDEADBEEF, -16]),
        ("(1.5, 1., 1.5e3, 1E-2, -0.5)", [FLOAT64] * 5, [1.5, 1.0, 1500.0, 0.01, -0.5]),
        ("(0x1.8p3, 0xAp1)", [FLOAT64] * 2, [12.0, 20.0]),
        ("(inf, -inf)", [FLOAT64] * 2, [float("inf"), float("-inf")]),
        ("(1.5 : float32, 2 : float32)", [FLOAT32] * 2, [1.5, 2.0]),
        ("(true, false)", [BOOL, BOOL], [True, False]),
        ("(null, null : null, null : reserved)", [NULL, NULL, RESERVED], [None, None, None]),
        ('("a", "")', [TEXT, TEXT], ["a", ""]),
        (r'("\n\t\r\"\'\\")', [TEXT], ["\n\t\r\"'\\"]),
        (r'("\u{1F600}\u{e9}\u{1_F600}")', [TEXT], ["\U0001f600\u00e9\U0001f600"]),
        (r'("\e2\98\83 \41")', [TEXT], ["\u2603 A"]),
        ('("\u2603")', [TEXT], ["\u2603"]),
        (r'(blob "\00\ff", blob "a\n", blob "")', [BLOB] * 3, [b"\0\xff", b"a\n", b""]),
        ('(blob "\u2603")', [BLOB], ["\u2603".encode()]),
        ('(principal "aaaaa-aa")', [PRINCIPAL], [MANAGEMENT]),
        ('(service "aaaaa-aa")', [Service({})], [MANAGEMENT]),
        ('(func "aaaaa-aa".foo)', [Func([], [])], [FuncRef(MANAGEMENT, "foo")]),
        ('(func "aaaaa-aa"."a b")', [Func([], [])], [FuncRef(MANAGEMENT, "a b")]),
        ("(opt null, opt opt 1)", [Opt(NULL), Opt(Opt(NAT))], [Some(None), Some(1)]),
        ("(opt (1 : nat8))", [Opt(NAT8)], [1]),
        ("(vec {})", [Vec(EMPTY)], [[]]),
        ("(vec { 1; 2; })", [Vec(NAT)], [[1, 2]]),
        ("(vec { 1; -2 })", [Vec(INT)], [[1, -2]]),
        ("(vec { 1 : nat8; 2 : nat8 })", [BLOB], [b"\1\2"]),
        ("(vec { null; opt 1 })", [Vec(Opt(NAT))], [[None, 1]]),
        ("(vec { vec {}; vec { 1 } })", [Vec(Vec(NAT))], [[[], [1]]]),
        (
            "(vec { record { a = 1 }; record { a = -1 } })",
            [Vec(Record({"a": INT}))],
            [[{"a": 1}, {"a": -1}]],
        ),
        (
            "(vec { variant { a }; variant { b = 1 } })",
            [Vec(Variant({"a": NULL, "b": NAT}))],
            [[Tagged("a"), Tagged("b", 1)]],
        ),
        ("(record {})", [Record({})], [{}]),
        ("(record { a = 1 : nat })", [Record({"a": NAT})], [{"a": 1}]),
        (
            r'(record { a = 1 : nat; 5 = blob "\00\ff" })',
            [Record({"a": NAT, "_5_": BLOB})],
            [{"a": 1, "_5_": b"\0\xff"}],
        ),
        ("(record { 1; true })", [Tuple(NAT, BOOL)], [(1, True)]),
        ("(record { 1 = true; 0 = 1 })", [Tuple(NAT, BOOL)], [(1, True)]),
        (
            "(record { 5 = true; 1 })",
            [Record({"_5_": BOOL, "_6_": NAT})],
            [{"_5_": True, "_6_": 1}],
        ),
        ('(record { "a b" = 1; "" = 2 })', [Record({"a b": NAT, "": NAT})], [{"a b": 1, "": 2}]),
        (
            "(record { type = 1; query = 2 })",
            [Record({"type": NAT, "query": NAT})],
            [{"type": 1, "query": 2}],
        ),
        ('(record { "x"; 1 })', [Tuple(TEXT, NAT)], [("x", 1)]),
        ("(variant { ok })", [Variant({"ok": NULL})], [Tagged("ok")]),
        ("(variant { ok = 5; })", [Variant({"ok": NAT})], [Tagged("ok", 5)]),
        (
            '(variant { "a b" }, variant { 3 = 1 })',
            [Variant({"a b": NULL}), Variant({"_3_": NAT})],
            [Tagged("a b"), Tagged("_3_", 1)],
        ),
        ("((((1))))", [NAT], [1]),
        ("(// one\n1 /* two /* nested */ */, /**/ 2)", [NAT, NAT], [1, 2]),
    ],
)  # fmt: skip
def test_reads_every_form_of_a_value(text, types, values):
    assert parse_arguments(text) == encode(types, values)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("record { a : nat; b : opt text }", PAIR, {"a": 1, "b": None}),
        ("record { nat; 5 : text; blob }", Record({"_0_": NAT, "_5_": TEXT, "_6_": BLOB}),
         {"_0_": 1, "_5_": "x", "_6_": b"y"}),
        ("record { 0 : nat; text }", Tuple(NAT, TEXT), (1, "x")),
        ('variant { ok : nat; "not ok"; 7 }', Variant({"ok": NAT, "not ok": NULL, "_7_": NULL}),
         Tagged("not ok")),
        ("vec opt vec nat8", Vec(Opt(BLOB)), [None, b"a"]),
        ("opt opt empty", Opt(Opt(EMPTY)), Some(None)),
        ("func (nat, x : text) -> (y : bool) query", Func([NAT, TEXT], [BOOL], ["query"]),
         FuncRef(CANISTER, "m")),
        ("func () -> () composite_query oneway", Func([], [], ["oneway", "composite_query"]),
         FuncRef(CANISTER, "m")),
        ('service { b : (nat) -> () query; "a b" : () -> () }',
         Service({"b": Func([NAT], [], ["query"]), "a b": Func([], [])}), CANISTER),
    ],
)  # fmt: skip
def test_reads_every_form_of_a_type(text, kind, value):
    data = encode([kind], [value])
    written = format_reply(data, types=[kind])[1:-1]
    assert decode(parse_arguments(f"({written} : {text})"), [kind]) == [value]


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("(5)", NAT64, 5),
        ("(5)", FLOAT32, 5.0),
        ("(-5)", INT16, -5),
        ("(5)", Opt(NAT8), 5),
        ("(opt 5)", Opt(NAT8), 5),
        ("(5 : nat)", INT, 5),
        ("(5 : nat)", Opt(INT), 5),
        ("(opt null)", Opt(Opt(NAT)), Some(None)),
        ("(null)", Opt(Opt(NAT)), None),
        ("(null : opt nat)", Opt(NAT), None),
        ("(vec { 1; 2 })", BLOB, b"\1\2"),
        ('(blob "ab")', BLOB, b"ab"),
        ('(record { "x"; 1 })', Tuple(TEXT, NAT), ("x", 1)),
        ('(record { a = "x" })', RESERVED, None),
        ("(record { a = 1 })", PAIR, {"a": 1, "b": None}),
        ('(record { b = "x"; a = 1 })', PAIR, {"a": 1, "b": "x"}),
        ("(variant { keep })", Variant({"keep": NULL, "replace": NULL}), Tagged("keep")),
        ('(service "aaaaa-aa")', PRINCIPAL, MANAGEMENT),
        ('(principal "aaaaa-aa")', PRINCIPAL, MANAGEMENT),
    ],
)
def test_a_literal_takes_the_expected_type(text, expected, value):
    assert parse_arguments(text, [expected]) == encode([expected], [value])


def test_options_at_the_end_may_be_left_out():
    types = [NAT, Opt(NAT), NULL]
    assert parse_arguments("(1)", types) == encode(types, [1, None, None])


def test_a_recursive_type_can_be_expected():
    chain = Rec()
    chain.fill(Opt(Record({"head": NAT, "tail": chain})))
    text = "(opt record { head = 1; tail = opt record { head = 2; tail = null } })"
    value = {"head": 1, "tail": {"head": 2, "tail": None}}
    assert parse_arguments(text, [chain]) == encode([chain], [value])


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected a value, found the end"),
        ("(", 1, 2, "expected a value, found the end"),
        ("(1", 1, 3, "expected , or ), found the end"),
        ("(1) 2", 1, 5, "expected the end, found 2"),
        ("1, 2", 1, 2, "expected the end, found ,"),
        ("(1 2)", 1, 4, "expected , or ), found 2"),
        ("(hello)", 1, 2, "hello is no value; texts stand in quotes"),
        ("(\n  1,\n  &)", 3, 3, "unexpected: &)"),
        ('("abc', 1, 2, 'a text without its closing quote: "abc'),
        (r'("\q")', 1, 3, r"there is no escape \q"),
        (r'("ab\u{d800}")', 1, 5, "there is no character d800"),
        (r'("\u{110000}")', 1, 3, "there is no character 110000"),
        (r'("\u{11111111111111111111}")', 1, 3, "there is no character 11111111111111111111"),
        (r'("\ff")', 1, 2, "text that is not UTF-8"),
        ('("\ud800")', 1, 2, "characters that are no Unicode"),
        ("(/* never /* closed */)", 1, 2, "a comment without its end"),
        ("(12x)", 1, 2, "a malformed number: 12x)"),
        ("(1__0)", 1, 2, "a malformed number: 1__0)"),
        ("(0x)", 1, 2, "a malformed number: 0x)"),
        ("(1 : nat9)", 1, 6, "there is no type nat9"),
        ("(1 : )", 1, 6, "expected a type, found )"),
        ("(opt)", 1, 5, "expected a value, found )"),
        ("(vec 1)", 1, 6, "expected {, found 1"),
        ("(record { a })", 1, 11, "a is no value; texts stand in quotes"),
        ("(record { a = 1; a = 2 })", 1, 18, "a second field a (id 97)"),
        ("(record { a = 1; 97 = 2 })", 1, 18, "a second field 97 (id 97)"),
        ("(record { -1 = 2 })", 1, 11, "a field id is below 4294967296"),
        ("(record { 4294967296 = 2 })", 1, 11, "a field id is below 4294967296"),
        ("(variant {})", 1, 11, "expected a field, found }"),
        ("(variant { a; b })", 1, 15, "expected }, found b"),
        ("(blob 1)", 1, 7, "expected a text, found 1"),
        ('(principal "aaaaa-ab")', 1, 12, NO_PRINCIPAL),
        ("(principal aaaaa)", 1, 12, "expected a principal in quotes, found aaaaa"),
        ('(func "aaaaa-aa")', 1, 17, "expected ., found )"),
        ("(256 : nat8)", 1, 2, "256 is no nat8"),
        ("(-1 : nat)", 1, 2, "-1 is no nat"),
        ("(1.5 : nat)", 1, 2, "1.5 is no nat"),
        ("(1e39 : float32)", 1, 2, "1e+39 is no float32"),
        ('("x" : nat)', 1, 2, "expected nat, found text"),
        ("(null : nat)", 1, 2, "expected nat, found null"),
        ('(opt "x" : opt nat)', 1, 6, "expected nat, found text"),
        ('(vec { 1; "x" })', 1, 11, "a text among items of type nat; all have one type"),
        ("(vec { 1; null })", 1, 11, "a null among items of type nat; all have one type"),
        ("(vec { 1 : nat8; 2 : nat16 })", 1, 18,
         "a nat16 among items of type nat8; all have one type"),
        ("(vec { record { a = 1 }; record { b = 1 } })", 1, 26,
         "a record among items of type record; all have one type"),
        ("(1 : record { a : nat; a : nat })", 1, 24, "a second field a (id 97)"),
        ("(1 : service { a : () -> (); a : () -> () })", 1, 30, "a second method a"),
        ("(1 : service { a : nat })", 1, 20, "expected (, found nat"),
    ],
)  # fmt: skip
def test_an_error_names_its_place(text, line, column, message):
    with pytest.raises(CandidTextError) as caught:
        parse_arguments(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert error.offset == sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1
    assert error.message == (
        f"Candid text, line {line}, column {column} (offset {error.offset}): {message}"
    )
    assert error.fields["line"] == line


@pytest.mark.parametrize(
    ("text", "types", "column", "message"),
    [
        ("(1, 2)", [NAT], 5, "2 arguments where 1 are expected"),
        ("(1)", [NAT, TEXT], 4, "1 arguments where 2 are expected; argument 2 is a text"),
        ("(record { a = 1; c = 2 })", [PAIR], 18, "there is no field c; the fields are: a, b"),
        ("(record { b = null })", [PAIR], 2, "field a is missing"),
        ("(record { 1 })", [PAIR], 11, "there is no field 0; the fields are: a, b"),
        ("(variant { c })", [Variant({"a": NULL})], 12, "there is no tag c; the tags are: a"),
        ("(5 : nat8)", [NAT], 2, "expected nat, found nat8"),
        ('("x" : text)', [Opt(NAT)], 2, "expected opt, found text"),
        ('("x")', [Opt(NAT)], 2, "expected nat, found text"),
        ('("x")', [BLOB], 2, "expected blob, found text"),
        ('(principal "aaaaa-aa")', [Service({})], 2, "expected service, found principal"),
        ("(vec { 1; 256 })", [BLOB], 11, "256 is no nat8"),
        ("(1)", [EMPTY], 2, "1 is no empty"),
        ('(vec { 1; "x" })', [RESERVED], 11, "a text among items of type nat; all have one type"),
    ],
)
def test_what_does_not_fit_the_expected_types_is_refused_at_its_place(text, types, column, message):
    with pytest.raises(CandidTextError) as caught:
        parse_arguments(text, types)
    assert caught.value.column == column
    assert caught.value.message.endswith(f": {message}")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000,
        "(" + "opt " * 20_000,
        "vec {" * 20_000,
        "record {" * 20_000,
        "variant { a = " * 20_000,
        "(1 : " + "opt " * 20_000 + "nat)",
        "(1 : " + "record {" * 20_000,
        "(1 : " + "func (" * 20_000,
        "(1 : " + "service { a : (" * 20_000,
        "(record { a = " * 90 + "(1 : " + "record { a : " * 90 + "nat",
    ],
)
def test_deep_nesting_is_an_error_and_no_exhausted_stack(text):
    with pytest.raises(CandidTextError, match="nested more than 100 deep"):
        parse_arguments(text)


def test_ninety_levels_are_read():
    text = "record { a = " * 90 + "1" + " }" * 90
    assert len(decode(parse_arguments(f"({text})"), [RESERVED])) == 1


def test_a_literal_for_an_option_without_end_is_refused():
    endless = Rec()
    endless.fill(Opt(endless))
    with pytest.raises(CandidTextError, match="opt nested more than 100 deep"):
        parse_arguments("(1)", [endless])


def test_a_number_beyond_the_limit_is_refused():
    with pytest.raises(CandidTextError, match="a number of more than 4096 bits"):
        parse_arguments(f"({'9' * 5000})")
    with pytest.raises(CandidTextError, match="a number of more than 4096 bits"):
        parse_arguments(f"(0x1{'0' * 1024})")


def test_a_text_without_end_in_size_is_refused():
    with pytest.raises(InputError, match="more than 32000000 characters"):
        parse_arguments(" " * 32_000_001)


def test_a_large_blob_is_read():
    data = bytes(range(256)) * 1000
    text = "".join(f"\\{byte:02x}" for byte in data)
    assert parse_arguments(f'(blob "{text}")') == encode([BLOB], [data])
