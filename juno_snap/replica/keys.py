"""The keys of a local replica: one that signs certificates, one that signs query answers."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from juno_snap.errors import PreconditionError
from juno_snap.files import read_file, write_private
from juno_snap.ids import Principal
from juno_snap.replica.background import KEYS_FILE
from juno_snap.wire import bls, signature

KEYS_VERSION: Final = 1
SECRET_BYTES: Final = 32
NODE_SEED_BYTES: Final = 32

CURVE_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Secrets are below it. Source: the BLS12-381 curve, its parameter r."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaKeys:
    """Both keys and what follows from them. Nothing secret is in the representation."""

    root_secret: bytes = field(repr=False)
    """BLS, 32 bytes, big-endian."""
    node_seed: bytes = field(repr=False)
    """Ed25519, 32 bytes."""
    root_key_der: bytes
    subnet_id: Principal
    """Made from the root key: the one subnet is the root subnet."""
    node_key_der: bytes
    node_id: Principal

    @classmethod
    def of(cls, *, root_secret: bytes, node_seed: bytes) -> "ReplicaKeys":
        """The keys with these private parts."""
        root_key_der = bls.public_key_to_der(bls.public_key(root_secret))
        node_key_der = signature.ed25519_public_der(node_seed)
        return cls(
            root_secret=root_secret,
            node_seed=node_seed,
            root_key_der=root_key_der,
            subnet_id=Principal.self_authenticating(root_key_der),
            node_key_der=node_key_der,
            node_id=Principal.self_authenticating(node_key_der),
        )


def random_keys() -> ReplicaKeys:
    """Keys that nobody has seen before."""
    return keys_from_seed(secrets.token_hex(SECRET_BYTES))


def keys_from_seed(seed: str) -> ReplicaKeys:
    """The same keys for the same text, on every machine."""
    number = int.from_bytes(_stretch(seed, "root"), "big") % (CURVE_ORDER - 1) + 1
    return ReplicaKeys.of(
        root_secret=number.to_bytes(SECRET_BYTES, "big"),
        node_seed=_stretch(seed, "node")[:NODE_SEED_BYTES],
    )


def keys_in(directory: Path, *, seed: str | None) -> ReplicaKeys:
    """The keys of a replica directory; the first time they are made and written, mode 0600.

    Raises:
        PreconditionError: ``seed`` makes other keys than the directory has, or its file is damaged.
    """
    path = directory / KEYS_FILE
    if not path.exists():
        keys = random_keys() if seed is None else keys_from_seed(seed)
        _write(path, keys)
        return keys
    keys = _read(path)
    if seed is not None and keys_from_seed(seed) != keys:
        raise PreconditionError(
            f"the replica in {directory} has other keys than this seed makes",
            code="other-keys",
            hint="leave out --seed, or choose another --dir",
        )
    return keys


def _stretch(seed: str, purpose: str) -> bytes:
    return hashlib.sha512(f"juno-snap replica {purpose}: {seed}".encode()).digest()


def _write(path: Path, keys: ReplicaKeys) -> None:
    content = {
        "version": KEYS_VERSION,
        "root_secret": keys.root_secret.hex(),
        "node_seed": keys.node_seed.hex(),
    }
    write_private(path, json.dumps(content, indent=2).encode() + b"\n")


def _read(path: Path) -> ReplicaKeys:
    try:
        content = json.loads(read_file(path))
        version = int(content["version"])
        root_secret = bytes.fromhex(content["root_secret"])
        node_seed = bytes.fromhex(content["node_seed"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "it cannot be read") from error
    if version != KEYS_VERSION:
        raise _damaged(path, f"its version is {version}, known is {KEYS_VERSION}")
    if (len(root_secret), len(node_seed)) != (SECRET_BYTES, NODE_SEED_BYTES):
        raise _damaged(path, "a key has a wrong length")
    return ReplicaKeys.of(root_secret=root_secret, node_seed=node_seed)


def _damaged(path: Path, reason: str) -> PreconditionError:
    return PreconditionError(
        f"{path} does not hold a replica's keys: {reason}",
        code="damaged-keys",
        hint="start over in another --dir, or with: juno-snap replica reset",
    )
