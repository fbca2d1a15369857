"""One module of a network: its snapshots, its upgrades, the way back."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from juno_snap.errors import PreconditionError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal, SnapshotId
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.releases.source import ReleaseSource
from juno_snap.library.asking import asked_of, check_may_change, forgiving, with_argument
from juno_snap.library.code import read_code
from juno_snap.library.releases import Releases
from juno_snap.management.candid_call import call_with_text
from juno_snap.management.types import CanisterStatus
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.create import prepare_create, run_create
from juno_snap.pipeline.listing import SnapshotDetail, SnapshotList, list_snapshots, show_snapshot
from juno_snap.pipeline.marks import MarkedSnapshot, label_snapshot, protect_snapshot
from juno_snap.pipeline.plan import UpgradePlan
from juno_snap.pipeline.rehearsal import RehearsalReport
from juno_snap.pipeline.report import RestoreReport, SnapshotReport, UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import prepare_restore, prepare_rollback, run_restore
from juno_snap.pipeline.snapshots import DeletedSnapshots, choose_deleted, delete_snapshots
from juno_snap.pipeline.upgrade import PreparedUpgrade, prepare_upgrade, run_upgrade
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import INSTALL_INSTRUCTIONS_MAX


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module; made by ``Network.module``.

    Every method may raise ``TransportError`` (no usable answer), ``TrustError`` (an answer that
    does not hold), ``NotFoundError`` (there is no such module) and ``PreconditionError`` (the
    caller does not control it, or it is frozen). Methods that change the module also raise

        LockedError: Another operation of this state directory is at it.
        IdentityError: Nobody changes mainnet anonymously.
        OperationFailedError: It failed after it began; ``report`` says how the module was left.
        OperationUnknownError: A call has no certified outcome; ``Network.resume`` finds out.
        OperationCancelledError: The task was cancelled; a stopped module was told to start.
    """

    id: Principal
    name: str | None = None
    workspace: Workspace = field(repr=False)
    defaults: UpgradeRequest = field(default_factory=UpgradeRequest, repr=False)
    """What is configured: its checks are made at every upgrade, the rest where no request is."""
    rehearsal_instruction_limit: int = INSTALL_INSTRUCTIONS_MAX
    """What a rehearsed upgrade may use."""
    on_event: Observer = field(default=ignore_events, repr=False)
    source: ReleaseSource | None = field(default=None, repr=False)
    """Where published releases come from; none for a module of ``juno_snap.testing``."""

    @property
    def releases(self) -> Releases:
        """The published releases of Juno, for upgrades to them in place of a file.

        Raises:
            PreconditionError: It is a module for tests, which knows none.
        """
        if self.source is None:
            raise PreconditionError(
                "a module for tests knows no published releases",
                code="no-releases",
                hint="take it from juno_snap.connect, or give upgrade a file",
            )
        role = self.defaults.juno.role
        return Releases(
            module=ModuleChoice(id=self.id, name=self.name, role=role),
            workspace=self.workspace,
            source=self.source,
            defaults=self.defaults,
            on_event=self.on_event,
        )

    async def status(self) -> CanisterStatus:
        """What the network certifies of it: whether it runs, its code, memory and cycles."""
        return await self.workspace.client.canister_status(self.id)

    async def call(self, method: str, arguments: str = "()", *, query: bool = False) -> str:
        """The reply of a method of the module; argument and reply are Candid text.

        Raises:
            InputError: ``arguments`` is no Candid, or does not fit the method.
            RejectedError: The module refused or trapped.
        """
        agent = self.workspace.client.agent
        return (await call_with_text(agent, self.id, method, arguments, query=query)).text

    async def snapshots(self) -> SnapshotList:
        """Its snapshots, the oldest first, and what is known of them."""
        return await list_snapshots(self.workspace, self.id)

    async def snapshot(self, which: str | SnapshotId = "latest") -> SnapshotDetail:
        """What a snapshot is made of.

        ``which``, here and below: ``latest``, ``oldest``, a label, an id or the beginning of one.

        Raises:
            InputError: It is named ambiguously or malformed.
            NotFoundError: There is no such snapshot.
        """
        return await show_snapshot(self.workspace, self.id, str(which))

    async def take_snapshot(
        self,
        *,
        label: str | None = None,
        protect: bool = False,
        replace: str | SnapshotId | None = None,
        stop: bool = True,
        on_event: Observer | None = None,
    ) -> SnapshotReport:
        """Take a snapshot, with the module stopped meanwhile unless ``stop`` is false.

        Args:
            label: A name for it, which no other snapshot of the module has.
            protect: Nothing but force deletes it.
            replace: The one to give up for it; none is given up unless it is named.
            stop: False lets the module serve meanwhile.
            on_event: Watches this operation.

        Raises:
            InputError: A malformed label, or ``replace`` is named ambiguously.
            PreconditionError: No slot is free and none was named, or too few cycles.
        """
        self._check_may_change()
        observer = self._observer(on_event)
        prepared = await prepare_create(
            self.workspace,
            self.id,
            label=label,
            protect=protect,
            replace=None if replace is None else str(replace),
            stop=stop,
            stop_timeout_seconds=self.defaults.stop_timeout_seconds,
            observer=observer,
        )
        return await run_create(self.workspace, prepared, observer=observer)

    async def load_snapshot(
        self,
        which: str | SnapshotId = "latest",
        *,
        discard_current: bool = False,
        on_event: Observer | None = None,
    ) -> RestoreReport:
        """Bring code and data back to a snapshot; the present state is kept as another one.

        ``discard_current`` goes on where the present state cannot be saved.

        Raises:
            InputError: It is named ambiguously or malformed.
            NotFoundError: There is no such snapshot.
            PreconditionError: The present state cannot be saved, or the plan is refused otherwise.
        """
        self._check_may_change()
        observer = self._observer(on_event)
        prepared = await prepare_restore(
            self.workspace,
            self.id,
            str(which),
            discard_current=discard_current,
            stop_timeout_seconds=self.defaults.stop_timeout_seconds,
            observer=observer,
        )
        return await run_restore(self.workspace, prepared, observer=observer)

    async def label_snapshot(self, which: str | SnapshotId, label: str) -> MarkedSnapshot:
        """Give a snapshot a name, in place of the one it may have.

        Raises:
            InputError: The label is none, or the snapshot is named ambiguously or malformed.
            NotFoundError: There is no such snapshot.
            PreconditionError: Another snapshot of the module has the label.
        """
        return await label_snapshot(self.workspace, self.id, str(which), label)

    async def protect_snapshot(
        self, which: str | SnapshotId, *, protect: bool = True
    ) -> MarkedSnapshot:
        """Protect a snapshot from everything but force, or lift that.

        Raises:
            InputError: It is named ambiguously or malformed.
            NotFoundError: There is no such snapshot.
            PreconditionError: The configuration protects it, so that it cannot be lifted here.
        """
        return await protect_snapshot(self.workspace, self.id, str(which), protect=protect)

    async def delete_snapshot(
        self, *which: str | SnapshotId, force: bool = False
    ) -> DeletedSnapshots:
        """Delete snapshots for good; ``force`` deletes protected ones too.

        Raises:
            InputError: One is named ambiguously or malformed.
            NotFoundError: One does not exist.
            PreconditionError: One is protected, or belongs to an operation that is not finished.
                Nothing was deleted.
        """
        self._check_may_change()
        there = await self.snapshots()
        chosen = choose_deleted(there, [str(each) for each in which], force=force)
        return await delete_snapshots(self.workspace, self.id, chosen, force=force)

    async def plan_upgrade(
        self,
        wasm: Path | str | bytes,
        request: UpgradeRequest | None = None,
        *,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
    ) -> UpgradePlan:
        """What ``upgrade`` with the same arguments would do and cost; nothing is changed.

        ``outline.refusals`` says why it would be refused. Raises what ``upgrade`` raises before it
        begins.
        """
        prepared = await self._prepare(wasm, request, checks, arg, ignore_events)
        return prepared.plan

    async def rehearse(
        self,
        wasm: Path | str | bytes,
        request: UpgradeRequest | None = None,
        *,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
        backup: Path | None = None,
        keep_copy: bool = False,
        on_event: Observer | None = None,
    ) -> RehearsalReport:
        """``upgrade`` with the same arguments, on a copy of the module's state in this process.

        What the new code does wrong is in the report (``passed``, ``reason``, ``trap``), and raised
        only by its ``require_passed()``. Hooks run if they are marked for rehearsals.

        Args:
            wasm: As for ``upgrade``; so are the next three.
            request: What else can be said.
            checks: What the new code must answer.
            arg: For the new code.
            backup: The copy is made of this directory; None: of a snapshot, which is taken without
                stopping the module, in a free slot, and deleted again.
            keep_copy: Leave that snapshot's copy in the state directory; ``report.copy`` says
                where. It holds all data of the module.
            on_event: Watches it.

        Raises:
            NotFoundError: There is no such file or directory.
            InputError: ``wasm``, a check or ``arg`` is malformed.
            BackupError: The backup is damaged, or the copy cannot be written.
            PreconditionError: No slot is free, an operation on the module is not finished, or the
                copy cannot be loaded.
        """
        from juno_snap.library.rehearsals import rehearse_module

        if backup is None:
            self._check_may_change()
        code = read_code(wasm)
        return await rehearse_module(
            self.workspace,
            self.id,
            self._request(code, request, checks, arg),
            code,
            backup=backup,
            keep_copy=keep_copy,
            instructions_limit=self.rehearsal_instruction_limit,
            observer=self._observer(on_event),
        )

    async def upgrade(
        self,
        wasm: Path | str | bytes,
        request: UpgradeRequest | None = None,
        *,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
        on_event: Observer | None = None,
    ) -> UpgradeReport:
        """Snapshot, new code, start, checks; back again where a check is certified bad.

        Args:
            wasm: A file or its content, raw or gzip.
            request: Everything else that can be said; None: what is configured.
            checks: Such as ``count() == 3`` or ``version == 1.2.3``, made beside those of
                ``request`` and of the configuration.
            arg: For the new code: Candid text, or Candid as bytes. None: as ``request`` says.
            on_event: Watches this operation.

        Returns:
            A report whose ``outcome`` is ``upgraded``, or ``unchanged`` where the module runs
            this code already.

        Raises:
            NotFoundError: There is no such file.
            InputError: ``wasm``, a check or ``arg`` is malformed.
            PreconditionError: The plan is refused, or an earlier operation is not finished.
                Nothing was changed.
            OperationFailedError: Also where the new code was bad: then the module runs its old
                code and data, and the report's outcome is ``rolled-back``.
        """
        self._check_may_change()
        observer = self._observer(on_event)
        prepared = await self._prepare(wasm, request, checks, arg, observer)
        return await run_upgrade(self.workspace, prepared, observer=observer)

    async def roll_back(
        self,
        operation: str | None = None,
        *,
        discard_current: bool = False,
        on_event: Observer | None = None,
    ) -> RestoreReport:
        """Go back to before an upgrade: the last one, or the one of that id.

        Raises:
            NotFoundError: There is no such upgrade, or its snapshot is gone.
            PreconditionError: The present state cannot be saved, or the plan is refused otherwise.
        """
        self._check_may_change()
        observer = self._observer(on_event)
        prepared = await prepare_rollback(
            self.workspace,
            self.id,
            operation,
            discard_current=discard_current,
            stop_timeout_seconds=self.defaults.stop_timeout_seconds,
            observer=observer,
        )
        return await run_restore(self.workspace, prepared, observer=observer)

    async def _prepare(
        self,
        wasm: Path | str | bytes,
        request: UpgradeRequest | None,
        checks: Iterable[str | CheckSpec],
        arg: str | bytes | None,
        observer: Observer,
    ) -> PreparedUpgrade:
        code = read_code(wasm)
        wanted = self._request(code, request, checks, arg)
        return await prepare_upgrade(self.workspace, self.id, wanted, code, observer=observer)

    def _request(
        self,
        code: WasmFile,
        request: UpgradeRequest | None,
        checks: Iterable[str | CheckSpec],
        arg: str | bytes | None,
    ) -> UpgradeRequest:
        return with_argument(asked_of(self.defaults, request, checks), code, arg)

    def _observer(self, on_event: Observer | None) -> Observer:
        return self.on_event if on_event is None else forgiving(on_event)

    def _check_may_change(self) -> None:
        check_may_change(self.workspace)
