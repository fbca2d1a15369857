"""Rehearsals: what becomes of an upgrade is told before, and the module does not notice."""

import dataclasses
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from juno_snap.backup.model import PARTS
from juno_snap.backup.reader import open_backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import BackupError, PreconditionError
from juno_snap.ids import Principal
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.copying import Original
from juno_snap.pipeline.download import download_snapshot
from juno_snap.pipeline.hooks.model import HookSpec
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.policy import KeepNewest, ReplaceSnapshot
from juno_snap.pipeline.rehearsal import RehearsalFailedError
from juno_snap.pipeline.rehearsal_source import compiled_folder, live_copy, original_of
from juno_snap.pipeline.rehearse import Stage, rehearse
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.server import run_replica
from juno_snap.units import SNAPSHOTS_MAX
from tests.integration.management_world import (
    STRANGER,
    call,
    client_of,
    install_talker,
    large,
    talker,
    with_section,
)
from tests.integration.pipeline_world import (
    LIFTED,
    V1,
    V2,
    at,
    candidate,
    document,
    install,
    install_with_document,
    management_calls,
    set_document,
)
from tests.integration.release_world import ALL_THERE, V3, workspace_in
from tests.motoko import compile_motoko, motoko_module

pytestmark = pytest.mark.anyio

TRAPPING = wasm_from_text("""
(module
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "the old data has no owner")
  (func (export "canister_post_upgrade") (call $trap (i32.const 0) (i32.const 25))))
""")
ENDLESS = wasm_from_text("""
(module (func (export "canister_post_upgrade") (loop $again (br $again))))
""")
COUNTING = wasm_from_text("""
(module
  (func (export "canister_post_upgrade") (local $n i32)
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))))
""")
ENDLESS_MOTOKO = """
persistent actor {
  type Entry = { key : Text; value : Text; next : ?Entry };
  var documents : ?Entry = null;
  system func postupgrade() { loop { documents := null } };
};
"""
FEW = 10_000_000
"""Instructions: a loop that never ends is stopped at once."""


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("replica") / "requests.jsonl"


@pytest.fixture(scope="module")
def replica(log_path):
    """What stands for the network."""
    with run_replica(ReplicaOptions(request_log=log_path)) as running:
        yield running


@pytest.fixture
async def client(replica):
    async with client_of(replica) as client:
        yield client


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def workspace_of(client, state):
    return dataclasses.replace(at(client), state=state)


async def memory_hash(client, module):
    """SHA-256 of all memory of the module; taking a snapshot makes no new version."""
    taken = await client.take_canister_snapshot(module)
    with tempfile.TemporaryDirectory() as folder:
        await download_snapshot(at(client), module, taken.id, Path(folder))
        backup = open_backup(Path(folder))
        memory = hashlib.sha256()
        for part in PARTS:
            for each in backup.slices(part):
                memory.update(backup.read(part, each.offset, each.size))
    await client.delete_canister_snapshot(module, taken.id)
    return memory.digest()


async def look(client, module):
    """All that an upgrade could change; the version grows with every message."""
    status = await client.canister_status(module)
    snapshots = await client.list_canister_snapshots(module)
    return (
        await memory_hash(client, module) if len(snapshots) < SNAPSHOTS_MAX else None,
        status.status,
        status.version,
        status.module_hash,
        status.memory_metrics,
        [each.id for each in snapshots],
    )


async def rehearsed(client, state, module, wasm, *, stage=None, **options):
    """The report of a rehearsal of the live module, which is as before afterwards."""
    before = await look(client, module)
    request = UpgradeRequest(**{"health_timeout_seconds": 0.2, "juno": LIFTED, **options})
    workspace = workspace_of(client, state)
    original = await original_of(workspace, module)
    async with live_copy(workspace, module) as directory:
        report = await rehearse(
            original,
            directory,
            request,
            candidate(wasm),
            stage=stage or Stage(instructions_limit=FEW),
        )
    assert await look(client, module) == before
    return report


def copy_backup(backup, directory, **changes):
    """The same data with another description."""
    with BackupWriter(directory, dataclasses.replace(backup.description, **changes)) as writer:
        for each in writer.missing():
            data = backup.read(each.part, each.offset, each.size)
            writer.write_slice(each.part, each.offset, data)
        writer.finish()


def outcomes(report):
    return {step.name: step.outcome for step in report.steps}


