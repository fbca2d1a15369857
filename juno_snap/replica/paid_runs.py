"""Running a canister's code for cycles: set aside before, settled after.

What runs the answer to a call is set aside with the call, together with what the transmission of
the call and of its answer may cost.
"""

from collections.abc import Callable
from dataclasses import replace

from juno_snap.ids import Principal
from juno_snap.replica.accounts import prepay, settle, spend
from juno_snap.replica.calls import Callback, Response
from juno_snap.replica.execution import Environment, InstalledCode, Limits, Outcome
from juno_snap.replica.fees import execution_cycles
from juno_snap.replica.management.call import Network
from juno_snap.replica.management.install import environment_of
from juno_snap.replica.rate_limits import add_heap_delta, written_bytes
from juno_snap.replica.state import Canister
from juno_snap.replica.system_api.cycles import transmission_cycles
from juno_snap.replica.system_api.session import REPLY_MAX_BYTES


def run_paid(
    canister: Canister,
    code: InstalledCode,
    network: Network,
    run: Callable[[Environment], Outcome],
    *,
    sender: Principal,
    time_ns: int,
) -> Outcome:
    """The outcome of ``run``, which gets the canister's surroundings without the cycles set aside.

    All that a message may use is set aside; what it used is taken, however it ends, and what it
    burned.

    Raises:
        Reject: IC0207, the canister cannot pay; nothing ran.
    """
    prepaid = prepay(
        canister,
        network.rules,
        instructions=Limits().update_instructions,
        is_64_bit=code.module.shape.memory64,
        sender=sender,
    )
    return run_prepaid(canister, code, network, run, prepaid_cycles=prepaid, time_ns=time_ns)


def run_prepaid(
    canister: Canister,
    code: InstalledCode,
    network: Network,
    run: Callable[[Environment], Outcome],
    *,
    prepaid_cycles: int,
    time_ns: int,
) -> Outcome:
    """The same where the cycles were set aside before, as for the answer to a call."""
    is_64_bit = code.module.shape.memory64
    written = written_bytes(code)
    environment = replace(
        environment_of(canister, network, time_ns=time_ns),
        callback_cycles=execution_cycles(Limits().update_instructions, is_64_bit=is_64_bit),
    )
    outcome = run(environment)
    settle(canister, prepaid_cycles, instructions=outcome.instructions, is_64_bit=is_64_bit)
    spend(canister, outcome.cycles_burned, "burned_cycles")
    add_heap_delta(canister, written_bytes(code) - written, network.rules)
    return outcome


def pay_for_calls(canister: Canister, outcome: Outcome) -> None:
    """Take what the calls of a run carry, and what is set aside for them."""
    for call in outcome.calls:
        canister.cycles -= call.cycles
        spend(canister, call.callback_cycles, "instructions")
        spend(canister, call.transmission_cycles, "request_and_response_transmission")


def refund_transmission(canister: Canister, callback: Callback, response: Response) -> None:
    """Give back what an answer did not use of what was set aside for its way."""
    if not callback.callback_cycles:
        return
    size = len(response.reply) + len(response.reject_message.encode())
    unused = transmission_cycles(REPLY_MAX_BYTES) - transmission_cycles(size)
    spend(canister, -max(unused, 0), "request_and_response_transmission")


def refund_callback(canister: Canister, callback: Callback) -> None:
    """Give back what was set aside for a callback that never runs, but for the message."""
    settle(canister, callback.callback_cycles, instructions=0, is_64_bit=False)
