"""Modules before they run: unpacked, checked against the network's rules, rewritten.

Knows bytes only; compiling and running is for ``juno_snap.replica.runtime``.
"""

from dataclasses import dataclass
from typing import final

from juno_snap.errors import DecodeError
from juno_snap.replica.instrument.binary import read_sections
from juno_snap.replica.instrument.decode import InvalidWasmError, unpack_module
from juno_snap.replica.instrument.rewrite import rewrite_module
from juno_snap.replica.instrument.rules import check_rules
from juno_snap.replica.instrument.shape import MetadataSection, ModuleShape, read_shape

__all__ = [
    "InvalidWasmError",
    "MetadataSection",
    "ModuleShape",
    "PreparedModule",
    "prepare_module",
    "validate_module",
]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedModule:
    """An uploaded module, checked and rewritten."""

    wasm: bytes
    """Unpacked, as its author made it."""
    rewritten: bytes
    """What the replica compiles."""
    shape: ModuleShape


def prepare_module(uploaded: bytes) -> PreparedModule:
    """Unpack, check and rewrite a module.

    Raises:
        InvalidWasmError: The network would refuse it; its code is not looked at.
    """
    wasm = unpack_module(uploaded)
    try:
        sections = read_sections(wasm)
        shape = read_shape(sections)
    except DecodeError as error:
        raise InvalidWasmError(
            f"Failed to decode wasm module: {error.message} (at offset {error.offset})"
        ) from error
    check_rules(shape)
    return PreparedModule(wasm=wasm, rewritten=rewrite_module(wasm, sections, shape), shape=shape)


def validate_module(uploaded: bytes) -> ModuleShape:
    """What a module imports, exports and says of itself, where it keeps the network's rules.

    Raises:
        InvalidWasmError: The network would refuse it; its code is not looked at.
    """
    return prepare_module(uploaded).shape
