"""From a session to the objects that talk to a network: identity, agent, client, module.

The journal is opened by those commands only that need it, since it takes longer to import than
they take. One that only reads goes on without a journal that cannot be read; a plan does without
one that is not there or cannot be written; whatever changes something insists on it.
"""

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.identity import anonymous
from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.cli import identities, unlocking
from juno_snap.cli.options import ModuleOptions
from juno_snap.cli.output import Output
from juno_snap.cli.project import Project
from juno_snap.cli.session import Session
from juno_snap.cli.targets import choose_module, is_said, named_module
from juno_snap.errors import (
    IdentityError,
    JunoSnapError,
    LockedError,
    PreconditionError,
)
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.library.address import pinned_key
from juno_snap.library.configured import costs_of, hooks_for, protected_for
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.load import BUILT_IN
from juno_snap.settings.model import Role, Settings
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import EMULATOR, Network

if TYPE_CHECKING:
    from juno_snap.pipeline.journal.store import Journal

Purpose: TypeAlias = Literal["read", "plan", "change"]
"""What a command is for: to show something, to show what it would change, or to change it."""

UNREADABLE: Final[Mapping[Purpose, frozenset[str]]] = {
    "read": frozenset(
        {"journal-read-only", "journal-full", "journal-busy", "journal-damaged", "journal-newer"}
    ),
    "plan": frozenset({"journal-read-only", "journal-full"}),
    "change": frozenset(),
}
"""Errors of the journal that a command goes on without it after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A network, and who talks to it."""

    client: ManagementClient
    agent: Agent
    network: Network
    settings: Settings
    output: Output
    purpose: Purpose
    project: Project
    stack: contextlib.AsyncExitStack = field(repr=False)
    """What is closed with this."""
    opens: "Callable[[], Journal]" = field(repr=False)
    """Gives the journal, which is open as long as this is."""

    @property
    def is_mainnet(self) -> bool:
        """Whether this is the real network, whatever it was called."""
        return self.agent.root_key == MAINNET_ROOT_KEY

    async def module(self, options: ModuleOptions) -> ModuleChoice:
        """The module that was said (see ``choose_module``)."""
        made = named_modules(self.settings.state_directory, self.agent.root_key)
        return await choose_module(
            self.settings, made, options, project=self.project, output=self.output
        )

    async def named(self, which: str) -> ModuleChoice:
        """The module of that id or name."""
        return await self.module(ModuleOptions(module=which))

    async def target(self, role: Role) -> ModuleChoice:
        """The module of that role, as ``-t`` means it."""
        return await self.module(ModuleOptions(target=role))

    def choice_of(self, module: Principal) -> ModuleChoice:
        """A module by its id, with the name that it has on this network, if any."""
        made = named_modules(self.settings.state_directory, self.agent.root_key)
        return named_module(self.settings, made, module)

    async def module_of(self, operation: str | None, options: ModuleOptions) -> ModuleChoice:
        """The module that was said; where none was, the one that ``operation`` is about.

        Raises:
            NotFoundError: There is no such operation.
        """
        if operation is None or is_said(options):
            return await self.module(options)
        return self.choice_of(self.opens().operation(operation).begun.module)

    async def module_or(self, options: ModuleOptions, otherwise: Principal | None) -> ModuleChoice:
        """The module that was said; where none was, ``otherwise``, if that is known."""
        if otherwise is None or is_said(options):
            return await self.module(options)
        return self.choice_of(otherwise)

    def workspace(self, choice: ModuleChoice | None = None) -> Workspace:
        """What operations on ``choice`` need, as it is configured for that module.

        Raises:
            ConfigError: Something configured can never work; names the file and the key.
        """
        settings, network = self.settings, self.network.name
        workspace = Workspace(
            client=self.client,
            opens=self.opens,
            state=settings.state_directory,
            network=network,
            hooks=Hooks(hooks_for(settings, choice.id, choice.name) if choice else ()),
            costs=costs_of(settings, network),
            protected=protected_for(settings, choice.id) if choice else frozenset(),
        )
        if self.purpose == "read" and choice is not None:
            return self._readable(workspace, choice.id)
        return workspace

    def _readable(self, workspace: Workspace, module: Principal) -> Workspace:
        """The same, without a journal that does not tell what it knows of ``module``."""
        try:
            workspace.notes(module)
            if (self.settings.state_directory / JOURNAL_FILE).exists():
                workspace.journal.unfinished(workspace.root_key, module)
        except (PreconditionError, LockedError) as error:
            if error.code not in UNREADABLE["read"]:
                raise
            self.output.warn(_left_out(error))
            empty = self.stack.enter_context(_empty_journal())
            return dataclasses.replace(workspace, opens=lambda: empty, state=None)
        return workspace


