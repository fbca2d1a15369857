"""``juno-snap module``: plain management, for scripts and rescue.

What could cross an operation that is under way is refused while another process is at the module.
``start`` never is, since it is what helps a module that was left.
"""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from juno_snap.cli.arguments import ArgumentOptions, install_argument
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts_of
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import InputError, PreconditionError
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.management.candid_call import call_with_text
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import (
    CanisterSettings,
    Install,
    InstallMode,
    MemoryPersistence,
    Reinstall,
    Upgrade,
)
from juno_snap.pipeline.install import install as install_code
from juno_snap.pipeline.request import NO_ARGUMENT
from juno_snap.pipeline.wasm_file import WasmFile, read_wasm_file
from juno_snap.settings.names import check_name_is_free, forget_module, remember_module

group: Final = typer.Typer(no_args_is_help=True)

Document = dict[str, object]
Change = Callable[[ManagementClient, Principal], Awaitable[int]]
NewCode = Annotated[
    Path,
    typer.Option("-s", "--src", "--wasm", metavar="FILE", help="The new code: .wasm or .wasm.gz."),
]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("create")
@spread
def create(
    common: CommonOptions,
    argument: ArgumentOptions,
    change: ChangeOptions,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name it, for --module NAME.")
    ] = None,
    wasm: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Install this module at once.")
    ] = None,
    controller: Annotated[
        list[str] | None,
        typer.Option(metavar="PRINCIPAL", help="Another controller besides you; repeatable."),
    ] = None,
    cycles: Annotated[int | None, typer.Option(min=0, help="What it begins with.")] = None,
) -> None:
    """Create a module on a network that gives them away: local ones do."""
    session = Session(common)
    file = read_wasm_file(wasm) if wasm else None
    arg = install_argument(argument, file)
    if arg is not None and file is None:
        raise InputError("an argument needs code that takes it: say --wasm FILE", value="--arg")
    controllers = [Principal.parse(text) for text in controller or []]

    async def work() -> Document:
        async with connect(session, changes=True) as connection:
            return await _create(
                session, connection, name, file, arg or NO_ARGUMENT, controllers, cycles, change
            )

    document = session.run(work())
    session.output.show(document, lambda: facts_of(document))


async def _create(
    session: Session,
    connection: Connection,
    name: str | None,
    file: WasmFile | None,
    arg: bytes,
    controllers: list[Principal],
    cycles: int | None,
    change: ChangeOptions,
) -> Document:
    if connection.is_mainnet:
        raise PreconditionError(
            "modules are not created on mainnet by this command",
            code="mainnet",
            hint="create it with Juno's console or CLI",
        )
    client, state, root_key = connection.client, session.state, connection.agent.root_key
    if name:
        check_name_is_free(state, root_key, name)
    module_hash = file.sha256.hex() if file else None
    if change.dry_run:
        return {"module": None, "name": name, "module_hash": module_hash, "dry_run": True}
    caller = connection.agent.identity.principal
    everyone = tuple(dict.fromkeys([caller, *controllers]))
    settings = CanisterSettings(controllers=everyone) if controllers else None
    module = await client.provisional_create_canister(settings=settings, cycles=cycles)
    session.output.note(f"created {module}")
    if name:
        remember_module(state, root_key, name, module)
    if file:
        with session.output.watch() as observer:
            await install_code(client, module, file, Install(), arg, observer=observer)
    return {"module": str(module), "name": name, "module_hash": module_hash}


@group.command("install")
@spread
def install(
    common: CommonOptions,
    module: ModuleOptions,
    argument: ArgumentOptions,
    change: ChangeOptions,
    wasm: NewCode,
    mode: Annotated[
        Literal["install", "reinstall", "upgrade"],
        typer.Option(help="reinstall wipes all data; upgrade here takes no snapshot."),
    ] = "install",
    skip_pre_upgrade: Annotated[
        bool, typer.Option("--skip-pre-upgrade", help="With upgrade: do not run its hook.")
    ] = False,
    wasm_memory_persistence: Annotated[
        Literal["keep", "replace"] | None,
        typer.Option(help="With upgrade: what becomes of the heap."),
    ] = None,
) -> None:
    """Install code as it is said, without a snapshot. For changing code use: juno-snap upgrade."""
    session = Session(common)
    file = read_wasm_file(wasm)
    arg = install_argument(argument, file)
    install_mode = _mode(mode, skip_pre_upgrade, wasm_memory_persistence)

    async def work() -> Document:
        async with connect(session, changes=True) as connection:
            choice = await connection.module(module)
            document: Document = {
                "module": str(choice.id),
                "name": choice.name,
                "mode": mode,
                "module_hash": file.sha256.hex(),
            }
            if change.dry_run:
                return {**document, "dry_run": True}
            if mode == "reinstall":
                session.confirm(f"reinstall {choice.label}, which wipes all of its data?")
            lock = connection.workspace(choice).lock(choice.id)
            with lock, session.output.watch() as observer:
                client, argument_bytes = connection.client, NO_ARGUMENT if arg is None else arg
                await install_code(
                    client, choice.id, file, install_mode, argument_bytes, observer=observer
                )
            return document

    document = session.run(work())
    session.output.show(document, lambda: facts_of(document))


