"""Which of the declared faults happen to a request, and which are used up."""

from collections.abc import Iterable, Sequence
from typing import Final, final

from juno_snap.replica.faults import (
    AFTER,
    BEFORE,
    CERTIFYING,
    ENDING,
    EXECUTING,
    Fault,
    FaultKind,
    Place,
)


@final
class FaultPlan:
    """The faults of a run. Belongs to the event loop; the same requests meet the same faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._counted = [_Counted(fault) for fault in faults]

    @property
    def faults(self) -> list[Fault]:
        """All of them, used up or not."""
        return [counted.fault for counted in self._counted]

    def take(self, place: Place, method: str, phase: frozenset[FaultKind]) -> list[Fault]:
        """The faults that happen now; they are counted."""
        taken: dict[FaultKind, Fault] = {}
        for counted in self._counted:
            fault = counted.fault
            if fault.kind not in phase or fault.kind in taken or not fault.concerns(place, method):
                continue
            if counted.happens():
                taken[fault.kind] = fault
                if fault.kind in ENDING:
                    break
        return list(taken.values())


@final
class RequestFaults:
    """The faults of one request, phase by phase. ``happened`` are their SPECs, for the log."""

    def __init__(self, plan: FaultPlan, place: Place, method: str) -> None:
        self._plan = plan
        self._place: Place = place
        self._method = method
        self.happened: list[str] = []

    def before(self) -> Sequence[Fault]:
        """Before anything else is done."""
        return self._take(BEFORE)

    def executing(self) -> Sequence[Fault]:
        """In place of execution: to be asked once for each call."""
        return self._take(EXECUTING)

    def certifying(self) -> Sequence[Fault]:
        """When a certificate is made."""
        return self._take(CERTIFYING)

    def after(self) -> Sequence[Fault]:
        """When all is done and nothing is answered yet."""
        return self._take(AFTER)

    def _take(self, phase: frozenset[FaultKind]) -> list[Fault]:
        taken = self._plan.take(self._place, self._method, phase)
        self.happened += map(str, taken)
        return taken


@final
class _Counted:
    """A fault, and how many requests have come to it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._met = 0

    def happens(self) -> bool:
        """Count a request; whether the fault happens to it."""
        self._met += 1
        times = self.fault.times
        return self._met > self.fault.skip and (
            times is None or self._met <= self.fault.skip + times
        )


NO_FAULTS: Final = FaultPlan(())
UNHARMED: Final = RequestFaults(NO_FAULTS, "call", "")
"""Of a request to which nothing happens."""
