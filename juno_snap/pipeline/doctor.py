"""What a doctor says of a module and its surroundings, from facts that were gathered. Pure.

A *problem* is what would fail or get lost now; a *warning* is what will one day, or costs for
nothing. What could not be looked at is neither: its line says why.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from juno_snap.agent.clock_skew import ClockSkewError, show_time
from juno_snap.errors import ConfigError, JunoSnapError, PreconditionError
from juno_snap.ids import Principal
from juno_snap.juno.roles import JunoModule, Role
from juno_snap.management.types import CanisterStatus, Snapshot
from juno_snap.pipeline.costs import freezing_reserve_cycles, snapshot_size_bytes
from juno_snap.pipeline.journal.records import OperationRecord, SnapshotNote
from juno_snap.pipeline.notes import Notes, is_unfinished, note_of
from juno_snap.pipeline.report import Json
from juno_snap.units import GIB, MIB, NS_PER_SECOND, SNAPSHOTS_MAX

Level: TypeAlias = Literal["ok", "warning", "problem", "unknown"]

Busy: TypeAlias = Literal["running", "unfinished"] | None
"""Whether an operation is at a module: in a process that lives, or in none."""

SECONDS_PER_DAY: Final = 24 * 3600
LOW_DAYS: Final = 30
"""A module that would freeze within this time is worth a word."""
FAR_DAYS: Final = 1000
"""Beyond, nobody counts."""
URGENT_DAYS: Final = 3
"""The same, so soon that a weekend is too long."""
OLD_SNAPSHOT_DAYS: Final = 30
"""Who goes back further loses a month of data."""
SAME_TIME_SECONDS: Final = 10
"""A certificate is that old at most: a round of the network, and the way here."""
CLOCK_WRONG_SECONDS: Final = 30
"""By more than this a call that is to live long can be refused. Source: dfinity/ic,
``rs/limits/src/lib.rs``, ``PERMITTED_DRIFT_AT_VALIDATOR``."""
DISK_LEAST_BYTES: Final = 100 * MIB
"""Below, an operation may not find room for its journal: a module and its staged chunks."""
DISK_LOW_BYTES: Final = GIB
UNKNOWN_CURE: Final = "run juno-snap doctor --verbose to see what caused it"
SOON_SECONDS: Final = SECONDS_PER_DAY
"""A delegation that ends within this time is worth a word."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is found out about one thing."""

    name: str
    level: Level
    text: str
    cure: str = ""
    error: JunoSnapError | None = None
    """What a problem would end another command with."""

    def to_json(self) -> Json:
        """An entry of ``doctor``; ``ok`` is none for what could not be looked at."""
        return {
            "name": self.name,
            "level": self.level,
            "ok": None if self.level == "unknown" else self.level == "ok",
            "text": self.text,
            "cure": self.cure,
            "code": self.error.code if self.error else None,
        }


def fine(name: str, text: str) -> Line:
    """A line without a cure."""
    return Line(name=name, level="ok", text=text)


def warning(name: str, text: str, cure: str) -> Line:
    """A line that stops nothing."""
    return Line(name=name, level="warning", text=text, cure=cure)


def problem(name: str, error: JunoSnapError) -> Line:
    """The line of an error."""
    return Line(
        name=name, level="problem", text=error.message, cure=error.hint or UNKNOWN_CURE, error=error
    )


def unknown(name: str, why: str) -> Line:
    """The line of what could not be looked at."""
    return Line(name=name, level="unknown", text=f"not looked at: {why}")


def unasked(why: str, *names: str) -> Iterator[Line]:
    """The lines of several of them."""
    return (unknown(name, why) for name in names)


