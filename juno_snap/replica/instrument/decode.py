"""From an uploaded module, raw or gzip, to its Wasm bytes."""

import zlib
from typing import Final, final

from juno_snap.replica.instrument.binary import MAGIC
from juno_snap.units import MIB

MODULE_MAX_BYTES: Final = 100 * MIB
"""Of a module, unpacked. Source: developer docs, resource limits."""

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_GZIP_MIN_BYTES: Final = 16
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


@final
class InvalidWasmError(Exception):
    """A module the network refuses; ``reason`` is the network's text without its prefix."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def unpack_module(uploaded: bytes) -> bytes:
    """The Wasm bytes of an uploaded module.

    Source: dfinity/ic, ``rs/embedders/src/wasm_utils/decoding.rs``.

    Raises:
        InvalidWasmError: Neither Wasm nor gzip, damaged gzip, or too large.
    """
    if uploaded.startswith(MAGIC):
        wasm = uploaded
    elif uploaded.startswith(GZIP_MAGIC):
        wasm = _unpack_gzip(uploaded)
    else:
        raise _undecodable("unsupported canister module format")
    if len(wasm) > MODULE_MAX_BYTES:
        raise _too_large(len(wasm))
    return wasm


def _unpack_gzip(uploaded: bytes) -> bytes:
    if len(uploaded) < _GZIP_MIN_BYTES:
        raise _undecodable("invalid Wasm module: gzip stream is too short")
    declared = int.from_bytes(uploaded[-4:], "little")
    if declared > MODULE_MAX_BYTES:
        raise _too_large(declared)
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        # One byte more than declared tells a lying footer without unpacking a bomb.
        wasm = unpacker.decompress(uploaded, declared + 1)
    except zlib.error as error:
        raise _undecodable(f"failed to decode compressed Wasm module: {error}") from error
    if len(wasm) != declared:
        raise _undecodable(
            f"specified uncompressed size {declared} does not match extracted size {len(wasm)}"
        )
    if not unpacker.eof:
        raise _undecodable("failed to decode compressed Wasm module: unexpected end of file")
    return wasm


def _undecodable(what: str) -> InvalidWasmError:
    return InvalidWasmError(f"Failed to decode wasm module: {what}")


def _too_large(size: int) -> InvalidWasmError:
    return InvalidWasmError(
        f"Wasm module size of {size} exceeds the maximum allowed size of {MODULE_MAX_BYTES}."
    )
