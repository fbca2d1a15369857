"""``juno-snap status``: what a module is, holds and needs."""

from collections.abc import Iterator

import typer

from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.tables import cycles, facts, size
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import PreconditionError
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.discovery import list_segments
from juno_snap.juno.package import read_juno_module
from juno_snap.juno.roles import JunoModule
from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline.costs import freezing_reserve_cycles
from juno_snap.pipeline.doctor import LOW_DAYS, days_until_frozen
from juno_snap.pipeline.explain import module_not_found
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.listing import listed_json
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.observe import Observation, observe
from juno_snap.pipeline.report import hex_or_none
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import SNAPSHOTS_MAX

Document = dict[str, object]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=line)(status)


@spread
def status(common: CommonOptions, module: ModuleOptions) -> None:
    """What a module is, holds and needs."""
    session = Session(common)

    async def work() -> Document:
        async with connect(session, changes=False) as connection:
            choice = await connection.module(module)
            client = connection.client
            info = await client.canister_info(choice.id)
            if not info.exists:
                raise module_not_found(choice.id)
            if connection.agent.identity.principal not in info.controllers:
                return await _public(connection, choice, info)
            workspace = connection.workspace(choice)
            notes = workspace.notes(choice.id)
            seen = await reading(observe(client, choice.id, notes=notes))
            document = _private(choice, seen, _unfinished(workspace, choice))
            return await _with_segments(connection, choice, seen.juno, document)

    document = session.run(work())
    session.output.show(document, lambda: facts(_rows(document)))


async def _public(connection: Connection, choice: ModuleChoice, info: CertifiedInfo) -> Document:
    """What anybody may know."""
    juno = await read_juno_module(connection.client, choice.id)
    caller = connection.agent.identity.principal
    document = {
        **_identity(choice, juno),
        "status": None,
        "module_hash": hex_or_none(info.module_hash),
        "controllers": [str(controller) for controller in info.controllers],
        "cycles": None,
        "memory_size_bytes": None,
        "freezing": None,
        "snapshots": None,
        "advice": [
            f"{caller} is no controller: only the certified public part is shown",
            *_juno_advice(choice, juno),
        ],
    }
    return await _with_segments(connection, choice, juno, document)


async def _with_segments(
    connection: Connection, choice: ModuleChoice, juno: JunoModule, document: Document
) -> Document:
    """The same, of a mission control with the modules that it looks after."""
    if juno.role != "mission-control":
        return {**document, "segments": None}
    try:
        segments = await list_segments(connection.agent, choice.id)
    except PreconditionError as error:
        advice = [*_texts(document["advice"]), f"{error.message}; {error.hint}"]
        return {**document, "segments": None, "advice": advice}
    return {**document, "segments": [segment.to_json() for segment in segments]}


def _unfinished(workspace: Workspace, choice: ModuleChoice) -> list[str]:
    """The operations of this state directory that wait for their end, for people."""
    if workspace.state is None or not (workspace.state / JOURNAL_FILE).exists():
        return []
    found = workspace.journal.unfinished(workspace.root_key, choice.id)
    return [f"{record.begun.kind} {record.begun.id}" for record in found]


def _private(choice: ModuleChoice, seen: Observation, unfinished: list[str]) -> Document:
    """What controllers may know."""
    status = seen.status
    days = days_until_frozen(status)
    return {
        **_identity(choice, seen.juno),
        "status": status.status,
        "module_hash": hex_or_none(status.module_hash),
        "controllers": [str(controller) for controller in status.settings.controllers],
        "cycles": str(status.cycles),
        "memory_size_bytes": status.memory_size_bytes,
        "freezing": {
            "threshold_seconds": status.settings.freezing_threshold_seconds,
            "reserve_cycles": str(freezing_reserve_cycles(status)),
            "idle_cycles_burned_per_day": str(status.idle_cycles_burned_per_day),
            "days_left": None if days is None else round(days, 1),
        },
        "snapshots": [
            listed_json(snapshot, note_of(seen.notes, snapshot.id)) for snapshot in seen.snapshots
        ],
        "advice": [*_advice(seen, days, unfinished), *_juno_advice(choice, seen.juno)],
    }


