"""Compiles modules, and keeps what was compiled: in memory while used, and on disk."""

import hashlib
import importlib.metadata
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import wasmtime
from wasmtime import _ffi as ffi

from juno_snap.files import write_private
from juno_snap.replica.instrument import InvalidWasmError, ModuleShape, prepare_module
from juno_snap.replica.instrument.shape import Global
from juno_snap.replica.runtime.linker import link_host_functions
from juno_snap.units import GIB, MIB

WASM_STACK_BYTES: Final = 5 * MIB
"""Source: dfinity/ic, ``MAX_WASM_STACK_SIZE``."""
_ASYNC_STACK_BYTES: Final = 2 * WASM_STACK_BYTES
"""Nothing runs on it, but a Wasm stack above its size aborts the process."""

MEMORY64_MAX_BYTES: Final = 6 * GIB
MEMORY32_MAX_BYTES: Final = 4 * GIB
"""Source: developer docs, resource limits."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class CompiledModule:
    """A module ready to run, independent of any canister."""

    shape: ModuleShape
    snapshot_globals: tuple[Global, ...]
    """In the network's order; see ``ModuleShape.snapshot_globals``."""
    sha256: bytes
    """Of the module as it was uploaded: the network's module hash."""
    prelinked: wasmtime.InstancePre = field(repr=False)
    engine: wasmtime.Engine = field(repr=False)

    @property
    def memory_max_bytes(self) -> int:
        """How large the network lets its heap grow."""
        return MEMORY64_MAX_BYTES if self.shape.memory64 else MEMORY32_MAX_BYTES


@final
class Engine:
    """Compiles modules with the network's settings.

    With a ``cache_dir``, machine code is kept there, named by the rewritten module, the settings
    and wasmtime's version. Whoever can write there can run code as this process: keep it private.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        self._engine = wasmtime.Engine(_configuration())
        self._cache_dir = cache_dir
        self._modules: weakref.WeakValueDictionary[bytes, CompiledModule] = (
            weakref.WeakValueDictionary()
        )

    def compile(self, uploaded: bytes) -> CompiledModule:
        """The module, from memory or disk where it was compiled before.

        Raises:
            InvalidWasmError: The network would refuse it.
        """
        digest = hashlib.sha256(uploaded).digest()
        known = self._modules.get(digest)
        if known is not None:
            return known
        prepared = prepare_module(uploaded)
        module = self._load(prepared.rewritten) or self._compile(prepared.wasm, prepared.rewritten)
        linker = link_host_functions(self._engine, module, prepared.shape.pointer_type)
        compiled = CompiledModule(
            shape=prepared.shape,
            snapshot_globals=tuple(prepared.shape.snapshot_globals()),
            sha256=digest,
            prelinked=linker.instantiate_pre(module),
            engine=self._engine,
        )
        self._modules[digest] = compiled
        return compiled

    def _load(self, rewritten: bytes) -> wasmtime.Module | None:
        path = self._cache_path(rewritten)
        if path is None or not path.is_file():
            return None
        try:
            return wasmtime.Module.deserialize_file(self._engine, str(path))
        except wasmtime.WasmtimeError:  # damaged, or of another machine: compile again
            return None

    def _compile(self, wasm: bytes, rewritten: bytes) -> wasmtime.Module:
        try:
            module = wasmtime.Module(self._engine, rewritten)
        except wasmtime.WasmtimeError as error:
            raise self._explain(wasm, error) from error
        path = self._cache_path(rewritten)
        if path is not None:
            write_private(path, bytes(module.serialize()))
        return module

    def _explain(self, wasm: bytes, error: wasmtime.WasmtimeError) -> InvalidWasmError:
        """Why it does not compile, with offsets into the module as its author knows it."""
        try:
            wasmtime.Module.validate(self._engine, wasm)
        except wasmtime.WasmtimeError as original:
            error = original
        return InvalidWasmError(
            "Wasmtime failed to validate wasm module wasmtime::Module::validate() failed with"
            f" {error}"
        )

    def _cache_path(self, rewritten: bytes) -> Path | None:
        if self._cache_dir is None:
            return None
        return self._cache_dir / f"{hashlib.sha256(_FINGERPRINT + rewritten).hexdigest()}.cwasm"


def wasm_from_text(text: str) -> bytes:
    """The binary form of a module in the Wasm text format.

    Raises:
        ValueError: The text is malformed; says where.
    """
    try:
        return bytes(wasmtime.wat2wasm(text))
    except wasmtime.WasmtimeError as error:
        raise ValueError(str(error)) from error


_SETTINGS: Final = {
    "consume_fuel": True,
    "cranelift_nan_canonicalization": True,
    "cranelift_opt_level": "speed",
    "memory_may_move": False,
    "memory_reservation": MEMORY64_MAX_BYTES,
    "wasm_bulk_memory": True,
    "wasm_exceptions": False,
    "wasm_function_references": False,
    "wasm_gc": False,
    "wasm_memory64": True,
    "wasm_multi_memory": False,
    "wasm_multi_value": True,
    "wasm_reference_types": True,
    "wasm_relaxed_simd": False,
    "wasm_simd": True,
    "wasm_tail_call": True,
    "wasm_threads": False,
}
"""The network's (dfinity/ic, ``wasmtime_embedder.rs``), and a memory that never moves: an image is
mapped over it."""

_FINGERPRINT: Final = repr(
    (sorted(_SETTINGS.items()), WASM_STACK_BYTES, importlib.metadata.version("wasmtime"))
).encode()


def _configuration() -> wasmtime.Config:
    config = wasmtime.Config()
    for name, value in _SETTINGS.items():
        setattr(config, name, value)
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), _ASYNC_STACK_BYTES)
    config.max_wasm_stack = WASM_STACK_BYTES
    return config
