"""``juno-snap rehearse``: an upgrade on a local copy of the module's state."""

import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from juno_snap.agent.identity import generate_ed25519
from juno_snap.backup.reader import open_backup
from juno_snap.cli.arguments import ArgumentOptions, install_argument
from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.rehearsals import of_rehearsal, rehearsal_table, stage_of
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.targets import choose_module, is_said
from juno_snap.cli.upgrades import (
    CheckOptions,
    GuardOptions,
    InstallOptions,
    SnapshotOptions,
    for_module,
    request_of,
)
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import (
    ConfigError,
    InputError,
    NotFoundError,
    PreconditionError,
    TransportError,
)
from juno_snap.events import Observer
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.library.configured import hooks_for
from juno_snap.pipeline.copying import Original
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.rehearsal import RehearsalReport
from juno_snap.pipeline.rehearsal_source import live_copy, original_of
from juno_snap.pipeline.rehearse import rehearse as rehearse_on_copy
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile, read_wasm_file

NO_NETWORK: Final = frozenset({"no-network", "no-local-replica"})
SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Where the state comes from; by default from a snapshot that is taken for the purpose."""

    backup: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Use this backup: nothing is fetched from the network."),
    ] = None
    snapshot: Annotated[
        str | None,
        typer.Option(
            metavar="ID|latest|LABEL", help="Use this snapshot of the module: none is taken."
        ),
    ] = None
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not keep the copy of the state afterwards.")
    ] = False
    instruction_limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="What the upgrade may use. [default: configured, 3e11]"
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a rehearsal begins with."""

    choice: ModuleChoice
    original: Original
    directory: Path
    hooks: Hooks
    kept: str | None = None
    """The directory, where it is a copy that stays."""


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{rehearse.__doc__}")(rehearse)


@spread
def rehearse(
    common: CommonOptions,
    module: ModuleOptions,
    *,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
    guards: GuardOptions,
    argument: ArgumentOptions,
    source: SourceOptions,
    src: Annotated[
        Path, typer.Option("-s", "--src", metavar="FILE", help="The new code: .wasm or .wasm.gz.")
    ],
) -> None:
    """The upgrade, with its checks and the hooks that are marked for it, on a copy of the state.

    A snapshot is taken for it without stopping the module, and deleted afterwards. The exit code
    is 5 where the upgrade fails.
    """
    session = Session(common)
    wasm = read_wasm_file(src)
    arg = install_argument(argument, wasm)
    request = request_of(session, snapshots, install, health, guards, arg)
    if source.backup is not None and source.snapshot is not None:
        raise InputError("--backup and --snapshot are two sources; say one", value=source.snapshot)

    async def work() -> RehearsalReport:
        with session.output.watch() as observer:
            async with _scene(session, module, source, observer) as scene:
                return await _rehearse(session, scene, source, request, wasm, observer)

    report = session.run(work())
    session.output.report(report.to_json(), lambda: rehearsal_table(report))
    report.require_passed()


async def _rehearse(
    session: Session,
    scene: Scene,
    source: SourceOptions,
    request: UpgradeRequest,
    wasm: WasmFile,
    observer: Observer,
) -> RehearsalReport:
    report = await rehearse_on_copy(
        scene.original,
        scene.directory,
        for_module(session, scene.choice, request),
        wasm,
        stage=stage_of(session, scene.hooks, limit=source.instruction_limit),
        observer=of_rehearsal(observer),
    )
    return dataclasses.replace(report, copy=scene.kept)


@contextlib.asynccontextmanager
async def _scene(
    session: Session, options: ModuleOptions, source: SourceOptions, observer: Observer
) -> AsyncIterator[Scene]:
    if source.backup is not None:
        async with _of_backup(session, options, source.backup) as scene:
            yield scene
        return
    async with connect(session, changes=True) as connection:
        choice = await connection.module(options)
        workspace = connection.workspace(choice)
        original = await reading(original_of(workspace, choice.id))
        keep = not source.no_cache
        async with live_copy(
            workspace, choice.id, snapshot=source.snapshot, keep=keep, observer=observer
        ) as directory:
            yield Scene(
                choice=choice,
                original=original,
                directory=directory,
                hooks=workspace.hooks,
                kept=str(directory) if keep else None,
            )


@contextlib.asynccontextmanager
async def _of_backup(
    session: Session, options: ModuleOptions, directory: Path
) -> AsyncIterator[Scene]:
    """A backup; the network is asked for settings and controllers where there is one."""
    of = open_backup(directory).description.module
    try:
        session.network()
    except ConfigError as error:
        if error.code not in NO_NETWORK:
            raise
        session.output.warn(
            "no network was chosen, so the copy has default settings and a caller of its own"
        )
        yield await _alone(session, options, of, directory)
        return
    async with connect(session, changes=False) as connection:
        choice = await connection.module_or(options, of)
        workspace = connection.workspace(choice)
        yield Scene(
            choice=choice,
            original=await _original(session, connection, choice.id),
            directory=directory,
            hooks=workspace.hooks,
        )


async def _alone(
    session: Session, options: ModuleOptions, of: Principal | None, directory: Path
) -> Scene:
    """Everything that can be known without a network."""
    if of is None or is_said(options):
        choice = await choose_module(
            session.settings, {}, options, project=session.project, output=session.output
        )
    else:
        choice = ModuleChoice(id=of, name=None, role=None)
    caller = generate_ed25519(os.urandom(SEED_BYTES))
    return Scene(
        choice=choice,
        original=Original(module=choice.id, caller=caller),
        directory=directory,
        hooks=Hooks(hooks_for(session.settings, choice.id, choice.name)),
    )


async def _original(session: Session, connection: Connection, module: Principal) -> Original:
    """The module as the network has it, if it tells."""
    try:
        return await reading(original_of(connection.workspace(), module))
    except (NotFoundError, PreconditionError, TransportError) as error:
        text = f"the copy has default settings, since those of the module are not known: {error}"
        session.output.warn(text)
        return Original(module=module, caller=connection.agent.identity)
