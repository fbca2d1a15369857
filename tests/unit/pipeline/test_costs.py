from dataclasses import replace

from juno_snap.pipeline.costs import (
    DEFAULT_COSTS,
    Work,
    estimate,
    freezing_reserve_cycles,
    snapshot_size_bytes,
)
from juno_snap.units import GIB, MIB
from tests.unit.pipeline.values import status


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
    seen = status()
    a_year = replace(seen, settings=replace(seen.settings, freezing_threshold_seconds=31_104_000))
    work = Work(messages=1, payload_bytes=0, snapshot_bytes=GIB)
    assert estimate(a_year, work, costs=DEFAULT_COSTS).snapshot_reserve == 3_950_208_000_000


def test_install_and_going_back_are_not_needed_at_the_same_time():
    work = Work(messages=8, payload_bytes=1_000, snapshot_bytes=MIB)
    cycles = estimate(status(), work, costs=DEFAULT_COSTS)
    assert cycles.install_reserve > cycles.going_back > 0
    assert cycles.required == (
        cycles.freezing_reserve
        + cycles.ingress
        + cycles.snapshot
        + cycles.snapshot_reserve
        + cycles.install_reserve
    )


def test_a_64_bit_module_sets_twice_as_much_aside():
    work = Work(messages=8, payload_bytes=0)
    narrow = estimate(status(), work, costs=DEFAULT_COSTS)
    wide = estimate(status(), replace(work, is_memory64=True), costs=DEFAULT_COSTS)
    assert wide.install_reserve == 2 * narrow.install_reserve


def test_without_a_snapshot_there_is_no_cost_of_going_back():
    cycles = estimate(status(), Work(messages=8, payload_bytes=0), costs=DEFAULT_COSTS)
    assert cycles.snapshot == cycles.snapshot_reserve == cycles.going_back == 0
