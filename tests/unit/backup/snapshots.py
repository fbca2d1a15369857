"""Snapshots for the tests, small and strange, and backups made of them."""

import hashlib
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st

from juno_snap.backup.layout import SLICE_BYTES
from juno_snap.backup.model import PARTS, Description, Global, GlobalTimer, Metadata, Part
from juno_snap.backup.writer import BackupWriter
from juno_snap.ids import Principal, SnapshotId
from juno_snap.units import WASM_PAGE_BYTES

MODULE = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
SNAPSHOT = SnapshotId.parse("0000000000000000800000000010000a0101")
TAKEN_AT_NS = 1_700_000_000_123_456_789


def noise(seed: str, size: int) -> bytes:
    """Bytes that look like nothing, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)


def f32(bits: int) -> float:
    (value,) = struct.unpack(">f", struct.pack(">I", bits))
    return value


def f64(bits: int) -> float:
    (value,) = struct.unpack(">d", struct.pack(">Q", bits))
    return value


GLOBALS = (
    Global("i32", -(2**31)),
    Global("i64", 2**63 - 1),
    Global("i64", 9_007_199_254_740_993),
    Global("f32", f32(0x3F8CCCCD)),
    Global("f64", -0.0),
    Global("f64", 5e-324),
    Global("v128", 2**128 - 2),
    Global("v128", 0),
)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot as the network would hand it out."""

    description: Description
    data: dict[Part, bytes]
    chunks: tuple[bytes, ...] = ()

    @property
    def metadata(self):
        return self.description.metadata


def snapshot(
    *,
    module: bytes = b"\0asm" + noise("module", 60),
    heap: bytes = noise("heap", 2 * WASM_PAGE_BYTES),
    stable: bytes = b"",
    chunks: tuple[bytes, ...] = (b"one chunk", b"another, longer chunk"),
    globals_: tuple[Global, ...] = GLOBALS,
    **changes,
) -> Snapshot:
    """A snapshot made of these parts; ``changes`` are fields of its description."""
    chunks = tuple(sorted(chunks, key=lambda each: hashlib.sha256(each).digest()))
    metadata = Metadata(
        source="taken_from_canister",
        taken_at_ns=changes.pop("taken_at_ns", TAKEN_AT_NS),
        wasm_module_bytes=len(module),
        globals=globals_,
        wasm_memory_bytes=len(heap),
        stable_memory_bytes=len(stable),
        wasm_chunk_store=tuple(hashlib.sha256(each).digest() for each in chunks),
        canister_version=2**64 - 1,
        certified_data=noise("certified", 32),
        global_timer=GlobalTimer(2**63 + 1),
        on_low_wasm_memory_hook_status="executed",
    )
    description = Description(
        module=MODULE,
        snapshot=SNAPSHOT,
        metadata=metadata,
        network="ic",
        root_key_sha256=hashlib.sha256(b"root key").digest(),
        made_by="juno-snap 0.1.0",
    )
    data: dict[Part, bytes] = dict(zip(PARTS, (module, heap, stable), strict=True))
    return Snapshot(description=replace(description, **changes), data=data, chunks=chunks)


def large() -> Snapshot:
    """One with several slices in two parts, the last of them short."""
    pages = SLICE_BYTES * 2 // WASM_PAGE_BYTES + 1
    return snapshot(
        module=noise("module", SLICE_BYTES + 1),
        heap=noise("heap", pages * WASM_PAGE_BYTES),
        stable=noise("stable", WASM_PAGE_BYTES),
    )


def fill(writer: BackupWriter, source: Snapshot) -> None:
    """Everything that is missing, the way round in which it is least expected."""
    for each in reversed(writer.missing()):
        writer.write_slice(each.part, each.offset, cut(source, each))
    for chunk_hash in writer.missing_chunks():
        writer.write_chunk(chunk_hash, chunk_of(source, chunk_hash))


def cut(source: Snapshot, each) -> bytes:
    return source.data[each.part][each.offset : each.offset + each.size]


def chunk_of(source: Snapshot, chunk_hash: bytes) -> bytes:
    return next(each for each in source.chunks if hashlib.sha256(each).digest() == chunk_hash)


def write(directory: Path, source: Snapshot) -> Path:
    """A finished backup of ours."""
    with BackupWriter(directory, source.description) as writer:
        fill(writer, source)
        writer.finish()
    return directory


def content(directory: Path) -> dict[str, bytes]:
    """All files under a directory."""
    return {
        place.relative_to(directory).as_posix(): place.read_bytes()
        for place in sorted(directory.rglob("*"))
        if place.is_file()
    }


def change_json(place: Path, change) -> None:
    """Rewrite a JSON file with ``change`` applied to its document."""
    document = json.loads(place.read_text(encoding="utf-8"))
    change(document)
    place.write_text(json.dumps(document), encoding="utf-8")


def _ranged(bits: int):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


FINITE = st.one_of(
    st.builds(Global, st.just("i32"), _ranged(32)),
    st.builds(Global, st.just("i64"), _ranged(64)),
    st.builds(Global, st.just("v128"), st.integers(0, 2**128 - 1)),
    st.builds(Global, st.just("f32"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.builds(Global, st.just("f64"), st.floats(allow_nan=False, allow_infinity=False)),
)
NOT_FINITE = st.one_of(
    st.builds(Global, st.just("f32"), st.sampled_from([f32(0x7F800000), f32(0xFFC12345)])),
    st.builds(Global, st.just("f64"), st.integers(0x7FF0000000000000, 2**63 - 1).map(f64)),
)
NAT64 = st.integers(0, 2**64 - 1)


def metadatas(globals_=FINITE):
    """Metadata of any snapshot that the network may have."""
    return st.builds(
        Metadata,
        source=st.sampled_from(["taken_from_canister", "metadata_upload"]),
        taken_at_ns=NAT64,
        wasm_module_bytes=st.integers(1, 100 * 2**20),
        globals=st.lists(globals_, max_size=20).map(tuple),
        wasm_memory_bytes=st.integers(0, 2**17).map(lambda pages: pages * WASM_PAGE_BYTES),
        stable_memory_bytes=st.integers(0, 2**23).map(lambda pages: pages * WASM_PAGE_BYTES),
        wasm_chunk_store=st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=5).map(
            tuple
        ),
        canister_version=NAT64,
        certified_data=st.binary(max_size=32),
        global_timer=st.none() | st.builds(GlobalTimer, st.none() | NAT64),
        on_low_wasm_memory_hook_status=st.sampled_from(
            [None, "condition_not_satisfied", "ready", "executed"]
        ),
    )
