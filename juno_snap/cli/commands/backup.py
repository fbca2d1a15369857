"""``juno-snap backup``: make, verify, list, prune, convert and restore copies of module snapshots.

In here: what needs no network. The rest is in ``backup_network``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Group, RenderableType

from juno_snap.backup.catalogue import Entry, Pruning, list_backups, plan_pruning, prune
from juno_snap.backup.convert import convert_backup
from juno_snap.backup.model import Description
from juno_snap.backup.reader import Backup
from juno_snap.backup.retention import Rules
from juno_snap.backup.verify import Finding, Verification, verify_backup
from juno_snap.cli.commands import backup_copy, backup_network
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts_of, listing, moment, size
from juno_snap.errors import BackupError
from juno_snap.ids import SnapshotId
from juno_snap.pipeline.backup_create import BACKUPS_FOLDER
from juno_snap.pipeline.report import rfc3339
from juno_snap.settings.model import RetentionSettings

group: Final = typer.Typer(no_args_is_help=True)
group.command("create")(backup_network.create)
group.command("restore")(backup_network.restore)
group.command("copy")(backup_copy.copy)

Document = dict[str, object]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of one backup.")]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainOptions:
    """Whether a backup is also compared with the network."""

    against_chain: Annotated[
        bool,
        typer.Option("--against-chain", help="Also sizes and metadata of its snapshot there."),
    ] = False
    snapshot: Annotated[
        str | None,
        typer.Option(metavar="ID|LABEL", help="The snapshot, where the backup does not say it."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionOptions:
    """Which backups to keep; of each module for itself. What is not said is the configuration's."""

    keep_last: Annotated[int | None, typer.Option(min=0, metavar="N", help="The N newest.")] = None
    keep_daily: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The newest of each of N days."),
    ] = None
    keep_weekly: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The newest of each of N weeks."),
    ] = None
    keep_monthly: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The newest of each of N months."),
    ] = None

    def rules(self, configured: RetentionSettings) -> Rules:
        """The rules that hold."""

        def chosen(said: int | None, otherwise: int) -> int:
            return otherwise if said is None else said

        return Rules(
            last=chosen(self.keep_last, configured.keep_last),
            daily=chosen(self.keep_daily, configured.keep_daily),
            weekly=chosen(self.keep_weekly, configured.keep_weekly),
            monthly=chosen(self.keep_monthly, configured.keep_monthly),
        )


@group.command("verify")
@spread
def verify(
    common: CommonOptions, module: ModuleOptions, chain: ChainOptions, directory: Directory
) -> None:
    """Read all of a backup and compare it with its digests and with itself."""
    session = Session(common)
    with session.output.watch() as observer:
        verification = verify_backup(directory, observer=observer)
    shown, found = verification, tuple[Finding, ...]()
    if chain.against_chain and verification.is_sound:
        found = backup_network.compare_with_chain(
            session, module, verification.backup, chain.snapshot
        )
        shown = replace(verification, findings=found)
    session.output.report(
        {"verification": _verification_json(shown)},
        lambda: _verification_told(shown),
    )
    verification.require_sound()
    _require_same(verification.backup, found)


def _require_same(backup: Backup, found: tuple[Finding, ...]) -> None:
    if found:
        first, *others = found
        more = f", and {len(others)} more" if others else ""
        raise BackupError(
            f"{backup.path} is sound, but not what the network has: {first.problem}{more}",
            path=str(backup.path),
            code="backup-differs",
            hint="name the snapshot that it is of with --snapshot ID; one that is gone on the "
            "network cannot be compared",
        )


@group.command("list")
@spread
def list_all(
    common: CommonOptions,
    root: Annotated[
        Path | None,
        typer.Argument(metavar="[ROOT]", help="Where to look. [default: backups in the state]"),
    ] = None,
) -> None:
    """The backups in a directory and below it, the newest first; sizes are looked at, no digests.

    Those of icp, dfx and Juno are listed, too.
    """
    session = Session(common)
    place = root or session.state / BACKUPS_FOLDER
    found = list_backups(place) if root or place.is_dir() else ()
    document = {"root": str(place), "backups": [_entry_json(each) for each in found]}
    headings = ["PATH", "MODULE", "SNAPSHOT", "TAKEN", "SIZE", "LABEL", "STATE"]
    session.output.show(document, lambda: listing(headings, _entry_rows(found)))


