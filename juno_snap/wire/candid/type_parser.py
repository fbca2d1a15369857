"""Reads the words and the types of Candid text, which values and interfaces have in common.

Source: Candid specification, "Core Grammar". A keyword may be a name where ``:`` or ``=`` follows.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from juno_snap.wire.candid.cursor import NUMBER_MAX_BITS
from juno_snap.wire.candid.primitives import NULL, PRIMITIVES, CandidType
from juno_snap.wire.candid.tokens import CandidTextError, Token, tokens, unquoted
from juno_snap.wire.candid.types import (
    BLOB,
    MODES,
    Field,
    Func,
    FuncMode,
    Opt,
    Service,
    Variant,
    Vec,
    record_of,
)
from juno_snap.wire.candid.values import FIELD_ID_LIMIT, label_of_id, label_text, name_hash

TEXT_DEPTH_MAX: Final = 100
"""Text nested deeper is refused: a level takes up to six frames of the interpreter's thousand."""

_NUMBER_MAX_CHARS: Final = NUMBER_MAX_BITS
_SHOWN_MAX: Final = 40
_NAMED_TYPES: Final[Mapping[str, CandidType]] = {
    "blob": BLOB,
    **{primitive.kind: primitive for primitive in PRIMITIVES},
}
_T = TypeVar("_T")


class Words:
    """The words of a text, one after the other."""

    def __init__(self, text: str) -> None:
        self._source = text
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _fault(self, message: str, offset: int | None = None) -> CandidTextError:
        place = self._next.offset if offset is None else offset
        return CandidTextError(message, text=self._source, offset=place)

    def _unexpected(self, expected: str) -> CandidTextError:
        found = "the end" if self._next.kind == "end" else self._next.text[:_SHOWN_MAX]
        return self._fault(f"expected {expected}, found {found}")

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _is(self, text: str, ahead: int = 0) -> bool:
        """Whether a sign or name comes; a quoted text is neither."""
        place = min(self._at + ahead, len(self._tokens) - 1)
        return self._tokens[place].text == text

    def _takes(self, text: str) -> bool:
        if self._is(text):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._unexpected(text)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > TEXT_DEPTH_MAX:
            raise self._fault(f"nested more than {TEXT_DEPTH_MAX} deep")

    def _leave(self) -> None:
        self._depth -= 1

    def _list(self, element: Callable[[], _T], separator: str, end: str) -> list[_T]:
        """Elements up to ``end``, which is taken; the last separator may stand or not."""
        found: list[_T] = []
        while not self._takes(end):
            found.append(element())
            if not self._takes(separator) and not self._is(end):
                raise self._unexpected(f"{separator} or {end}")
        return found

    def _text(self, what: str) -> str:
        if self._next.kind != "text":
            raise self._unexpected(what)
        token = self._take()
        try:
            return unquoted(token, self._source).decode()
        except UnicodeDecodeError as error:
            raise self._fault("text that is not UTF-8", token.offset) from error

    def _name(self, what: str) -> str:
        return self._take().text if self._next.kind == "name" else self._text(what)

    def _integer(self) -> int:
        token = self._take()
        digits = token.text.replace("_", "").lower()
        if len(digits) <= _NUMBER_MAX_CHARS:
            number = int(digits, 16 if "x" in digits else 10)
            if number.bit_length() <= NUMBER_MAX_BITS:
                return number
        raise self._fault(f"a number of more than {NUMBER_MAX_BITS} bits", token.offset)

    def _label(self) -> tuple[int, str]:
        """The id and the label of a field."""
        if self._next.kind != "number":
            name = self._name("a field")
            return name_hash(name), name
        offset = self._next.offset
        number = self._integer()
        if not 0 <= number < FIELD_ID_LIMIT:
            raise self._fault(f"a field id is below {FIELD_ID_LIMIT}", offset)
        return number, label_of_id(number)

    def _check_ids(self, taken: list[tuple[int, str, int]]) -> None:
        """No field twice. ``taken`` holds id, label and offset."""
        seen: set[int] = set()
        for number, label, offset in taken:
            if number in seen:
                raise self._fault(f"a second field {label_text(label)} (id {number})", offset)
            seen.add(number)


class TypeParser(Words):
    """Types, as after a colon."""

    def _type(self) -> CandidType:
        token = self._next
        if token.kind != "name":
            raise self._unexpected("a type")
        self._take()
        if token.text in _NAMED_TYPES:
            return _NAMED_TYPES[token.text]
        self._enter()
        match token.text:
            case "opt":
                found: CandidType = Opt(self._type())
            case "vec":
                found = Vec(self._type())
            case "record":
                found = self._record_type()
            case "variant":
                found = self._variant_type()
            case "func":
                found = self._func_type()
            case "service":
                found = self._service_type()
            case _:
                found = self._named_type(token)
        self._leave()
        return found

    def _named_type(self, token: Token) -> CandidType:
        """The type that a definition gives this name."""
        raise self._fault(f"there is no type {token.text}", token.offset)

    def _record_type(self) -> CandidType:
        self._expect("{")
        following = 0
        places: list[tuple[int, str, int]] = []

        def field() -> Field:
            nonlocal following
            offset = self._next.offset
            number, label = following, label_of_id(following)
            if self._next.kind in ("name", "text", "number") and self._is(":", ahead=1):
                number, label = self._label()
                self._expect(":")
            following = number + 1
            places.append((number, label, offset))
            return Field(number, label, self._type())

        fields = self._list(field, ";", "}")
        self._check_ids(places)
        return record_of(fields)

    def _variant_type(self) -> CandidType:
        self._expect("{")
        places: list[tuple[int, str, int]] = []

        def field() -> Field:
            offset = self._next.offset
            number, label = self._label()
            places.append((number, label, offset))
            return Field(number, label, self._type() if self._takes(":") else NULL)

        fields = self._list(field, ";", "}")
        self._check_ids(places)
        return Variant(fields)

    def _func_type(self) -> Func:
        args = self._type_list()
        self._expect("->")
        results = self._type_list()
        modes: list[FuncMode] = []
        while self._next.text in MODES:
            modes.append(MODES[self._take().text])
        if results and "oneway" in modes:
            raise self._fault("a oneway function has no results", self._tokens[self._at - 1].offset)
        return Func(args, results, modes)

    def _type_list(self) -> list[CandidType]:
        self._expect("(")

        def argument() -> CandidType:
            if self._next.kind in ("name", "text") and self._is(":", ahead=1):
                self._name("a name")
                self._expect(":")
            return self._type()

        return self._list(argument, ",", ")")

    def _method_type(self) -> CandidType:
        return self._func_type()

    def _service_type(self) -> Service:
        self._expect("{")
        methods: dict[str, CandidType] = {}

        def method() -> None:
            offset = self._next.offset
            name = self._name("a method")
            if name in methods:
                raise self._fault(f"a second method {name}", offset)
            self._expect(":")
            methods[name] = self._method_type()

        self._list(method, ";", "}")
        return Service(methods)
