"""Snapshots and their data through the management client, over HTTP, on the local replica.

What is refused for lack of cycles or by rate limits is in ``test_management_cycles``.
"""

import hashlib
import os
from dataclasses import replace

import pytest

from juno_snap.ids import Principal, SnapshotId
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import argument
from juno_snap.management.types import (
    AllowedViewers,
    CanisterSettings,
    Global,
    GlobalTimer,
    ManagementCall,
    Upgrade,
)
from juno_snap.replica.server import run_replica
from juno_snap.units import SNAPSHOTS_MAX, WASM_PAGE_BYTES
from juno_snap.wire.candid import Tagged
from tests.integration.management_world import (
    STRANGER,
    call,
    client_of,
    counted,
    install_talker,
    rejects,
    talker,
    with_section,
)

pytestmark = pytest.mark.anyio
SLICE_BYTES = 30_000


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


async def read_part(client, module, snapshot, part, size_bytes):
    pieces = [
        await client.read_canister_snapshot_data(
            module,
            snapshot,
            part=part,
            offset_bytes=offset,
            size_bytes=min(SLICE_BYTES, size_bytes - offset),
        )
        for offset in range(0, size_bytes, SLICE_BYTES)
    ]
    return b"".join(pieces)


async def write_part(client, module, snapshot, part, content):
    for offset in reversed(range(0, len(content), SLICE_BYTES)):
        await client.upload_canister_snapshot_data(
            module,
            snapshot,
            content[offset : offset + SLICE_BYTES],
            part=part,
            offset_bytes=offset,
        )


