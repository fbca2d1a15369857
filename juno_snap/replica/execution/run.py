"""What all runs of code have in common: limits, a session, the outcome, the reject."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal
from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Instance
from juno_snap.replica.stable import StableOverlay
from juno_snap.replica.system_api.calls import drop_draft
from juno_snap.replica.system_api.outgoing import OutgoingCall
from juno_snap.replica.system_api.session import Environment, Message, Session
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError
from juno_snap.units import INSTALL_INSTRUCTIONS_MAX, WASM_PAGE_BYTES

REJECTED_BY_CODE: Final = "IC0406"
"""The code of a reject in a canister's own words."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Instructions that one message may use. Source: developer docs, resource limits."""

    update_instructions: int = 40_000_000_000
    query_instructions: int = 5_000_000_000
    install_instructions: int = INSTALL_INSTRUCTIONS_MAX
    inspect_instructions: int = 200_000_000
    cleanup_percent: int = 5
    """Of the instructions of a callback: kept back for the cleanup. Source: dfinity/ic,
    ``response.rs``, ``RESERVED_CLEANUP_INSTRUCTIONS_IN_PERCENT``."""


DEFAULT_LIMITS: Final = Limits()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a message ended: with a reply, with a reject, or with neither of them."""

    reply: bytes | None = None
    reject: Reject | None = None
    """In the code's own words, or why it failed."""
    has_failed: bool = False
    """The code trapped or broke a rule; ``reject`` says how."""
    is_kept: bool = True
    """What it changed counts. After a failure only what a cleanup changed can."""
    logs: tuple[bytes, ...] = ()
    """What the code printed, and why it trapped."""
    instructions: int = 0
    cycles_burned: int = 0
    cycles_accepted: int = 0
    """Of those that came with the call."""
    calls: tuple[OutgoingCall, ...] = ()
    scratch: InstalledCode | None = None
    """What the code of a composite query is after it; where it made calls and gave no answer."""

    @property
    def answer(self) -> bytes | Reject | None:
        """What the code itself answered."""
        return self.reply if self.has_failed or self.reject is None else self.reject


def new_session(
    code: InstalledCode,
    instance: Instance,
    context: Context,
    environment: Environment,
    message: Message,
) -> Session:
    """A session that begins with the canister's state."""
    return Session(
        context=context,
        environment=environment,
        message=message,
        guest=instance,
        stable=StableOverlay(code.stable),
        certified_data=code.certified_data,
        global_timer_ns=code.global_timer_ns,
        is_64_bit=code.module.shape.memory64,
    )


def outcome_of(session: Session, *, scratch: InstalledCode | None = None) -> Outcome:
    """The outcome of a run that ended well."""
    drop_draft(session)
    rejection = session.rejection
    return Outcome(
        reply=session.reply,
        reject=None if rejection is None else Reject(REJECTED_BY_CODE, rejection, is_verbatim=True),
        logs=tuple(session.logs),
        instructions=session.guest.instructions_used(),
        cycles_burned=session.cycles_burned,
        cycles_accepted=session.cycles_accepted,
        calls=tuple(session.calls),
        scratch=scratch,
    )


def failed(
    environment: Environment, error: ExecutionError, session: Session | None = None
) -> Outcome:
    """The outcome of an error; without a session none of the canister's code ran."""
    reject = reject_of(environment.canister_id, error)
    if session is None:
        return Outcome(reject=reject, has_failed=True, is_kept=False)
    return Outcome(
        reject=reject,
        has_failed=True,
        is_kept=False,
        logs=logs_with_trap(session.logs, error),
        instructions=session.guest.instructions_used(),
    )


def check_memory_limit(instance: Instance, environment: Environment) -> None:
    """Check the canister's own limit; source: interface specification, ``wasm_memory_limit``.

    Raises:
        ExecutionError: The heap is larger now.
    """
    limit = environment.wasm_memory_limit
    if limit and instance.memory_bytes > limit:
        raise ExecutionError(
            "IC0539",
            f"Canister exceeded its current Wasm memory limit of {limit} bytes."
            f" The peak Wasm memory usage was {instance.memory_bytes} bytes.",
        )


def check_growth(code: InstalledCode, instance: Instance, session: Session) -> None:
    """Check that the canister can pay for the memory that a message added to it.

    The network looks at each growth when it happens; as a refusal undoes the message, looking at
    its end comes to the same.

    Raises:
        ExecutionError: IC0532, it would freeze.
    """
    environment = session.environment
    more_pages = session.stable.size_pages - code.stable.size_pages
    grown = instance.memory_bytes - code.heap.size_bytes + more_pages * WASM_PAGE_BYTES
    if grown <= 0:
        return
    missing = environment.freezing_limit(grown) - session.balance_cycles
    if missing > 0:
        text = f"Canister cannot grow memory by {grown} bytes due to insufficient cycles."
        if session.message.caller in environment.controllers:
            text += f" At least {missing:_} additional cycles are required."
        raise ExecutionError("IC0532", text)


def reject_of(
    canister_id: Principal,
    error: ExecutionError,
    *,
    logs: tuple[bytes, ...] = (),
    instructions: int = 0,
) -> Reject:
    """What the caller is told of a canister's failure."""
    text = f"Error from Canister {canister_id}: {error.text}"
    return Reject(error.error_code, text, logs=logs, instructions=instructions)


def logs_with_trap(logs: list[bytes], error: ExecutionError) -> tuple[bytes, ...]:
    """The canister's log after a failure: the last line says what it was."""
    return (*logs, f"[TRAP]: {error.text}".encode())
