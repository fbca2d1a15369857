"""Labels and protection of module snapshots: what a person says of them, kept in the journal.

The network knows neither, so they hold on this machine; the configuration's ``protected_snapshots``
holds wherever that is read. The module is locked meanwhile: an operation that has planned already
would not see the new word.
"""

from dataclasses import dataclass, replace
from typing import final

from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import Snapshot
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import SnapshotList, list_snapshots, listed_json
from juno_snap.pipeline.notes import check_label, holder_of, note_of
from juno_snap.pipeline.program import Program
from juno_snap.pipeline.report import SCHEMA, Json
from juno_snap.pipeline.resolve import resolve_snapshot
from juno_snap.pipeline.workspace import Workspace


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedSnapshot:
    """A snapshot and what is known of it now."""

    module: Principal
    snapshot: Snapshot
    note: SnapshotNote

    def to_json(self) -> Json:
        """The document of ``snapshot protect``, ``unprotect`` and ``label``."""
        return {
            "schema": SCHEMA,
            "module": str(self.module),
            "snapshot": listed_json(self.snapshot, self.note),
        }


async def protect_snapshot(
    workspace: Workspace, module: Principal, which: str, *, protect: bool = True
) -> MarkedSnapshot:
    """Protect the snapshot ``which`` from everything but force, or lift that.

    Raises:
        InputError: It is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: The configuration protects it, so that it cannot be lifted here; an
            operation that is not finished is about to give it up; or the caller may not see it, or
            the module is frozen.
        LockedError: An operation on the module is going on.
    """
    with workspace.lock(module):
        there = await _present(workspace, module)
        snapshot = resolve_snapshot(which, there.snapshots, notes=there.notes, module=module)
        if not protect and snapshot.id in workspace.protected:
            raise PreconditionError(
                f"the configuration protects snapshot {snapshot.id}",
                code="protected-by-configuration",
                hint="take it out of protected_snapshots; juno-snap config show --origins says in "
                "which file that is",
            )
        if protect:
            _check_not_given_up(workspace, module, snapshot.id)
        note = replace(note_of(there.notes, snapshot.id), is_protected=protect)
        workspace.journal.note(workspace.root_key, module, note)
    return MarkedSnapshot(module=module, snapshot=snapshot, note=note)


async def label_snapshot(
    workspace: Workspace, module: Principal, which: str, label: str
) -> MarkedSnapshot:
    """Give the snapshot ``which`` a label, in place of the one it may have.

    Raises:
        InputError: The label is none, or the snapshot is named ambiguously or malformed.
        NotFoundError: No such module, or no such snapshot.
        PreconditionError: Another snapshot of the module has the label; or the caller may not see
            it, or the module is frozen.
        LockedError: An operation on the module is going on.
    """
    label = check_label(label)
    with workspace.lock(module):
        there = await _present(workspace, module)
        snapshot = resolve_snapshot(which, there.snapshots, notes=there.notes, module=module)
        others = [other.id for other in there.snapshots if other != snapshot]
        holder = holder_of(label, others, there.notes)
        if holder is not None:
            raise PreconditionError(
                f"snapshot {holder} has the label {label} already",
                code="label-taken",
                hint="take another label",
            )
        known = note_of(workspace.journal.notes(workspace.root_key, module), snapshot.id)
        workspace.journal.note(workspace.root_key, module, replace(known, label=label))
    note = replace(note_of(there.notes, snapshot.id), label=label)
    return MarkedSnapshot(module=module, snapshot=snapshot, note=note)


def _check_not_given_up(workspace: Workspace, module: Principal, snapshot: SnapshotId) -> None:
    for record in workspace.journal.unfinished(workspace.root_key, module):
        program = Program.from_json(record.begun.program)
        replaced = None if program.save is None else program.save.replaced
        if snapshot in {replaced, *program.delete_after}:
            raise PreconditionError(
                f"operation {record.begun.id}, not finished, is to give up snapshot {snapshot}",
                code="snapshot-in-use",
                hint=f"end that first: juno-snap resume {record.begun.id} "
                "[--forward|--back|--abandon]",
            )


async def _present(workspace: Workspace, module: Principal) -> SnapshotList:
    """The snapshots that are there; what was known of others is forgotten, their labels are free.

    The module is locked: nobody on this state directory takes a snapshot meanwhile.
    """
    there = await list_snapshots(workspace, module)
    present = [snapshot.id for snapshot in there.snapshots]
    workspace.journal.forget_absent(workspace.root_key, module, present)
    return there
