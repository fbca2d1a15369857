"""The state on disk: all of it comes back, whole, to one process at a time."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest

from juno_snap.errors import LockedError, PreconditionError
from juno_snap.replica.pieces import PIECE_BYTES
from juno_snap.replica.rules import Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import QueryStats
from juno_snap.replica.storage import is_replica_directory, open_storage
from juno_snap.wire.candid import Tagged
from tests.replica.subnet_world import BOB, module, new_world

PAGE = 65536
ENGINE = Engine()


def save(directory, state, **attachments):
    with open_storage(directory) as storage:
        storage.save(state, attachments)


def load(directory):
    with open_storage(directory) as storage:
        return storage.load(ENGINE)


def full_world():
    """A subnet with something in every place."""
    world = new_world(engine=ENGINE, rules=Rules(rate_limits=True))
    canister = world.running(module())
    world.query(canister, "read", b"asked")
    world.call(canister, "bump")
    world.call(canister, "certify", b"root")
    world.call(canister, "arm")
    world.call(canister, "say", b"line")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    world.manage("upload_chunk", canister_id=canister, chunk=bytes(1000))
    world.snapshot(canister)
    world.call(canister, "bump")
    world.snapshot(canister)
    world.manage("delete_canister_snapshot", canister_id=canister, snapshot_id=first(canister))
    world.manage("stop_canister", canister_id=canister)
    world.create(
        amount=1,
        settings={
            "controllers": [BOB],
            "log_visibility": Tagged("allowed_viewers", [BOB]),
            "environment_variables": [{"name": "N", "value": "ä\n"}],
            "reserved_cycles_limit": 2**128 - 1,
        },
    )
    upload(world, canister)
    world.manage("uninstall_code", canister_id=world.running(module()))
    world.state_of(canister).heap_delta_debit_bytes = 2**40
    world.state_of(canister).install_debit_instructions = 2**41
    return world, canister


def first(canister):
    return bytes(8) + canister.raw


def upload(world, canister):
    world.manage(
        "upload_canister_snapshot_metadata",
        canister_id=canister,
        wasm_module_size=3 * PIECE_BYTES,
        wasm_memory_size=5 * PIECE_BYTES,
        stable_memory_size=3 * PAGE,
        globals=[Tagged("f64", 0.1), Tagged("v128", 2**127)],
        certified_data=b"",
        on_low_wasm_memory_hook_status=Tagged("executed"),
    )
    (snapshot_id, _) = list(world.state_of(canister).snapshots.items())[-1]
    for part, offset in (("wasm_module", 2**20 - 1), ("wasm_memory", 2**21), ("stable_memory", 7)):
        world.manage(
            "upload_canister_snapshot_data",
            canister_id=canister,
            snapshot_id=snapshot_id,
            kind=Tagged(part, {"offset": offset}),
            chunk=b"written",
        )


def describe(state):
    """All of a state, as values that can be compared."""
    return {
        "time": state.time_ns,
        "next": state.next_canister_number,
        "rounds": state.rounds_counted_until_ns,
        "canisters": {
            canister_id: (
                canister.settings,
                canister.created_at_ns,
                canister.cycles,
                canister.reserved_cycles,
                canister.version,
                canister.status,
                canister.code and describe_content(canister.code),
                canister.module_hash,
                canister.last_install_at_ns,
                canister.chunks,
                canister.history,
                canister.logs,
                canister.next_snapshot_number,
                dict(canister.consumed_cycles),
                replace(canister.query_stats),
                canister.heap_delta_debit_bytes,
                canister.install_debit_instructions,
                [
                    (
                        snapshot.snapshot_id,
                        snapshot.source,
                        snapshot.taken_at_ns,
                        snapshot.canister_version,
                        snapshot.global_types,
                        snapshot.chunks,
                        snapshot.changed_at_ns,
                        snapshot.hook_status,
                        describe_content(snapshot),
                    )
                    for snapshot in canister.snapshots.values()
                ],
            )
            for canister_id, canister in state.canisters.items()
        },
    }


def describe_content(content):
    return (
        content.wasm,
        content.heap.size_bytes,
        content.heap.read(0, content.heap.size_bytes),
        content.stable.size_bytes,
        content.stable.read(0, content.stable.size_bytes),
        content.packed_globals,
        content.certified_data,
        content.global_timer_ns,
    )


def blobs(directory):
    return {path.name: path.stat() for path in directory.glob("blobs/*/*")}


def test_everything_comes_back(tmp_path):
    world, _ = full_world()
    before = describe(world.subnet.state)
    save(tmp_path, world.subnet.state, history=b"calls", empty=b"")
    checkpoint = load(tmp_path)
    assert describe(checkpoint.state) == before
    assert checkpoint.attachments == {"history": b"calls", "empty": b""}


def test_life_goes_on_after_a_restart(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state)
    again = new_world(load(tmp_path).state, ENGINE)
    again.now_ns = world.now_ns
    again.manage("start_canister", canister_id=canister)
    assert again.query(canister, "read") == b"\2\2\2\x09"
    again.call(canister, "bump")
    again.manage(
        "load_canister_snapshot",
        canister_id=canister,
        snapshot_id=again.manage("list_canister_snapshots", canister_id=canister)[0]["id"],
    )
    assert again.query(canister, "read") == b"\2\2\2\x09"
    assert again.snapshot(canister)["id"][7] == 3
    assert again.create() not in world.subnet.canisters


def test_an_uploaded_snapshot_can_be_written_to_after_a_restart(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state)
    again = new_world(load(tmp_path).state, ENGINE)
    (*_, (snapshot_id, snapshot)) = again.state_of(canister).snapshots.items()
    again.manage(
        "upload_canister_snapshot_data",
        canister_id=canister,
        snapshot_id=snapshot_id,
        kind=Tagged("wasm_module", {"offset": 0}),
        chunk=b"more",
    )
    assert snapshot.wasm[:4] == b"more"
    assert snapshot.wasm[2**20 - 1 : 2**20 + 6] == b"written"


def test_a_new_folder_has_no_checkpoint_and_is_a_replicas(tmp_path):
    directory = tmp_path / "deep" / "replica"
    assert not is_replica_directory(directory)
    assert load(directory) is None
    assert is_replica_directory(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_nobody_else_can_read_the_state(tmp_path):
    world, _ = full_world()
    save(tmp_path, world.subnet.state)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]
    assert len(files) > 3
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_unchanged_memory_is_not_written_again(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state)
    before = blobs(tmp_path)
    world.manage("start_canister", canister_id=canister)
    world.call(canister, "certify", b"")
    save(tmp_path, world.subnet.state)
    after = blobs(tmp_path)
    assert after.keys() == before.keys()
    assert {name: stat.st_mtime_ns for name, stat in after.items()} == {
        name: stat.st_mtime_ns for name, stat in before.items()
    }


def test_a_snapshot_shares_its_bytes_with_the_canister(tmp_path):
    world = new_world(engine=ENGINE)
    canister = world.running(module())
    world.call(canister, "bump")
    save(tmp_path, world.subnet.state)
    alone = blobs(tmp_path).keys()
    world.snapshot(canister)
    save(tmp_path, world.subnet.state)
    assert blobs(tmp_path).keys() == alone


def test_what_is_not_needed_any_more_is_removed(tmp_path):
    world, _ = full_world()
    save(tmp_path, world.subnet.state)
    assert blobs(tmp_path)
    for each in list(world.subnet.canisters):
        world.subnet.state.canisters.pop(each)
    save(tmp_path, world.subnet.state)
    assert blobs(tmp_path) == {}


def test_holes_take_no_room(tmp_path):
    world = new_world(engine=ENGINE)
    canister = world.create()
    world.manage(
        "upload_canister_snapshot_metadata",
        canister_id=canister,
        wasm_module_size=2**20,
        wasm_memory_size=2**32,
        stable_memory_size=2**38,
        globals=[],
        certified_data=b"",
    )
    save(tmp_path, world.subnet.state)
    assert blobs(tmp_path) == {}
    (snapshot,) = load(tmp_path).state.canisters[canister].snapshots.values()
    assert (snapshot.heap.size_bytes, snapshot.stable.size_bytes) == (2**32, 2**38)


def test_a_second_process_is_locked_out(tmp_path):
    with (
        open_storage(tmp_path),
        pytest.raises(LockedError, match="is in use by another process"),
        open_storage(tmp_path),
    ):
        pass


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    save(tmp_path, new_world().subnet.state)
    text = json.dumps({"kind": "juno-snap replica", "version": 4, "since": "tomorrow"})
    (tmp_path / "format.json").write_text(text)
    with pytest.raises(PreconditionError, match="newer juno-snap: its format is 4") as caught:
        load(tmp_path)
    assert caught.value.code == "replica-format-newer"
    assert "update juno-snap" in caught.value.hint
    assert is_replica_directory(tmp_path)


def as_version_1(directory):
    """Make the folder what a juno-snap without accounts of cycles would have written."""
    path = directory / "state.json"
    state = json.loads(path.read_bytes())["state"]
    for name in ("rounds_counted_until_ns", "queue", "next_random_number", "last_heartbeat_ns"):
        del state[name]
    for canister in state["canisters"]:
        del canister["calls"], canister["hook_status"]
        for change in canister["history"]["changes"]:
            change["user"] = change.pop("origin")["principal"]
        for name in ("consumed_cycles", "query_stats", "heap_delta_debit_bytes"):
            del canister[name]
        del canister["install_debit_instructions"]
        for snapshot in canister["snapshots"]:
            del snapshot["changed_at_ns"]
    body = json.dumps(state, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest().encode()
    path.write_bytes(b'{"sha256":"' + digest + b'","state":\n' + body + b"\n}")
    (directory / "format.json").write_text('{"kind": "juno-snap replica", "version": 1}')


def test_a_folder_of_version_1_is_taken_over(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state)
    as_version_1(tmp_path)
    state = load(tmp_path).state
    assert json.loads((tmp_path / "format.json").read_bytes())["version"] == 3
    loaded, before = state.canisters[canister], world.state_of(canister)
    assert loaded.cycles == before.cycles
    assert loaded.history == before.history
    assert (loaded.consumed_cycles, loaded.query_stats) == ({}, QueryStats())
    assert [each.changed_at_ns for each in loaded.snapshots.values()] == [
        each.taken_at_ns for each in before.snapshots.values()
    ]
    again = new_world(state, ENGINE)
    again.now_ns = world.now_ns
    again.manage("start_canister", canister_id=canister)
    again.query(canister, "read")
    assert load(tmp_path).state.canisters[canister].query_stats == QueryStats(), "nothing is shared"
    save(tmp_path, state)
    assert describe(load(tmp_path).state) == describe(state)


def test_the_folder_of_another_program_is_refused(tmp_path):
    (tmp_path / "format.json").write_text('{"kind": "other", "version": 1}')
    with pytest.raises(PreconditionError, match="is not a replica's folder"):
        load(tmp_path)
    assert not is_replica_directory(tmp_path)


def test_a_folder_with_files_in_the_way_is_refused(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(PreconditionError, match=r"no format\.json"):
        load(tmp_path)
    assert (tmp_path / "state.json").read_text() == "{}"


def test_files_of_others_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "keys.json").write_text("secret")
    world, _ = full_world()
    save(tmp_path, world.subnet.state)
    assert (tmp_path / "keys.json").read_text() == "secret"


class KilledError(Exception):
    """Stands for the end of the process."""


class DyingState:
    """A subnet's state that kills the process when its canisters have been written."""

    def __init__(self, state):
        self._state = state
        self.time_ns = state.time_ns
        self.next_canister_number = state.next_canister_number
        self.next_random_number = state.next_random_number
        self.last_heartbeat_ns = state.last_heartbeat_ns
        self.queue = state.queue
        self.rounds_counted_until_ns = state.rounds_counted_until_ns

    @property
    def canisters(self):
        return self

    def values(self):
        yield from self._state.canisters.values()
        raise KilledError


