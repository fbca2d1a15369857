"""A copy of a module on another network: made of a backup, under the module's own canister id."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar, final

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
    Global,
    GlobalTimer,
    SnapshotUpload,
)

T = TypeVar("T")

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
        raise PreconditionError(
            f"the local replica cannot take over this snapshot of {module}: {error.message}",
            code="not-loadable",
            hint=f"verify the backup with: juno-snap backup verify {backup.path}",
        ) from error


async def in_parallel(work: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Do ``work`` for each item, a few at a time; after the first that fails nothing is begun.

    Raises:
        Whatever that one raised.
    """
    waiting = iter(items)

    async def go_on() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLS_AT_ONCE):
                group.create_task(go_on())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _upload_of(metadata: Metadata, *, knows_settings: bool) -> SnapshotUpload:
    timer = metadata.global_timer
    return SnapshotUpload(
        wasm_module_bytes=metadata.wasm_module_bytes,
        globals=tuple(Global(each.kind, each.value) for each in metadata.globals),
        wasm_memory_bytes=metadata.wasm_memory_bytes,
        stable_memory_bytes=metadata.stable_memory_bytes,
        certified_data=metadata.certified_data,
        global_timer=None if timer is None else GlobalTimer(timer.active_at_ns),
        # It has to agree with limits that are part of the settings.
        on_low_wasm_memory_hook_status=metadata.on_low_wasm_memory_hook_status
        if knows_settings
        else None,
    )


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

    async def send(each: Slice) -> None:
        nonlocal done_bytes
        data = backup.read(each.part, each.offset, each.size)
        if data.strip(b"\0"):  # what is not uploaded is zero
            await client.upload_canister_snapshot_data(
                module, snapshot, data, part=each.part, offset_bytes=each.offset
            )
        done_bytes += each.size
        observer(BytesMoved(what="copy", done_bytes=done_bytes, total_bytes=total_bytes))

    async def send_chunk(chunk_hash: bytes) -> None:
        chunk = backup.chunk(chunk_hash)
        await client.upload_canister_snapshot_chunk(module, snapshot, chunk)

    await in_parallel(send, (each for part in PARTS for each in backup.slices(part)))
    await in_parallel(send_chunk, backup.description.metadata.wasm_chunk_store)