@contextlib.asynccontextmanager
async def connect(
    session: Session, *, changes: bool, dry_run: bool = False
) -> AsyncIterator[Connection]:
    """The chosen network with the chosen identity; ``changes``: it is not only read from.

    Raises:
        ConfigError: No network, or an unusable one.
        IdentityError: No identity, an unusable one, or an anonymous one that would change
            something on mainnet.
    """
    network = await network_of(session)
    reference = identities.choose(session.settings, network)
    identity = unlocking.open_identity(reference, session.settings, session.output)
    options = AgentOptions(
        url=network.url,
        root_key=pinned_key(network),
        call_ttl_seconds=session.settings.call_ttl_seconds,
    )
    purpose: Purpose = "read" if not changes else "plan" if dry_run else "change"
    async with await open_agent(options, identity) as agent, contextlib.AsyncExitStack() as stack:
        _announce(session, network, agent)

        @functools.cache
        def opens() -> "Journal":
            return stack.enter_context(_open_journal(session, purpose))

        connection = Connection(
            opens=opens,
            client=ManagementClient(agent),
            agent=agent,
            network=network,
            settings=session.settings,
            output=session.output,
            purpose=purpose,
            project=session.project,
            stack=stack,
        )
        if changes and connection.is_mainnet and identity.principal == ANONYMOUS:
            raise IdentityError(
                "the anonymous identity may not change anything on mainnet",
                code="anonymous",
                hint=identities.HOW_TO_CHOOSE,
            )
        yield connection


async def network_of(session: Session) -> Network:
    """The chosen network; Juno's emulator at the port that the project gives it.

    Raises:
        ConfigError: No network, or an unusable one; or the project's file is.
    """
    network = session.network()
    origin = session.settings.origin_of(f"network.{EMULATOR}.url")
    if network.name != EMULATOR or origin != BUILT_IN:
        return network
    config = await session.project.config()
    if config is None or config.emulator_port is None:
        return network
    return dataclasses.replace(network, url=f"http://127.0.0.1:{config.emulator_port}")


def _open_journal(session: Session, purpose: Purpose) -> "Journal":
    """The journal of the state directory, or an empty one where the command can do without."""
    from juno_snap.pipeline.journal.store import Journal

    if purpose != "change" and not (session.state / JOURNAL_FILE).exists():
        return _empty_journal()
    try:
        return Journal.open(session.state)
    except (PreconditionError, LockedError) as error:
        if error.code not in UNREADABLE[purpose]:
            raise
        session.output.warn(_left_out(error))
        return _empty_journal()


def _empty_journal() -> "Journal":
    from juno_snap.pipeline.journal.store import Journal

    return Journal.in_memory()


def _left_out(error: JunoSnapError) -> str:
    return f"{error.message}; what it knows of snapshots is left out"


def root_key_of(session: Session) -> bytes:
    """The key of the chosen network; asked for only where it has to be fetched.

    Raises:
        ConfigError: No network, or an unusable one.
    """
    network = session.network()
    pinned = pinned_key(network)
    if pinned is not None:
        return pinned

    async def ask() -> bytes:
        network = await network_of(session)
        options = AgentOptions(url=network.url, root_key=None)
        async with await open_agent(options, anonymous()) as agent:
            _announce(session, network, agent)
            return agent.root_key

    return session.run(ask())


def name_of(settings: Settings, root_key: bytes, module: Principal) -> str | None:
    """What ``module`` is called on that network, if anything."""
    made = named_modules(settings.state_directory, root_key)
    return named_module(settings, made, module).name


def _announce(session: Session, network: Network, agent: Agent) -> None:
    if network.root_key != "fetch":
        return
    text = f"the root key of {network.url} is the one that it tells itself"
    if network.is_impostor_possible:
        key = agent.root_key.hex()
        session.output.warn(f"{text}: nothing proves who answers; pin it with --root-key {key}")
    else:
        session.output.note(text)
