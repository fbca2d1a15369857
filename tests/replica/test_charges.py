"""What management calls cost, and how they are refused to a canister that cannot pay."""

from hashlib import sha256

import pytest

from juno_snap.replica.fees import compile_instructions
from juno_snap.replica.rules import Rules
from juno_snap.replica.state import memory_use
from juno_snap.units import CHUNK_MAX_BYTES, GIB, MIB
from juno_snap.wire.candid import Tagged
from tests.replica.ledger import (
    BASE,
    BILLION,
    FREE_STORAGE,
    INGRESS,
    TRILLION,
    cost,
    freezing_limit,
    out_of_cycles,
    world_with,
)
from tests.replica.metered import metered
from tests.replica.subnet_world import BOB, INSTALL, REINSTALL, UPGRADE, check, refused

BASELINE = 2 * BILLION
UPLOAD_CHUNK = 200_000_000
INSTALL_SET_ASIDE = BASE + 300 * BILLION
PAGE = 65536


def compile_cost(world, canister):
    return compile_instructions(world.state_of(canister).code.module.shape.code_bytes)


def manage(world, canister, method, /, **fields):
    return world.manage(method, canister_id=canister, **fields)


def load(world, canister, snapshot):
    manage(world, canister, "load_canister_snapshot", snapshot_id=snapshot["id"])


def begin_upload(world, canister, **sizes):
    fields = {
        "wasm_module_size": 10,
        "wasm_memory_size": PAGE,
        "stable_memory_size": 0,
        "globals": [],
        "certified_data": b"",
    }
    made = manage(world, canister, "upload_canister_snapshot_metadata", **(fields | sizes))
    return made["snapshot_id"]


def write(world, canister, snapshot_id, kind, data):
    manage(
        world,
        canister,
        "upload_canister_snapshot_data",
        snapshot_id=snapshot_id,
        kind=kind,
        chunk=data,
    )


def read(world, canister, snapshot_id, kind):
    return manage(
        world, canister, "read_canister_snapshot_data", snapshot_id=snapshot_id, kind=kind
    )


def test_a_chunk_costs_200_million_even_if_it_is_there():
    world, canister = world_with()
    for _ in range(2):
        spent = cost(
            world, canister, lambda: manage(world, canister, "upload_chunk", chunk=b"chunk")
        )
        assert spent == INGRESS + UPLOAD_CHUNK
    world.state_of(canister).cycles = INGRESS + UPLOAD_CHUNK - 2
    reject = refused(lambda: manage(world, canister, "upload_chunk", chunk=b"another"))
    check(
        reject,
        "IC0504",
        "Error from Wasm chunk store: Error charging for 'upload_chunk': "
        f"{out_of_cycles(canister, 2)}.",
    )


def test_a_chunk_that_is_too_large_is_paid_for():
    world, canister = world_with()
    too_large = bytes(CHUNK_MAX_BYTES + 1)
    spent = cost(
        world,
        canister,
        lambda: refused(lambda: manage(world, canister, "upload_chunk", chunk=too_large)),
    )
    assert spent == INGRESS + UPLOAD_CHUNK


def test_a_chunk_needs_the_cycles_for_a_whole_one():
    world, canister = world_with(rules=Rules())
    state = world.state_of(canister)
    limit = freezing_limit(memory_use(state).total + CHUNK_MAX_BYTES)
    state.cycles = INGRESS + UPLOAD_CHUNK + limit - 1
    reject = refused(lambda: manage(world, canister, "upload_chunk", chunk=b"chunk"))
    check(
        reject,
        "IC0532",
        f"Canister cannot grow memory by {CHUNK_MAX_BYTES} bytes due to insufficient cycles. "
        "At least 1 additional cycles are required.",
    )
    assert state.chunks == {}
    state.cycles = INGRESS + UPLOAD_CHUNK + limit
    manage(world, canister, "upload_chunk", chunk=b"chunk")


@pytest.mark.parametrize(
    "method", ["stored_chunks", "clear_chunk_store", "list_canister_snapshots", "canister_status"]
)
def test_looking_and_clearing_cost_the_message_alone(method):
    world, canister = world_with(metered())
    assert cost(world, canister, lambda: manage(world, canister, method)) == INGRESS


def test_a_snapshot_costs_two_billion_and_its_size():
    world, canister = world_with(metered())
    taken = []
    spent = cost(world, canister, lambda: taken.append(world.snapshot(canister)))
    (snapshot,) = taken
    assert spent == INGRESS + BASELINE + snapshot["total_size"]
    deleted = cost(
        world,
        canister,
        lambda: manage(world, canister, "delete_canister_snapshot", snapshot_id=snapshot["id"]),
    )
    assert deleted == INGRESS


