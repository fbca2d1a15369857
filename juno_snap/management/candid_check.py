"""What a method should reply, as a person writes it, and whether a reply is that.

``METHOD(ARGS) == VALUE``: ARGS and VALUE are Candid text. Replies are compared by value: a number
has the type that the module gives it, fields stand in any order. A type that is written after a
value (``3 : nat``) belongs to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.errors import DecodeError, InputError
from juno_snap.wire.candid import (
    CandidTextError,
    CandidType,
    Interface,
    Method,
    decode,
    decode_untyped,
    encode,
    format_reply,
    parse_arguments,
)
from juno_snap.wire.candid.parser import parse_values
from juno_snap.wire.candid.tokens import Token, tokens, unquoted

ModuleInterface: TypeAlias = Interface
ModuleMethod: TypeAlias = Method
"""For those who hold them and may not import ``wire``."""

_SHOWN_BYTES: Final = 32
_LETTER: Final = re.compile(r"\S")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A call and what it should reply."""

    method: str
    args: str
    """Candid text, in parentheses."""
    expected: str
    """Candid text, with or without parentheses."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A reply beside what was expected."""

    is_equal: bool
    actual: str
    """The whole reply as Candid text."""


def read_expectation(text: str) -> Expectation:
    """The parts of ``METHOD(ARGS) == VALUE``; values are read, types are not known yet.

    Raises:
        InputError: It does not parse; names what is expected where, counted in characters from 1.
    """
    try:
        return _parts(text)
    except CandidTextError as error:
        problem = f"{error.problem} at position {error.offset + 1}"
        raise InputError(problem, value=text, code="invalid-expectation") from error


def check_fits(expectation: Expectation, interface: Interface) -> None:
    """Refuse arguments or a value that are not of the method's types; unknown methods pass.

    Raises:
        InputError: Says which, and what does not fit.
    """
    known = interface.methods.get(expectation.method)
    if known is None:
        return
    for what, text, types in (
        ("arguments", expectation.args, known.args),
        ("value", expectation.expected, known.results),
    ):
        try:
            parse_arguments(text, types)
        except CandidTextError as error:
            place = f"position {error.offset + 1}"
            raise InputError(
                f"the {what} {text} at {place}: {error.problem}", value=text, code=error.code
            ) from error


def arguments_of(expectation: Expectation, known: Method | None) -> bytes:
    """The message that the arguments stand for, at the method's types where they are known.

    Raises:
        InputError: They do not fit.
    """
    return parse_arguments(expectation.args, known.args if known else None)


def compare_reply(
    data: bytes, expectation: Expectation, *, interface: Interface | None
) -> Comparison:
    """Whether ``data`` is what was expected, by the types that it declares or the interface's.

    What cannot be compared, because it is no Candid or of another type, is not equal.
    """
    try:
        declared = [value.type for value in decode_untyped(data)]
        actual = format_reply(data, interface=interface)
    except DecodeError as error:
        shown = f"{data[:_SHOWN_BYTES].hex()}{'...' if len(data) > _SHOWN_BYTES else ''}"
        problem = f"{len(data)} bytes that are no Candid ({error.message}): {shown}"
        return Comparison(is_equal=False, actual=problem)
    known = interface.methods.get(expectation.method) if interface else None
    views = [declared] if known is None else [declared, known.results]
    is_equal = any(_is_equal(data, expectation.expected, types) for types in views)
    return Comparison(is_equal=is_equal, actual=actual)


def _is_equal(data: bytes, expected: str, types: Sequence[CandidType]) -> bool:
    try:
        wanted = parse_arguments(expected, types)
        found = decode(data, types)
        # By bytes too: "not a number" is not equal to itself.
        return found == decode(wanted, types) or encode(types, found) == wanted
    except (InputError, DecodeError):
        return False


def _parts(text: str) -> Expectation:
    words = tokens(text)
    name = words[0]
    if name.kind not in {"name", "text"}:
        raise _unexpected("a method", name, text)
    method = name.text if name.kind == "name" else _unquoted(name, text)
    if words[1].text != "(":
        raise _unexpected("( after the method", words[1], text)
    last = _closing(words, text)
    first_equals, second_equals = words[last + 1], words[min(last + 2, len(words) - 1)]
    if first_equals.text != "=" or second_equals.text != "=":
        raise _unexpected("== after the arguments", first_equals, text)
    if second_equals.offset != first_equals.offset + 1:
        raise _unexpected("== without a space", second_equals, text)
    end, value = words[last].offset + 1, second_equals.offset + 1
    # What is not read is blanked, so that places are those of the whole text.
    parse_values(_blank(text[: words[1].offset]) + text[words[1].offset : end])
    parse_values(_blank(text[:value]) + text[value:])
    return Expectation(
        method=method, args=text[words[1].offset : end], expected=text[value:].strip()
    )


def _closing(words: Sequence[Token], text: str) -> int:
    """The place of the word that closes the arguments; they begin at the second."""
    depth = 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if place and not depth:
            return place
    raise _unexpected("the ) of the arguments", words[-1], text)


def _unquoted(word: Token, text: str) -> str:
    try:
        return unquoted(word, text).decode()
    except UnicodeDecodeError as error:
        raise CandidTextError("text that is not UTF-8", text=text, offset=word.offset) from error


def _unexpected(expected: str, found: Token, text: str) -> CandidTextError:
    shown = "the end" if found.kind == "end" else found.text[:_SHOWN_BYTES]
    return CandidTextError(f"expected {expected}, found {shown}", text=text, offset=found.offset)


def _blank(text: str) -> str:
    return _LETTER.sub(" ", text)
