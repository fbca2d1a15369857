"""Which types Candid text has by itself, and which values at the types that are expected.

By itself a whole number is a nat, or an int where it has a minus; a number with a point is a
float64. At an expected type a literal takes that type. Stricter than decoding, because here a
person may have made a mistake: an unknown field is an error and not skipped, and what does not fit
an option is an error and not null.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from juno_snap.ids import Principal
from juno_snap.wire.candid.codec import encode
from juno_snap.wire.candid.coercion import coerce
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
from juno_snap.wire.candid.parser import parse_values
from juno_snap.wire.candid.primitives import (
    BOOL,
    EMPTY,
    FLOAT64,
    INT,
    NAT,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    CandidType,
    Primitive,
)
from juno_snap.wire.candid.subtype import is_subtype
from juno_snap.wire.candid.tokens import CandidTextError
from juno_snap.wire.candid.type_parser import TEXT_DEPTH_MAX
from juno_snap.wire.candid.types import (
    BLOB,
    Field,
    Fields,
    Func,
    Opt,
    Record,
    Service,
    Variant,
    Vec,
    record_of,
)
from juno_snap.wire.candid.values import FuncRef, MisfitError, Tagged, label_text

_SHOWN_MAX: Final = 40


def parse_arguments(text: str, types: Sequence[CandidType] | None = None) -> bytes:
    """The message that Candid text like ``("a", record { b = 1 })`` stands for.

    With ``types`` the values take those types, and options at the end may be left out; without,
    they have the types that the text itself gives them.

    Raises:
        CandidTextError: It cannot be read, or a value does not fit; names the place.
    """
    nodes = parse_values(text)
    fitter = _Fitter(text)
    if types is None:
        types = [fitter.infer(node) for node in nodes]
    if len(nodes) > len(types):
        raise fitter.fault(
            f"{len(nodes)} arguments where {len(types)} are expected", nodes[len(types)]
        )
    for position in range(len(nodes), len(types)):
        if not types[position].accepts_null:
            raise CandidTextError(
                f"{len(nodes)} arguments where {len(types)} are expected; "
                f"argument {position + 1} is a {types[position].kind}",
                text=text,
                offset=len(text),
            )
    values = [fitter.fit(node, part) for node, part in zip(nodes, types, strict=False)]
    return encode(types, values + [None] * (len(types) - len(values)))


class _Fitter:
    def __init__(self, text: str) -> None:
        self._source = text
        self._depth = 0

    def fault(self, message: str, node: Node) -> CandidTextError:
        return CandidTextError(message, text=self._source, offset=node.offset)

    def infer(self, node: Node) -> CandidType:
        """The type that ``node`` has by itself."""
        match node:
            case Number() | Decimal() | Plain() | Reference():
                return _literal_type(node)
            case Present():
                return Opt(self.infer(node.content))
            case Items():
                return Vec(self._infer_items(node))
            case Struct():
                return record_of([self._infer_entry(entry) for entry in node.entries])
            case Choice():
                return Variant([self._infer_entry(node.entry)])
            case Annotated():
                return node.type
            case _:
                assert_never(node)

    def _infer_entry(self, entry: Entry) -> Field:
        return Field(entry.number, entry.label, self.infer(entry.content))

    def _infer_items(self, node: Items) -> CandidType:
        found: CandidType = EMPTY
        for item in node.items:
            kind = self.infer(item)
            joined = join(found, kind)
            if joined is None:
                raise self.fault(
                    f"a {kind.kind} among items of type {found.kind}; all have one type", item
                )
            found = joined
        return found

    def fit(self, node: Node, expected: CandidType) -> object:
        """The value of type ``expected`` that ``node`` stands for."""
        match expected.resolved(), node:
            case kind, Annotated():
                return self._fit_annotated(node, kind)
            case Opt() as kind, _:
                return self._fit_opt(node, kind)
            case Vec() as kind, Items():
                return self._fit_items(node, kind)
            case Record() as kind, Struct():
                return self._fit_struct(node, kind)
            case Variant() as kind, Choice():
                return self._fit_choice(node, kind)
            case kind, _:
                return self._fit_literal(node, kind)

    def _fit_annotated(self, node: Annotated, expected: CandidType) -> object:
        value = self.fit(node.content, node.type)
        if not is_subtype(node.type, expected, strictly=True):
            raise self.fault(f"expected {expected.kind}, found {node.type.kind}", node)
        try:
            return coerce(value, node.type, expected)
        except MisfitError as error:
            raise self.fault(error.explain(), node) from error

    def _fit_opt(self, node: Node, expected: Opt) -> object:
        if isinstance(node, Plain) and node.value is None:
            return None
        self._depth += 1
        if self._depth > TEXT_DEPTH_MAX:
            raise self.fault(f"expected an opt nested more than {TEXT_DEPTH_MAX} deep", node)
        content = node.content if isinstance(node, Present) else node
        value = expected.wrap(self.fit(content, expected.element))
        self._depth -= 1
        return value

    def _fit_items(self, node: Items, expected: Vec) -> object:
        values = [self.fit(item, expected.element) for item in node.items]
        if expected.is_blob:
            return bytes(value for value in values if isinstance(value, int))
        return values

    def _fit_struct(self, node: Struct, expected: Record) -> object:
        entries = {entry.number: entry for entry in node.entries}
        for number, entry in entries.items():
            if number not in expected.by_number:
                known = ", ".join(label_text(field.label) for field in expected.fields) or "none"
                raise CandidTextError(
                    f"there is no field {label_text(entry.label)}; the fields are: {known}",
                    text=self._source,
                    offset=entry.offset,
                )
        parts: dict[str, object] = {}
        for field in expected.fields:
            if field.number in entries:
                parts[field.label] = self.fit(entries[field.number].content, field.type)
            elif field.type.accepts_null:
                parts[field.label] = None
            else:
                raise self.fault(f"field {label_text(field.label)} is missing", node)
        return expected.assemble(parts)

    def _fit_choice(self, node: Choice, expected: Variant) -> Tagged:
        field = expected.by_number.get(node.entry.number)
        if field is None:
            known = ", ".join(label_text(field.label) for field in expected.fields) or "none"
            raise CandidTextError(
                f"there is no tag {label_text(node.entry.label)}; the tags are: {known}",
                text=self._source,
                offset=node.entry.offset,
            )
        return Tagged(field.label, self.fit(node.entry.content, field.type))

    def _fit_literal(self, node: Node, expected: CandidType) -> object:
        if expected is RESERVED:
            self.fit(node, self.infer(node))
            return None
        match node:
            case Number() | Decimal() if isinstance(expected, Primitive):
                if expected.is_value(node.value):
                    return node.value
                raise self.fault(f"{str(node.value)[:_SHOWN_MAX]} is no {expected.kind}", node)
            case Plain() | Reference() if _is_literal_of(node, expected):
                return node.value
            case _:
                raise self.fault(f"expected {expected.kind}, found {self.infer(node).kind}", node)


def _is_literal_of(node: Plain | Reference, expected: CandidType) -> bool:
    match expected:
        case Primitive():
            return expected.is_value(node.value)
        case Vec():
            return isinstance(node.value, bytes) and expected.is_blob
        case Func():
            return isinstance(node.value, FuncRef)
        case Service():
            return isinstance(node, Reference) and node.is_service
        case _:
            return False


def _literal_type(node: Number | Decimal | Plain | Reference) -> CandidType:
    found: CandidType
    match node.value:
        case None:
            found = NULL
        case bool():
            found = BOOL
        case int():
            found = NAT if node.value >= 0 else INT
        case float():
            found = FLOAT64
        case str():
            found = TEXT
        case bytes():
            found = BLOB
        case FuncRef():
            found = Func([], [])
        case Principal():
            found = Service({}) if node.is_service else PRINCIPAL
        case _:
            assert_never(node.value)
    return found


def join(one: CandidType, other: CandidType) -> CandidType | None:
    """The least type that has the values of both; None where there is none worth having."""
    one, other = one.resolved(), other.resolved()
    match one, other:
        case (Opt(), Opt()):
            inner = join(one.element, other.element)
            return Opt(inner) if inner else None
        case (Vec(), Vec()):
            inner = join(one.element, other.element)
            return Vec(inner) if inner else None
        case (Record(), Record()):
            same = one.by_number.keys() == other.by_number.keys()
            joined = _join_fields(one, other) if same else None
            return record_of(joined) if joined is not None else None
        case (Variant(), Variant()):
            joined = _join_fields(one, other)
            return Variant(joined) if joined is not None else None
        case _:
            return _join_plain(one, other)


def _join_plain(one: CandidType, other: CandidType) -> CandidType | None:
    for lower, upper in ((one, other), (other, one)):
        if lower is upper or is_subtype(lower, upper, strictly=True):
            # A number is not made an option because one of its neighbours is.
            return None if isinstance(upper, Opt) and lower not in (NULL, EMPTY) else upper
    return None


def _join_fields(one: Fields, other: Fields) -> list[Field] | None:
    """The fields of either, joined where both have them."""
    joined: list[Field] = []
    for number, field in {**other.by_number, **one.by_number}.items():
        kind: CandidType | None = field.type
        if number in one.by_number and number in other.by_number:
            kind = join(one.by_number[number].type, other.by_number[number].type)
        if kind is None:
            return None
        joined.append(Field(number, field.label, kind))
    return joined