def test_a_snapshot_that_cannot_be_paid_is_not_taken():
    world, canister = world_with(metered())
    size = world.snapshot(canister)["total_size"]
    state = world.state_of(canister)
    state.cycles = INGRESS + BASELINE + size - 11
    reject = refused(lambda: world.snapshot(canister))
    text = f"Canister snapshotting failed with: `{out_of_cycles(canister, 11)}`"
    check(reject, "IC0207", text)
    assert len(state.snapshots) == 1
    assert state.cycles == BASELINE + size - 11


def test_a_snapshot_that_cannot_be_kept_is_not_taken():
    world, canister = world_with(metered(), rules=Rules())
    size = world.snapshot(canister)["total_size"]
    state = world.state_of(canister)
    state.cycles = INGRESS + freezing_limit(memory_use(state).total + size) - 13
    reject = refused(lambda: world.snapshot(canister))
    check(
        reject,
        "IC0532",
        f"Canister cannot grow memory by {size} bytes due to insufficient cycles. "
        "At least 13 additional cycles are required.",
    )


def test_a_snapshot_in_place_of_another_needs_no_more_memory():
    world, canister = world_with(metered(), rules=Rules())
    first = world.snapshot(canister)
    state = world.state_of(canister)
    state.cycles = (
        INGRESS + BASELINE + first["total_size"] + freezing_limit(memory_use(state).total)
    )
    world.snapshot(canister, replace_snapshot=first["id"])


def test_a_snapshot_that_takes_the_code_away_needs_hardly_more_memory():
    world, canister = world_with(metered(), rules=Rules())
    use = memory_use(world.state_of(canister))
    without_code = use.canister_history
    size = use.wasm_memory + use.stable_memory + use.global_memory + use.wasm_binary
    world.state_of(canister).cycles = (
        INGRESS + BASELINE + size + freezing_limit(without_code + size)
    )
    world.snapshot(canister, uninstall_code=True)


def test_the_cycles_are_looked_at_before_whether_there_is_code():
    world, canister = world_with()
    world.state_of(canister).cycles = INGRESS
    assert refused(lambda: world.snapshot(canister)).error_code == "IC0207"
    world.state_of(canister).cycles = TRILLION
    assert refused(lambda: world.snapshot(canister)).error_code == "IC0406"


def test_what_is_to_be_replaced_is_looked_at_before_the_cycles():
    world, canister = world_with(metered())
    world.state_of(canister).cycles = INGRESS
    unknown = bytes(8) + canister.raw
    reject = refused(lambda: world.snapshot(canister, replace_snapshot=unknown))
    assert reject.error_code == "IC0305"


def test_a_load_costs_two_billion_the_size_and_the_compilation():
    world, canister = world_with(metered())
    snapshot = world.snapshot(canister)
    spent = cost(world, canister, lambda: load(world, canister, snapshot))
    assert spent == (INGRESS + BASELINE + snapshot["total_size"] + compile_cost(world, canister))


@pytest.mark.parametrize("missing", ["baseline", "rest"])
def test_a_load_that_cannot_be_paid_changes_nothing_and_costs_nothing(missing):
    world, canister = world_with(metered())
    snapshot = world.snapshot(canister)
    state = world.state_of(canister)
    whole = BASELINE + snapshot["total_size"] + compile_cost(world, canister)
    state.cycles = INGRESS + (BASELINE if missing == "baseline" else whole) - 3
    version, total = state.version, state.history.total
    reject = refused(lambda: load(world, canister, snapshot))
    check(
        reject,
        "IC0207",
        f"Canister snapshotting failed with: `{out_of_cycles(canister, 3)}`",
    )
    assert (state.version, state.history.total) == (version, total)
    assert state.cycles == (BASELINE if missing == "baseline" else whole) - 3


def test_a_load_that_makes_the_canister_too_large_for_its_cycles_is_refused():
    world, canister = world_with(metered(), rules=Rules())
    world.call(canister, "grow_heap")
    snapshot = world.snapshot(canister)
    world.install(canister, metered(), REINSTALL)
    state = world.state_of(canister)
    used = memory_use(state)
    grown = snapshot["total_size"] - used.wasm_memory - used.wasm_binary
    state.cycles = INGRESS + BASELINE + freezing_limit(used.total + grown) - 1
    reject = refused(lambda: load(world, canister, snapshot))
    assert reject.error_code == "IC0532"
    assert reject.message.startswith(f"Canister cannot grow memory by {grown} bytes due to")
    assert state.code.heap.size_bytes == PAGE


