"""What is refused for having changed too much in a while, where such limits are asked for."""

import pytest

from juno_snap.replica.rate_limits import HEAP_DELTA_BYTES_PER_ROUND
from juno_snap.replica.rules import Rules
from juno_snap.units import CHUNK_MAX_BYTES, MIB, NS_PER_SECOND
from juno_snap.wire.candid import Tagged
from tests.replica.ledger import sleep, world_with
from tests.replica.metered import metered
from tests.replica.subnet_world import INSTALL, REINSTALL, UPGRADE, check, refused

LIMITED = Rules(rate_limits=True)
LIMIT = 75 * MIB
PAGE = 65536


def limited(wasm=None):
    return world_with(wasm, rules=LIMITED)


def debit(world, canister):
    return world.state_of(canister).heap_delta_debit_bytes


def owe(world, canister, heap_bytes):
    world.state_of(canister).heap_delta_debit_bytes = heap_bytes


def begin_upload(world, canister):
    made = world.manage(
        "upload_canister_snapshot_metadata",
        canister_id=canister,
        wasm_module_size=10,
        wasm_memory_size=PAGE,
        stable_memory_size=0,
        globals=[],
        certified_data=b"",
    )
    return made["snapshot_id"]


def write(world, canister, snapshot_id, kind, data):
    world.manage(
        "upload_canister_snapshot_data",
        canister_id=canister,
        snapshot_id=snapshot_id,
        kind=kind,
        chunk=data,
    )


def load(world, canister, snapshot):
    world.manage("load_canister_snapshot", canister_id=canister, snapshot_id=snapshot["id"])


def test_a_second_installation_within_the_same_seconds_is_refused():
    world, canister = limited(metered())
    world.state_of(canister).install_debit_instructions = 4_000_000_001
    reject = refused(lambda: world.install(canister, metered(), UPGRADE))
    check(
        reject,
        "IC0209",
        f"Canister {canister} is rate limited because it executed too many instructions in the "
        "previous install_code messages. Please retry installation after several minutes.",
    )
    assert reject.reject_code == 2
    assert refused(lambda: world.install(canister, metered(), UPGRADE)).error_code == "IC0209"
    world.install(canister, metered(), UPGRADE)


def test_what_an_installation_used_counts_however_it_ends():
    world, canister = limited()
    world.install(canister, metered())
    used = world.state_of(canister).install_debit_instructions
    assert used > 100_000, "compiling counts"
    sleep(world, 1)
    trapping = metered(init="(call $spin (i64.const 1000000)) unreachable")
    refused(lambda: world.install(canister, trapping, REINSTALL))
    assert world.state_of(canister).install_debit_instructions > used + 4_000_000
    world.now_ns -= NS_PER_SECOND  # the next call is in the same round
    assert refused(lambda: world.install(canister, metered(), REINSTALL)).error_code == "IC0209"


def test_a_refused_installation_counts_nothing_more():
    world, canister = limited(metered())
    world.state_of(canister).install_debit_instructions = 10**12
    refused(lambda: world.install(canister, metered(), UPGRADE))
    assert world.state_of(canister).install_debit_instructions == 10**12 - 2 * 10**9


def test_whether_the_canister_is_empty_is_looked_at_before_the_limit():
    world, canister = limited(metered())
    world.state_of(canister).install_debit_instructions = 10**12
    assert refused(lambda: world.install(canister, metered(), INSTALL)).error_code == "IC0514"


ACTS = {
    "take": lambda world, canister: world.snapshot(canister),
    "load": lambda world, canister: load(world, canister, {"id": bytes(8) + canister.raw}),
    "upload metadata": begin_upload,
}


@pytest.mark.parametrize("name", ACTS)
def test_snapshots_are_refused_to_a_canister_that_changed_too_much(name):
    world, canister = limited(metered())
    world.snapshot(canister)
    owe(world, canister, 2 * LIMIT)
    reject = refused(lambda: ACTS[name](world, canister))
    check(
        reject,
        "IC0210",
        f"Canister {canister} is heap delta rate limited: current delta debit is {LIMIT}, but "
        f"limit is {LIMIT}.",
    )
    assert reject.reject_code == 2
    ACTS[name](world, canister)


