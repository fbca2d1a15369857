"""From options to the objects that commands work with: settings, network, identity, client."""

import contextlib
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.cli import identities, running
from juno_snap.cli.options import SHORT_TARGETS, CommonOptions, ModuleOptions
from juno_snap.cli.output import Output, OutputOptions
from juno_snap.errors import (
    ConfigError,
    IdentityError,
    InputError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.management.client import ManagementClient
from juno_snap.replica.background import find_running
from juno_snap.settings.load import load_settings
from juno_snap.settings.model import Settings
from juno_snap.settings.names import named_modules
from juno_snap.settings.networks import LocalReplica, Network, choose_network
from juno_snap.settings.paths import replica_directory
from juno_snap.settings.schema import looks_like_principal

T = TypeVar("T")

NOT_A_CI: Final = {"", "0", "false"}
"""Values of CI that say that this is none."""


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


class Session:
    """One run of one command: what was said, and how to speak."""

    def __init__(self, options: CommonOptions) -> None:
        self.options = options
        self.output = Output(
            OutputOptions(
                json=options.json,
                quiet=options.quiet,
                verbose=options.verbose,
                headless=options.headless or _is_headless(),
            )
        )

    @cached_property
    def settings(self) -> Settings:
        """What is configured."""
        options = self.options
        return load_settings(
            {
                "--network": options.network,
                "--root-key": options.root_key,
                "--identity": options.identity,
                "--state": str(options.state) if options.state else None,
            },
            config=options.config,
            environment=os.environ,
            working_directory=Path.cwd(),
        )

    @property
    def state(self) -> Path:
        """Where state lives."""
        return self.settings.state_directory

    def network(self) -> Network:
        """The network that was chosen."""
        return choose_network(self.settings, self.find_local)

    def find_local(self) -> LocalReplica | None:
        """The local replica of the state directory, if it runs."""
        found = find_running(replica_directory(self.state))
        return LocalReplica(url=found.url, root_key=found.root_key) if found else None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; see ``running.run``."""
        return running.run(work, self.output)

    def confirm(self, question: str) -> None:
        """Go on only if the person agrees.

        Raises:
            PreconditionError: Nobody can be asked, or the answer is no.
        """
        if self.options.yes:
            return
        if not self.output.can_ask:
            raise PreconditionError(
                f"this needs a confirmation: {question}",
                code="confirmation-needed",
                hint="say --yes to confirm it",
            )
        if not self.answer(question):
            raise PreconditionError("not confirmed; nothing was changed", code="not-confirmed")

    def answer(self, question: str) -> bool:
        """Whether the person on the terminal says yes; only where ``output.can_ask``."""
        with running.prompting():
            return self.output.confirm(question)

    @contextlib.asynccontextmanager
    async def connect(self, *, changes: bool) -> AsyncIterator[Connection]:
        """The chosen network with the chosen identity; ``changes``: it is not only read from.

        Raises:
            ConfigError: No network, or an unusable one.
            IdentityError: No identity, an unusable one, or an anonymous one that would change
                something on mainnet.
        """
        network = self.network()
        reference = identities.choose(self.settings, network)
        identity = identities.open_identity(reference, self.settings, self.output)
        options = AgentOptions(
            url=network.url,
            root_key=pinned_key(network),
            call_ttl_seconds=self.settings.call_ttl_seconds,
        )
        async with await open_agent(options, identity) as agent:
            self._announce(network, agent)
            connection = Connection(
                client=ManagementClient(agent),
                agent=agent,
                network=network,
                settings=self.settings,
            )
            if changes and connection.is_mainnet and identity.principal == ANONYMOUS:
                raise IdentityError(
                    "the anonymous identity may not change anything on mainnet",
                    code="anonymous",
                    hint=identities.HOW_TO_CHOOSE,
                )
            yield connection

    def _announce(self, network: Network, agent: Agent) -> None:
        if network.root_key != "fetch":
            return
        text = f"the root key of {network.url} is the one that it tells itself"
        if network.is_impostor_possible:
            key = agent.root_key.hex()
            self.output.warn(f"{text}: nothing proves who answers; pin it with --root-key {key}")
        else:
            self.output.note(text)


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


def _is_headless() -> bool:
    in_ci = os.environ.get("CI", "").lower() not in NOT_A_CI
    return in_ci or bool(os.environ.get("JUNO_TOKEN"))
