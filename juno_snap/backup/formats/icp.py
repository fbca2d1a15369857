"""The directory of icp-cli (1.x) and dfx (from 0.30): ``metadata.json`` and a file a part.

Source: dfinity/icp-cli, ``operations/snapshot_transfer.rs``; dfinity/sdk, ``canister/snapshot.rs``.
"""

import json
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from juno_snap.backup.formats.parsing import (
    Byte,
    Nat,
    checked,
    parse_object,
    read_global,
    validated,
)
from juno_snap.backup.model import (
    FLOAT_FORMATS,
    Global,
    GlobalTimer,
    HookStatus,
    Metadata,
    Source,
)
from juno_snap.backup.places import damaged

TOOL: Final = "icp-cli and dfx"
MARK: Final = "taken_at_timestamp"
"""A key that tells this ``metadata.json`` from Juno's."""
UNFINISHED: Final = ".download_progress.json"
"""icp-cli removes it when it has everything."""

V128_DIGIT_BITS: Final = 32
"""Of v128, least significant first. Source: num-bigint's serde form."""

V128_DIGITS_MAX: Final = 4


class _Active(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    active: Nat


class _TakenFromCanister(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    taken_from_canister: object


class _MetadataUpload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    metadata_upload: object


class _Chunk(BaseModel):
    model_config = ConfigDict(strict=True)

    hash: Annotated[list[Byte], Field(min_length=32, max_length=32)]


_Source: TypeAlias = _TakenFromCanister | _MetadataUpload | None


class _File(BaseModel):
    """Other keys are let pass, as icp-cli does; newer tools may add some."""

    model_config = ConfigDict(strict=True)

    source: _Source = None
    taken_at_timestamp: Nat
    wasm_module_size: Nat
    globals: list[dict[str, object] | None]
    wasm_memory_size: Nat
    stable_memory_size: Nat
    wasm_chunk_store: list[_Chunk]
    canister_version: Nat
    certified_data: list[Byte]
    global_timer: Literal["inactive"] | _Active | None = None
    on_low_wasm_memory_hook_status: HookStatus | None = None


def render_metadata(metadata: Metadata) -> bytes:
    """``metadata.json``. A float that JSON cannot say becomes null, which both tools refuse."""
    timer = metadata.global_timer
    source = metadata.source
    document = {
        "source": None if source is None else {source: None},
        "taken_at_timestamp": metadata.taken_at_ns,
        "wasm_module_size": metadata.wasm_module_bytes,
        "globals": [_global_json(each) for each in metadata.globals],
        "wasm_memory_size": metadata.wasm_memory_bytes,
        "stable_memory_size": metadata.stable_memory_bytes,
        "wasm_chunk_store": [{"hash": list(each)} for each in metadata.wasm_chunk_store],
        "canister_version": metadata.canister_version,
        "certified_data": list(metadata.certified_data),
        "global_timer": None if timer is None else _timer_json(timer),
        "on_low_wasm_memory_hook_status": metadata.on_low_wasm_memory_hook_status,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def parse_metadata(data: bytes, place: Path) -> Metadata:
    """What ``metadata.json`` says.

    Raises:
        BackupError: It is damaged, no snapshot of the network has such values, or a value is lost.
    """
    said = validated(_File, parse_object(data, place), place)
    timer = said.global_timer
    metadata = Metadata(
        source=_source(said.source),
        taken_at_ns=said.taken_at_timestamp,
        wasm_module_bytes=said.wasm_module_size,
        globals=tuple(_global(each, place) for each in said.globals),
        wasm_memory_bytes=said.wasm_memory_size,
        stable_memory_bytes=said.stable_memory_size,
        wasm_chunk_store=tuple(bytes(each.hash) for each in said.wasm_chunk_store),
        canister_version=said.canister_version,
        certified_data=bytes(said.certified_data),
        global_timer=None if timer is None else _timer(timer),
        on_low_wasm_memory_hook_status=said.on_low_wasm_memory_hook_status,
    )
    return checked(metadata, place)


def _source(said: _Source) -> Source | None:
    match said:
        case _TakenFromCanister():
            return "taken_from_canister"
        case _MetadataUpload():
            return "metadata_upload"
        case None:
            return None


def _timer_json(timer: GlobalTimer) -> object:
    return "inactive" if timer.active_at_ns is None else {"active": timer.active_at_ns}


def _timer(said: Literal["inactive"] | _Active) -> GlobalTimer:
    return GlobalTimer(said.active if isinstance(said, _Active) else None)


def _global_json(each: Global) -> dict[str, object]:
    value: object = each.value
    if each.kind == "v128":
        value = [
            int(each.value) >> shift & (2**V128_DIGIT_BITS - 1)
            for shift in range(0, int(each.value).bit_length(), V128_DIGIT_BITS)
        ]
    elif each.kind in FLOAT_FORMATS and not each.is_finite:
        value = None
    return {each.kind: value}


def _global(said: dict[str, object] | None, place: Path) -> Global:
    if said is None:
        raise damaged(place, "has a global that the tool which wrote it could not read")
    return read_global(said, _v128(said.get("v128")), place)


def _v128(said: object) -> int | None:
    match said:
        case int() if not isinstance(said, bool):
            return said
        case list() if len(said) <= V128_DIGITS_MAX:
            value = 0
            for place, digit in enumerate(said):
                if type(digit) is not int or not 0 <= digit < 2**V128_DIGIT_BITS:
                    return None
                value |= digit << V128_DIGIT_BITS * place
            return value
        case _:
            return None
