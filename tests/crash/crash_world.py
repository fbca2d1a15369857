"""A replica and the command line as processes of their own, with a gate between them."""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.wire.candid import TEXT, Opt, Vec, decode, encode
from tests.crash.forked import ROOT, fork
from tests.crash.gate import Gate, gate_to
from tests.integration.cli_world import Ran
from tests.integration.management_world import OWNER
from tests.integration.pipeline_world import V1, install_with_document, set_document, version

KILLING = Path(__file__).with_name("killing_cli.py")
PATIENCE_SECONDS = 240
"""For whatever has to come in the end, also on a machine that is busy with other things."""

POLL_SECONDS = 0.02

CHANGES = frozenset(
    {
        "install_code",
        "install_chunked_code",
        "load_canister_snapshot",
        "take_canister_snapshot",
        "delete_canister_snapshot",
    }
)
"""Calls that lose something, or make something, when they are carried out twice."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A replica process, and the owner of all modules on it."""

    port: int
    root_key: bytes
    log: Path
    client: ManagementClient
    key_file: Path


@contextlib.asynccontextmanager
async def replica_process(folder, *faults, options=(), directory=None):
    """A replica with these faults; what belongs to it lies in ``folder``.

    With a ``directory`` it goes on with what is there, and leaves there what it comes to; else it
    is ephemeral.
    """
    place = Path(tempfile.mkdtemp(dir=folder, prefix="replica-"))
    log, key_file = place / "requests.jsonl", place / "owner.pem"
    key_file.write_bytes(OWNER.to_pem())
    key_file.chmod(0o600)
    said = [word for fault in faults for word in ("--fault", fault)]
    kept = ("--ephemeral",) if directory is None else ("--dir", directory)
    words = ("replica", "run", *kept, "--json", "--request-log", log, *said, *options)
    async with contextlib.AsyncExitStack() as stack:
        process = await fork(words, environment=dict(os.environ), folder=place)
        stack.push_async_callback(ended_at_once, process)
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await first_words(process)
        ready = json.loads(said)["replica"]
        root_key = bytes.fromhex(ready["root_key"])
        chosen = AgentOptions(url=ready["url"], root_key=root_key)
        agent = await stack.enter_async_context(await open_agent(chosen, OWNER))
        yield Replica(
            port=ready["port"],
            root_key=root_key,
            log=log,
            client=ManagementClient(agent),
            key_file=key_file,
        )
        if directory is not None:
            send(process, signal.SIGTERM)  # so that all of it is written
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.wait()


async def first_words(process):
    """The first document that ``process`` shows."""
    while not (process.out.exists() and (said := process.out.read_bytes()).endswith(b"\n}\n")):
        assert process.returncode is None, process.err.read_text()
        await asyncio.sleep(POLL_SECONDS)
    return said


def clean_environment():
    """What is around us without settings of the person who runs the tests."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUNO_", "XDG_")) and name != "CI"
    }
    return mine | {"PYTHONPATH": str(ROOT)}


@dataclass(kw_only=True)
class Place:
    """One module, the state directory of who cares for it, and the gate between the two."""

    replica: Replica
    folder: Path
    module: Principal
    gate: Gate
    begun: list = field(default_factory=list)
    """Every process of the command line."""
    before: object = None
    """What a story remembers of the module."""

    @property
    def client(self):
        return self.replica.client

    @property
    def state(self):
        return self.folder / "state"

    @contextlib.asynccontextmanager
    async def beside(self, name=""):
        """The same module, cared for by somebody else; with ``name`` on another machine."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        async with gate_to(self.replica.port) as gate:
            yield replace(self, folder=folder, gate=gate)

    def environment(self, state=None):
        """What the command line finds."""
        return clean_environment() | {
            "HOME": str(self.folder),
            "JUNO_SNAP_NETWORK": self.gate.url,
            "JUNO_SNAP_ROOT_KEY": self.replica.root_key.hex(),
            "JUNO_SNAP_IDENTITY": str(self.replica.key_file),
            "JUNO_SNAP_STATE": str(state or self.state),
        }

    async def begin(self, *words, state=None, killing=None):
        """The command line as a process; ``killing`` are the arguments of ``killing_cli``."""
        process = await fork(
            [*words, "--headless", "--json"],
            environment=self.environment(state),
            folder=self.folder,
            killing=killing,
        )
        self.begun.append(process)
        return process

    async def run(self, *words, state=None, killing=None):
        """The same to its end."""
        return await ended(await self.begin(*words, state=state, killing=killing))

    async def ask(self, *words):
        """The document of a command that must go well."""
        ran = await self.run(*words)
        assert ran.code == 0, ran.err
        return ran.document

    async def documents(self):
        """What is kept under each key."""
        reply = await self.client.agent.query(self.module, "list_documents", encode([], []))
        (keys,) = decode(reply, [Vec(TEXT)])
        return {key: await self.document(key) for key in keys}

    async def document(self, key):
        reply = await self.client.agent.query(self.module, "document", encode([TEXT], [key]))
        return decode(reply, [Opt(TEXT)])[0]

    async def write(self, key, value):
        await set_document(self.client, self.module, key, value)

    async def look(self):
        """Everything that an operation is about."""
        status = await self.client.canister_status(self.module)
        is_running = status.status == "running"
        return {
            "status": status.status,
            "version": await version(self.client, self.module) if is_running else None,
            "documents": await self.documents() if is_running else None,
            "controllers": [str(each) for each in status.settings.controllers],
        }

    async def snapshot_ids(self):
        taken = await self.client.list_canister_snapshots(self.module)
        return {str(each.id) for each in taken}

    def executed(self):
        """How often each change was made; none twice for the same request."""
        mine = [line for line in self._calls() if line["round"] is not None]
        assert len({line["request_id"] for line in mine}) == len(mine)
        return Counter(line["method"] for line in mine if line["method"] in CHANGES)

    def called(self):
        """How often each method was called, whatever became of it."""
        return Counter(line["method"] for line in self._calls())

    def _calls(self):
        lines = [json.loads(line) for line in self.replica.log.read_text().splitlines()]
        return [
            line
            for line in lines
            if line["kind"] == "call" and line.get("effective_canister") == str(self.module)
        ]


@contextlib.asynccontextmanager
async def place_on(replica, folder):
    """A new module with a document, that nobody has cared for yet."""
    home = Path(tempfile.mkdtemp(dir=folder, prefix="place-"))
    module = await install_with_document(replica.client, V1)
    async with place_of(replica, home, module) as place:
        yield place


@contextlib.asynccontextmanager
async def place_of(replica, home, module, *, before=None):
    """A module that is there, and ``home`` with the state of who cares for it."""
    async with gate_to(replica.port) as gate:
        place = Place(replica=replica, folder=home, module=module, gate=gate, before=before)
        try:
            yield place
        finally:
            for process in place.begun:
                await ended_at_once(process)


def send(process, number):
    """Send a signal, unless the end of ``process`` is known.

    The process object's own way looks whether it has ended, and so takes its exit code away from
    the event loop, which then does not know it.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def ended_at_once(process):
    """Nothing of ``process`` is left on return."""
    send(process, signal.SIGKILL)
    await process.wait()


async def ended(process):
    """What a process came to, whenever it ends."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
    except BaseException:
        send(process, signal.SIGKILL)
        raise
    return Ran(code=process.returncode, out=out.decode(), err=err.decode())


def was_killed(ran):
    return ran.code == -signal.SIGKILL
