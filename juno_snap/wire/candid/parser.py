"""Reads Candid text: arguments and values. What they mean together is ``fitting``'s.

Source: Candid specification, "Values". Arguments stand in parentheses; a single value may stand
without, as nothing else begins like one.
"""

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.wire.candid.nodes import (
    Annotated,
    Choice,
    Decimal,
    Entry,
    Items,
    Node,
    Number,
    Plain,
    Present,
    Reference,
    Struct,
)
from juno_snap.wire.candid.tokens import Token, unquoted
from juno_snap.wire.candid.type_parser import TypeParser
from juno_snap.wire.candid.values import FuncRef, label_of_id


def parse_values(text: str) -> tuple[Node, ...]:
    """The arguments in ``text``.

    Raises:
        CandidTextError: It is no Candid; names the place.
    """
    return _Parser(text).arguments()


class _Parser(TypeParser):
    """Values."""

    def arguments(self) -> tuple[Node, ...]:
        if self._takes("("):
            found = tuple(self._list(self._annotated, ",", ")"))
        else:
            found = (self._annotated(),)
        if self._next.kind != "end":
            raise self._unexpected("the end")
        return found

    def _annotated(self) -> Node:
        offset = self._next.offset
        value = self._value()
        return Annotated(offset, value, self._type()) if self._takes(":") else value

    def _value(self) -> Node:
        self._enter()
        token = self._next
        match token.kind:
            case "number":
                found: Node = Number(token.offset, self._integer())
            case "float":
                found = Decimal(token.offset, self._float())
            case "text":
                found = Plain(token.offset, self._text("a text"))
            case "name":
                found = self._keyword(token)
            case "sign" if self._takes("("):
                found = self._annotated()
                self._expect(")")
            case _:
                raise self._unexpected("a value")
        self._leave()
        return found

    def _float(self) -> float:
        digits = self._take().text.replace("_", "")
        return float.fromhex(digits) if "x" in digits.lower() else float(digits)

    def _keyword(self, token: Token) -> Node:
        offset = self._take().offset
        match token.text:
            case "true" | "false":
                return Plain(offset, token.text == "true")
            case "null":
                return Plain(offset, None)
            case "opt":
                return Present(offset, self._value())
            case "vec":
                self._expect("{")
                return Items(offset, tuple(self._list(self._annotated, ";", "}")))
            case "record" | "variant":
                return self._struct(offset) if token.text == "record" else self._choice(offset)
            case "blob" | "principal" | "service" | "func":
                return self._quoted(token)
            case _:
                raise self._fault(f"{token.text} is no value; texts stand in quotes", offset)

    def _struct(self, offset: int) -> Struct:
        self._expect("{")
        following = 0

        def entry() -> Entry:
            nonlocal following
            place = self._next.offset
            number, label = following, label_of_id(following)
            if self._next.kind in ("name", "text", "number") and self._is("=", ahead=1):
                number, label = self._label()
                self._expect("=")
            following = number + 1
            return Entry(place, number, label, self._annotated())

        entries = self._list(entry, ";", "}")
        self._check_ids([(entry.number, entry.label, entry.offset) for entry in entries])
        return Struct(offset, tuple(entries))

    def _choice(self, offset: int) -> Choice:
        self._expect("{")
        place = self._next.offset
        number, label = self._label()
        content = self._annotated() if self._takes("=") else Plain(place, None)
        self._takes(";")
        self._expect("}")
        return Choice(offset, Entry(place, number, label, content))

    def _quoted(self, keyword: Token) -> Node:
        if keyword.text == "blob":
            if self._next.kind != "text":
                raise self._unexpected("a text")
            return Plain(keyword.offset, unquoted(self._take(), self._source))
        place = self._next.offset
        text = self._text("a principal in quotes")
        try:
            principal = Principal.parse(text)
        except InputError as error:
            raise self._fault(error.message, place) from error
        if keyword.text == "func":
            self._expect(".")
            return Plain(keyword.offset, FuncRef(principal, self._name("a method")))
        return Reference(keyword.offset, principal, is_service=keyword.text == "service")
