"""What messages and time cost a canister, what it may not spend, and how it ends."""

import pytest

from juno_snap.replica.rules import Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Status, memory_use
from juno_snap.replica.state_history import CodeUninstall
from juno_snap.replica.storage import open_storage
from juno_snap.units import GIB
from tests.replica.ledger import (
    BASE,
    BILLION,
    DAY_SECONDS,
    FREE_STORAGE,
    INGRESS,
    MONTH_SECONDS,
    SET_ASIDE,
    TRILLION,
    cost,
    freezing_limit,
    out_of_cycles,
    sleep,
    world_with,
)
from tests.replica.metered import GROWTH_BYTES, metered
from tests.replica.subnet_world import ALICE, BOB, UPGRADE, check, new_world, refused


def test_an_update_costs_its_bytes_a_base_and_its_instructions():
    world, canister = world_with(metered())
    nothing = cost(world, canister, lambda: world.call(canister, "nothing"))
    assert INGRESS + BASE < nothing < INGRESS + BASE + 100
    spin = cost(world, canister, lambda: world.call(canister, "spin"))
    assert 4_000_000 < spin - nothing < 9_000_000


def test_an_instruction_of_a_64_bit_canister_costs_two_cycles():
    costs = []
    for is_64_bit in (False, True):
        world, canister = world_with(metered(is_64_bit=is_64_bit))
        spin = cost(world, canister, lambda w=world, c=canister: w.call(c, "spin"))
        costs.append(spin - INGRESS - BASE)
    assert costs[1] == 2 * costs[0]


def test_a_trap_costs_as_much_as_what_ran_before_it():
    world, canister = world_with(metered())
    spin = cost(world, canister, lambda: world.call(canister, "spin"))
    trap = cost(world, canister, lambda: refused(lambda: world.call(canister, "spin_and_trap")))
    assert abs(trap - spin) < 100


def test_a_method_that_is_not_there_costs_the_message_alone():
    world, canister = world_with(metered())
    missing = cost(world, canister, lambda: refused(lambda: world.call(canister, "no_such")))
    assert missing == INGRESS + BASE


def test_a_query_that_is_called_costs_like_an_update():
    world, canister = world_with(metered())
    called = cost(world, canister, lambda: world.call(canister, "nothing_much"))
    assert INGRESS + BASE < called < INGRESS + BASE + 100


def test_a_query_is_free_and_counted():
    world, canister = world_with(metered())
    assert cost(world, canister, lambda: world.query(canister, "nothing_much", b"12345")) == 0
    stats = world.ask("canister_status", canister_id=canister)["query_stats"]
    assert stats["num_calls_total"] == 1
    assert stats["num_instructions_total"] > 0
    assert stats["request_payload_bytes_total"] == 5
    assert stats["response_payload_bytes_total"] == 0


def test_without_a_size_about_an_envelope_is_charged():
    world, canister = world_with()
    world.size_bytes = None
    spent = cost(world, canister, lambda: world.manage("start_canister", canister_id=canister))
    assert 1_200_000 + 2_000 * 400 < spent < 1_200_000 + 2_000 * 600


def test_the_filter_refuses_who_cannot_pay_for_the_message():
    world, canister = world_with(metered())
    world.state_of(canister).cycles = INGRESS - 1
    reject = refused(lambda: world.call(canister, "nothing"))
    assert (reject.error_code, reject.reject_code) == ("IC0207", 2)
    assert reject.message == out_of_cycles(canister, 1)
    stranger = refused(lambda: world.call(canister, "nothing", sender=BOB))
    assert stranger.message == f"Canister {canister} is out of cycles"
    assert world.state_of(canister).cycles == INGRESS - 1, "refused before a round: nothing is paid"


@pytest.mark.parametrize("method", ["stop_canister", "canister_status", "delete_canister"])
def test_the_filter_refuses_management_calls_that_their_canister_cannot_pay(method):
    world, canister = world_with()
    world.state_of(canister).cycles = INGRESS - 3
    reject = refused(lambda: world.manage(method, canister_id=canister))
    assert (reject.error_code, reject.message) == ("IC0207", out_of_cycles(canister, 3))


