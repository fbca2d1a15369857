"""Candid messages: values to bytes and back.

Limits on what is decoded: ``TYPE_TABLE_MAX`` definitions with ``MEMBERS_MAX`` parts in all, values
``cursor.DEPTH_MAX`` deep, and an allowance for values that need no bytes.

Source: Candid specification, "Binary Format".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import DecodeError, InputError
from juno_snap.wire.candid.coercion import coerce
from juno_snap.wire.candid.cursor import Cursor, Writer
from juno_snap.wire.candid.primitives import (
    FUTURE_OPCODE,
    OPCODES,
    PRIMITIVES,
    CandidType,
    Future,
    TypeTable,
)
from juno_snap.wire.candid.types import (
    MODE_CODES,
    Field,
    Func,
    FuncMode,
    Opt,
    Rec,
    Service,
    Variant,
    Vec,
    record_of,
)
from juno_snap.wire.candid.values import FIELD_ID_LIMIT, MisfitError, label_of_id
from juno_snap.wire.leb128 import encode_unsigned

MAGIC: Final = b"DIDL"

TYPE_TABLE_MAX: Final = 10_000
"""Definitions in one message. The largest interfaces in use have a few hundred."""

MEMBERS_MAX: Final = 50_000
"""Fields, tags, methods, arguments and results in all definitions of one message together."""

_TYPE_MAX_BYTES: Final = 5
_BY_OPCODE: Final = {primitive.id: primitive for primitive in PRIMITIVES}
_MODES: Final[dict[int, FuncMode]] = {code: mode for mode, code in MODE_CODES.items()}


@final
@dataclass(frozen=True, slots=True)
class TypedValue:
    """A value with the type under which it travelled."""

    type: CandidType
    value: object


def encode(types: Sequence[CandidType], values: Sequence[object]) -> bytes:
    """The message that carries ``values``, one for each of ``types``.

    Raises:
        InputError: A value does not fit its type; names the place.
    """
    if len(types) != len(values):
        raise InputError(f"{len(values)} values for {len(types)} Candid types")
    table = TypeTable()
    for expected in types:
        expected.buildTypeTable(table)
    out = Writer()
    out.put(MAGIC)
    out.put(bytes(table.encode()))
    out.put(encode_unsigned(len(types)))
    for expected in types:
        out.put(bytes(expected.encodeType(table)))
    for position, (expected, value) in enumerate(zip(types, values, strict=True), 1):
        try:
            expected.write(value, out)
        except MisfitError as error:
            error.within(f"argument {position}")
            raise InputError(error.explain(), code="candid-value") from error
    return out.joined()


def decode(data: bytes, types: Sequence[CandidType]) -> list[object]:
    """The values of a message at the types that are expected, one for each of ``types``.

    Further values in the message are ignored; missing ones are None where the type allows it.

    Raises:
        DecodeError: No Candid, values that do not fit the types, or more than the limits.
    """
    given = decode_untyped(data)
    values: list[object] = []
    for position, expected in enumerate(types):
        if position >= len(given) and not expected.accepts_null:
            raise DecodeError(
                f"Candid: argument {position + 1} is missing: expected {expected.kind}",
                code="candid-type",
            )
        if position >= len(given):
            values.append(None)
            continue
        try:
            values.append(coerce(given[position].value, given[position].type, expected))
        except MisfitError as error:
            error.within(f"argument {position + 1}")
            raise DecodeError(f"Candid: {error.explain()}", code="candid-type") from error
    return values


def decode_untyped(data: bytes) -> list[TypedValue]:
    """The values of a message at the types that it declares; fields are labelled ``_N_``.

    Raises:
        DecodeError: No Candid, or more than the limits.
    """
    cursor = Cursor(data)
    if not data.startswith(MAGIC):
        raise cursor.fault("the message does not begin with DIDL")
    cursor.take(len(MAGIC))
    types = _Header(cursor).read()
    values = [TypedValue(part, part.read(cursor)) for part in types]
    if cursor.remaining:
        raise cursor.fault(f"{cursor.remaining} bytes follow the values")
    return values


class _Header:
    """Reads the type table and the types of the arguments."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._members = 0
        self._entries: list[Rec] = []
        self._methods: list[CandidType] = []
        self._readers: dict[int, Callable[[], CandidType]] = {
            OPCODES["Opt"]: lambda: Opt(self._reference()),
            OPCODES["Vec"]: lambda: Vec(self._reference()),
            OPCODES["Record"]: lambda: record_of(self._fields()),
            OPCODES["Variant"]: lambda: Variant(self._fields()),
            OPCODES["Func"]: self._func,
            OPCODES["Service"]: self._service,
        }

    def read(self) -> list[CandidType]:
        count = self._cursor.length()
        if count > TYPE_TABLE_MAX:
            raise self._cursor.fault(f"{count} type definitions; at most {TYPE_TABLE_MAX}")
        self._entries = [Rec() for _ in range(count)]
        for entry in self._entries:
            entry.fill(self._definition())
        for method in self._methods:
            if not isinstance(method.resolved(), Func):
                raise self._cursor.fault("a method of a service that is no function")
        # They refer to this header, which would keep the whole message until the next collection.
        self._readers.clear()
        return [self._reference().resolved() for _ in range(self._count())]

    def _count(self) -> int:
        count = self._cursor.length()
        self._members += count
        if self._members > MEMBERS_MAX:
            raise self._cursor.fault(f"types with more than {MEMBERS_MAX} parts")
        return count

    def _definition(self) -> CandidType:
        opcode = self._cursor.signed(_TYPE_MAX_BYTES)
        if opcode in self._readers:
            return self._readers[opcode]()
        if opcode <= FUTURE_OPCODE:
            self._cursor.take(self._cursor.length())
            return Future()
        raise self._cursor.fault(f"{opcode} does not begin a type definition")

    def _reference(self) -> CandidType:
        code = self._cursor.signed(_TYPE_MAX_BYTES)
        if code in _BY_OPCODE:
            return _BY_OPCODE[code]
        if not 0 <= code < len(self._entries):
            raise self._cursor.fault(f"there is no type {code}")
        return self._entries[code]

    def _fields(self) -> list[Field]:
        fields = []
        previous = -1
        for _ in range(self._count()):
            number = self._cursor.length()
            if not previous < number < FIELD_ID_LIMIT:
                raise self._cursor.fault("field ids that are not sorted, not unique or too large")
            previous = number
            fields.append(Field(number, label_of_id(number), self._reference()))
        return fields

    def _func(self) -> Func:
        args = [self._reference() for _ in range(self._count())]
        results = [self._reference() for _ in range(self._count())]
        modes = [_MODES.get(self._cursor.byte()) for _ in range(self._count())]
        known = [mode for mode in modes if mode]
        if len(known) != len(modes):
            raise self._cursor.fault("an unknown mode of a function")
        return Func(args, results, known)

    def _service(self) -> Service:
        methods: dict[str, CandidType] = {}
        previous = b""
        for _ in range(self._count()):
            name = self._cursor.text()
            if methods and name.encode() <= previous:
                raise self._cursor.fault("methods that are not sorted or not unique")
            previous = name.encode()
            methods[name] = self._reference()
            self._methods.append(methods[name])
        return Service(methods)
