"""Candid values as text, in one form: the text that ``fitting`` reads.

One line; fields in the order of their ids; a type after each number, where it says what the digits
do not; names for fields where somebody knows them, numbers otherwise. What cannot be printed is
escaped, so that a reply cannot drive a terminal.
"""

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from juno_snap.wire.candid.codec import TypedValue, decode_untyped
from juno_snap.wire.candid.interface import Interface
from juno_snap.wire.candid.primitives import (
    FLOAT32,
    NULL,
    CandidType,
    Fixed,
    Float,
    Future,
    Int,
    Nat,
    Reserved,
)
from juno_snap.wire.candid.types import (
    Field,
    Fields,
    Func,
    Opt,
    Record,
    Service,
    Tuple,
    Variant,
    Vec,
)
from juno_snap.wire.candid.values import FuncRef, Tagged, label_of_id

KEYWORDS: Final = frozenset(
    [
        "blob", "bool", "composite_query", "empty", "false", "float32", "float64", "func",
        "import", "inf", "int", "int16", "int32", "int64", "int8", "nan", "NaN", "nat", "nat16",
        "nat32", "nat64", "nat8", "null", "oneway", "opt", "principal", "query", "record",
        "reserved", "service", "text", "true", "type", "variant", "vec",
    ]
)  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}
_FLOAT32_DIGITS: Final = 9
"""Significant digits that tell any two float32 apart. Source: IEEE 754."""


def format_reply(
    data: bytes,
    *,
    interface: Interface | None = None,
    types: Sequence[CandidType] | None = None,
) -> str:
    """A message as Candid text: all of it, at the types that it declares.

    ``interface`` and ``types`` only give names to fields.

    Raises:
        DecodeError: The message is no Candid.
    """
    known = [*(interface.types if interface else ()), *(types or ())]
    return format_values(decode_untyped(data), labels_of(known))


def format_values(values: Iterable[TypedValue], labels: Mapping[int, str]) -> str:
    """``(1 : nat, "a")``. ``labels`` names field ids."""
    printer = _Printer(labels)
    return f"({', '.join(printer.annotated(value.type, value.value) for value in values)})"


def labels_of(types: Iterable[CandidType]) -> dict[int, str]:
    """The names of all fields and tags in ``types``, by id; not those that two names share."""
    found: dict[int, str] = {}
    shared: set[int] = set()
    seen: set[CandidType] = set()
    waiting = list(types)
    while waiting:
        part = waiting.pop().resolved()
        if part in seen:
            continue
        seen.add(part)
        waiting.extend(_parts(part))
        for field in part.fields if isinstance(part, Fields) else ():
            if found.setdefault(field.number, field.label) != field.label:
                shared.add(field.number)
    return {number: label for number, label in found.items() if number not in shared}


def _parts(part: CandidType) -> list[CandidType]:
    match part:
        case Opt() | Vec():
            return [part.element]
        case Fields():
            return [field.type for field in part.fields]
        case Func():
            return [*part.args, *part.results]
        case Service():
            return list(part.methods.values())
        case _:
            return []


class _Printer:
    def __init__(self, labels: Mapping[int, str]) -> None:
        self._labels = labels

    def annotated(self, part: CandidType, value: object) -> str:
        """A value with its type where that is not plain to see."""
        return self.plain(part, value) + _annotation(part)

    def plain(self, part: CandidType, value: object) -> str:
        """A value without its type."""
        match part.resolved(), value:
            case (_, None):
                return "null"
            case (Opt() as option, _):
                return self._opt(option, value)
            case (Vec() as vec, list()):
                items = [self.annotated(vec.element, item) for item in value]
                return f"vec {_braced(items)}"
            case (Record() as record, _):
                return self._record(record, value)
            case (Variant() as variant, Tagged()):
                return self._variant(variant, value)
            case (kind, _):
                return _plain_text(kind, value)

    def _opt(self, part: Opt, value: object) -> str:
        content = part.unwrap(value)
        if content is None:
            return "null"
        text, annotation = self.plain(part.element, content.value), _annotation(part.element)
        return f"opt ({text}{annotation})" if annotation else f"opt {text}"

    def _record(self, part: Record, value: object) -> str:
        values = part.parts(value)
        entries: list[str] = []
        for field in part.fields:
            text = self.annotated(field.type, values[field.label])
            entries.append(text if isinstance(part, Tuple) else f"{self._name(field)} = {text}")
        return f"record {_braced(entries)}"

    def _variant(self, part: Variant, value: Tagged) -> str:
        field = part.by_label[value.tag]
        if field.type.resolved() is NULL:
            return f"variant {{ {self._name(field)} }}"
        return f"variant {{ {self._name(field)} = {self.annotated(field.type, value.value)} }}"

    def _name(self, field: Field) -> str:
        label = self._labels.get(field.number, field.label)
        return str(field.number) if label == label_of_id(field.number) else name_text(label)


def _annotation(part: CandidType) -> str:
    """`` : nat`` and the like, where the text of a value does not say it."""
    match part.resolved():
        case Nat() | Int() | Fixed() | Float() | Reserved() as plain:
            return f" : {plain.kind}"
        case Future():
            return " : reserved"
        case _:
            return ""


def _plain_text(part: CandidType, value: object) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case int():
            text = f"{value:_}"
        case float():
            text = _float_text(value, is_single=part is FLOAT32)
        case str():
            text = quoted(value)
        case bytes():
            text = f"blob {_blob_text(value)}"
        case FuncRef():
            text = f'func "{value.principal}".{name_text(value.method)}'
        case _:
            text = f'{part.kind} "{value}"'
    return text


def _braced(entries: list[str]) -> str:
    return f"{{ {'; '.join(entries)} }}" if entries else "{}"


def _float_text(value: float, *, is_single: bool) -> str:
    """The fewest digits that are read as the same value again."""
    if not is_single or not math.isfinite(value):
        return repr(value)
    for digits in range(1, _FLOAT32_DIGITS + 1):
        rounded = float(f"{value:.{digits}g}")
        # Rounding up near the largest float32 may leave its range.
        if FLOAT32.is_value(rounded) and struct.pack("<f", rounded) == struct.pack("<f", value):
            return repr(rounded)
    return repr(value)


def name_text(name: str) -> str:
    """A name as it stands in Candid text: in quotes unless it is a plain word."""
    return name if _NAME.fullmatch(name) and name not in KEYWORDS else quoted(name)


def quoted(text: str) -> str:
    """A text in quotes."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(_escaped(character) for character in text)}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _blob_text(data: bytes) -> str:
    """Letters where all of it is readable, hex escapes for each byte otherwise."""
    if _PRINTABLE.issuperset(data):
        return f'"{data.decode()}"'
    return f'"\\{data.hex(chr(92))}"'
