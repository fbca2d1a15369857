"""The steps of an operation, each carried out once and written down."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final, final

from juno_snap.agent.submission import CertifiedReply, PreparedCall
from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.events import Observer
from juno_snap.ids import SnapshotId
from juno_snap.management.canister import plain_call
from juno_snap.management.snapshots import one_snapshot_call
from juno_snap.management.types import ManagementCall
from juno_snap.pipeline import codes
from juno_snap.pipeline.checks.evaluate import evaluate_checks
from juno_snap.pipeline.checks.model import worst_of
from juno_snap.pipeline.guards import look_before
from juno_snap.pipeline.journal.records import CallRecord, Leg, StepRecord, StepState
from juno_snap.pipeline.log import OperationLog
from juno_snap.pipeline.program import InstallChange, LoadChange, Program
from juno_snap.pipeline.progress import (
    BAD,
    NOT_EVALUATED,
    SAVES,
    SENT_ONCE,
    TIMED_OUT,
    Progress,
    certified_at_ns,
    open_call,
)
from juno_snap.pipeline.report import Evidence, hex_or_none, rfc3339
from juno_snap.pipeline.reset import file_for, restore_configuration
from juno_snap.pipeline.sending import (
    Materials,
    call_of,
    call_state_after,
    error_evidence,
    evidence_of,
    notes_of,
    replaced_by,
)
from juno_snap.pipeline.transfer import plan_staging, stage_chunks
from juno_snap.pipeline.workspace import Workspace

CALL_TTL_SECONDS: Final = 120
"""Lifetime of the calls from the stop on: an unknown outcome is settled after it."""

SETTING_TTL_SECONDS: Final = 60
"""Lifetime of a call that sets the configuration again: each is awaited to its end."""


@final
class Deeds:
    """What the steps of one operation do."""

    def __init__(
        self,
        workspace: Workspace,
        operation: str,
        program: Program,
        log: OperationLog,
        materials: Materials,
        *,
        observer: Observer,
    ) -> None:
        client = workspace.client
        ttl_seconds = min(CALL_TTL_SECONDS, client.agent.call_ttl_seconds)
        self._workspace = workspace
        self._client = client
        self._setting_ttl = min(SETTING_TTL_SECONDS, client.agent.call_ttl_seconds)
        self._hurried = client.with_call_ttl(ttl_seconds, settle=True)
        self._clock = workspace.clock
        self._operation = operation
        self._program = program
        self._module = program.module
        self._log = log
        self._materials = materials
        self._observer = observer
        self._stops: dict[int, asyncio.Task[None]] = {}

    @property
    def _progress(self) -> Progress:
        return Progress(program=self._program, records=self._log.records)

    def stop_under_way(self, record: StepRecord) -> asyncio.Task[None] | None:
        """The stop that took too long and whose outcome is still awaited."""
        return self._stops.pop(record.number, None)

    def stops_under_way(self) -> tuple[asyncio.Task[None], ...]:
        """Every stop whose outcome is still awaited."""
        return tuple(self._stops.values())

    async def do(self, step: str, leg: Leg) -> None:
        """Carry out ``step``; how it ended is on record when this returns.

        Raises:
            JunoSnapError: What kept it from being begun.
        """
        if step in SENT_ONCE:
            await self._send_once(step, leg)
            return
        record = self._log.begin(step, leg)
        match step:
            case "stage":
                await self._stage(record)
            case "verify":
                await self._verify(record)
            case "check":
                await self._check(record)
            case "restore-configuration":
                await self._restore_configuration(record)
            case _:
                await self._tidy(record)

    async def _send_once(self, step: str, leg: Leg) -> None:
        """A step of one call: look, write down, send, write down."""
        seen = await look_before(self._client, self._progress, step, leg)
        call = call_of(self._progress, step, leg, self._materials)
        client = self._client if step == "clear-chunks" else self._hurried
        prepared = client.prepare(call)
        record = self._log.begin(step, leg, seen=seen, calls=[CallRecord.of(prepared)])
        sent = self._deliver(record, record.calls[0], prepared, settle=step != "clear-chunks")
        if step != "stop":
            await sent
            return
        task = asyncio.ensure_future(sent)
        timer = asyncio.ensure_future(self._clock.sleep(self._program.stop_timeout_seconds))
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            timer.cancel()
        if task.done():
            await task
            return
        self._stops[record.number] = task
        self._log.end(record.number, "failed", self._stop_timeout())

    async def _deliver(
        self, record: StepRecord, call: CallRecord, prepared: PreparedCall, *, settle: bool
    ) -> None:
        """Send the call of ``record``, and write down what is certified of it."""
        try:
            reply = await self._client.agent.submit(prepared, settle=settle)
        except JunoSnapError as error:
            self._rejected(record, call, error)
            return
        self._replied(record, call, reply)

    def _replied(self, record: StepRecord, call: CallRecord, reply: CertifiedReply) -> None:
        settled = replace(call, state="replied", certified_at_ns=reply.time_ns)
        evidence, notes = evidence_of(
            self._progress, record.name, record.leg, reply, self._operation
        )
        now = self._log.of(record.number)
        if now.state == "failed":  # a stop that took too long stays one
            self._log.end(record.number, "failed", now.evidence, calls=[settled])
            return
        self._log.end(record.number, "done", evidence, calls=[settled], notes=notes)

    def _rejected(self, record: StepRecord, call: CallRecord, error: JunoSnapError) -> None:
        state = call_state_after(error)
        evidence = error_evidence(error)
        timed_out = isinstance(error, RejectedError) and error.error_code == codes.STOP_TIMED_OUT
        if timed_out:
            evidence = self._stop_timeout()
        now = self._log.of(record.number)
        if now.state == "failed":
            evidence = now.evidence
        if timed_out:
            evidence = {**evidence, TIMED_OUT: True}
        ended: StepState = "unknown" if state == "open" and now.state != "failed" else "failed"
        self._log.end(record.number, ended, evidence, calls=[replace(call, state=state)])

    async def deliver_again(self, record: StepRecord) -> None:
        """Send the open call of ``record`` again, or ask for it once it has expired."""
        call = open_call(record)
        prepared = None if call is None else call.prepared()
        if call is not None and prepared is not None:
            await self._deliver(record, call, prepared, settle=True)

    def settled_as_done(self, record: StepRecord, evidence: Evidence) -> None:
        """Write down that the call of ``record`` was carried out, as the module shows."""
        calls = [replace(call, state="settled") for call in record.calls if call.state == "open"]
        if record.name in SAVES:
            replaced = replaced_by(self._progress, record.name, record.leg)
            evidence = {**evidence, "replaced": None if replaced is None else str(replaced)}
        notes = notes_of(self._progress, record, evidence, self._operation)
        now = self._log.of(record.number)
        state: StepState = "failed" if now.state == "failed" else "done"
        shown = now.evidence if now.state == "failed" else evidence
        self._log.end(record.number, state, shown, calls=calls, notes=notes)

    def settled_as_not_done(self, record: StepRecord) -> None:
        """Write down that the call of ``record`` was not carried out and never will be."""
        calls = [replace(c, state="not-executed") for c in record.calls if c.state == "open"]
        now = self._log.of(record.number)
        evidence = dict(now.evidence) or {"error": "call-expired", "message": "it was not executed"}
        self._log.end(record.number, "failed", evidence, calls=calls)

    def _stop_timeout(self) -> Evidence:
        return {
            "error": "stop-timeout",
            "message": f"module {self._module} did not stop within "
            f"{self._program.stop_timeout_seconds:g} s: it waits for answers to calls that it has "
            "made",
            "hint": "try again when it is less busy, or give it more time with "
            "--stop-timeout-seconds",
        }

    async def _stage(self, record: StepRecord) -> None:
        """Bring a large module into the chunk store; the module's code never sees it."""
        wasm, missing = self._materials.wasm, self._materials.missing
        if wasm is None:
            raise JunoSnapError("there is no Wasm to stage", code="no-wasm")
        earlier = any(r.name == "stage" and r.number < record.number for r in self._log.records)
        if missing is None or earlier:
            stored = frozenset(await self._client.stored_chunks(self._module))
            missing = plan_staging(wasm, stored, clear=False).missing
        await stage_chunks(self._client, self._module, wasm, missing, observer=self._observer)
        reused = len(set(wasm.chunk_hashes)) - len(missing)
        self._log.end(record.number, "done", {"sent": len(missing), "reused": reused})

    async def _verify(self, record: StepRecord) -> None:
        """Read what runs now, certified after all that was done."""
        after_ns = max((certified_at_ns(r) or 0 for r in self._log.records), default=0)
        try:
            info = await self._client.canister_info(self._module, not_before_ns=after_ns)
        except JunoSnapError as error:
            unread = {**error_evidence(error), "error": NOT_EVALUATED}
            self._log.end(record.number, "failed", unread)
            return
        problem = self._problem(record.leg, info.module_hash, info.last_install_at_ns)
        evidence = {
            "module_hash": hex_or_none(info.module_hash),
            "certified_at": rfc3339(info.certified_at_ns),
            **problem,
        }
        self._log.end(record.number, "failed" if problem else "done", evidence)

    def _problem(self, leg: Leg, module_hash: bytes | None, installed_ns: int | None) -> Evidence:
        """What is wrong with what runs now; empty if it is as it should be."""
        change, before = self._program.change, self._program.before
        expected = before.module_hash
        if leg == "forward" and isinstance(change, InstallChange):
            expected = change.wasm_sha256
        if leg == "forward" and isinstance(change, LoadChange):
            # A load counts as an install; networks before 0.66 do not say when the last one was.
            was_ns = before.last_install_at_ns
            if module_hash is None or (was_ns is not None and (installed_ns or 0) <= was_ns):
                return {
                    "error": "not-loaded",
                    "message": "the certified state shows no load of a snapshot",
                    "hint": "look at the module with: juno-snap status",
                }
            return {}
        if module_hash != expected:
            return {
                "error": "hash-mismatch",
                "message": f"the certified module hash is {hex_or_none(module_hash)}",
                "hint": "somebody else has changed the code meanwhile; find out who did it",
            }
        return {}

    async def _check(self, record: StepRecord) -> None:
        """Ask the new code, until it answers as it should or the time is over."""
        after_ns = max((certified_at_ns(r) or 0 for r in self._log.records), default=0)

        results = await evaluate_checks(
            self._program.checks,
            client=self._client,
            module=self._module,
            not_before_ns=after_ns,
            timeout_seconds=self._program.health_timeout_seconds,
            send=partial(self._send_more, record),
            clock=self._clock,
            observer=self._observer,
        )
        evidence: dict[str, object] = {"checks": [dict(result.to_json()) for result in results]}
        worst = worst_of(results)
        if worst is not None:
            evidence["error"] = NOT_EVALUATED if worst.ok is None else BAD
            evidence["message"] = f"{worst.name}: {worst.detail}"
        self._log.end(record.number, "done" if worst is None else "failed", evidence)

    async def _restore_configuration(self, record: StepRecord) -> None:
        """Set again what the module was configured with; done again, it does no harm."""

        async def ask(method: str, arg: bytes) -> bytes:
            prepared = self._client.agent.prepare(
                self._module, method, arg, ttl_seconds=self._setting_ttl
            )
            return (await self._send_more(record, prepared, settle=True)).reply

        state_directory = self._workspace.state
        path = None if state_directory is None else file_for(state_directory, self._operation)
        content, sha256 = self._materials.configuration, self._program.configuration
        state, evidence = await restore_configuration(path, content, sha256, ask)
        self._log.end(record.number, state, evidence)

    async def _tidy(self, record: StepRecord) -> None:
        """Remove what is not needed any more; what cannot be removed is a warning."""
        change = self._program.change
        clears = isinstance(change, InstallChange) and change.clears_last
        is_verified = self._progress.is_changed and record.leg == "forward"
        delete = self._spare() if is_verified else ()
        calls = {str(gone): self._deletion(gone) for gone in delete}
        if clears:
            calls["chunks"] = plain_call("clear_chunk_store", self._module)
        errors = await asyncio.gather(*(self._attempt(record, c) for c in calls.values()))
        outcome = dict(zip(calls, errors, strict=True))
        deleted = [str(gone) for gone in delete if outcome[str(gone)] is None]
        warnings = [f"{what} stays: {error}" for what, error in outcome.items() if error]
        evidence: dict[str, object] = {
            "deleted": deleted,
            "chunks_cleared": clears and outcome["chunks"] is None,
        }
        if warnings:
            evidence |= {"error": "not-tidied", "message": "; ".join(warnings)}
        self._log.end(record.number, "failed" if warnings else "done", evidence)

    def _spare(self) -> tuple[SnapshotId, ...]:
        """What was planned to be deleted, but for what was protected since."""
        notes = self._workspace.notes(self._module)
        kept = {snapshot for snapshot, note in notes.items() if note.is_protected}
        return tuple(each for each in self._program.delete_after if each not in kept)

    def _deletion(self, snapshot: SnapshotId) -> ManagementCall:
        return one_snapshot_call("delete_canister_snapshot", self._module, snapshot)

    async def _attempt(self, record: StepRecord, call: ManagementCall) -> JunoSnapError | None:
        try:
            await self._send_more(record, self._client.prepare(call))
        except RejectedError as error:
            return None if error.error_code == codes.SNAPSHOT_NOT_FOUND else error
        except JunoSnapError as error:
            return error
        return None

    async def _send_more(
        self, record: StepRecord, prepared: PreparedCall, *, settle: bool = False
    ) -> CertifiedReply:
        """Send one of several calls of a step, written down before it leaves."""
        call = CallRecord.of(prepared)
        self._log.add_call(record.number, call)
        try:
            reply = await self._client.agent.submit(prepared, settle=settle)
        except JunoSnapError as error:
            self._log.change_call(record.number, replace(call, state=call_state_after(error)))
            raise
        settled = replace(call, state="replied", certified_at_ns=reply.time_ns)
        self._log.change_call(record.number, settled)
        return reply