@group.command("prune")
@spread
def prune_all(
    common: CommonOptions,
    change: ChangeOptions,
    rules: RetentionOptions,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Where to look.")],
) -> None:
    """Remove backups that no rule keeps. The newest that stays is verified before.

    A backup with a label, or of a protected snapshot, stays; so does what is unfinished, damaged,
    or made by another tool. Days, weeks and months are those of UTC. A rule that is not said is
    that of the table retention in juno-snap.toml.
    """
    session = Session(common)
    pruning = plan_pruning(root, rules.rules(session.settings.retention))
    document = _pruning_json(root, pruning, dry_run=change.dry_run)
    if change.dry_run or not pruning.going:
        session.output.show(document, lambda: _pruning_told(pruning, "would be removed"))
        return
    session.confirm(f"remove {len(pruning.going)} backups, {size(pruning.freed_bytes)}?")
    with session.output.watch() as observer:
        left = prune(pruning, observer=observer)
    for path in left:
        session.output.warn(f"{path} stays: it has files that do not belong to the backup")
    session.output.report(document, lambda: _pruning_told(pruning, "removed"))


@group.command("convert")
@spread
def convert(
    common: CommonOptions,
    directory: Directory,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A directory that is not there yet.")],
    layout: Annotated[
        Literal["icp", "juno"],
        typer.Option("--format", help="Whose: that of icp-cli and dfx, or Juno's."),
    ],
    snapshot: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The snapshot's id, where the backup does not say it."),
    ] = None,
) -> None:
    """Write a backup as another tool reads it. What that cannot carry is refused or said."""
    session = Session(common)
    named = None if snapshot is None else SnapshotId.parse(snapshot)
    with session.output.watch() as observer:
        converted = convert_backup(directory, out, to=layout, snapshot=named, observer=observer)
    document = _backup_json(converted.backup)
    remarks = list(converted.remarks)
    session.output.report(
        {"backup": document, "remarks": remarks},
        lambda: facts_of({**document, "remarks": remarks}),
    )


def _description_json(description: Description | None) -> Document:
    if description is None:
        names = ("module", "snapshot", "network", "taken_at", "label", "protected")
        return dict.fromkeys(names)
    return {
        "module": None if description.module is None else str(description.module),
        "snapshot": None if description.snapshot is None else str(description.snapshot),
        "network": description.network or None,
        "taken_at": rfc3339(description.metadata.taken_at_ns),
        "label": description.label or None,
        "protected": description.is_protected,
    }


def _backup_json(backup: Backup) -> Document:
    return {
        "path": str(backup.path),
        "format": backup.layout,
        **_description_json(backup.description),
        "module_hash": None if backup.manifest is None else backup.manifest.code_hash.hex(),
        "total_size_bytes": backup.total_size_bytes,
    }


def _verification_json(verification: Verification) -> Document:
    return {
        **_backup_json(verification.backup),
        "ok": verification.is_sound,
        "files": len(verification.backup.files),
        "findings": [
            {"file": each.file, "problem": each.problem} for each in verification.findings
        ],
        "remarks": list(verification.remarks),
    }


def _verification_told(verification: Verification) -> RenderableType:
    backup = verification.backup
    found = facts_of(
        {
            **_backup_json(backup),
            "sound": verification.is_sound,
            "remarks": list(verification.remarks),
        }
    )
    if verification.is_sound:
        return found
    rows = [(each.file, each.problem) for each in verification.findings]
    return Group(found, listing(["FILE", "PROBLEM"], rows))


def _entry_json(entry: Entry) -> Document:
    return {
        "path": str(entry.path),
        "format": entry.layout,
        "state": entry.state,
        **_description_json(entry.description),
        "total_size_bytes": entry.total_size_bytes,
        "problem": entry.problem or None,
    }


def _entry_rows(found: tuple[Entry, ...]) -> Iterator[tuple[object, ...]]:
    for each in found:
        said = each.description
        yield (
            each.path,
            said and said.module,
            said and said.snapshot,
            said and moment(said.metadata.taken_at_ns),
            None if each.total_size_bytes is None else size(each.total_size_bytes),
            said and (said.label or None),
            each.state if each.layout == "juno-snap" else f"{each.state}, {each.layout}",
        )


def _pruning_json(root: Path, pruning: Pruning, *, dry_run: bool) -> Document:
    return {
        "root": str(root),
        "dry_run": dry_run,
        "kept": [
            {"path": str(each.candidate.path), "reasons": list(each.reasons)}
            for each in pruning.verdicts
            if each.stays
        ],
        "removed": [str(path) for path in pruning.going],
        "freed_bytes": pruning.freed_bytes,
    }


def _pruning_told(pruning: Pruning, going: str) -> RenderableType:
    rows = [
        (
            each.candidate.path,
            moment(each.candidate.taken_at_ns),
            size(pruning.sizes[each.candidate.path]),
            ", ".join(each.reasons) or going,
        )
        for each in pruning.verdicts
    ]
    return listing(["PATH", "TAKEN", "SIZE", "KEPT AS"], rows)
