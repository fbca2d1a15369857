"""Upgrades of real Wasm modules on the local replica, over HTTP, certificates verified."""

import asyncio

import pytest

from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.events import StepStarted
from juno_snap.ids import Principal
from juno_snap.management.types import CanisterSettings
from juno_snap.pipeline.policy import KeepNewest, NoOverwrite, NoSnapshot, ReplaceSnapshot
from juno_snap.pipeline.report import OperationCancelledError, OperationFailedError
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.pipeline.upgrade import prepare_upgrade, run_upgrade, upgrade
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER, STRANGER, client_of
from tests.integration.pipeline_world import (
    V1,
    V2,
    at,
    candidate,
    document,
    grown,
    install_with_document,
    management_calls,
    set_document,
    step_outcomes,
    upgraded,
    version,
)
from tests.motoko import motoko_module
from tests.replica.engine import wat

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("replica") / "requests.jsonl"


@pytest.fixture(scope="module")
def replica(log_path):
    with run_replica(ReplicaOptions(request_log=log_path)) as running:
        yield running


@pytest.fixture
async def client(replica):
    async with client_of(replica) as client:
        yield client


async def assert_untouched(client, module, wasm, caught):
    """The module runs ``wasm`` with its document, and the error says so."""
    assert caught.value.runs_old_code
    status = await client.canister_status(module)
    assert (status.status, status.module_hash) == ("running", candidate(wasm).sha256)
    assert caught.value.report.facts.module_hash == status.module_hash
    assert await document(client, module, "greeting") == "hello"


async def test_new_code_has_the_data_and_the_snapshot_brings_both_back(client):
    module = await install_with_document(client)
    report = await upgraded(client, module, V2)
    assert report.outcome == "upgraded"
    assert report.facts.module_hash == candidate(V2).sha256
    assert report.old_hash == candidate(V1).sha256
    assert 0 < report.facts.downtime_ms <= report.facts.duration_ms
    assert (await version(client, module), await document(client, module, "greeting")) == (
        "0.2.0",
        "hello",
    )
    await set_document(client, module, "greeting", "changed")
    restored = await restore_snapshot(at(client), module, "latest")
    assert restored.snapshot == report.snapshot
    assert (await version(client, module), await document(client, module, "greeting")) == (
        "0.1.0",
        "hello",
    )
    back = await restore_snapshot(at(client), module, str(restored.safety_snapshot))
    assert back.outcome == "restored"
    assert await document(client, module, "greeting") == "changed"


async def test_the_same_code_again_is_unchanged_and_sends_no_change(client, log_path):
    module = await install_with_document(client)
    report = await upgraded(client, module, V1)
    assert report.outcome == "unchanged"
    sent = {method for method, _ in management_calls(log_path, module)}
    assert sent == {
        "install_code", "canister_status", "list_canister_snapshots", "stored_chunks",
    }  # fmt: skip


async def test_code_that_traps_in_its_post_upgrade_leaves_everything_as_it_was(client):
    module = await install_with_document(client)
    with pytest.raises(OperationFailedError) as caught:
        await upgraded(client, module, wat("trap_in_post_upgrade"))
    assert caught.value.step == "install"
    assert "trap" in caught.value.message
    await assert_untouched(client, module, V1, caught)
    assert step_outcomes(caught.value.report) == {
        "observe": "done", "stop": "done", "snapshot": "done", "install": "failed", "start": "done",
    }  # fmt: skip


async def test_unknown_imports_are_named_and_nothing_has_changed(client):
    module = await install_with_document(client)
    with pytest.raises(OperationFailedError) as caught:
        await upgraded(client, module, wat("unknown_import"))
    assert "'launch_missiles' from 'env'" in caught.value.message
    await assert_untouched(client, module, V1, caught)


