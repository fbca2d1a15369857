"""Runs ``next_action`` against a model of the network: a tape says what becomes of each action.

What the process keeps is a list of records, as the journal has them. The laws that hold of single
steps are asked where the step is taken.
"""

from dataclasses import replace

from juno_snap.pipeline.actions import ChainView, Do, Finish, Settle, Wait
from juno_snap.pipeline.journal.records import StepRecord
from juno_snap.pipeline.next_action import DISTURBED, next_action
from juno_snap.pipeline.program import InstallChange, LoadChange
from juno_snap.pipeline.progress import (
    BAD,
    CANCELLED,
    ENDED_AFTER,
    NOT_EVALUATED,
    RESTORES,
    SAVES,
    SENT_ONCE,
    Progress,
    open_call,
)
from juno_snap.pipeline.sending import loaded_by, replaced_by
from juno_snap.pipeline.settle import InDoubt, WasDone, reconcile
from juno_snap.units import NS_PER_SECOND
from tests.unit.pipeline.model_network import Network, Sent
from tests.unit.pipeline.programs import BEGIN_NS, LOADED_HASH, NEW_HASH, call_record
from tests.unit.pipeline.values import OLD_HASH

UNHEARD = {"late", "lost", "unsent"}


class LawBrokenError(AssertionError):
    """Something was done that never may be."""


class CrashError(Exception):
    """The process died."""


