"""Going on with an operation that was interrupted, however long ago."""

import os
import socket
from typing import Literal, TypeAlias

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.pipeline.actions import ChainView, Finish, Wish
from juno_snap.pipeline.conclude import Conclusion
from juno_snap.pipeline.conduct import JOURNAL_RESERVE_BYTES, bring_to_end, close
from juno_snap.pipeline.journal.records import OperationRecord
from juno_snap.pipeline.log import OperationLog
from juno_snap.pipeline.observe import check_controller
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.progress import CANCELLED, Progress, open_call
from juno_snap.pipeline.report import Report, hex_or_none
from juno_snap.pipeline.run import Run
from juno_snap.pipeline.sending import Materials
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.pipeline.workspace import Workspace

Direction: TypeAlias = Literal["forward", "back", "abandon"]


async def resume(
    workspace: Workspace,
    *,
    operation: str | None = None,
    module: Principal | None = None,
    direction: Direction | None = None,
    observer: Observer = ignore_events,
) -> Report:
    """Bring an operation to an end that was interrupted.

    ``operation`` is its id; without it the one that is not finished, of ``module`` if that is
    given. ``direction``: go on to the new state, back to the old one, or only have the module
    running and forget the rest. None goes on the way it was going.

    Raises:
        NotFoundError: There is no such operation, or none that is not finished.
        PreconditionError: It is finished, belongs to another network, or there are several.
        Others: See ``conduct``.
    """
    found = find_unfinished(workspace, operation, module).begun
    with workspace.lock(found.module):
        # Whoever held the module until now may have brought it to its end.
        record = find_unfinished(workspace, found.id, None)
        begun = record.begun
        program = Program.from_json(begun.program)
        workspace.journal.make_ready(JOURNAL_RESERVE_BYTES)
        log = OperationLog(
            workspace.journal, begun.id, record.steps, clock=workspace.clock, observer=observer
        )
        if direction == "abandon":
            return await _abandon(workspace, begun.id, program, log)
        progress = Progress(program=program, records=record.steps)
        _check_direction(progress, direction)
        materials = _materials(workspace, program, progress, direction)
        try:
            chain = await _take_up(workspace, program, log)
        except NotFoundError as error:
            # Not what is said where nothing is unfinished, which scripts take for well.
            raise PreconditionError(
                f"operation {begun.id} is not finished, but {error.message}",
                code=error.code,
                hint="check the network; if the module was deleted, close its operation: "
                f"juno-snap resume {begun.id} --abandon",
            ) from error
        run = Run(workspace, begun.id, program, log, materials)
        wish: Wish = "back" if direction == "back" else "forward"
        return await bring_to_end(workspace, begun.id, program, log, run, wish=wish, chain=chain)


def find_unfinished(
    workspace: Workspace, operation: str | None, module: Principal | None
) -> OperationRecord:
    """The operation that ``resume`` means.

    Raises:
        NotFoundError: There is none.
        PreconditionError: It is finished, belongs to another network, or there are several.
    """
    if operation is not None:
        record = workspace.journal.operation(operation)
        if record.outcome is not None:
            raise PreconditionError(
                f"operation {operation} is finished: {record.outcome}",
                code="operation-finished",
                hint="see: juno-snap history",
            )
        if record.begun.root_key != workspace.root_key:
            raise PreconditionError(
                f"operation {operation} belongs to another network: {record.begun.network}",
                code="other-network",
                hint=f"say --network {record.begun.network}",
            )
        return record
    found = workspace.journal.unfinished(workspace.root_key, module)
    match found:
        case [only]:
            return only
        case []:
            raise NotFoundError(
                "there is no operation to go on with",
                code="nothing-to-resume",
                hint="juno-snap history shows what was done, juno-snap status how a module is",
            )
        case _:
            names = ", ".join(f"{each.begun.id} ({each.begun.module})" for each in found)
            raise PreconditionError(
                f"{len(found)} operations are not finished: {names}",
                code="several-unfinished",
                hint="name one of them",
            )


def _check_direction(progress: Progress, direction: Direction | None) -> None:
    if direction == "forward" and progress.leg == "back":
        raise PreconditionError(
            "the new code was found to be bad, and the module is on its way back",
            code="on-its-way-back",
            hint="say --back to go on, or --abandon to leave the module as it is",
        )
    if direction == "back" and progress.is_changed and progress.way_back is None:
        raise PreconditionError(
            "this operation has no snapshot of the state before its change",
            code="no-way-back",
            hint="restore one by hand: juno-snap snapshot list",
        )


def _materials(
    workspace: Workspace, program: Program, progress: Progress, direction: Direction | None
) -> Materials:
    """The Wasm that was kept; none where it is not needed any more."""
    change, vault = program.change, workspace.vault
    if not isinstance(change, InstallChange) or progress.is_changed or direction == "back":
        return Materials()
    if vault is None:
        raise NotFoundError("the Wasm of this operation was not kept", code="wasm-not-kept")
    wasm = check_wasm(vault.kept(change.wasm_sha256), name=change.wasm_name)
    return Materials(wasm=wasm, arg=vault.kept(change.arg_sha256))


async def _take_up(workspace: Workspace, program: Program, log: OperationLog) -> ChainView:
    """Look at the module that an interrupted operation has left, and write that down."""
    client, module = workspace.client, program.module
    info = await client.canister_info(module)
    check_controller(info, module, client.agent.identity.principal)
    status = await client.canister_status(module)
    for record in log.records:
        if record.state == "begun" and open_call(record) is None:
            # Nothing of it is left to be found out; what is needed of it is done again.
            died = {**record.evidence, "error": CANCELLED, "message": "the process ended before it"}
            log.end(record.number, "failed", died)
    step = log.begin("resume", Progress(program=program, records=log.records).leg)
    log.end(
        step.number,
        "done",
        {
            "status": status.status,
            "module_hash": hex_or_none(status.module_hash),
            "version": status.version,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        },
    )
    return ChainView(status=status.status, module_hash=status.module_hash, version=status.version)


async def _abandon(
    workspace: Workspace,
    operation: str,
    program: Program,
    log: OperationLog,
) -> Report:
    """Start the module where we may have stopped it, and close the operation whatever happens."""
    warnings = []
    if Progress(program=program, records=log.records).owes_start:
        try:
            await workspace.client.start_canister(program.module)
        except JunoSnapError as error:
            warnings.append(f"the module could not be started: {error}")
            log.observer(Notice(text=warnings[0], warning=True))
    finish = Finish("interrupted")
    conclusion = Conclusion(operation, program, log.records, finish, warnings=warnings)
    await conclusion.inspect(workspace.client)
    report = conclusion.report()
    close(workspace, operation, "abandoned", report)
    return report