async def test_a_module_that_does_not_exist_is_not_found(client):
    with pytest.raises(NotFoundError) as caught:
        await upgraded(client, Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai"), V2)
    assert caught.value.code == "module-not-found"


async def test_who_does_not_control_the_module_sends_nothing(client, replica, log_path):
    module = await install_with_document(client)
    async with client_of(replica, STRANGER) as stranger:
        with pytest.raises(PreconditionError) as caught:
            await upgraded(stranger, module, V2)
    assert caught.value.code == "not-controller"
    assert str(OWNER.principal) in caught.value.hint
    assert [method for method, _ in management_calls(log_path, module)] == ["install_code"]


async def test_an_empty_module_is_refused(client):
    module = await client.provisional_create_canister()
    with pytest.raises(PreconditionError) as caught:
        await upgraded(client, module, V2)
    assert caught.value.code == "module-empty"


async def test_a_module_found_stopped_is_a_question(client):
    module = await install_with_document(client)
    await client.stop_canister(module)
    with pytest.raises(PreconditionError) as caught:
        await upgraded(client, module, V2)
    assert caught.value.code == "found-stopped"
    left = await upgraded(client, module, V2, found_stopped="leave-stopped")
    assert left.facts.module_status == "stopped"
    assert (await client.canister_status(module)).status == "stopped"
    started = await upgraded(client, module, V1, found_stopped="start", force=True)
    assert started.facts.module_status == "running"
    assert await document(client, module, "greeting") == "hello"


async def test_a_reset_wipes_and_the_snapshot_still_has_the_data(client):
    module = await install_with_document(client)
    report = await upgraded(client, module, V2, reset=True, discard_configuration=True)
    assert await document(client, module, "greeting") is None
    await restore_snapshot(at(client), module, str(report.snapshot))
    assert await document(client, module, "greeting") == "hello"


async def test_without_stopping_two_calls_do_it(client, log_path):
    module = await install_with_document(client)
    report = await upgraded(client, module, V2, stop=False)
    assert report.facts.downtime_ms == 0
    methods = [method for method, _ in management_calls(log_path, module)]
    assert methods[-2:] == ["take_canister_snapshot", "install_code"]


async def test_policies_keep_replace_and_delete_what_they_say(client):
    module = await install_with_document(client)

    async def ids():
        return [kept.id for kept in await client.list_canister_snapshots(module)]

    for wasm in (V2, V1, V2):
        await upgraded(client, module, wasm, snapshots=NoOverwrite(), force=True)
    first, second, third = await ids()
    report = await upgraded(
        client, module, V1, snapshots=ReplaceSnapshot(which="oldest"), force=True
    )
    assert report.replaced == (first,)
    fourth = report.snapshot
    assert await ids() == [second, third, fourth]
    report = await upgraded(client, module, V2, snapshots=KeepNewest(count=2, of_any_maker=True))
    assert set(report.replaced) == {second, third}
    assert await ids() == [fourth, report.snapshot]
    report = await upgraded(client, module, V1, snapshots=NoSnapshot(), force=True)
    assert report.snapshot is None
    assert len(await ids()) == 2


async def test_a_full_module_is_refused_or_replaced_at_once(client):
    module = await install_with_document(client)
    full = [(await client.take_canister_snapshot(module)).id for _ in range(10)]
    with pytest.raises(PreconditionError) as caught:
        await upgraded(client, module, V2)
    assert caught.value.code == "no-free-slot"
    kept = await upgraded(client, module, V2, snapshots=NoOverwrite())
    assert (kept.snapshot, kept.replaced) == (None, ())
    report = await upgraded(
        client, module, V1, snapshots=ReplaceSnapshot(which="oldest"), force=True
    )
    assert report.replaced == (full[0],)
    assert len(await client.list_canister_snapshots(module)) == 10


async def test_a_module_that_was_changed_after_the_plan_is_not_touched(client):
    module = await install_with_document(client)
    prepared = await prepare_upgrade(at(client), module, UpgradeRequest(), candidate(V2))
    await client.update_settings(
        module, CanisterSettings(controllers=(OWNER.principal, STRANGER.principal))
    )
    with pytest.raises(PreconditionError) as caught:
        await run_upgrade(at(client), prepared)
    assert caught.value.code == "disturbed"
    assert await version(client, module) == "0.1.0"


async def test_a_cancelled_upgrade_leaves_the_module_running(client):
    module = await install_with_document(client)
    task = None

    def cancel_at_the_snapshot(event):
        if isinstance(event, StepStarted) and event.step == "snapshot":
            task.cancel()  # once: a second time means to leave at once

    task = asyncio.ensure_future(
        upgrade(
            at(client), module, UpgradeRequest(), candidate(V2), observer=cancel_at_the_snapshot
        )
    )
    with pytest.raises(OperationCancelledError) as caught:
        await task
    assert caught.value.report.outcome == "interrupted"
    assert (await client.canister_status(module)).status == "running"
    assert await version(client, module) == "0.1.0"


# Motoko with its persistent heap


@pytest.mark.interop
async def test_a_persistent_heap_survives_the_upgrade_and_the_way_back(client):
    module = await install_with_document(client, motoko_module("store_v1"))
    report = await upgraded(client, module, motoko_module("store_v2"))
    assert (await version(client, module), await document(client, module, "greeting")) == (
        "2",
        "hello",
    )
    await set_document(client, module, "later", "lost by going back")
    await restore_snapshot(at(client), module, str(report.snapshot))
    assert (await version(client, module), await document(client, module, "greeting")) == (
        "1",
        "hello",
    )
    assert await document(client, module, "later") is None


@pytest.mark.interop
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("store_trap_in_preupgrade", "store_v2", id="pre_upgrade traps"),
        pytest.param("store_v1", "store_trap_in_postupgrade", id="post_upgrade traps"),
        pytest.param("store_v1", "store_incompatible", id="incompatible type"),
    ],
)
async def test_a_failed_upgrade_of_a_persistent_module_changes_nothing(client, old, new):
    code = motoko_module(old)
    module = await install_with_document(client, code)
    with pytest.raises(OperationFailedError) as caught:
        await upgraded(client, module, motoko_module(new), force=True)
    assert caught.value.step == "install"
    await assert_untouched(client, module, code, caught)


@pytest.mark.interop
async def test_a_persistent_heap_is_not_lost_to_a_module_without_one(client):
    module = await install_with_document(client, motoko_module("store_v1"))
    with pytest.raises(PreconditionError) as caught:
        await upgraded(client, module, motoko_module("store_v2", classical=True))
    assert caught.value.code == "persistence-lost"
    assert await document(client, module, "greeting") == "hello"


@pytest.mark.interop
async def test_classical_motoko_is_not_moved_to_a_persistent_heap_by_accident(client):
    classical = motoko_module("store_v1", classical=True)
    module = await install_with_document(client, classical)
    with pytest.raises(OperationFailedError) as caught:
        await upgraded(client, module, motoko_module("store_v2"))
    assert "implicit upgrade" in caught.value.message
    await assert_untouched(client, module, classical, caught)


async def test_a_large_module_with_data_goes_through_the_chunk_store(client):
    module = await install_with_document(client)
    report = await upgraded(client, module, grown(V2, 3))
    assert report.outcome == "upgraded"
    assert await document(client, module, "greeting") == "hello"
    assert await client.stored_chunks(module) == ()
