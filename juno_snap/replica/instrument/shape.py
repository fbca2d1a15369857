"""What the replica needs to know of a module: its imports, exports, globals and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, final

from juno_snap.replica.instrument import binary
from juno_snap.replica.instrument.binary import Cursor, Section

EOP_SECTION: Final = "enhanced-orthogonal-persistence"
"""Metadata of a Motoko module whose heap survives an upgrade. Source: motoko, persistence docs."""

ExternKind = Literal["function", "table", "memory", "global", "tag"]
EXTERN_KINDS: Final[tuple[ExternKind, ...]] = ("function", "table", "memory", "global", "tag")
MethodKind = Literal["update", "query", "composite_query"]
METHOD_KINDS: Final[tuple[MethodKind, ...]] = ("update", "query", "composite_query")

_LIMIT_HAS_MAXIMUM: Final = 1
_LIMIT_IS_64_BIT: Final = 4
_LIMIT_HAS_PAGE_SIZE: Final = 8


class FunctionType(NamedTuple):
    """Names of the value types that go in and come out."""

    params: tuple[str, ...]
    results: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Something a module asks for. ``type`` is None where it is no function."""

    module: str
    name: str
    kind: ExternKind
    type: FunctionType | None


@final
@dataclass(frozen=True, slots=True)
class Export:
    """Something a module offers; ``index`` counts within its kind, imports first."""

    name: str
    kind: ExternKind
    index: int


@final
@dataclass(frozen=True, slots=True)
class Global:
    """A global a module defines; ``index`` counts imported ones too."""

    index: int
    type: str
    mutable: bool


class MetadataSection(NamedTuple):
    """An ``icp:`` section. A private one is read by controllers only."""

    is_public: bool
    content: bytes


