"""Taking, loading, listing and deleting snapshots."""

from hashlib import sha256

import pytest

from juno_snap.replica.rules import Rules
from juno_snap.replica.snapshots import display_id
from juno_snap.replica.state_history import CodeUninstall, LoadSnapshot
from juno_snap.units import NS_PER_SECOND
from tests.replica.subnet_world import (
    ALICE,
    BOB,
    REINSTALL,
    UPGRADE,
    module,
    new_world,
    refused,
)

V1, V2 = module(), module('(func (export "canister_query v2") (call $reply))')


def content(world, canister):
    """All that a snapshot has to bring back."""
    state = world.state_of(canister)
    code = state.code
    return (
        state.module_hash,
        code and (code.packed_globals, code.heap.read(0, 65536), code.stable.read(0, 65536)),
        state.certified_data,
        dict(state.chunks),
    )


def used():
    """A world with a canister that has something everywhere."""
    world = new_world()
    canister = world.running(V1)
    world.call(canister, "bump")
    world.call(canister, "certify", b"root")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    return world, canister


def load(world, canister, snapshot, sender=ALICE):
    world.manage("load_canister_snapshot", sender, canister_id=canister, snapshot_id=snapshot["id"])


def listed(world, canister):
    return world.manage("list_canister_snapshots", canister_id=canister)


def test_a_snapshot_says_id_time_and_size():
    world, canister = used()
    snapshot = world.snapshot(canister)
    assert snapshot["id"] == bytes(8) + canister.raw
    assert snapshot["taken_at_timestamp"] == world.now_ns
    # heap, stable memory, globals (i32 and i64), module, one chunk, certified data
    assert snapshot["total_size"] == 65536 + 65536 + 12 + len(V1) + 1_048_576 + 4


DISTURBANCES = {
    "an update": lambda w, c: w.call(c, "bump"),
    "other certified data": lambda w, c: w.call(c, "certify", b"other"),
    "a cleared chunk store": lambda w, c: w.manage("clear_chunk_store", canister_id=c),
    "an upgrade": lambda w, c: w.install(c, V2, UPGRADE),
    "a reinstall": lambda w, c: w.install(c, V1, REINSTALL),
    "no code": lambda w, c: w.manage("uninstall_code", canister_id=c),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_loading_brings_back_everything_that_the_snapshot_has(name):
    world, canister = used()
    before = content(world, canister)
    snapshot = world.snapshot(canister)
    DISTURBANCES[name](world, canister)
    assert content(world, canister) != before
    load(world, canister, snapshot)
    assert content(world, canister) == before
    assert world.query(canister, "read") == b"\1\1\1\x08"


def test_what_happens_after_loading_does_not_change_the_snapshot():
    world, canister = used()
    snapshot = world.snapshot(canister)
    for _ in range(2):
        load(world, canister, snapshot)
        world.call(canister, "bump")
        assert world.query(canister, "read") == b"\2\2\2\x09"


def test_loading_is_noted_and_counts_as_an_install():
    world, canister = used()
    version = world.state_of(canister).version
    snapshot = world.snapshot(canister)
    taken_at_ns = world.now_ns
    world.call(canister, "bump")
    load(world, canister, snapshot)
    state = world.state_of(canister)
    record = state.history.changes[-1]
    assert record.details == LoadSnapshot(
        snapshot_id=snapshot["id"],
        canister_version=version,
        taken_at_ns=taken_at_ns,
        source="taken_from_canister",
    )
    assert record.canister_version == state.version == version + 2
    assert state.last_install_at_ns == record.at_ns == world.now_ns


@pytest.mark.parametrize("stopped", [True, False])
def test_taking_and_loading_keep_the_status(stopped):
    world, canister = used()
    if stopped:
        world.manage("stop_canister", canister_id=canister)
    before = world.state_of(canister).status
    load(world, canister, world.snapshot(canister))
    assert world.state_of(canister).status is before


def test_settings_cycles_log_and_snapshots_are_not_rolled_back():
    world, canister = used()
    snapshot = world.snapshot(canister)
    world.snapshot(canister)
    world.manage("update_settings", canister_id=canister, settings={"controllers": [ALICE, BOB]})
    world.manage("provisional_top_up_canister", canister_id=canister, amount=1)
    world.call(canister, "say", b"later")
    before = world.state_of(canister).cycles
    load(world, canister, snapshot)
    state = world.state_of(canister)
    assert set(state.controllers) == {ALICE, BOB}
    assert 0 < before - state.cycles < 3_000_000_000, "the load itself costs"
    assert [record.content for record in state.logs.records] == [b"later"]
    assert len(state.snapshots) == 2


def test_the_timer_is_not_rolled_back():
    world, canister = used()
    off = world.snapshot(canister)
    world.call(canister, "arm")
    on = world.snapshot(canister)
    load(world, canister, off)
    assert world.state_of(canister).code.global_timer_ns == 123
    world.install(canister, V1, UPGRADE)
    load(world, canister, on)
    assert world.state_of(canister).code.global_timer_ns == 0


def test_no_code_runs_when_a_snapshot_is_loaded():
    world = new_world()
    canister = world.running(module('(func (export "canister_post_upgrade") unreachable)'))
    load(world, canister, world.snapshot(canister))
    assert world.query(canister, "read") == b"\0\0\0\7"


def test_snapshots_are_listed_by_id():
    world, canister = used()
    taken = [world.snapshot(canister) for _ in range(3)]
    assert listed(world, canister) == taken
    assert [each["id"][7] for each in taken] == [0, 1, 2]


def test_an_eleventh_snapshot_is_refused():
    world, canister = used()
    taken = [world.snapshot(canister) for _ in range(10)]
    reject = refused(lambda: world.snapshot(canister))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"Canister {canister} has reached the maximum number of snapshots allowed: 10.",
    )
    assert listed(world, canister) == taken


