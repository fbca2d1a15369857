"""What all runs of code have in common: limits, a session, the outcome, the reject."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal
from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Instance
from juno_snap.replica.stable import StableOverlay
from juno_snap.replica.system_api.session import Environment, Message, Session
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError
from juno_snap.units import WASM_PAGE_BYTES


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Instructions that one message may use. Source: developer docs, resource limits."""

    update_instructions: int = 40_000_000_000
    query_instructions: int = 5_000_000_000
    install_instructions: int = 300_000_000_000
    """For all stages of an install or upgrade together."""
    inspect_instructions: int = 200_000_000


DEFAULT_LIMITS: Final = Limits()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a message ended: with a reply, with a reject, or (install and upgrade) with neither."""

    reply: bytes | None = None
    reject: Reject | None = None
    logs: tuple[bytes, ...] = ()
    """What the code printed, and why it trapped."""
    instructions: int = 0
    cycles_burned: int = 0


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
