"""What time does to canisters: storage and computing are paid, debits of rate limits are paid off.

Time is the certified time of rounds: nothing happens while there are none, and the next one then
begins with all of it done.
"""

import logging
from typing import Final

from juno_snap.replica.accounts import Use, spend
from juno_snap.replica.fees import (
    SECONDS_PER_DAY,
    compute_cycles_per_day,
    storage_cycles_per_day,
)
from juno_snap.replica.management.lifecycle import uninstall_for_lack_of_cycles
from juno_snap.replica.rate_limits import let_rounds_pass
from juno_snap.replica.rules import Rules
from juno_snap.replica.state import Canister, SubnetState, memory_use
from juno_snap.units import NS_PER_SECOND

CHARGED_EVERY_SECONDS: Final = 10
"""Source: dfinity/ic, ``subnet_config.rs``, ``duration_between_allocation_charges``."""

_logger: Final = logging.getLogger(__name__)


def let_time_pass(state: SubnetState, time_ns: int, rules: Rules) -> None:
    """Bring all canisters up to ``time_ns``. To be called before the round of that time."""
    state.time_ns = max(state.time_ns, time_ns)
    let_rounds_pass(state, time_ns, rules)
    if state.charged_until_ns is None:
        state.charged_until_ns = time_ns
    seconds = (time_ns - state.charged_until_ns) // NS_PER_SECOND
    if seconds < CHARGED_EVERY_SECONDS:
        return
    state.charged_until_ns += seconds * NS_PER_SECOND
    for canister in state.canisters.values():
        if not _charge(canister, seconds, rules):
            _logger.warning("canister %s ran out of cycles: uninstalled", canister.canister_id)
            uninstall_for_lack_of_cycles(state, canister)


def _charge(canister: Canister, seconds: int, rules: Rules) -> bool:
    """Whether the canister could pay for so long; these costs may use up all it has."""
    settings = canister.settings
    used = max(memory_use(canister).total, settings.memory_allocation_bytes)
    per_day: dict[Use, int] = {
        "memory": storage_cycles_per_day(
            used, cycles_per_gib_second=rules.storage_cycles_per_gib_second
        ),
        "compute_allocation": compute_cycles_per_day(settings.compute_allocation_percent),
    }
    for use, cycles_per_day in per_day.items():
        cycles = cycles_per_day * seconds // SECONDS_PER_DAY
        if cycles > canister.cycles:
            return False
        spend(canister, cycles, use)
    return True
