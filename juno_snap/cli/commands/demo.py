"""``juno-snap demo``: the whole story, in this process and in seconds."""

import os
from typing import Final

import typer

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import generate_ed25519
from juno_snap.cli.demo_story import Story
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.words import seconds
from juno_snap.clock import system_clock
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from juno_snap.units import NS_PER_MS

SEED_BYTES: Final = 32


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{demo.__doc__}")(demo)


@spread
def demo(common: CommonOptions) -> None:
    """Create, write data, upgrade with a snapshot, a bad upgrade that goes back, data intact.

    Needs no network and keeps nothing; exit code 1 if the data did not come back.
    """
    session = Session(common)
    tell = session.output.tell
    began_ns = system_clock().monotonic_ns()

    async def work(url: str, root_key: bytes) -> dict[str, object]:
        identity = generate_ed25519(os.urandom(SEED_BYTES))
        options = AgentOptions(url=url, root_key=root_key)
        async with await open_agent(options, identity) as agent:
            workspace = Workspace.in_memory(ManagementClient(agent))
            return await Story(workspace=workspace, sample=sample, tell=tell).run()

    tell("$ juno-snap replica start")
    with run_replica() as replica:
        tell(f"  a local replica answers at {replica.url}, signs its answers and runs real Wasm")
        tell("")
        document = session.run(work(replica.url, replica.root_key))
    duration_ms = (system_clock().monotonic_ns() - began_ns) // NS_PER_MS
    session.output.show(
        {**document, "duration_ms": duration_ms},
        lambda: f"\ndone in {seconds(duration_ms)}; every claim above was checked",
    )
