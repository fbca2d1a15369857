"""One instance for one message: memory over a heap image, globals, fuel, and what a trap means."""

import ctypes
from typing import Final, Self, cast, final

from wasmtime import TrapCode
from wasmtime import _ffi as ffi

from juno_snap.replica.images import HeapImage
from juno_snap.replica.instrument.rewrite import (
    MEMORY_EXPORT,
    RESTORE_GLOBALS_EXPORT,
    SAVE_GLOBALS_EXPORT,
    START_EXPORT,
    TABLE_EXPORT,
)
from juno_snap.replica.runtime.engine import CompiledModule
from juno_snap.replica.runtime.linker import NO_FINALIZER, current, error_text
from juno_snap.replica.system_api.outgoing import Closure
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.traps import ExecutionError, contract_violation, trapped
from juno_snap.units import MIB, WASM_PAGE_BYTES

EXECUTOR_STACK_BYTES: Final = 16 * MIB
"""For the thread that runs instances: 5 MiB are the canister's, host calls come on top."""

GLOBAL_SLOT_BYTES: Final = 16

_KINDS: Final = {"i32": 0, "i64": 1}
"""``wasm_valkind_t``."""
_FUNCTION_REFERENCE: Final = 5
"""``WASMTIME_FUNCREF``."""

_FUEL_FOR_GLOBALS: Final = 1 << 32
_WHY: Final = {
    TrapCode.STACK_OVERFLOW: "stack overflow",
    TrapCode.MEMORY_OUT_OF_BOUNDS: "heap out of bounds",
    TrapCode.TABLE_OUT_OF_BOUNDS: "table out of bounds",
    TrapCode.INDIRECT_CALL_TO_NULL: "indirect call to null",
    TrapCode.BAD_SIGNATURE: "function signature mismatch",
    TrapCode.INTEGER_OVERFLOW: "integer overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "integer division by 0",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "invalid conversion to integer",
    TrapCode.UNREACHABLE: "unreachable",
}
"""Source: dfinity/ic, ``rs/interfaces/src/execution_environment/errors.rs``, ``TrapCode``."""


