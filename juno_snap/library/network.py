"""A network that a program is connected to.

The journal is opened when something is first read from it or written to it: ``PreconditionError``
where it is damaged, of a newer version, or cannot be written.
"""

import contextlib
import functools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import Identity
from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.errors import ConfigError, NotFoundError
from juno_snap.events import Notice, Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.guards import Terms
from juno_snap.juno.releases.model import Catalogue
from juno_snap.library import configured
from juno_snap.library.address import find_local, pinned_key
from juno_snap.library.asking import forgiving
from juno_snap.library.code import new_module
from juno_snap.library.fleet import Fleet
from juno_snap.library.keys import IdentityChoice, choose_identity
from juno_snap.library.module import Module
from juno_snap.library.published import releases_of
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.journal.records import OperationRecord
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.report import Report
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.resume import Direction, resume
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.load import load_settings
from juno_snap.settings.model import Role, Settings
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import choose_network
from juno_snap.settings.schema import looks_like_principal

STATE_VARIABLE: Final = "JUNO_SNAP_STATE"


def connect(
    network: str | None = None,
    *,
    root_key: str | bytes | None = None,
    identity: IdentityChoice = None,
    passphrase: str | None = None,
    state: Path | None = None,
    config: Path | None = None,
    on_event: Observer = ignore_events,
) -> contextlib.AbstractAsyncContextManager["Network"]:
    """A network, until the end of the ``async with``.

    Args:
        network: ``ic`` (mainnet), ``local`` (the replica of ``juno-snap replica start``), ``juno``,
            ``icp`` or ``dfx``, a name of ``config``, or a URL. None: the one that ``config``
            prefers, else ``local`` while it runs.
        root_key: Of a URL: ``ic``, ``fetch`` (believe the network itself), hex or DER bytes.
        identity: Who signs: a key, a PEM file, or a name as on the command line (``juno:token``
            too). None: on any network but mainnet a key of the state directory.
        passphrase: Of that key.
        state: Where journal, locks and keys are, shared with the command line. None: what the
            variable ``JUNO_SNAP_STATE`` says, else the user's state directory.
        config: A ``juno-snap.toml``: its networks, names, checks, hooks, prices and protected
            snapshots hold here too. None: no file and no other variable is read.
        on_event: Told of each step, wait and transfer, unless a method is given its own. An
            exception in it is logged and stops nothing.

    Raises:
        ConfigError: No such network, or a mistake in ``config``.
        IdentityError: No usable key, or none was chosen for mainnet.
        TransportError: The root key had to be fetched, and nobody answers.
    """
    settings = _settings(network, root_key, state=state, config=config)
    return _connection(settings, identity, passphrase, forgiving(on_event))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network, and who acts on it; made by ``connect``."""

    workspace: Workspace
    """What operations of the pipeline take, for whoever needs more than there is here."""
    settings: Settings
    on_event: Observer = ignore_events

    @property
    def name(self) -> str:
        """Its name or its URL."""
        return self.workspace.network

    @property
    def identity(self) -> Identity:
        """Who signs."""
        return self.workspace.client.agent.identity

    @property
    def is_mainnet(self) -> bool:
        """Whether this is the real network, whatever it was called."""
        return self.workspace.root_key == MAINNET_ROOT_KEY

    def module(self, which: str | Principal) -> Module:
        """The module of a canister id, or of a name that the command line or the config knows.

        The network is not asked: whether there is such a module shows at the first use.

        Raises:
            InputError: A malformed id.
            NotFoundError: There is no such name.
            ConfigError: A mistake in what is configured for the module.
        """
        settings = self.settings
        known = named_modules(settings.state_directory, self.workspace.root_key)
        known |= {name: entry.canister for name, entry in settings.modules.items()}
        if isinstance(which, str) and which in known:
            return self._module(known[which], which)
        if isinstance(which, str) and not looks_like_principal(which):
            raise NotFoundError(
                f"there is no module named {which}",
                code="module-not-found",
                hint=f"known are {', '.join(sorted(known))}" if known else "give its canister id",
            )
        canister = Principal.parse(which) if isinstance(which, str) else which
        names = [name for name, each in known.items() if each == canister]
        return self._module(canister, names[0] if names else None)

    def fleet(self, path: Path) -> Fleet:
        """The modules that a fleet file names; it is read when something is done with them."""
        return Fleet(path=path, modules=_NetworkModules(self), on_event=self.on_event)

    async def create_module(
        self, wasm: Path | str | bytes | None = None, *, arg: str = "()"
    ) -> Module:
        """A new module with the code ``wasm``, on a network for development.

        ``arg`` is Candid text. The identity of this connection controls it.

        Raises:
            NotFoundError: There is no such file.
            InputError: ``wasm`` or ``arg`` is malformed.
            RejectedError: The network makes no modules for free, or the code was refused.
        """
        made = await new_module(self.workspace, wasm, arg=arg, observer=self.on_event)
        return self._module(made, None)

    async def releases(self) -> Catalogue:
        """The published releases of Juno: ``versions`` of each role, and ``latest(role)``.

        Raises:
            NotFoundError, TransportError: The list cannot be had.
            DecodeError: It is none.
        """
        return await releases_of(self.settings).catalogue()

    def history(
        self, *, module: Module | None = None, limit: int = 20
    ) -> tuple[OperationRecord, ...]:
        """The operations of this network that this state directory knows, the newest first."""
        return self.workspace.journal.history(
            root_key=self.workspace.root_key, module=module.id if module else None, limit=limit
        )

    def unfinished(self, *, module: Module | None = None) -> tuple[OperationRecord, ...]:
        """Operations that were interrupted, or that run just now, the oldest first."""
        return self.workspace.journal.unfinished(
            self.workspace.root_key, module.id if module else None
        )

    async def resume(
        self,
        operation: str | None = None,
        *,
        module: Module | None = None,
        direction: Direction | None = None,
        on_event: Observer | None = None,
    ) -> Report:
        """Bring an interrupted operation to its end: the one named, or the only one there is.

        ``direction`` says where to: ``forward``, ``back`` to what was before, or ``abandon``.

        Raises:
            NotFoundError: There is no such operation, or none that is not finished.
            PreconditionError: It cannot be gone on with in that direction.
            LockedError: It runs in another process.
            OperationFailedError, OperationUnknownError, OperationCancelledError: As the operation.
        """
        records = [self.workspace.journal.operation(operation)] if operation else self.unfinished()
        known = module.id if module else next((each.begun.module for each in records), None)
        workspace = self.workspace if known is None else self.module(known).workspace
        observer = self.on_event if on_event is None else forgiving(on_event)
        return await resume(
            workspace,
            operation=operation,
            module=module.id if module else None,
            direction=direction,
            observer=observer,
        )

    def _module(self, canister: Principal, name: str | None) -> Module:
        settings = self.settings
        return Module(
            id=canister,
            name=name,
            workspace=replace(
                self.workspace,
                hooks=Hooks(configured.hooks_for(settings, canister, name)),
                protected=configured.protected_for(settings, canister),
            ),
            defaults=UpgradeRequest(
                checks=configured.checks_for(settings, canister),
                stop_timeout_seconds=settings.stop_timeout_seconds,
                health_timeout_seconds=settings.health_timeout_seconds,
                rollback_window_seconds=settings.rollback_window_seconds,
                juno=Terms(role=configured.role_of(settings, canister)),
            ),
            rehearsal_instruction_limit=settings.rehearsal_instruction_limit,
            on_event=self.on_event,
            source=releases_of(settings),
        )


@final
class _NetworkModules:
    """The modules of a network, as a fleet asks for them."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def settings(self) -> Settings:
        """What is configured."""
        return self._network.settings

    async def named(self, which: str) -> ModuleChoice:
        """The module of that id or name."""
        return self.choice_of(self._network.module(which).id)

    async def target(self, role: Role) -> ModuleChoice:
        """The module whose name is its role.

        Raises:
            ConfigError: There is none.
        """
        try:
            found = self._network.module(role)
        except NotFoundError as error:
            raise ConfigError(
                f"no canister is configured for the {role}",
                key=f"modules.{role}.canister",
                code="no-target",
                hint=f'add an entry [modules.NAME] (canister = "ID", role = "{role}") to a '
                "juno-snap.toml, and connect with config=",
            ) from error
        return ModuleChoice(id=found.id, name=found.name, role=role)

    def choice_of(self, module: Principal) -> ModuleChoice:
        """A module by its id, under its name, if it has one."""
        found = self._network.module(module)
        entry = self.settings.modules.get(found.name or "")
        return ModuleChoice(id=module, name=found.name, role=entry.role if entry else None)

    def workspace(self, choice: ModuleChoice | None = None) -> Workspace:
        """What operations on it need; on none in particular where none is said."""
        return self._network.module(choice.id).workspace if choice else self._network.workspace


