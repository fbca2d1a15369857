"""Answers to calls: sent to who waits for them, made up where the code will never give one.

Source of the rules: interface specification, "Call context"; of the words: dfinity/ic,
``call_context_manager.rs``, ``execution/common.rs`` and ``canister_manager.rs``.
"""

from typing import Final, assert_never

from juno_snap.ids import Principal
from juno_snap.replica.calls import (
    Answer,
    Callback,
    CallContext,
    FromCanister,
    FromSystem,
    FromUser,
    OpenCalls,
    Origin,
    Response,
    StopRequest,
)
from juno_snap.replica.execution import Callbacks, Outcome
from juno_snap.replica.reject import Reject
from juno_snap.replica.state import Canister, Status, SubnetState
from juno_snap.replica.system_api.outgoing import OutgoingCall
from juno_snap.units import NS_PER_SECOND

STOP_TIMEOUT_NS: Final = 300 * NS_PER_SECOND
"""Source: dfinity/ic, ``rs/config/src/execution_environment.rs``."""

NO_RESULTS: Final = b"DIDL\0\0"


def answer(state: SubnetState, origin: Origin, result: Answer, *, refund_cycles: int = 0) -> None:
    """Send ``result`` to whoever made the call, with the cycles that come back to a canister."""
    match origin:
        case FromUser():
            state.ended.append((origin.request_id, result))
        case FromCanister():
            state.queue.append(_response(origin, result, refund_cycles))
        case FromSystem():
            pass
        case _:
            assert_never(origin)


def settle(state: SubnetState, canister: Canister, context: CallContext, outcome: Outcome) -> None:
    """Answer the call of ``context`` where, after a run, there is something to answer.

    1. It has an answer: there is none more. 2. The run answered. 3. Calls of its own are open, so
    it may still answer, also after a failure. 4. The run failed. 5. Nobody will ever answer.
    """
    if context.has_answered:  # 1
        return
    result = outcome.answer  # 2
    if result is None:
        if context.outstanding:  # 3
            return
        result = outcome.reject or _no_answer(canister, context)  # 4, 5
    context.has_answered = True
    refund_cycles, context.cycles_available = context.cycles_available, 0
    answer(state, context.origin, result, refund_cycles=refund_cycles)


def open_call(calls: OpenCalls, context_id: int, call: OutgoingCall) -> int:
    """Note that a call waits for its answer; the id of its callback."""
    callback_id = calls.new_id()
    calls.contexts[context_id].outstanding += 1
    calls.callbacks[callback_id] = Callback(
        context_id=context_id,
        callee=call.callee,
        callbacks=Callbacks(
            on_reply=call.on_reply, on_reject=call.on_reject, on_cleanup=call.on_cleanup
        ),
        deadline_ns=call.deadline_ns,
        callback_cycles=call.callback_cycles,
    )
    return callback_id


def close_if_done(state: SubnetState, canister: Canister, context_id: int) -> None:
    """Forget a context that waits for nothing; the canister may have to stop for that."""
    if not canister.calls.contexts[context_id].outstanding:
        del canister.calls.contexts[context_id]
        finish_stopping(state, canister)


def reject_open_calls(state: SubnetState, canister: Canister) -> None:
    """Answer everybody who waits for a canister that has lost its code."""
    for context in canister.calls.contexts.values():
        context.is_deleted = True
        if not context.has_answered:
            context.has_answered = True
            refund_cycles, context.cycles_available = context.cycles_available, 0
            gone = Reject("IC0406", "Canister has been uninstalled.", is_verbatim=True)
            answer(state, context.origin, gone, refund_cycles=refund_cycles)


def finish_stopping(state: SubnetState, canister: Canister) -> None:
    """Stop a stopping canister that has no open call; the version rises with that."""
    if canister.status is not Status.STOPPING or canister.calls.are_open:
        return
    canister.status = Status.STOPPED
    canister.version += 1
    state.was_managed = True
    for stop in canister.calls.stops:
        answer(state, stop.origin, NO_RESULTS, refund_cycles=stop.cycles)
    canister.calls.stops.clear()


def cancel_stops(state: SubnetState, canister: Canister) -> None:
    """Refuse what waits for a canister to stop that is started again."""
    for stop in canister.calls.stops:
        reject = Reject("IC0511", f"Canister {canister.canister_id}'s stop request was cancelled.")
        answer(state, stop.origin, reject, refund_cycles=stop.cycles)
    canister.calls.stops.clear()


def expire(state: SubnetState, now_ns: int) -> None:
    """Make up the answers that nobody waits for any longer.

    A ``stop_canister`` after five minutes: the canister stays stopping. A call with a deadline: its
    true answer, should it still come, brings back cycles and runs nothing.
    """
    for canister in state.canisters.values():
        calls = canister.calls
        if calls.stops:
            calls.stops[:] = [each for each in calls.stops if _still_waits(state, each, now_ns)]
        for callback_id, callback in calls.callbacks.items():
            if 0 < callback.deadline_ns <= now_ns and not _is_answered(
                state, canister.canister_id, callback_id
            ):
                late = Reject("IC0601", "Call deadline has expired.", is_verbatim=True)
                origin = FromCanister(sender=canister.canister_id, callback_id=callback_id)
                answer(state, origin, late)


def next_expiry_ns(canister: Canister) -> int | None:
    """When ``expire`` has something to do for a canister."""
    calls = canister.calls
    times = [stop.at_ns + STOP_TIMEOUT_NS for stop in calls.stops]
    times += [each.deadline_ns for each in calls.callbacks.values() if each.deadline_ns]
    return min(times, default=None)


def _response(origin: FromCanister, result: Answer, refund_cycles: int) -> Response:
    if isinstance(result, Reject):
        return Response(
            receiver=origin.sender,
            callback_id=origin.callback_id,
            refund_cycles=refund_cycles,
            reject_code=result.reject_code,
            reject_message=result.seen_by_canister,
        )
    return Response(
        receiver=origin.sender,
        callback_id=origin.callback_id,
        refund_cycles=refund_cycles,
        reply=result,
    )


def _no_answer(canister: Canister, context: CallContext) -> Reject:
    if isinstance(context.origin, FromCanister):
        return Reject("IC0506", "No response", is_verbatim=True)
    return Reject("IC0506", f"Canister {canister.canister_id} did not reply to the call")


def _still_waits(state: SubnetState, stop: StopRequest, now_ns: int) -> bool:
    if now_ns < stop.at_ns + STOP_TIMEOUT_NS:
        return True
    reject = Reject("IC0206", "Stop canister request timed out")
    answer(state, stop.origin, reject, refund_cycles=stop.cycles)
    return False


def _is_answered(state: SubnetState, canister_id: Principal, callback_id: int) -> bool:
    return any(
        isinstance(each, Response)
        and (each.receiver, each.callback_id) == (canister_id, callback_id)
        for each in state.queue
    )
