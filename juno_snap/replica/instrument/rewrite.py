"""Rewrites a module so that its whole state can be saved and put back, section by section.

The replica runs each message in a fresh instance. So the rewritten module

* has no start section; the start function is exported and called once, at install or upgrade;
* exports its memory and its first table under names of ours;
* has two functions more: one returns every global of a snapshot, one takes the mutable ones. A
  single call saves or restores them all, where one call for each global would cost more than the
  message itself.

Indexes of types and functions that were there before stay the same.
"""

from collections.abc import Iterable
from typing import Final

from juno_snap.replica.instrument import binary
from juno_snap.replica.instrument.binary import (
    HEADER_BYTES,
    SECTION_ORDER,
    VALUE_TYPE_CODES,
    Cursor,
    Section,
    encode_name,
)
from juno_snap.replica.instrument.shape import EXTERN_KINDS, ExternKind, Global, ModuleShape
from juno_snap.wire.leb128 import encode_unsigned

MEMORY_EXPORT: Final = "juno-snap memory"
TABLE_EXPORT: Final = "juno-snap table"
START_EXPORT: Final = "juno-snap start"
SAVE_GLOBALS_EXPORT: Final = "juno-snap save globals"
"""``() -> (every global of a snapshot, in the network's order)``."""
RESTORE_GLOBALS_EXPORT: Final = "juno-snap restore globals"
"""``(the mutable globals of a snapshot, in the same order) -> ()``."""

_LOCAL_GET: Final = b"\x20"
_GLOBAL_GET: Final = b"\x23"
_GLOBAL_SET: Final = b"\x24"
_NO_LOCALS: Final = b"\0"
_END: Final = b"\x0b"


def rewrite_module(wasm: bytes, sections: list[Section], shape: ModuleShape) -> bytes:
    """The module as the replica compiles it; ``wasm`` had these sections and this shape."""
    kept = [section for section in sections if section.id != binary.START]
    exports: list[tuple[str, ExternKind, int]] = []
    if shape.memory_count:
        exports.append((MEMORY_EXPORT, "memory", 0))
    if shape.table_count:
        exports.append((TABLE_EXPORT, "table", 0))
    if shape.start_function is not None:
        exports.append((START_EXPORT, "function", shape.start_function))
    saved = shape.snapshot_globals()
    if saved:
        _add_global_functions(kept, saved, shape, exports)
    _append_items(
        kept,
        binary.EXPORT,
        [
            encode_name(name) + bytes([EXTERN_KINDS.index(kind)]) + encode_unsigned(index)
            for name, kind, index in exports
        ],
    )
    return binary.write_sections(wasm[:HEADER_BYTES], kept)


def _add_global_functions(
    sections: list[Section],
    saved: list[Global],
    shape: ModuleShape,
    exports: list[tuple[str, ExternKind, int]],
) -> None:
    mutable = [entry for entry in saved if entry.mutable]
    first_type = len(shape.types)
    first_function = shape.imported_function_count + len(shape.function_types)
    everything = [entry.type for entry in saved]
    _append_items(
        sections,
        binary.TYPE,
        [_function_type([], everything), _function_type([entry.type for entry in mutable], [])],
    )
    _append_items(
        sections,
        binary.FUNCTION,
        [encode_unsigned(first_type), encode_unsigned(first_type + 1)],
    )
    save = b"".join(_GLOBAL_GET + encode_unsigned(entry.index) for entry in saved)
    restore = b"".join(
        _LOCAL_GET + encode_unsigned(position) + _GLOBAL_SET + encode_unsigned(entry.index)
        for position, entry in enumerate(mutable)
    )
    _append_items(sections, binary.CODE, [_body(save), _body(restore)])
    exports.append((SAVE_GLOBALS_EXPORT, "function", first_function))
    exports.append((RESTORE_GLOBALS_EXPORT, "function", first_function + 1))


def _append_items(sections: list[Section], section_id: int, items: list[bytes]) -> None:
    """Add to the vector of a section; a section that is not there is put in its place."""
    if not items:
        return
    for position, section in enumerate(sections):
        if section.id == section_id:
            cursor = Cursor(section.payload)
            count = cursor.unsigned() + len(items)
            sections[position] = _vector_section(section_id, count, [cursor.rest(), *items])
            return
    rank = SECTION_ORDER.index(section_id)
    later = [
        position
        for position, section in enumerate(sections)
        if section.id in SECTION_ORDER and SECTION_ORDER.index(section.id) > rank
    ]
    place = later[0] if later else len(sections)
    sections.insert(place, _vector_section(section_id, len(items), items))


def _vector_section(section_id: int, count: int, parts: list[bytes]) -> Section:
    return Section(id=section_id, payload=encode_unsigned(count) + b"".join(parts))


def _function_type(params: Iterable[str], results: Iterable[str]) -> bytes:
    out = bytes([binary.FUNCTION_TYPE])
    for types in (params, results):
        codes = bytes(VALUE_TYPE_CODES[name] for name in types)
        out += encode_unsigned(len(codes)) + codes
    return out


def _body(code: bytes) -> bytes:
    whole = _NO_LOCALS + code + _END
    return encode_unsigned(len(whole)) + whole
