"""What runs when the answer to a canister's own call comes.

The callbacks are entries of the table of the code that the canister has now, whatever code made the
call. Source: interface specification, "Callback invocation"; dfinity/ic, ``response.rs``.
"""

from dataclasses import dataclass, replace
from typing import final

from juno_snap.replica.execution.calls import mount, save
from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.execution.run import (
    DEFAULT_LIMITS,
    Limits,
    Outcome,
    check_growth,
    check_memory_limit,
    failed,
    new_session,
    outcome_of,
)
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import Instance
from juno_snap.replica.system_api.outgoing import Closure
from juno_snap.replica.system_api.session import Environment, Message
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError

_ALL_PERCENT = 100


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What a call said should run for its answer."""

    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None


def run_callback(
    code: InstalledCode,
    environment: Environment,
    callbacks: Callbacks,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
    *,
    composite: bool = False,
) -> Outcome:
    """Run the callback for ``message``, and where it fails, the cleanup.

    ``code`` changes with the callback if it ends well, else with the cleanup if that ends well. The
    outcome of a failure is the callback's, whatever the cleanup did. ``composite`` is for calls of
    composite queries; ``code`` is then a copy.
    """
    total = limits.query_instructions if composite else limits.update_instructions
    closure = callbacks.on_reject if message.reject_code else callbacks.on_reply
    outcome = _run(
        code,
        environment,
        message,
        closure,
        context=_context(message, composite=composite),
        instructions=total - total * limits.cleanup_percent // _ALL_PERCENT,
    )
    if not outcome.has_failed or callbacks.on_cleanup is None:
        return outcome
    cleanup = _run(
        code,
        environment,
        message,
        callbacks.on_cleanup,
        context=Context.COMPOSITE_CLEANUP if composite else Context.CLEANUP,
        instructions=total,
        used_before=outcome.instructions,
    )
    return _after_cleanup(outcome, cleanup)


def _context(message: Message, *, composite: bool) -> Context:
    if message.reject_code:
        return Context.COMPOSITE_REJECT_CALLBACK if composite else Context.REJECT_CALLBACK
    return Context.COMPOSITE_REPLY_CALLBACK if composite else Context.REPLY_CALLBACK


def _run(
    code: InstalledCode,
    environment: Environment,
    message: Message,
    closure: Closure,
    *,
    context: Context,
    instructions: int,
    used_before: int = 0,
) -> Outcome:
    try:
        instance = Instance(code.module, instructions=instructions, used_before=used_before)
    except ExecutionError as error:  # a module that came with an uploaded snapshot never ran
        return failed(environment, error)
    with instance:
        session = new_session(code, instance, context, environment, message)
        try:
            mount(code, instance)
            instance.call_closure(closure, session)
            check_memory_limit(instance, environment)
            check_growth(code, instance, session)
        except ExecutionError as error:
            return failed(environment, error, session)
        outcome = outcome_of(session)
        save(code, instance, session)
        return outcome


def _after_cleanup(callback: Outcome, cleanup: Outcome) -> Outcome:
    """The callback's failure; its words tell of the cleanup's, where that failed too."""
    reject = callback.reject
    if cleanup.has_failed and reject is not None and cleanup.reject is not None:
        text = f"{reject.message}\n\ncall_on_cleanup also failed:\n\n{cleanup.reject.message}"
        reject = Reject(reject.error_code, text)
    return replace(
        callback,
        reject=reject,
        is_kept=cleanup.is_kept,
        logs=callback.logs + cleanup.logs,
        instructions=cleanup.instructions or callback.instructions,
        cycles_burned=cleanup.cycles_burned,
    )
