"""Update calls, queries, system tasks and the inspection of messages."""

from typing import Literal

from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.execution.run import (
    DEFAULT_LIMITS,
    REJECTED_BY_CODE,
    Limits,
    Outcome,
    check_growth,
    check_memory_limit,
    failed,
    new_session,
    outcome_of,
    reject_of,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Instance
from juno_snap.replica.system_api.session import Environment, Message, Session
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError

SystemTask = Literal["canister_heartbeat", "canister_global_timer", "canister_on_low_wasm_memory"]
"""What the platform runs of itself, by its export."""


def run_update(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome:
    """Run an update call; ``code`` changes if it ends well, and only then.

    A query method runs as a replicated query, whose changes are dropped. The code need not answer:
    whether an answer can still come is for the caller of this function to say.
    """
    kind = code.module.shape.methods.get(message.method)
    if kind == "query":
        return run_query(code, environment, message, limits, replicated=True)
    if kind == "composite_query":
        return failed(
            environment,
            ExecutionError("IC0527", "Composite query cannot be called in replicated mode."),
        )
    if kind is None:
        return failed(environment, _no_method("update", message.method))
    return _run(
        code,
        environment,
        message,
        context=Context.UPDATE,
        export=f"canister_update {message.method}",
        instructions=limits.update_instructions,
    )


def run_system_task(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    task: SystemTask,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome:
    """Run an exported system task; it has nobody to answer. ``message`` names the caller only."""
    return _run(
        code,
        environment,
        message,
        context=Context.SYSTEM_TASK,
        export=task,
        instructions=limits.update_instructions,
    )


def run_query(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
    *,
    replicated: bool = False,
) -> Outcome:
    """Run a query, composite ones included; ``code`` never changes.

    Where a composite query makes calls in place of an answer, the outcome has them, and in its
    ``scratch`` the code on which their callbacks run.
    """
    kind = code.module.shape.methods.get(message.method)
    if kind is None or kind == "update" or (replicated and kind == "composite_query"):
        return failed(environment, _no_method("query", message.method))
    context = Context.QUERY if kind == "query" else Context.COMPOSITE_QUERY
    return _run(
        code,
        environment,
        message,
        context=Context.REPLICATED_QUERY if replicated else context,
        export=f"canister_{kind} {message.method}",
        instructions=limits.update_instructions if replicated else limits.query_instructions,
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
            REJECTED_BY_CODE,
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
) -> Outcome:
    try:
        instance = Instance(code.module, instructions=instructions)
    except ExecutionError as error:  # a module that came with an uploaded snapshot never ran
        return failed(environment, error)
    with instance:
        session = new_session(code, instance, context, environment, message)
        try:
            mount(code, instance)
            instance.call(export, session)
            _check_end(code, session, instance)
        except ExecutionError as error:
            return failed(environment, error, session)
        outcome = outcome_of(session, scratch=_scratch(code, instance, session))
        if context in _CHANGING:
            save(code, instance, session)
        return outcome


_CHANGING = frozenset({Context.UPDATE, Context.SYSTEM_TASK})


def _check_end(code: InstalledCode, session: Session, instance: Instance) -> None:
    """Check what has to hold where the code itself did not fail.

    Raises:
        ExecutionError: A query without an answer; a heap above the canister's own limit, or
            more memory than it can pay for.
    """
    if session.context in _CHANGING:
        check_memory_limit(instance, session.environment)
        check_growth(code, instance, session)
    elif not session.has_answered and not session.calls:
        canister_id = session.environment.canister_id
        raise ExecutionError("IC0506", f"Canister {canister_id} did not reply to the call")


def _scratch(code: InstalledCode, instance: Instance, session: Session) -> InstalledCode | None:
    """A copy of the code with what a composite query left, where callbacks are to follow."""
    if session.context is not Context.COMPOSITE_QUERY or session.has_answered:
        return None
    scratch = code.snapshot_copy()
    save(scratch, instance, session)
    return scratch


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


def _no_method(kind: str, name: str) -> ExecutionError:
    return ExecutionError("IC0536", f"Canister has no {kind} method '{name}'.")
