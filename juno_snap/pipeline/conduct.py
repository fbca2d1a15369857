"""Beginning an operation and bringing it to its end: what every kind has in common."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, final

from juno_snap.errors import JunoSnapError, PreconditionError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.pipeline.actions import ChainView, Finish, Wish
from juno_snap.pipeline.conclude import Conclusion
from juno_snap.pipeline.journal.records import NewOperation
from juno_snap.pipeline.log import OperationLog, first_record
from juno_snap.pipeline.program import Program
from juno_snap.pipeline.report import (
    OperationCancelledError,
    Report,
    StepReport,
    operation_id,
)
from juno_snap.pipeline.reset import keep_configuration
from juno_snap.pipeline.run import Run
from juno_snap.pipeline.sending import Materials
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import MIB

JOURNAL_RESERVE_BYTES: Final = 8 * MIB
"""More than the records of one operation hold: two envelopes of 2 MiB, and small ones."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What is known before an operation begins."""

    program: Program
    digest: bytes
    observed: StepReport
    """The observation, as its first step."""
    observed_at_ns: int
    """When that began."""
    materials: Materials


def unfinished(workspace: Workspace, module: Principal, digest: bytes) -> str | None:
    """The operation to go on with, because the same was asked for and not brought to an end.

    Raises:
        LockedError: Another process is at it.
        PreconditionError: Another one is not finished (``unfinished-operation``).
    """
    for record in workspace.journal.unfinished(workspace.root_key, module):
        if record.begun.digest == digest:
            return record.begun.id
        with workspace.lock(module):
            refuse_unfinished(workspace, module)
    return None


def refuse_unfinished(workspace: Workspace, module: Principal) -> None:
    """Refuse to begin anything on a module on which something is not finished.

    Raises:
        PreconditionError: There is (``unfinished-operation``).
    """
    for record in workspace.journal.unfinished(workspace.root_key, module):
        raise PreconditionError(
            f"the {record.begun.kind} {record.begun.id} of module {module} is not finished",
            code="unfinished-operation",
            hint=f"bring it to an end first: juno-snap resume {record.begun.id} "
            "[--forward|--back|--abandon]",
        )


async def conduct(
    workspace: Workspace, beginning: Beginning, *, observer: Observer = ignore_events
) -> Report:
    """Carry out an operation from its beginning.

    Raises:
        LockedError: Another process is at this module.
        PreconditionError: The journal cannot be written, another operation is not finished, or one
            has ended since this one was planned. Nothing was done.
        OperationRefusedError: A hook or somebody else's doing ended it before its change.
        OperationFailedError: It failed; ``report`` says how the module was left.
        OperationUnknownError: Something has no certified outcome; ``resume`` goes on.
        OperationCancelledError: Cancelled; where a stop was sent, a start was.
    """
    program = beginning.program
    with workspace.lock(program.module):
        refuse_unfinished(workspace, program.module)
        _check_nothing_between(workspace, beginning)
        workspace.journal.make_ready(JOURNAL_RESERVE_BYTES)
        new = _new_operation(workspace, beginning)
        observed = first_record(beginning.observed, beginning.observed_at_ns)
        workspace.journal.begin(new, steps=[observed], present=program.before.snapshots)
        # Between the two, another operation with the same Wasm may have ended and let go of it.
        _keep(workspace, beginning.materials)
        log = OperationLog(
            workspace.journal, new.id, [observed], clock=workspace.clock, observer=observer
        )
        run = Run(workspace, new.id, program, log, beginning.materials)
        return await bring_to_end(workspace, new.id, program, log, run, wish="forward")


def _check_nothing_between(workspace: Workspace, beginning: Beginning) -> None:
    """Refuse a plan that another run of this state directory has made outdated."""
    module = beginning.program.module
    for record in workspace.journal.history(root_key=workspace.root_key, module=module, limit=1):
        if (record.finished_at_ns or 0) > beginning.observed_at_ns:
            raise PreconditionError(
                f"the {record.begun.kind} {record.begun.id} has ended since this was planned",
                code="disturbed",
                hint="plan again",
            )


def _keep(workspace: Workspace, materials: Materials) -> tuple[bytes, ...]:
    """Keep what the program names by its hash, until the operation ends."""
    if workspace.vault is None or materials.wasm is None:
        return ()
    return (workspace.vault.keep(materials.wasm.data), workspace.vault.keep(materials.arg))


def _new_operation(workspace: Workspace, beginning: Beginning) -> NewOperation:
    program = beginning.program
    operation = operation_id(workspace.clock.now_ns())
    kept = _keep(workspace, beginning.materials)
    keep_configuration(workspace.state, operation, beginning.materials.configuration)
    return NewOperation(
        id=operation,
        kind=program.kind,
        network=workspace.network,
        root_key=workspace.root_key,
        module=program.module,
        principal=workspace.client.agent.identity.principal,
        began_at_ns=beginning.observed_at_ns,
        digest=beginning.digest,
        program=program.to_json(),
        kept=kept,
    )


async def bring_to_end(
    workspace: Workspace,
    operation: str,
    program: Program,
    log: OperationLog,
    run: Run,
    *,
    wish: Wish,
    chain: ChainView | None = None,
) -> Report:
    """Run, look at what is left, write the end down, and say it."""
    try:
        finish = await run.carry_out(wish=wish, chain=chain)
    except asyncio.CancelledError as error:
        left = Conclusion(operation, program, log.records, Finish("interrupted", closes=False))
        message = f"the {program.kind} was left; go on with: juno-snap resume {operation}"
        raise OperationCancelledError(message, report=left.report()) from error
    is_cut_short = await _is_cut_short(run.run_last_hooks(finish))
    conclusion = Conclusion(operation, program, log.records, finish, warnings=_broken(log))
    is_cut_short |= await _is_cut_short(conclusion.inspect(workspace.client))
    report = conclusion.report()
    if finish.closes and log.broken is None:
        try:
            close(workspace, operation, finish.outcome, report)
        except JunoSnapError as problem:
            text = f"the end could not be written to the journal: {problem}"
            log.observer(Notice(text=text, warning=True))
    bad_end = conclusion.error(was_asked_back=wish == "back")
    if bad_end is not None:
        raise bad_end
    if is_cut_short:
        text = f"cancelled after the {program.kind} had ended: {finish.outcome}"
        raise OperationCancelledError(text, report=report)
    return report


async def _is_cut_short(work: Coroutine[Any, Any, None]) -> bool:
    """Whether ``work`` was cancelled: the operation is over, and only that has to be said."""
    try:
        await work
    except asyncio.CancelledError:
        return True
    return False


def _broken(log: OperationLog) -> tuple[str, ...]:
    """What failed beside the work itself."""
    observer = log.observer.problem
    problems = {
        f"the journal could not be written: {log.broken}": log.broken,
        f"its watcher failed, and was told no more: {observer!r}": observer,
    }
    return tuple(text for text, problem in problems.items() if problem is not None)


def close(workspace: Workspace, operation: str, outcome: str, report: Report) -> None:
    """Write down that it is over, and let go of what was kept for it."""
    journal, vault = workspace.journal, workspace.vault
    kept = journal.operation(operation).begun.kept
    at_ns = workspace.clock.now_ns()
    journal.finish(operation, outcome=outcome, at_ns=at_ns, report=report.to_json())
    if vault is not None:
        needed = journal.needed()
        vault.release(each for each in kept if each not in needed)
