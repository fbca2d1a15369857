"""The error for clocks that disagree, and times for people."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final, final

from typing_extensions import override

from juno_snap.errors import TrustError
from juno_snap.units import NS_PER_SECOND

SAME_TIME_NS: Final = 5 * NS_PER_SECOND
"""Clocks that differ by less are not to blame for a request that came too late."""

REFUSED: Final = "the network refused the request because of its time"


@final
class ClockSkewError(TrustError):
    """The network refused a request because of its time; nothing was done.

    ``here_ns`` and ``network_ns`` (certified) are UTC; the latter is None where it is not known.
    """

    default_code: ClassVar[str] = "clock-skew"
    default_hint: ClassVar[str] = "compare this computer's clock with the real time"

    def __init__(
        self, message: str, *, here_ns: int, network_ns: int | None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.here_ns = here_ns
        self.network_ns = network_ns

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """Both clocks."""
        return {"here_ns": self.here_ns, "network_ns": self.network_ns}


def skew_between(here_ns: int, network_ns: int) -> ClockSkewError:
    """The error that says by how much the clocks differ, and which is which."""
    ahead_ns = here_ns - network_ns
    clocks = f"here it is {show_time(here_ns)}, there {show_time(network_ns)}"
    if abs(ahead_ns) < SAME_TIME_NS:
        message = f"{REFUSED}, although the clocks agree ({clocks}): it came too late"
        hint = "try again; a slow connection needs calls that live longer"
    else:
        seconds = abs(ahead_ns) // NS_PER_SECOND
        side = "ahead of" if ahead_ns > 0 else "behind"
        message = f"this computer's clock is {seconds} s {side} the network's: {clocks}"
        hint = "set this computer's clock, then try again"
    return ClockSkewError(message, here_ns=here_ns, network_ns=network_ns, hint=hint)


def skew_unknown(here_ns: int, reason: str) -> ClockSkewError:
    """The error where the network's clock cannot be read."""
    message = f"{REFUSED}, and its clock cannot be read: {reason}"
    return ClockSkewError(message, here_ns=here_ns, network_ns=None)


def show_time(time_ns: int) -> str:
    """A time for people: RFC 3339, UTC, whole seconds."""
    try:
        moment = datetime.fromtimestamp(time_ns // NS_PER_SECOND, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns since 1970"
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