def test_a_kill_before_the_switch_leaves_the_old_state(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state, history=b"old")
    before, needed = describe(world.subnet.state), blobs(tmp_path).keys()
    world.manage("start_canister", canister_id=canister)
    world.call(canister, "bump")
    with pytest.raises(KilledError):
        save(tmp_path, DyingState(world.subnet.state), history=b"new")
    assert blobs(tmp_path).keys() > needed
    (tmp_path / ".state.json.abcdef").write_bytes(b'{"sha256":"')
    (tmp_path / "blobs" / "00").mkdir(exist_ok=True)
    (tmp_path / "blobs" / "00" / f"{'0' * 64}.part").write_bytes(b"half")
    checkpoint = load(tmp_path)
    assert describe(checkpoint.state) == before
    assert checkpoint.attachments == {"history": b"old"}
    save(tmp_path, checkpoint.state)
    assert blobs(tmp_path).keys() <= needed
    assert not list(tmp_path.glob(".state.json.*"))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def change_a_number(path):
    path.write_bytes(path.read_bytes().replace(b'"cycles":1,', b'"cycles":2,'))


def write_something_else(path):
    path.write_bytes(b"something else")


@pytest.mark.parametrize("damage", [cut_short, change_a_number, write_something_else])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    world, _ = full_world()
    save(tmp_path, world.subnet.state)
    damage(tmp_path / "state.json")
    with pytest.raises(PreconditionError, match=r"state\.json") as caught:
        load(tmp_path)
    assert caught.value.code == "replica-state-damaged"
    assert "replica reset" in caught.value.hint


