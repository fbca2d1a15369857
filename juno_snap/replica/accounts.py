"""The cycles of a canister: what it may spend, and spending it.

A canister may spend what it has above its freezing limit: the cycles that keep it alive, idle, for
as long as its ``freezing_threshold`` says. Only storage and computing that is set aside go below.
Nothing is ever reserved, as on a subnet with memory to spare. Source: dfinity/ic,
``rs/cycles_account_manager``.
"""

from typing import Final, Literal, TypeAlias

from juno_snap.ids import Principal
from juno_snap.replica.fees import (
    SECONDS_PER_DAY,
    compute_cycles_per_day,
    execution_cycles,
    storage_cycles_per_day,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import Rules
from juno_snap.replica.state import Canister, Settings, memory_use

OUT_OF_CYCLES: Final = "IC0207"

Use: TypeAlias = Literal[
    "memory",
    "compute_allocation",
    "ingress_induction",
    "instructions",
    "request_and_response_transmission",
    "uninstall",
    "canister_creation",
    "http_outcalls",
    "burned_cycles",
]
"""What cycles are spent on, as ``canister_metrics`` has it."""


def idle_cycles_per_day(settings: Settings, memory_bytes: int, rules: Rules) -> int:
    """What a canister that uses so much memory and does nothing costs in a day."""
    storage = storage_cycles_per_day(
        max(memory_bytes, settings.memory_allocation_bytes),
        cycles_per_gib_second=rules.storage_cycles_per_gib_second,
    )
    return storage + compute_cycles_per_day(settings.compute_allocation_percent)


def freezing_limit_of(
    settings: Settings, memory_bytes: int, rules: Rules, *, reserved_cycles: int = 0
) -> int:
    """The cycles that have to stay where a canister has these settings and uses so much memory."""
    per_day = idle_cycles_per_day(settings, memory_bytes, rules)
    limit = per_day * settings.freezing_threshold_seconds // SECONDS_PER_DAY
    return max(limit - reserved_cycles, 0)


def freezing_limit(canister: Canister, rules: Rules, memory_bytes: int | None = None) -> int:
    """The cycles that have to stay; ``memory_bytes`` in place of what it uses now."""
    used = memory_use(canister).total if memory_bytes is None else memory_bytes
    return freezing_limit_of(
        canister.settings, used, rules, reserved_cycles=canister.reserved_cycles
    )


def is_frozen(canister: Canister, rules: Rules) -> bool:
    """Whether it has less than has to stay."""
    return canister.cycles < freezing_limit(canister, rules)


def shortage(
    canister: Canister,
    cycles: int,
    rules: Rules,
    *,
    sender: Principal,
    memory_bytes: int | None = None,
) -> str | None:
    """Why the canister cannot spend ``cycles``, in the network's words; None where it can.

    How much is missing is said to controllers only. ``memory_bytes`` as for ``freezing_limit``.
    """
    needed = cycles + freezing_limit(canister, rules, memory_bytes)
    if needed <= canister.cycles:
        return None
    text = f"Canister {canister.canister_id} is out of cycles"
    if sender not in canister.controllers:
        return text
    return (
        f"{text}: please top up the canister with at least {needed - canister.cycles:_} "
        "additional cycles"
    )


def check_affordable(
    canister: Canister,
    cycles: int,
    rules: Rules,
    *,
    sender: Principal,
    memory_bytes: int | None = None,
) -> None:
    """Check that the canister can spend ``cycles``; ``memory_bytes`` as for ``freezing_limit``.

    Raises:
        Reject: IC0207, it would freeze, or is frozen.
    """
    text = shortage(canister, cycles, rules, sender=sender, memory_bytes=memory_bytes)
    if text is not None:
        raise Reject(OUT_OF_CYCLES, text)


def spend(canister: Canister, cycles: int, use: Use) -> None:
    """Take cycles that the canister has; a negative number gives back."""
    canister.cycles -= cycles
    canister.consumed_cycles[use] = canister.consumed_cycles.get(use, 0) + cycles


def prepay(
    canister: Canister,
    rules: Rules,
    *,
    instructions: int,
    is_64_bit: bool,
    sender: Principal,
    memory_bytes: int | None = None,
) -> int:
    """Set the cycles aside for a message that may use so many instructions; how many they are.

    ``memory_bytes`` as for ``freezing_limit``.

    Raises:
        Reject: IC0207, the canister cannot pay.
    """
    cycles = execution_cycles(instructions, is_64_bit=is_64_bit)
    check_affordable(canister, cycles, rules, sender=sender, memory_bytes=memory_bytes)
    spend(canister, cycles, "instructions")
    return cycles


def settle(canister: Canister, prepaid_cycles: int, *, instructions: int, is_64_bit: bool) -> None:
    """Give back what the message that was paid for did not use."""
    cycles = execution_cycles(instructions, is_64_bit=is_64_bit)
    spend(canister, min(cycles - prepaid_cycles, 0), "instructions")