async def test_a_good_upgrade_passes(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, V2, checks=(ALL_THERE,))
    assert report.passed
    assert report.module == module
    assert report.trap is None
    assert [check["ok"] for check in report.checks] == [True]
    assert report.candid.compatible is True
    assert set(outcomes(report).values()) == {"done"}
    assert {"stop", "snapshot", "install", "start", "verify", "check"} <= set(outcomes(report))
    assert report.instructions_estimate == 0  # neither release does anything at an upgrade
    assert report.memory_before_bytes > 0
    assert report.memory_after_bytes > 0
    assert report.warnings == ()


async def test_the_document_is_as_scripts_expect_it(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, V2)
    told = json.loads(json.dumps(report.to_json()))
    assert told["schema"] == 1
    rehearsal = told["rehearsal"]
    assert rehearsal["outcome"] == "passed"
    assert {"steps", "trap", "instructions_estimate", "checks"} <= set(rehearsal)
    assert {"memory_before_bytes", "memory_after_bytes"} <= set(rehearsal)
    assert rehearsal["candid"] == {"compatible": True, "breaking": []}
    assert any("other canisters" in text for text in rehearsal["not_known"])


async def test_a_trap_in_post_upgrade_is_told_with_its_text(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, TRAPPING)
    assert not report.passed
    assert "the old data has no owner" in report.trap
    assert outcomes(report)["install"] == "failed"
    with pytest.raises(RehearsalFailedError, match="the old data has no owner"):
        report.require_passed()


async def test_an_endless_loop_is_stopped_at_the_instruction_limit(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, ENDLESS)
    assert not report.passed
    assert f"exceeded the limit of {FEW} instructions" in report.trap
    assert report.instructions_estimate >= FEW


