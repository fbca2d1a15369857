"""What the replica would have certified a while ago, for faults that make it answer from then."""

from collections import deque
from dataclasses import dataclass, replace
from typing import final

from juno_snap.replica.certify_tree import Branch


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StateView:
    """What a certificate is made from. Trees share what is the same, so that views are small."""

    canisters: Branch
    requests: Branch
    time_ns: int


@final
class PastStates:
    """The states of the last ``kept_ns``, and the one before these. Belongs to the event loop."""

    def __init__(self, kept_ns: int = 0) -> None:
        self._kept_ns = kept_ns
        self._views: deque[StateView] = deque()

    def note(self, view: StateView) -> None:
        """Remember what is there from now on."""
        if not self._kept_ns:
            return
        self._views.append(view)
        while len(self._views) > 1 and self._views[1].time_ns <= view.time_ns - self._kept_ns:
            self._views.popleft()

    def view_at(self, time_ns: int) -> StateView:
        """What was there at that time; before the start it was what was there at the start."""
        found = self._views[0]
        for view in self._views:
            if view.time_ns > time_ns:
                break
            found = view
        return replace(found, time_ns=time_ns)
