"""Our own directory: its names, its slices, and its two JSON files, read and written."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from juno_snap.backup.model import (
    FLOAT_FORMATS,
    PARTS,
    Description,
    Global,
    GlobalTimer,
    HookStatus,
    Metadata,
    Part,
    Source,
    problems_of,
)
from juno_snap.backup.places import damaged
from juno_snap.errors import BackupError, InputError
from juno_snap.ids import Principal, SnapshotId

FORMAT: Final = "juno-snap backup"
VERSION: Final = 1

METADATA: Final = "metadata.json"
CHUNKS: Final = "wasm_chunk_store"
FILES: Final[Mapping[Part, str]] = {part: f"{part}.bin" for part in PARTS}
"""As icp-cli and dfx name them."""
MANIFEST: Final = "juno-snap.json"
BEGUN: Final = "juno-snap.begun.json"
SLICES: Final = "juno-snap.slices"
COPYING: Final = "juno-snap.copying.json"
"""Only while a backup is being copied to this place; see ``copies``."""
ENCRYPTED: Final = "juno-snap.age.json"
"""In place of the manifest where the files are encrypted; see ``copies``."""

SLICE_BYTES: Final = 2_000_000
"""The largest slice that one call reads. Source: dfinity/ic, ``canister_manager.rs``."""

DIGITS: Final = 64
CHECKSUM_KEY: Final = b',\n  "checksum": "'
CHECKSUM_END: Final = b'"\n}\n'

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]


@final
@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """A stretch of one part, as one call reads it."""

    part: Part
    offset: int
    size: int


def slices_of(part: Part, size_bytes: int) -> Iterator[Slice]:
    """``part`` in slices, in order; none where it is empty."""
    for offset in range(0, size_bytes, SLICE_BYTES):
        yield Slice(part, offset, min(SLICE_BYTES, size_bytes - offset))


def chunk_file(chunk_hash: bytes) -> str:
    """Where a stored chunk lies."""
    return f"{CHUNKS}/{chunk_hash.hex()}.bin"


def data_files(metadata: Metadata) -> dict[str, int | None]:
    """The files of a whole backup but ``metadata.json``, and their sizes; a chunk's is unknown."""
    parts: dict[str, int | None] = {FILES[part]: metadata.size_of(part) for part in PARTS}
    return {**parts, **{chunk_file(each): None for each in metadata.wasm_chunk_store}}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of a backup, as the manifest has it. ``sha256`` has 32 bytes."""

    name: str
    size_bytes: int
    sha256: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a finished backup is and what it consists of."""

    description: Description
    files: tuple[FileEntry, ...]

    @property
    def code_hash(self) -> bytes:
        """SHA-256 of the module as it was uploaded."""
        return next(each.sha256 for each in self.files if each.name == FILES["wasm_module"])

    @property
    def total_size_bytes(self) -> int:
        """All files together, but for our own two."""
        return sum(each.size_bytes for each in self.files if each.name != BEGUN)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Global(_Strict):
    """An integer as it is; a float as the hex digits of its bits."""

    i32: int | None = None
    i64: int | None = None
    f32: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None
    f64: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    v128: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


class _Timer(_Strict):
    active_at_ns: int | None


class _Metadata(_Strict):
    source: Source | None
    taken_at_ns: int
    wasm_module_bytes: int
    globals: list[_Global]
    wasm_memory_bytes: int
    stable_memory_bytes: int
    wasm_chunk_store: list[Digest]
    canister_version: int
    certified_data: Hex
    global_timer: _Timer | None
    on_low_wasm_memory_hook_status: HookStatus | None


class _Begun(_Strict):
    format: Literal["juno-snap backup"]
    version: Literal[1]
    made_by: str
    module: str | None
    network: str
    root_key_sha256: Digest | None
    snapshot: str | None
    label: str
    protected: bool
    metadata: _Metadata
    checksum: Digest


class _File(_Strict):
    name: str
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Digest