@pytest.mark.parametrize("damage", [cut_short, write_something_else, lambda path: path.unlink()])
def test_a_damaged_blob_is_named(tmp_path, damage):
    world, _ = full_world()
    save(tmp_path, world.subnet.state)
    path = max(tmp_path.glob("blobs/*/*"), key=lambda each: each.stat().st_size)
    damage(path)
    with pytest.raises(PreconditionError, match=path.name) as caught:
        load(tmp_path)
    assert caught.value.code == "replica-state-damaged"


def test_a_checkpoint_that_says_more_than_is_known_is_refused(tmp_path):
    save(tmp_path, new_world().subnet.state)
    lines = (tmp_path / "state.json").read_bytes().split(b"\n")
    body = lines[1].replace(b'{"time_ns"', b'{"mood":"good","time_ns"')
    digest = hashlib.sha256(body).hexdigest().encode()
    first_line = b'{"sha256":"' + digest + b'","state":'
    (tmp_path / "state.json").write_bytes(b"\n".join([first_line, body, b"}"]))
    with pytest.raises(PreconditionError, match="mood"):
        load(tmp_path)


def test_a_checkpoint_is_one_json_object(tmp_path):
    world, canister = full_world()
    save(tmp_path, world.subnet.state)
    document = json.loads((tmp_path / "state.json").read_bytes())
    ids = [each["canister_id"]["raw"] for each in document["state"]["canisters"]]
    assert canister.raw.hex() in ids


def test_a_copy_of_the_folder_is_as_good(tmp_path):
    world, _ = full_world()
    save(tmp_path / "a", world.subnet.state)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert describe(load(tmp_path / "b").state) == describe(world.subnet.state)


def test_a_module_that_is_not_valid_any_more_is_told(tmp_path):
    world = new_world(engine=ENGINE)
    canister = world.running(module())
    world.state_of(canister).code.wasm = b"no module"
    save(tmp_path, world.subnet.state)
    with pytest.raises(PreconditionError, match="invalid module"):
        load(tmp_path)
