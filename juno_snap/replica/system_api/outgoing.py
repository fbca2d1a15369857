"""Calls that a canister makes: as it writes them, and as they leave with the end of the message."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from juno_snap.ids import Principal
from juno_snap.units import MIB

PAYLOAD_MAX_BYTES: Final = 10 * MIB
"""Method name and argument of a call within a subnet. Source: developer docs, resource limits."""

METHOD_NAME_MAX_BYTES: Final = 20_000
"""Source: interface specification, "Canister module format"."""

QUEUE_MAX: Final = 500
"""Calls from one canister to another that have no answer yet. Source: developer docs, resource
limits; each call reserves the place of its answer."""

BEST_EFFORT_MAX_SECONDS: Final = 300
"""Source: dfinity/ic, ``MAX_CALL_TIMEOUT``."""


class Closure(NamedTuple):
    """What to run when an answer comes: an entry of the table, and the number it is given."""

    function: int
    env: int


@final
@dataclass(slots=True, kw_only=True)
class CallDraft:
    """A call between ``call_new`` and ``call_perform``."""

    callee: Principal
    method: str
    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None = None
    arg: bytearray = field(default_factory=bytearray)
    cycles: int = 0
    timeout_seconds: int | None = None
    """None: the caller waits as long as it takes."""

    @property
    def size_bytes(self) -> int:
        """What counts against the limit."""
        return len(self.method.encode()) + len(self.arg)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingCall:
    """A call that leaves when its message ends well. ``cycles`` have left the balance already."""

    callee: Principal
    method: str
    arg: bytes
    cycles: int
    deadline_ns: int
    """0: none."""
    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None
    callback_cycles: int = 0
    """Set aside for what runs with the answer."""
    transmission_cycles: int = 0
    """For its way, and set aside for the way of the answer."""
