"""Install, reinstall and upgrade: what they keep, and that a failure changes nothing."""

import gzip
from hashlib import sha256

import pytest

from juno_snap.replica.state_history import CodeDeployment
from tests.replica.subnet_world import (
    EOP,
    INSTALL,
    REINSTALL,
    TRAP_IN_INIT,
    TRAP_IN_POST_UPGRADE,
    TRAP_IN_PRE_UPGRADE,
    UPGRADE,
    module,
    new_world,
    refused,
    upgrade,
)

V1, V2 = module(), module('(func (export "canister_query v2") (call $reply))')


def used(world, wasm=V1):
    """A canister that has something everywhere."""
    canister = world.running(wasm)
    world.call(canister, "bump")
    world.call(canister, "certify", b"root")
    world.call(canister, "arm")
    world.call(canister, "say", b"line")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    world.snapshot(canister)
    return canister


def everything(world, canister):
    state = world.state_of(canister)
    code = state.code
    return (
        state.version,
        state.module_hash,
        state.certified_data,
        state.last_install_at_ns,
        state.history.total,
        set(state.chunks),
        set(state.snapshots),
        code and (code.packed_globals, code.heap.read(0, 65536), code.stable.read(0, 65536)),
        code and code.global_timer_ns,
    )


def test_an_install_sets_hash_time_and_history():
    world = new_world()
    canister = world.state_of(world.running(V1))
    assert canister.module_hash == sha256(V1).digest()
    assert canister.last_install_at_ns == world.now_ns
    assert canister.history.changes[-1].details == CodeDeployment(
        mode="install", module_hash=sha256(V1).digest()
    )


def test_the_hash_of_a_gzipped_module_is_that_of_the_file():
    world = new_world()
    packed = gzip.compress(V1)
    canister = world.running(packed)
    assert world.state_of(canister).module_hash == sha256(packed).digest()
    metrics = world.manage("canister_status", canister_id=canister)["memory_metrics"]
    assert metrics["wasm_binary_size"] == len(packed)


def test_install_refuses_a_canister_with_code():
    world = new_world()
    canister = world.running(V1)
    reject = refused(lambda: world.install(canister, V2))
    assert reject.error_code == "IC0514"
    assert reject.message == (
        f"Canister {canister} cannot be installed because the canister is not empty. "
        "Try installing with mode='reinstall' instead."
    )


def test_upgrade_refuses_an_empty_canister():
    world = new_world()
    canister = world.create()
    assert refused(lambda: world.install(canister, V1, UPGRADE)).error_code == "IC0537"


def test_reinstall_works_on_an_empty_canister():
    world = new_world()
    canister = world.create()
    world.install(canister, V1, REINSTALL)
    assert world.query(canister, "read") == b"\0\0\0\7"


def test_reinstall_wipes_what_belongs_to_the_code_and_keeps_the_rest():
    world = new_world()
    canister = used(world)
    world.install(canister, V2, REINSTALL)
    state = world.state_of(canister)
    assert world.query(canister, "read") == b"\0\0\0\7"
    assert (state.certified_data, state.code.global_timer_ns) == (b"", 0)
    assert len(state.logs.records) == 0
    assert (len(state.chunks), len(state.snapshots)) == (1, 1)
    assert state.history.changes[-1].details.mode == "reinstall"


def test_upgrade_keeps_stable_memory_certified_data_log_chunks_and_snapshots():
    world = new_world()
    canister = used(world)
    world.install(canister, V2, UPGRADE)
    state = world.state_of(canister)
    assert world.query(canister, "v2") == b""
    assert world.query(canister, "read") == b"\0\0\1\7"
    assert state.certified_data == b"root"
    assert state.code.global_timer_ns == 0
    assert [record.content for record in state.logs.records] == [b"line"]
    assert (len(state.chunks), len(state.snapshots)) == (1, 1)
    assert state.history.changes[-1].details.mode == "upgrade"


def test_upgrade_keeps_the_heap_where_both_sides_support_it():
    world = new_world()
    canister = used(world, module(EOP))
    world.install(canister, module(EOP), upgrade(persistence="keep"))
    assert world.query(canister, "read")[1:3] == b"\1\1"
    world.install(canister, module(EOP), upgrade(persistence="replace"))
    assert world.query(canister, "read")[1:3] == b"\0\1"


def test_a_persistent_heap_needs_a_decision():
    world = new_world()
    canister = used(world, module(EOP))
    before = everything(world, canister)
    reject = refused(lambda: world.install(canister, module(EOP), UPGRADE))
    assert reject.error_code == "IC0504"
    assert "Missing upgrade option: Enhanced orthogonal persistence requires" in reject.message
    reject = refused(lambda: world.install(canister, V1, upgrade(persistence="keep")))
    assert reject.error_code == "IC0504"
    assert "Invalid upgrade option: The `wasm_memory_persistence: opt Keep`" in reject.message
    assert everything(world, canister) == before


def test_pre_upgrade_can_be_skipped():
    world = new_world()
    canister = used(world, module(TRAP_IN_PRE_UPGRADE))
    assert refused(lambda: world.install(canister, V2, UPGRADE)).error_code == "IC0502"
    world.install(canister, V2, upgrade(skip_pre_upgrade=True))
    assert world.query(canister, "v2") == b""


FAILURES = {
    "pre_upgrade traps": (TRAP_IN_PRE_UPGRADE, V2, UPGRADE, "IC0502"),
    "post_upgrade traps": ("", module(TRAP_IN_POST_UPGRADE), UPGRADE, "IC0502"),
    "start traps": ("", module(TRAP_IN_INIT), UPGRADE, "IC0502"),
    "reinstall traps": ("", module(TRAP_IN_INIT), REINSTALL, "IC0502"),
    "no Wasm": ("", b"hello", UPGRADE, "IC0505"),
    "damaged gzip": ("", gzip.compress(V1)[:100], REINSTALL, "IC0505"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_everything_but_the_log_as_it_was(name):
    extra, wasm, mode, error_code = FAILURES[name]
    world = new_world()
    canister = used(world, module(extra))
    before = everything(world, canister)
    reject = refused(lambda: world.install(canister, wasm, mode))
    assert reject.error_code == error_code
    assert reject.message.startswith(f"Error from Canister {canister}: ")
    assert everything(world, canister) == before
    lines = [record.content for record in world.state_of(canister).logs.records]
    assert lines[0] == b"line"
    assert len(lines) == (2 if error_code == "IC0502" else 1)


def test_a_failed_first_install_leaves_the_canister_empty():
    world = new_world()
    canister = world.create()
    assert refused(lambda: world.install(canister, module(TRAP_IN_INIT), INSTALL))
    assert world.state_of(canister).module_hash is None
    assert world.state_of(canister).history.total == 1


def test_unknown_imports_are_named():
    wasm = module().replace(b"debug_print", b"debug_prynt")
    world = new_world()
    canister = world.create()
    reject = refused(lambda: world.install(canister, wasm))
    assert reject.error_code == "IC0505"
    assert "debug_prynt" in reject.message


def test_a_stopped_canister_can_be_upgraded_and_stays_stopped():
    world = new_world()
    canister = used(world)
    world.manage("stop_canister", canister_id=canister)
    world.install(canister, V2, UPGRADE)
    assert world.manage("canister_status", canister_id=canister)["status"].tag == "stopped"
