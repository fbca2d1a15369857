"""The subnet: one deterministic machine from calls and their times to replies and new state.

Belongs to one thread. Nothing in here reads a clock or draws a random number: the same calls at the
same times give the same state. Whoever feeds it checks signatures, expiry and duplicates before.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, final

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.accounts import (
    OUT_OF_CYCLES,
    check_affordable,
    is_frozen,
    spend,
)
from juno_snap.replica.execution import (
    Environment,
    InstalledCode,
    Message,
    Outcome,
    inspect_message,
    run_query,
    run_update,
)
from juno_snap.replica.fees import ingress_cycles
from juno_snap.replica.management.call import Network, canister_not_found
from juno_snap.replica.management.dispatch import Management
from juno_snap.replica.management.install import environment_of, no_code
from juno_snap.replica.paid_runs import run_paid
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import DEFAULT_RULES, Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Canister, Status, SubnetState, memory_use
from juno_snap.replica.upkeep import let_time_pass
from juno_snap.wire.envelope import CallContent, QueryContent

REJECTED_BY_CODE: Final = "IC0406"
"""The code itself answered with a reject: the message ended well and its changes are kept."""


ENVELOPE_BYTES: Final = 400
"""About what a call has beside method and argument, where nobody says how large it came in."""


@final
class Subnet:
    """All canisters, the management canister included."""

    def __init__(
        self,
        state: SubnetState,
        engine: Engine,
        *,
        root_key_der: bytes,
        subnet_id: Principal,
        rules: Rules = DEFAULT_RULES,
    ) -> None:
        self.state: Final = state
        self._rules = rules
        self._network = Network(
            engine=engine, subnet_id=subnet_id, root_key_der=root_key_der, rules=rules
        )
        self._management = Management(network=self._network, state=state)

    @property
    def canisters(self) -> Mapping[Principal, Canister]:
        """All canisters by id."""
        return self.state.canisters

    @property
    def time_ns(self) -> int:
        """Time of the newest call; never goes back."""
        return self.state.time_ns

    def accept(
        self,
        call: CallContent,
        effective_canister_id: Principal,
        *,
        size_bytes: int | None = None,
    ) -> None:
        """The ingress filter: whether a call may wait for a round.

        ``size_bytes`` is what came in, signature included; without it an estimate is charged.

        Source: dfinity/ic, ``execution_environment.rs``, ``should_accept_ingress_message``.

        Raises:
            Reject: It may not; the answer is not certified.
        """
        if call.canister_id == MANAGEMENT_CANISTER:
            self._management.accept(
                call.method_name,
                call.arg,
                call.sender,
                effective_canister_id,
                size_bytes=_size_of(call, size_bytes),
            )
            return
        canister = self._existing(call.canister_id)
        fee = ingress_cycles(_size_of(call, size_bytes))
        check_affordable(canister, fee, self._rules, sender=call.sender)
        if canister.code is None:
            raise Reject("IC0537", "Requested canister has no wasm module")
        if canister.status is not Status.RUNNING:
            raise _not_running(canister, "is not running")
        environment = environment_of(canister, self._network, time_ns=self.time_ns)
        inspect_message(canister.code, environment, _message(call))

    def execute(self, call: CallContent, time_ns: int, *, size_bytes: int | None = None) -> bytes:
        """Execute a call inside a round; what the filter checked is checked again.

        Raises:
            Reject: The outcome is a reject. State has changed only where the code itself rejected,
                and by what the call cost.
        """
        let_time_pass(self.state, time_ns, self._rules)
        size = _size_of(call, size_bytes)
        if call.canister_id == MANAGEMENT_CANISTER:
            return self._management.execute(
                call.method_name, call.arg, call.sender, time_ns=time_ns, size_bytes=size
            )
        canister = self._existing(call.canister_id)
        fee, used = ingress_cycles(size), memory_use(canister).total
        check_affordable(canister, fee, self._rules, sender=call.sender, memory_bytes=used)
        spend(canister, fee, "ingress_induction")
        if canister.status is not Status.RUNNING:
            raise _not_running(canister, f"is {canister.status.name.lower()}")
        if canister.code is None:
            raise no_code(canister.canister_id)
        outcome = run_paid(
            canister,
            canister.code,
            self._network,
            partial(_run_update, canister.code, _message(call)),
            sender=call.sender,
            time_ns=time_ns,
            memory_bytes=used,
        )
        canister.log(outcome.logs, at_ns=time_ns)
        if outcome.reject is None or outcome.reject.error_code == REJECTED_BY_CODE:
            canister.version += 1
        return _answer(outcome.reply, outcome.reject)

    def query(
        self,
        query: QueryContent,
        time_ns: int,
        data_certificate: Callable[[Principal], bytes],
    ) -> bytes:
        """Answer a query; nothing changes but the statistics.

        ``data_certificate`` is asked only if the code asks.

        Raises:
            Reject: The answer is a reject.
        """
        if query.canister_id == MANAGEMENT_CANISTER:
            return self._management.query(
                query.method_name, query.arg, query.sender, time_ns=time_ns
            )
        canister = self._existing(query.canister_id)
        if canister.status is Status.STOPPED:
            raise _not_running(
                canister, "is stopped and therefore does not have a CallContextManager"
            )
        if canister.code is None:
            raise no_code(canister.canister_id)
        if is_frozen(canister, self._rules):
            raise Reject(
                OUT_OF_CYCLES,
                f"Canister {canister.canister_id} is unable to process query calls because it's "
                "frozen. Please top up the canister with cycles and try again.",
            )
        environment = replace(
            environment_of(canister, self._network, time_ns=time_ns),
            data_certificate=partial(data_certificate, canister.canister_id),
        )
        outcome = run_query(canister.code, environment, _message(query))
        stats = canister.query_stats
        stats.num_calls += 1
        stats.num_instructions += outcome.instructions
        stats.request_payload_bytes += len(query.arg)
        stats.response_payload_bytes += len(outcome.reply or b"")
        return _answer(outcome.reply, outcome.reject)

    def _existing(self, canister_id: Principal) -> Canister:
        canister = self.state.canisters.get(canister_id)
        if canister is None:
            raise canister_not_found(canister_id)
        return canister


def _run_update(code: InstalledCode, message: Message, environment: Environment) -> Outcome:
    return run_update(code, environment, message)


def _size_of(call: CallContent, size_bytes: int | None) -> int:
    if size_bytes is not None:
        return size_bytes
    return len(call.arg) + len(call.method_name) + ENVELOPE_BYTES


def _message(content: CallContent | QueryContent) -> Message:
    return Message(method=content.method_name, arg=content.arg, caller=content.sender)


def _answer(reply: bytes | None, reject: Reject | None) -> bytes:
    if reject is not None:
        raise reject
    return reply or b""


def _not_running(canister: Canister, how: str) -> Reject:
    error_code = "IC0509" if canister.status is Status.STOPPING else "IC0508"
    return Reject(error_code, f"Canister {canister.canister_id} {how}")
