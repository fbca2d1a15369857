"""``ic0``: calls to other canisters, and what came back from them.

A call is written piece by piece and joins the calls of the session with ``call_perform``. It leaves
only if the message ends well.
"""

from typing import Final

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.replica.system_api.cycles import call_cycles
from juno_snap.replica.system_api.messages import copy_out
from juno_snap.replica.system_api.outgoing import (
    BEST_EFFORT_MAX_SECONDS,
    METHOD_NAME_MAX_BYTES,
    PAYLOAD_MAX_BYTES,
    QUEUE_MAX,
    CallDraft,
    Closure,
    OutgoingCall,
)
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.traps import ExecutionError, contract_violation
from juno_snap.units import NS_PER_SECOND

_64_BITS: Final = 64
_PERFORMED: Final = 0
_NOT_PERFORMED: Final = 2
"""The code of a transient reject: the queue is full, or cycles are missing."""


def call_new(
    session: Session,
    callee_address: int,
    callee_size: int,
    name_address: int,
    name_size: int,
    *callbacks: int,
) -> None:
    """Begin a call. One that was begun and not performed is dropped; its cycles come back.

    ``callbacks`` are function and env for a reply, then for a reject.
    """
    drop_draft(session)
    if name_size > METHOD_NAME_MAX_BYTES:
        raise contract_violation(
            f"Size of method_name {name_size} exceeds the allowed limit of {METHOD_NAME_MAX_BYTES}."
        )
    method = session.guest.read(name_address, name_size).decode(errors="replace")
    try:
        callee = Principal(session.guest.read(callee_address, callee_size))
    except InputError:
        raise contract_violation("Canister provided invalid principal id") from None
    session.draft = CallDraft(
        callee=callee,
        method=method,
        on_reply=Closure(*callbacks[:2]),
        on_reject=Closure(*callbacks[2:]),
    )


def call_on_cleanup(session: Session, function: int, env: int) -> None:
    """What to run where the callback of the answer traps."""
    draft = _draft(session, "call_on_cleanup")
    if draft.on_cleanup is not None:
        raise _once("call_on_cleanup")
    draft.on_cleanup = Closure(function, env)


def call_data_append(session: Session, address: int, size: int) -> None:
    """Add to the argument."""
    draft = _draft(session, "call_data_append")
    total = draft.size_bytes + size
    if total > PAYLOAD_MAX_BYTES:
        raise contract_violation(
            f"Request to {draft.callee}:{draft.method} has a payload size of {total}, which "
            f"exceeds the allowed limit of {PAYLOAD_MAX_BYTES}."
        )
    draft.arg += session.guest.read(address, size)


def call_with_best_effort_response(session: Session, timeout_seconds: int) -> None:
    """Wait for the answer for so long at most. A longer time than is allowed is shortened."""
    draft = _draft(session, "call_with_best_effort_response")
    if draft.timeout_seconds is not None:
        raise _once("call_with_best_effort_response")
    draft.timeout_seconds = min(timeout_seconds, BEST_EFFORT_MAX_SECONDS)


def call_cycles_add128(session: Session, high: int, low: int) -> None:
    """Send cycles along; they leave the balance at once."""
    _add_cycles(session, "call_cycles_add128", high << _64_BITS | low)


def call_cycles_add(session: Session, cycles: int) -> None:
    """Send cycles along; they leave the balance at once."""
    _add_cycles(session, "call_cycles_add", cycles)


def call_perform(session: Session) -> int:
    """Put the call into the queue: 0.

    Where there is no room, or the canister cannot pay for it, 2, and its cycles come back.
    """
    draft = _draft(session, "call_perform")
    callee = draft.callee
    callback_cycles = session.environment.callback_cycles
    transmission_cycles = call_cycles(draft.size_bytes) if callback_cycles else 0
    is_full = session.message.in_flight.get(callee, 0) + session.queued[callee] >= QUEUE_MAX
    if is_full or session.liquid_cycles < callback_cycles + transmission_cycles:
        drop_draft(session)
        return _NOT_PERFORMED
    session.draft = None
    session.cycles_sent += callback_cycles + transmission_cycles
    session.queued[callee] += 1
    session.calls.append(
        OutgoingCall(
            callee=callee,
            method=draft.method,
            arg=bytes(draft.arg),
            cycles=draft.cycles,
            callback_cycles=callback_cycles,
            transmission_cycles=transmission_cycles,
            deadline_ns=_deadline_ns(session, draft),
            on_reply=draft.on_reply,
            on_reject=draft.on_reject,
            on_cleanup=draft.on_cleanup,
        )
    )
    return _PERFORMED


def drop_draft(session: Session) -> None:
    """Forget a call that was not performed; its cycles come back."""
    if session.draft is not None:
        session.cycles_sent -= session.draft.cycles
        session.draft = None


def msg_reject_code(session: Session) -> int:
    """Why the call was rejected; 0: it was not."""
    return session.message.reject_code


def msg_reject_msg_size(session: Session) -> int:
    """Length of the words of a rejection."""
    return len(_reject_message(session, "msg_reject_msg_size"))


def msg_reject_msg_copy(session: Session, address: int, offset: int, size: int) -> None:
    """Copy from the words of a rejection."""
    message = _reject_message(session, "msg_reject_msg_copy")
    copy_out(session, "msg_reject_msg_copy", message, address, offset, size)


def msg_deadline(session: Session) -> int:
    """When the caller stops waiting, in nanoseconds since 1970; 0: never."""
    return session.message.deadline_ns


def _draft(session: Session, name: str) -> CallDraft:
    if session.draft is None:
        raise contract_violation(f"ic0.{name} called when no call is under construction.")
    return session.draft


def _once(name: str) -> ExecutionError:
    return contract_violation(
        f"ic0.{name} can be called at most once between `ic0.call_new` and `ic0.call_perform`"
    )


def _add_cycles(session: Session, name: str, cycles: int) -> None:
    draft = _draft(session, name)
    missing = cycles - session.liquid_cycles
    if missing > 0:
        text = f"Canister {session.environment.canister_id} is out of cycles"
        if session.message.caller in session.environment.controllers:
            text += f": please top up the canister with at least {missing:_} additional cycles"
        raise ExecutionError("IC0207", text)
    draft.cycles += cycles
    session.cycles_sent += cycles


def _deadline_ns(session: Session, draft: CallDraft) -> int:
    """In whole seconds, rounded down, as the network keeps deadlines."""
    if draft.timeout_seconds is None:
        return 0
    exact_ns = session.environment.time_ns + draft.timeout_seconds * NS_PER_SECOND
    return exact_ns - exact_ns % NS_PER_SECOND


def _reject_message(session: Session, name: str) -> bytes:
    if session.message.reject_code == 0:
        raise contract_violation(f"ic0.{name}: the call was not rejected")
    return session.message.reject_message.encode()
