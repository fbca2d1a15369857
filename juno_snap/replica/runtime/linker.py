"""Host calls: from a Wasm import to the function of ``ic0`` behind it.

wasmtime calls back with the address of its argument slots, 16 bytes each. What a function raises
stays with the instance that was running; wasmtime gets a trap without a meaning.
"""

import ctypes
import struct
import threading
from collections.abc import Callable
from typing import Final, Protocol, final

import wasmtime
from wasmtime import _ffi as ffi

from juno_snap.replica.system_api import HOST_FUNCTIONS, HostFunction
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.system_api.signatures import Context, Signature, all_signatures
from juno_snap.replica.traps import contract_violation

NO_FINALIZER: Final = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))

_SLOT: Final = {"i32": "I12x", "i64": "Q8x"}
_MASK: Final = {"i32": (1 << 32) - 1, "i64": (1 << 64) - 1}

_RawCallback = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
)
"""``wasmtime_func_unchecked_callback_t`` with plain addresses: no pointer object for each call."""


class Running(Protocol):
    """The instance on whose behalf a host call is made."""

    session: Session
    failure: BaseException | None


@final
class _Current(threading.local):
    """What runs on this thread: two threads that trap at once keep their own failures."""

    instance: Running | None = None


current: Final = _Current()

_callbacks: dict[tuple[str, str], object] = {}
"""One for each import and pointer width. They live as long as the process, as linkers may."""


def link_host_functions(
    engine: wasmtime.Engine, module: wasmtime.Module, pointer_type: str
) -> wasmtime.Linker:
    """A linker that defines what the module imports, all of it from ``ic0``."""
    linker = wasmtime.Linker(engine)
    signatures = all_signatures(pointer_type)
    for entry in module.imports:
        name = entry.name or ""
        callback = _callback(name, signatures[name], pointer_type)
        error = ffi.wasmtime_linker_define_func_unchecked(
            linker.ptr(),
            b"ic0",
            3,
            name.encode(),
            len(name.encode()),
            entry.type.ptr(),
            callback,
            None,
            NO_FINALIZER,
        )
        if bool(error):
            raise RuntimeError(f"cannot link ic0.{name}: {error_text(error)}")
    return linker


def error_text(error: object) -> str:
    """What an error of wasmtime's C interface says; frees it."""
    text = ffi.wasm_byte_vec_t()
    ffi.wasmtime_error_message(error, ctypes.byref(text))
    message = ffi.to_str(text)
    ffi.wasm_byte_vec_delete(ctypes.byref(text))
    ffi.wasmtime_error_delete(error)
    return message


def _callback(name: str, signature: Signature, pointer_type: str) -> object:
    key = (name, pointer_type)
    if key not in _callbacks:
        raw = _RawCallback(_host_call(name, HOST_FUNCTIONS[name], signature))
        _callbacks[key] = ctypes.cast(raw, ffi.wasmtime_func_unchecked_callback_t)
    return _callbacks[key]


def _host_call(
    name: str, function: HostFunction, signature: Signature
) -> Callable[[int | None, int, int, int], int]:
    slots = struct.Struct("<" + "".join(_SLOT[param] for param in signature.params))
    buffer = ctypes.c_char * slots.size
    mask = _MASK[signature.results[0]] if signature.results else 0
    contexts = signature.contexts

    def call(_data: int | None, _caller: int, address: int, _count: int) -> int:
        running = current.instance
        if running is None:
            return _new_trap()
        try:
            session = running.session
            _check_context(name, session.context, contexts)
            arguments = slots.unpack_from(buffer.from_address(address)) if slots.size else ()
            result = function(session, *arguments)
            if mask:
                ctypes.c_uint64.from_address(address).value = (result or 0) & mask
        except BaseException as error:  # noqa: BLE001  # raised again behind the Wasm frames
            running.failure = error
            return _new_trap()
        return 0

    return call


def _check_context(name: str, context: Context, allowed: frozenset[Context]) -> None:
    if context not in allowed:
        raise contract_violation(f'"ic0.{name}" cannot be executed in {context.value} mode.')


def _new_trap() -> int:
    text = b"host call failed"
    return ctypes.cast(ffi.wasmtime_trap_new(text, len(text)), ctypes.c_void_p).value or 0
