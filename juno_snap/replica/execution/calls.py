"""Update calls, queries and the inspection of messages."""

from typing import Final

from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.execution.run import (
    DEFAULT_LIMITS,
    Limits,
    Outcome,
    check_growth,
    check_memory_limit,
    logs_with_trap,
    new_session,
    reject_of,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Instance
from juno_snap.replica.system_api.session import Environment, Message, Session
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError

_REJECTED_BY_CODE: Final = "IC0406"


def run_update(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome:
    """Run an update call; ``code`` changes if it ends well, and only then.

    A query method runs as a replicated query, whose changes are dropped.
    """
    kind = code.module.shape.methods.get(message.method)
    if kind == "query":
        return run_query(code, environment, message, limits, replicated=True)
    if kind == "composite_query":
        return _failed(
            environment,
            ExecutionError("IC0527", "Composite query cannot be called in replicated mode."),
        )
    if kind is None:
        return _failed(environment, _no_method("update", message.method))
    return _run(
        code,
        environment,
        message,
        context=Context.UPDATE,
        export=f"canister_update {message.method}",
        instructions=limits.update_instructions,
        keep=True,
    )


def run_query(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
    *,
    replicated: bool = False,
) -> Outcome:
    """Run a query, composite ones included; ``code`` never changes."""
    kind = code.module.shape.methods.get(message.method)
    if kind is None or kind == "update" or (replicated and kind == "composite_query"):
        return _failed(environment, _no_method("query", message.method))
    context = Context.QUERY if kind == "query" else Context.COMPOSITE_QUERY
    return _run(
        code,
        environment,
        message,
        context=Context.REPLICATED_QUERY if replicated else context,
        export=f"canister_{kind} {message.method}",
        instructions=limits.update_instructions if replicated else limits.query_instructions,
        keep=False,
    )


def inspect_message(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Ask the canister whether it lets an update call in; one that does not say no always does.

    Raises:
        Reject: It does not accept the message, or trapped.
    """
    if "canister_inspect_message" not in code.module.shape.entry_points:
        return
    try:
        with Instance(code.module, instructions=limits.inspect_instructions) as instance:
            mount(code, instance)
            session = new_session(code, instance, Context.INSPECT_MESSAGE, environment, message)
            instance.call("canister_inspect_message", session)
    except ExecutionError as error:
        raise reject_of(environment.canister_id, error) from error
    if not session.accepted:
        raise Reject(
            _REJECTED_BY_CODE,
            f"Error from Canister {environment.canister_id}: Canister rejected the message",
        )


def _run(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    *,
    context: Context,
    export: str,
    instructions: int,
    keep: bool,
) -> Outcome:
    try:
        instance = Instance(code.module, instructions=instructions)
    except ExecutionError as error:  # a module that came with an uploaded snapshot never ran
        return _failed(environment, error)
    with instance:
        session = new_session(code, instance, context, environment, message)
        try:
            mount(code, instance)
            instance.call(export, session)
            _check_answered(session)
            if keep:
                check_memory_limit(instance, environment)
                check_growth(code, instance, session)
        except ExecutionError as error:
            return _failed(environment, error, session)
        used = instance.instructions_used()
        if keep:
            save(code, instance, session)
    rejection = session.rejection
    return Outcome(
        reply=session.reply,
        reject=None if rejection is None else Reject(_REJECTED_BY_CODE, rejection),
        logs=tuple(session.logs),
        instructions=used,
        cycles_burned=session.cycles_burned,
    )


def mount(code: InstalledCode, instance: Instance) -> None:
    """Put a canister's heap and globals into a fresh instance."""
    instance.mount(code.heap)
    instance.restore_globals(code.packed_globals)


def save(code: InstalledCode, instance: Instance, session: Session) -> None:
    """Take over everything a run changed."""
    code.packed_globals = instance.save_globals()
    instance.save_heap(code.heap)
    code.stable.apply(session.stable)
    code.certified_data = session.certified_data
    code.global_timer_ns = session.global_timer_ns


def _check_answered(session: Session) -> None:
    if not session.has_answered:
        raise ExecutionError(
            "IC0506",
            f"Canister {session.environment.canister_id} did not reply to the call",
        )


def _no_method(kind: str, name: str) -> ExecutionError:
    return ExecutionError("IC0536", f"Canister has no {kind} method '{name}'.")


def _failed(
    environment: Environment, error: ExecutionError, session: Session | None = None
) -> Outcome:
    """The outcome of an error; without a session none of the canister's code ran."""
    reject = reject_of(environment.canister_id, error)
    if session is None:
        return Outcome(reject=reject)
    return Outcome(
        reject=reject,
        logs=logs_with_trap(session.logs, error),
        instructions=session.guest.instructions_used(),
    )