@final
@dataclass(slots=True, kw_only=True)
class ModuleShape:
    """A module without its code. Filled while it is read; afterwards nothing changes it."""

    types: list[FunctionType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    function_types: list[int] = field(default_factory=list)
    """Type indexes of the functions it defines itself."""
    table_count: int = 0
    memory_count: int = 0
    memory64: bool = False
    globals: list[Global] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    start_function: int | None = None
    code_bytes: int = 0
    custom_sections: list[tuple[str, bytes]] = field(default_factory=list)
    methods: Mapping[str, MethodKind] = field(default_factory=dict)
    """Public methods by name; filled by the check of the network's rules."""
    entry_points: frozenset[str] = frozenset()
    """Exported system functions, such as ``canister_init``; filled by the same check."""
    metadata: Mapping[str, MetadataSection] = field(default_factory=dict)
    """``icp:`` sections by name without their prefix; filled by the same check."""

    @property
    def has_eop(self) -> bool:
        """Whether it is a Motoko module with enhanced orthogonal persistence."""
        return EOP_SECTION in self.metadata

    @property
    def pointer_type(self) -> str:
        """``i64`` with a 64-bit memory, else ``i32``, also without a memory."""
        return "i64" if self.memory64 else "i32"

    @property
    def imported_function_count(self) -> int:
        """Functions that come from outside; they have the first indexes."""
        return sum(entry.kind == "function" for entry in self.imports)

    def type_of_function(self, index: int) -> FunctionType | None:
        """The type of a function, imported or defined; None where there is no such function."""
        imported = [entry.type for entry in self.imports if entry.kind == "function"]
        if index < len(imported):
            return imported[index]
        defined = index - len(imported)
        if defined >= len(self.function_types) or self.function_types[defined] >= len(self.types):
            return None
        return self.types[self.function_types[defined]]

    def snapshot_globals(self) -> list[Global]:
        """The globals of a snapshot in the network's order.

        First the exported ones, immutable too, as the export section has them; then the mutable
        ones that are not exported, by index. Source: dfinity/ic, ``wasmtime_embedder.rs`` and
        ``instrumentation.rs``.
        """
        by_index = {entry.index: entry for entry in self.globals}
        exported = [
            by_index[export.index]
            for export in self.exports
            if export.kind == "global" and export.index in by_index
        ]
        names = {entry.index for entry in exported}
        return exported + [g for g in self.globals if g.mutable and g.index not in names]


def read_shape(sections: list[Section]) -> ModuleShape:
    """The shape of the module that has these sections; ``methods`` and the like are still empty.

    Raises:
        DecodeError: A section is malformed.
    """
    shape = ModuleShape()
    for section in sections:
        reader = _READERS.get(section.id)
        if reader is not None:
            reader(Cursor(section.payload), shape)
    return shape


def _read_custom(cursor: Cursor, shape: ModuleShape) -> None:
    shape.custom_sections.append((cursor.name(), cursor.rest()))


def _read_types(cursor: Cursor, shape: ModuleShape) -> None:
    def one() -> FunctionType:
        if cursor.byte() != binary.FUNCTION_TYPE:
            cursor.fail("only function types are supported")
        return FunctionType(
            params=tuple(cursor.vector(cursor.value_type)),
            results=tuple(cursor.vector(cursor.value_type)),
        )

    shape.types.extend(cursor.vector(one))


def _read_imports(cursor: Cursor, shape: ModuleShape) -> None:
    def one() -> Import:
        module, name, code = cursor.name(), cursor.name(), cursor.byte()
        if code >= len(EXTERN_KINDS):
            cursor.fail(f"invalid import kind {code}")
        kind, function_type = EXTERN_KINDS[code], None
        if kind == "function":
            index = cursor.unsigned()
            if index >= len(shape.types):
                cursor.fail(f"unknown type {index}")
            function_type = shape.types[index]
        elif kind == "global":
            cursor.take(2)
        else:
            if kind != "memory":
                cursor.byte()
            _read_limits(cursor)
        return Import(module=module, name=name, kind=kind, type=function_type)

    shape.imports.extend(cursor.vector(one))


def _read_limits(cursor: Cursor) -> int:
    flags = cursor.byte()
    cursor.unsigned()
    for flag in (_LIMIT_HAS_MAXIMUM, _LIMIT_HAS_PAGE_SIZE):
        if flags & flag:
            cursor.unsigned()
    return flags


def _read_functions(cursor: Cursor, shape: ModuleShape) -> None:
    shape.function_types.extend(cursor.vector(cursor.unsigned))


def _read_tables(cursor: Cursor, shape: ModuleShape) -> None:
    shape.table_count += cursor.unsigned()


def _read_memories(cursor: Cursor, shape: ModuleShape) -> None:
    for flags in cursor.vector(lambda: _read_limits(cursor)):
        shape.memory_count += 1
        shape.memory64 = bool(flags & _LIMIT_IS_64_BIT)


def _read_globals(cursor: Cursor, shape: ModuleShape) -> None:
    first = sum(entry.kind == "global" for entry in shape.imports)
    for position in range(cursor.unsigned()):
        value_type, mutable = cursor.value_type(), cursor.byte() == 1
        cursor.skip_constant_expression()
        shape.globals.append(Global(first + position, value_type, mutable))


def _read_exports(cursor: Cursor, shape: ModuleShape) -> None:
    def one() -> Export:
        name, code = cursor.name(), cursor.byte()
        if code >= len(EXTERN_KINDS):
            cursor.fail(f"invalid export kind {code}")
        return Export(name, EXTERN_KINDS[code], cursor.unsigned())

    shape.exports.extend(cursor.vector(one))


def _read_start(cursor: Cursor, shape: ModuleShape) -> None:
    shape.start_function = cursor.unsigned()


def _read_code(cursor: Cursor, shape: ModuleShape) -> None:
    shape.code_bytes = len(cursor.data)


_READERS: Final = {
    binary.CUSTOM: _read_custom,
    binary.TYPE: _read_types,
    binary.IMPORT: _read_imports,
    binary.FUNCTION: _read_functions,
    binary.TABLE: _read_tables,
    binary.MEMORY: _read_memories,
    binary.GLOBAL: _read_globals,
    binary.EXPORT: _read_exports,
    binary.START: _read_start,
    binary.CODE: _read_code,
}