async def test_more_than_half_of_the_instructions_is_a_warning(client, state):
    module = await install_with_document(client)
    used = (await rehearsed(client, state, module, COUNTING)).instructions_estimate
    assert used > 100_000
    narrow = Stage(instructions_limit=used * 3 // 2)
    report = await rehearsed(client, state, module, COUNTING, stage=narrow)
    assert report.passed
    assert any("66 % of what is allowed" in text for text in report.warnings)


async def test_a_bad_check_fails_the_rehearsal(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, V3, checks=(ALL_THERE,))
    assert not report.passed
    assert [check["ok"] for check in report.checks] == [False]
    assert "count_documents" in report.reason
    assert report.trap is None


async def test_a_check_by_a_command_is_listed_and_not_run(client, state, tmp_path):
    module = await install_with_document(client)
    mark = tmp_path / "ran"
    check = parse_check(f'command: {sys.executable} -c \'open("{mark}", "w")\'')
    report = await rehearsed(client, state, module, V2, checks=(check, ALL_THERE))
    assert report.passed
    assert [each["ok"] for each in report.checks] == [True, None]
    assert "not run in a rehearsal" in report.checks[1]["detail"]
    assert not mark.exists()


async def test_breaking_changes_of_the_interface_are_named(client, state):
    module = await install_with_document(client, V2)
    report = await rehearsed(client, state, module, V1)
    assert not report.passed
    assert report.candid.compatible is False
    assert any("count_documents" in each for each in report.candid.breaking)
    assert [refusal.code for refusal in report.refusals] == ["candid-breaking"]
    assert outcomes(report)["install"] == "done"  # what would come of --force is told all the same


async def test_forced_breaking_changes_are_told_and_pass(client, state):
    module = await install_with_document(client, V2)
    report = await rehearsed(client, state, module, V1, force=True)
    assert report.passed
    assert report.candid.compatible is False


async def test_a_plan_that_nothing_lifts_is_not_carried_out(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, V2, sha256=bytes(32))
    assert not report.passed
    assert set(outcomes(report)) == {"observe"}
    assert report.instructions_estimate is None


async def test_the_same_code_passes_and_changes_nothing(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, V1)
    assert report.passed
    assert set(outcomes(report)) == {"observe"}


@pytest.mark.parametrize("policy", [KeepNewest(count=1), ReplaceSnapshot(which="oldest")])
async def test_snapshots_that_only_the_module_has_do_not_matter(client, state, policy):
    module = await install_with_document(client)
    await client.take_canister_snapshot(module)
    assert (await rehearsed(client, state, module, V2, snapshots=policy)).passed


async def test_only_hooks_that_are_marked_run_and_are_told_that_it_is_a_rehearsal(
    client, state, tmp_path
):
    module = await install_with_document(client)
    told = tmp_path / "told"
    tell = "import sys; open(sys.argv[1], 'a').write(sys.stdin.readline())"
    command = (sys.executable, "-c", tell, str(told))
    hooks = Hooks(
        [
            HookSpec(name="real", point="before-stop", command=command),
            HookSpec(name="both", point="after-install", command=command, for_rehearsal=True),
        ]
    )
    report = await rehearsed(client, state, module, V2, stage=Stage(hooks=hooks))
    assert report.passed
    lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert [(line["point"], line["rehearsal"]) for line in lines] == [("after-install", True)]
    assert lines[0]["module"] == str(module)
    assert lines[0]["network"] != client.agent.url


async def test_controllers_and_caller_are_the_real_ones(client, state):
    module = await install_with_document(client)
    workspace = workspace_of(client, state)
    original = await original_of(workspace, module)
    assert original.caller is client.agent.identity
    assert original.controllers == (client.agent.identity.principal,)
    assert original.settings.controllers == original.controllers


async def test_a_backup_is_rehearsed_on_without_the_network(client, state):
    module = await install_with_document(client)
    async with live_copy(workspace_of(client, state), module) as directory:
        pass
    original = Original(module=module, caller=STRANGER)
    request = UpgradeRequest(checks=(ALL_THERE,))
    report = await rehearse(original, directory, request, candidate(V2))
    assert report.passed


async def test_a_damaged_backup_is_refused(client, state):
    module = await install_with_document(client)
    async with live_copy(workspace_of(client, state), module) as directory:
        pass
    heap = directory / "wasm_memory.bin"
    data = bytearray(heap.read_bytes())
    data[1000] ^= 1
    heap.write_bytes(data)
    with pytest.raises(BackupError, match=r"wasm_memory\.bin"):
        await rehearse(
            Original(module=module, caller=STRANGER), directory, UpgradeRequest(), candidate(V2)
        )


async def test_globals_that_do_not_fit_are_refused_with_the_reason(client, state, tmp_path):
    module = await install_with_document(client)
    async with live_copy(workspace_of(client, state), module) as directory:
        backup = open_backup(directory)
    metadata = dataclasses.replace(backup.description.metadata, globals=())
    copy_backup(backup, tmp_path / "unfit", metadata=metadata)
    original = Original(module=module, caller=STRANGER)
    with pytest.raises(PreconditionError, match="globals of canister module and snapshot metadata"):
        await rehearse(original, tmp_path / "unfit", UpgradeRequest(), candidate(V2))


async def test_large_code_is_staged_on_the_copy_too(client, state):
    module = await install_with_document(client)
    report = await rehearsed(client, state, module, large(V2, 2_500_000), checks=(ALL_THERE,))
    assert report.passed
    assert outcomes(report)["stage"] == "done"


async def test_stored_chunks_stable_memory_and_certified_data_are_copied(client, state):
    module = await install_talker(client)
    for method in ("count", "count", "store"):
        await call(client, module, method)
    await client.upload_chunk(module, b"a chunk of another program")
    async with live_copy(workspace_of(client, state), module) as directory:
        metadata = open_backup(directory).description.metadata
    report = await rehearsed(client, state, module, with_section(talker(), "icp:public a", b"b"))
    assert report.passed
    assert metadata.stable_memory_bytes > 0
    assert metadata.certified_data == b"hello"
    assert len(metadata.wasm_chunk_store) == 1
    assert report.memory_before_bytes == metadata.wasm_memory_bytes + metadata.stable_memory_bytes


async def test_the_old_code_runs_on_the_data_of_the_module(client, state):
    module = await install_talker(client)
    await call(client, module, "lock")
    report = await rehearsed(client, state, module, with_section(talker(), "icp:public a", b"b"))
    assert not report.passed
    assert "unreachable" in report.trap  # its pre_upgrade, where the counter is what lock has set


async def test_the_snapshot_is_taken_without_stopping_and_deleted(client, state, log_path):
    module = await install_with_document(client)
    begun = len(management_calls(log_path, module))
    await rehearsed(client, state, module, V2)
    methods = [method for method, _ in management_calls(log_path, module)[begun:]]
    assert "take_canister_snapshot" in methods
    assert "delete_canister_snapshot" in methods
    assert {"stop_canister", "install_code", "start_canister"}.isdisjoint(methods)


async def test_what_a_killed_rehearsal_has_left_is_deleted_by_the_next(client, state):
    module = await install_with_document(client)
    kept = await client.take_canister_snapshot(module)
    left = await client.take_canister_snapshot(module)
    with workspace_in(client, state) as workspace:
        note = SnapshotNote(id=left.id, purpose="rehearsal")
        workspace.journal.note(workspace.root_key, module, note)
        async with live_copy(workspace, module):
            pass
    assert [each.id for each in await client.list_canister_snapshots(module)] == [kept.id]


async def test_without_a_free_slot_no_snapshot_is_given_up(client, state):
    module = await install_with_document(client)
    for _ in range(SNAPSHOTS_MAX):
        await client.take_canister_snapshot(module)
    with pytest.raises(PreconditionError, match="all the network allows"):
        async with live_copy(workspace_of(client, state), module):
            pass
    assert len(await client.list_canister_snapshots(module)) == SNAPSHOTS_MAX


async def test_the_copy_is_private_and_the_newest_stays(client, state):
    module = await install_with_document(client)
    workspace = workspace_of(client, state)
    async with live_copy(workspace, module) as first:
        assert first.stat().st_mode & 0o777 == 0o700
        assert first.is_relative_to(state)
    async with live_copy(workspace, module) as second:
        pass
    assert not first.exists()
    assert second.exists()
    async with live_copy(workspace, module, keep=False) as third:
        pass
    assert not second.exists()
    assert not third.exists()


async def test_a_snapshot_that_is_there_is_fetched_once_and_stays(client, state, log_path):
    module = await install_with_document(client)
    taken = await client.take_canister_snapshot(module)
    workspace = workspace_of(client, state)
    async with live_copy(workspace, module, snapshot=str(taken.id)) as directory:
        assert open_backup(directory).description.snapshot == taken.id
    begun = len(management_calls(log_path, module))
    async with live_copy(workspace, module, snapshot=str(taken.id)) as again:
        assert again == directory
    methods = {method for method, _ in management_calls(log_path, module)[begun:]}
    assert methods == {"list_canister_snapshots"}
    assert [each.id for each in await client.list_canister_snapshots(module)] == [taken.id]


def test_old_compiled_modules_make_room_for_new_ones(state):
    folder = compiled_folder(state)
    for age in range(20):
        path = folder / f"{age}.cwasm"
        path.write_bytes(b"")
        os.utime(path, (1000 - age, 1000 - age))
    assert {path.name for path in compiled_folder(state).iterdir()} == {
        f"{age}.cwasm" for age in range(8)
    }
    assert {path.stat().st_mode & 0o777 for path in (state, folder.parent, folder)} == {0o700}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("store_trap_in_postupgrade", "assertion failed"),
        ("store_incompatible", "Memory-incompatible"),
    ],
)
async def test_motoko_that_cannot_take_over_its_data_is_told(client, state, name, said):
    module = await install(client, motoko_module("store_v1"))
    await set_document(client, module, "greeting", "hello")
    stage = Stage(instructions_limit=Stage().instructions_limit)
    report = await rehearsed(client, state, module, motoko_module(name), stage=stage, force=True)
    assert not report.passed
    assert said in report.trap
    assert await document(client, module, "greeting") == "hello"


