"""Root keys: what every certificate of a network is verified against."""

from typing import Final

from juno_snap.agent.transport import host_of
from juno_snap.errors import ConfigError, DecodeError, TrustError
from juno_snap.wire.bls import der_to_public_key

MAINNET_ROOT_KEY: Final = bytes.fromhex(
    "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100"
    "814c0e6ec71fab583b08bd81373c255c3c371b2e84863c98a4f1e08b74235d14"
    "fb5d9c0cd546d9685f913a0c0b2cc5341583bf4b4392e467db96d65b9bb4cb71"
    "7112f8472e0d5a4d14505ffd7484b01291091c5f87b98883463f98091a0baaae"
)
"""DER form, 133 bytes. Source: agent-rs, ``ic-agent/src/agent/mod.rs``, ``IC_ROOT_KEY``."""

MAINNET_DOMAINS: Final = ("ic0.app", "icp0.io", "icp-api.io", "internetcomputer.org")
"""Where mainnet answers. Source: agent-js, ``agent/http/index.ts``; developer docs, gateways."""


def is_mainnet_host(url: str) -> bool:
    """Whether ``url`` names a host of mainnet."""
    host = host_of(url).rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in MAINNET_DOMAINS)


def check_fetch_allowed(url: str) -> None:
    """Mainnet's key is known: whoever asked its hosts for one would trust whoever answers.

    Raises:
        TrustError: ``url`` is a host of mainnet.
    """
    if is_mainnet_host(url):
        raise TrustError(
            f"the root key is never fetched from {host_of(url)}: it is mainnet, whose key is known",
            code="root-key-fetch",
            hint="use the network ic, or the root key ic",
        )


def parse_root_key(text: str) -> bytes:
    """The DER key, 133 bytes, that ``text`` spells in hex.

    Raises:
        ConfigError: Not hex, or not a BLS public key.
    """
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
        der_to_public_key(key)
    except (ValueError, DecodeError) as error:
        raise ConfigError(
            "the root key is not a BLS public key in hex",
            code="invalid-root-key",
            hint="write all of its 266 digits, the word ic, or the word fetch",
        ) from error
    return key
