"""Installing code: in one message, or from the chunk store.

Source of signatures: interface specification, "The IC management canister".
"""

from collections.abc import Sequence
from typing import assert_never

from juno_snap.ids import Principal
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import argument, hashes, result_fields, result_records
from juno_snap.management.limits import check_chunk, check_chunk_hashes
from juno_snap.management.types import Install, InstallMode, ManagementCall, Reinstall, Upgrade
from juno_snap.wire.candid import Tagged


def install_call(
    canister_id: Principal, mode: InstallMode, wasm_module: bytes, arg: bytes
) -> ManagementCall:
    """A call that installs a module, raw or packed with gzip."""
    record = {
        "mode": mode_to_candid(mode),
        "canister_id": canister_id,
        "wasm_module": wasm_module,
        "arg": arg,
    }
    return ManagementCall(
        method="install_code",
        arg=argument(types.INSTALL_CODE, record),
        effective_canister_id=canister_id,
    )


def install_chunked_call(
    canister_id: Principal,
    mode: InstallMode,
    chunk_hashes: Sequence[bytes],
    wasm_module_hash: bytes,
    arg: bytes,
    *,
    store_canister: Principal | None,
) -> ManagementCall:
    """A call that installs a module out of a chunk store; sent to the target.

    Raises:
        PreconditionError: No possible list of chunks.
    """
    check_chunk_hashes(wasm_module_hash, tuple(chunk_hashes))
    record = {
        "mode": mode_to_candid(mode),
        "target_canister": canister_id,
        "store_canister": store_canister,
        "chunk_hashes_list": [{"hash": digest} for digest in chunk_hashes],
        "wasm_module_hash": wasm_module_hash,
        "arg": arg,
    }
    return ManagementCall(
        method="install_chunked_code",
        arg=argument(types.INSTALL_CHUNKED_CODE, record),
        effective_canister_id=canister_id,
    )


def upload_chunk_call(canister_id: Principal, chunk: bytes) -> ManagementCall:
    """A call that puts a chunk into a chunk store.

    Raises:
        PreconditionError: The chunk is too large.
    """
    check_chunk(chunk)
    return ManagementCall(
        method="upload_chunk",
        arg=argument(types.UPLOAD_CHUNK, {"canister_id": canister_id, "chunk": chunk}),
        effective_canister_id=canister_id,
    )


def chunk_hash_from_reply(reply: bytes) -> bytes:
    """The result of ``upload_chunk``. Raises ``DecodeError`` where the reply is none."""
    return result_fields(reply, types.CHUNK).take("hash", bytes)


def chunk_hashes_from_reply(reply: bytes) -> tuple[bytes, ...]:
    """The result of ``stored_chunks``. Raises ``DecodeError`` where the reply is none."""
    return hashes(result_records(reply, types.CHUNKS))


def mode_to_candid(mode: InstallMode) -> Tagged:
    """The mode as a Candid value; options that are not set are left out."""
    match mode:
        case Install():
            return Tagged("install")
        case Reinstall():
            return Tagged("reinstall")
        case Upgrade(skip_pre_upgrade=False, wasm_memory_persistence=None):
            return Tagged("upgrade")
        case Upgrade(skip_pre_upgrade=skip, wasm_memory_persistence=persistence):
            options = {
                "skip_pre_upgrade": skip or None,
                "wasm_memory_persistence": None if persistence is None else Tagged(persistence),
            }
            return Tagged("upgrade", options)
        case _:
            assert_never(mode)
