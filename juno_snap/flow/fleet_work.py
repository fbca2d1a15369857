"""What is done with one module of a fleet: the same as its own command does, and never twice.

A module's row in the flow says ``done`` only after its operation has ended. Who dies in between
finds the operation in the journal, or the backup on disk, and does not begin another one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from juno_snap.backup.layout import MANIFEST
from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import begun_description
from juno_snap.errors import BackupError, JunoSnapError, NotFoundError, PreconditionError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.flow.fleet import Member, MemberResult
from juno_snap.pipeline.backup_create import BackupRequest, make_backup
from juno_snap.pipeline.journal.records import OperationRecord
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.report import (
    OperationFailedError,
    OperationRefusedError,
    OperationUnknownError,
)
from juno_snap.pipeline.restore import PreparedRestore, prepare_rollback, run_restore
from juno_snap.pipeline.restore_plan import RestorePlan
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace

HISTORY_LOOKED_AT: Final = 10
"""Newest operations of a module among which is the one of this run, if it was begun."""

BROKEN_OFF: Final = frozenset({"interrupted", "abandoned"})
"""Outcomes of operations that have left the old code: they are begun anew."""

RESTORED: Final = "restored"

ERROR_CHARACTERS: Final = 2000


async def upgrade_member(
    workspace: Workspace, member: Member, wasm: WasmFile, *, since_ns: int, observer: Observer
) -> MemberResult:
    """Upgrade a module, unless the run that began at ``since_ns`` has brought that to an end.

    Raises:
        OperationCancelledError: Cancelled; the module was told to start.
    """
    before = _ended_before(workspace, member, wasm, since_ns)
    if before is not None:
        return _of_document(before)
    try:
        report = await upgrade(workspace, member.module, member.request, wasm, observer=observer)
    except (OperationFailedError, OperationRefusedError, OperationUnknownError) as error:
        return _of_document(error.report.to_json(), error)
    except JunoSnapError as error:
        return refuse_member(error)
    return _of_document(report.to_json())


async def roll_back_member(
    workspace: Workspace, member: Member, *, since_ns: int, observer: Observer
) -> MemberResult:
    """Go back on an upgrade, after a safety snapshot, unless that was done already.

    A module that has got other code since then, by whomever, is refused.

    Raises:
        OperationCancelledError: Cancelled; the module was told to start.
    """
    newest = next(iter(_history(workspace, member)), None)
    for record in _rollbacks(workspace, member):
        is_last = record is newest and record.outcome == RESTORED
        if record.report is not None and (record.begun.began_at_ns >= since_ns or is_last):
            return _of_document(record.report)
    try:
        prepared = await _prepare_rollback(workspace, member, observer)
        if not isinstance(prepared, PreparedRestore):
            return _of_document(prepared)
        report = await run_restore(workspace, prepared, observer=observer)
    except (OperationFailedError, OperationRefusedError, OperationUnknownError) as error:
        return _of_document(error.report.to_json(), error)
    except JunoSnapError as error:
        return refuse_member(error)
    return _of_document(report.to_json())


async def plan_member_rollback(workspace: Workspace, member: Member) -> RestorePlan | None:
    """What ``roll_back_member`` would do; none where that was done already.

    Raises:
        PreconditionError: The module has got other code since.
        Others: See ``prepare_rollback``.
    """
    prepared = await _prepare_rollback(workspace, member, ignore_events)
    return prepared.plan if isinstance(prepared, PreparedRestore) else None


async def _prepare_rollback(
    workspace: Workspace, member: Member, observer: Observer
) -> PreparedRestore | Mapping[str, object]:
    """How to go back; or the report of having gone back, where the new code is gone."""
    prepared = await prepare_rollback(
        workspace,
        member.module,
        member.operation,
        stop_timeout_seconds=member.request.stop_timeout_seconds,
        observer=observer,
    )
    installed = prepared.seen.module_hash
    if prepared.resumes or (installed is not None and installed.hex() == member.new_hash):
        return prepared
    for record in _rollbacks(workspace, member):
        if record.outcome == RESTORED and record.report is not None:
            return record.report
    raise PreconditionError(
        f"{member.label} does not run the code that this fleet has installed any more",
        code="code-changed",
        hint="nothing was done with it; if it is to go back all the same: juno-snap rollback "
        f"{member.operation}",
    )


def _rollbacks(workspace: Workspace, member: Member) -> list[OperationRecord]:
    """Those of this upgrade that have come to an end, the newest first."""
    return [
        record
        for record in _history(workspace, member)
        if record.begun.kind == "rollback"
        and record.begun.program.get("of_operation") == member.operation
        and record.outcome not in {None, *BROKEN_OFF}
    ]


async def back_up_member(
    workspace: Workspace,
    member: Member,
    *,
    directory: Path,
    deletes_snapshot: bool,
    left: Sequence[Path] = (),
    observer: Observer,
) -> MemberResult:
    """Copy a snapshot of a module into ``directory``, which is of this run alone.

    Where snapshots go, copies that earlier runs have ``left`` are brought to their end first.

    Raises:
        OperationCancelledError: Cancelled; the module was told to start.
    """
    for folder in left if deletes_snapshot else ():
        if folder != directory:
            await _finish(workspace, member, folder, observer)
    request = BackupRequest(directory=directory, deletes_snapshot=deletes_snapshot)
    clock = workspace.clock
    began_ns = clock.monotonic_ns()
    try:
        backup = await _backup(workspace, member, request, observer)
    except JunoSnapError as error:
        return MemberResult(outcome="failed", backup=str(directory), error=_described(error))
    snapshot = backup.description.snapshot
    return MemberResult(
        outcome="backed-up",
        snapshot=None if snapshot is None else str(snapshot),
        backup=str(backup.path),
        duration_ms=(clock.monotonic_ns() - began_ns) // 1_000_000,
    )


async def _finish(workspace: Workspace, member: Member, folder: Path, observer: Observer) -> None:
    """Bring a copy to its end that an earlier run has begun, so that its snapshot can go."""
    request = BackupRequest(directory=folder, deletes_snapshot=True)
    try:
        if begun_description(folder) is not None or (folder / MANIFEST).exists():
            await make_backup(workspace, member.module, request, observer=observer)
    except NotFoundError:
        pass  # the snapshot is gone
    except JunoSnapError as error:
        if error.code != "backup-finished":  # its snapshot is gone, too
            text = f"the copy that an earlier run has begun cannot be finished: {error.message}"
            observer(Notice(text=text, warning=True))


async def _backup(
    workspace: Workspace, member: Member, request: BackupRequest, observer: Observer
) -> Backup:
    """The backup of this run: made, or found whole; verified in either case."""
    try:
        made = await make_backup(workspace, member.module, request, observer=observer)
    except BackupError as error:
        if error.code != "backup-finished" or request.directory is None:
            raise
        found = verify_backup(request.directory)
        found.require_sound()
        return found.backup
    if not request.deletes_snapshot:
        verify_backup(made.backup.path).require_sound()
    return made.backup


def refuse_member(error: JunoSnapError) -> MemberResult:
    """What comes of a module that nothing is done with."""
    return MemberResult(outcome="refused", error=_described(error))


def _ended_before(
    workspace: Workspace, member: Member, wasm: WasmFile, since_ns: int
) -> Mapping[str, object] | None:
    """The report of the operation with which this run has upgraded the module, if it has."""
    for record in _history(workspace, member):
        if _is_of_run(record, wasm, since_ns):
            if record.outcome in {None, *BROKEN_OFF}:
                return None  # to be gone on with, or begun anew
            return record.report
    return None


def _history(workspace: Workspace, member: Member) -> tuple[OperationRecord, ...]:
    return workspace.journal.history(
        root_key=workspace.root_key, module=member.module, limit=HISTORY_LOOKED_AT
    )


def _is_of_run(record: OperationRecord, wasm: WasmFile, since_ns: int) -> bool:
    if record.begun.kind != "upgrade" or record.begun.began_at_ns < since_ns:
        return False
    change = Program.from_json(record.begun.program).change
    return isinstance(change, InstallChange) and change.wasm_sha256 == wasm.sha256


def _of_document(
    document: Mapping[str, object], error: JunoSnapError | None = None
) -> MemberResult:
    """What a report says, as far as a fleet tells it; the rest is in the module's history."""

    def text(name: str) -> str | None:
        value = document.get(name)
        return value if isinstance(value, str) and value else None

    def number(name: str) -> int | None:
        value = document.get(name)
        return value if isinstance(value, int) else None

    return MemberResult(
        outcome=text("outcome") or "unknown",
        operation=text("operation"),
        old_hash=text("old_hash"),
        new_hash=text("new_hash"),
        snapshot=text("snapshot"),
        downtime_ms=number("downtime_ms"),
        duration_ms=number("duration_ms"),
        module_status=text("module_status"),
        error=_first_error(document) if error is None else _described(error),
    )


def _first_error(document: Mapping[str, object]) -> Mapping[str, str] | None:
    errors = document.get("errors")
    for each in errors if isinstance(errors, list) else ():
        if isinstance(each, dict):
            return {name: str(each.get(name, "")) for name in ("code", "message", "step")}
    return None


def _described(error: JunoSnapError) -> Mapping[str, str]:
    return {
        "code": error.code,
        "message": error.message[:ERROR_CHARACTERS],
        "hint": error.hint,
    }
