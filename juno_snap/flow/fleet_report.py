"""What came of a run of a fleet, read from the flow's rows."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final, final, get_args

from juno_snap.errors import FlowError, NotFoundError, PreconditionError
from juno_snap.flow.context import OUTPUT
from juno_snap.flow.fleet import FleetKind, MemberResult, flow_name
from juno_snap.flow.model import FlowState, RunRecord, Unit
from juno_snap.flow.space import FlowSpace
from juno_snap.flow.store import FlowStore
from juno_snap.pipeline.report import rfc3339

WORK: Final = "work"
"""The step whose units are the modules."""

AT_ONCE: Final = 100
PENDING: Final = "pending"
GOES_ON: Final = frozenset({"stopped", "interrupted", "needs-attention", "running"})
NAMES: Final = frozenset(each.name for each in fields(MemberResult))

MORE: Final[Mapping[FleetKind, str]] = {
    "upgrade": "juno-snap fleet apply FILE tries those that failed again",
    "backup": "juno-snap fleet backup FILE begins another backup, of all of them",
    "rollback": "juno-snap fleet resume FILE --roll-back-wave tries those that failed again",
}
"""What there is to do after a run that has come to its end; ``resume`` does not go on with it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """A module in a report."""

    module: str
    name: str | None
    wave: int
    result: MemberResult | None
    """None where it has not come to its end."""

    def to_json(self) -> dict[str, object]:
        """An entry of ``modules``."""
        rest = (self.result or MemberResult(outcome=PENDING)).to_json()
        return {"module": self.module, "name": self.name, "wave": self.wave, **rest}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """A run of a fleet, as far as it has come."""

    name: str
    kind: FleetKind
    state: FlowState
    run: RunRecord
    lines: tuple[MemberLine, ...]

    @property
    def is_good(self) -> bool:
        """Whether all modules are where they should be."""
        return self.state == "done" and all(
            line.result is not None and line.result.is_good for line in self.lines
        )

    @property
    def outcomes(self) -> dict[str, int]:
        """How many modules with which outcome."""
        found = (line.result.outcome if line.result else PENDING for line in self.lines)
        return dict(Counter(found))

    def upgraded_in_last_wave(self) -> tuple[MemberLine, ...]:
        """The modules of the wave that was at work last which run the new code by this run."""
        begun = [line.wave for line in self.lines if line.result is not None]
        return tuple(
            line
            for line in self.lines
            if line.result is not None
            and line.result.outcome == "upgraded"
            and line.wave == max(begun)
        )

    def waves(self) -> tuple[dict[str, int], ...]:
        """How many are done, and of these have failed, by wave."""
        waves: dict[int, dict[str, int]] = {}
        for line in self.lines:
            wave = waves.setdefault(
                line.wave, {"wave": line.wave, "modules": 0, "done": 0, "failed": 0}
            )
            wave["modules"] += 1
            wave["done"] += line.result is not None
            wave["failed"] += line.result is not None and not line.result.is_good
        return tuple(waves.values())

    def to_json(self) -> dict[str, object]:
        """The document of ``fleet apply``, ``backup``, ``resume`` and ``status``."""
        run = self.run
        return {
            "fleet": self.name,
            "kind": self.kind,
            "state": self.state,
            "run": run.id,
            "began_at": rfc3339(run.began_at_ns),
            "ended_at": None if run.ended_at_ns is None else rfc3339(run.ended_at_ns),
            "ok": self.is_good,
            "outcomes": self.outcomes,
            "waves": list(self.waves()),
            "modules": [line.to_json() for line in self.lines],
        }


def read_report(store: FlowStore, space: FlowSpace, name: str, kind: FleetKind) -> FleetReport:
    """The last run of a fleet.

    Raises:
        NotFoundError: There was none.
    """
    flow = flow_name(name, kind)
    run = next(iter(store.runs(flow)), None)
    if run is None:
        raise NotFoundError(
            f"there was no {kind} of fleet {name!r} yet",
            code="no-such-fleet",
            hint="begin one with: juno-snap fleet apply FILE, or fleet backup FILE",
        )
    results = dict(results_of(store, run.id))
    return FleetReport(
        name=name,
        kind=kind,
        state=space.state_of(flow, run),
        run=run,
        lines=tuple(
            _line(unit, results.pop(unit.item, None)) for unit in _units(store, run.id, WORK)
        ),
    )


