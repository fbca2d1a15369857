"""Finding out what became of a call that has no certified outcome.

First by the call itself: the same bytes are sent again, which the network runs once at most, or
its status is asked for. Only when it has expired, and its outcome was forgotten, by what the module
looks like: that is the pure function ``reconcile``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from juno_snap.clock import Clock
from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer, Waiting
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CertifiedInfo, RunStatus, Snapshot
from juno_snap.pipeline.deeds import Deeds
from juno_snap.pipeline.journal.records import CallRecord, CallState, StepRecord
from juno_snap.pipeline.log import OperationLog
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.progress import CANCELLED, RESTORES, SAVES, SENT_ONCE, open_call
from juno_snap.pipeline.report import Evidence, rfc3339, snapshot_json
from juno_snap.pipeline.sending import call_state_after
from juno_snap.units import NS_PER_SECOND

SAFELY_EXPIRED_SECONDS: Final = 2.0
"""Added to an expiry before certified time is asked whether it has passed."""

TICK_SECONDS: Final = 1.0

DONE_AGAIN: Final = frozenset({"check", "tidy", RESTORES})
"""Steps of any number of calls; their records end with the run that began them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The module as certified after a call had expired."""

    status: RunStatus
    version: int | None
    info: CertifiedInfo
    snapshots: Sequence[Snapshot]


@final
@dataclass(frozen=True, slots=True)
class WasDone:
    """The call was carried out."""

    evidence: Evidence


@final
@dataclass(frozen=True, slots=True)
class WasNotDone:
    """The call was not carried out, and never will be."""


@final
@dataclass(frozen=True, slots=True)
class InDoubt:
    """What is there fits neither."""

    reason: str


Verdict: TypeAlias = WasDone | WasNotDone | InDoubt


def reconcile(program: Program, record: StepRecord, facts: Facts) -> Verdict:
    """What became of the call of ``record``, which has expired, by what the module looks like."""
    shown = {
        "certified_at": rfc3339(facts.info.certified_at_ns),
        "settled": "by the module's state",
    }
    match record.name:
        case "stop":
            # Stopping, too: it will be stopped, and the start that calls it off is still to come.
            return WasNotDone() if facts.status == "running" else WasDone(shown)
        case "start":
            return WasDone(shown) if facts.status == "running" else WasNotDone()
        case "install" | "load":
            return _of_change(program, record, facts, shown)
        case name if name in SAVES:
            return _of_save(record, facts, shown)
        case _:
            return WasNotDone()  # clearing the chunk store again does no harm


def _of_change(program: Program, record: StepRecord, facts: Facts, shown: Evidence) -> Verdict:
    change, info, old_hash = program.change, facts.info, program.before.module_hash
    if isinstance(change, InstallChange) and record.leg == "forward":
        if info.module_hash not in {change.wasm_sha256, old_hash}:
            return InDoubt("the module runs code that is neither the old nor the new")
        if change.wasm_sha256 != old_hash:
            return WasDone(shown) if info.module_hash == change.wasm_sha256 else WasNotDone()
    before_ns = record.seen.get("last_install_at_ns")
    if not isinstance(before_ns, int) or info.last_install_at_ns is None:
        return InDoubt("this network does not tell when code was last installed or loaded")
    return WasDone(shown) if info.last_install_at_ns > before_ns else WasNotDone()


def _of_save(record: StepRecord, facts: Facts, shown: Evidence) -> Verdict:
    known = record.seen.get("snapshots")
    before = set(map(str, known)) if isinstance(known, Sequence) else set()
    new = [each for each in facts.snapshots if str(each.id) not in before]
    match new:
        case []:
            return WasNotDone()
        case [only]:
            return WasDone({**snapshot_json(only), **shown, "replaced": None})
        case _:
            ids = ", ".join(str(each.id) for each in new)
            return InDoubt(f"several new snapshots are there, and one may be ours: {ids}")


@final
class Settling:
    """Settles the open calls of one operation."""

    def __init__(
        self,
        client: ManagementClient,
        program: Program,
        log: OperationLog,
        deeds: Deeds,
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._client = client
        self._program = program
        self._log = log
        self._deeds = deeds
        self._clock = clock
        self._observer = observer

    async def settle(self, record: StepRecord, *, is_old: bool) -> None:
        """Find out what became of ``record``; where that fails, a ``settle`` step says so.

        A call ``is_old`` if an earlier run has sent it: if it was not carried out, its step is
        left to be done again.
        """
        step = self._log.begin("settle", record.leg)
        how = "sent again"
        await self._deeds.deliver_again(record)
        call = open_call(self._log.of(record.number))
        if call is not None:
            how = "asked after its expiry"
            await self._outlast(call, record.name)
            await self._deeds.deliver_again(record)
        problem = ""
        if open_call(self._log.of(record.number)) is not None:
            how = "by the module's state"
            problem = await self._reconcile(record)
        if is_old:
            self._leave_to_do(record)
        evidence = {"step": record.name, "number": record.number, "how": how}
        if problem:
            self._log.end(step.number, "unknown", {**evidence, "message": problem})
        else:
            self._log.end(step.number, "done", evidence)

    async def settle_leftovers(self) -> None:
        """See to the end of what earlier runs sent in steps that are simply done again.

        A call to empty the chunk store that runs late would empty it under the next upgrade.
        """
        for record in [r for r in self._log.records if r.name not in SENT_ONCE]:
            for call in [call for call in record.calls if call.state == "open"]:
                await self._settle_leftover(record, call)
            if self._log.of(record.number).state == "begun" and record.name in DONE_AGAIN:
                died = {"error": CANCELLED, "message": "the process ended before it"}
                self._log.end(record.number, "failed", {**record.evidence, **died})

    async def _settle_leftover(self, record: StepRecord, call: CallRecord) -> None:
        prepared = call.prepared()
        state: CallState = "open"
        if prepared is not None:
            try:
                await self._client.agent.submit(prepared, settle=True)
                state = "replied"
            except JunoSnapError as error:
                state = call_state_after(error)
        if state == "open":
            await self._outlast(call, record.name)
            state = "settled"
        self._log.change_call(record.number, replace(call, state=state))

    async def _outlast(self, call: CallRecord, step: str) -> None:
        """Wait until the call has certainly expired."""
        reason = f"the {step} may still be carried out until it expires"
        while True:
            until_ns = call.expires_at_ns + int(SAFELY_EXPIRED_SECONDS * NS_PER_SECOND)
            left = (until_ns - self._clock.now_ns()) / NS_PER_SECOND
            if left <= 0:
                return
            self._observer(Waiting(reason=reason, remaining_seconds=left))
            await self._clock.sleep(min(TICK_SECONDS, left))

    async def _reconcile(self, record: StepRecord) -> str:
        """Settle by the module's state; what is left open, in words, or nothing."""
        call = open_call(record)
        try:
            facts = await read_facts(self._client, self._program.module)
        except JunoSnapError as error:
            return f"the module's state cannot be read: {error}"
        if call is None or facts.info.certified_at_ns <= call.expires_at_ns:
            return "certified time stands before the expiry of the call"
        verdict = reconcile(self._program, self._log.of(record.number), facts)
        match verdict:
            case InDoubt(reason=reason):
                return reason
            case WasDone(evidence=evidence):
                self._deeds.settled_as_done(record, evidence)
            case WasNotDone():
                self._deeds.settled_as_not_done(record)
        return ""

    def _leave_to_do(self, record: StepRecord) -> None:
        now = self._log.of(record.number)
        was_sent = any(call.state != "not-executed" for call in now.calls)
        if now.state == "failed" and not was_sent and now.name != "start":
            self._log.end(now.number, "begun", {"reason": "was not carried out"})


async def read_facts(client: ManagementClient, module: Principal) -> Facts:
    """The module as it is now, by calls that come after all that has expired.

    Raises:
        JunoSnapError: It could not be read.
    """
    status = await client.canister_status(module)
    snapshots = await client.list_canister_snapshots(module)
    info = await client.canister_info(module)
    return Facts(status=status.status, version=status.version, info=info, snapshots=snapshots)