def test_whether_it_can_pay_is_looked_at_before_who_asks():
    world, canister = world_with()
    world.state_of(canister).cycles = 0
    reject = refused(lambda: world.manage("stop_canister", BOB, canister_id=canister))
    assert reject.error_code == "IC0207"


def test_a_refusal_in_a_round_has_cost_the_message():
    world, canister = world_with()
    refusal = cost(world, canister, lambda: refused(lambda: world.execute(canister, "nothing")))
    assert refusal == INGRESS
    stopped = cost(
        world,
        canister,
        lambda: refused(lambda: world.manage("delete_canister", canister_id=canister)),
    )
    assert stopped == INGRESS


def test_an_update_needs_the_cycles_for_all_that_it_may_use():
    world, canister = world_with(metered())
    world.state_of(canister).cycles = INGRESS + SET_ASIDE - 1
    reject = refused(lambda: world.call(canister, "nothing"))
    assert (reject.error_code, reject.message) == ("IC0207", out_of_cycles(canister, 1))
    assert world.state_of(canister).cycles == SET_ASIDE - 1, "the message itself is paid"
    world.state_of(canister).cycles = INGRESS + SET_ASIDE
    world.call(canister, "nothing")


def test_running_code_sees_what_is_set_aside_as_gone():
    world, canister = world_with(metered(), rules=Rules())
    state = world.state_of(canister)
    reply = world.call(canister, "balances")
    balance, liquid = (int.from_bytes(reply[at : at + 16], "little") for at in (0, 16))
    assert balance - liquid == freezing_limit(memory_use(state).total)
    assert SET_ASIDE - 1_000 - BASE < state.cycles - balance < SET_ASIDE


def test_burned_cycles_are_gone_and_counted():
    world, canister = world_with(metered())
    nothing = cost(world, canister, lambda: world.call(canister, "nothing"))
    burn = cost(world, canister, lambda: world.call(canister, "burn"))
    assert BILLION <= burn - nothing < BILLION + 1_000
    assert consumed(world, canister)["burned_cycles"] == BILLION


def test_a_canister_cannot_burn_itself_frozen():
    world, canister = world_with(metered(), rules=Rules())
    world.call(canister, "burn_all")
    state = world.state_of(canister)
    limit = freezing_limit(memory_use(state).total)
    assert limit <= state.cycles < limit + SET_ASIDE


def consumed(world, canister):
    return world.ask("canister_metrics", canister_id=canister)["cycles_consumed"]


def test_every_cycle_is_accounted_for():
    world, canister = world_with(metered(), rules=Rules())
    for method in ("nothing", "spin", "burn", "grow_heap", "grow_stable"):
        world.call(canister, method)
    refused(lambda: world.call(canister, "spin_and_trap"))
    sleep(world, MONTH_SECONDS)
    world.install(canister, metered(), UPGRADE)
    world.manage("update_settings", canister_id=canister, settings={"compute_allocation": 1})
    sleep(world, 1_000)
    world.call(canister, "nothing")
    spent = consumed(world, canister)
    assert len(spent) == 9
    assert world.state_of(canister).cycles + sum(spent.values()) == 100 * TRILLION
    used = {use for use, cycles in spent.items() if cycles}
    assert used == {
        "memory",
        "compute_allocation",
        "ingress_induction",
        "instructions",
        "burned_cycles",
    }


def test_storage_is_paid_by_the_second():
    world, canister = world_with(metered(), rules=Rules())
    world.manage("update_settings", canister_id=canister, settings={"memory_allocation": GIB})
    world.call(canister, "nothing")
    before = consumed(world, canister)["memory"]
    sleep(world, DAY_SECONDS - 1)
    world.call(canister, "nothing")
    paid = consumed(world, canister)["memory"] - before
    assert paid == pytest.approx(127_000 * DAY_SECONDS, rel=0.001)


def test_storage_has_the_price_that_is_set():
    world, canister = world_with(metered(), rules=Rules(storage_cycles_per_gib_second=317_500))
    status = world.ask("canister_status", canister_id=canister)
    assert status["idle_cycles_burned_per_day"] == (
        status["memory_size"] * 317_500 * DAY_SECONDS // GIB
    )


