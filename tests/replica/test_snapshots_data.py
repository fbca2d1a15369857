"""The content of snapshots: read in slices, uploaded in slices."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire.candid import Tagged
from tests.replica.subnet_world import module, new_world, refused

WASM = module()
PAGE = 65536
PARTS = ("wasm_module", "wasm_memory", "stable_memory")


def used():
    world = new_world()
    canister = world.running(WASM)
    world.call(canister, "bump")
    world.call(canister, "certify", b"root")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    return world, canister


def metadata(world, canister, snapshot_id):
    return world.manage(
        "read_canister_snapshot_metadata", canister_id=canister, snapshot_id=snapshot_id
    )


def read(world, canister, snapshot_id, kind):
    data = world.manage(
        "read_canister_snapshot_data", canister_id=canister, snapshot_id=snapshot_id, kind=kind
    )
    return data["chunk"]


def read_slice(world, canister, snapshot_id, part, offset, size):
    return read(world, canister, snapshot_id, Tagged(part, {"offset": offset, "size": size}))


def write(world, canister, snapshot_id, kind, chunk):
    world.manage(
        "upload_canister_snapshot_data",
        canister_id=canister,
        snapshot_id=snapshot_id,
        kind=kind,
        chunk=chunk,
    )


def begin(world, canister, **fields):
    wanted = {
        "wasm_module_size": 1,
        "wasm_memory_size": 0,
        "stable_memory_size": 0,
        "globals": [],
        "certified_data": b"",
        **fields,
    }
    begun = world.manage("upload_canister_snapshot_metadata", canister_id=canister, **wanted)
    return begun["snapshot_id"]


def test_the_metadata_describe_a_taken_snapshot():
    world, canister = used()
    world.call(canister, "arm")
    version = world.state_of(canister).version
    snapshot = world.snapshot(canister)
    described = metadata(world, canister, snapshot["id"])
    (chunk,) = described["wasm_chunk_store"]
    assert read(world, canister, snapshot["id"], Tagged("wasm_chunk", chunk)) == b"chunk"
    del described["wasm_chunk_store"]
    assert described == {
        "source": Tagged("taken_from_canister"),
        "taken_at_timestamp": snapshot["taken_at_timestamp"],
        "wasm_module_size": len(WASM),
        "globals": [Tagged("i32", 8), Tagged("i64", 1)],
        "wasm_memory_size": PAGE,
        "stable_memory_size": PAGE,
        "canister_version": version,
        "certified_data": b"root",
        "global_timer": Tagged("active", 123),
        "on_low_wasm_memory_hook_status": Tagged("condition_not_satisfied"),
    }


def test_a_low_heap_shows_in_the_metadata():
    world, canister = used()
    world.manage(
        "update_settings",
        canister_id=canister,
        settings={"wasm_memory_limit": 2**20, "wasm_memory_threshold": 2**20},
    )
    described = metadata(world, canister, world.snapshot(canister)["id"])
    assert described["on_low_wasm_memory_hook_status"] == Tagged("ready")


def test_the_parts_are_read_in_slices():
    world, canister = used()
    snapshot_id = world.snapshot(canister)["id"]
    assert read_slice(world, canister, snapshot_id, "wasm_module", 0, len(WASM)) == WASM
    assert read_slice(world, canister, snapshot_id, "wasm_module", 3, 5) == WASM[3:8]
    assert read_slice(world, canister, snapshot_id, "wasm_memory", 1, 1) == b"\1"
    assert len(read_slice(world, canister, snapshot_id, "wasm_memory", 0, PAGE)) == PAGE
    assert read_slice(world, canister, snapshot_id, "stable_memory", 0, 2) == b"\1\0"
    assert read_slice(world, canister, snapshot_id, "stable_memory", PAGE, 0) == b""


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("offset", "size"), [(0, PAGE + 1), (PAGE, 1), (2**64 - 1, 1)])
def test_a_slice_beyond_the_end_is_refused(part, offset, size):
    world, canister = used()
    snapshot_id = world.snapshot(canister)["id"]
    reject = refused(lambda: read_slice(world, canister, snapshot_id, part, offset, size))
    assert reject.error_code == "IC0408"
    assert reject.message == (
        "Invalid subslice into wasm module / main memory / stable memory: "
        f"offset: {offset}, size: {size}"
    )


@pytest.mark.parametrize("part", PARTS)
def test_a_slice_that_is_too_large_is_refused_first(part):
    world, canister = used()
    snapshot_id = world.snapshot(canister)["id"]
    reject = refused(lambda: read_slice(world, canister, snapshot_id, part, 2**60, 2_000_001))
    assert (reject.error_code, reject.message) == (
        "IC0408",
        "Requested slice too large: 2000001 > 2000000",
    )


@pytest.mark.parametrize(
    ("digest", "text"),
    [
        (b"\x0a\xff", "Bytes [0a, ff] are not a valid WasmChunkHash.."),
        (bytes(32), f"WasmChunkHash [{', '.join(['00'] * 32)}] not found.."),
    ],
)
def test_a_chunk_that_is_not_there_is_refused(digest, text):
    world, canister = used()
    snapshot_id = world.snapshot(canister)["id"]
    reject = refused(
        lambda: read(world, canister, snapshot_id, Tagged("wasm_chunk", {"hash": digest}))
    )
    assert (reject.error_code, reject.message) == (
        "IC0504",
        f"Error from Wasm chunk store: {text}",
    )


def copy(world, source, snapshot_id, target, **changes):
    """Read a whole snapshot and upload it to ``target``."""
    described = metadata(world, source, snapshot_id)
    fields = {
        name: described[name]
        for name in (
            "wasm_module_size",
            "wasm_memory_size",
            "stable_memory_size",
            "globals",
            "certified_data",
            "global_timer",
            "on_low_wasm_memory_hook_status",
        )
    }
    copied = begin(world, target, **{**fields, **changes})
    for part in PARTS:
        data = read_slice(world, source, snapshot_id, part, 0, described[f"{part}_size"])
        half = len(data) // 2
        write(world, target, copied, Tagged(part, {"offset": half}), data[half:])
        write(world, target, copied, Tagged(part, {"offset": 0}), data[:half])
    for chunk in described["wasm_chunk_store"]:
        data = read(world, source, snapshot_id, Tagged("wasm_chunk", chunk))
        write(world, target, copied, Tagged("wasm_chunk"), data)
    return copied


def load(world, canister, snapshot_id):
    world.manage("load_canister_snapshot", canister_id=canister, snapshot_id=snapshot_id)


def test_a_snapshot_that_was_read_and_uploaded_is_the_same():
    world, source = used()
    snapshot_id = world.snapshot(source)["id"]
    target = world.create()
    copied = copy(world, source, snapshot_id, target)
    original, uploaded = (
        metadata(world, source, snapshot_id),
        metadata(world, target, copied),
    )
    assert uploaded.pop("source") == Tagged("metadata_upload")
    assert uploaded.pop("taken_at_timestamp") > original.pop("taken_at_timestamp")
    assert uploaded.pop("canister_version") == 0
    del original["source"], original["canister_version"]
    assert uploaded == original
    load(world, target, copied)
    assert world.query(target, "read") == b"\1\1\1\x08"
    world.call(target, "bump")
    assert world.query(target, "read") == b"\2\2\2\x09"
    state = world.state_of(target)
    assert state.certified_data == b"root"
    assert list(state.chunks.values()) == [b"chunk"]
    assert state.history.changes[-1].details.source == "metadata_upload"


def test_the_timer_comes_from_an_uploaded_snapshot_that_says_it():
    world, source = used()
    world.call(source, "arm")
    snapshot_id = world.snapshot(source)["id"]
    target = world.create()
    load(world, target, copy(world, source, snapshot_id, target))
    assert world.state_of(target).code.global_timer_ns == 123
    load(world, target, copy(world, source, snapshot_id, target, global_timer=None))
    assert world.state_of(target).code.global_timer_ns == 123
    off = Tagged("inactive")
    load(world, target, copy(world, source, snapshot_id, target, global_timer=off))
    assert world.state_of(target).code.global_timer_ns == 0


@pytest.mark.parametrize("values", [[], [Tagged("i64", 1), Tagged("i32", 8)]])
def test_globals_that_are_not_the_modules_cannot_be_loaded(values):
    world, source = used()
    snapshot_id = copy(world, source, world.snapshot(source)["id"], source, globals=values)
    reject = refused(lambda: load(world, source, snapshot_id))
    assert (reject.error_code, reject.message) == (
        "IC0408",
        "Wasm exported globals of canister module and snapshot metadata do not match.",
    )


def test_a_hook_status_that_cannot_be_true_cannot_be_loaded():
    world, source = used()
    snapshot_id = world.snapshot(source)["id"]
    executed = Tagged("executed")
    copied = copy(world, source, snapshot_id, source, on_low_wasm_memory_hook_status=executed)
    reject = refused(lambda: load(world, source, copied))
    assert reject.error_code == "IC0408"
    assert reject.message == (
        "Hook status (Some(Executed)) of uploaded snapshot is inconsistent with the canister's "
        "state (hook condition satisfied: false)."
    )
    world.manage(
        "update_settings",
        canister_id=source,
        settings={"wasm_memory_limit": 1, "wasm_memory_threshold": 1},
    )
    load(world, source, copied)


def test_a_module_that_is_not_there_yet_cannot_be_loaded():
    world, source = used()
    snapshot_id = begin(world, source, wasm_module_size=100)
    before = world.state_of(source).version
    assert refused(lambda: load(world, source, snapshot_id)).error_code == "IC0505"
    assert world.state_of(source).version == before


BAD_METADATA = {
    "WasmModuleEmpty": {"wasm_module_size": 0},
    "WasmModuleTooLarge": {"wasm_module_size": 100 * 2**20 + 1},
    "WasmMemoryNotPageAligned": {"wasm_memory_size": 1},
    "WasmMemoryTooLarge": {"wasm_memory_size": 2**32 + PAGE},
    "StableMemoryNotPageAligned": {"stable_memory_size": 1},
    "StableMemoryTooLarge": {"stable_memory_size": 500 * 2**30 + PAGE},
    "ExportedGlobalsTooLarge": {"globals": [Tagged("i32", 0)] * 1001},
    "CertifiedDataTooLarge": {"certified_data": bytes(33)},
}


@pytest.mark.parametrize("name", BAD_METADATA)
def test_impossible_metadata_are_refused(name):
    world = new_world()
    canister = world.create()
    reject = refused(lambda: begin(world, canister, **BAD_METADATA[name]))
    assert (reject.error_code, reject.message) == (
        "IC0408",
        f"Snapshot Metadata contains invalid data: {name}",
    )
    assert world.state_of(canister).snapshots == {}


def test_a_64_bit_module_allows_a_larger_heap():
    world = new_world()
    canister = world.running(wasm_from_text("(module (memory i64 1))"))
    begin(world, canister, wasm_memory_size=6 * 2**30)
    reject = refused(lambda: begin(world, canister, wasm_memory_size=6 * 2**30 + PAGE))
    assert "WasmMemoryTooLarge" in reject.message


def test_an_uploaded_snapshot_counts_whole_from_the_beginning():
    world = new_world()
    canister = world.create()
    snapshot_id = begin(
        world,
        canister,
        wasm_module_size=10,
        wasm_memory_size=PAGE,
        stable_memory_size=2 * PAGE,
        globals=[Tagged("i32", 1), Tagged("v128", 2**127)],
        certified_data=b"abc",
    )
    (listed,) = world.manage("list_canister_snapshots", canister_id=canister)
    assert listed["total_size"] == 10 + 3 * PAGE + 4 + 16 + 3
    write(world, canister, snapshot_id, Tagged("wasm_chunk"), b"x")
    (listed,) = world.manage("list_canister_snapshots", canister_id=canister)
    assert listed["total_size"] == 10 + 3 * PAGE + 4 + 16 + 3 + 2**20
    assert metadata(world, canister, snapshot_id)["globals"][1] == Tagged("v128", 2**127)


def test_an_upload_takes_a_place_or_replaces():
    world = new_world()
    canister = world.create()
    ids = [begin(world, canister) for _ in range(10)]
    assert "maximum number" in refused(lambda: begin(world, canister)).message
    ids[0:1] = []
    replaced = begin(world, canister, replace_snapshot=bytes(8) + canister.raw)
    assert list(world.state_of(canister).snapshots) == [*ids, replaced]


def test_a_taken_snapshot_cannot_be_written_to():
    world, canister = used()
    snapshot_id = world.snapshot(canister)["id"]
    for kind in (Tagged("wasm_memory", {"offset": 0}), Tagged("wasm_chunk")):
        reject = refused(lambda k=kind: write(world, canister, snapshot_id, k, b"x"))
        assert (reject.error_code, reject.message) == (
            "IC0409",
            "Only canister snapshots created by metadata upload can be mutated.",
        )


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_written_beyond_the_end(part):
    world = new_world()
    canister = world.create()
    snapshot_id = begin(
        world, canister, wasm_module_size=PAGE, wasm_memory_size=PAGE, stable_memory_size=PAGE
    )
    kind = Tagged(part, {"offset": PAGE - 1})
    write(world, canister, snapshot_id, kind, b"x")
    reject = refused(lambda: write(world, canister, snapshot_id, kind, b"xy"))
    assert reject.error_code == "IC0408"
    assert reject.message.endswith(f"offset: {PAGE - 1}, size: 2")
    assert read_slice(world, canister, snapshot_id, part, PAGE - 2, 2) == b"\0x"


@settings(deadline=None)
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 3 * PAGE - 1), st.binary(min_size=1, max_size=3 * PAGE)),
        max_size=6,
    ),
    part=st.sampled_from(PARTS),
)
def test_slices_may_come_in_any_order_and_overlap(pieces, part):
    world = new_world()
    canister = world.create()
    size = 3 * PAGE
    snapshot_id = begin(
        world, canister, wasm_module_size=size, wasm_memory_size=size, stable_memory_size=size
    )
    model = bytearray(size)
    for offset, chunk in pieces:
        fitting = chunk[: size - offset]
        write(world, canister, snapshot_id, Tagged(part, {"offset": offset}), fitting)
        model[offset : offset + len(fitting)] = fitting
    assert read_slice(world, canister, snapshot_id, part, 0, size) == model
