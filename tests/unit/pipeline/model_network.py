"""A network with one module, as far as it matters for the order of things.

What a start, a stop, a snapshot, an install and a load do to status, version, code and data; and
calls that are carried out late.
"""

from dataclasses import dataclass, field

from juno_snap.ids import SnapshotId
from juno_snap.management.types import CertifiedInfo, Snapshot
from juno_snap.pipeline.journal.records import StepRecord
from juno_snap.pipeline.settle import Facts
from juno_snap.units import MIB
from tests.unit.pipeline.programs import BEGIN_NS, LOADED_HASH, NEW_HASH
from tests.unit.pipeline.values import CALLER, OLD_HASH, snapshot_id


@dataclass
class Sent:
    """A call that has left; ``result`` is none until it is carried out or refused."""

    record: StepRecord
    replaced: SnapshotId | None = None
    loaded: SnapshotId | None = None
    is_late: bool = False
    """It is carried out by itself some time later."""
    is_dead: bool = False
    is_slow: bool = False
    """A stop that waits for the module's own calls; a start calls it off."""
    result: tuple | None = None
    """``replied`` and the evidence, or ``rejected`` and whether that passes by itself."""

    @property
    def is_waiting(self):
        return self.result is None and not self.is_dead


@dataclass
class Network:
    """The module, and every call that was sent to it."""

    status: str
    code: bytes = OLD_HASH
    data: tuple = ()
    version: int = 20
    last_install_at_ns: int = 500
    snapshots: dict = field(default_factory=lambda: {snapshot_id(0): (LOADED_HASH, ())})
    taken: list = field(default_factory=list)
    """Id and step of every snapshot that this operation took."""
    sent: list = field(default_factory=list)
    writes: int = 0

    def left(self, step):
        """The snapshots that ``step`` took and that are there."""
        return [taken for taken, name in self.taken if name == step and taken in self.snapshots]

    def let_late_calls_come(self, now_ns):
        """Whatever is under way is carried out."""
        for sent in self.sent:
            if sent.is_waiting and sent.is_late:
                self.execute(sent, now_ns)

    def interfere(self, what):
        """Somebody else uses the module, or starts it."""
        if what == "write" and self.status == "running":
            self.writes += 1
            self.data += (f"write {self.writes}",)
            self.version += 1
        if what == "start":
            self._start()

    def execute(self, sent, now_ns):
        """Carry out a call."""
        evidence = {}
        match sent.record.name:
            case "stop":
                self.version += 1 if self.status == "stopped" else 2
                self.status = "stopped"
            case "start":
                self._start()
            case "snapshot" | "safety-snapshot":
                evidence = self._save(sent)
            case "install":
                self._change(NEW_HASH, (*self.data, "migrated"), now_ns)
            case "load":
                self._change(*self.snapshots[sent.loaded], now_ns)
        sent.result = ("rejected", False) if evidence is None else ("replied", evidence)

    def begin_slow_stop(self, sent):
        """Stopping, until the module's own calls are answered."""
        self.status = "stopping"
        self.version += 1
        sent.is_slow = sent.is_late = True

    def facts(self, now_ns):
        """What an asking sees."""
        info = CertifiedInfo(
            exists=True,
            module_hash=self.code,
            controllers=(CALLER,),
            last_install_at_ns=self.last_install_at_ns,
            certified_at_ns=now_ns,
        )
        there = [
            Snapshot(id=each, taken_at_ns=BEGIN_NS, total_size_bytes=MIB) for each in self.snapshots
        ]
        return Facts(status=self.status, version=self.version, info=info, snapshots=there)

    def _start(self):
        for sent in self.sent:
            if sent.is_waiting and sent.is_slow:
                sent.result = ("rejected", False)
        self.status = "running"
        self.version += 1

    def _save(self, sent):
        if sent.replaced is not None and sent.replaced not in self.snapshots:
            return None
        self.snapshots.pop(sent.replaced, None)
        taken = snapshot_id(100 + len(self.taken))
        self.taken.append((taken, sent.record.name))
        self.snapshots[taken] = (self.code, self.data)
        replaced = None if sent.replaced is None else str(sent.replaced)
        return {"id": str(taken), "replaced": replaced}

    def _change(self, code, data, now_ns):
        self.code, self.data = code, data
        self.version += 1
        self.last_install_at_ns = now_ns
