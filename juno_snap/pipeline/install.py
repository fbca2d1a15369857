"""Plain installation, without a snapshot and without a plan: for scripts and rescue."""

from juno_snap.events import Observer
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import InstallMode
from juno_snap.pipeline.transfer import fits_one_message, plan_staging, stage_chunks
from juno_snap.pipeline.wasm_file import WasmFile


async def install(
    client: ManagementClient,
    module: Principal,
    wasm: WasmFile,
    mode: InstallMode,
    arg: bytes,
    *,
    observer: Observer,
) -> None:
    """Install ``wasm``, through the chunk store where it does not fit into one message.

    Chunks that are there are used; the store is emptied afterwards if nothing else was in it.
    """
    if fits_one_message(wasm, arg):
        await client.install_code(module, mode, wasm.data, arg)
        return
    stored = frozenset(await client.stored_chunks(module))
    staging = plan_staging(wasm, stored, clear=False)
    if staging.clear_first:
        await client.clear_chunk_store(module)
    await stage_chunks(client, module, wasm, staging.missing, observer=observer)
    await client.install_chunked_code(module, mode, wasm.chunk_hashes, wasm.sha256, arg)
    if staging.clear_last:
        await client.clear_chunk_store(module)
