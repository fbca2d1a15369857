"""Modules with documents on a local replica, and what the request log says of an operation."""

import asyncio
import functools
import json
import sys

from juno_snap.juno.guards import Terms
from juno_snap.management.types import Install
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.samples import sample
from juno_snap.wire.candid import TEXT, Opt, decode, encode
from tests.integration.management_world import large

V1 = sample("document_store_v1")
V2 = sample("document_store_v2")

LIFTED = Terms(lifted=frozenset({"role-change", "downgrade"}))
"""For tests of other things: the samples call themselves satellites, what breaks them does not."""


UPGRADE = """
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

def tell(event):
    print(type(event).__name__, getattr(event, "step", ""), flush=True)

async def main(url, root_key, pem, module, wasm):
    options = AgentOptions(url=url, root_key=bytes.fromhex(root_key))
    async with await open_agent(options, load_pem(Path(pem).read_bytes())) as agent:
        workspace = Workspace.in_memory(ManagementClient(agent))
        target, candidate = Principal.parse(module), read_wasm_file(Path(wasm))
        await upgrade(workspace, target, UpgradeRequest(), candidate, observer=tell)

asyncio.run(main(*sys.argv[1:]))
"""


@functools.cache
def at(client):
    """The workspace of a client: all operations of one test share a journal."""
    return Workspace.in_memory(client)


def candidate(wasm):
    """A Wasm as the upgrade takes it."""
    return check_wasm(wasm, name="candidate.wasm")


async def install(client, wasm):
    """A new module that runs ``wasm``; no argument."""
    module = await client.provisional_create_canister()
    await client.install_code(module, Install(), wasm, b"DIDL\x00\x00")
    return module


async def set_document(client, module, key, value):
    await client.agent.call(module, "set_document", encode([TEXT, TEXT], [key, value]))


async def document(client, module, key):
    reply = await client.agent.query(module, "document", encode([TEXT], [key]))
    return decode(reply, [Opt(TEXT)])[0]


async def version(client, module):
    reply = await client.agent.query(module, "version", encode([], []))
    return decode(reply, [TEXT])[0]


async def install_with_document(client, wasm=V1):
    """A module that holds one document: greeting = hello."""
    module = await install(client, wasm)
    await set_document(client, module, "greeting", "hello")
    return module


async def upgraded(client, module, wasm, **options):
    """The report of an upgrade."""
    request = UpgradeRequest(**{"juno": LIFTED, **options})
    return await upgrade(at(client), module, request, candidate(wasm))


def grown(wasm, mebibytes):
    """The module, made so large that it does not fit into one message."""
    return large(wasm, int(mebibytes * 1024 * 1024))


async def upgrade_process(replica, module, wasm_path, pem_path):
    """A process of its own that upgrades ``module``, as the one whose key is in ``pem_path``.

    It writes a line for each event: the event's name and its step.
    """
    arguments = [replica.url, replica.root_key.hex(), str(pem_path), str(module), str(wasm_path)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPGRADE, *arguments, stdout=asyncio.subprocess.PIPE
    )


def management_calls(log_path, module):
    """The update calls about ``module`` in the request log: (method, round)."""
    lines = [json.loads(line) for line in log_path.read_text(encoding="utf-8").splitlines()]
    return [
        (line["method"], line["round"])
        for line in lines
        if line["kind"] == "call"
        and line.get("canister") == "aaaaa-aa"
        and line["effective_canister"] == str(module)
    ]


def step_outcomes(report):
    return {step.name: step.outcome for step in report.facts.steps}
