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
from juno_snap.cli.options import SHORT_TARGETS, ModuleOptions
from juno_snap.cli.output import Output
from juno_snap.cli.session import Session
from juno_snap.errors import (
    ConfigError,
    IdentityError,
    InputError,
    JunoSnapError,
    LockedError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.library.address import pinned_key
from juno_snap.library.configured import costs_of, hooks_for, protected_for
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.hooks.run import Hooks
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.model import Role, Settings
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import Network
from juno_snap.settings.schema import looks_like_principal

if TYPE_CHECKING:
    from juno_snap.pipeline.journal.store import Journal

Purpose: TypeAlias = Literal["read", "plan", "change"]
"""What a command is for: to show something, to show what it would change, or to change it."""

ROLES: Final[Mapping[str, Role]] = {role: role for role in SHORT_TARGETS.values()}
"""By their names."""

UNREADABLE: Final[Mapping[Purpose, frozenset[str]]] = {
    "read": frozenset(
        {"journal-read-only", "journal-full", "journal-busy", "journal-damaged", "journal-newer"}
    ),
    "plan": frozenset({"journal-read-only", "journal-full"}),
    "change": frozenset(),
}
"""Errors of the journal that a command goes on without it after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleChoice:
    """The module that a command is about."""

    id: Principal
    name: str | None
    role: Role | None

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.id})" if self.name else str(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A network, and who talks to it."""

    client: ManagementClient
    agent: Agent
    network: Network
    settings: Settings
    output: Output
    purpose: Purpose
    stack: contextlib.AsyncExitStack = field(repr=False)
    """What is closed with this."""
    opens: "Callable[[], Journal]" = field(repr=False)
    """Gives the journal, which is open as long as this is."""

    @property
    def is_mainnet(self) -> bool:
        """Whether this is the real network, whatever it was called."""
        return self.agent.root_key == MAINNET_ROOT_KEY

    def module(self, options: ModuleOptions) -> ModuleChoice:
        """The module that was said (see ``choose_module``)."""
        made = named_modules(self.settings.state_directory, self.agent.root_key)
        return choose_module(self.settings, made, options)

    def choice_of(self, module: Principal) -> ModuleChoice:
        """A module by its id, with the name that it has on this network, if any."""
        made = named_modules(self.settings.state_directory, self.agent.root_key)
        return _named_module(self.settings, made, module)

    def module_of(self, operation: str | None, options: ModuleOptions) -> ModuleChoice:
        """The module that was said; where none was, the one that ``operation`` is about.

        Raises:
            NotFoundError: There is no such operation.
        """
        if operation is None or options.module or options.target:
            return self.module(options)
        return self.choice_of(self.opens().operation(operation).begun.module)

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
    network = session.network()
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
            stack=stack,
        )
        if changes and connection.is_mainnet and identity.principal == ANONYMOUS:
            raise IdentityError(
                "the anonymous identity may not change anything on mainnet",
                code="anonymous",
                hint=identities.HOW_TO_CHOOSE,
            )
        yield connection


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
        options = AgentOptions(url=network.url, root_key=None)
        async with await open_agent(options, anonymous()) as agent:
            _announce(session, network, agent)
            return agent.root_key

    return session.run(ask())


def name_of(settings: Settings, root_key: bytes, module: Principal) -> str | None:
    """What ``module`` is called on that network, if anything."""
    made = named_modules(settings.state_directory, root_key)
    return _named_module(settings, made, module).name


def _announce(session: Session, network: Network, agent: Agent) -> None:
    if network.root_key != "fetch":
        return
    text = f"the root key of {network.url} is the one that it tells itself"
    if network.is_impostor_possible:
        key = agent.root_key.hex()
        session.output.warn(f"{text}: nothing proves who answers; pin it with --root-key {key}")
    else:
        session.output.note(text)


def choose_module(
    settings: Settings, made: Mapping[str, Principal], options: ModuleOptions
) -> ModuleChoice:
    """The module that was said; ``made`` are the names of this state directory.

    Raises:
        InputError: None was said, two were, or a malformed id.
        NotFoundError: There is no such name.
        ConfigError: No canister is configured for the target.
    """
    if options.module and options.target:
        raise InputError("--module and --target name two modules; say one", value=options.module)
    if options.target:
        name = SHORT_TARGETS.get(options.target, options.target)
        found = _by_name(settings, made, name)
        if found is None:
            raise ConfigError(
                f"no canister is configured for the {name}",
                key=f"modules.{name}.canister",
                code="no-target",
                hint=f'write [modules.{name}] canister = "ID" into juno-snap.toml, or say '
                "--module ID; juno.config is not read by this version",
            )
        return dataclasses.replace(found, role=ROLES[name])
    if not options.module:
        raise InputError(
            "no module was named",
            code="usage",
            hint="say --module ID|NAME or -t satellite|mission-control|orbiter",
        )
    found = _by_name(settings, made, options.module)
    if found:
        return found
    if looks_like_principal(options.module):
        return _named_module(settings, made, Principal.parse(options.module))
    names = sorted({*settings.modules, *made})
    raise NotFoundError(
        f"there is no module named {options.module}",
        code="module-not-found",
        hint=f"known are {', '.join(names)}" if names else "give its canister id",
    )


def _by_name(settings: Settings, made: Mapping[str, Principal], name: str) -> ModuleChoice | None:
    configured = settings.modules.get(name)
    if configured:
        return ModuleChoice(id=configured.canister, name=name, role=configured.role)
    if name in made:
        return ModuleChoice(id=made[name], name=name, role=ROLES.get(name))
    return None


def _named_module(
    settings: Settings, made: Mapping[str, Principal], canister: Principal
) -> ModuleChoice:
    for name, configured in settings.modules.items():
        if configured.canister == canister:
            return ModuleChoice(id=canister, name=name, role=configured.role)
    names = [name for name, known in made.items() if known == canister]
    return ModuleChoice(id=canister, name=names[0] if names else None, role=None)