async def test_takes_lists_loads_and_deletes(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await call(client, module, "count")
        first = await client.take_canister_snapshot(module)
        assert first.total_size_bytes > len(talker()) + WASM_PAGE_BYTES
        await call(client, module, "count")
        second = await client.take_canister_snapshot(module)
        assert await client.list_canister_snapshots(module) == [first, second]
        assert first.taken_at_ns < second.taken_at_ns

        await client.install_code(module, Upgrade(), with_section(talker(), "other", b""), b"")
        assert await counted(client, module) == bytes(4)
        loaded_at_ns = await client.load_canister_snapshot(module, first.id)
        assert loaded_at_ns > second.taken_at_ns
        assert await counted(client, module) == b"\x01\0\0\0"
        info = await client.canister_info(module, not_before_ns=loaded_at_ns)
        assert info.module_hash == hashlib.sha256(talker()).digest()

        await client.delete_canister_snapshot(module, first.id)
        assert await client.list_canister_snapshots(module) == [second]


async def test_taking_changes_no_version_and_loading_does(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        before = (await client.canister_status(module)).version
        snapshot = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
        assert metadata.canister_version == before
        assert (await client.canister_status(module)).version == before
        await client.load_canister_snapshot(module, snapshot.id)
        assert (await client.canister_status(module)).version == before + 1


async def test_replaces_a_snapshot_when_all_places_are_taken(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        taken = [await client.take_canister_snapshot(module) for _ in range(SNAPSHOTS_MAX)]
        with rejects("IC0406", f"maximum number of snapshots allowed: {SNAPSHOTS_MAX}"):
            await client.take_canister_snapshot(module)
        new = await client.take_canister_snapshot(module, replace=taken[3].id)
        assert await client.list_canister_snapshots(module) == [*taken[:3], *taken[4:], new]
        metadata = await client.read_canister_snapshot_metadata(module, new.id)
        with rejects("IC0406", "maximum number"):
            await client.upload_canister_snapshot_metadata(module, metadata.for_upload())
        uploaded = await client.upload_canister_snapshot_metadata(
            module, metadata.for_upload(), replace=new.id
        )
        listed = {each.id for each in await client.list_canister_snapshots(module)}
        assert uploaded in listed
        assert new.id not in listed


async def test_takes_and_uninstalls_in_one_step(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await call(client, module, "count")
        snapshot = await client.take_canister_snapshot(module, uninstall_code=True)
        assert await client.module_hash(module) is None
        await client.load_canister_snapshot(module, snapshot.id)
        assert await counted(client, module) == b"\x01\0\0\0"


async def test_describes_a_snapshot(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await call(client, module, "store")
        await call(client, module, "count")
        chunk_hash = await client.upload_chunk(module, b"a stored chunk")
        snapshot = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
        assert metadata.source == "taken_from_canister"
        assert metadata.taken_at_ns == snapshot.taken_at_ns
        assert metadata.wasm_module_bytes == len(talker())
        assert metadata.wasm_memory_bytes == WASM_PAGE_BYTES
        assert metadata.stable_memory_bytes == WASM_PAGE_BYTES
        assert metadata.globals == (Global("i64", -5), Global("i32", 1))
        assert metadata.certified_data == b"hello"
        assert metadata.wasm_chunk_store == (chunk_hash,)
        assert metadata.global_timer == GlobalTimer(None)
        read = await client.read_canister_snapshot_chunk(module, snapshot.id, chunk_hash)
        assert read == b"a stored chunk"
        stable = await client.read_canister_snapshot_data(
            module, snapshot.id, part="stable_memory", offset_bytes=3, size_bytes=5
        )
        assert stable == b"hello"


async def test_a_snapshot_copied_to_another_module_is_that_module(replica):
    async with client_of(replica) as client:
        source = await install_talker(client)
        target = await client.provisional_create_canister()
        await call(client, source, "store")
        for _ in range(3):
            await call(client, source, "count")
        await client.upload_chunk(source, b"a stored chunk")
        taken = await client.take_canister_snapshot(source)
        metadata = await client.read_canister_snapshot_metadata(source, taken.id)
        made = await client.upload_canister_snapshot_metadata(target, metadata.for_upload())
        sizes = {
            "wasm_module": metadata.wasm_module_bytes,
            "wasm_memory": metadata.wasm_memory_bytes,
            "stable_memory": metadata.stable_memory_bytes,
        }
        for part, size_bytes in sizes.items():
            content = await read_part(client, source, taken.id, part, size_bytes)
            await write_part(client, target, made, part, content)
        for digest in metadata.wasm_chunk_store:
            chunk = await client.read_canister_snapshot_chunk(source, taken.id, digest)
            await client.upload_canister_snapshot_chunk(target, made, chunk)

        copied = await client.read_canister_snapshot_metadata(target, made)
        assert copied.source == "metadata_upload"
        assert copied.for_upload() == metadata.for_upload()
        assert copied.wasm_chunk_store == metadata.wasm_chunk_store
        await client.load_canister_snapshot(target, made)
        assert await counted(client, target) == b"\x03\0\0\0"
        assert await client.module_hash(target) == hashlib.sha256(talker()).digest()
        assert await client.stored_chunks(target) == metadata.wasm_chunk_store


async def test_moves_two_million_bytes_in_one_call(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        taken = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, taken.id)
        large = replace(metadata.for_upload(), wasm_module_bytes=2_000_000)
        made = await client.upload_canister_snapshot_metadata(module, large)
        content = os.urandom(2_000_000)
        await client.upload_canister_snapshot_data(
            module, made, content, part="wasm_module", offset_bytes=0
        )
        read = await client.read_canister_snapshot_data(
            module, made, part="wasm_module", offset_bytes=0, size_bytes=2_000_000
        )
        assert read == content


async def test_an_empty_module_has_nothing_to_take(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        with rejects("IC0406", "empty canister"):
            await client.take_canister_snapshot(module)


async def test_an_unknown_snapshot_is_not_found(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        unknown = SnapshotId((77).to_bytes(8) + module.raw)
        for change in (
            client.load_canister_snapshot(module, unknown),
            client.delete_canister_snapshot(module, unknown),
            client.take_canister_snapshot(module, replace=unknown),
            client.read_canister_snapshot_metadata(module, unknown),
            client.read_canister_snapshot_data(
                module, unknown, part="wasm_module", offset_bytes=0, size_bytes=1
            ),
            client.upload_canister_snapshot_data(
                module, unknown, b"x", part="wasm_module", offset_bytes=0
            ),
        ):
            with rejects("IC0305", "Could not find the snapshot ID"):
                await change


async def test_a_snapshot_of_another_module_is_not_this_ones(replica):
    async with client_of(replica) as client:
        module, other = await install_talker(client), await install_talker(client)
        foreign = (await client.take_canister_snapshot(other)).id
        for change in (
            client.delete_canister_snapshot(module, foreign),
            client.take_canister_snapshot(module, replace=foreign),
            client.read_canister_snapshot_metadata(module, foreign),
        ):
            with rejects("IC0406", "does not belong to canister"):
                await change


async def test_a_snapshot_of_another_own_module_can_be_loaded(replica):
    async with client_of(replica) as client:
        empty = await client.provisional_create_canister()
        foreign = await client.take_canister_snapshot(await install_talker(client))
        loaded_at_ns = await client.load_canister_snapshot(empty, foreign.id)
        info = await client.canister_info(empty)
        assert foreign.taken_at_ns < info.last_install_at_ns <= loaded_at_ns
        assert info.module_hash == hashlib.sha256(talker()).digest()


async def test_a_snapshot_of_a_module_of_others_cannot_be_loaded(replica):
    async with client_of(replica) as client, client_of(replica, STRANGER) as stranger:
        foreign = (await client.take_canister_snapshot(await install_talker(client))).id
        own = await install_talker(stranger)
        with rejects("IC0406", "Only a controller of the canister that snapshot"):
            await stranger.load_canister_snapshot(own, foreign)


async def test_only_controllers_may_touch_snapshots(replica):
    async with client_of(replica) as client, client_of(replica, STRANGER) as stranger:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
        for change in (
            stranger.take_canister_snapshot(module),
            stranger.load_canister_snapshot(module, snapshot.id),
            stranger.list_canister_snapshots(module),
            stranger.delete_canister_snapshot(module, snapshot.id),
            stranger.read_canister_snapshot_metadata(module, snapshot.id),
            stranger.upload_canister_snapshot_metadata(module, metadata.for_upload()),
            stranger.upload_canister_snapshot_chunk(module, snapshot.id, b"chunk"),
        ):
            with rejects("IC0512", "Only controllers of canister", certified=False):
                await change


async def test_viewers_may_read_snapshots_and_nothing_else(replica):
    viewer = AllowedViewers((STRANGER.principal,))
    nobody_else = AllowedViewers((Principal(b"\x09" * 29),))
    async with client_of(replica) as client, client_of(replica, STRANGER) as stranger:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        await client.update_settings(module, CanisterSettings(snapshot_visibility=viewer))
        assert await stranger.list_canister_snapshots(module) == [snapshot]
        await stranger.read_canister_snapshot_metadata(module, snapshot.id)
        with rejects("IC0512", certified=False):
            await stranger.delete_canister_snapshot(module, snapshot.id)
        await client.update_settings(module, CanisterSettings(snapshot_visibility=nobody_else))
        with rejects("IC0406", "not allowed", certified=False):
            await stranger.list_canister_snapshots(module)


async def test_a_module_that_does_not_exist_has_no_snapshots(replica):
    missing = Principal.parse("7tjcv-pp777-77776-qaaaa-cai")
    async with client_of(replica) as client:
        for change in (
            client.take_canister_snapshot(missing),
            client.list_canister_snapshots(missing),
        ):
            with rejects("IC0301", "not found", certified=False):
                await change


async def test_a_taken_snapshot_cannot_be_written(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        with rejects("IC0409", "Only canister snapshots created by metadata upload"):
            await client.upload_canister_snapshot_data(
                module, snapshot.id, b"x", part="wasm_memory", offset_bytes=0
            )
        with rejects("IC0409"):
            await client.upload_canister_snapshot_chunk(module, snapshot.id, b"chunk")


@pytest.mark.parametrize("part", ["wasm_module", "wasm_memory", "stable_memory"])
async def test_a_slice_beyond_the_end_is_refused(replica, part):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await call(client, module, "store")
        snapshot = await client.take_canister_snapshot(module)
        with rejects("IC0408", "Invalid subslice"):
            await client.read_canister_snapshot_data(
                module, snapshot.id, part=part, offset_bytes=0, size_bytes=WASM_PAGE_BYTES + 1
            )


async def test_the_network_refuses_a_slice_that_is_too_large_as_we_do(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        record = {
            "canister_id": module,
            "snapshot_id": snapshot.id.raw,
            "kind": Tagged("wasm_memory", {"offset": 0, "size": 2_000_001}),
        }
        with rejects("IC0408", "Requested slice too large: 2000001 > 2000000"):
            await client.send(
                ManagementCall(
                    method="read_canister_snapshot_data",
                    arg=argument(types.READ_DATA, record),
                    effective_canister_id=module,
                )
            )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"wasm_module_bytes": 0}, "WasmModuleEmpty", id="no-module"),
        pytest.param({"wasm_module_bytes": 2**40}, "WasmModuleTooLarge", id="large-module"),
        pytest.param({"wasm_memory_bytes": 1}, "WasmMemoryNotPageAligned", id="odd-heap"),
        pytest.param(
            {"wasm_memory_bytes": 2**33 + WASM_PAGE_BYTES}, "WasmMemoryTooLarge", id="large-heap"
        ),
        pytest.param({"stable_memory_bytes": 1}, "StableMemoryNotPageAligned", id="odd-stable"),
        pytest.param({"stable_memory_bytes": 2**40}, "StableMemoryTooLarge", id="large-stable"),
        pytest.param(
            {"globals": (Global("i32", 0),) * 1001}, "ExportedGlobalsTooLarge", id="globals"
        ),
        pytest.param({"certified_data": bytes(33)}, "CertifiedDataTooLarge", id="certified-data"),
    ],
)
async def test_impossible_metadata_is_refused(replica, changes, complaint):
    async with client_of(replica) as client:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, snapshot.id)
        upload = replace(metadata.for_upload(), **changes)
        with rejects("IC0408", complaint):
            await client.upload_canister_snapshot_metadata(module, upload)


async def uploaded_copy(client, module, **changes):
    """A snapshot of the module, uploaded with these differences in its metadata."""
    taken = await client.take_canister_snapshot(module)
    metadata = await client.read_canister_snapshot_metadata(module, taken.id)
    upload = replace(metadata.for_upload(), **changes)
    return await client.upload_canister_snapshot_metadata(module, upload)


async def test_an_uploaded_snapshot_has_to_fit_its_module(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        before = await client.canister_status(module)
        made = await uploaded_copy(client, module, globals=(Global("i32", 1),))
        await write_part(client, module, made, "wasm_module", talker())
        with rejects("IC0408", "globals of canister module and snapshot metadata do not match"):
            await client.load_canister_snapshot(module, made)
        hook = await uploaded_copy(client, module, on_low_wasm_memory_hook_status="executed")
        await write_part(client, module, hook, "wasm_module", talker())
        with rejects("IC0408", "Hook status"):
            await client.load_canister_snapshot(module, hook)
        empty = await uploaded_copy(client, module)
        with rejects("IC0505"):
            await client.load_canister_snapshot(module, empty)
        after = await client.canister_status(module)
        assert (after.version, after.module_hash) == (before.version, before.module_hash)


async def test_an_uploaded_timer_is_set_by_loading(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        later = GlobalTimer(2**63)
        made = await uploaded_copy(client, module, global_timer=later)
        await write_part(client, module, made, "wasm_module", talker())
        await client.load_canister_snapshot(module, made)
        taken = await client.take_canister_snapshot(module)
        metadata = await client.read_canister_snapshot_metadata(module, taken.id)
        assert metadata.global_timer == later
