"""The network's rules for a module, in its order and with its texts.

Not checked: the number and complexity of the instructions of a single function. Whether the code
itself is valid Wasm is for the compiler to say.

Source: interface specification, "Canister module format"; dfinity/ic,
``rs/embedders/src/wasm_utils/validation.rs`` and ``rs/types/wasm_types/src/errors.rs``.
"""

from collections.abc import Iterable
from typing import Final

from juno_snap.replica.instrument.decode import InvalidWasmError
from juno_snap.replica.instrument.shape import (
    METHOD_KINDS,
    Export,
    FunctionType,
    Import,
    MetadataSection,
    MethodKind,
    ModuleShape,
)
from juno_snap.replica.system_api.signatures import signature_of
from juno_snap.units import MIB

CODE_SECTION_MAX_BYTES: Final = 10 * MIB
FUNCTIONS_MAX: Final = 50_000
GLOBALS_MAX: Final = 1_000
METHODS_MAX: Final = 1_000
METHOD_NAMES_MAX_BYTES: Final = 20_000
METADATA_SECTIONS_MAX: Final = 16
METADATA_MAX_BYTES: Final = MIB

SYSTEM_FUNCTIONS: Final = frozenset(
    {
        "canister_init",
        "canister_pre_upgrade",
        "canister_post_upgrade",
        "canister_inspect_message",
        "canister_heartbeat",
        "canister_global_timer",
        "canister_on_low_wasm_memory",
    }
)
RESERVED_EXPORTS: Final = frozenset({"canister_start", "canister counter_instructions"})
"""Names the network uses itself when it rewrites a module."""

_NO_TYPE: Final = FunctionType((), ())
_GLOBAL_TYPES: Final = frozenset({"i32", "i64", "f32", "f64", "v128"})
_IMPORT_PLURALS: Final = {
    "table": "tables",
    "memory": "memories",
    "global": "globals",
    "tag": "tags",
}


def check_rules(shape: ModuleShape) -> None:
    """Check every rule and note methods, entry points and metadata in ``shape``.

    Raises:
        InvalidWasmError: A rule is broken; the first one that the network would name.
    """
    if shape.code_bytes > CODE_SECTION_MAX_BYTES:
        raise InvalidWasmError(
            f"Wasm module code section size of {shape.code_bytes}"
            f" exceeds the maximum allowed size of {CODE_SECTION_MAX_BYTES}."
        )
    _check_imports(shape)
    _check_exports(shape)
    _check_globals(shape)
    if len(shape.function_types) > FUNCTIONS_MAX:
        raise InvalidWasmError(
            f"Wasm module defined {len(shape.function_types)} functions,"
            f" which exceeds the maximum number allowed {FUNCTIONS_MAX}."
        )
    if shape.memory_count > 1:
        raise InvalidWasmError(
            f"Wasm module has {shape.memory_count} memory sections but should have had 1"
        )
    shape.metadata = _metadata(shape.custom_sections)


def _check_imports(shape: ModuleShape) -> None:
    for entry in shape.imports:
        if entry.kind != "function":
            raise InvalidWasmError(
                "Wasm module has an invalid import section. Importing"
                f" {_IMPORT_PLURALS[entry.kind]} is not allowed:"
                f" '{entry.name}' from '{entry.module}'."
            )
        _check_function_import(entry, shape.pointer_type)


def _check_function_import(entry: Import, pointer_type: str) -> None:
    signature = signature_of(entry.name, pointer_type)
    if signature is None:
        raise InvalidWasmError(
            "Wasm module has an invalid import section. Module imports function"
            f" '{entry.name}' from '{entry.module}' that is not exported by the runtime."
        )
    if entry.module != "ic0":
        raise InvalidWasmError(
            "Wasm module has an invalid import section. Module imports function"
            f' "{entry.name}" from "{entry.module}", expected to be imported from one of'
            ' ["ic0"] instead.'
        )
    _check_type(entry.name, entry.type, FunctionType(signature.params, signature.results))