@final
class Instance:
    """A module in a store of its own. Use it as a context manager: leaving it frees everything.

    ``session`` is what the running code works on; ``failure`` is what a host call raised.
    """

    __slots__ = (
        "_base",
        "_closed",
        "_context",
        "_instance",
        "_length",
        "_limit",
        "_memory",
        "_module",
        "_store",
        "failure",
        "session",
    )

    session: Session

    def __init__(self, module: CompiledModule, *, instructions: int, used_before: int = 0) -> None:
        """Instantiate; nothing of the canister's code runs.

        ``instructions`` may be used by all calls together; ``used_before`` are gone already.

        Raises:
            ExecutionError: A data or element segment lies outside its memory or table.
        """
        self._module = module
        self._limit = instructions
        self.failure: BaseException | None = None
        self._store = ffi.wasmtime_store_new(module.engine.ptr(), None, NO_FINALIZER)
        self._context = ffi.wasmtime_store_context(self._store)
        self._instance = ffi.wasmtime_instance_t()
        self._memory: ffi.wasmtime_memory_t | None = None
        self._base = self._length = 0
        self._closed = False
        try:
            self._instantiate(max(0, instructions - used_before))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the store, its memory and what was written to it."""
        if not self._closed:
            self._closed = True
            ffi.wasmtime_store_delete(self._store)

    @property
    def memory_bytes(self) -> int:
        """How large the memory is now."""
        if self._memory is not None:
            self._length = ffi.wasmtime_memory_data_size(self._context, ctypes.byref(self._memory))
        return self._length

    def mount(self, image: HeapImage) -> None:
        """Put the heap of an earlier message in place of what the data segments left."""
        if self._memory is None or not image.size_bytes:
            return
        missing = image.size_bytes - self.memory_bytes
        if missing > 0:
            before = ctypes.c_uint64(0)
            error = ffi.wasmtime_memory_grow(
                self._context,
                ctypes.byref(self._memory),
                missing // WASM_PAGE_BYTES,
                ctypes.byref(before),
            )
            if bool(error):
                raise trapped(f"the heap does not fit: {error_text(error)}")
        image.map_at(self._base)

    def save_heap(self, image: HeapImage) -> None:
        """Write to ``image``, which equals the mounted one, what the memory has since then."""
        if self._memory is not None:
            image.save(self._base, self.memory_bytes)

    def run_start(self, session: Session) -> None:
        """Run the start function that the module had, if it had one.

        Raises:
            ExecutionError: It trapped, or used up the instructions.
        """
        if self._module.shape.start_function is not None:
            self.call(START_EXPORT, session)

    def call(self, export: str, session: Session) -> None:
        """Run an exported function ``() -> ()``, which must be there.

        Raises:
            ExecutionError: It trapped, broke a rule of ``ic0``, or used up the instructions.
        """
        self._run(self._export(export).func, (ffi.wasmtime_val_raw_t * 1)(), session)

    def call_closure(self, closure: Closure, session: Session) -> None:
        """Run a function of the table, ``(env) -> ()``, as callbacks are run.

        Raises:
            ExecutionError: There is none of that type at this index; or as for ``call``.
        """
        function = self._table_entry(closure.function)
        slots = (ffi.wasmtime_val_raw_t * 1)()
        slots[0].i64 = closure.env  # an i32 is its lower half
        self._run(function, slots, session)

    def save_globals(self) -> bytes:
        """The globals of a snapshot, 16 bytes each, little-endian, in the network's order."""
        count = len(self._module.snapshot_globals)
        slots = (ffi.wasmtime_val_raw_t * count)()
        if count:
            self._invoke_unmetered(SAVE_GLOBALS_EXPORT, slots)
        return bytes(slots)

    def restore_globals(self, saved: bytes) -> None:
        """Set the mutable globals to what ``save_globals`` gave."""
        globals_ = self._module.snapshot_globals
        mutable = b"".join(
            saved[position * GLOBAL_SLOT_BYTES : (position + 1) * GLOBAL_SLOT_BYTES]
            for position, entry in enumerate(globals_)
            if entry.mutable
        )
        if mutable:
            count = len(mutable) // GLOBAL_SLOT_BYTES
            slots = (ffi.wasmtime_val_raw_t * count).from_buffer_copy(mutable)
            self._invoke_unmetered(RESTORE_GLOBALS_EXPORT, slots)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the memory.

        Raises:
            ExecutionError: Beyond its end.
        """
        self._check(address, size)
        return ctypes.string_at(self._base + address, size)

    def write(self, address: int, data: bytes) -> None:
        """Replace bytes of the memory.

        Raises:
            ExecutionError: Beyond its end.
        """
        self._check(address, len(data))
        ctypes.memmove(self._base + address, data, len(data))

    def instructions_used(self) -> int:
        """Instructions of the message so far, those of earlier instances included."""
        return self._limit - self._fuel()

    def _check(self, address: int, size: int) -> None:
        end = address + size
        if end > self._length and end > self.memory_bytes:
            raise trapped("heap out of bounds")

    def _instantiate(self, fuel: int) -> None:
        ffi.wasmtime_store_limiter(self._store, self._module.memory_max_bytes, -1, -1, -1, -1)
        self._set_fuel(fuel)
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_instance_pre_instantiate(
            self._module.prelinked.ptr(),
            self._context,
            ctypes.byref(self._instance),
            ctypes.byref(trap),
        )
        self._raise_outcome(error, trap)
        if self._module.shape.memory_count:
            self._memory = self._export(MEMORY_EXPORT).memory
            pointer = ffi.wasmtime_memory_data(self._context, ctypes.byref(self._memory))
            self._base = ctypes.cast(pointer, ctypes.c_void_p).value or 0

    def _export(self, name: str) -> ffi.wasmtime_extern_union:
        found = ffi.wasmtime_extern_t()
        raw = name.encode()
        there = ffi.wasmtime_instance_export_get(
            self._context, ctypes.byref(self._instance), raw, len(raw), ctypes.byref(found)
        )
        if not there:
            raise KeyError(name)
        return found.of

    def _table_entry(self, index: int) -> ffi.wasmtime_func_t:
        """The function at ``index`` of the table, which takes one pointer and gives nothing."""
        value = ffi.wasmtime_val_t()
        found = self._module.shape.table_count and ffi.wasmtime_table_get(
            self._context,
            ctypes.byref(self._export(TABLE_EXPORT).table),
            index,
            ctypes.byref(value),
        )
        kind = cast("int", value.kind)
        if not found or kind != _FUNCTION_REFERENCE or not value.of.funcref.store_id:
            raise ExecutionError(
                "IC0513",
                f"Canister requested to invoke a non-existent Wasm function {index} from table 0.",
            )
        if self._type_of(value.of.funcref) != ([_KINDS[self._module.shape.pointer_type]], 0):
            raise contract_violation("function invocation does not match its signature")
        return value.of.funcref

    def _type_of(self, function: ffi.wasmtime_func_t) -> tuple[list[int], int]:
        """The kinds of a function's parameters, and the number of its results."""
        owned = ffi.wasmtime_func_type(self._context, ctypes.byref(function))
        try:
            params = ffi.wasm_functype_params(owned).contents
            kinds = [
                cast("int", ffi.wasm_valtype_kind(params.data[position]))
                for position in range(params.size)
            ]
            return kinds, ffi.wasm_functype_results(owned).contents.size
        finally:
            ffi.wasm_functype_delete(owned)

    def _run(
        self,
        function: ffi.wasmtime_func_t,
        slots: "ctypes.Array[ffi.wasmtime_val_raw_t]",
        session: Session,
    ) -> None:
        self.session, self.failure = session, None
        before, current.instance = current.instance, self
        try:
            self._invoke(function, slots)
        finally:
            current.instance = before

    def _invoke(
        self, function: ffi.wasmtime_func_t, slots: "ctypes.Array[ffi.wasmtime_val_raw_t]"
    ) -> None:
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call_unchecked(
            self._context, ctypes.byref(function), slots, len(slots), ctypes.byref(trap)
        )
        self._raise_outcome(error, trap)

    def _invoke_unmetered(self, export: str, slots: "ctypes.Array[ffi.wasmtime_val_raw_t]") -> None:
        left = self._fuel()
        self._set_fuel(_FUEL_FOR_GLOBALS)
        self._invoke(self._export(export).func, slots)
        self._set_fuel(left)

    def _raise_outcome(self, error: object, trap: "ctypes._Pointer[ffi.wasm_trap_t]") -> None:
        code = None
        has_error, has_trap = bool(error), bool(trap)
        if has_trap:
            value = ctypes.c_uint8(0)
            if ffi.wasmtime_trap_code(trap, ctypes.byref(value)):
                code = TrapCode(value.value)
            ffi.wasm_trap_delete(trap)
        text = error_text(error) if has_error else "unknown"
        if self.failure is not None:
            raise self.failure
        if code is TrapCode.OUT_OF_FUEL:
            raise ExecutionError(
                "IC0522",
                f"Canister exceeded the limit of {self._limit} instructions for single message"
                " execution.",
            )
        if has_error or has_trap:
            raise trapped(_WHY.get(code, text) if code is not None else text)

    def _fuel(self) -> int:
        left = ctypes.c_uint64(0)
        ffi.wasmtime_context_get_fuel(self._context, ctypes.byref(left))
        return left.value

    def _set_fuel(self, instructions: int) -> None:
        ffi.wasmtime_context_set_fuel(self._context, instructions)