def read_reports(space: FlowSpace, name: str) -> list[FleetReport]:
    """The last run of each kind that there was; no file is made to find out."""
    if space.is_empty:
        return []
    found = []
    with space.open() as store:
        for kind in get_args(FleetKind):
            with contextlib.suppress(NotFoundError):
                found.append(read_report(store, space, name, kind))
    return found


def newest_report(space: FlowSpace, name: str, kind: FleetKind | None) -> FleetReport:
    """The last run, of ``kind`` where that is said.

    Raises:
        NotFoundError: There was none.
    """
    found = [each for each in read_reports(space, name) if kind in {None, each.kind}]
    if not found:
        raise NotFoundError(
            f"there was no {kind or 'run'} of fleet {name!r} yet",
            code="no-such-fleet",
            hint="begin with: juno-snap fleet plan FILE",
        )
    return max(found, key=lambda each: each.run.began_at_ns)


def kind_to_resume(space: FlowSpace, name: str, kind: FleetKind | None) -> FleetKind:
    """Of which kind the run is that can be gone on with.

    Raises:
        NotFoundError: There is none.
        PreconditionError: There are two, and nobody has said which.
    """
    reports = {each.kind: each for each in read_reports(space, name)}
    found = [
        each.kind
        for each in reports.values()
        if each.state in GOES_ON and kind in {None, each.kind} and not _is_over(each, reports)
    ]
    if not found:
        raise NotFoundError(
            f"fleet {name!r} has no run to go on with",
            code="nothing-to-resume",
            hint="begin one with: juno-snap fleet apply FILE, fleet backup FILE, or fleet resume "
            "FILE --roll-back-wave",
        )
    if len(found) > 1:
        raise PreconditionError(
            f"fleet {name!r} has several unfinished runs",
            code="several-unfinished",
            hint=f"say --kind {' or --kind '.join(found)}",
        )
    return found[0]


def _is_over(report: FleetReport, reports: Mapping[FleetKind, FleetReport]) -> bool:
    """Whether a rollback was cut, and an upgrade has begun or ended since: its wave is another."""
    upgrade = reports.get("upgrade")
    if report.kind != "rollback" or upgrade is None:
        return False
    return max(upgrade.run.began_at_ns, upgrade.run.ended_at_ns or 0) > report.run.began_at_ns


def results_of(store: FlowStore, run: str) -> Iterator[tuple[str, MemberResult]]:
    """What came of each module that has come to its end."""
    for unit in _units(store, run, OUTPUT):
        known = {key: value for key, value in json.loads(unit.message).items() if key in NAMES}
        yield unit.item, MemberResult(**known)


def _line(unit: Unit, result: MemberResult | None) -> MemberLine:
    said = json.loads(unit.message)
    return MemberLine(module=said["module"], name=said["name"], wave=said["wave"], result=result)


def _units(store: FlowStore, run: str, step: str) -> Iterator[Unit]:
    """All units of a step, some at a time."""
    after = 0
    while found := store.units(run, step, after=after, limit=AT_ONCE):
        yield from found
        after = found[-1].position


@final
class FleetFailedError(FlowError):
    """Some modules of a fleet are not where they should be; the report says which, and why."""

    default_code = "fleet-failed"

    def __init__(self, report: FleetReport) -> None:
        self.report = report
        done = [line.result for line in report.lines if line.result]
        failed = sum(not each.is_good for each in done)
        left = len(report.lines) - len(done)
        count = len(report.lines)
        rest = f", {left} were not begun" if left else ""
        said = f"{failed} of {count} modules failed{rest}"
        if report.state == "stopped":
            rest = f"; {failed} failed" if failed else ""
            said = f"it was stopped with {left} of {count} modules left{rest}"
        super().__init__(
            said,
            flow=report.run.flow,
            step=WORK,
            run=report.run.id,
            hint="see: juno-snap fleet status FILE; "
            + (
                "then go on with the others: juno-snap fleet resume FILE"
                if left
                else MORE[report.kind]
            ),
        )
