"""Which backups may go: pure, over times and names.

The newest ones are kept, and of each of the last days, weeks and months that have any the newest.
Each module of each network is for itself. Days, ISO weeks and months are those of UTC.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

from juno_snap.units import NS_PER_SECOND

Period = Callable[[datetime], tuple[int, int]]

PERIODS: Final[dict[str, Period]] = {
    "daily": lambda at: (at.year, at.timetuple().tm_yday),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How many to keep of each kind, at most; 0: this rule keeps none."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    @property
    def says_something(self) -> bool:
        """Whether any rule keeps anything; without one everything would go."""
        return any((self.last, self.daily, self.weekly, self.monthly))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A backup that may go."""

    path: Path
    group: Hashable
    """Its module and network: the rules count within it."""
    taken_at_ns: int
    pinned: str = ""
    """Why it stays whatever the rules say: its label, its protection. It is not counted."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a backup; without a reason to stay it goes."""

    candidate: Candidate
    reasons: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """Whether it is kept."""
        return bool(self.reasons)


def judge(candidates: Iterable[Candidate], rules: Rules) -> tuple[Verdict, ...]:
    """What becomes of each backup, the newest first."""
    newest_first = sorted(candidates, key=lambda each: (-each.taken_at_ns, each.path))
    reasons: dict[Path, list[str]] = {each.path: [] for each in newest_first}
    groups: dict[Hashable, list[Candidate]] = {}
    for each in newest_first:
        if each.pinned:
            reasons[each.path].append(each.pinned)
        else:
            groups.setdefault(each.group, []).append(each)
    for group in groups.values():
        for each in group[: rules.last]:
            reasons[each.path].append("last")
        for name, count in (
            ("daily", rules.daily),
            ("weekly", rules.weekly),
            ("monthly", rules.monthly),
        ):
            for each in _first_of_each(group, PERIODS[name])[:count]:
                reasons[each.path].append(name)
    return tuple(
        Verdict(candidate=each, reasons=tuple(reasons[each.path])) for each in newest_first
    )


def _first_of_each(newest_first: Iterable[Candidate], period: Period) -> list[Candidate]:
    """The newest backup of each period, the newest period first."""
    found: dict[tuple[int, int], Candidate] = {}
    for each in newest_first:
        at = datetime.fromtimestamp(each.taken_at_ns // NS_PER_SECOND, tz=UTC)
        found.setdefault(period(at), each)
    return list(found.values())
