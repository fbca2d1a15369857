"""A person presses Ctrl-C while the module is down."""

import signal

import pytest

from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica
from tests.integration.management_world import client_of
from tests.integration.pipeline_world import (
    V1,
    V2,
    candidate,
    document,
    install_with_document,
    management_calls,
    upgrade_process,
)

pytestmark = pytest.mark.anyio
ROUND_MS = 300


@pytest.mark.parametrize(
    ("step", "code"),
    [
        pytest.param("stop", V1, id="while it stops"),
        pytest.param("snapshot", V1, id="while the snapshot is taken"),
        pytest.param("install", V2, id="while the code is installed"),
    ],
)
async def test_an_interrupt_leaves_the_module_running_with_its_data(tmp_path, step, code):
    log_path, pem_path = tmp_path / "requests.jsonl", tmp_path / "owner.pem"
    wasm_path = tmp_path / "v2.wasm"
    wasm_path.write_bytes(V2)
    options = ReplicaOptions(round_ms=ROUND_MS, request_log=log_path)
    with run_replica(options) as replica:
        async with client_of(replica) as client:
            pem_path.write_bytes(client.agent.identity.to_pem())
            module = await install_with_document(client)
            process = await upgrade_process(replica, module, wasm_path, pem_path)
            while f"StepStarted {step}\n".encode() != (line := await process.stdout.readline()):
                assert line
            process.send_signal(signal.SIGINT)
            await process.communicate()
            methods = [method for method, _ in management_calls(log_path, module)]
            assert "start_canister" in methods[methods.index("stop_canister") :]
            status = await client.canister_status(module)
            assert (status.status, status.module_hash) == ("running", candidate(code).sha256)
            assert await document(client, module, "greeting") == "hello"