def test_chunks_and_snapshot_data_are_refused_in_words_of_their_own():
    world, canister = limited(metered())
    snapshot_id = begin_upload(world, canister)
    for act in (
        lambda: world.manage("upload_chunk", canister_id=canister, chunk=b"chunk"),
        lambda: write(world, canister, snapshot_id, Tagged("wasm_module", {"offset": 0}), b"1"),
    ):
        owe(world, canister, 2 * LIMIT)
        check(
            refused(act),
            "IC0504",
            "Error from Wasm chunk store: Canister is heap delta rate limited. Current delta "
            f"debit: {LIMIT}, limit: {LIMIT}.",
        )
        act()


def test_a_chunk_that_is_there_is_not_limited():
    world, canister = limited()
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    owe(world, canister, 2 * LIMIT)
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    assert debit(world, canister) == LIMIT, "and counts nothing"


def test_each_staged_chunk_counts_as_a_whole_one():
    world, canister = limited(metered())
    owe(world, canister, 0)
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    assert debit(world, canister) == CHUNK_MAX_BYTES


def test_what_an_update_writes_counts():
    world, canister = limited(metered())
    world.call(canister, "nothing")
    assert debit(world, canister) == 0
    world.call(canister, "write")
    assert PAGE <= debit(world, canister) <= 2 * PAGE


def test_a_trap_writes_nothing():
    world, canister = limited(metered())
    world.call(canister, "nothing")
    refused(lambda: world.call(canister, "spin_and_trap"))
    assert debit(world, canister) == 0


def test_a_snapshot_counts_what_was_written_since_the_networks_last_checkpoint():
    world, canister = limited(metered())
    world.call(canister, "write")
    sleep(world, 1)
    snapshot = world.snapshot(canister)
    first = debit(world, canister)
    assert PAGE <= first <= 3 * PAGE
    sleep(world, 1)
    load(world, canister, snapshot)
    assert debit(world, canister) == first
    sleep(world, 500)
    world.snapshot(canister)
    assert debit(world, canister) == 0, "all of it is in a checkpoint by now"


def test_a_snapshot_counts_its_chunks():
    world, canister = limited(metered())
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    sleep(world, 600)
    snapshot = world.snapshot(canister)
    assert debit(world, canister) == CHUNK_MAX_BYTES
    load(world, canister, snapshot)
    assert debit(world, canister) == CHUNK_MAX_BYTES


def test_uploaded_data_counts_its_bytes_and_a_chunk_a_mebibyte():
    world, canister = limited(metered())
    snapshot_id = begin_upload(world, canister)
    assert debit(world, canister) == 0
    write(world, canister, snapshot_id, Tagged("wasm_memory", {"offset": 0}), b"12345")
    assert debit(world, canister) == 5
    write(world, canister, snapshot_id, Tagged("wasm_chunk", None), b"chunk")
    assert debit(world, canister) == CHUNK_MAX_BYTES


def test_a_round_pays_off_75_mebibytes():
    assert HEAP_DELTA_BYTES_PER_ROUND == LIMIT
    world, canister = limited(metered())
    owe(world, canister, 5 * LIMIT + 1)
    world.call(canister, "nothing")
    assert debit(world, canister) == 4 * LIMIT + 1
    sleep(world, 2)
    world.call(canister, "nothing")
    assert debit(world, canister) == LIMIT + 1


def test_an_update_is_not_held_back():
    world, canister = limited(metered())
    owe(world, canister, 100 * LIMIT)
    world.call(canister, "nothing")


def test_nothing_of_this_is_so_unless_it_is_asked_for():
    world, canister = world_with(metered(), rules=Rules())
    state = world.state_of(canister)
    world.call(canister, "write")
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    assert (state.heap_delta_debit_bytes, state.install_debit_instructions) == (0, 0)
    state.heap_delta_debit_bytes = state.install_debit_instructions = 10**15
    world.install(canister, metered(), UPGRADE)
    load(world, canister, world.snapshot(canister))
    begin_upload(world, canister)