@contextlib.asynccontextmanager
async def _connection(
    settings: Settings, identity: IdentityChoice, passphrase: str | None, watch: Observer
) -> AsyncIterator[Network]:
    directory = settings.state_directory
    chosen = choose_network(settings, lambda: find_local(directory))
    key = pinned_key(chosen)
    signer = choose_identity(
        identity,
        state=directory,
        passphrase=passphrase,
        needs_choice=key == MAINNET_ROOT_KEY,
        login=Login(mode=settings.mode, profile=settings.profile),
    )
    options = AgentOptions(url=chosen.url, root_key=key, call_ttl_seconds=settings.call_ttl_seconds)
    async with await open_agent(options, signer) as agent, contextlib.AsyncExitStack() as stack:
        if key is None:
            text = f"the root key of {chosen.url} is the one that it tells itself"
            watch(Notice(text=text, warning=chosen.is_impostor_possible))
        workspace = Workspace(
            client=ManagementClient(agent),
            opens=functools.cache(lambda: stack.enter_context(Journal.open(directory))),
            state=directory,
            network=chosen.name,
            costs=configured.costs_of(settings, chosen.name),
        )
        yield Network(workspace=workspace, settings=settings, on_event=watch)


def state_directory(state: Path | None) -> Path:
    """Where state lives: ``state``, what the variable says, or the user's own directory."""
    return _settings(None, None, state=state, config=None).state_directory


def _settings(
    network: str | None, root_key: str | bytes | None, *, state: Path | None, config: Path | None
) -> Settings:
    said = os.environ.get(STATE_VARIABLE)
    return load_settings(
        {
            "--network": network,
            "--root-key": root_key.hex() if isinstance(root_key, bytes) else root_key,
            "--state": str(state) if state else None,
        },
        config=config,
        environment={STATE_VARIABLE: said} if said else {},
        working_directory=Path.cwd(),
        search=False,
    )
