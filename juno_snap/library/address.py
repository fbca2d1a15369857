"""Where a chosen network is, and what proves that it is the one."""

from pathlib import Path

from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.replica.background import find_running
from juno_snap.settings.networks import LocalReplica, Network
from juno_snap.settings.paths import replica_directory


def find_local(state: Path) -> LocalReplica | None:
    """The local replica of a state directory, if it runs."""
    found = find_running(replica_directory(state))
    return LocalReplica(url=found.url, root_key=found.root_key) if found else None


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
