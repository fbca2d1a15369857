"""What every operation on a module has in common: its steps, its downtime, how it ends."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, final

from juno_snap.clock import Clock
from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CertifiedInfo
from juno_snap.pipeline.downtime import Body, Downtime, Ending, hurried
from juno_snap.pipeline.observe import Observation, check_undisturbed
from juno_snap.pipeline.report import (
    Evidence,
    Fault,
    ModuleStatus,
    OperationFacts,
    StepReport,
    operation_id,
    rfc3339,
)
from juno_snap.pipeline.runner import Steps

Check: TypeAlias = Callable[[CertifiedInfo], None]
"""Raises a ``JunoSnapError`` where the certified state is not what it should be."""


@final
class Operation:
    """One operation while it is carried out."""

    def __init__(
        self,
        client: ManagementClient,
        seen: Observation,
        observed: StepReport,
        *,
        sends_stop: bool,
        sends_start: bool,
        stop_timeout_seconds: float,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self.client = client
        self.hurried = hurried(client)
        self.module = seen.module
        self.seen = seen
        self.clock = clock
        self.steps = Steps(clock=clock, observer=observer, before=(observed,))
        self.changed_at_ns: int | None = None
        """Certified time of the change that the operation is for, none before it is made."""
        self.warnings: list[str] = []
        self._id = operation_id(clock.now_ns())
        self._downtime = Downtime(
            client,
            seen.module,
            self.steps,
            sends_stop=sends_stop,
            sends_start=sends_start,
            stop_timeout_seconds=stop_timeout_seconds,
        )
        self._expected: ModuleStatus = seen.status.status
        if sends_start or sends_stop:
            self._expected = "running" if sends_start else "stopped"
        self._status: ModuleStatus = seen.status.status
        self._hash = seen.module_hash

    def facts(self, ending: Ending | None = None) -> OperationFacts:
        """What has been done so far, and how the module is left."""
        return OperationFacts(
            operation=self._id,
            module=self.module,
            module_status=self._status,
            module_hash=self._hash,
            downtime_ms=self._downtime.downtime_ms,
            duration_ms=self.steps.duration_ms,
            steps=self.steps.reports,
            errors=() if ending is None else _faults(ending),
            warnings=tuple(self.warnings),
        )

    async def carry_out(self, body: Body, check: Check) -> Ending:
        """Do ``body`` while the module is stopped, then verify; ``facts`` are true afterwards.

        Raises:
            PreconditionError: Somebody else has changed the module since it was seen. Nothing was
                done.
            asyncio.CancelledError: Cancelled for the second time, or while verifying.
        """
        await check_undisturbed(self.client, self.seen)
        # From here on nothing is certain until it has been read again.
        self._status, self._hash = "unknown", None
        ending = await self._downtime.around(body)
        if ending.is_good:
            ending = await self._verify(ending, check)
        if not ending.is_good:
            await self._inspect(ending)
        return ending

    def runs_old_code(self) -> bool:
        """Whether the module is known to be as it was before, code and data."""
        is_as_expected = self._status == self._expected
        has_old_hash = self._hash is not None and self._hash == self.seen.module_hash
        return is_as_expected and has_old_hash and self.changed_at_ns is None

    async def _verify(self, ending: Ending, check: Check) -> Ending:
        """Read what runs now; a failure becomes the ending's."""

        async def read() -> Evidence:
            after_ns = max(ending.started_at_ns or 0, self.changed_at_ns or 0)
            info = await self.client.canister_info(self.module, not_before_ns=after_ns)
            self._status, self._hash = self._expected, info.module_hash
            check(info)
            module_hash = None if info.module_hash is None else info.module_hash.hex()
            return {"module_hash": module_hash, "certified_at": rfc3339(info.certified_at_ns)}

        try:
            await self.steps.run("verify", read)
        except JunoSnapError as error:
            return replace(ending, failed_step="verify", failure=error)
        return ending

    async def _inspect(self, ending: Ending) -> None:
        """See how the module was left; what cannot be read stays unknown, nothing is raised."""
        self._status = self._expected
        if ending.start_failure is not None:
            self._status = await self._read_status()
        try:
            after_ns = ending.started_at_ns or 0
            info = await self.client.canister_info(self.module, not_before_ns=after_ns)
        except JunoSnapError:
            return
        self._hash = info.module_hash

    async def _read_status(self) -> ModuleStatus:
        try:
            return (await self.client.canister_status(self.module)).status
        except JunoSnapError:
            return "unknown"


def _faults(ending: Ending) -> tuple[Fault, ...]:
    """The errors of the work and of the start, in this order."""
    pairs = ((ending.failed_step, ending.failure), ("start", ending.start_failure))
    return tuple(
        Fault(step=step, code=error_code(error), message=str(error))
        for step, error in pairs
        if error is not None
    )


def error_code(error: BaseException) -> str:
    """Our own errors' code, the class's name of others."""
    return error.code if isinstance(error, JunoSnapError) else type(error).__name__
