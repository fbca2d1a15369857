"""What an upgrade costs the client in memory, compared with a client that only connects."""

import asyncio
import sys

import pytest

from juno_snap.replica.server import run_replica
from tests.integration.management_world import OWNER, client_of
from tests.integration.pipeline_world import V2, grown, install_with_document

MODULE_MEBIBYTES = 6.2
"""6.5 MB."""
MORE_THAN_BASELINE_MAX_BYTES = 64 * 1024 * 1024

CHILD = """
import asyncio, sys
from pathlib import Path
from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import load_pem
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import read_wasm_file
from juno_snap.pipeline.workspace import Workspace

async def main(url, root_key, pem, module, wasm):
    options = AgentOptions(url=url, root_key=bytes.fromhex(root_key))
    async with await open_agent(options, load_pem(Path(pem).read_bytes())) as agent:
        client = ManagementClient(agent)
        target = Principal.parse(module)
        await client.canister_status(target)
        if wasm:
            workspace = Workspace.in_memory(client)
            await upgrade(workspace, target, UpgradeRequest(), read_wasm_file(Path(wasm)))

asyncio.run(main(*sys.argv[1:]))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
"""


async def peak_bytes(replica, pem_path, module, wasm_path):
    """The most memory that a client in a process of its own has held.

    Read from VmHWM: what ``getrusage`` says begins with the size of the process that started it.
    """
    arguments = [replica.url, replica.root_key.hex(), str(pem_path), str(module), str(wasm_path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return int(out) * 1024


@pytest.mark.anyio
async def test_installing_six_and_a_half_megabytes_needs_little_memory(tmp_path, capsys):
    wasm_path, pem_path = tmp_path / "v2.wasm", tmp_path / "owner.pem"
    wasm_path.write_bytes(grown(V2, MODULE_MEBIBYTES))
    pem_path.write_bytes(OWNER.to_pem())
    with run_replica() as replica:
        async with client_of(replica) as client:
            module = await install_with_document(client)
        baseline = await peak_bytes(replica, pem_path, module, "")
        installing = await peak_bytes(replica, pem_path, module, wasm_path)
    megabytes = {
        "a client that connects": baseline,
        f"a client that installs {wasm_path.stat().st_size / 1e6:.1f} MB": installing,
        "more than the baseline": installing - baseline,
    }
    with capsys.disabled():
        sys.stdout.write("\n")
        for what, size_bytes in megabytes.items():
            sys.stdout.write(f"{what:<60} {size_bytes / 1e6:9.1f} MB\n")
    assert installing - baseline <= MORE_THAN_BASELINE_MAX_BYTES
