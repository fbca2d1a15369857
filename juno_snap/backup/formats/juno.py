"""The directory of Juno's command line: ``metadata.json`` with hashes, and a file a part.

The stored chunks lie one after the other in one file, in the order of their hashes in the metadata,
without their lengths. Juno's program cuts that file every 1,000,000 bytes when it uploads it, so it
brings back the chunks of its own network only where all but the last have that length.

Source: junobuild/cli, ``schema/snapshot.schema.ts`` and ``services/modules/snapshot``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field

from juno_snap.backup.formats.parsing import (
    Byte,
    checked,
    parse_object,
    read_global,
    validated,
)
from juno_snap.backup.model import Global, GlobalTimer, Metadata, Part, Source
from juno_snap.backup.places import damaged, read_slice
from juno_snap.errors import InputError
from juno_snap.ids import SnapshotId
from juno_snap.units import CHUNK_MAX_BYTES

TOOL: Final = "Juno"
MARK: Final = "snapshotId"
"""A key that tells this ``metadata.json`` from that of icp-cli."""

CHUNKS_FILE: Final = "chunks-store.bin"
FILES: Final[Mapping[Part, str]] = {
    "wasm_module": "wasm-code.bin",
    "wasm_memory": "heap.bin",
    "stable_memory": "stable.bin",
}
KEYS: Final[Mapping[str, str]] = {
    "wasmModule": "wasm-code.bin",
    "wasmMemory": "heap.bin",
    "stableMemory": "stable.bin",
    "wasmChunkStore": CHUNKS_FILE,
}
"""The members of ``data``, and the file that each tells of."""

CUT_BYTES: Final = 1_000_000
"""Length of the pieces in which Juno uploads the chunk store."""

LIKELY_BYTES: Final = (CUT_BYTES, CHUNK_MAX_BYTES)
"""Lengths of chunks that tools make: Juno's, then those of dfx and icp-cli."""

