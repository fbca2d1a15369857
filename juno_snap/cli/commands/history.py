"""``juno-snap history``: operations of the past and unfinished ones, out of the journal."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType

from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.past import operation_json, operation_table, shown_duration, snapshot_of
from juno_snap.cli.session import Session
from juno_snap.cli.tables import listing, moment
from juno_snap.cli.targets import choose_module
from juno_snap.cli.wiring import name_of, root_key_of
from juno_snap.errors import InputError, NotFoundError
from juno_snap.ids import Principal
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.records import OperationRecord
from juno_snap.pipeline.journal.store import Journal
from juno_snap.settings.names import key_name, modules_named

LIMIT: Final = 20
EVERYTHING: Final = 1_000_000


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{history.__doc__}")(history)


@spread
def history(
    common: CommonOptions,
    module: ModuleOptions,
    operation: Annotated[
        str | None, typer.Argument(metavar="[OPERATION]", help="This one, with its steps.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = LIMIT,
) -> None:
    """The newest first; with an operation's name, or -v, their steps as well. Needs no network.

    Only what was done with this state directory is known. --network and --module say of what.
    """
    session = Session(common)
    if operation is not None and (module.module or module.target):
        raise InputError("an operation is of one module: leave the module away", value=operation)
    records = _records(session, module, operation, limit)
    names = {record.begun.id: _name(session, record) for record in records}
    document = {"operations": [operation_json(each, names[each.begun.id]) for each in records]}
    with_steps = operation is not None or common.verbose
    session.output.show(document, lambda: _told(records, names, with_steps=with_steps))


def _records(
    session: Session, module: ModuleOptions, operation: str | None, limit: int
) -> list[OperationRecord]:
    """What was asked for, the newest first; a journal that is not there is not made."""
    if not (session.state / JOURNAL_FILE).exists():
        if operation is not None:
            raise NotFoundError(f"there is no operation {operation}: the journal is empty")
        return []
    root_key = root_key_of(session) if session.options.network else None
    with Journal.open(session.state) as journal:
        if operation is not None:
            return [journal.operation(operation)]
        if not module.module and not module.target:
            return list(journal.history(root_key=root_key, limit=limit))
        found: dict[str, OperationRecord] = {}
        for key, canister in _modules(session, module):
            for record in journal.history(root_key=root_key, module=canister, limit=EVERYTHING):
                if key is None or key == key_name(record.begun.root_key):
                    found[record.begun.id] = record
    newest = sorted(found.values(), key=lambda each: each.begun.began_at_ns, reverse=True)
    return newest[:limit]


def _modules(session: Session, options: ModuleOptions) -> list[tuple[str | None, Principal]]:
    """The modules that are meant, each with the one network it belongs to, if it is only one.

    A name that ``module create`` gave may stand for a module on each of several networks.
    """
    if options.module and options.module not in session.settings.modules:
        given = modules_named(session.state, options.module)
        if given:
            return list(given.items())
    chosen = choose_module(
        session.settings, {}, options, project=session.project, output=session.output
    )
    return [(None, session.run(chosen).id)]


def _name(session: Session, record: OperationRecord) -> str | None:
    begun = record.begun
    return name_of(session.settings, begun.root_key, begun.module)


def _told(
    records: Iterable[OperationRecord], names: Mapping[str, str | None], *, with_steps: bool
) -> RenderableType:
    if with_steps:
        return Group(*(operation_table(record, names[record.begun.id]) for record in records))
    rows = [
        (
            record.begun.id,
            record.begun.kind,
            names[record.begun.id] or record.begun.module,
            record.outcome or "unfinished",
            moment(record.begun.began_at_ns),
            shown_duration(record.begun.began_at_ns, record.finished_at_ns),
            snapshot_of(record),
        )
        for record in records
    ]
    headings = ["OPERATION", "KIND", "MODULE", "OUTCOME", "BEGAN", "DURATION", "SNAPSHOT"]
    return listing(headings, rows)