class _Manifest(_Begun):
    code_hash: Digest
    total_size_bytes: int
    files: list[_File]


def render_begun(description: Description) -> bytes:
    """The file that says which snapshot a directory is for."""
    return sealed(_description_json(description))


def parse_begun(data: bytes, place: Path | str) -> Description:
    """What ``render_begun`` wrote.

    Raises:
        BackupError: It is damaged, of a newer format, or contradicts itself.
    """
    check_seal(data, place)
    try:
        return _description(_Begun.model_validate_json(data), place)
    except ValidationError as error:
        raise damaged(place, f"is malformed: {_first(error)}") from error


def render_manifest(manifest: Manifest) -> bytes:
    """The file that makes a backup a finished one."""
    return sealed(
        {
            **_description_json(manifest.description),
            "code_hash": manifest.code_hash.hex(),
            "total_size_bytes": manifest.total_size_bytes,
            "files": [
                {"name": each.name, "size_bytes": each.size_bytes, "sha256": each.sha256.hex()}
                for each in manifest.files
            ],
        }
    )


def parse_manifest(data: bytes, place: Path | str) -> Manifest:
    """What ``render_manifest`` wrote.

    Raises:
        BackupError: It is damaged, of a newer format, or contradicts itself.
    """
    check_seal(data, place)
    try:
        parsed = _Manifest.model_validate_json(data)
    except ValidationError as error:
        raise damaged(place, f"is malformed: {_first(error)}") from error
    files = tuple(
        FileEntry(name=each.name, size_bytes=each.size_bytes, sha256=bytes.fromhex(each.sha256))
        for each in parsed.files
    )
    manifest = Manifest(description=_description(parsed, place), files=files)
    _check_files(manifest, place)
    if (manifest.code_hash.hex(), manifest.total_size_bytes) != (
        parsed.code_hash,
        parsed.total_size_bytes,
    ):
        raise damaged(place, "contradicts itself: its sums are not those of its files")
    return manifest


def _check_files(manifest: Manifest, place: Path | str) -> None:
    """The files are those that the metadata calls for, each once, with its size and hash."""
    expected: dict[str, int | None] = {
        **data_files(manifest.description.metadata),
        METADATA: None,
        BEGUN: None,
    }
    if sorted(each.name for each in manifest.files) != sorted(expected):
        raise damaged(place, "contradicts itself: it does not list the files of its snapshot")
    for each in manifest.files:
        if expected[each.name] not in {None, each.size_bytes}:
            raise damaged(place, f"contradicts itself: the size of {each.name}")
    names = {each.name: each.sha256 for each in manifest.files}
    for chunk in manifest.description.metadata.wasm_chunk_store:
        if names[chunk_file(chunk)] != chunk:
            raise damaged(place, f"contradicts itself: the hash of {chunk_file(chunk)}")


def sealed(document: Mapping[str, object]) -> bytes:
    """``document`` as JSON that ends with the checksum of all before it."""
    text = json.dumps(document, indent=2).encode().removesuffix(b"\n}") + CHECKSUM_KEY
    return text + hashlib.sha256(text).hexdigest().encode() + CHECKSUM_END