def _identity(choice: ModuleChoice, juno: JunoModule) -> Document:
    """What it is: what it says of itself counts more than what it is called."""
    return {
        "module": str(choice.id),
        "name": choice.name,
        "role": juno.role or choice.role,
        "version": juno.version,
        "juno": juno.to_json(),
    }


def _juno_advice(choice: ModuleChoice, juno: JunoModule) -> Iterator[str]:
    if juno.problem:
        yield f"what it says of itself cannot be used: {juno.problem}"
    if choice.role is not None and juno.role not in {None, choice.role}:
        yield f"it is named as the {choice.role} but says that it is {juno.label}: correct its id"
    if choice.role is not None and juno.role is None:
        yield f"that it is a {choice.role} is said by its name only, not by the module"
    if juno.version is not None and not juno.is_certified:
        yield "its version is what one node says that it answered, not certified"
    if juno.build == "extended":
        yield "it is extended: a stock release would take its own functions away"


def _advice(seen: Observation, days: float | None, unfinished: list[str]) -> Iterator[str]:
    for operation in unfinished:
        yield f"the {operation} is not finished: bring it to its end with juno-snap resume"
    if seen.module_hash is None:
        yield "it is empty: install code with juno-snap module install --src FILE"
    if not seen.is_running and not unfinished:
        yield f"it is {seen.status.status}: start it with juno-snap module start"
    if seen.module_hash is not None and not seen.snapshots:
        yield "it has no snapshot: take one with juno-snap snapshot create"
    if len(seen.snapshots) >= SNAPSHOTS_MAX:
        yield "no slot for a snapshot is free: delete one with juno-snap snapshot delete"
    if days is not None and days < LOW_DAYS:
        yield f"it freezes in {days:.0f} days: top it up with cycles"
    if seen.stored_chunks:
        yield (
            f"{len(seen.stored_chunks)} chunks in its chunk store cost cycles: an upgrade uses or "
            "clears them"
        )


def _rows(document: Document) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        (key.replace("_", " "), document[key])
        for key in ("module", "name", "role", "version", "status", "module_hash")
    ]
    rows[4:4] = _juno_rows(document["juno"])
    rows.append(("controllers", "\n".join(_texts(document["controllers"]))))
    if document["cycles"] is not None:
        rows.append(("cycles", cycles(int(str(document["cycles"])))))
        rows.append(("memory", size(int(str(document["memory_size_bytes"])))))
    freezing, snapshots = document["freezing"], document["snapshots"]
    if isinstance(freezing, dict) and freezing["days_left"] is not None:
        rows.append(("freezes in", f"{freezing['days_left']} days"))
    if isinstance(snapshots, list):
        rows.append(("snapshots", f"{len(snapshots)} of {SNAPSHOTS_MAX}"))
    segments = document["segments"]
    if isinstance(segments, list):
        rows.append(("looks after", "\n".join(map(_segment_row, segments)) or "nothing"))
    return [*rows, *(("advice", line) for line in _texts(document["advice"]))]


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _juno_rows(juno: object) -> list[tuple[str, object]]:
    """What there is beside role and version."""
    if not isinstance(juno, dict):
        return []
    rows: list[tuple[str, object]] = [("build", juno["build"])] if juno["build"] else []
    if juno["package"]:
        needs = [f"needs {name} {version}" for name, version in juno["dependencies"].items()]
        package = f"{juno['package']} {juno['package_version']}"
        rows.append(("package", "\n".join([package, *needs])))
    return rows


def _segment_row(segment: Document) -> str:
    return " ".join(str(segment[key]) for key in ("role", "module", "name") if segment[key])
