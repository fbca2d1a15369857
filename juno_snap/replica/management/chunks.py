"""The Wasm chunk store: up to 100 pieces of a module, kept by their SHA-256."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from juno_snap.replica.accounts import shortage, spend
from juno_snap.replica.fees import UPLOAD_CHUNK_INSTRUCTIONS
from juno_snap.replica.management.call import Call
from juno_snap.replica.management.charges import check_memory_and_cycles
from juno_snap.replica.rate_limits import add_heap_delta, heap_delta_complaint
from juno_snap.replica.reject import Reject
from juno_snap.units import CHUNK_MAX_BYTES

CHUNKS_MAX: Final = 100
"""Source: dfinity/ic, ``rs/config/src/execution_environment.rs``."""

HASH_BYTES: Final = 32


def chunk_store_error(message: str) -> Reject:
    """The reject of everything that is wrong with chunks."""
    return Reject("IC0504", f"Error from Wasm chunk store: {message}.")


def check_chunk(store: dict[bytes, bytes], chunk: bytes) -> bytes:
    """The hash of a chunk that is in ``store`` or may be added to it.

    Raises:
        Reject: IC0504, the chunk is too large or the store is full.
    """
    if len(chunk) > CHUNK_MAX_BYTES:
        raise chunk_store_error(
            f"Wasm chunk size {len(chunk)} exceeds the maximum chunk size of {CHUNK_MAX_BYTES}"
        )
    digest = sha256(chunk).digest()
    if digest not in store and len(store) >= CHUNKS_MAX:
        raise chunk_store_error(
            "Wasm chunk store has already reached maximum capacity of "
            f"{CHUNKS_MAX * CHUNK_MAX_BYTES} bytes"
        )
    return digest


def assemble_module(
    store: dict[bytes, bytes], hashes: Sequence[bytes], module_hash: bytes
) -> bytes:
    """The chunks of those hashes, one after the other, as a module of the given hash.

    Raises:
        Reject: IC0504, a chunk is missing or the whole is another module.
    """
    for digest in hashes:
        if len(digest) != HASH_BYTES:
            raise chunk_store_error("Chunk hash is invalid. The length is not 32")
        if digest not in store:
            raise chunk_store_error(f"Chunk hash {list(digest)} was not found")
    wasm = b"".join(store[digest] for digest in hashes)
    found = sha256(wasm).digest()
    if found != module_hash:
        raise chunk_store_error(
            f"Wasm module hash {list(found)} does not match given hash {list(module_hash)}"
        )
    return wasm


def upload_chunk(call: Call) -> tuple[object, ...]:
    """Keep a chunk; one that is there already changes nothing, and costs as much."""
    canister, rules, chunk = call.canister, call.network.rules, call.arguments.blob("chunk")
    text = shortage(canister, UPLOAD_CHUNK_INSTRUCTIONS, rules, sender=call.sender)
    if text is not None:
        raise chunk_store_error(f"Error charging for 'upload_chunk': {text}")
    spend(canister, UPLOAD_CHUNK_INSTRUCTIONS, "instructions")
    digest = check_chunk(canister.chunks, chunk)
    if digest not in canister.chunks:
        complaint = heap_delta_complaint(canister, rules)
        if complaint is not None:
            raise chunk_store_error(complaint)
        check_memory_and_cycles(call, more_bytes=CHUNK_MAX_BYTES)
        canister.chunks[digest] = chunk
        add_heap_delta(canister, CHUNK_MAX_BYTES, rules)
    return ({"hash": digest},)


def stored_chunks(call: Call) -> tuple[object, ...]:
    """The hashes of all chunks, in their own order."""
    return ([{"hash": digest} for digest in sorted(call.canister.chunks)],)


def clear_chunk_store(call: Call) -> tuple[object, ...]:
    """Forget all chunks."""
    call.canister.chunks.clear()
    return ()