def check_seal(data: bytes, place: Path | str) -> None:
    """Refuse a file of a newer format, then one that is not byte for byte what ``sealed`` made.

    Raises:
        BackupError: It is one of them.
    """
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    version = said.get("version") if isinstance(said, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise damaged(place, "is malformed: it does not say its version")
    if version > VERSION:
        raise BackupError(
            f"{place} is of format {version}, and this program knows up to {VERSION}",
            path=str(place),
            code="backup-newer",
            hint="use the juno-snap that wrote it, or a newer one",
        )
    text = data.removesuffix(CHECKSUM_END)
    digits = text[-DIGITS:]
    text = text.removesuffix(digits)
    whole = hashlib.sha256(text).hexdigest().encode() + CHECKSUM_END
    if not data.endswith(whole) or not text.endswith(CHECKSUM_KEY):
        raise damaged(place, "is not what was written: its checksum is wrong")


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc'])) or 'the file'}: {found['msg']}"


def _description_json(description: Description) -> dict[str, object]:
    metadata, root_key = description.metadata, description.root_key_sha256
    timer = metadata.global_timer
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_by": description.made_by,
        "module": None if description.module is None else str(description.module),
        "network": description.network,
        "root_key_sha256": None if root_key is None else root_key.hex(),
        "snapshot": None if description.snapshot is None else str(description.snapshot),
        "label": description.label,
        "protected": description.is_protected,
        "metadata": {
            "source": metadata.source,
            "taken_at_ns": metadata.taken_at_ns,
            "wasm_module_bytes": metadata.wasm_module_bytes,
            "globals": [_global_json(each) for each in metadata.globals],
            "wasm_memory_bytes": metadata.wasm_memory_bytes,
            "stable_memory_bytes": metadata.stable_memory_bytes,
            "wasm_chunk_store": [each.hex() for each in metadata.wasm_chunk_store],
            "canister_version": metadata.canister_version,
            "certified_data": metadata.certified_data.hex(),
            "global_timer": None if timer is None else {"active_at_ns": timer.active_at_ns},
            "on_low_wasm_memory_hook_status": metadata.on_low_wasm_memory_hook_status,
        },
    }


def _global_json(each: Global) -> dict[str, object]:
    if each.kind in FLOAT_FORMATS:
        return {each.kind: each.bits.hex()}
    return {each.kind: f"{each.value:032x}" if each.kind == "v128" else each.value}


def _description(parsed: _Begun, place: Path | str) -> Description:
    said = parsed.metadata
    timer = said.global_timer
    metadata = Metadata(
        source=said.source,
        taken_at_ns=said.taken_at_ns,
        wasm_module_bytes=said.wasm_module_bytes,
        globals=tuple(_global(each, place) for each in said.globals),
        wasm_memory_bytes=said.wasm_memory_bytes,
        stable_memory_bytes=said.stable_memory_bytes,
        wasm_chunk_store=tuple(map(bytes.fromhex, said.wasm_chunk_store)),
        canister_version=said.canister_version,
        certified_data=bytes.fromhex(said.certified_data),
        global_timer=None if timer is None else GlobalTimer(timer.active_at_ns),
        on_low_wasm_memory_hook_status=said.on_low_wasm_memory_hook_status,
    )
    for problem in problems_of(metadata):
        raise damaged(place, f"describes no snapshot: {problem}")
    root_key = parsed.root_key_sha256
    try:
        return Description(
            module=None if parsed.module is None else Principal.parse(parsed.module),
            snapshot=None if parsed.snapshot is None else SnapshotId.parse(parsed.snapshot),
            metadata=metadata,
            network=parsed.network,
            root_key_sha256=None if root_key is None else bytes.fromhex(root_key),
            label=parsed.label,
            is_protected=parsed.protected,
            made_by=parsed.made_by,
        )
    except InputError as error:
        raise damaged(place, f"is malformed: {error.message}") from error


def _global(said: _Global, place: Path | str) -> Global:
    match said.model_dump(exclude_none=True):
        case {"i32": int(value), **rest} if not rest:
            return Global("i32", value)
        case {"i64": int(value), **rest} if not rest:
            return Global("i64", value)
        case {"f32": str(digits), **rest} if not rest:
            return Global("f32", _float(">f", digits))
        case {"f64": str(digits), **rest} if not rest:
            return Global("f64", _float(">d", digits))
        case {"v128": str(digits), **rest} if not rest:
            return Global("v128", int(digits, 16))
        case _:
            raise damaged(place, "is malformed: a global has one kind and one value")


def _float(layout: str, digits: str) -> float:
    (value,) = struct.unpack(layout, bytes.fromhex(digits))
    return float(value)
