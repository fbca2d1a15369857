"""From a session to the objects that talk to a network: identity, agent, client, module."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.identity import anonymous
from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.cli import identities
from juno_snap.cli.options import SHORT_TARGETS, ModuleOptions
from juno_snap.cli.session import Session
from juno_snap.errors import ConfigError, IdentityError, InputError, NotFoundError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.management.client import ManagementClient
from juno_snap.settings.model import Settings
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import Network
from juno_snap.settings.schema import looks_like_principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleChoice:
    """The module that a command is about."""

    id: Principal
    name: str | None
    role: str | None

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

    @property
    def is_mainnet(self) -> bool:
        """Whether this is the real network, whatever it was called."""
        return self.agent.root_key == MAINNET_ROOT_KEY

    def module(self, options: ModuleOptions) -> ModuleChoice:
        """The module that was said (see ``choose_module``)."""
        made = named_modules(self.settings.state_directory, self.agent.root_key)
        return choose_module(self.settings, made, options)


@contextlib.asynccontextmanager
async def connect(session: Session, *, changes: bool) -> AsyncIterator[Connection]:
    """The chosen network with the chosen identity; ``changes``: it is not only read from.

    Raises:
        ConfigError: No network, or an unusable one.
        IdentityError: No identity, an unusable one, or an anonymous one that would change
            something on mainnet.
    """
    network = session.network()
    reference = identities.choose(session.settings, network)
    identity = identities.open_identity(reference, session.settings, session.output)
    options = AgentOptions(
        url=network.url,
        root_key=pinned_key(network),
        call_ttl_seconds=session.settings.call_ttl_seconds,
    )
    async with await open_agent(options, identity) as agent:
        _announce(session, network, agent)
        connection = Connection(
            client=ManagementClient(agent),
            agent=agent,
            network=network,
            settings=session.settings,
        )
        if changes and connection.is_mainnet and identity.principal == ANONYMOUS:
            raise IdentityError(
                "the anonymous identity may not change anything on mainnet",
                code="anonymous",
                hint=identities.HOW_TO_CHOOSE,
            )
        yield connection


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
        return found
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


def pinned_key(network: Network) -> bytes | None:
    """The DER key that answers are verified with, None where it is fetched.

    Raises:
        ConfigError: What was configured is no BLS key.
    """
    match network.root_key:
        case "ic":
            return MAINNET_ROOT_KEY
        case "fetch":
            return None
        case bytes(key):
            return parse_root_key(key.hex())


def _by_name(settings: Settings, made: Mapping[str, Principal], name: str) -> ModuleChoice | None:
    configured = settings.modules.get(name)
    if configured:
        return ModuleChoice(id=configured.canister, name=name, role=configured.role)
    if name in made:
        role = name if name in SHORT_TARGETS.values() else None
        return ModuleChoice(id=made[name], name=name, role=role)
    return None


def _named_module(
    settings: Settings, made: Mapping[str, Principal], canister: Principal
) -> ModuleChoice:
    for name, configured in settings.modules.items():
        if configured.canister == canister:
            return ModuleChoice(id=canister, name=name, role=configured.role)
    names = [name for name, known in made.items() if known == canister]
    return ModuleChoice(id=canister, name=names[0] if names else None, role=None)
