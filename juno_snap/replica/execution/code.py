"""A canister's code and all of its state between two messages."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from juno_snap.replica.images import HeapImage
from juno_snap.replica.runtime import CompiledModule
from juno_snap.replica.stable import StableMemory

_SLOT_BYTES: Final = 16
_NUMBERS: Final = {
    "i32": struct.Struct("<i12x"),
    "i64": struct.Struct("<q8x"),
    "f32": struct.Struct("<f12x"),
    "f64": struct.Struct("<d8x"),
}
GLOBAL_BYTES: Final = {"i32": 4, "i64": 8, "f32": 4, "f64": 8, "v128": 16}


class GlobalValue(NamedTuple):
    """A global of a snapshot: ``type`` is ``i32``, ``i64``, ``f32``, ``f64`` or ``v128``.

    ``value`` is signed where it is an integer, and an unsigned number where it is a ``v128``.
    """

    type: str
    value: int | float


def pack_globals(values: Sequence[GlobalValue]) -> bytes:
    """The values as instances take them: 16 bytes each, little-endian."""
    return b"".join(
        int(value).to_bytes(_SLOT_BYTES, "little")
        if value_type == "v128"
        else _NUMBERS[value_type].pack(value)
        for value_type, value in values
    )


def unpack_globals(types: Sequence[str], packed: bytes) -> tuple[GlobalValue, ...]:
    """The reverse of ``pack_globals``."""
    values = []
    for position, value_type in enumerate(types):
        slot = packed[position * _SLOT_BYTES : (position + 1) * _SLOT_BYTES]
        if value_type == "v128":
            values.append(GlobalValue(value_type, int.from_bytes(slot, "little")))
        else:
            values.append(GlobalValue(value_type, _NUMBERS[value_type].unpack(slot)[0]))
    return tuple(values)


@final
@dataclass(slots=True, kw_only=True)
class InstalledCode:
    """What a canister with code is. A message that ends well changes it; nothing else does."""

    module: CompiledModule
    wasm: bytes
    """As it was uploaded, maybe gzipped."""
    heap: HeapImage
    packed_globals: bytes
    """As ``pack_globals`` gives them, in the network's order."""
    stable: StableMemory
    certified_data: bytes = b""
    global_timer_ns: int = 0
    """When the timer is due; 0: it is off."""

    @property
    def globals(self) -> tuple[GlobalValue, ...]:
        """The exported globals, then the mutable ones that are not exported."""
        return unpack_globals(self.global_types, self.packed_globals)

    @property
    def global_types(self) -> tuple[str, ...]:
        """Types of ``globals``: what an uploaded snapshot has to agree with."""
        return tuple(entry.type for entry in self.module.snapshot_globals)

    @property
    def size_bytes(self) -> int:
        """What a snapshot of it counts: module, heap, stable memory, globals, certified data."""
        return (
            len(self.wasm)
            + self.heap.size_bytes
            + self.stable.size_bytes
            + sum(GLOBAL_BYTES[value_type] for value_type in self.global_types)
            + len(self.certified_data)
        )

    def snapshot_copy(self) -> "InstalledCode":
        """A copy that no later message changes; taking and loading a snapshot are each one copy."""
        return InstalledCode(
            module=self.module,
            wasm=self.wasm,
            heap=self.heap.copy(),
            packed_globals=self.packed_globals,
            stable=self.stable.copy(),
            certified_data=self.certified_data,
            global_timer_ns=self.global_timer_ns,
        )

    def close(self) -> None:
        """Free the heap at once; the code must not be used any more."""
        self.heap.close()
