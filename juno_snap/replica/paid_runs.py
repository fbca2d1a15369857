"""Running a canister's code for cycles: set aside before, settled after."""

from collections.abc import Callable

from juno_snap.ids import Principal
from juno_snap.replica.accounts import prepay, settle, spend
from juno_snap.replica.execution import Environment, InstalledCode, Limits, Outcome
from juno_snap.replica.management.call import Network
from juno_snap.replica.management.install import environment_of
from juno_snap.replica.rate_limits import add_heap_delta, written_bytes
from juno_snap.replica.state import Canister


def run_paid(
    canister: Canister,
    code: InstalledCode,
    network: Network,
    run: Callable[[Environment], Outcome],
    *,
    sender: Principal,
    time_ns: int,
    memory_bytes: int | None = None,
) -> Outcome:
    """The outcome of ``run``, which gets the canister's surroundings without the cycles set aside.

    All that a message may use is set aside; what it used is taken, however it ends, and what it
    burned. ``memory_bytes`` is what the canister uses, where that is known.

    Raises:
        Reject: IC0207, the canister cannot pay; nothing ran.
    """
    is_64_bit, rules = code.module.shape.memory64, network.rules
    prepaid = prepay(
        canister,
        rules,
        instructions=Limits().update_instructions,
        is_64_bit=is_64_bit,
        sender=sender,
        memory_bytes=memory_bytes,
    )
    written = written_bytes(code)
    outcome = run(environment_of(canister, network, time_ns=time_ns))
    settle(canister, prepaid, instructions=outcome.instructions, is_64_bit=is_64_bit)
    spend(canister, outcome.cycles_burned, "burned_cycles")
    add_heap_delta(canister, written_bytes(code) - written, rules)
    return outcome
