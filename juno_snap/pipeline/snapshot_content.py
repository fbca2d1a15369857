"""The content of a snapshot between a backup and the network: the same values in both worlds."""

from collections.abc import Iterator

from juno_snap.backup import model
from juno_snap.management import types


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


TRAVELS = (
    "wasm_module_bytes",
    "globals",
    "wasm_memory_bytes",
    "stable_memory_bytes",
    "certified_data",
    "global_timer",
    "on_low_wasm_memory_hook_status",
)
"""What an uploaded snapshot has in common with the one that it is a copy of, beside its chunks."""


def differences(there: model.Metadata, backup: model.Metadata, *, is_copy: bool) -> Iterator[str]:
    """How a snapshot on the network differs from a backup.

    ``is_copy``: it was uploaded, and has a time, version and source of its own.
    """
    names = TRAVELS if is_copy else (*TRAVELS, "taken_at_ns", "canister_version", "source")
    for name in names:
        ours, theirs = getattr(backup, name), getattr(there, name)
        # Files of other tools do not say everything; what they leave out is no difference.
        is_unsaid = ours is None
        if ours != theirs and not is_unsaid:
            yield f"{name} is {_short(theirs)} on the network and {_short(ours)} in the backup"
    if set(there.wasm_chunk_store) != set(backup.wasm_chunk_store):
        yield (
            f"the network has {len(there.wasm_chunk_store)} stored chunks, the backup has "
            f"{len(backup.wasm_chunk_store)}, and they are not the same"
        )


def _short(value: object) -> str:
    match value:
        case bytes():
            return value.hex() or "empty"
        case tuple():
            return f"a list of {len(value)}"
        case _:
            return str(value)