def judge_clock(here_ns: int, network_ns: int) -> Line:
    """This computer's clock beside the certified time of the network, read at the same moment."""
    ahead_seconds = (here_ns - network_ns) / NS_PER_SECOND
    side = "ahead of" if ahead_seconds > 0 else "behind"
    off_seconds = abs(ahead_seconds)
    if off_seconds <= SAME_TIME_SECONDS:
        return fine("clock", f"within {SAME_TIME_SECONDS} s of the network's certified time")
    text = (
        f"this computer's clock is {off_seconds:.0f} s {side} the network's: here it is "
        f"{show_time(here_ns)}, there {show_time(network_ns)}"
    )
    cure = "set this computer's clock, for example with NTP"
    if off_seconds <= CLOCK_WRONG_SECONDS:
        return warning("clock", text, cure)
    error = ClockSkewError(text, here_ns=here_ns, network_ns=network_ns, hint=cure)
    return problem("clock", error)


def judge_delegations(expiries_ns: Sequence[int], now_ns: int) -> Iterator[Line]:
    """A word about a delegation that soon ends; one that has ended is no usable identity."""
    left_seconds = min((each - now_ns for each in expiries_ns), default=None)
    if left_seconds is not None and left_seconds < SOON_SECONDS * NS_PER_SECOND:
        hours = left_seconds / NS_PER_SECOND / 3600
        text = f"its delegation ends in {hours:.1f} hours"
        yield warning("identity", text, "log in again, or have a new delegation made")


def judge_disk(place: str, free_bytes: int, status: CanisterStatus | None) -> Line:
    """The room where state is kept; with ``status`` also for a copy of the module."""
    text = f"{free_bytes // MIB} MiB are free in {place}"
    cure = "free some space there, or name another directory with --state"
    if free_bytes < DISK_LEAST_BYTES:
        error = PreconditionError(
            f"only {text}: an upgrade needs room for what it writes down",
            code="disk-full",
            hint=cure,
        )
        return problem("disk", error)
    copy_bytes = 0 if status is None else snapshot_size_bytes(status)
    if free_bytes < copy_bytes:
        text += f", and a copy of the module has {copy_bytes // MIB} MiB: no rehearsal fits"
        return warning("disk", text, cure)
    if free_bytes < DISK_LOW_BYTES:
        return warning("disk", f"only {text}", cure)
    return fine("disk", text)


def judge_code(module_hash: bytes | None, juno: JunoModule, wanted: Role | None) -> Line:
    """The code of a module, by what it says of itself; ``wanted``: what it is configured as."""
    if module_hash is None:
        return warning(
            "code", "the module is empty", "install code: juno-snap module install --src FILE"
        )
    if juno.role and wanted and juno.role != wanted:
        error = ConfigError(
            f"the module is configured as {wanted}, and its code says {juno.label}",
            code="wrong-role",
            hint=f"correct the id of the {wanted} in your configuration",
        )
        return problem("code", error)
    if juno.problem:
        text = f"what the code says of itself cannot be used: {juno.problem}"
        return warning("code", text, "give it a sound juno:package section at the next release")
    is_hearsay = juno.version is not None and not juno.is_certified
    doubt = " (not certified)" if is_hearsay else ""
    return fine("code", f"{juno.label}{doubt}, hash {module_hash.hex()[:16]}")


def judge_status(status: CanisterStatus, module: Principal, busy: Busy) -> Line:
    """Whether the module serves."""
    if status.status == "running":
        return fine("status", "running")
    text = f"the module is {status.status}: it answers nobody"
    if busy == "running":
        return warning("status", text, "an operation is at it: wait for its end")
    hint = f"start it: juno-snap module start --module {module}"
    if busy == "unfinished":
        hint = "bring the unfinished operation to its end: juno-snap resume"
    return problem("status", PreconditionError(text, code="module-stopped", hint=hint))


def days_until_frozen(status: CanisterStatus) -> float | None:
    """How long the module lasts, idle, before it freezes; None: for ever."""
    burned = status.idle_cycles_burned_per_day
    left = status.cycles - freezing_reserve_cycles(status)
    return max(0, left) / burned if burned else None


