"""What management calls cost, and whether the canister can pay, in the network's order and words.

Source: dfinity/ic, ``canister_manager.rs``, ``cycles_and_memory_usage_checks`` and its callers.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.replica.accounts import (
    OUT_OF_CYCLES,
    freezing_limit,
    settle,
    shortage,
    spend,
)
from juno_snap.replica.fees import execution_cycles, ingress_cycles
from juno_snap.replica.management.call import Call
from juno_snap.replica.rate_limits import add_install
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister, memory_use
from juno_snap.units import GIB

SUBNET_MEMORY_BYTES: Final = 2048 * GIB
"""Memory of the whole subnet. Source: developer docs, "Resource limits"."""

UPDATE_SETTINGS_CHARGED_LATER_BYTES: Final = 366
"""The fee of an ``update_settings`` with an argument up to this size is taken after the change, so
that a canister can be thawed by it. Source: dfinity/ic, ``cycles_account_manager.rs``."""


@final
@dataclass(slots=True)
class Meter:
    """Instructions that count for an installation."""

    instructions: int = 0
    """For compiling and putting together."""
    code_instructions: int = 0
    """Used by the old code and the new."""


@contextlib.contextmanager
def paid_installation(call: Call, *, is_64_bit: bool) -> Iterator[Meter]:
    """Set cycles aside for all that an installation may use; take what it used, also if it fails.

    Raises:
        Reject: IC0207, the canister cannot pay; nothing is charged.
    """
    canister, rules = call.canister, call.network.rules
    prepaid = execution_cycles(rules.install_instructions, is_64_bit=is_64_bit)
    text = shortage(canister, prepaid, rules, sender=call.sender)
    if text is not None:
        raise Reject(OUT_OF_CYCLES, f"Canister installation failed with `{text}`.")
    spend(canister, prepaid, "instructions")
    meter = Meter()
    try:
        yield meter
    except Reject as reject:
        meter.code_instructions += reject.instructions
        raise
    finally:
        total = meter.instructions + meter.code_instructions
        settle(canister, prepaid, instructions=total, is_64_bit=is_64_bit)
        add_install(canister, total, rules)
        if rules.on_installation is not None:
            rules.on_installation(canister.canister_id, meter.code_instructions)


def ingress_fee(method_name: str, payload: bytes, size_bytes: int) -> int:
    """What a management call of that size costs its canister before it runs.

    A top-up is free, unlike on the network: there cycles come from other canisters, and a canister
    that is out of cycles can be helped.
    """
    if method_name == "provisional_top_up_canister" or _is_charged_later(method_name, payload):
        return 0
    return ingress_cycles(size_bytes)


def late_ingress_fee(method_name: str, payload: bytes) -> int:
    """What a user's management call costs its canister after it ran."""
    if not _is_charged_later(method_name, payload):
        return 0
    return ingress_cycles(len(payload) + len(method_name))


def _is_charged_later(method_name: str, payload: bytes) -> bool:
    return method_name == "update_settings" and len(payload) <= UPDATE_SETTINGS_CHARGED_LATER_BYTES


def charge_snapshot_work(call: Call, instructions: int) -> None:
    """Take the cycles for work on a snapshot; they are gone whatever comes of it.

    Raises:
        Reject: IC0207, the canister cannot pay.
    """
    text = shortage(call.canister, instructions, call.network.rules, sender=call.sender)
    if text is not None:
        raise snapshotting_failed(text)
    spend(call.canister, instructions, "instructions")


def check_memory_and_cycles(call: Call, *, more_bytes: int, instructions: int = 0) -> None:
    """Check that the subnet has so much more memory, and the canister the cycles for it.

    ``instructions`` are what the change itself costs.

    Raises:
        Reject: IC0101, IC0532, IC0207.
    """
    canister, rules = call.canister, call.network.rules
    used = memory_use(canister).total
    allocated = allocated_bytes(canister, used + more_bytes) - allocated_bytes(canister, used)
    available = available_bytes(call.state.canisters.values())
    if allocated > available:
        raise oversubscribed(allocated, available)
    check_not_frozen(canister, freezing_limit(canister, rules, used + more_bytes), allocated)
    text = shortage(
        canister, instructions, rules, sender=call.sender, memory_bytes=used + more_bytes
    )
    if text is not None:
        raise snapshotting_failed(text)


def check_not_frozen(canister: Canister, limit: int, allocated: int) -> None:
    """Check that a canister has the cycles that ``allocated`` more bytes of memory ask to stay.

    Raises:
        Reject: IC0532.
    """
    if canister.cycles < limit:
        raise Reject(
            "IC0532",
            f"Canister cannot grow memory by {max(allocated, 0)} bytes due to insufficient cycles. "
            f"At least {limit - canister.cycles:_} additional cycles are required.",
        )


def snapshotting_failed(text: str) -> Reject:
    """The reject of a canister that cannot pay for work on a snapshot."""
    return Reject(OUT_OF_CYCLES, f"Canister snapshotting failed with: `{text}`")


def allocated_bytes(canister: Canister, used_bytes: int) -> int:
    """What a canister that uses so much takes of the subnet's memory."""
    return max(canister.settings.memory_allocation_bytes, used_bytes)


def available_bytes(canisters: Iterable[Canister]) -> int:
    """What these canisters leave of the subnet's memory."""
    taken = sum(allocated_bytes(each, memory_use(each).total) for each in canisters)
    return max(SUBNET_MEMORY_BYTES - taken, 0)


def oversubscribed(requested: int, available: int) -> Reject:
    """The reject of memory that the subnet does not have."""
    return Reject(
        "IC0101",
        f"Canister requested {requested / GIB:.2f} GiB of memory but only {available / GIB:.2f} "
        "GiB are available in the subnet.",
    )
