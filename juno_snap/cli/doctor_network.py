"""What ``juno-snap doctor`` finds out about the network: an answer, a proof, the time.

Asked are what a replica says of itself and the certified time of the subnet that has the root key,
both anonymously. The time is read with any difference allowed, since the difference is the
question; nothing else is.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, final

from juno_snap.agent.agent import Agent, AgentOptions, open_agent
from juno_snap.agent.identity import anonymous
from juno_snap.agent.retry import RetryPolicy
from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.cli.session import Session
from juno_snap.cli.wiring import network_of
from juno_snap.clock import system_clock
from juno_snap.errors import JunoSnapError, TrustError
from juno_snap.ids import Principal
from juno_snap.library.address import pinned_key
from juno_snap.pipeline.doctor import Line, fine, judge_clock, problem, unasked, unknown, warning
from juno_snap.settings.networks import Network

PATIENCE: Final = RetryPolicy(budget_seconds=10)
"""A doctor says soon that nobody answers."""
ANY_SKEW_SECONDS: Final = 10**9
HEALTHY: Final = frozenset({"", "healthy"})
NO_NETWORK: Final = "no network that can be asked"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What is known of the network."""

    network: Network | None
    root_key: bytes | None
    is_sound: bool
    """It answers, can be believed, and has our time."""
    lines: tuple[Line, ...]


async def make_contact(session: Session) -> Contact:
    """Choose the network, and ask it anonymously for its state and its certified time."""
    try:
        network = await network_of(session)
        pinned = pinned_key(network)
    except JunoSnapError as error:
        lines = (problem("network", error), *unasked(NO_NETWORK, "root-key", "clock"))
        return Contact(network=None, root_key=None, is_sound=False, lines=lines)
    options = agent_options(network, pinned, max_clock_skew_seconds=ANY_SKEW_SECONDS)
    try:
        async with await open_agent(options, anonymous()) as agent:
            lines = await _greeting(network, agent)
            is_sound = all(line.level != "problem" for line in lines)
            return Contact(network=network, root_key=agent.root_key, is_sound=is_sound, lines=lines)
    except JunoSnapError as error:
        lines = (problem("network", error), *unasked(NO_NETWORK, "root-key", "clock"))
        return Contact(network=network, root_key=pinned, is_sound=False, lines=lines)


async def _greeting(network: Network, agent: Agent) -> tuple[Line, ...]:
    """What the network says of itself, and what it can prove.

    Raises:
        JunoSnapError: It does not answer.
    """
    told, state = await asyncio.gather(agent.status(), _certified_time(agent))
    here_ns = system_clock().now_ns()
    place = network.url if network.name == network.url else f"{network.name} ({network.url})"
    answers = f"{place} answers"
    if told.health in HEALTHY:
        first = fine("network", answers)
    else:
        first = warning(
            "network", f"{answers}, and says that it is {told.health}", "try again later"
        )
    if told.root_key not in {None, agent.root_key}:
        state = TrustError("it tells another root key", code="root-key-other")
    match state:
        case TrustError() as error:
            wrong = _not_this_key(network, error)
            return first, problem("root-key", wrong), unknown("clock", "nothing proves its time")
        case JunoSnapError() as error:
            return first, *unasked(f"it proves no time: {error.message}", "root-key", "clock")
        case network_ns:
            clock = judge_clock(here_ns, network_ns)
            return first, _trusted(network, agent.root_key), clock


async def _certified_time(agent: Agent) -> int | JunoSnapError:
    """The time of the subnet that has the root key, or why it is not known."""
    root = Principal.self_authenticating(agent.root_key)
    try:
        return (await agent.read_subnet_state(root, [(b"time",)])).time_ns
    except JunoSnapError as error:
        return error


def _trusted(network: Network, root_key: bytes) -> Line:
    """What the key is that the network has proved to have."""
    if network.is_impostor_possible:
        text = f"it is the one that {network.url} tells itself: nothing proves who answers"
        return warning("root-key", text, f"pin it: --root-key {root_key.hex()}")
    if root_key == MAINNET_ROOT_KEY:
        return fine("root-key", "that of mainnet, and the network proves that it has it")
    told = "told by this machine itself" if network.root_key == "fetch" else "pinned"
    return fine("root-key", f"{told}, and the network proves that it has it")


def _not_this_key(network: Network, error: TrustError) -> TrustError:
    return TrustError(
        f"{network.url} does not prove to be the network of the root key: {error.message}",
        code=error.code,
        hint="correct the root key (--root-key, or root_key of the network in juno-snap.toml), or "
        "the address; if both are right, trust nothing that answers there",
    )


def agent_options(
    network: Network, root_key: bytes | None, max_clock_skew_seconds: int = 300
) -> AgentOptions:
    """How a doctor asks."""
    return AgentOptions(
        url=network.url,
        root_key=root_key,
        max_clock_skew_seconds=max_clock_skew_seconds,
        retry=PATIENCE,
    )
