"""The prices, as the network's documents and its configuration have them."""

import pytest

from juno_snap.replica import fees
from juno_snap.units import GIB

BILLION = 10**9


@pytest.mark.parametrize(
    ("size_bytes", "cycles"), [(0, 1_200_000), (1, 1_202_000), (2_000_000, 4_001_200_000)]
)
def test_a_message_of_a_user_costs_by_its_size(size_bytes, cycles):
    assert fees.ingress_cycles(size_bytes) == cycles


def test_an_instruction_of_a_64_bit_canister_costs_twice_as_much():
    assert fees.execution_cycles(0, is_64_bit=False) == 5_000_000
    assert fees.execution_cycles(0, is_64_bit=True) == 5_000_000
    assert fees.execution_cycles(40 * BILLION, is_64_bit=False) == 40_005_000_000
    assert fees.execution_cycles(40 * BILLION, is_64_bit=True) == 80_005_000_000


def test_a_gib_for_thirty_days_costs_a_third_of_a_trillion():
    per_day = fees.storage_cycles_per_day(GIB, cycles_per_gib_second=127_000)
    assert per_day == 127_000 * 86_400
    assert 30 * per_day == 329_184_000_000


def test_a_percent_of_computing_costs_ten_million_a_second():
    assert fees.compute_cycles_per_day(1) == 864_000_000_000
    assert fees.compute_cycles_per_day(100) == 100 * fees.compute_cycles_per_day(1)


def test_compiling_counts_six_thousand_for_each_estimated_instruction():
    assert fees.compile_instructions(0) == 0
    assert fees.compile_instructions(21) == 10 * 6_000
    assert 6 * BILLION < fees.compile_instructions(2_288_504) < 7 * BILLION
