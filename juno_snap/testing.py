"""A local replica for the tests of your own modules; ``pytest_plugin`` makes it a fixture.

Whatever a test does goes the way it goes on a network: signed calls over HTTP, certificates
verified, real Wasm executed; an upgrade takes its snapshot first.

The calls here wait for their end. An asynchronous test takes ``url`` and ``root_key`` instead, and
talks to the replica with an agent of its own.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, final

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import Identity, generate_ed25519
from juno_snap.events import ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.candid_call import call_with_text, init_argument
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import Install
from juno_snap.pipeline.install import install
from juno_snap.pipeline.report import UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica

T = TypeVar("T")

INTERFACE_SECTION: Final = "icp:public candid:service"
"""Where compilers put a module's Candid. Source: interface specification, "Canister metadata"."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplica:
    """A replica inside this process; it forgets everything when the test ends."""

    url: str
    root_key: bytes
    """DER, 133 bytes: what its answers are verified with."""
    identity: Identity
    """Who signs; controls every module made here."""
    workspace: Workspace = field(repr=False)
    runner: asyncio.Runner = field(repr=False)

    @property
    def client(self) -> ManagementClient:
        """The management canister, on behalf of ``identity``."""
        return self.workspace.client

    def create(self, wasm: bytes | None = None, *, arg: str = "()") -> "LocalModule":
        """A new module; with ``wasm`` (raw or gzip) it is installed with the Candid text ``arg``.

        Raises:
            InputError: ``wasm`` or ``arg`` is malformed.
            RejectedError: The code was refused, or its init trapped.
        """
        module = LocalModule(id=self.wait(self.client.provisional_create_canister()), replica=self)
        if wasm is not None:
            file = check_wasm(wasm, name="the module")
            argument = _argument(file, arg)
            installed = install(
                self.client, module.id, file, Install(), argument, observer=ignore_events
            )
            self.wait(installed)
        return module

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``."""
        return self.runner.run(work)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModule:
    """A module on the local replica."""

    id: Principal
    replica: LocalReplica = field(repr=False)

    def call(self, method: str, arguments: str = "()") -> str:
        """The reply to an update call, both as Candid text.

        Raises:
            InputError: ``arguments`` is no Candid, or does not fit the method.
            RejectedError: The module refused or trapped.
        """
        return self._say(method, arguments, query=False)

    def query(self, method: str, arguments: str = "()") -> str:
        """The reply to a query; raises what ``call`` raises."""
        return self._say(method, arguments, query=True)

    def upgrade(self, wasm: bytes, *, arg: str | None = None) -> UpgradeReport:
        """Snapshot, new code, start: as ``juno-snap upgrade`` does it.

        Raises:
            PreconditionError: The plan was refused; nothing was changed.
            OperationFailedError: The new code was refused or trapped; the old code runs.
        """
        file = check_wasm(wasm, name="the new module")
        argument = None if arg is None else _argument(file, arg)
        request = UpgradeRequest(arg=argument)
        return self.replica.wait(upgrade(self.replica.workspace, self.id, request, file))

    def snapshot(self) -> SnapshotId:
        """A new snapshot of code and data, taken while the module runs."""
        taken = self.replica.wait(self.replica.client.take_canister_snapshot(self.id))
        return taken.id

    def restore(self, snapshot: SnapshotId) -> None:
        """Bring code and data back to ``snapshot``; the present state is kept as another one."""
        self.replica.wait(restore_snapshot(self.replica.workspace, self.id, str(snapshot)))

    def _say(self, method: str, arguments: str, *, query: bool) -> str:
        agent = self.replica.client.agent
        replied = self.replica.wait(call_with_text(agent, self.id, method, arguments, query=query))
        return replied.text


def _argument(file: WasmFile, text: str) -> bytes:
    return init_argument(text, file.custom_sections.get(INTERFACE_SECTION))


@contextlib.contextmanager
def run_local_replica() -> Iterator[LocalReplica]:
    """A replica that keeps nothing, with a new key that signs."""
    with run_replica(ReplicaOptions()) as running, asyncio.Runner() as runner:
        identity = generate_ed25519(secrets.token_bytes(32))
        options = AgentOptions(url=running.url, root_key=running.root_key)
        agent = runner.run(open_agent(options, identity))
        try:
            yield LocalReplica(
                url=running.url,
                root_key=running.root_key,
                identity=identity,
                workspace=Workspace.in_memory(ManagementClient(agent)),
                runner=runner,
            )
        finally:
            runner.run(agent.aclose())
