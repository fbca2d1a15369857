"""The types with parts, on ic-py's classes.

From ic-py come the class hierarchy and the encoding of definitions. Its records and variants sort
and encode fields by ids that it parses out of labels like ``_5``; ours hand it labels of exactly
that form, so that a field called ``_x`` does no harm. Its checks, its values and all of its
decoding are replaced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import ic.candid as ic
from typing_extensions import override

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.wire.candid.cursor import Cursor, Writer
from juno_snap.wire.candid.primitives import (
    NAT8,
    PRINCIPAL,
    TYPE_DEPTH_MAX,
    CandidType,
    TypeTable,
    misfit,
)
from juno_snap.wire.candid.values import FuncRef, MisfitError, Some, Tagged, label_id, label_of_id
from juno_snap.wire.leb128 import encode_signed, encode_unsigned

FuncMode: TypeAlias = Literal["query", "oneway", "composite_query"]
MODE_CODES: Final[Mapping[FuncMode, int]] = {"query": 1, "oneway": 2, "composite_query": 3}
"""Source: Candid specification, "Types"."""

MODES: Final[Mapping[str, FuncMode]] = {mode: mode for mode in MODE_CODES}


class Composite(CandidType):
    """A type with parts: it stands in the type table and is referred to by its place there."""

    @override
    def buildTypeTable(self, typeTable: TypeTable) -> None:
        typeTable.enter()
        super().buildTypeTable(typeTable)
        typeTable.leave()

    def define(self, table: TypeTable) -> None:
        """Put the definition into the table, whether or not a place is reserved for it."""
        self._buildTypeTableImpl(table)

    @override
    def encodeType(self, typeTable: TypeTable) -> bytes:
        return encode_signed(typeTable.index(self))


@final
class Opt(Composite, ic.OptClass):
    """``opt t``: None, or the value; ``Some(value)`` only where the value could be None itself."""

    word = "opt"

    def __init__(self, element: CandidType) -> None:
        super().__init__(element)
        self.element: Final = element

    @property
    @override
    def accepts_null(self) -> bool:
        return True

    def wrap(self, value: object) -> object:
        """A present value."""
        return Some(value) if self.element.accepts_null else value

    def unwrap(self, value: object) -> Some | None:
        """The content, or None where there is none."""
        if value is None or isinstance(value, Some):
            return value
        if self.element.accepts_null:
            raise MisfitError(f"expected Some or None, found {type(value).__name__}")
        return Some(value)

    @override
    def write(self, value: object, out: Writer) -> None:
        content = self.unwrap(value)
        if content is None:
            out.put(b"\0")
            return
        out.put(b"\1")
        out.enter()
        self.element.write(content.value, out)
        out.leave()

    @override
    def read(self, cursor: Cursor) -> object:
        present = cursor.byte()
        if not present:
            return None
        if present > 1:
            raise cursor.fault(f"{present} where an option has 0 or 1")
        cursor.enter()
        value = self.element.read(cursor)
        cursor.leave()
        return self.wrap(value)


@final
class Vec(Composite, ic.VecClass):
    """``vec t``: a list; ``vec nat8`` is bytes, copied once and never looked at byte by byte."""

    def __init__(self, element: CandidType) -> None:
        super().__init__(element)
        self.element: Final = element

    @property
    def is_blob(self) -> bool:
        """Whether it is ``vec nat8``."""
        return self.element.resolved() is NAT8

    @property
    @override
    def kind(self) -> str:
        return "blob" if self.is_blob else "vec"

    @override
    def write(self, value: object, out: Writer) -> None:
        if self.is_blob:
            if not isinstance(value, bytes | bytearray | memoryview):
                raise misfit(self, value)
            out.put_sized(value, memoryview(value).nbytes)
            return
        if not isinstance(value, list | tuple):
            raise misfit(self, value)
        out.put(encode_unsigned(len(value)))
        out.enter()
        write = self.element.write
        for position, item in enumerate(value):
            try:
                write(item, out)
            except MisfitError as error:
                error.within(f"item {position}")
                raise
        out.leave()

    @override
    def read(self, cursor: Cursor) -> object:
        count = cursor.length()
        if self.is_blob:
            return cursor.take(count)
        cursor.enter()
        items: list[object] = []
        read = self.element.read
        # A false count ends with the bytes, or with the allowance where items need none.
        while len(items) < count:
            items.append(read(cursor))
        cursor.leave()
        return items


@final
@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record or a tag of a variant."""

    number: int
    label: str
    type: CandidType


