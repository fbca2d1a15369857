"""The subnet: one deterministic machine from calls and their times to replies and new state.

Belongs to one thread. Nothing in here reads a clock or draws a random number: the same calls at the
same times give the same state. Whoever feeds it checks signatures, expiry and duplicates before.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, final

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.execution import Message, inspect_message, run_query, run_update
from juno_snap.replica.management.call import Network, canister_not_found
from juno_snap.replica.management.dispatch import Management
from juno_snap.replica.management.install import environment_of, no_code
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Canister, Status, SubnetState
from juno_snap.wire.envelope import CallContent, QueryContent

REJECTED_BY_CODE: Final = "IC0406"
"""The code itself answered with a reject: the message ended well and its changes are kept."""


@final
class Subnet:
    """All canisters, the management canister included."""

    def __init__(
        self, state: SubnetState, engine: Engine, *, root_key_der: bytes, subnet_id: Principal
    ) -> None:
        self.state: Final = state
        self._network = Network(engine=engine, subnet_id=subnet_id, root_key_der=root_key_der)
        self._management = Management(network=self._network, state=state)

    @property
    def canisters(self) -> Mapping[Principal, Canister]:
        """All canisters by id."""
        return self.state.canisters

    @property
    def time_ns(self) -> int:
        """Time of the newest call; never goes back."""
        return self.state.time_ns

    def accept(self, call: CallContent, effective_canister_id: Principal) -> None:
        """The ingress filter: whether a call may wait for a round.

        Source: dfinity/ic, ``execution_environment.rs``, ``should_accept_ingress_message``.

        Raises:
            Reject: It may not; the answer is not certified.
        """
        if call.canister_id == MANAGEMENT_CANISTER:
            self._management.accept(call.method_name, call.arg, call.sender, effective_canister_id)
            return
        canister = self._existing(call.canister_id)
        if canister.code is None:
            raise Reject("IC0537", "Requested canister has no wasm module")
        if canister.status is not Status.RUNNING:
            raise _not_running(canister, "is not running")
        environment = environment_of(canister, self._network, time_ns=self.time_ns)
        inspect_message(canister.code, environment, _message(call))

    def execute(self, call: CallContent, time_ns: int) -> bytes:
        """Execute a call inside a round; what the filter checked is checked again.

        Raises:
            Reject: The outcome is a reject. State has changed only where the code itself rejected.
        """
        self.state.time_ns = max(self.state.time_ns, time_ns)
        if call.canister_id == MANAGEMENT_CANISTER:
            return self._management.execute(
                call.method_name, call.arg, call.sender, time_ns=time_ns
            )
        canister = self._existing(call.canister_id)
        if canister.status is not Status.RUNNING:
            raise _not_running(canister, f"is {canister.status.name.lower()}")
        if canister.code is None:
            raise no_code(canister.canister_id)
        environment = environment_of(canister, self._network, time_ns=time_ns)
        outcome = run_update(canister.code, environment, _message(call))
        canister.log(outcome.logs, at_ns=time_ns)
        canister.cycles -= outcome.cycles_burned
        if outcome.reject is None or outcome.reject.error_code == REJECTED_BY_CODE:
            canister.version += 1
        return _answer(outcome.reply, outcome.reject)

    def query(
        self,
        query: QueryContent,
        time_ns: int,
        data_certificate: Callable[[Principal], bytes],
    ) -> bytes:
        """Answer a query; nothing changes. ``data_certificate`` is asked only if the code asks.

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
        environment = replace(
            environment_of(canister, self._network, time_ns=time_ns),
            data_certificate=partial(data_certificate, canister.canister_id),
        )
        outcome = run_query(canister.code, environment, _message(query))
        return _answer(outcome.reply, outcome.reject)

    def _existing(self, canister_id: Principal) -> Canister:
        canister = self.state.canisters.get(canister_id)
        if canister is None:
            raise canister_not_found(canister_id)
        return canister


def _message(content: CallContent | QueryContent) -> Message:
    return Message(method=content.method_name, arg=content.arg, caller=content.sender)


def _answer(reply: bytes | None, reject: Reject | None) -> bytes:
    if reject is not None:
        raise reject
    return reply or b""


def _not_running(canister: Canister, how: str) -> Reject:
    error_code = "IC0509" if canister.status is Status.STOPPING else "IC0508"
    return Reject(error_code, f"Canister {canister.canister_id} {how}")