def test_replacing_takes_a_new_id_in_the_place_of_an_old_one():
    world, canister = used()
    taken = [world.snapshot(canister) for _ in range(10)]
    new = world.snapshot(canister, replace_snapshot=taken[3]["id"])
    assert new["id"][7] == 10
    assert listed(world, canister) == [*taken[:3], *taken[4:], new]


def test_a_failed_replacement_keeps_the_old_snapshot():
    world, canister = used()
    old = world.snapshot(canister)
    world.manage("uninstall_code", canister_id=canister)
    reject = refused(lambda: world.snapshot(canister, replace_snapshot=old["id"]))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"Failed to create snapshot for empty canister {canister}:",
    )
    assert listed(world, canister) == [old]


def test_the_number_is_checked_before_the_code():
    world, canister = used()
    for _ in range(10):
        world.snapshot(canister)
    world.manage("uninstall_code", canister_id=canister)
    assert "maximum number" in refused(lambda: world.snapshot(canister)).message


def test_numbers_of_deleted_snapshots_are_not_used_again():
    world, canister = used()
    first = world.snapshot(canister)
    world.manage("delete_canister_snapshot", canister_id=canister, snapshot_id=first["id"])
    assert listed(world, canister) == []
    assert world.snapshot(canister)["id"][7] == 1


def test_a_refused_snapshot_uses_no_number():
    world = new_world()
    canister = world.create()
    refused(lambda: world.snapshot(canister))
    world.install(canister, V1)
    assert world.snapshot(canister)["id"][7] == 0


def test_taking_can_remove_the_code_in_the_same_step():
    world, canister = used()
    before = content(world, canister)
    snapshot = world.snapshot(canister, uninstall_code=True)
    state = world.state_of(canister)
    assert (state.code, state.chunks) == (None, {})
    assert state.history.changes[-1].details == CodeUninstall()
    load(world, canister, snapshot)
    assert content(world, canister) == before


UNKNOWN = (99).to_bytes(8, "big")
BY_ID = {
    "load": ("load_canister_snapshot", "snapshot_id"),
    "delete": ("delete_canister_snapshot", "snapshot_id"),
    "read": ("read_canister_snapshot_metadata", "snapshot_id"),
    "replace": ("take_canister_snapshot", "replace_snapshot"),
}


@pytest.mark.parametrize("name", BY_ID)
def test_an_unknown_snapshot_is_not_found(name):
    method, field = BY_ID[name]
    world, canister = used()
    unknown = UNKNOWN + canister.raw
    reject = refused(lambda: world.manage(method, canister_id=canister, **{field: unknown}))
    assert (reject.error_code, reject.reject_code) == ("IC0305", 3)
    assert (
        reject.message == f"Could not find the snapshot ID {canister}-99 for canister {canister}."
    )


@pytest.mark.parametrize("name", ["delete", "read", "replace"])
def test_a_snapshot_of_another_canister_is_refused(name):
    method, field = BY_ID[name]
    world, canister = used()
    other = world.running(V1)
    foreign = world.snapshot(other)["id"]
    reject = refused(lambda: world.manage(method, canister_id=canister, **{field: foreign}))
    assert (reject.error_code, reject.message) == (
        "IC0406",
        f"The snapshot {display_id(foreign)} does not belong to canister {canister}.",
    )


def test_a_strangers_snapshot_cannot_be_loaded():
    world, canister = used()
    other = world.running(V1)
    snapshot = world.snapshot(other)
    world.manage("update_settings", canister_id=other, settings={"controllers": [BOB]})
    reject = refused(lambda: load(world, canister, snapshot))
    assert reject.error_code == "IC0406"
    assert reject.message == (
        f"Only a controller of the canister that snapshot {other}-0 belongs to can load it on "
        f"canister {canister}. Sender: {ALICE}."
    )


def test_ones_own_other_canisters_snapshot_can_be_loaded():
    world, canister = used()
    origin = world.running(V2)
    world.call(origin, "certify", b"other")
    snapshot = world.snapshot(origin)
    load(world, canister, snapshot)
    state = world.state_of(canister)
    assert state.module_hash == sha256(V2).digest()
    assert content(world, canister) == content(world, origin)
    assert state.last_install_at_ns == world.now_ns
    assert state.history.changes[-1].details == LoadSnapshot(
        snapshot_id=snapshot["id"],
        canister_version=world.state_of(origin).version,
        taken_at_ns=snapshot["taken_at_timestamp"],
        source="taken_from_canister",
        from_canister_id=origin,
    )
    world.call(canister, "bump")
    assert content(world, canister) != content(world, origin), "they share nothing afterwards"


def test_another_canisters_snapshot_has_to_have_the_age_that_is_asked_for():
    world = new_world(rules=Rules(snapshot_loadable_after_seconds=100))
    canister, origin = world.create(), world.running(V2)
    snapshot = world.snapshot(origin)
    world.now_ns += 98 * NS_PER_SECOND
    reject = refused(lambda: load(world, canister, snapshot))
    assert reject.error_code == "IC0406"
    assert reject.message == (
        f"Snapshot {origin}-0 is not currently loadable on the specified canister {canister}. Try "
        "again later. The call should succeed if you wait sufficiently long (usually ten minutes)."
    )
    load(world, origin, snapshot)
    load(world, canister, snapshot)
    assert world.state_of(canister).module_hash == sha256(V2).digest()