class Fields(Composite):
    """What records and variants share: fields in the order of their ids."""

    def __init__(self, fields: Mapping[str, CandidType] | Iterable[Field]) -> None:
        if isinstance(fields, Mapping):
            fields = [Field(label_id(label), label, part) for label, part in fields.items()]
        self.fields: Final = tuple(sorted(fields, key=lambda field: field.number))
        self.by_number: Final = {field.number: field for field in self.fields}
        self.by_label: Final = {field.label: field for field in self.fields}
        if len(self.by_number) != len(self.fields) or len(self.by_label) != len(self.fields):
            raise InputError(f"two fields of a {self.kind} have one name or one id")
        super().__init__({f"_{field.number}": field.type for field in self.fields})


class Record(Fields, ic.RecordClass):
    """``record {...}``: a dict by label; options (and null, reserved) may be left out."""

    word = "record"

    def parts(self, value: object) -> Mapping[str, object]:
        """The fields of a value by label."""
        if not isinstance(value, Mapping):
            raise misfit(self, value)
        return value

    def assemble(self, parts: dict[str, object]) -> object:
        """The value that has these fields."""
        return parts

    @override
    def write(self, value: object, out: Writer) -> None:
        parts = self.parts(value)
        out.enter()
        for field in self.fields:
            if field.label not in parts and not field.type.accepts_null:
                raise MisfitError(f"field {field.label} is missing")
            try:
                field.type.write(parts.get(field.label), out)
            except MisfitError as error:
                error.within(f"field {field.label}")
                raise
        out.leave()
        for label in parts:
            if label not in self.by_label:
                known = ", ".join(field.label for field in self.fields) or "none"
                raise MisfitError(f"there is no field {label!r}; the fields are: {known}")

    @override
    def read(self, cursor: Cursor) -> object:
        cursor.enter()
        cursor.spend()
        parts: dict[str, object] = {}
        for field in self.fields:
            parts[field.label] = field.type.read(cursor)
        cursor.leave()
        return self.assemble(parts)


@final
class Tuple(Record):
    """``record { t0; t1 }``: a Python tuple."""

    def __init__(self, *elements: CandidType) -> None:
        super().__init__({label_of_id(place): part for place, part in enumerate(elements)})

    @override
    def parts(self, value: object) -> Mapping[str, object]:
        if not isinstance(value, tuple) or len(value) != len(self.fields):
            raise MisfitError(f"expected a tuple of {len(self.fields)}")
        return {label_of_id(place): part for place, part in enumerate(value)}

    @override
    def assemble(self, parts: dict[str, object]) -> object:
        return tuple(parts.values())


def record_of(fields: Iterable[Field]) -> Record:
    """The record of these fields; a ``Tuple`` where they are numbered 0, 1, ... without names."""
    ordered = sorted(fields, key=lambda field: field.number)
    if ordered and all(field.label == label_of_id(at) for at, field in enumerate(ordered)):
        return Tuple(*[field.type for field in ordered])
    return Record(ordered)