def test_time_that_passes_while_the_replica_does_not_run_is_not_paid(tmp_path):
    world, canister = world_with(metered(), rules=Rules())
    world.call(canister, "nothing")
    before = world.state_of(canister).cycles
    with open_storage(tmp_path) as storage:
        storage.save(world.subnet.state)
        state = storage.load(Engine()).state
    later = new_world(state=state, rules=Rules())
    later.now_ns = world.now_ns
    sleep(later, 1000 * MONTH_SECONDS)
    later.call(canister, "nothing")
    assert 0 < before - later.state_of(canister).cycles < 10_000_000


def test_a_frozen_canister_answers_nothing():
    world, canister = world_with(metered(), rules=Rules())
    state = world.state_of(canister)
    limit = freezing_limit(memory_use(state).total)
    state.cycles = limit - 1
    reject = refused(lambda: world.query(canister, "nothing_much"))
    check(
        reject,
        "IC0207",
        f"Canister {canister} is unable to process query calls because it's frozen. "
        "Please top up the canister with cycles and try again.",
    )
    update = refused(lambda: world.call(canister, "nothing"))
    assert update.message == out_of_cycles(canister, INGRESS + 1)
    state.cycles = limit
    world.query(canister, "nothing_much")


def test_a_long_freezing_threshold_freezes_and_a_short_one_thaws():
    world, canister = world_with(metered(), rules=Rules())

    def set_threshold(seconds):
        settings = {"freezing_threshold": seconds}
        world.manage("update_settings", canister_id=canister, settings=settings)

    set_threshold(2**60)
    assert refused(lambda: world.query(canister, "nothing_much")).error_code == "IC0207"
    set_threshold(MONTH_SECONDS)
    world.query(canister, "nothing_much")


def test_a_frozen_canister_can_be_topped_up():
    world, canister = world_with(metered(), rules=Rules())
    world.state_of(canister).cycles = 0
    world.manage("provisional_top_up_canister", BOB, canister_id=canister, amount=TRILLION)
    assert world.state_of(canister).cycles == TRILLION
    world.call(canister, "nothing")


def test_small_settings_are_paid_afterwards_and_only_if_there_is_enough():
    world, canister = world_with()

    def update(**settings):
        world.manage("update_settings", canister_id=canister, settings=settings)

    small = cost(world, canister, lambda: update(freezing_threshold=1))
    assert 1_200_000 + 2_000 * 20 < small < 1_200_000 + 2_000 * 400
    long_name = {"name": "n" * 128, "value": "v" * 128}
    large = cost(
        world,
        canister,
        lambda: update(environment_variables=[long_name, long_name | {"name": "m" * 128}]),
    )
    assert large == INGRESS
    world.state_of(canister).cycles = 5
    update(freezing_threshold=2)
    assert world.state_of(canister).settings.freezing_threshold_seconds == 2
    assert world.state_of(canister).cycles == 5


@pytest.mark.parametrize("method", ["grow_heap", "grow_stable"])
def test_memory_that_cannot_be_kept_is_not_given(method):
    world, canister = world_with(metered(), rules=Rules())
    state = world.state_of(canister)
    would_be = freezing_limit(memory_use(state).total + GROWTH_BYTES)
    state.cycles = would_be + INGRESS + SET_ASIDE - 7
    version, size = state.version, memory_use(state).total
    reject = refused(lambda: world.call(canister, method))
    check(
        reject,
        "IC0532",
        f"Error from Canister {canister}: Canister cannot grow memory by {GROWTH_BYTES} bytes due "
        "to insufficient cycles. At least 7 additional cycles are required.",
    )
    assert state.version == version
    assert state.code.heap.size_bytes + state.code.stable.size_bytes < size
    state.cycles = would_be + INGRESS + SET_ASIDE - 7
    stranger = refused(lambda: world.call(canister, method, sender=BOB))
    assert stranger.message.endswith("bytes due to insufficient cycles.")
    state.cycles = freezing_limit(memory_use(state).total + GROWTH_BYTES) + INGRESS + SET_ASIDE
    world.call(canister, method)


