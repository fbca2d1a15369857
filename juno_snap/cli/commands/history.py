"""``juno-snap history``: operations of the past and unfinished ones, out of the journal."""

import operator
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing, moment
from juno_snap.cli.wiring import choose_module, name_of, root_key_of
from juno_snap.cli.words import seconds
from juno_snap.errors import InputError, NotFoundError
from juno_snap.ids import Principal
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.records import CallRecord, OperationRecord, StepRecord
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.report import rfc3339
from juno_snap.settings.names import key_name, modules_named
from juno_snap.units import NS_PER_MS

Document = dict[str, object]

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
    return [(None, choose_module(session.settings, {}, options).id)]


def _name(session: Session, record: OperationRecord) -> str | None:
    begun = record.begun
    return name_of(session.settings, begun.root_key, begun.module)


def operation_json(record: OperationRecord, name: str | None) -> Document:
    """An entry of ``operations``; no envelope of a call is in it."""
    begun, report = record.begun, record.report or {}
    return {
        "operation": begun.id,
        "kind": begun.kind,
        "module": str(begun.module),
        "name": name,
        "network": begun.network,
        "principal": str(begun.principal),
        "host": record.host,
        "version": record.version,
        "began_at": rfc3339(begun.began_at_ns),
        "finished_at": _time(record.finished_at_ns),
        "outcome": record.outcome,
        "old_hash": _old_hash(record),
        "new_hash": _new_hash(record),
        "snapshot": _snapshot(record),
        "safety_snapshot": report.get("safety_snapshot") or _taken(record, "safety-snapshot"),
        "steps": [_step_json(step) for step in record.steps],
    }


def _step_json(step: StepRecord) -> Document:
    return {
        "name": step.name,
        "leg": step.leg,
        "outcome": step.state,
        "began_at": rfc3339(step.began_at_ns),
        "duration_ms": _duration_ms(step.began_at_ns, step.ended_at_ns),
        "evidence": dict(step.evidence),
        "calls": [_call_json(call) for call in step.calls],
    }


def _call_json(call: CallRecord) -> Document:
    return {
        "method": call.method,
        "request_id": call.request_id.hex(),
        "expires_at": rfc3339(call.expires_at_ns),
        "state": call.state,
    }


def _old_hash(record: OperationRecord) -> object:
    said = (record.report or {}).get("old_hash")
    return said or _part(record.begun.program, "before").get("module_hash")


def _new_hash(record: OperationRecord) -> object:
    """Of the candidate, or of what was loaded, as far as it is known."""
    report, change = record.report or {}, _part(record.begun.program, "change")
    if "new_hash" in report:
        return report["new_hash"]
    return change.get("wasm_sha256")


def _snapshot(record: OperationRecord) -> object:
    """The one that an upgrade or ``snapshot create`` took, or that was loaded."""
    loaded = _part(record.begun.program, "change").get("snapshot")
    return loaded or _taken(record, "snapshot")


def _taken(record: OperationRecord, step_name: str) -> object:
    """The last snapshot that this step took."""
    ids = (
        step.evidence.get("id")
        for step in reversed(record.steps)
        if step.name == step_name and step.state == "done"
    )
    return next(ids, None)


def _part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else rfc3339(at_ns)


def _duration_ms(began_at_ns: int, ended_at_ns: int | None) -> int | None:
    return None if ended_at_ns is None else max(0, ended_at_ns - began_at_ns) // NS_PER_MS


def _told(
    records: Iterable[OperationRecord], names: Mapping[str, str | None], *, with_steps: bool
) -> RenderableType:
    if with_steps:
        return Group(*(_whole(record, names[record.begun.id]) for record in records))
    rows = [
        (
            record.begun.id,
            record.begun.kind,
            names[record.begun.id] or record.begun.module,
            record.outcome or "unfinished",
            moment(record.begun.began_at_ns),
            _shown_duration(record.begun.began_at_ns, record.finished_at_ns),
            _snapshot(record),
        )
        for record in records
    ]
    headings = ["OPERATION", "KIND", "MODULE", "OUTCOME", "BEGAN", "DURATION", "SNAPSHOT"]
    return listing(headings, rows)


def _whole(record: OperationRecord, name: str | None) -> RenderableType:
    begun = record.begun
    rows: list[tuple[str, object]] = [
        ("operation", begun.id),
        ("kind", begun.kind),
        ("module", f"{name} ({begun.module})" if name else begun.module),
        ("network", begun.network),
        ("who", begun.principal),
        ("where", f"{record.host}, process {record.pid}, juno-snap {record.version}"),
        ("began", moment(begun.began_at_ns)),
        ("duration", _shown_duration(begun.began_at_ns, record.finished_at_ns)),
        ("outcome", record.outcome or "unfinished: juno-snap resume brings it to its end"),
        ("old hash", _old_hash(record)),
        ("new hash", _new_hash(record)),
        ("snapshot", _snapshot(record)),
    ]
    steps = listing(
        ["STEP", "LEG", "OUTCOME", "DURATION", "EVIDENCE", "CALLS"],
        [
            (
                step.name,
                step.leg,
                step.state,
                _shown_duration(step.began_at_ns, step.ended_at_ns),
                ", ".join(f"{key} {value}" for key, value in step.evidence.items()) or None,
                ", ".join(f"{call.method} {call.state}" for call in step.calls) or None,
            )
            for step in sorted(record.steps, key=operator.attrgetter("number"))
        ],
    )
    return Group(facts(rows), Text(""), steps, Text(""))


def _shown_duration(began_at_ns: int, ended_at_ns: int | None) -> str | None:
    duration_ms = _duration_ms(began_at_ns, ended_at_ns)
    return None if duration_ms is None else seconds(duration_ms)
