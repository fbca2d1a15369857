"""How far an operation has come, read from its records. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import SnapshotId
from juno_snap.pipeline.journal.records import CallRecord, Leg, StepRecord
from juno_snap.pipeline.program import Program

SENT_ONCE: Final = frozenset(
    {"clear-chunks", "stop", "snapshot", "safety-snapshot", "install", "load", "start"}
)
"""Steps of one call each, whose outcome has to be known before anything else is changed. What the
others send may be sent again without harm."""

SAVES: Final = frozenset({"snapshot", "safety-snapshot"})
RESTORES: Final = "restore-configuration"
"""Setting again, after a reset, what the module was configured with."""

NOT_EVALUATED: Final = "not-evaluated"
CANCELLED: Final = "cancelled"
TIMED_OUT: Final = "network_timed_out"
"""In the evidence of a stop: the network itself gave up waiting for it."""

ENDED_AFTER: Final = "ended_after"
"""In the evidence of a stop: how many steps had been begun when its outcome was known."""

BAD: Final = "check-bad"


def open_call(record: StepRecord) -> CallRecord | None:
    """The call of ``record`` that has no certified outcome, if there is one."""
    return next((call for call in record.calls if call.state == "open"), None)


def was_sent(record: StepRecord) -> bool:
    """Whether a call of ``record`` may have been carried out, or may yet be."""
    return any(call.state != "not-executed" for call in record.calls)


def certified_at_ns(record: StepRecord) -> int | None:
    """Certified time of the outcome of its call, where that is known."""
    times = [call.certified_at_ns for call in record.calls if call.certified_at_ns is not None]
    return max(times, default=None)


def error_of_step(record: StepRecord) -> str:
    """The code of the error that ``record`` ended with, empty where there was none."""
    return str(record.evidence.get("error", ""))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The records of one operation, and what they say together."""

    program: Program
    records: Sequence[StepRecord]

    @property
    def leg(self) -> Leg:
        """Where the operation stands: on its way, or on its way back."""
        return "back" if any(record.leg == "back" for record in self.records) else "forward"

    def round(self, leg: Leg) -> Sequence[StepRecord]:
        """The records of ``leg`` from its last stop on; all of them where there was none.

        A temporary refusal starts the module again and makes another round.
        """
        mine = [record for record in self.records if record.leg == leg]
        stops = [place for place, record in enumerate(mine) if record.name == "stop"]
        return mine[stops[-1] :] if stops else mine

    def rounds(self, leg: Leg) -> int:
        """How often the module was stopped in ``leg``."""
        return sum(record.name == "stop" and record.leg == leg for record in self.records)

    def last(self, name: str, leg: Leg, *, in_round: bool = True) -> StepRecord | None:
        """The latest record of the step ``name``."""
        records = self.round(leg) if in_round else self.records
        return next((r for r in reversed(records) if r.name == name and r.leg == leg), None)

    def done(self, name: str, leg: Leg) -> StepRecord | None:
        """The latest record of ``name`` in this round, if it ended well."""
        record = self.last(name, leg)
        return record if record is not None and record.state == "done" else None

    @property
    def unsettled(self) -> StepRecord | None:
        """The first step whose call has no certified outcome; a start only after all others.

        Also one that was followed by another: it could still start the module when it was stopped
        for the next change.
        """
        pending = [r for r in self.records if r.name in SENT_ONCE and open_call(r) is not None]
        others = [r for r in pending if r.name != "start"]
        return next(iter(others or pending), None)

    @property
    def taken_up(self) -> int:
        """Number of the record with which this run took the operation up again, 0 in the first."""
        return max((r.number for r in self.records if r.name == "resume"), default=0)

    @property
    def stop_was_sent(self) -> bool:
        """Whether the module may have been stopped by us."""
        return any(r.name == "stop" and was_sent(r) for r in self.records)

    @property
    def owes_start(self) -> bool:
        """Whether the module may be stopped because of us, and nothing certified says it runs.

        One that was found stopped is owed a start once it was changed, if it is to run then.
        """
        if not self.program.sends_start:
            return False
        if not self.program.sends_stop:
            return self.is_changed and all(start.state != "done" for start in self.starts)
        stops = [r for r in self.records if r.name == "stop" and was_sent(r)]
        return bool(stops) and not any(
            _answers(start, stops[-1]) for start in self.starts if start.state == "done"
        )

    @property
    def starts(self) -> Iterator[StepRecord]:
        """Every start, of either leg."""
        return (record for record in self.records if record.name == "start")

    @property
    def failed_starts(self) -> int:
        """How often in a row the start failed at the end of the records, waits left out."""
        count = 0
        for record in reversed(self.records):
            if record.name in {"wait", "hook", "settle"}:
                continue
            if record.name != "start" or record.state == "done":
                break
            count += 1
        return count

    @property
    def is_changed(self) -> bool:
        """Whether the change that the operation is for was made."""
        return any(
            r.name in {"install", "load"} and r.leg == "forward" and r.state == "done"
            for r in self.records
        )

    @property
    def snapshots(self) -> tuple[SnapshotId, ...]:
        """What this operation took on its way, the oldest first; replaced ones left out."""
        taken: list[SnapshotId] = []
        for record in self.records:
            if record.state == "done" and record.name in {"snapshot", "safety-snapshot"}:
                replaced = record.evidence.get("replaced")
                taken = [each for each in taken if str(each) != replaced]
                taken.append(SnapshotId.parse(str(record.evidence["id"])))
        return tuple(taken)

    @property
    def way_back(self) -> SnapshotId | None:
        """The snapshot of the state immediately before the change, if it is certain to be that.

        It was taken after our stop, in the round of the change, and the version of the module was
        the same before it and before the change.
        """
        install = self.done("install", "forward")
        save = self.done("snapshot", "forward")
        if install is None or save is None or not self.program.sends_stop:
            return None
        if self.done("stop", "forward") is None or save.number > install.number:
            return None
        if save.seen.get("version") is None or save.seen["version"] != install.seen.get("version"):
            return None
        return SnapshotId.parse(str(save.evidence["id"]))

    def waited_seconds(self, *, since: int = 0, leg: Leg) -> float:
        """Time spent waiting in steps of ``leg`` with a number above ``since``."""
        waits = (r for r in self.records if r.name == "wait" and r.leg == leg and r.number > since)
        return sum(float(str(wait.evidence.get("seconds", 0))) for wait in waits)

    def version_seen(self, leg: Leg) -> int | None:
        """The canister version that was read last in this round, none where none was."""
        seen = (r.seen.get("version") for r in reversed(self.round(leg)) if "version" in r.seen)
        version = next(seen, None)
        return version if isinstance(version, int) else None

    @property
    def foreign_versions(self) -> int | None:
        """Changes of the module by others between its install and our stop of the way back.

        Our own calls raise the version too: the install, each start, each update call of a check or
        to set a configuration again, stopping and stopped. None where the versions are not known.
        Source: interface specification, "Canister version".
        """
        install = self.last("install", "forward")
        saved = self.last("safety-snapshot", "back") or self.last("load", "back")
        if install is None or saved is None:
            return None
        before, now = install.seen.get("version"), saved.seen.get("version")
        if not isinstance(before, int) or not isinstance(now, int):
            return None
        later = [r for r in self.records if install.number < r.number < saved.number]
        return max(0, now - before - 1 - sum(map(self._own_versions, later)))

    def _own_versions(self, record: StepRecord) -> int:
        """How far the calls of ``record`` have certainly raised the version of the module.

        Rather too little than too much: the rest counts as the doing of others.
        """
        replied = sum(call.state == "replied" for call in record.calls)
        if record.name == "stop" and replied and self._ran_before(record):
            return 2
        return replied if record.name in {"start", "stop", "check", RESTORES} else 0

    def _ran_before(self, stop: StepRecord) -> bool:
        """Whether the module was certainly started between the stops before and ``stop``."""
        earlier = [r for r in self.records[: stop.number - 1] if r.name == "stop"]
        known_at = max(map(_known_at, earlier), default=0)
        starts = (start for start in self.starts if start.state == "done")
        return any(known_at < start.number < stop.number for start in starts)


def _known_at(stop: StepRecord) -> int:
    """How many steps had been begun when the outcome of ``stop`` was known."""
    return int(str(stop.evidence.get(ENDED_AFTER, stop.number)))


def _answers(start: StepRecord, stop: StepRecord) -> bool:
    """Whether ``start``, which was carried out, came after the stop's last chance to be.

    The certified times do not tell: each is only a time at which the outcome was known already. So
    the start has to be begun after the outcome of the stop was known, unless the stop was refused.
    """
    is_open = open_call(stop) is not None  # looked at again once its outcome is known
    # One that the network gave up on was carried out as far as to leave the module stopping.
    is_refused = TIMED_OUT not in stop.evidence and any(
        call.state in {"rejected", "not-executed"} for call in stop.calls
    )
    if is_open or is_refused:
        return start.number > stop.number
    return start.number > _known_at(stop)