def _check_exports(shape: ModuleShape) -> None:
    methods: dict[str, MethodKind] = {}
    entry_points = set()
    for export in shape.exports:
        if export.name in RESERVED_EXPORTS:
            raise _bad_export(f"Exporting reserved symbol {export.name} not allowed.")
        if export.kind != "function":
            continue
        method = _method_of(export)
        if method is not None:
            kind, name = method
            if name in methods:
                raise _bad_export(
                    f"Duplicate function '{name}' exported multiple times with different call"
                    " types: update, query, or composite_query."
                )
            methods[name] = kind
        elif export.name in SYSTEM_FUNCTIONS:
            entry_points.add(export.name)
        elif export.name.startswith("canister_"):
            raise _bad_export(
                f"Exporting reserved function '{export.name}' with \"canister_\" prefix"
            )
        else:
            continue
        _check_type(export.name, shape.type_of_function(export.index), _NO_TYPE)
    _check_method_limits(methods)
    shape.methods = methods
    shape.entry_points = frozenset(entry_points)


def _method_of(export: Export) -> tuple[MethodKind, str] | None:
    for kind in METHOD_KINDS:
        prefix = f"canister_{kind} "
        if export.name.startswith(prefix):
            return kind, export.name.removeprefix(prefix)
    return None


def _check_method_limits(names: Iterable[str]) -> None:
    lengths = [len(name.encode()) for name in names]
    which = (
        "exported functions called `canister_update <name>`, `canister_query <name>`,"
        " or `canister_composite_query <name>` exceeds"
    )
    if len(lengths) > METHODS_MAX:
        raise _bad_export(f"The number of {which} {METHODS_MAX}.")
    if sum(lengths) > METHOD_NAMES_MAX_BYTES:
        raise _bad_export(f"The sum of `<name>` lengths in {which} {METHOD_NAMES_MAX_BYTES}.")


def _check_globals(shape: ModuleShape) -> None:
    if len(shape.globals) > GLOBALS_MAX:
        raise InvalidWasmError(
            f"Wasm module defined {len(shape.globals)} globals"
            f" which exceeds the maximum number allowed {GLOBALS_MAX}."
        )
    for entry in shape.globals:
        if entry.type not in _GLOBAL_TYPES:
            raise InvalidWasmError(
                f"Wasm module has an invalid global section. Unsupported global type: {entry.type}"
            )


def _metadata(sections: Iterable[tuple[str, bytes]]) -> dict[str, MetadataSection]:
    found: dict[str, MetadataSection] = {}
    total = 0
    for full_name, content in sections:
        if not full_name.startswith("icp:"):
            continue
        scope, space, name = full_name.removeprefix("icp:").partition(" ")
        if scope not in {"public", "private"}:
            raise _bad_custom(
                f"Invalid custom section: Custom section '{full_name}'"
                " has no public/private scope defined."
            )
        if not space:
            raise _bad_custom(
                "'icp:' section names must have a space after the public/private scope"
            )
        if name in found:
            raise _bad_custom(f"Invalid custom section: name {name} already exists")
        total += len(content) + len(name.encode())
        if total > METADATA_MAX_BYTES:
            raise _bad_custom(
                "Invalid custom sections: total size of the custom sections exceeds the maximum"
                f" allowed: size {total} bytes, allowed {METADATA_MAX_BYTES} bytes"
            )
        found[name] = MetadataSection(scope == "public", content)
    if len(found) > METADATA_SECTIONS_MAX:
        raise InvalidWasmError(
            f"Wasm module defined {len(found)} custom sections"
            f" which exceeds the maximum number allowed {METADATA_SECTIONS_MAX}."
        )
    return found


def _check_type(name: str, actual: FunctionType | None, expected: FunctionType) -> None:
    if actual is None:
        raise _bad_export(f"'{name}' is not a function of the module.")
    for what, wanted, got in (
        ("input params", expected.params, actual.params),
        ("return type", expected.results, actual.results),
    ):
        if wanted != got:
            raise InvalidWasmError(
                "Wasm module has an invalid function signature."
                f" Expected {what} {_spell(wanted)} for '{name}', got {_spell(got)}."
            )


def _spell(types: Iterable[str]) -> str:
    return f"[{', '.join(types).upper()}]"


def _bad_export(what: str) -> InvalidWasmError:
    return InvalidWasmError(f"Wasm module has an invalid export section. {what}")


def _bad_custom(what: str) -> InvalidWasmError:
    return InvalidWasmError(f"Wasm module has an invalid custom section. {what}")
