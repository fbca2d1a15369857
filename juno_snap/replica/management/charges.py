"""What things cost on the network. Nothing is charged here; the figures are for display.

Fees of ingress messages, instructions, storage and snapshots belong here when they are charged.
Figures are those of a 13-node application subnet. Source: developer docs, "Cycles costs".
"""

from typing import Final

from juno_snap.units import GIB

STORAGE_CYCLES_PER_GIB_SECOND: Final = 127_000
COMPUTE_CYCLES_PER_PERCENT_SECOND: Final = 10_000_000
SECONDS_PER_DAY: Final = 86_400


def idle_cycles_burned_per_day(*, memory_bytes: int, compute_percent: int) -> int:
    """What a canister that does nothing costs in a day."""
    storage = memory_bytes * STORAGE_CYCLES_PER_GIB_SECOND * SECONDS_PER_DAY // GIB
    return storage + compute_percent * COMPUTE_CYCLES_PER_PERCENT_SECOND * SECONDS_PER_DAY