def test_memory_that_is_set_aside_anyway_can_be_grown_into():
    world, canister = world_with(metered(), rules=Rules())
    world.manage("update_settings", canister_id=canister, settings={"memory_allocation": 2**26})
    state = world.state_of(canister)
    state.cycles = freezing_limit(2**26) + INGRESS + SET_ASIDE
    world.call(canister, "grow_heap")


def test_a_canister_that_cannot_pay_for_its_storage_loses_everything():
    world, canister = world_with(metered(), rules=Rules())
    world.manage("upload_chunk", canister_id=canister, chunk=b"chunk")
    world.snapshot(canister)
    world.manage(
        "update_settings",
        canister_id=canister,
        settings={"memory_allocation": GIB, "compute_allocation": 1},
    )
    state = world.state_of(canister)
    version, total = state.version, state.history.total
    state.cycles = 127_000 * 100
    other = world.create()
    sleep(world, 200)
    world.manage("start_canister", canister_id=other)
    assert state.code is None
    assert (state.cycles, state.snapshots, state.chunks) == (0, {}, {})
    assert (state.settings.memory_allocation_bytes, state.settings.compute_allocation_percent) == (
        0,
        0,
    )
    assert (state.version, state.status) == (version + 1, Status.RUNNING)
    assert (state.history.changes, state.history.total) == ([], total)
    assert (state.last_install_at_ns, state.controllers) == (None, (ALICE,))
    assert consumed(world, canister)["uninstall"] == 127_000 * 100
    world.manage("provisional_top_up_canister", canister_id=canister, amount=TRILLION)
    sleep(world, MONTH_SECONDS)
    world.install(canister, metered())
    world.call(canister, "nothing")


def test_only_who_ran_out_is_emptied():
    world, canister = world_with(metered(), rules=Rules())
    poor = world.running(metered())
    world.state_of(poor).cycles = 0
    sleep(world, DAY_SECONDS)
    world.call(canister, "nothing")
    assert world.state_of(poor).code is None
    assert CodeUninstall() not in [
        change.details for change in world.state_of(poor).history.changes
    ]
    assert world.state_of(canister).code is not None


def test_computing_that_cannot_be_paid_is_not_set_aside():
    world, canister = world_with(rules=FREE_STORAGE)

    def update(**settings):
        world.manage("update_settings", canister_id=canister, settings=settings)

    needed = 2 * 10_000_000 * MONTH_SECONDS
    world.state_of(canister).cycles = needed - 1
    reject = refused(lambda: update(compute_allocation=2))
    check(
        reject,
        "IC0530",
        "Cannot increase compute allocation to 2% due to insufficient cycles. "
        "At least 1 additional cycles are required.",
    )
    created = refused(lambda: world.create(amount=needed - 1, settings={"compute_allocation": 2}))
    assert created.error_code == "IC0530"
    world.state_of(canister).cycles = needed
    update(compute_allocation=2)


def test_memory_that_cannot_be_paid_is_not_set_aside():
    world, canister = world_with(rules=Rules())
    world.state_of(canister).cycles = freezing_limit(GIB) - 1
    reject = refused(
        lambda: world.manage(
            "update_settings", canister_id=canister, settings={"memory_allocation": GIB}
        )
    )
    check(
        reject,
        "IC0531",
        f"Cannot increase memory allocation to {GIB} due to insufficient cycles. "
        "At least 1 additional cycles are required.",
    )
    created = refused(lambda: world.create(amount=5, settings={"memory_allocation": GIB}))
    assert created.error_code == "IC0531"


def test_less_of_either_is_always_possible():
    world, canister = world_with(rules=Rules())

    def update(**settings):
        world.manage("update_settings", canister_id=canister, settings=settings)

    update(memory_allocation=GIB, compute_allocation=3)
    world.state_of(canister).cycles = 10_000
    update(memory_allocation=GIB - 1, compute_allocation=2)
    assert world.state_of(canister).settings.compute_allocation_percent == 2