def judge_freezing(status: CanisterStatus, module: Principal) -> Line:
    """How far the module is from freezing."""
    days = days_until_frozen(status)
    if days is None:
        return fine("cycles", "it burns nothing while it is idle")
    reserve = freezing_reserve_cycles(status)
    cure = f"top up {module} with cycles; an upgrade and its snapshot cost some as well"
    if status.cycles <= reserve:
        text = f"the module is frozen: {status.cycles} cycles, and {reserve} have to stay"
        return problem("cycles", PreconditionError(text, code="module-frozen", hint=cure))
    if days > FAR_DAYS:
        return fine("cycles", f"it freezes in more than {FAR_DAYS} days")
    text = f"it freezes in {days:.1f} days"
    if days < URGENT_DAYS:
        return problem("cycles", PreconditionError(text, code="freezes-soon", hint=cure))
    return warning("cycles", text, cure) if days < LOW_DAYS else fine("cycles", text)


def judge_snapshots(
    snapshots: Sequence[Snapshot], notes: Notes, *, module: Principal, now_ns: int
) -> Iterator[Line]:
    """The snapshots of a module that has code, and what is left over of former runs."""
    ways_back = [each for each in snapshots if not _left_over(note_of(notes, each.id))]
    used = f"{len(snapshots)} of {SNAPSHOTS_MAX} slots used"
    create = f"take one: juno-snap snapshot create --module {module}"
    if not ways_back:
        yield warning("snapshots", f"{used}, and none to go back to", create)
    else:
        newest_ns = max(each.taken_at_ns for each in ways_back)
        days = max(0, now_ns - newest_ns) / NS_PER_SECOND / SECONDS_PER_DAY
        text = f"{used}, the newest {days:.1f} days old"
        is_old = days > OLD_SNAPSHOT_DAYS
        yield warning("snapshots", text, create) if is_old else fine("snapshots", text)
    if len(snapshots) >= SNAPSHOTS_MAX:
        cure = f"delete one: juno-snap snapshot delete oldest --module {module}"
        yield warning("snapshots", "no slot is free", cure)
    for each in snapshots:
        left = _left_over(note_of(notes, each.id))
        if left:
            what, how = left
            cure = f"{how}, or: juno-snap snapshot delete {each.id} --module {module}"
            yield warning("snapshots", f"{each.id} {what}", cure)


def _left_over(note: SnapshotNote) -> tuple[str, str] | None:
    """What a snapshot is that nobody goes back to, and who will remove it."""
    if note.purpose == "upload":
        return "is uploaded in part only", "give the same backup again: the upload goes on"
    if note.purpose == "rehearsal" and not is_unfinished(note):
        return "was left by a rehearsal", "the next rehearsal deletes it"
    if note.is_scrap:
        return "was taken for an upgrade that ended badly", "the next upgrade takes its place"
    return None


def judge_chunks(count: int, busy: Busy) -> Line:
    """What is in the chunk store."""
    if not count:
        return fine("chunks", "none are staged")
    text = f"{count} chunks are staged and cost cycles"
    if busy:
        return fine("chunks", f"{count} chunks are staged for an operation that has not ended")
    cure = "an upgrade with the code that they are parts of uses them and clears them"
    return warning("chunks", text, cure)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An operation that has not ended."""

    record: OperationRecord
    is_alive: bool
    """A process of its id lives on this machine."""


def busy_with(operations: Iterable[Open], module: Principal) -> Busy:
    """What the unfinished operations mean for ``module``."""
    alive = [each.is_alive for each in operations if each.record.begun.module == module]
    if not alive:
        return None
    return "running" if all(alive) else "unfinished"


def judge_operations(operations: Sequence[Open], module: Principal | None) -> Iterator[Line]:
    """Those that have not ended; of other modules than ``module`` only a word."""
    if not operations:
        yield fine("operations", "all have ended")
    for each in operations:
        begun = each.record.begun
        text = f"the {begun.kind} {begun.id} of module {begun.module} is not finished"
        cure = f"bring it to its end: juno-snap resume {begun.id}"
        if each.is_alive:
            text += f"; it may be running: process {each.record.pid} lives"
            yield warning("operations", text, f"wait for its end; else {cure}")
        elif module in {None, begun.module}:
            error = PreconditionError(text, code="unfinished-operation", hint=cure)
            yield problem("operations", error)
        else:
            yield warning("operations", text, cure)
