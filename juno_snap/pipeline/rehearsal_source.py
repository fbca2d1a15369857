"""The state that a rehearsal starts from: a snapshot of the live module, fetched into a backup.

The snapshot is taken for the purpose, without stopping the module and in a free slot, and deleted
as soon as it is here; one of a rehearsal that was killed is deleted by the next. Copies lie in the
state directory, for their owner only, one for each module: a newer one takes the place of the last.
"""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from juno_snap.backup.layout import MANIFEST
from juno_snap.errors import JunoSnapError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.files import lock_file, make_private_folders, writing_in
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.copying import Original
from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.download import download_snapshot
from juno_snap.pipeline.listing import list_snapshots
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.observe import check_controller
from juno_snap.pipeline.program import Program
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationRefusedError,
    SnapshotReport,
)
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.resume import resume
from juno_snap.pipeline.snapshots import delete_snapshots
from juno_snap.pipeline.workspace import Workspace

COPIES_FOLDER: Final = "rehearsals"
COMPILED_FOLDER: Final = "compiled"
COMPILED_MAX: Final = 8
"""Old and new code of a few modules; each takes three to ten times the room of its Wasm."""


async def original_of(workspace: Workspace, module: Principal) -> Original:
    """What a copy of ``module`` needs beside its state, as certified now.

    Raises:
        NotFoundError: There is no such module.
        PreconditionError: The caller does not control it.
    """
    client = workspace.client
    info = await client.canister_info(module)
    check_controller(info, module, client.agent.identity.principal)
    status = await client.canister_status(module)
    return Original(
        module=module,
        caller=client.agent.identity,
        controllers=info.controllers,
        settings=status.settings,
    )


def compiled_folder(state: Path) -> Path:
    """Where rehearsals keep compiled modules, without the old ones among them."""
    folder = state / COPIES_FOLDER / COMPILED_FOLDER
    make_private_folders(state, folder.parent, folder)
    with contextlib.suppress(FileNotFoundError):  # another process does the same
        kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in kept[COMPILED_MAX:]:
            path.unlink()
    return folder


async def end_interrupted(
    workspace: Workspace, module: Principal, *, observer: Observer = ignore_events
) -> None:
    """Bring to its end what a rehearsal was doing to ``module`` when it was killed.

    Then it stands in the way of nothing, and the next rehearsal deletes the snapshot.

    Raises:
        LockedError: That rehearsal, or another operation, is at it.
        OperationUnknownError: The network does not tell what became of it.
    """
    for record in workspace.journal.unfinished(workspace.root_key, module):
        save = Program.from_json(record.begun.program).save
        if save is not None and save.purpose == "rehearsal":
            # However it ends: it is over, and nobody waits for it.
            with contextlib.suppress(OperationFailedError, OperationRefusedError):
                await resume(workspace, operation=record.begun.id, observer=observer)


@contextlib.asynccontextmanager
async def live_copy(
    workspace: Workspace,
    module: Principal,
    *,
    snapshot: str | None = None,
    keep: bool = True,
    observer: Observer = ignore_events,
) -> AsyncIterator[Path]:
    """The directory of a backup of ``module``; it stays afterwards if ``keep``.

    ``snapshot`` is one that is there already (``latest``, a label, an id): it is not deleted, and
    not fetched again where its copy is still here. None: one is taken, and deleted once fetched.

    Raises:
        NotFoundError: No such module, or no such snapshot.
        InputError: The snapshot is named ambiguously or malformed.
        PreconditionError: No slot is free, the caller does not control the module, or an operation
            on it is not finished.
        LockedError: Another rehearsal or operation is at it.
        BackupError: The copy cannot be written.
    """
    with _place(workspace, module) as folder:
        chosen = None if snapshot is None else await _choose(workspace, module, snapshot)
        directory = await _fetched(workspace, module, folder, chosen, observer=observer)
        _remove_others(folder, directory)
        try:
            yield directory
        finally:
            if not keep:
                shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _place(workspace: Workspace, module: Principal) -> Iterator[Path]:
    """The folder of the copies of ``module``, held against other rehearsals."""
    if workspace.state is None:
        with tempfile.TemporaryDirectory() as passing:
            yield Path(passing)
        return
    network = workspace.root_key_sha256.hex()[:16]
    folder = workspace.state / COPIES_FOLDER / f"{module}-{network}"
    with writing_in(workspace.state):
        make_private_folders(workspace.state, folder.parent, folder)
    with lock_file(folder / ".lock", purpose=f"a rehearsal of {module}"):
        yield folder


async def _choose(workspace: Workspace, module: Principal, which: str) -> SnapshotId:
    listed = await list_snapshots(workspace, module)
    return resolve_snapshot(which, listed.snapshots, notes=listed.notes, module=module).id


async def _fetched(
    workspace: Workspace,
    module: Principal,
    folder: Path,
    chosen: SnapshotId | None,
    *,
    observer: Observer,
) -> Path:
    """The directory of the chosen snapshot, else of one that is taken."""
    if chosen is not None:
        directory = folder / str(chosen)
        if not (directory / MANIFEST).exists():
            await download_snapshot(workspace, module, chosen, directory, observer=observer)
        return directory
    taken = await _take(workspace, module, observer=observer)
    try:
        directory = folder / str(taken)
        await download_snapshot(workspace, module, taken, directory, observer=observer)
    finally:
        await _delete(workspace, module, [taken], observer=observer)
    return directory


async def _take(workspace: Workspace, module: Principal, *, observer: Observer) -> SnapshotId:
    """A snapshot for the purpose; what an earlier rehearsal has left goes before."""
    await end_interrupted(workspace, module, observer=observer)
    listed = await list_snapshots(workspace, module)
    left = [
        each.id
        for each in listed.snapshots
        if note_of(listed.notes, each.id).purpose == "rehearsal"
        and not note_of(listed.notes, each.id).is_protected
    ]
    if left:
        await _delete(workspace, module, left, observer=observer)
    prepared = await prepare_create(
        workspace, module, stop=False, purpose="rehearsal", observer=observer
    )
    try:
        report = await run_create(workspace, prepared, observer=observer)
    except OperationCancelledError as error:
        if isinstance(error.report, SnapshotReport) and error.report.snapshot is not None:
            await _delete(workspace, module, [error.report.snapshot.id], observer=observer)
        raise
    if report.snapshot is None:
        raise JunoSnapError("the network named no snapshot", code="no-snapshot")
    return report.snapshot.id


async def _delete(
    workspace: Workspace, module: Principal, snapshots: list[SnapshotId], *, observer: Observer
) -> None:
    """Delete what was taken; that it stays is a warning, and the next rehearsal tries again."""
    try:
        await delete_snapshots(workspace, module, snapshots)
    except JunoSnapError as error:
        text = f"a snapshot that was taken for the rehearsal stays: {error.message}"
        observer(Notice(text=text, warning=True))


def _remove_others(folder: Path, kept: Path) -> None:
    """Copies of a module are large, and the newest is the one that counts."""
    for each in folder.iterdir():
        if each.is_dir() and each != kept:
            shutil.rmtree(each, ignore_errors=True)