def test_reading_costs_five_million_and_what_is_asked_for():
    world, canister = world_with(metered())
    manage(world, canister, "upload_chunk", chunk=b"chunk")
    snapshot_id = world.snapshot(canister)["id"]

    def spent(act):
        return cost(world, canister, act) - INGRESS

    def reads(tag, **place):
        return lambda: read(world, canister, snapshot_id, Tagged(tag, place))

    metadata = spent(
        lambda: manage(world, canister, "read_canister_snapshot_metadata", snapshot_id=snapshot_id)
    )
    assert metadata == BASE
    assert spent(reads("wasm_memory", offset=0, size=1000)) == BASE + 1000
    assert spent(reads("wasm_chunk", hash=sha256(b"chunk").digest())) == BASE + CHUNK_MAX_BYTES
    beyond = reads("wasm_memory", offset=PAGE, size=10)
    assert spent(lambda: refused(beyond)) == BASE + 10
    too_large = reads("wasm_memory", offset=0, size=2_000_001)
    assert spent(lambda: refused(too_large)) == 0
    world.state_of(canister).cycles = INGRESS + BASE + 999
    reject = refused(reads("wasm_memory", offset=0, size=1000))
    check(
        reject,
        "IC0207",
        f"Canister snapshotting failed with: `{out_of_cycles(canister, 1)}`",
    )


def test_an_uploaded_snapshot_costs_two_billion_its_size_and_each_byte_again():
    world, canister = world_with(metered())
    made = []
    begun = cost(world, canister, lambda: made.append(begin_upload(world, canister)))
    assert begun == INGRESS + BASELINE + PAGE + 10

    def writes(tag, place, data):
        return cost(
            world, canister, lambda: write(world, canister, made[0], Tagged(tag, place), data)
        )

    assert writes("wasm_memory", {"offset": 5}, b"12345") == INGRESS + 5
    assert writes("wasm_chunk", None, b"chunk") == INGRESS + CHUNK_MAX_BYTES
    assert writes("wasm_chunk", None, b"chunk") == INGRESS + CHUNK_MAX_BYTES
    outside = cost(
        world,
        canister,
        lambda: refused(
            lambda: write(world, canister, made[0], Tagged("wasm_module", {"offset": 8}), b"123")
        ),
    )
    assert outside == INGRESS + 3


def test_an_upload_that_cannot_be_paid_is_refused():
    world, canister = world_with(metered())
    state = world.state_of(canister)
    state.cycles = INGRESS + BASELINE
    reject = refused(lambda: begin_upload(world, canister))
    missing = out_of_cycles(canister, PAGE + 10)
    check(reject, "IC0207", f"Canister snapshotting failed with: `{missing}`")
    state.cycles = TRILLION
    snapshot_id = begin_upload(world, canister)
    state.cycles = INGRESS + 4
    data = refused(
        lambda: write(world, canister, snapshot_id, Tagged("wasm_module", {"offset": 0}), b"12345")
    )
    assert data.error_code == "IC0207"


def test_a_chunk_of_a_snapshot_needs_the_cycles_for_a_whole_one():
    world, canister = world_with(metered(), rules=Rules())
    snapshot_id = begin_upload(world, canister)
    state = world.state_of(canister)
    limit = freezing_limit(memory_use(state).total + CHUNK_MAX_BYTES)
    state.cycles = INGRESS + CHUNK_MAX_BYTES + limit - 1
    reject = refused(
        lambda: write(world, canister, snapshot_id, Tagged("wasm_chunk", None), b"chunk")
    )
    assert reject.error_code == "IC0532"


def test_a_snapshot_that_the_subnet_has_no_room_for_is_refused():
    world, canister = world_with(metered())
    for _ in range(4):
        begin_upload(world, canister, stable_memory_size=500 * GIB)
    reject = refused(lambda: begin_upload(world, canister, stable_memory_size=500 * GIB))
    check(
        reject,
        "IC0101",
        "Canister requested 500.00 GiB of memory but only 48.00 GiB are available in the subnet.",
    )


def test_a_vector_that_is_too_wide_is_a_bad_payload():
    world, canister = world_with()
    wide = [Tagged("v128", 2**128)]
    reject = refused(lambda: begin_upload(world, canister, globals=wide))
    assert reject.error_code == "IC0408"
    assert reject.message.startswith("Error decoding candid: ")


def test_an_installation_costs_a_base_the_compilation_and_what_ran():
    world, canister = world_with()
    wasm = metered(init="(call $spin (i64.const 1000000))")
    spent = cost(world, canister, lambda: world.install(canister, wasm))
    fixed = INGRESS + BASE + compile_cost(world, canister)
    assert 4_000_000 < spent - fixed < 9_000_000
    plain = cost(world, canister, lambda: world.install(canister, metered(), UPGRADE))
    assert 0 < plain - INGRESS - BASE - compile_cost(world, canister) < 1_000


def test_an_installation_of_a_64_bit_module_costs_twice_as_much():
    world, canister = world_with()
    spent = cost(world, canister, lambda: world.install(canister, metered(is_64_bit=True)))
    variable = spent - INGRESS - BASE
    assert 0 < variable - 2 * compile_cost(world, canister) < 1_000


