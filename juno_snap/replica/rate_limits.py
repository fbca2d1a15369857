"""How much a canister may change and install in a while, where ``Rules`` ask for such limits.

The network counts two debits of each canister: bytes of memory that were written, and instructions
of ``install_code``. Each round pays off a part of them. A canister whose debit is too high is told
to try again later. Here a round passes with each second of certified time, about as on the network,
also while the replica is not running; and every 500 rounds the network writes a checkpoint, after
which memory that was not touched since is no longer part of a snapshot's heap delta.

Source: dfinity/ic, ``rs/config/src/subnet_config.rs``, ``scheduler.rs``, ``canister_manager.rs``.
What is left out: an update call to a canister with too high a debit waits on the network; here it
is executed.
"""

from typing import Final

from juno_snap.replica.execution import InstalledCode
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import Rules
from juno_snap.replica.snapshots import Snapshot
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.units import CHUNK_MAX_BYTES, MIB, NS_PER_SECOND

HEAP_DELTA_BYTES_PER_ROUND: Final = 75 * MIB
"""Both the limit of the debit and what a round pays off."""

INSTALL_INSTRUCTIONS_PER_ROUND: Final = 2_000_000_000
ROUND_NS: Final = NS_PER_SECOND
CHECKPOINT_ROUNDS: Final = 500


def check_heap_delta(canister: Canister, rules: Rules) -> None:
    """Check that the canister may take or load a snapshot now.

    Raises:
        Reject: IC0210.
    """
    if _changed_too_much(canister, rules):
        raise Reject(
            "IC0210",
            f"Canister {canister.canister_id} is heap delta rate limited: current delta debit is "
            f"{canister.heap_delta_debit_bytes}, but limit is {HEAP_DELTA_BYTES_PER_ROUND}.",
        )


def heap_delta_complaint(canister: Canister, rules: Rules) -> str | None:
    """What is said of the same where chunks and data of snapshots are uploaded; None: nothing."""
    if not _changed_too_much(canister, rules):
        return None
    return (
        "Canister is heap delta rate limited. Current delta debit: "
        f"{canister.heap_delta_debit_bytes}, limit: {HEAP_DELTA_BYTES_PER_ROUND}"
    )


def check_install(canister: Canister, rules: Rules) -> None:
    """Check that code may be installed now: any debit forbids it.

    Raises:
        Reject: IC0209.
    """
    if rules.rate_limits and canister.install_debit_instructions > 0:
        raise Reject(
            "IC0209",
            f"Canister {canister.canister_id} is rate limited because it executed too many "
            "instructions in the previous install_code messages. Please retry installation after "
            "several minutes.",
        )


def add_heap_delta(canister: Canister, changed_bytes: int, rules: Rules) -> None:
    """Count memory that was written."""
    if rules.rate_limits:
        canister.heap_delta_debit_bytes += changed_bytes


def add_install(canister: Canister, instructions: int, rules: Rules) -> None:
    """Count what an installation used, however it ended."""
    if rules.rate_limits:
        canister.install_debit_instructions += instructions


def written_bytes(code: InstalledCode) -> int:
    """A count that grows by what each message writes to memory."""
    return code.heap.written_bytes + code.stable.written_bytes


def snapshot_delta_bytes(snapshot: Snapshot) -> int:
    """What a snapshot adds to the debit of a canister that takes or loads it.

    What its memories have written since the network's last checkpoint, and its chunks.
    """
    heap, stable = snapshot.heap, snapshot.stable
    memories = min(heap.written_bytes, heap.size_bytes) + min(
        stable.written_bytes, stable.size_bytes
    )
    return memories + len(snapshot.chunks) * CHUNK_MAX_BYTES


def let_rounds_pass(state: SubnetState, time_ns: int, rules: Rules) -> None:
    """Pay off what the rounds up to ``time_ns`` pay off."""
    if not rules.rate_limits:
        return
    rounds = (time_ns - state.rounds_counted_until_ns) // ROUND_NS
    if rounds <= 0:
        return
    for canister in state.canisters.values():
        canister.heap_delta_debit_bytes = max(
            canister.heap_delta_debit_bytes - rounds * HEAP_DELTA_BYTES_PER_ROUND, 0
        )
        canister.install_debit_instructions = max(
            canister.install_debit_instructions - rounds * INSTALL_INSTRUCTIONS_PER_ROUND, 0
        )
    before = state.rounds_counted_until_ns // ROUND_NS
    if (before + rounds) // CHECKPOINT_ROUNDS > before // CHECKPOINT_ROUNDS:
        _flush(state)
    state.rounds_counted_until_ns += rounds * ROUND_NS


def _changed_too_much(canister: Canister, rules: Rules) -> bool:
    return rules.rate_limits and canister.heap_delta_debit_bytes >= HEAP_DELTA_BYTES_PER_ROUND


def _flush(state: SubnetState) -> None:
    for canister in state.canisters.values():
        for memories in (canister.code, *canister.snapshots.values()):
            if memories is not None:
                memories.heap.written_bytes = memories.stable.written_bytes = 0
