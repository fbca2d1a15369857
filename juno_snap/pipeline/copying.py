"""A copy of a module on another network: made of a backup, under the module's own canister id."""

from dataclasses import dataclass, replace
from typing import Final, final

from juno_snap.agent.identity import Identity
from juno_snap.backup.layout import Slice
from juno_snap.backup.model import PARTS, Metadata
from juno_snap.backup.reader import Backup
from juno_snap.errors import PreconditionError, RejectedError
from juno_snap.events import BytesMoved, Observer
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.management.limits import CONTROLLERS_MAX
from juno_snap.management.types import (
    CanisterSettings,
    DefiniteSettings,
    SnapshotUpload,
)
from juno_snap.pipeline.snapshot_content import code_of, upload_of
from juno_snap.pipeline.wasm_globals import globals_problem
from juno_snap.pipeline.window import Job, in_window

CALLS_AT_ONCE: Final = 8
"""Slices under way at a time, each held about three times."""

PLENTY_OF_CYCLES: Final = 10**18
"""What a copy gets: a rehearsal says nothing about cycles."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The module that is copied, beside its code and data."""

    module: Principal
    caller: Identity
    """Who upgrades it; controls the copy whoever else does."""
    controllers: tuple[Principal, ...] = ()
    settings: DefiniteSettings | None = None
    """None: not known, so that the copy has the network's defaults."""

    @property
    def copied_settings(self) -> CanisterSettings:
        """The settings that code can notice, without what only costs cycles."""
        names = dict.fromkeys((self.caller.principal, *self.controllers))
        controllers = tuple(names)[:CONTROLLERS_MAX]
        known = self.settings
        if known is None:
            return CanisterSettings(controllers=controllers)
        return CanisterSettings(
            controllers=controllers,
            wasm_memory_limit_bytes=known.wasm_memory_limit_bytes,
            wasm_memory_threshold_bytes=known.wasm_memory_threshold_bytes,
            environment_variables=known.environment_variables,
        )


async def make_copy(
    client: ManagementClient, original: Original, backup: Backup, *, observer: Observer
) -> None:
    """Create the module, and load what ``backup`` holds; it runs on return, without snapshots.

    Raises:
        PreconditionError: The other network does not take it; says why.
        BackupError: A file cannot be read.
    """
    module = original.module
    knows_settings = original.settings is not None
    try:
        await client.provisional_create_canister(
            settings=original.copied_settings, cycles=PLENTY_OF_CYCLES, specified_id=module
        )
        upload = _upload_of(backup.description.metadata, knows_settings=knows_settings)
        snapshot = await client.upload_canister_snapshot_metadata(module, upload)
        await _send_data(client, module, snapshot, backup, observer=observer)
        await client.load_canister_snapshot(module, snapshot)
        await client.delete_canister_snapshot(module, snapshot)
    except RejectedError as error:
        code = code_of(backup)
        saved = None if code is None else code.saved_globals
        problem = globals_problem(backup.description.metadata.globals, saved)
        why = error.message if problem is None else f"{problem} ({error.message})"
        raise PreconditionError(
            f"the local replica cannot take over this snapshot of {module}: {why}",
            code="not-loadable",
            hint=f"verify the backup with: juno-snap backup verify {backup.path}",
        ) from error


def _upload_of(metadata: Metadata, *, knows_settings: bool) -> SnapshotUpload:
    upload = upload_of(metadata)
    # It has to agree with limits that are part of the settings.
    return upload if knows_settings else replace(upload, on_low_wasm_memory_hook_status=None)


async def _send_data(
    client: ManagementClient,
    module: Principal,
    snapshot: SnapshotId,
    backup: Backup,
    *,
    observer: Observer,
) -> None:
    total_bytes = backup.description.metadata.data_bytes
    done_bytes = 0

    def sending(each: Slice) -> Job:
        async def send() -> None:
            nonlocal done_bytes
            data = backup.read(each.part, each.offset, each.size)
            if data.strip(b"\0"):  # what is not uploaded is zero
                await client.upload_canister_snapshot_data(
                    module, snapshot, data, part=each.part, offset_bytes=each.offset
                )
            done_bytes += each.size
            observer(BytesMoved(what="copy", done_bytes=done_bytes, total_bytes=total_bytes))

        return send

    def sending_chunk(chunk_hash: bytes) -> Job:
        async def send() -> None:
            chunk = backup.chunk(chunk_hash)
            await client.upload_canister_snapshot_chunk(module, snapshot, chunk)

        return send

    slices = (each for part in PARTS for each in backup.slices(part))
    await in_window(client.agent, map(sending, slices), most=CALLS_AT_ONCE)
    chunks = backup.description.metadata.wasm_chunk_store
    await in_window(client.agent, map(sending_chunk, chunks), most=CALLS_AT_ONCE)
