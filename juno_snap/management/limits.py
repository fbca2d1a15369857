"""Limits of the network, checked before anything is sent."""

from typing import Final

from juno_snap.errors import InputError, PreconditionError
from juno_snap.management.types import AllowedViewers, CanisterSettings
from juno_snap.units import CHUNK_MAX_BYTES, MIB

CONTROLLERS_MAX: Final = 10
VIEWERS_MAX: Final = 10
"""Both: interface specification, "update_settings"."""

ENVIRONMENT_VARIABLES_MAX: Final = 20
ENVIRONMENT_VARIABLE_MAX_BYTES: Final = 128
"""Of a name and of a value. Both: developer docs, resource limits."""

STORED_CHUNKS_MAX: Final = 100
"""Source: interface specification, "install_chunked_code"."""

HASH_BYTES: Final = 32

SNAPSHOT_SLICE_MAX_BYTES: Final = 2_000_000
"""Largest slice that one call reads. Source: dfinity/ic, ``canister_manager.rs``.

Uploads are bounded by the message only; tools use the same figure (icp-cli,
``snapshot_transfer.rs``).
"""

INGRESS_MAX_BYTES: Final = 2 * MIB
"""Of a message to an application subnet. Source: dfinity/ic, ``rs/limits/src/lib.rs``."""


def check_chunk(chunk: bytes) -> None:
    """Refuse a chunk that no chunk store takes.

    Raises:
        PreconditionError: It is larger than 1 MiB.
    """
    if len(chunk) > CHUNK_MAX_BYTES:
        raise PreconditionError(
            f"a chunk of {len(chunk)} bytes: the network takes at most {CHUNK_MAX_BYTES}",
            code="chunk-too-large",
            hint="cut it into smaller chunks",
        )


def check_chunk_hashes(module_hash: bytes, chunk_hashes: tuple[bytes, ...]) -> None:
    """Refuse hashes that name no chunks.

    Raises:
        PreconditionError: Too many chunks, none, or a hash that is not a SHA-256.
    """
    if not 1 <= len(chunk_hashes) <= STORED_CHUNKS_MAX:
        raise PreconditionError(
            f"a module in {len(chunk_hashes)} chunks: 1 to {STORED_CHUNKS_MAX} can be installed",
            code="chunk-count",
        )
    if any(len(digest) != HASH_BYTES for digest in (module_hash, *chunk_hashes)):
        raise PreconditionError(f"a SHA-256 has {HASH_BYTES} bytes", code="hash-size")


def check_slice(offset_bytes: int, size_bytes: int) -> None:
    """Refuse a slice of a snapshot that the network does not give out.

    Raises:
        PreconditionError: Larger than 2,000,000 bytes, empty, or before the beginning.
    """
    if size_bytes > SNAPSHOT_SLICE_MAX_BYTES:
        raise PreconditionError(
            f"a slice of {size_bytes} bytes: one call moves at most {SNAPSHOT_SLICE_MAX_BYTES}",
            code="slice-too-large",
            hint="read or write it in several slices",
        )
    if size_bytes < 1 or offset_bytes < 0:
        raise PreconditionError(
            f"no slice: {size_bytes} bytes at offset {offset_bytes}", code="slice-empty"
        )


def check_message(method: str, arg: bytes) -> None:
    """Refuse an argument that cannot travel in one message.

    Raises:
        PreconditionError: It alone is larger than a message may be.
    """
    if len(arg) > INGRESS_MAX_BYTES:
        raise PreconditionError(
            f"{method} with {len(arg)} bytes: a message has at most {INGRESS_MAX_BYTES}",
            code="message-too-large",
            hint="install a large module through the chunk store",
        )


def check_settings(settings: CanisterSettings) -> None:
    """Refuse settings that the network refuses, where that depends on themselves alone.

    Raises:
        InputError: Too many controllers, viewers or environment variables, or too long ones.
    """
    _check_count("controllers", settings.controllers or (), CONTROLLERS_MAX)
    for name in ("log_visibility", "snapshot_visibility", "status_visibility"):
        visibility = getattr(settings, name)
        if isinstance(visibility, AllowedViewers):
            _check_count(f"viewers in {name}", visibility.viewers, VIEWERS_MAX)
    variables = settings.environment_variables or {}
    _check_count("environment variables", tuple(variables), ENVIRONMENT_VARIABLES_MAX)
    for text in (*variables.keys(), *variables.values()):
        if len(text.encode()) > ENVIRONMENT_VARIABLE_MAX_BYTES:
            raise InputError(
                f"an environment variable's name and value have at most"
                f" {ENVIRONMENT_VARIABLE_MAX_BYTES} bytes each",
                value=text,
                code="invalid-settings",
            )


def _check_count(what: str, items: tuple[object, ...], limit: int) -> None:
    if len(items) > limit:
        raise InputError(
            f"{len(items)} {what}: at most {limit} are allowed",
            value=", ".join(map(str, items)),
            code="invalid-settings",
        )