@group.command("start")
@spread
def start(common: CommonOptions, module: ModuleOptions, change: ChangeOptions) -> None:
    """Start a module; a stop that is under way is cancelled."""
    _change(Session(common), module, change, "running", ManagementClient.start_canister)


@group.command("stop")
@spread
def stop(common: CommonOptions, module: ModuleOptions, change: ChangeOptions) -> None:
    """Stop a module: it answers nothing until it is started."""
    _change(Session(common), module, change, "stopped", ManagementClient.stop_canister)


@group.command("delete")
@spread
def delete(common: CommonOptions, module: ModuleOptions, change: ChangeOptions) -> None:
    """Delete a stopped module for good, with its data, snapshots and cycles."""
    session = Session(common)

    def confirm(choice: ModuleChoice) -> None:
        session.confirm(f"delete {choice.label} for good, with its data, snapshots and cycles?")

    _change(session, module, change, "deleted", ManagementClient.delete_canister, confirm)


@group.command("call")
@spread
def call(
    common: CommonOptions,
    module: ModuleOptions,
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    arguments: Annotated[
        str, typer.Argument(metavar="[CANDID]", help="Such as '(\"a\", record { n = 1 })'.")
    ] = "()",
    query: Annotated[
        bool, typer.Option("--query", help="Ask one node, without changing anything.")
    ] = False,
) -> None:
    """Call a method of a module and print its reply as Candid text."""
    session = Session(common)

    async def work() -> tuple[str, str]:
        async with connect(session, changes=not query) as connection:
            choice = await connection.module(module)
            reply = await call_with_text(
                connection.agent, choice.id, method, arguments, query=query
            )
            return reply.text, reply.data.hex()

    text, data = session.run(work())
    session.output.show({"reply": text, "reply_hex": data}, lambda: text)


def _change(
    session: Session,
    options: ModuleOptions,
    change: ChangeOptions,
    becomes: str,
    method: Change,
    confirm: Callable[[ModuleChoice], None] | None = None,
) -> None:
    """One call that changes a module."""

    async def work() -> Document:
        async with connect(session, changes=True) as connection:
            choice = await connection.module(options)
            document: Document = {
                "module": str(choice.id),
                "name": choice.name,
                "module_status": becomes,
            }
            if change.dry_run:
                return {**document, "dry_run": True}
            if confirm:
                confirm(choice)
            with _alone(connection, choice, becomes):
                await method(connection.client, choice.id)
            if becomes == "deleted":
                forget_module(session.state, connection.agent.root_key, choice.id)
            return document

    document = session.run(work())
    session.output.show(document, lambda: facts_of(document))


def _alone(
    connection: Connection, choice: ModuleChoice, becomes: str
) -> contextlib.AbstractContextManager[None]:
    """Keep others from the module meanwhile; raises ``LockedError`` where somebody is at it."""
    if becomes == "running":
        return contextlib.nullcontext()
    return connection.workspace(choice).lock(choice.id)


def _mode(
    mode: Literal["install", "reinstall", "upgrade"],
    skip_pre_upgrade: bool,
    persistence: MemoryPersistence | None,
) -> InstallMode:
    if mode == "upgrade":
        return Upgrade(skip_pre_upgrade=skip_pre_upgrade, wasm_memory_persistence=persistence)
    if skip_pre_upgrade or persistence:
        raise InputError(
            "--skip-pre-upgrade and --wasm-memory-persistence go with --mode upgrade", value=mode
        )
    return Install() if mode == "install" else Reinstall()
