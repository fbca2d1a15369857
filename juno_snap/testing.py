"""A local replica for the tests of your own modules; ``pytest_plugin`` makes it a fixture.

Whatever a test does goes the way it goes on a network: signed calls over HTTP, certificates
verified, real Wasm executed; an upgrade takes its snapshot first.

The calls here wait for their end. An asynchronous test takes ``url`` and ``root_key`` instead, for
``juno_snap.connect`` or for an agent of its own.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, final

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.identity import Identity, generate_ed25519
from juno_snap.events import ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.library.code import new_module
from juno_snap.library.module import Module
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.report import RestoreReport, UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.workspace import Workspace
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.server import run_replica

T = TypeVar("T")

DEFAULTS: Final = UpgradeRequest(health_timeout_seconds=1)
"""A bad check is made again for a minute, as a module may warm up; here nothing is slow."""


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

    def create(self, wasm: Path | str | bytes | None = None, *, arg: str = "()") -> "LocalModule":
        """A new module; with ``wasm`` (raw or gzip) it is installed with the Candid text ``arg``.

        Raises:
            NotFoundError: There is no such file.
            InputError: ``wasm`` or ``arg`` is malformed.
            RejectedError: The code was refused, or its init trapped.
        """
        made = self.wait(new_module(self.workspace, wasm, arg=arg, observer=ignore_events))
        module = Module(id=made, workspace=self.workspace, defaults=DEFAULTS)
        return LocalModule(module=module, replica=self)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, such as of what ``LocalModule.module`` does."""
        return self.runner.run(work)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModule:
    """A module on the local replica."""

    module: Module
    """The same, asynchronous, with all that can be done to a module."""
    replica: LocalReplica = field(repr=False)

    @property
    def id(self) -> Principal:
        """Its canister id."""
        return self.module.id

    def call(self, method: str, arguments: str = "()") -> str:
        """The reply to an update call, both as Candid text.

        Raises:
            InputError: ``arguments`` is no Candid, or does not fit the method.
            RejectedError: The module refused or trapped.
        """
        return self.replica.wait(self.module.call(method, arguments))

    def query(self, method: str, arguments: str = "()") -> str:
        """The reply to a query; raises what ``call`` raises."""
        return self.replica.wait(self.module.call(method, arguments, query=True))

    def upgrade(
        self,
        wasm: Path | str | bytes,
        request: UpgradeRequest | None = None,
        *,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
    ) -> UpgradeReport:
        """Snapshot, new code, start, checks; see ``Module.upgrade``.

        Unless ``request`` says otherwise a check has a second to become good.

        Raises:
            PreconditionError: The plan was refused; nothing was changed.
            OperationFailedError: The new code was refused, trapped, or was bad; the old code runs.
        """
        return self.replica.wait(self.module.upgrade(wasm, request, checks=checks, arg=arg))

    def snapshot(self) -> SnapshotId:
        """A new snapshot of code and data, taken while the module runs."""
        taken = self.replica.wait(self.replica.client.take_canister_snapshot(self.id))
        return taken.id

    def restore(self, snapshot: SnapshotId | str = "latest") -> RestoreReport:
        """Bring code and data back to ``snapshot``; the present state is kept as another one."""
        return self.replica.wait(self.module.load_snapshot(snapshot))


@contextlib.contextmanager
def run_local_replica() -> Iterator[LocalReplica]:
    """A replica that keeps nothing, with a new key that signs."""
    with run_replica(ReplicaOptions()) as running, asyncio.Runner() as runner:
        identity = generate_ed25519(secrets.token_bytes(32))
        options = AgentOptions(url=running.url, root_key=running.root_key)
        agent = runner.run(open_agent(options, identity))
        workspace = Workspace.in_memory(ManagementClient(agent))
        try:
            yield LocalReplica(
                url=running.url,
                root_key=running.root_key,
                identity=identity,
                workspace=workspace,
                runner=runner,
            )
        finally:
            workspace.journal.close()
            runner.run(agent.aclose())