class Model:
    """One operation on one module; ``tape`` holds (fate, does a late call come, who interferes)."""

    def __init__(self, program, tape, *, then="done", resume_wish="forward"):
        self.program = program
        self.tape = list(tape)
        self.then = then
        self.resume_wish = resume_wish
        self.wish = "forward"
        self.chain = None
        self.records = []
        self.actions = []
        self.network = Network(status=program.before.status)
        self.now_ns = BEGIN_NS
        self.resumes = 0

    @property
    def progress(self):
        return Progress(program=self.program, records=self.records)

    def run(self, *, actions_max=600, resumes_max=6):
        """Carry on until the operation is over, or nobody takes it up again."""
        while True:
            try:
                finish = self._run_once(actions_max)
            except CrashError:
                finish = None
            if self.resumes >= resumes_max or (finish is not None and finish.closes):
                return finish
            self._take_up()

    def take_step(self, step):
        """Take a step that nobody has asked for, on a stopped module."""
        self.network.status = "stopped"
        self._do(step, "forward", "done")

    def _run_once(self, actions_max):
        while True:
            action = next_action(self.program, self.records, self.chain, wish=self.wish)
            self.actions.append(action)
            if len(self.actions) > actions_max:
                raise LawBrokenError("it does not come to an end")
            if not isinstance(action, Settle):
                self.chain = None
            match action:
                case Finish():
                    return action
                case Do(step=step, leg=leg):
                    self._do(step, leg, self._next_fate())
                case Settle(record=record):
                    self._settle(record, self._next_fate())
                case Wait(seconds=seconds, leg=leg):
                    self._wait(seconds, leg, self._next_fate())

    def _take_up(self):
        self.resumes += 1
        self.wish = self.resume_wish
        progress, network = self.progress, self.network
        if self.wish == "back" and progress.is_changed and progress.way_back is None:
            self.wish = "forward"
        self._end(self._begin("resume", progress.leg), "done", {})
        self.chain = ChainView(
            status=network.status, module_hash=network.code, version=network.version
        )

    def _next_fate(self):
        self.now_ns += NS_PER_SECOND
        fate, comes, interferes = self.tape.pop(0) if self.tape else (self.then, True, "")
        if comes:
            self.network.let_late_calls_come(self.now_ns)
        self.network.interfere(interferes)
        return fate

    def _do(self, step, leg, fate):
        if fate == "crash-early":
            raise CrashError
        if fate == "halt-early":
            self._halt()
        elif step in SENT_ONCE:
            self._send_once(step, leg, fate)
        else:
            self._other(step, leg, fate)

    # Steps of one call

    def _send_once(self, step, leg, fate):
        self._check_nothing_open(step)
        seen = self._look(step, leg)
        if seen is None:
            self._end(self._begin(step, leg), "failed", {"error": DISTURBED, "message": "!"})
            return
        sent = Sent(record=self._begin(step, leg, seen=seen, calls=1))
        earlier = Progress(program=self.program, records=self.records[:-1])
        if step in SAVES:
            sent.replaced = replaced_by(earlier, step, leg)
        if step == "load":
            sent.loaded = loaded_by(earlier, leg)
            self._check_load(leg, sent.loaded)
        if step == "install":
            self._check_way_back()
        self.network.sent.append(sent)
        self._answer(sent, fate)

    def _answer(self, sent, fate):
        """What comes back at once of a call, and what does not."""
        network, name = self.network, sent.record.name
        unheard = {"error": "outcome-unknown", "message": "?"}
        if fate in {"late", "crash-late", "halt-late"}:
            sent.is_late = True
        if fate in {"answer-lost", "crash-sent", "halt", "done"}:
            network.execute(sent, self.now_ns)
        if fate.startswith("crash"):
            raise CrashError
        if fate.startswith("halt"):
            self._halt()
        elif fate in {"answer-lost", "late", "lost"}:
            self._finish_call(sent.record, "unknown", unheard, "open")
        elif fate == "unsent":
            sent.is_dead = True
            self._deliver(sent)
        elif fate == "slow" and name == "stop" and network.status == "running":
            network.begin_slow_stop(sent)
            self._finish_call(sent.record, "failed", {"error": "stop-timeout"}, "open")
        else:
            if fate in {"rejected", "temporary"}:
                passes = fate == "temporary" and name in {"install", "load"}
                sent.result = ("rejected", passes)
            elif sent.result is None:
                network.execute(sent, self.now_ns)
            self._deliver(sent)

    def _deliver(self, sent):
        """The answer has come; a stop that took too long stays a failure."""
        now = self.records[sent.record.number - 1]
        what, more = sent.result or ("dead", None)
        evidence = {"error": "IC0503", "message": "no"} | ({"is_temporary": True} if more else {})
        if what == "dead":
            evidence = {"error": "call-expired", "message": "no"}
        if what == "replied" and now.state != "failed":
            self._finish_call(now, "done", more, "replied")
            return
        shown = now.evidence if now.state in {"failed", "unknown"} else evidence
        state = {"dead": "not-executed"}.get(what, what)
        self._finish_call(now, "failed", evidence if what == "rejected" else shown, state)

    # Other steps

    def _other(self, step, leg, fate):
        record = self._begin(step, leg)
        if self._is_broken_off(record, fate):
            return
        state, evidence = "done", {}
        if step == "verify":
            state, evidence = self._verified(leg, fate)
        elif step == "check" and fate in {"rejected", "slow"}:
            state, evidence = "failed", {"error": BAD, "message": "bad"}
        elif step == "check" and fate in {*UNHEARD, "temporary"}:
            state, evidence = "failed", {"error": NOT_EVALUATED, "message": "?"}
        elif step in {"stage", RESTORES} and fate == "temporary":
            state, evidence = "failed", {"error": "IC0504", "is_temporary": True}
        elif step == RESTORES and fate in UNHEARD:
            state, evidence = "failed", {"error": NOT_EVALUATED, "message": "?"}
        elif fate in {"rejected", *UNHEARD}:
            state, evidence = "failed", {"error": "IC0504", "message": "no"}
        elif step == "tidy":
            for gone in self.program.delete_after:
                self.network.snapshots.pop(gone, None)
        self._end(record, state, evidence)

    def _verified(self, leg, fate):
        if fate in UNHEARD:
            return "failed", {"error": NOT_EVALUATED, "message": "?"}
        expected, change = OLD_HASH, self.program.change
        if leg == "forward" and change is not None:
            expected = NEW_HASH if isinstance(change, InstallChange) else LOADED_HASH
        if self.network.code != expected:
            return "failed", {"error": "hash-mismatch", "message": "!"}
        return "done", {}

    def _wait(self, seconds, leg, fate):
        record = self._begin("wait", leg)
        if not self._is_broken_off(record, fate):
            self.now_ns += int(seconds * NS_PER_SECOND)
            self._end(record, "done", {"seconds": seconds, "reason": "r"})

    def _is_broken_off(self, record, fate):
        if fate.startswith("crash"):
            raise CrashError
        if fate.startswith("halt"):
            self._end(record, "failed", {"error": CANCELLED, "message": "not awaited"})
            self._halt()
            return True
        return False

    def _halt(self):
        if self.wish == "halt":
            raise CrashError  # the second one leaves
        self.wish = "halt"

    # Settling, as ``Settling`` does it

    def _settle(self, record, fate):
        settle = self._begin("settle", record.leg)
        if self._is_broken_off(settle, fate):
            return
        sent = next(each for each in self.network.sent if each.record.number == record.number)
        if fate in {"unsent", "rejected", "temporary"}:
            self._reconcile(sent, record)
        elif fate not in {"late", "lost"}:
            if sent.is_waiting:
                self.network.execute(sent, self.now_ns)
            self._deliver(sent)
        now = self.records[record.number - 1]
        if open_call(now) is not None:
            self._end(settle, "unknown", {"message": "in doubt"})
            return
        was_sent = any(call.state != "not-executed" for call in now.calls)
        is_old = record.number < self.progress.taken_up
        if is_old and now.state == "failed" and not was_sent and now.name != "start":
            self._end(now, "begun", {"reason": "was not carried out"})
        self._end(settle, "done", {})

    def _reconcile(self, sent, record):
        """It has expired and its outcome is forgotten, but for a rejection."""
        if sent.is_waiting:
            sent.is_dead = True
        now = self.records[record.number - 1]
        if sent.result is not None and sent.result[0] == "rejected":
            self._deliver(sent)
            return
        verdict = reconcile(self.program, record, self.network.facts(self.now_ns))
        if isinstance(verdict, WasDone):
            state = "failed" if now.state == "failed" else "done"
            shown = now.evidence if now.state == "failed" else verdict.evidence
            self._finish_call(now, state, shown, "settled")
        elif not isinstance(verdict, InDoubt):
            shown = now.evidence or {"error": "call-expired"}
            self._finish_call(now, "failed", shown, "not-executed")

    # Records

    def _begin(self, name, leg, *, seen=None, calls=0):
        self.now_ns += NS_PER_SECOND
        number = len(self.records) + 1
        record = StepRecord(
            number=number,
            name=name,
            leg=leg,
            state="begun",
            began_at_ns=self.now_ns,
            seen=seen or {},
            calls=tuple(call_record(number) for _ in range(calls)),
        )
        self.records.append(record)
        return record

    def _end(self, record, state, evidence, calls=None):
        if record.name == "stop" and len(self.records) > record.number:
            evidence = {**evidence, ENDED_AFTER: len(self.records)}
        self.records[record.number - 1] = replace(
            self.records[record.number - 1],
            state=state,
            evidence=dict(evidence),
            ended_at_ns=self.now_ns,
            calls=record.calls if calls is None else calls,
        )

    def _finish_call(self, record, state, evidence, call_state):
        at_ns = self.now_ns if call_state == "replied" else None
        calls = tuple(replace(c, state=call_state, certified_at_ns=at_ns) for c in record.calls)
        self._end(record, state, evidence, calls)

    # The guards, as ``look_before`` has them

    def _look(self, step, leg):
        network, program = self.network, self.program
        is_install = isinstance(program.change, InstallChange)
        expected = NEW_HASH if leg == "back" and is_install else OLD_HASH
        if step in {"stop", "install", "load"} and network.code != expected:
            return None
        is_stopped = program.sends_stop or program.before.status == "stopped"
        if step in {*SAVES, "install", "load"} and is_stopped and network.status != "stopped":
            return None
        if step in SAVES:
            ids = [*program.before.snapshots, *self.progress.snapshots]
            return {"version": network.version, "snapshots": [str(each) for each in ids]}
        if step not in {"install", "load"}:
            return {}
        save = next((r for r in reversed(self.progress.round(leg)) if r.name in SAVES), None)
        known = None if save is None else save.seen.get("version")
        if is_stopped and known is not None and network.version != known:
            return None
        return {"version": network.version, "last_install_at_ns": network.last_install_at_ns}

    # The laws of single steps

    def _check_nothing_open(self, step):
        for sent in self.network.sent:
            now = self.records[sent.record.number - 1]
            if step != "start" and sent.is_waiting and open_call(now) is not None:
                raise LawBrokenError(f"{step} while {now.name} {now.number} is open")

    def _check_way_back(self):
        program, network = self.program, self.network
        if program.save is None or program.save.is_optional or not program.sends_stop:
            return
        saved = [network.snapshots[taken] for taken in network.left("snapshot")]
        if (network.code, network.data) not in saved:
            raise LawBrokenError("install without a snapshot of the state before it")

    def _check_load(self, leg, loaded):
        save = self.program.save
        if isinstance(self.program.change, LoadChange) and (save is None or save.is_optional):
            return
        network = self.network
        safe = {
            entry
            for taken in [loaded, *network.left("safety-snapshot")]
            for entry in network.snapshots[taken][1]
        }
        lost = [e for e in network.data if e.startswith("write") and e not in safe]
        if lost:
            raise LawBrokenError(f"the load ({leg}) destroys {lost}")