Name: TypeAlias = Literal["wasm-code.bin", "heap.bin", "stable.bin", "chunks-store.bin"]
HOOKS: Final = {
    "condition_not_satisfied": "conditionNotSatisfied",
    "executed": "executed",
    "ready": "ready",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JunoFile:
    """A file as Juno's metadata tells of it."""

    name: str
    size_bytes: int
    sha256: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JunoMetadata:
    """What Juno's ``metadata.json`` says."""

    snapshot: SnapshotId
    metadata: Metadata
    files: tuple[JunoFile, ...]
    """Those that are there; empty parts have none."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _BigInt(_Strict):
    digits: Annotated[str, Field(alias="__bigint__", pattern=r"^-?[0-9]{1,40}$")]


class _Bytes(_Strict):
    numbers: Annotated[list[Byte], Field(alias="__uint8array__")]


class _Chunk(_Strict):
    hash: _Bytes


class _TakenFromCanister(_Strict):
    taken: Annotated[object, Field(alias="takenFromCanister")]


class _MetadataUpload(_Strict):
    uploaded: Annotated[object, Field(alias="metadataUpload")]


class _Active(_Strict):
    active: _BigInt


class _Inactive(_Strict):
    inactive: None


class _NotSatisfied(_Strict):
    condition: Annotated[None, Field(alias="conditionNotSatisfied")]


class _Executed(_Strict):
    executed: None


class _Ready(_Strict):
    ready: None


class _Metadata(_Strict):
    """Keys that are unknown are absent, not null."""

    globals: list[dict[str, object]]
    canister_version: Annotated[_BigInt, Field(alias="canisterVersion")]
    source: _TakenFromCanister | _MetadataUpload
    certified_data: Annotated[_Bytes, Field(alias="certifiedData")]
    timer: Annotated[_Active | _Inactive | None, Field(alias="globalTimer")] = None
    hook: Annotated[
        _NotSatisfied | _Executed | _Ready | None, Field(alias="onLowWasmMemoryHookStatus")
    ] = None
    wasm_module: Annotated[_BigInt, Field(alias="wasmModuleSize")]
    stable_memory: Annotated[_BigInt, Field(alias="stableMemorySize")]
    chunks: Annotated[list[_Chunk], Field(alias="wasmChunkStore")]
    taken_at: Annotated[_BigInt, Field(alias="takenAtTimestamp")]
    wasm_memory: Annotated[_BigInt, Field(alias="wasmMemorySize")]


class _Entry(_Strict):
    filename: Name
    size: _BigInt
    hash: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class _Data(_Strict):
    module: Annotated[_Entry | None, Field(alias="wasmModule")]
    memory: Annotated[_Entry | None, Field(alias="wasmMemory")]
    stable: Annotated[_Entry | None, Field(alias="stableMemory")]
    chunks: Annotated[_Entry | None, Field(alias="wasmChunkStore")]


class _File(_Strict):
    snapshot: Annotated[str, Field(alias="snapshotId")]
    metadata: _Metadata
    data: _Data


def parse_metadata(data: bytes, place: Path) -> JunoMetadata:
    """What Juno's ``metadata.json`` says.

    Raises:
        BackupError: It is damaged, contradicts itself, or a value is lost.
    """
    said = validated(_File, parse_object(data, place), place)
    try:
        snapshot = SnapshotId.parse(said.snapshot)
    except InputError as error:
        raise damaged(place, f"is malformed: {error.message}") from error
    metadata = checked(_metadata(said.metadata, place), place)
    files = tuple(_files(said.data, metadata, place))
    return JunoMetadata(snapshot=snapshot, metadata=metadata, files=files)


def render_metadata(snapshot: SnapshotId, metadata: Metadata, files: Sequence[JunoFile]) -> bytes:
    """``metadata.json`` as Juno writes it; all floats must be finite, ``source`` must be known."""
    by_name = {each.name: each for each in files}
    optional: dict[str, object] = {}
    timer = metadata.global_timer
    if timer is not None:
        at_ns = timer.active_at_ns
        optional["globalTimer"] = {"inactive": None} if at_ns is None else {"active": _big(at_ns)}
    if metadata.on_low_wasm_memory_hook_status is not None:
        hook = HOOKS[metadata.on_low_wasm_memory_hook_status]
        optional["onLowWasmMemoryHookStatus"] = {hook: None}
    uploaded = metadata.source == "metadata_upload"
    document = {
        "snapshotId": f"0x{snapshot}",
        "metadata": {
            "globals": [_global_json(each) for each in metadata.globals],
            "canisterVersion": _big(metadata.canister_version),
            "source": {"metadataUpload" if uploaded else "takenFromCanister": None},
            "certifiedData": _bytes(metadata.certified_data),
            **optional,
            "wasmModuleSize": _big(metadata.wasm_module_bytes),
            "stableMemorySize": _big(metadata.stable_memory_bytes),
            "wasmChunkStore": [{"hash": _bytes(each)} for each in metadata.wasm_chunk_store],
            "takenAtTimestamp": _big(metadata.taken_at_ns),
            "wasmMemorySize": _big(metadata.wasm_memory_bytes),
        },
        "data": {key: _entry(by_name.get(name)) for key, name in KEYS.items()},
    }
    return json.dumps(document, indent=2).encode()


def survives_upload(chunk_sizes: Sequence[int]) -> bool:
    """Whether Juno's program, which cuts every 1,000,000 bytes, brings back the same chunks."""
    *full, last = chunk_sizes or [CUT_BYTES]
    return all(size == CUT_BYTES for size in full) and 0 < last <= CUT_BYTES


def locate_chunks(
    directory: Path, hashes: Sequence[bytes], size_bytes: int
) -> dict[bytes, tuple[int, int]]:
    """Where each stored chunk lies in the file: offset and length.

    The lengths that tools use are tried first, then every other one: about a second a chunk.

    Raises:
        BackupError: A chunk is not there, or something else is.
    """
    place = directory / CHUNKS_FILE
    found: dict[bytes, tuple[int, int]] = {}
    offset = 0
    for number, wanted in enumerate(hashes):
        left = size_bytes - offset
        rest = len(hashes) - number - 1
        data = read_slice(directory, CHUNKS_FILE, offset, min(left, CHUNK_MAX_BYTES))
        likely = [*LIKELY_BYTES, left, *(left - rest * length for length in LIKELY_BYTES)]
        length = _length(data, wanted, likely)
        if length is None:
            raise damaged(place, f"does not hold the stored chunk {wanted.hex()}")
        found[wanted] = (offset, length)
        offset += length
    if offset != size_bytes:
        raise damaged(place, f"goes on after its last stored chunk, at byte {offset}")
    return found


def _length(data: bytes, wanted: bytes, likely: Sequence[int]) -> int | None:
    for length in likely:
        if 0 <= length <= len(data) and hashlib.sha256(data[:length]).digest() == wanted:
            return length
    running = hashlib.sha256()
    view = memoryview(data)
    for length in range(len(data) + 1):
        if running.digest() == wanted:
            return length
        running.update(view[length : length + 1])
    return None


def _metadata(said: _Metadata, place: Path) -> Metadata:
    timer = None
    match said.timer:
        case _Active(active=at_ns):
            timer = GlobalTimer(_int(at_ns))
        case _Inactive():
            timer = GlobalTimer(None)
        case None:
            pass
    uploaded = isinstance(said.source, _MetadataUpload)
    source: Source = "metadata_upload" if uploaded else "taken_from_canister"
    return Metadata(
        source=source,
        taken_at_ns=_int(said.taken_at),
        wasm_module_bytes=_int(said.wasm_module),
        globals=tuple(_global(each, place) for each in said.globals),
        wasm_memory_bytes=_int(said.wasm_memory),
        stable_memory_bytes=_int(said.stable_memory),
        wasm_chunk_store=tuple(bytes(each.hash.numbers) for each in said.chunks),
        canister_version=_int(said.canister_version),
        certified_data=bytes(said.certified_data.numbers),
        global_timer=timer,
        on_low_wasm_memory_hook_status=_hook(said.hook),
    )


def _hook(
    said: _NotSatisfied | _Executed | _Ready | None,
) -> Literal["condition_not_satisfied", "ready", "executed"] | None:
    match said:
        case _NotSatisfied():
            return "condition_not_satisfied"
        case _Executed():
            return "executed"
        case _Ready():
            return "ready"
        case None:
            return None


def _files(said: _Data, metadata: Metadata, place: Path) -> Iterator[JunoFile]:
    """The files, each of the size that the metadata calls for."""
    expected = {
        "wasm-code.bin": (said.module, metadata.wasm_module_bytes),
        "heap.bin": (said.memory, metadata.wasm_memory_bytes),
        "stable.bin": (said.stable, metadata.stable_memory_bytes),
    }
    for name, (entry, size) in expected.items():
        if (0 if entry is None else _int(entry.size)) != size:
            raise damaged(place, f"contradicts itself: the size of {name}")
    if (said.chunks is None) != (not metadata.wasm_chunk_store):
        raise damaged(place, f"contradicts itself: whether there is a {CHUNKS_FILE}")
    entries = {**{name: entry for name, (entry, _) in expected.items()}, CHUNKS_FILE: said.chunks}
    for name, entry in entries.items():
        if entry is None:
            continue
        if entry.filename != name:
            raise damaged(place, f"contradicts itself: {entry.filename} in place of {name}")
        yield JunoFile(name=name, size_bytes=_int(entry.size), sha256=bytes.fromhex(entry.hash))


def _int(said: _BigInt) -> int:
    return int(said.digits)


def _big(value: int) -> dict[str, str]:
    return {"__bigint__": str(value)}


def _bytes(value: bytes) -> dict[str, list[int]]:
    return {"__uint8array__": list(value)}


def _entry(file: JunoFile | None) -> dict[str, object] | None:
    if file is None:
        return None
    return {"filename": file.name, "size": _big(file.size_bytes), "hash": file.sha256.hex()}


def _global_json(each: Global) -> dict[str, object]:
    is_big = each.kind in {"i64", "v128"}
    return {each.kind: _big(int(each.value)) if is_big else each.value}


def _global(said: dict[str, object], place: Path) -> Global:
    """Juno's big integers are put in the form that both tools share, then read as such."""
    plain = dict(said)
    for kind in ("i64", "v128"):
        if kind in said:
            plain[kind] = _int(validated(_BigInt, said[kind], place))
    v128 = plain.get("v128")
    return read_global(plain, v128 if isinstance(v128, int) else None, place)
