"""The subnet: one deterministic machine from calls and their times to outcomes and new state.

Belongs to one thread. Nothing in here reads a clock or draws a random number: the same calls at the
same times give the same state. Whoever feeds it checks signatures, expiry and duplicates before.

Calls wait in one queue, with the messages that canisters send each other; so two canisters see each
other's messages in order. A round executes the queue until it is empty or the round has done its
share of work; the rest is for the next one. On the network a call to the management canister takes
effect with the next round, and one message may take many: both are not modelled.
"""

from collections.abc import Callable, Mapping
from typing import Final, final

from juno_snap.ids import MANAGEMENT_CANISTER, Principal, RequestId
from juno_snap.replica.accounts import check_affordable
from juno_snap.replica.answers import expire, next_expiry_ns
from juno_snap.replica.calls import Answer, FromUser, Request
from juno_snap.replica.composite import CompositeQuery
from juno_snap.replica.delivery import (
    HEARTBEAT,
    HEARTBEAT_NS,
    TIMER,
    Delivery,
    not_running,
    running,
)
from juno_snap.replica.execution import Message, inspect_message
from juno_snap.replica.fees import ingress_cycles
from juno_snap.replica.management.call import Network, canister_not_found
from juno_snap.replica.management.dispatch import Management
from juno_snap.replica.management.install import environment_of
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import DEFAULT_RULES, Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import Canister, Status, SubnetState
from juno_snap.replica.upkeep import let_time_pass
from juno_snap.wire.envelope import CallContent, QueryContent

ROUND_INSTRUCTIONS: Final = 4_000_000_000
MESSAGE_INSTRUCTIONS: Final = 2_000_000
"""What a message counts beside its own instructions, so that a round has 2,000 messages at most.
Source: dfinity/ic, ``rs/config/src/subnet_config.rs``."""


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
        """Time of the newest round; never goes back."""
        return self.state.time_ns

    @property
    def has_work(self) -> bool:
        """Whether messages wait for another round."""
        return bool(self.state.queue)

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
        canister = self.state.canisters.get(call.canister_id)
        if canister is None:
            raise canister_not_found(call.canister_id)
        fee = ingress_cycles(_size_of(call, size_bytes))
        check_affordable(canister, fee, self._rules, sender=call.sender)
        if canister.code is None:
            raise Reject("IC0537", "Requested canister has no wasm module")
        if canister.status is not Status.RUNNING:
            raise not_running(canister, "is not running")
        environment = environment_of(canister, self._network, time_ns=self.time_ns)
        message = Message(method=call.method_name, arg=call.arg, caller=call.sender)
        inspect_message(canister.code, environment, message)

    def submit(
        self,
        request_id: RequestId,
        call: CallContent,
        time_ns: int,
        *,
        size_bytes: int | None = None,
    ) -> None:
        """Put a call into the queue for the round of that time, for a fee.

        What the filter checked is checked again; a call that is refused ends with that round.
        """
        let_time_pass(self.state, time_ns, self._rules)
        request = Request(
            origin=FromUser(request_id=request_id, sender=call.sender),
            receiver=call.canister_id,
            method=call.method_name,
            arg=call.arg,
            expires_at_ns=call.ingress_expiry_ns,
        )
        self._delivery().induct(request, _size_of(call, size_bytes))

    def run_round(self, time_ns: int) -> list[tuple[RequestId, Answer]]:
        """Run timers and heartbeats, then what is in the queue; the outcomes that came of it.

        An outcome may be that of a call of an earlier round; a call may have none yet.
        """
        state = self.state
        let_time_pass(state, time_ns, self._rules)
        delivery = self._delivery()
        expire(state, state.time_ns)
        done = delivery.run_tasks()
        while state.queue and done < ROUND_INSTRUCTIONS:
            done += MESSAGE_INSTRUCTIONS + delivery.deliver(state.queue.popleft())
        ended = list(state.ended)
        state.ended.clear()
        return ended

    def take_managed(self) -> bool:
        """Whether a management call has changed a canister since this was last asked.

        It may have been a user's or a canister's.
        """
        managed, self.state.was_managed = self.state.was_managed, False
        return managed

    def next_wake_ns(self) -> int | None:
        """When a round has something to do even if no call comes; None: never."""
        state = self.state
        times = [next_expiry_ns(canister) for canister in state.canisters.values()]
        for _, code in running(state):
            if TIMER in code.module.shape.entry_points:
                times.append(code.global_timer_ns or None)
            if HEARTBEAT in code.module.shape.entry_points:
                times.append(state.last_heartbeat_ns + HEARTBEAT_NS)
        return min((each for each in times if each is not None), default=None)

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
        return CompositeQuery(
            state=self.state,
            management=self._management,
            time_ns=time_ns,
            data_certificate=data_certificate,
        ).run(query)

    def _delivery(self) -> Delivery:
        return Delivery(state=self.state, management=self._management, time_ns=self.state.time_ns)


def _size_of(call: CallContent, size_bytes: int | None) -> int:
    if size_bytes is not None:
        return size_bytes
    return len(call.arg) + len(call.method_name) + ENVELOPE_BYTES
