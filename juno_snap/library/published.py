"""The published releases, as they are configured; imports what fetches and verifies them."""

from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.juno.releases.cache import ReleaseCache
from juno_snap.juno.releases.source import Addresses, ReleaseSource
from juno_snap.settings.model import Settings


def releases_of(settings: Settings) -> ReleaseSource:
    """Where published releases come from; what is brought is kept in the state directory."""
    said = settings.releases
    key = MAINNET_ROOT_KEY if said.root_key == "ic" else parse_root_key(said.root_key.hex())
    addresses = Addresses(
        files=said.url, checksums=said.checksums_url, canister=said.canister, root_key=key
    )
    return ReleaseSource(addresses, ReleaseCache(settings.state_directory))
