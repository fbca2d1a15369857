import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from juno_snap.errors import InputError
from juno_snap.pipeline.checks.model import CheckResult, CheckSpec
from juno_snap.pipeline.checks.parse import (
    call_check,
    command_check,
    parse_check,
    version_check,
)
from juno_snap.wire.candid import encode, format_reply
from juno_snap.wire.candid.printer import name_text
from tests.unit.wire.candid.candid_values import typed_values


def refusal_of(make, *args, **more):
    with pytest.raises(InputError) as caught:
        make(*args, **more)
    assert caught.value.code == "invalid-check"
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "method", "args", "expected"),
    [
        ('version() == "0.2.0"', "version", "()", '"0.2.0"'),
        ('version() == ("0.2.0")', "version", "()", '("0.2.0")'),
        ("count()==3", "count", "()", "3"),
        ("both(1, 2) == (1, true)", "both", "(1, 2)", "(1, true)"),
        ("none() == ()", "none", "()", "()"),
        ('"my method"(opt (1 : nat8)) == opt 1', "my method", "(opt (1 : nat8))", "opt 1"),
        ('"a\\"b"() == 1', 'a"b', "()", "1"),
        ('find(")== (") == opt "== )"', "find", '(")== (")', 'opt "== )"'),
        ("nested(record { a = (1); b = vec { (2) } }) == null", "nested",
         "(record { a = (1); b = vec { (2) } })", "null"),
        ("find /* a ( */ (1 // )\n) == variant { ok }", "find", "(1 // )\n)", "variant { ok }"),
        (' count() \n == "==" ', "count", "()", '"=="'),
        ("equal(1) == record { a = 1; b = 2 }", "equal", "(1)", "record { a = 1; b = 2 }"),
        ('version () == "v1"', "version", "()", '"v1"'),
        ('command() == "x"', "command", "()", '"x"'),
    ],
)  # fmt: skip
def test_a_call_has_a_method_arguments_and_a_value(text, method, args, expected):
    check = parse_check(text)
    assert (check.kind, check.method, check.args, check.expected) == (
        "call", method, args, expected,
    )  # fmt: skip
    assert check.text == text.strip()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version == 1.2.3", "1.2.3"),
        (" version==v0.10.0 ", "0.10.0"),
        ('version == "1.2.3-beta.1+build"', "1.2.3-beta.1+build"),
    ],
)
def test_a_version_has_three_numbers(text, version):
    check = parse_check(text)
    assert (check.kind, check.expected) == ("version", version)


def test_a_command_is_split_as_a_shell_does_and_stays_a_list():
    check = parse_check("command: ./probe.sh --name 'two words' $HOME;ls")
    assert check.kind == "command"
    assert check.command == ("./probe.sh", "--name", "two words", "$HOME;ls")


def test_checks_of_a_configuration_have_names_too():
    assert command_check(["probe", "two words"]).text == "command: probe 'two words'"
    assert version_check("1.2.3").text == "version == 1.2.3"
    assert call_check("f() == 1", timeout_seconds=3).timeout_seconds == 3
    assert parse_check("version == 1.2.3", timeout_seconds=3).timeout_seconds == 3
    assert parse_check("command: a", timeout_seconds=3).timeout_seconds == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a method, found the end at position 1"),
        ("== 3", "expected a method, found = at position 1"),
        ("count == 3", "expected ( after the method, found = at position 7"),
        ("count( == 3", "expected the ) of the arguments, found the end at position 12"),
        ("count()", "expected == after the arguments, found the end at position 8"),
        ("count() = 3", "expected == after the arguments, found = at position 9"),
        ("count() = = 3", "expected == without a space, found = at position 11"),
        ("count() == ", "expected a value, found the end at position 12"),
        ("count() == 3 4", "expected the end, found 4 at position 14"),
        ("count(1,,2) == 3", "expected a value, found , at position 9"),
        ("count(1]) == 3", "unexpected: ]) at position 8"),
        ('count() == "abc', 'a text without its closing quote: "abc at position 12'),
        ("count() == abc", "abc is no value; texts stand in quotes at position 12"),
        ("count()\n== abc", "abc is no value; texts stand in quotes at position 12"),
        ('"\\ff"() == 1', "text that is not UTF-8 at position 1"),
        ("version == 1.2", "expected a version like 1.2.3 from position 11 on"),
        ("version == ", "expected a version like 1.2.3 from position 11 on"),
        ("command:", "expected a program at position 10"),
        ("command: ''", "expected a program at position 10"),
        ("command: 'a", "from position 9 on: no closing quotation"),
        ("command: a\0b", "a zero byte cannot stand in a command"),
    ],
)
def test_what_does_not_parse_is_refused_with_its_place(text, problem):
    message = refusal_of(parse_check, text)
    assert message.endswith(f": {problem}")
    assert message.startswith("no check: ")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_above_zero(seconds):
    for make, what in [
        (call_check, "f() == 1"),
        (version_check, "1.2.3"),
        (command_check, ["a"]),
        (parse_check, "version == 1.2.3"),
    ]:
        assert "timeout" in refusal_of(make, what, timeout_seconds=seconds)


def test_a_long_text_is_not_repeated_whole():
    assert len(refusal_of(parse_check, "x" * 100_000)) < 400


@st.composite
def messages(draw):
    drawn = draw(st.lists(typed_values(), max_size=3))
    return encode([kind for kind, _ in drawn], [value for _, value in drawn])


@given(st.text(max_size=20), messages(), messages())
def test_every_call_that_can_be_written_is_read(method, args, reply):
    said = format_reply(args), format_reply(reply)
    check = parse_check(f"{name_text(method)}{said[0]} == {said[1]}")
    assert (check.method, check.args, check.expected) == (method, *said)


def outcome_of(text):
    try:
        return parse_check(text).kind
    except InputError as error:
        return error.code


PIECES = st.sampled_from(
    ["f", "(", ")", "==", "=", " ", '"', "1", ",", "{", "}", "record", "version", "command:", "\\"]
)


@given(st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join))
def test_whatever_is_said_is_a_check_or_refused_as_none(text):
    assert outcome_of(text) in {"call", "command", "version", "invalid-check"}


@given(
    st.sampled_from(
        ['find(")") == opt 1', "version == 1.2.3", "command: a 'b c'", "f(1 : nat8) == (1, 2)"]
    )
)
def test_a_check_survives_the_journal(text):
    check = parse_check(text)
    adapter = TypeAdapter(CheckSpec)
    assert adapter.validate_json(adapter.dump_json(check)) == check


def test_a_result_is_an_entry_of_the_report():
    result = CheckResult(name="f() == 1", ok=None, detail="no answer")
    assert result.to_json() == {"name": "f() == 1", "ok": None, "detail": "no answer"}
