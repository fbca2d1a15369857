"""Queries, and the queries that composite ones make of other canisters.

The callbacks of a composite query run on a copy of its canister that has what the query left; the
copy is dropped at the end. Each query begins with the canister as it is, so one may also call its
own canister. Calls run one after the other, in their order. Source: dfinity/ic,
``query_call_graph.rs`` and ``query_context.rs``; the network's limit of 10 s is not modelled.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, final

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.accounts import OUT_OF_CYCLES, is_frozen
from juno_snap.replica.delivery import not_running
from juno_snap.replica.execution import (
    Callbacks,
    Environment,
    InstalledCode,
    Limits,
    Message,
    Outcome,
    run_callback,
    run_query,
)
from juno_snap.replica.management.call import canister_not_found
from juno_snap.replica.management.dispatch import Management
from juno_snap.replica.management.install import environment_of, no_code
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister, Status, SubnetState
from juno_snap.replica.system_api.outgoing import OutgoingCall
from juno_snap.wire.envelope import QueryContent

DEPTH_MAX: Final = 6
"""Queries that wait for one another. Source: dfinity/ic, ``MAX_QUERY_CALL_DEPTH``."""

TOTAL_INSTRUCTIONS: Final = 5_000_000_000
CALL_INSTRUCTIONS: Final = 50_000_000
"""For all queries and callbacks together, and what each call counts beside its own. Source:
dfinity/ic, ``rs/config/src/execution_environment.rs``."""


class _LimitError(Exception):
    """Ends the whole query, whatever its canisters would make of it."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(reject.message)
        self.reject = reject


@final
@dataclass(slots=True, kw_only=True)
class CompositeQuery:
    """One query by a user, with all that it calls."""

    state: SubnetState
    management: Management
    time_ns: int
    data_certificate: Callable[[Principal], bytes]
    instructions_left: int = field(default=TOTAL_INSTRUCTIONS)

    def run(self, query: QueryContent) -> bytes:
        """The reply to the query.

        Raises:
            Reject: The answer is a reject, or a limit was reached.
        """
        if query.canister_id == MANAGEMENT_CANISTER:
            return self.management.query(
                query.method_name, query.arg, query.sender, time_ns=self.time_ns
            )
        message = Message(method=query.method_name, arg=query.arg, caller=query.sender)
        try:
            return self._ask(query.canister_id, message, depth=0)
        except _LimitError as error:
            raise error.reject from error

    def _ask(self, canister_id: Principal, message: Message, *, depth: int) -> bytes:
        canister, code = self._receiver(canister_id)
        environment = environment_of(canister, self.management.network, time_ns=self.time_ns)
        if depth == 0:
            certify = partial(self.data_certificate, canister_id)
            outcome = run_query(code, replace(environment, data_certificate=certify), message)
        else:
            outcome = run_query(code, environment, message, self._limits())
        self._count(canister, outcome)
        canister.query_stats.num_calls += 1
        canister.query_stats.request_payload_bytes += len(message.arg)
        if outcome.scratch is None:
            reply = _reply(canister, outcome)
        else:
            with contextlib.closing(outcome.scratch) as code:
                reply = self._ask_others(canister, environment, code, message, outcome, depth)
        canister.query_stats.response_payload_bytes += len(reply)
        return reply

    def _ask_others(
        self,
        canister: Canister,
        environment: Environment,
        code: InstalledCode,
        message: Message,
        outcome: Outcome,
        depth: int,
    ) -> bytes:
        """Make the calls of a query, and those of their callbacks, until there is an answer."""
        calls = deque(outcome.calls)
        before = outcome.instructions
        while calls:
            self._check_limits(depth)
            call = calls.popleft()
            brought = Message(caller=message.caller, instructions_before=before)
            brought = self._bring(canister, call, brought, depth)
            self._check_limits(depth)
            outcome = run_callback(
                code,
                environment,
                Callbacks(
                    on_reply=call.on_reply, on_reject=call.on_reject, on_cleanup=call.on_cleanup
                ),
                brought,
                self._limits(),
                composite=True,
            )
            self._count(canister, outcome)
            before += outcome.instructions
            calls.extend(outcome.calls)
            if outcome.answer is not None or not calls:
                break
        return _reply(canister, outcome)

    def _bring(
        self, canister: Canister, call: OutgoingCall, message: Message, depth: int
    ) -> Message:
        """``message`` with the answer to a call."""
        self.instructions_left -= CALL_INSTRUCTIONS
        try:
            if call.callee == MANAGEMENT_CANISTER:
                reply = self.management.query(
                    call.method, call.arg, canister.canister_id, time_ns=self.time_ns
                )
            else:
                question = Message(method=call.method, arg=call.arg, caller=canister.canister_id)
                reply = self._ask(call.callee, question, depth=depth + 1)
        except Reject as reject:
            return replace(
                message, reject_code=reject.reject_code, reject_message=reject.seen_by_canister
            )
        return replace(message, arg=reply)

    def _receiver(self, canister_id: Principal) -> tuple[Canister, InstalledCode]:
        canister = self.state.canisters.get(canister_id)
        if canister is None:
            raise canister_not_found(canister_id)
        if canister.status is Status.STOPPED:
            raise not_running(
                canister, "is stopped and therefore does not have a CallContextManager"
            )
        if canister.code is None:
            raise no_code(canister_id)
        if is_frozen(canister, self.management.network.rules):
            raise Reject(
                OUT_OF_CYCLES,
                f"Canister {canister_id} is unable to process query calls because it's frozen. "
                "Please top up the canister with cycles and try again.",
            )
        return canister, canister.code

    def _count(self, canister: Canister, outcome: Outcome) -> None:
        self.instructions_left -= outcome.instructions
        canister.query_stats.num_instructions += outcome.instructions

    def _limits(self) -> Limits:
        return Limits(query_instructions=max(self.instructions_left, 0))

    def _check_limits(self, depth: int) -> None:
        if depth >= DEPTH_MAX:
            text = "Composite query calls exceeded the maximum call depth."
            raise _LimitError(Reject("IC0525", text))
        if self.instructions_left <= 0:
            text = "Composite query calls exceeded the instruction limit."
            raise _LimitError(Reject("IC0526", text))


def _reply(canister: Canister, outcome: Outcome) -> bytes:
    if outcome.reply is not None:
        return outcome.reply
    if outcome.reject is not None:
        raise outcome.reject
    raise Reject("IC0506", f"Canister {canister.canister_id} did not produce a response")
