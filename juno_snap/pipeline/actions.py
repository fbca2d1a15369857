"""What an operation can do next, and how it can end."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from juno_snap.pipeline.journal.records import Leg, StepRecord

Wish: TypeAlias = Literal["forward", "back", "halt"]
"""``halt``: a person or a system ends the run; no step is begun but the start."""

Outcome: TypeAlias = Literal[
    "upgraded",
    "restored",
    "taken",
    "rolled-back",
    "failed",
    "refused",
    "interrupted",
    "unknown",
]

GOOD: Final[frozenset[Outcome]] = frozenset({"upgraded", "restored", "taken"})
"""What was wanted."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """The module as the network certified it when an interrupted operation was taken up again."""

    status: Literal["running", "stopping", "stopped"]
    module_hash: bytes | None
    version: int | None


@final
@dataclass(frozen=True, slots=True)
class Do:
    """Carry out a step."""

    step: str
    leg: Leg


@final
@dataclass(frozen=True, slots=True)
class Settle:
    """Find out what became of the call of a step."""

    record: StepRecord


@final
@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float
    reason: str
    leg: Leg


@final
@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do, or nothing more can be done."""

    outcome: Outcome
    failed: StepRecord | None = None
    """The step that decided it."""
    closes: bool = True
    """Whether the operation is over; if not, ``resume`` goes on with it."""


Action: TypeAlias = Do | Settle | Wait | Finish
