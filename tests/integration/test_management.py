"""The management client against the local replica, over HTTP: all but the snapshots."""

import hashlib

import pytest

from juno_snap.agent.transport import HttpxTransport
from juno_snap.errors import InputError, PreconditionError, TransportError
from juno_snap.ids import Principal
from juno_snap.management.canister import plain_call, top_up_call
from juno_snap.management.types import (
    AllowedViewers,
    CanisterSettings,
    Install,
    ManagementCall,
    Reinstall,
    Upgrade,
)
from juno_snap.replica.server import run_replica
from juno_snap.units import CHUNK_MAX_BYTES, TRILLION_CYCLES
from tests.integration.management_world import (
    NOBODY,
    OWNER,
    STRANGER,
    OlderNetwork,
    call,
    client_of,
    counted,
    install_talker,
    large,
    rejects,
    talker,
    with_section,
)

pytestmark = pytest.mark.anyio
NO_SUCH_MODULE = Principal.parse("7tjcv-pp777-77776-qaaaa-cai")


@pytest.fixture(scope="module")
def replica():
    with run_replica() as running:
        yield running


async def test_creates_a_module_that_its_creator_controls(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        status = await client.canister_status(module)
        assert status.status == "running"
        assert status.module_hash is None
        assert status.settings.controllers == (OWNER.principal,)
        assert 0 < 100 * TRILLION_CYCLES - status.cycles < TRILLION_CYCLES / 1000
        info = await client.canister_info(module)
        assert info.exists
        assert info.controllers == (OWNER.principal,)
        assert (info.module_hash, info.last_install_at_ns) == (None, None)


async def test_creates_a_module_as_it_is_wanted(replica):
    wanted = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
    settings = CanisterSettings(
        controllers=(OWNER.principal, STRANGER.principal), freezing_threshold_seconds=7
    )
    async with client_of(replica) as client:
        module = await client.provisional_create_canister(
            settings=settings, cycles=5 * TRILLION_CYCLES, specified_id=wanted
        )
        assert module == wanted
        status = await client.canister_status(module)
        assert set(status.settings.controllers) == set(settings.controllers)
        assert status.settings.freezing_threshold_seconds == 7
        assert 0 < 5 * TRILLION_CYCLES - status.cycles < TRILLION_CYCLES / 1000
        with rejects("IC0538"):
            await client.provisional_create_canister(specified_id=wanted)


async def test_tops_a_module_up(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister(cycles=TRILLION_CYCLES)
        await client.provisional_top_up(module, 2 * TRILLION_CYCLES)
        status = await client.canister_status(module, as_query=True)
        assert status.cycles == 3 * TRILLION_CYCLES


async def test_changes_settings_and_leaves_the_others(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        before = (await client.canister_status(module)).settings
        await client.update_settings(
            module,
            CanisterSettings(
                compute_allocation_percent=1,
                log_visibility="public",
                snapshot_visibility=AllowedViewers((STRANGER.principal,)),
                wasm_memory_limit_bytes=2**30,
                environment_variables={"MODE": "test"},
            ),
        )
        after = (await client.canister_status(module)).settings
        assert after.compute_allocation_percent == 1
        assert after.log_visibility == "public"
        assert after.snapshot_visibility == AllowedViewers((STRANGER.principal,))
        assert after.wasm_memory_limit_bytes == 2**30
        assert after.environment_variables == {"MODE": "test"}
        assert after.controllers == before.controllers
        assert after.freezing_threshold_seconds == before.freezing_threshold_seconds
        with pytest.raises(InputError):
            await client.update_settings(
                module, CanisterSettings(controllers=(OWNER.principal,) * 11)
            )


async def test_stops_and_starts_with_a_certified_time(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        stopped_at_ns = await client.stop_canister(module)
        assert (await client.canister_status(module)).status == "stopped"
        with rejects("IC0508", certified=False):
            await call(client, module, "speak")
        started_at_ns = await client.start_canister(module)
        assert started_at_ns > stopped_at_ns
        assert (await client.canister_status(module)).status == "running"
        await call(client, module, "speak")


async def test_a_status_can_be_asked_of_one_node(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        certified = await client.canister_status(module)
        shown = await client.canister_status(module, as_query=True)
        assert shown.module_hash == certified.module_hash
        assert shown.settings == certified.settings


async def test_deletes_a_stopped_module_only(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        with rejects("IC0510", "must be stopped"):
            await client.delete_canister(module)
        await client.stop_canister(module)
        await client.delete_canister(module)
        with rejects("IC0301", "not found", certified=False):
            await client.canister_status(module)
        assert not (await client.canister_info(module)).exists


async def test_installs_upgrades_and_reinstalls(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        with rejects("IC0537"):
            await client.install_code(module, Upgrade(), talker(), b"")
        installed_at_ns = await client.install_code(module, Install(), talker(), b"")
        info = await client.canister_info(module, not_before_ns=installed_at_ns)
        assert info.module_hash == hashlib.sha256(talker()).digest()
        assert info.certified_at_ns >= installed_at_ns
        assert 0 < info.last_install_at_ns <= installed_at_ns
        with rejects("IC0514"):
            await client.install_code(module, Install(), talker(), b"")
        await call(client, module, "count")
        assert await counted(client, module) == b"\x01\0\0\0"
        other = with_section(talker(), "another", b"version")
        await client.install_code(module, Upgrade(), other, b"")
        assert await client.module_hash(module) == hashlib.sha256(other).digest()
        assert await counted(client, module) == bytes(4)
        await client.install_code(module, Reinstall(), talker(), b"")
        assert await client.module_hash(module) == hashlib.sha256(talker()).digest()


async def test_skips_pre_upgrade_only_when_told(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        await call(client, module, "lock")
        with rejects("IC0502"):
            await client.install_code(module, Upgrade(), talker(), b"")
        assert await counted(client, module) == b"\x63\0\0\0"
        await client.install_code(module, Upgrade(skip_pre_upgrade=True), talker(), b"")
        assert await counted(client, module) == bytes(4)


async def test_memory_persistence_reaches_the_network(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        with rejects("IC0504"):
            await client.install_code(
                module, Upgrade(wasm_memory_persistence="keep"), talker(), b""
            )
        await client.install_code(module, Upgrade(wasm_memory_persistence="replace"), talker(), b"")


async def test_a_bad_module_is_refused_and_changes_nothing(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        with rejects("IC0505"):
            await client.install_code(module, Upgrade(), b"\0asm\1\0\0\0\xff", b"")
        assert await client.module_hash(module) == hashlib.sha256(talker()).digest()


async def test_a_large_module_goes_through_the_chunk_store(replica):
    wasm = large(talker(), 5 * CHUNK_MAX_BYTES // 2)
    chunks = [wasm[at : at + CHUNK_MAX_BYTES] for at in range(0, len(wasm), CHUNK_MAX_BYTES)]
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        with pytest.raises(PreconditionError) as caught:
            await client.install_code(module, Install(), wasm, b"")
        assert caught.value.code == "message-too-large"
        hashes = [await client.upload_chunk(module, chunk) for chunk in chunks]
        assert hashes == [hashlib.sha256(chunk).digest() for chunk in chunks]
        assert await client.upload_chunk(module, chunks[0]) == hashes[0]
        assert set(await client.stored_chunks(module)) == set(hashes)
        digest = hashlib.sha256(wasm).digest()
        with rejects("IC0504", "was not found"):
            await client.install_chunked_code(module, Install(), [bytes(32)], digest, b"")
        with rejects("IC0504", "does not match"):
            await client.install_chunked_code(module, Install(), hashes[:1], digest, b"")
        await client.install_chunked_code(module, Install(), hashes, digest, b"")
        assert await client.module_hash(module) == digest
        await client.clear_chunk_store(module)
        assert await client.stored_chunks(module) == ()


async def test_installs_from_the_store_of_another_module(replica):
    wasm = talker()
    digest = hashlib.sha256(wasm).digest()
    async with client_of(replica) as client:
        store = await client.provisional_create_canister()
        target = await client.provisional_create_canister()
        await client.upload_chunk(store, wasm)
        await client.install_chunked_code(
            target, Install(), [digest], digest, b"", store_canister=store
        )
        assert await client.module_hash(target) == digest


async def test_uninstalls(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        snapshot = await client.take_canister_snapshot(module)
        await client.uninstall_code(module)
        assert await client.module_hash(module) is None
        assert [each.id for each in await client.list_canister_snapshots(module)] == [snapshot.id]


async def test_reads_the_log(replica):
    async with client_of(replica) as client, client_of(replica, NOBODY) as nobody:
        module = await install_talker(client)
        await call(client, module, "speak")
        await call(client, module, "speak")
        lines = await client.fetch_canister_logs(module)
        assert [line.content for line in lines] == [b"hello", b"hello"]
        assert lines[1].index == lines[0].index + 1
        assert lines[1].at_ns >= lines[0].at_ns > 0
        with rejects("IC0406", certified=False):
            await nobody.fetch_canister_logs(module)


async def test_the_log_is_for_queries_only(replica):
    async with client_of(replica) as client:
        module = await install_talker(client)
        with rejects("IC0406", certified=False):
            await client.send(plain_call("fetch_canister_logs", module))


async def test_metadata_is_absent_only_when_proven(replica):
    wasm = with_section(talker(), "icp:public version", b"1.2.3")
    wasm = with_section(wasm, "icp:private secret", b"code")
    async with client_of(replica) as client, client_of(replica, NOBODY) as nobody:
        module = await client.provisional_create_canister()
        assert await client.metadata(module, "version") is None
        await client.install_code(module, Install(), wasm, b"")
        assert await nobody.metadata(module, "version") == b"1.2.3"
        assert await nobody.metadata(module, "absent") is None
        assert await client.metadata(module, "secret") == b"code"
        several = await client.metadata_sections(module, ["version", "secret", "absent"])
        assert several == {"version": b"1.2.3", "secret": b"code", "absent": None}
        with pytest.raises(TransportError) as caught:
            await nobody.metadata(module, "secret")
        assert caught.value.status == 403


async def test_anyone_may_read_what_is_certified(replica):
    async with client_of(replica) as client, client_of(replica, NOBODY) as nobody:
        module = await install_talker(client)
        assert await nobody.module_hash(module) == hashlib.sha256(talker()).digest()
        assert await nobody.controllers(module) == (OWNER.principal,)
        assert not (await nobody.canister_info(NO_SUCH_MODULE)).exists


async def test_an_older_network_does_not_say_when_code_was_installed(replica):
    older = OlderNetwork(HttpxTransport(replica.url), b"last_install_timestamp")
    async with client_of(replica, transport=older) as client:
        module = await install_talker(client)
        info = await client.canister_info(module)
        assert info.last_install_at_ns is None
        assert info.module_hash == hashlib.sha256(talker()).digest()
        assert info.controllers == (OWNER.principal,)


async def test_a_network_that_knows_no_path_at_all_is_an_error(replica):
    broken = OlderNetwork(HttpxTransport(replica.url), b"module_hash")
    async with client_of(replica, transport=broken) as client:
        module = await install_talker(client)
        with pytest.raises(TransportError) as caught:
            await client.canister_info(module)
        assert caught.value.status == 404


async def test_only_controllers_may_change_a_module(replica):
    async with client_of(replica) as client, client_of(replica, STRANGER) as stranger:
        module = await install_talker(client)
        for change in (
            stranger.canister_status(module),
            stranger.update_settings(module, CanisterSettings()),
            stranger.start_canister(module),
            stranger.stop_canister(module),
            stranger.delete_canister(module),
            stranger.install_code(module, Upgrade(), talker(), b""),
            stranger.upload_chunk(module, b"chunk"),
            stranger.stored_chunks(module),
            stranger.clear_chunk_store(module),
            stranger.uninstall_code(module),
            stranger.install_chunked_code(module, Upgrade(), [bytes(32)], bytes(32), b""),
        ):
            with rejects("IC0512", "[Oo]nly.*controllers", certified=False):
                await change


async def test_a_module_that_does_not_exist_is_not_found(replica):
    async with client_of(replica) as client:
        for change in (
            client.canister_status(NO_SUCH_MODULE),
            client.stop_canister(NO_SUCH_MODULE),
            client.install_code(NO_SUCH_MODULE, Install(), talker(), b""),
            client.install_chunked_code(NO_SUCH_MODULE, Install(), [bytes(32)], bytes(32), b""),
        ):
            with rejects("IC0301", "not found", certified=False):
                await change


async def test_a_method_nobody_knows_and_an_argument_nobody_reads(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister()
        with rejects("IC0536", certified=False):
            await client.send(plain_call("dream_canister", module))
        with rejects("IC0408", certified=False):
            await client.send(
                ManagementCall(
                    method="stop_canister", arg=b"DIDL\x01", effective_canister_id=module
                )
            )


async def test_a_prepared_call_runs_once_however_often_it_is_sent(replica):
    async with client_of(replica) as client:
        module = await client.provisional_create_canister(cycles=TRILLION_CYCLES)
        prepared = client.with_call_ttl(60).prepare(top_up_call(module, TRILLION_CYCLES))
        first = await client.agent.submit(prepared)
        again = await client.agent.submit(prepared)
        assert first.request_id == again.request_id == prepared.request_id
        status = await client.canister_status(module, as_query=True)
        assert status.cycles == 2 * TRILLION_CYCLES