@final
class Variant(Fields, ic.VariantClass):
    """``variant {...}``: a ``Tagged``."""

    word = "variant"

    @override
    def write(self, value: object, out: Writer) -> None:
        if not isinstance(value, Tagged):
            raise misfit(self, value)
        field = self.by_label.get(value.tag)
        if field is None:
            known = ", ".join(field.label for field in self.fields) or "none"
            raise MisfitError(f"there is no tag {value.tag!r}; the tags are: {known}")
        out.put(encode_unsigned(self.fields.index(field)))
        out.enter()
        try:
            field.type.write(value.value, out)
        except MisfitError as error:
            error.within(f"tag {value.tag}")
            raise
        out.leave()

    @override
    def read(self, cursor: Cursor) -> Tagged:
        index = cursor.length()
        if index >= len(self.fields):
            raise cursor.fault(f"tag {index} of a variant with {len(self.fields)}")
        field = self.fields[index]
        cursor.enter()
        value = field.type.read(cursor)
        cursor.leave()
        return Tagged(field.label, value)


@final
class Func(Composite, ic.FuncClass):
    """``func (...) -> (...)``: a ``FuncRef``."""

    word = "func"

    def __init__(
        self,
        args: Sequence[CandidType],
        results: Sequence[CandidType],
        modes: Sequence[FuncMode] = (),
    ) -> None:
        super().__init__(list(args), list(results), list(modes))
        self.args: Final = tuple(args)
        self.results: Final = tuple(results)
        self.modes: Final = frozenset(modes)

    @override
    def _encodeAnnotation(self, ann: FuncMode) -> bytes:
        return bytes([MODE_CODES[ann]])

    @override
    def write(self, value: object, out: Writer) -> None:
        if not isinstance(value, FuncRef):
            raise misfit(self, value)
        out.put(b"\1")
        PRINCIPAL.write(value.principal, out)
        method = value.method.encode()
        out.put_sized(method, len(method))

    @override
    def read(self, cursor: Cursor) -> FuncRef:
        if cursor.byte() != 1:
            raise cursor.fault("an opaque reference instead of a function")
        return FuncRef(PRINCIPAL.read(cursor), cursor.text())


@final
class Service(Composite, ic.ServiceClass):
    """``service {...}``: a ``Principal``."""

    word = "service"

    def __init__(self, methods: Mapping[str, CandidType]) -> None:
        # ic-py would sort by hash; the specification wants the order of the names' bytes.
        super().__init__({})
        self.methods: Final = dict(sorted(methods.items(), key=lambda item: item[0].encode()))
        self._fields = self.methods

    @override
    def write(self, value: object, out: Writer) -> None:
        if not isinstance(value, Principal):
            raise misfit(self, value)
        PRINCIPAL.write(value, out)

    @override
    def read(self, cursor: Cursor) -> Principal:
        return PRINCIPAL.read(cursor)


@final
class Rec(Composite, ic.RecClass):
    """A type that is named before it is known: make it, use it, then ``fill`` it."""

    @override
    def resolved(self) -> CandidType:
        body = self.getType()
        passed = 0
        while isinstance(body, Rec) and passed < TYPE_DEPTH_MAX:
            body = body.getType()
            passed += 1
        if not isinstance(body, CandidType) or isinstance(body, Rec):
            raise InputError("a Candid type that is used and never defined")
        return body

    @property
    @override
    def kind(self) -> str:
        return self.resolved().kind

    @property
    @override
    def accepts_null(self) -> bool:
        return self.resolved().accepts_null

    @override
    def _buildTypeTableImpl(self, typeTable: TypeTable) -> None:
        body = self.resolved()
        if isinstance(body, Composite) and not typeTable.has(body):
            typeTable.reserve(body)
            body.define(typeTable)

    @override
    def encodeType(self, typeTable: TypeTable) -> bytes:
        return bytes(self.resolved().encodeType(typeTable))

    @override
    def write(self, value: object, out: Writer) -> None:
        self.resolved().write(value, out)

    @override
    def read(self, cursor: Cursor) -> object:
        return self.resolved().read(cursor)


BLOB: Final = Vec(NAT8)
