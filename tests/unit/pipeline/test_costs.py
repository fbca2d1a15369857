from dataclasses import replace

from juno_snap.pipeline.costs import (
    DEFAULT_COSTS,
    CostProfile,
    Work,
    estimate,
    freezing_reserve_cycles,
    snapshot_size_bytes,
)
from juno_snap.units import GIB, MIB
from tests.unit.pipeline.values import status


def with_settings(**changes):
    """A module as seen, with other settings."""
    seen = status()
    return replace(seen, settings=replace(seen.settings, **changes))


def test_taking_100_mib_costs_about_two_billion_cycles():
    # Worked example of the developer docs' prices: 2 B baseline and one cycle a byte.
    assert DEFAULT_COSTS.snapshot(100 * MIB) == 2_104_857_600


def test_a_gib_for_30_days_costs_about_329_billion_cycles():
    assert DEFAULT_COSTS.storage_of_30_days(GIB) == 329_184_000_000


def test_uploading_six_and_a_half_megabytes_costs_about_13_billion_cycles_of_ingress():
    assert 13_000_000_000 < DEFAULT_COSTS.ingress(7, 6_500_000) < 13_100_000_000


def test_the_freezing_reserve_is_the_idle_burn_of_the_threshold_less_what_is_reserved():
    a_month = status(idle_cycles_burned_per_day=1_000)
    assert freezing_reserve_cycles(a_month) == 30_000
    assert freezing_reserve_cycles(replace(a_month, reserved_cycles=29_000)) == 1_000
    assert freezing_reserve_cycles(replace(a_month, reserved_cycles=90_000)) == 0


def test_a_snapshot_holds_memories_globals_module_and_staged_chunks():
    assert snapshot_size_bytes(status()) == 7 * MIB + 16
    assert snapshot_size_bytes(status(), extra_chunks=2) == 9 * MIB + 16


def test_a_gib_of_snapshot_reserves_four_trillion_cycles_under_a_threshold_of_360_days():
    a_year = with_settings(freezing_threshold_seconds=31_104_000)
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=GIB)
    assert estimate(a_year, work, costs=DEFAULT_COSTS).snapshot_reserve == 3_950_208_000_000


def test_the_install_asks_for_most_and_going_back_comes_after_it():
    work = Work(messages=8, payload_bytes=1_000, snapshot_bytes=MIB, code_bytes=MIB)
    cycles = estimate(status(), work, costs=DEFAULT_COSTS)
    before = cycles.freezing_reserve + cycles.ingress + cycles.snapshot + cycles.snapshot_reserve
    assert cycles.install_reserve > cycles.install + cycles.going_back > 0
    assert cycles.required == cycles.required_going_back == before + cycles.install_reserve


def test_a_way_back_that_cannot_be_paid_leaves_the_operation_payable():
    a_year = with_settings(freezing_threshold_seconds=31_104_000)
    work = Work(messages=8, payload_bytes=0, snapshot_bytes=GIB)
    needed = estimate(a_year, work, costs=DEFAULT_COSTS)
    assert needed.going_back > needed.snapshot_reserve > needed.install_reserve
    just_enough = estimate(replace(a_year, cycles=needed.required), work, costs=DEFAULT_COSTS)
    assert (just_enough.ok, just_enough.going_back_ok) == (True, False)
    rich = replace(a_year, cycles=needed.required_going_back)
    assert estimate(rich, work, costs=DEFAULT_COSTS).going_back_ok
    poor = replace(a_year, cycles=needed.required - 1)
    assert not estimate(poor, work, costs=DEFAULT_COSTS).ok


def test_a_much_larger_module_needs_more_than_is_set_aside():
    a_year = with_settings(freezing_threshold_seconds=31_104_000)
    work = Work(messages=8, payload_bytes=0, growth_bytes=99 * MIB)
    cycles = estimate(a_year, work, costs=DEFAULT_COSTS)
    grown = DEFAULT_COSTS.storage(99 * MIB, 31_104_000)
    assert cycles.install_reserve == cycles.install + grown > 300_005_000_000