async def test_a_good_motoko_release_passes(client, state):
    module = await install(client, motoko_module("store_v1"))
    await set_document(client, module, "greeting", "hello")
    check = parse_check('document("greeting") == opt "hello"')
    report = await rehearsed(
        client, state, module, motoko_module("store_v2"), stage=Stage(), checks=(check,)
    )
    assert report.passed
    assert report.memory_after_bytes >= report.memory_before_bytes > 0


async def test_motoko_that_never_ends_is_stopped_at_the_instruction_limit(client, state):
    module = await install(client, motoko_module("store_v1"))
    await set_document(client, module, "greeting", "hello")
    stage = Stage(instructions_limit=10 * FEW)
    endless = compile_motoko(ENDLESS_MOTOKO)
    report = await rehearsed(client, state, module, endless, stage=stage, force=True)
    assert not report.passed
    assert f"exceeded the limit of {10 * FEW} instructions" in report.trap


async def test_a_bad_check_of_a_motoko_release_is_told(client, state):
    module = await install(client, motoko_module("store_v1"))
    await set_document(client, module, "greeting", "hello")
    check = parse_check('document("greeting") == opt "goodbye"')
    report = await rehearsed(
        client, state, module, motoko_module("store_v2"), stage=Stage(), checks=(check,)
    )
    assert not report.passed
    assert [each["ok"] for each in report.checks] == [False]
    assert "hello" in report.reason


async def test_a_backup_of_the_real_network_is_rehearsed_under_its_own_id(client, state, tmp_path):
    module = await install_with_document(client)
    async with live_copy(workspace_of(client, state), module) as directory:
        backup = open_backup(directory)
    elsewhere = Principal.parse("ryjl3-tyaaa-aaaaa-aaaba-cai")
    copy_backup(backup, tmp_path / "copy", module=elsewhere, network="ic")
    original = Original(module=elsewhere, caller=STRANGER)
    report = await rehearse(
        original, tmp_path / "copy", UpgradeRequest(checks=(ALL_THERE,)), candidate(V2)
    )
    assert (report.passed, report.module) == (True, elsewhere)
