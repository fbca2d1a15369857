"""Which network is meant, and which root key its answers are verified with."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from juno_snap.errors import ConfigError, InputError
from juno_snap.settings.model import RootKeyChoice, Settings
from juno_snap.settings.schema import check_url

LOCAL: Final = "local"
EMULATOR: Final = "juno"
HOW_TO_CHOOSE: Final = (
    "choose one with -n/--network NAME|URL, JUNO_SNAP_NETWORK or default_network in "
    "juno-snap.toml, or start a local one with: juno-snap replica start"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplica:
    """The local replica of the state directory, while it runs."""

    url: str
    root_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network that commands talk to."""

    name: str
    """For people: a configured name, or the URL."""
    url: str
    root_key: RootKeyChoice

    @property
    def is_loopback(self) -> bool:
        """Whether the other side is this machine."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def is_impostor_possible(self) -> bool:
        """Whether somebody between us and the network could pose as it.

        A fetched key proves nothing about who answers, and what is signed for such a network is
        valid on mainnet until it expires, so a valuable identity must not be used there unasked.
        """
        return self.root_key == "fetch" and not self.is_loopback


def choose_network(settings: Settings, find_local: Callable[[], LocalReplica | None]) -> Network:
    """The network that was named, else the configured one, else the local replica if it runs.

    Raises:
        ConfigError: None was named and no local replica runs; the name is unknown; ``local`` was
            named and does not run; a URL without a root key.
        InputError: A root key for a network that has its own.
    """
    name = settings.default_network
    if name is None:
        local = find_local()
        if local is None:
            raise ConfigError("no network was chosen", code="no-network", hint=HOW_TO_CHOOSE)
        return Network(name=LOCAL, url=local.url, root_key=local.root_key)
    if "://" in name:
        return _network_at(name, settings)
    if settings.origin_of("root_key") == "--root-key":
        raise InputError(
            f"--root-key goes with a URL; the network {name} has its own root key",
            value=name,
            hint="leave --root-key away, or give the network as a URL",
        )
    if name in settings.networks:
        known = settings.networks[name]
        return Network(name=name, url=known.url, root_key=known.root_key)
    if name == LOCAL:
        local = find_local()
        if local is None:
            raise ConfigError(
                "the local replica of this state directory does not run",
                key="default_network",
                code="no-local-replica",
                hint="start it with: juno-snap replica start",
            )
        return Network(name=LOCAL, url=local.url, root_key=local.root_key)
    raise ConfigError(
        f"there is no network named {name}",
        key="default_network",
        code="unknown-network",
        hint=f"known are {', '.join(sorted({*settings.networks, LOCAL}))}; or give a URL",
    )


def _network_at(text: str, settings: Settings) -> Network:
    try:
        url = check_url(text)
    except ValueError as error:
        origin = settings.origin_of("default_network")
        raise ConfigError(
            f"{origin}: {text}: {error}", source=origin, key="default_network"
        ) from error
    if settings.root_key is None:
        raise ConfigError(
            f"the root key of {url} is not known",
            key="root_key",
            code="no-root-key",
            hint="say --root-key ic (mainnet), --root-key HEX, or --root-key fetch to trust the "
            "network on its own word",
        )
    return Network(name=url, url=url, root_key=settings.root_key)