def test_what_is_stored_within_the_allocation_is_paid_for_already():
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=5 * MIB)
    allocated = with_settings(memory_allocation_bytes=100 * MIB)
    assert estimate(allocated, work, costs=DEFAULT_COSTS).snapshot_reserve == 0
    almost = with_settings(memory_allocation_bytes=12 * MIB)
    assert estimate(almost, work, costs=DEFAULT_COSTS).snapshot_reserve == DEFAULT_COSTS.storage(
        3 * MIB, 2_592_000
    )


def test_what_is_reserved_pays_for_what_is_stored_more():
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=5 * MIB)
    reserved = replace(status(), reserved_cycles=10**15)
    cycles = estimate(reserved, work, costs=DEFAULT_COSTS)
    assert cycles.freezing_reserve == cycles.snapshot_reserve == 0


def test_a_snapshot_in_place_of_another_and_an_emptied_chunk_store_cost_less_to_keep():
    work = Work(messages=1, payload_bytes=0, uploads=2, snapshot_bytes=5 * MIB)

    def kept(**changes):
        return estimate(status(), replace(work, **changes), costs=DEFAULT_COSTS).snapshot_reserve

    def storage(mebibytes):
        return DEFAULT_COSTS.storage(mebibytes * MIB, 2_592_000)

    assert kept() == storage(7)
    assert kept(cleared_bytes=MIB) == storage(6)
    assert kept(freed_bytes=3 * MIB) == storage(4)
    assert kept(freed_bytes=9 * MIB) == storage(2), "the chunks are there before"


def test_a_load_by_hand_is_part_of_the_operation():
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=MIB, installs=False, loaded_bytes=MIB)
    cycles = estimate(status(), work, costs=DEFAULT_COSTS)
    assert cycles.install_reserve == DEFAULT_COSTS.load(MIB, code_bytes=MIB) > 5_000_000_000
    assert cycles.going_back == 0
    without = estimate(status(), replace(work, loaded_bytes=None), costs=DEFAULT_COSTS)
    assert cycles.required == without.required + cycles.install_reserve


def test_loading_a_packed_module_compiles_all_of_it():
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=MIB, old_code_bytes=4 * MIB)
    packed = estimate(status(), work, costs=DEFAULT_COSTS).going_back
    plain = estimate(status(), replace(work, old_code_bytes=None), costs=DEFAULT_COSTS).going_back
    assert packed - plain == 3 * MIB * DEFAULT_COSTS.compile_byte_cycles


def test_prices_grow_with_the_nodes_of_the_subnet():
    large = CostProfile(nodes=34)
    assert large.snapshot(0) == 2_000_000_000 * 34 // 13
    assert large.ingress(1, 0) == DEFAULT_COSTS.ingress(1, 0) * 34 // 13
    assert large.install_limit(is_memory64=True) == 600_005_000_000 * 34 // 13


def test_a_network_may_charge_nothing():
    work = Work(messages=9, payload_bytes=9, uploads=9, snapshot_bytes=GIB, code_bytes=MIB)
    cycles = estimate(status(idle_cycles_burned_per_day=0), work, costs=CostProfile(nodes=0))
    assert cycles.required == cycles.required_going_back == 0


def test_the_newer_price_of_storage_can_be_said():
    newer = replace(DEFAULT_COSTS, storage_gib_second_cycles=317_500)
    # A worked figure: 317,500 cycles for each of 2,592,000 seconds.
    assert newer.storage_of_30_days(GIB) == 822_960_000_000


def test_a_64_bit_module_sets_twice_as_much_aside():
    work = Work(messages=8, payload_bytes=0)
    narrow = estimate(status(), work, costs=DEFAULT_COSTS)
    wide = estimate(status(), replace(work, is_memory64=True), costs=DEFAULT_COSTS)
    assert narrow.install_reserve == 300_005_000_000
    assert wide.install_reserve == 600_005_000_000


def test_without_a_snapshot_there_is_no_cost_of_going_back():
    cycles = estimate(status(), Work(messages=8, payload_bytes=0), costs=DEFAULT_COSTS)
    assert cycles.snapshot == cycles.snapshot_reserve == cycles.going_back == 0
