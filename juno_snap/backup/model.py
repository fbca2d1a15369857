"""What a module snapshot is made of, as values. Names and meanings are those of the network.

Source: interface specification, ``read_canister_snapshot_metadata``.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from typing_extensions import override

from juno_snap.ids import Principal, SnapshotId
from juno_snap.units import CHUNK_MAX_BYTES, MIB, WASM_PAGE_BYTES

Part: TypeAlias = Literal["wasm_module", "wasm_memory", "stable_memory"]
PARTS: Final[tuple[Part, ...]] = ("wasm_module", "wasm_memory", "stable_memory")
Source: TypeAlias = Literal["taken_from_canister", "metadata_upload"]
HookStatus: TypeAlias = Literal["condition_not_satisfied", "ready", "executed"]
GlobalKind: TypeAlias = Literal["i32", "i64", "f32", "f64", "v128"]

GLOBALS_MAX: Final = 1000
CERTIFIED_DATA_MAX_BYTES: Final = 32
MODULE_MAX_BYTES: Final = 100 * MIB
STORED_CHUNKS_MAX: Final = 100
"""All four: what the network accepts of an upload. Source: dfinity/ic, ``canister_manager``."""

HASH_BYTES: Final = 32
NAT64_BITS: Final = 64

INTEGER_RANGES: Final = {
    "i32": range(-(2**31), 2**31),
    "i64": range(-(2**63), 2**63),
    "v128": range(2**128),
}
FLOAT_FORMATS: Final = {"f32": ">f", "f64": ">d"}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """The value of a global variable: a float for f32 and f64, else an int.

    Two are equal when their bits are: NaN is itself here, and -0.0 is not 0.0.
    """

    kind: GlobalKind
    value: int | float

    @property
    def bits(self) -> bytes:
        """A float's IEEE 754 form, most significant byte first; of an int its decimal digits."""
        layout = FLOAT_FORMATS.get(self.kind)
        return struct.pack(layout, self.value) if layout else str(self.value).encode()

    @property
    def is_finite(self) -> bool:
        """Whether it is a number that JSON can say."""
        return math.isfinite(self.value)

    @property
    def problem(self) -> str:
        """Why the network has no such global; empty: nothing is wrong."""
        value = self.value
        match self.kind:
            case "i32" | "i64" | "v128" as kind:
                if not isinstance(value, int) or isinstance(value, bool):
                    return f"a {kind} that is no integer"
                return "" if value in INTEGER_RANGES[kind] else f"{value} is no {kind}"
            case "f64":
                return "" if isinstance(value, float) else "an f64 that is no float"
            case "f32":
                if not isinstance(value, float):
                    return "an f32 that is no float"
                return "" if math.isnan(value) or _fits_f32(value) else f"{value!r} is no f32"

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Global):
            return NotImplemented
        return (self.kind, self.bits) == (other.kind, other.bits)

    @override
    def __hash__(self) -> int:
        return hash((self.kind, self.bits))


@final
@dataclass(frozen=True, slots=True)
class GlobalTimer:
    """A module's global timer; ``active_at_ns`` is None where it is not set."""

    active_at_ns: int | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a snapshot is made of, but for its large parts."""

    source: Source | None
    """None: a file of another tool does not say."""
    taken_at_ns: int
    wasm_module_bytes: int
    globals: tuple[Global, ...]
    """Exported ones in the order of the export section, then the other mutable ones."""
    wasm_memory_bytes: int
    stable_memory_bytes: int
    wasm_chunk_store: tuple[bytes, ...]
    """SHA-256 of each stored chunk."""
    canister_version: int
    certified_data: bytes
    global_timer: GlobalTimer | None
    """None: unknown, in snapshots of before 2025-04; loading one leaves a module its own."""
    on_low_wasm_memory_hook_status: HookStatus | None

    def size_of(self, part: Part) -> int:
        """How many bytes ``part`` has."""
        match part:
            case "wasm_module":
                return self.wasm_module_bytes
            case "wasm_memory":
                return self.wasm_memory_bytes
            case "stable_memory":
                return self.stable_memory_bytes

    @property
    def data_bytes(self) -> int:
        """The three parts together, without stored chunks."""
        return sum(self.size_of(part) for part in PARTS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Which snapshot of which module a backup is, and what it is made of.

    Other tools' layouts do not say all of it: what is not known is None.
    """

    module: Principal | None
    snapshot: SnapshotId | None
    metadata: Metadata
    network: str = ""
    """The name or address it was fetched under; for people."""
    root_key_sha256: bytes | None = None
    """SHA-256 of the network's root key, which is what tells networks apart."""
    label: str = ""
    is_protected: bool = False
    made_by: str = ""
    """The program and version that wrote the backup."""


def problems_of(metadata: Metadata) -> Iterator[str]:
    """What is wrong with ``metadata``, whatever the files say: the network has no such snapshot."""
    if not 1 <= metadata.wasm_module_bytes <= MODULE_MAX_BYTES:
        yield f"a module of {metadata.wasm_module_bytes} bytes: 1 to {MODULE_MAX_BYTES} are allowed"
    for part in ("wasm_memory", "stable_memory"):
        size = metadata.wasm_memory_bytes if part == "wasm_memory" else metadata.stable_memory_bytes
        if size < 0 or size % WASM_PAGE_BYTES:
            yield f"{part} of {size} bytes: it grows by pages of {WASM_PAGE_BYTES}"
    if len(metadata.globals) > GLOBALS_MAX:
        yield f"{len(metadata.globals)} globals: at most {GLOBALS_MAX} are allowed"
    for number, each in enumerate(metadata.globals):
        if each.problem:
            yield f"global {number}: {each.problem}"
    if len(metadata.certified_data) > CERTIFIED_DATA_MAX_BYTES:
        yield f"certified data of {len(metadata.certified_data)} bytes, more than 32"
    yield from _problems_of_chunks(metadata.wasm_chunk_store)
    timer = metadata.global_timer
    moments = {
        "taken_at_timestamp": metadata.taken_at_ns,
        "canister_version": metadata.canister_version,
        "global_timer": (timer.active_at_ns if timer else None) or 0,
    }
    for name, value in moments.items():
        if not 0 <= value < 2**NAT64_BITS:
            yield f"{name} is {value}, which no 64 bits hold"


def chunk_problem(size_bytes: int) -> str:
    """Why no chunk of a chunk store has this size; empty: one may."""
    if size_bytes <= CHUNK_MAX_BYTES:
        return ""
    return f"a stored chunk of {size_bytes} bytes: at most {CHUNK_MAX_BYTES} are allowed"


def _problems_of_chunks(hashes: tuple[bytes, ...]) -> Iterator[str]:
    if len(hashes) > STORED_CHUNKS_MAX:
        yield f"{len(hashes)} stored chunks: at most {STORED_CHUNKS_MAX} are allowed"
    if any(len(each) != HASH_BYTES for each in hashes):
        yield "the hash of a stored chunk is no SHA-256"
    if len(set(hashes)) != len(hashes):
        yield "a stored chunk is listed twice"


def _fits_f32(value: float) -> bool:
    try:
        packed = struct.pack(">f", value)
    except OverflowError:
        return False
    (back,) = struct.unpack(">f", packed)
    return bool(back == value)
