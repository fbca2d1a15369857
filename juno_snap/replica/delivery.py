"""Executes one message after the other: calls, answers to calls, and what the platform runs itself.

A message of a canister is all or nothing, and its calls leave with its end. What it changed counts
also where it gave no answer.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.accounts import check_affordable, spend
from juno_snap.replica.answers import answer, close_if_done, open_call, settle
from juno_snap.replica.calls import (
    CallContext,
    FromCanister,
    FromSystem,
    FromUser,
    Request,
    Response,
)
from juno_snap.replica.execution import (
    Environment,
    InstalledCode,
    Message,
    Outcome,
    SystemTask,
    run_callback,
    run_system_task,
    run_update,
)
from juno_snap.replica.fees import ingress_cycles
from juno_snap.replica.management.dispatch import Management
from juno_snap.replica.management.install import no_code
from juno_snap.replica.paid_runs import (
    pay_for_calls,
    refund_callback,
    refund_transmission,
    run_paid,
    run_prepaid,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister, Status, SubnetState
from juno_snap.units import NS_PER_SECOND

HEARTBEAT_NS: Final = NS_PER_SECOND
"""Heartbeats are this far apart at least. The network runs one a round, which is about as long."""

HEARTBEAT: Final[SystemTask] = "canister_heartbeat"
TIMER: Final[SystemTask] = "canister_global_timer"
LOW_MEMORY: Final[SystemTask] = "canister_on_low_wasm_memory"

_logger: Final = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Delivers messages at one moment."""

    state: SubnetState
    management: Management
    time_ns: int

    def deliver(self, message: Request | Response) -> int:
        """Execute a message, whatever becomes of it; how many instructions that took."""
        try:
            if isinstance(message, Response):
                return self._respond(message)
            return self._call(message)
        except Exception as error:  # what else runs keeps its outcome
            _logger.exception("a mistake in the local replica")
            if isinstance(message, Request):
                mistake = Reject("IC0521", f"The local replica made a mistake: {error!r}")
                answer(self.state, message.origin, mistake, refund_cycles=message.cycles)
            return 0

    def run_tasks(self) -> int:
        """Run the timers that are due and, if it is time, the heartbeats."""
        beat = self.time_ns >= self.state.last_heartbeat_ns + HEARTBEAT_NS
        instructions = 0
        for canister, code in running(self.state):
            entry_points = code.module.shape.entry_points
            if TIMER in entry_points and 0 < code.global_timer_ns <= self.time_ns:
                code.global_timer_ns = 0
                instructions += self._run_task(canister, TIMER)
            if beat and HEARTBEAT in entry_points:
                self.state.last_heartbeat_ns = self.time_ns
                instructions += self._run_task(canister, HEARTBEAT)
        return instructions

    def induct(self, request: Request, size_bytes: int) -> None:
        """Take what a user's call of that size costs, and let it wait; or answer that it cannot."""
        try:
            self._charge_induction(request, size_bytes)
        except Reject as reject:
            answer(self.state, request.origin, reject)
        else:
            self.state.queue.append(request)

    def _charge_induction(self, request: Request, size_bytes: int) -> None:
        sender = request.origin.sender
        if self._is_expired(request):
            raise _expired(request)
        if request.receiver == MANAGEMENT_CANISTER:
            self.management.induct(request.method, request.arg, sender, size_bytes=size_bytes)
            return
        canister, fee = self._existing(request.receiver), ingress_cycles(size_bytes)
        check_affordable(canister, fee, self.management.network.rules, sender=sender)
        spend(canister, fee, "ingress_induction")

    def _is_expired(self, request: Request) -> bool:
        return 0 < request.expires_at_ns < self.time_ns

    def _call(self, request: Request) -> int:
        if self._is_expired(request):
            answer(self.state, request.origin, _expired(request))
            return 0
        if request.receiver == MANAGEMENT_CANISTER:
            self._manage(request)
            return 0
        try:
            canister, code = self._receiver(request.receiver)
        except Reject as reject:
            answer(self.state, request.origin, reject, refund_cycles=request.cycles)
            return 0
        origin = request.origin
        message = Message(
            method=request.method,
            arg=request.arg,
            caller=origin.sender,
            cycles_available=request.cycles,
            deadline_ns=origin.deadline_ns if isinstance(origin, FromCanister) else 0,
            in_flight=canister.calls.in_flight(),
        )
        context = CallContext(origin=origin, cycles_available=request.cycles)
        try:
            outcome = self._run(
                canister, code, lambda seen: run_update(code, seen, message), message
            )
        except Reject as reject:
            answer(self.state, request.origin, reject, refund_cycles=request.cycles)
            return 0
        return self._begin(canister, context, outcome)

    def _manage(self, request: Request) -> None:
        try:
            result = self.management.execute(
                request.method,
                request.arg,
                request.origin,
                cycles=request.cycles,
                time_ns=self.time_ns,
            )
        except Reject as reject:
            answer(self.state, request.origin, reject, refund_cycles=request.cycles)
            return
        if result is not None:
            answer(self.state, request.origin, result.reply, refund_cycles=result.refund_cycles)

    def _existing(self, canister_id: Principal) -> Canister:
        canister = self.state.canisters.get(canister_id)
        if canister is None:
            raise Reject("IC0301", f"Canister {canister_id} not found", is_verbatim=True)
        return canister

    def _receiver(self, canister_id: Principal) -> tuple[Canister, InstalledCode]:
        canister = self._existing(canister_id)
        if canister.status is not Status.RUNNING:
            raise not_running(canister, f"is {canister.status.name.lower()}")
        if canister.code is None:
            raise no_code(canister_id)
        return canister, canister.code

    def _respond(self, response: Response) -> int:
        canister = self.state.canisters.get(response.receiver)
        if canister is None:
            return 0
        canister.cycles += response.refund_cycles
        callback = canister.calls.callbacks.pop(response.callback_id, None)
        if callback is None:  # its deadline had passed
            return 0
        refund_transmission(canister, callback, response)
        context, code = canister.calls.contexts[callback.context_id], canister.code
        context.outstanding -= 1
        if context.is_deleted or code is None:
            refund_callback(canister, callback)
            close_if_done(self.state, canister, callback.context_id)
            return 0
        message = Message(
            arg=response.reply,
            caller=context.origin.sender,
            cycles_available=context.cycles_available,
            cycles_refunded=response.refund_cycles,
            deadline_ns=(
                context.origin.deadline_ns if isinstance(context.origin, FromCanister) else 0
            ),
            reject_code=response.reject_code,
            reject_message=response.reject_message,
            has_answered=context.has_answered,
            instructions_before=context.instructions,
            in_flight=canister.calls.in_flight(),
        )
        outcome = run_prepaid(
            canister,
            code,
            self.management.network,
            lambda seen: run_callback(code, seen, callback.callbacks, message),
            prepaid_cycles=callback.callback_cycles,
            time_ns=self.time_ns,
        )
        return self._finish(canister, callback.context_id, context, outcome)

    def _run_task(self, canister: Canister, task: SystemTask) -> int:
        code = canister.code
        if code is None:
            return 0
        context = CallContext(origin=FromSystem())
        message = Message(caller=MANAGEMENT_CANISTER, in_flight=canister.calls.in_flight())
        try:
            outcome = self._run(
                canister, code, lambda seen: run_system_task(code, seen, message, task), message
            )
            return self._begin(canister, context, outcome)
        except Reject as reject:
            _logger.debug("%s did not run: %s", task, reject.message)
            return 0
        except Exception:
            _logger.exception("a mistake in the local replica")
            return 0

    def _run(
        self,
        canister: Canister,
        code: InstalledCode,
        run: Callable[[Environment], Outcome],
        message: Message,
    ) -> Outcome:
        return run_paid(
            canister,
            code,
            self.management.network,
            run,
            sender=message.caller,
            time_ns=self.time_ns,
        )

    def _begin(self, canister: Canister, context: CallContext, outcome: Outcome) -> int:
        """Take over what the first message for a call did."""
        context_id = canister.calls.new_id()
        canister.calls.contexts[context_id] = context
        return self._finish(canister, context_id, context, outcome)

    def _finish(
        self, canister: Canister, context_id: int, context: CallContext, outcome: Outcome
    ) -> int:
        """Take over what a message did to its canister and its call."""
        self._account(canister, context, outcome)
        for call in outcome.calls:
            callback_id = open_call(canister.calls, context_id, call)
            origin = FromCanister(
                sender=canister.canister_id, callback_id=callback_id, deadline_ns=call.deadline_ns
            )
            self.state.queue.append(
                Request(
                    origin=origin,
                    receiver=call.callee,
                    method=call.method,
                    arg=call.arg,
                    cycles=call.cycles,
                )
            )
        settle(self.state, canister, context, outcome)
        close_if_done(self.state, canister, context_id)
        return outcome.instructions + self._run_hook(canister)

    def _account(self, canister: Canister, context: CallContext, outcome: Outcome) -> None:
        """Log, version and instructions; the cycles that came and go with calls."""
        canister.log(outcome.logs, at_ns=self.time_ns)
        if outcome.is_kept:
            canister.version += 1
        canister.cycles += outcome.cycles_accepted
        pay_for_calls(canister, outcome)
        context.cycles_available -= outcome.cycles_accepted
        context.instructions += outcome.instructions

    def _run_hook(self, canister: Canister) -> int:
        """Run the low-memory hook where a message has made it due."""
        canister.update_hook_status()
        code = canister.code
        if canister.hook_status != "ready" or code is None:
            return 0
        if canister.status is not Status.RUNNING:
            return 0
        if LOW_MEMORY not in code.module.shape.entry_points:
            return 0
        canister.hook_status = "executed"
        return self._run_task(canister, LOW_MEMORY)


def running(state: SubnetState) -> Iterator[tuple[Canister, InstalledCode]]:
    """The canisters that run tasks of their own. New ones may come while this goes on."""
    for canister in list(state.canisters.values()):
        if canister.code is not None and canister.status is Status.RUNNING:
            yield canister, canister.code


def not_running(canister: Canister, how: str) -> Reject:
    """The reject of a call that does not reach its canister."""
    error_code = "IC0509" if canister.status is Status.STOPPING else "IC0508"
    return Reject(error_code, f"Canister {canister.canister_id} {how}", is_verbatim=True)


def _expired(request: Request) -> Reject:
    origin = request.origin
    request_id = f"0x{origin.request_id.hex()}" if isinstance(origin, FromUser) else "of a canister"
    return Reject("IC0202", f"Ingress message {request_id} timed out waiting to start executing.")