def test_an_installation_that_traps_costs_what_it_used():
    world, canister = world_with()
    spin = "(call $spin (i64.const 1000000))"
    world.install(canister, metered(init=spin))
    well = cost(world, canister, lambda: world.install(canister, metered(init=spin), UPGRADE))
    trapping = metered(init=f"{spin} unreachable")
    trap = cost(
        world, canister, lambda: refused(lambda: world.install(canister, trapping, UPGRADE))
    )
    assert abs(trap - well) < 10_000


def test_a_module_that_is_none_costs_the_message_alone():
    world, canister = world_with()
    spent = cost(world, canister, lambda: refused(lambda: world.install(canister, b"\0asm")))
    assert spent == INGRESS + BASE


@pytest.mark.parametrize(("is_64_bit", "price"), [(False, 1), (True, 2)])
def test_an_installation_needs_the_cycles_for_all_that_it_may_use(is_64_bit, price):
    world, canister = world_with()
    wasm = metered(is_64_bit=is_64_bit)
    state = world.state_of(canister)
    state.cycles = INGRESS + BASE + price * 300 * BILLION - 7
    reject = refused(lambda: world.install(canister, wasm))
    check(
        reject,
        "IC0207",
        f"Canister installation failed with `{out_of_cycles(canister, 7)}`.",
    )
    assert state.cycles == BASE + price * 300 * BILLION - 7
    state.cycles = INGRESS + BASE + price * 300 * BILLION
    world.install(canister, wasm)
    assert state.cycles > price * 299 * BILLION, "the rest comes back"


def test_the_cycles_are_looked_at_before_whether_the_canister_is_empty():
    world, canister = world_with(metered())
    world.state_of(canister).cycles = INGRESS + BASE
    assert refused(lambda: world.install(canister, metered())).error_code == "IC0207"
    world.state_of(canister).cycles = TRILLION
    assert refused(lambda: world.install(canister, metered(), INSTALL)).error_code == "IC0514"


def test_putting_chunks_together_costs_their_full_size():
    world, canister = world_with()
    wasm = metered()
    pieces = [wasm[:100], wasm[100:]]
    hashes = [manage(world, canister, "upload_chunk", chunk=piece) for piece in pieces]

    def install_chunked(module_hash):
        world.manage(
            "install_chunked_code",
            target_canister=canister,
            mode=REINSTALL,
            chunk_hashes_list=hashes,
            wasm_module_hash=module_hash,
            arg=b"",
        )

    chunked = cost(world, canister, lambda: install_chunked(sha256(wasm).digest()))
    whole = cost(world, canister, lambda: world.install(canister, wasm, REINSTALL))
    assert chunked - whole == 2 * MIB
    wrong = cost(world, canister, lambda: refused(lambda: install_chunked(bytes(32))))
    assert wrong == INGRESS + BASE + 2 * MIB


def test_code_that_cannot_be_kept_is_not_installed():
    world, canister = world_with(rules=Rules())
    wasm = metered(init="(drop (call $stable_grow (i64.const 160)))")
    world.install(canister, wasm)
    used = memory_use(world.state_of(canister)).total
    state = world.state_of(world.create())
    poor = state.canister_id
    limit = freezing_limit(used)
    state.cycles = INGRESS + INSTALL_SET_ASIDE + freezing_limit(memory_use(state).total)
    manage(world, poor, "update_settings", settings={"freezing_threshold": 30_000 * 86_400 * 30})
    state.cycles = INGRESS + INSTALL_SET_ASIDE + 30_000 * freezing_limit(memory_use(state).total)
    assert state.cycles < 30_000 * limit
    reject = refused(lambda: world.install(poor, wasm))
    assert reject.error_code == "IC0532"
    assert reject.message.startswith("Canister cannot grow memory by ")
    assert "due to insufficient cycles. At least " in reject.message
    assert state.code is None
    assert state.cycles > INSTALL_SET_ASIDE - BILLION


def test_who_controls_nothing_is_not_told_what_is_missing():
    world, canister = world_with(metered())
    settings = {"snapshot_visibility": Tagged("public")}
    manage(world, canister, "update_settings", settings=settings)
    snapshot_id = world.snapshot(canister)["id"]
    world.state_of(canister).cycles = INGRESS
    reject = refused(
        lambda: world.manage(
            "read_canister_snapshot_metadata",
            BOB,
            canister_id=canister,
            snapshot_id=snapshot_id,
        )
    )
    check(
        reject,
        "IC0207",
        f"Canister snapshotting failed with: `Canister {canister} is out of cycles`",
    )


def test_free_storage_keeps_nothing_back():
    world, canister = world_with(metered(), rules=FREE_STORAGE)
    status = world.ask("canister_status", canister_id=canister)
    assert status["idle_cycles_burned_per_day"] == 0
