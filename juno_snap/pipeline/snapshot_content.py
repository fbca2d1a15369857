"""The content of a snapshot between a backup and the network: the same values in both worlds."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, final

from juno_snap.backup import model
from juno_snap.backup.model import Part
from juno_snap.backup.reader import Backup
from juno_snap.errors import InputError
from juno_snap.management import types
from juno_snap.pipeline.report import rfc3339
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm

GLOBALS_TOLD: Final = 3


def described(metadata: types.SnapshotMetadata) -> model.Metadata:
    """What the network says of a snapshot, as a backup has it."""
    timer = metadata.global_timer
    return model.Metadata(
        source=metadata.source,
        taken_at_ns=metadata.taken_at_ns,
        wasm_module_bytes=metadata.wasm_module_bytes,
        globals=tuple(model.Global(each.kind, each.value) for each in metadata.globals),
        wasm_memory_bytes=metadata.wasm_memory_bytes,
        stable_memory_bytes=metadata.stable_memory_bytes,
        wasm_chunk_store=metadata.wasm_chunk_store,
        canister_version=metadata.canister_version,
        certified_data=metadata.certified_data,
        global_timer=None if timer is None else model.GlobalTimer(timer.active_at_ns),
        on_low_wasm_memory_hook_status=metadata.on_low_wasm_memory_hook_status,
    )


def upload_of(metadata: model.Metadata) -> types.SnapshotUpload:
    """What begins the upload of a backup."""
    timer = metadata.global_timer
    return types.SnapshotUpload(
        wasm_module_bytes=metadata.wasm_module_bytes,
        globals=tuple(types.Global(each.kind, each.value) for each in metadata.globals),
        wasm_memory_bytes=metadata.wasm_memory_bytes,
        stable_memory_bytes=metadata.stable_memory_bytes,
        certified_data=metadata.certified_data,
        global_timer=None if timer is None else types.GlobalTimer(timer.active_at_ns),
        on_low_wasm_memory_hook_status=metadata.on_low_wasm_memory_hook_status,
    )


def code_of(backup: Backup) -> WasmFile | None:
    """The code in a backup; None: it is none that we understand, and the network has to say.

    Raises:
        BackupError: It cannot be read.
    """
    size = backup.size("wasm_module")
    try:
        return check_wasm(backup.read("wasm_module", 0, size), name=str(backup.path))
    except InputError:
        return None


TRAVELS: Final = {
    "wasm_module_bytes": "wasm_module_size",
    "globals": "globals",
    "wasm_memory_bytes": "wasm_memory_size",
    "stable_memory_bytes": "stable_memory_size",
    "certified_data": "certified_data",
    "global_timer": "global_timer",
    "on_low_wasm_memory_hook_status": "on_low_wasm_memory_hook_status",
}
"""What an uploaded snapshot has in common with the one that it is a copy of, beside its chunks, and
how the network and the files of all tools name it."""

STAYS: Final = {
    "taken_at_ns": "taken_at_timestamp",
    "canister_version": "canister_version",
    "source": "source",
}

PARTS_BY_SIZE: Final[dict[str, Part]] = {f"{part}_bytes": part for part in model.PARTS}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that a snapshot on the network has otherwise than a backup."""

    text: str
    part: Part | None = None
    """The one whose size it is; None: something in the metadata."""
    is_of_chunks: bool = False


def differences(
    there: model.Metadata, backup: model.Metadata, *, is_copy: bool
) -> Iterator[Difference]:
    """How a snapshot on the network differs from a backup.

    ``is_copy``: it was uploaded, and has a time, version and source of its own.
    """
    for field, name in (TRAVELS if is_copy else TRAVELS | STAYS).items():
        here, away = getattr(backup, field), getattr(there, field)
        # Files of other tools do not say everything; what they leave out is no difference.
        is_unsaid = here is None
        if here == away or is_unsaid:
            continue
        if field == "globals":
            yield from map(_of_metadata, _globals_that_differ(away, here))
            continue
        text = f"{name} is {_told(field, away)} on the network and {_told(field, here)}"
        yield Difference(text=f"{text} in the backup", part=PARTS_BY_SIZE.get(field))
    ours, theirs = set(backup.wasm_chunk_store), set(there.wasm_chunk_store)
    if theirs - ours:
        text = f"wasm_chunk_store has {_some(theirs - ours)} on the network, not in the backup"
        yield Difference(text=text, is_of_chunks=True)
    if ours - theirs:
        text = f"wasm_chunk_store has {_some(ours - theirs)} in the backup, not on the network"
        yield Difference(text=text, is_of_chunks=True)


def _some(hashes: set[bytes]) -> str:
    more = f" and {len(hashes) - 1} more" if len(hashes) > 1 else ""
    return f"{min(hashes).hex()}{more}"


def _of_metadata(text: str) -> Difference:
    return Difference(text=text)


def _globals_that_differ(
    theirs: tuple[model.Global, ...], ours: tuple[model.Global, ...]
) -> Iterator[str]:
    pairs = list(zip_longest(theirs, ours))
    differing = [number for number, (one, other) in enumerate(pairs) if one != other]
    for number in differing[:GLOBALS_TOLD]:
        one, other = pairs[number]
        yield f"global {number} is {_global(one)} on the network and {_global(other)} in the backup"
    if len(differing) > GLOBALS_TOLD:
        yield f"{len(differing)} globals in all are not the same"


def _global(each: model.Global | None) -> str:
    return "missing" if each is None else f"{each.kind} {each.value}"


def _told(field: str, value: object) -> str:
    match value:
        case bytes():
            return value.hex() or "empty"
        case None:
            return "unknown"
        case model.GlobalTimer(active_at_ns=moment_ns):
            return "not set" if moment_ns is None else rfc3339(moment_ns)
        case int() if field == "taken_at_ns":
            return rfc3339(value)
        case int() if field in PARTS_BY_SIZE:
            return f"{value} bytes"
        case _:
            return str(value)
