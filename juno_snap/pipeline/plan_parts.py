"""What every plan consists of: steps, reasons against it, questions, warnings, cost. Pure."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import PreconditionError
from juno_snap.pipeline.costs import CyclesEstimate
from juno_snap.pipeline.report import Json

OBSERVE_CALLS: Final = 3
"""Status, snapshots, stored chunks: what ``observe`` sends at once."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step that will be taken."""

    name: str
    text: str
    update_calls: int = 1
    rounds: int = 1
    """How often the network has to agree, one after another."""

    def to_json(self) -> Json:
        """An entry of ``steps``."""
        return {
            "name": self.name,
            "text": self.text,
            "update_calls": self.update_calls,
            "rounds": self.rounds,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something a person should know before and that stops nothing."""

    code: str
    """Stable, kebab-case."""
    text: str

    def to_json(self) -> Json:
        """An entry of ``warnings``."""
        return {"code": self.code, "text": self.text}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an operation is not begun."""

    code: str
    """Stable, kebab-case."""
    text: str
    flags: tuple[str, ...] = ()
    """Options of the command line, each of which answers it."""

    @property
    def with_flags(self) -> str:
        """The text, and what answers it."""
        return f"{self.text} ({' or '.join(self.flags)})" if self.flags else self.text

    def to_json(self) -> dict[str, object]:
        """An entry of ``refusals`` or ``asks``."""
        return {"code": self.code, "text": self.text, "flags": list(self.flags)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A plan in words and figures."""

    steps: tuple[PlannedStep, ...]
    refusals: tuple[Refusal, ...]
    asks: tuple[Refusal, ...]
    """Questions without a safe answer."""
    warnings: tuple[Remark, ...]
    cycles: CyclesEstimate

    @property
    def update_calls(self) -> int:
        """Calls that go through consensus, those of the observation included."""
        return sum(step.update_calls for step in self.steps)

    @property
    def rounds(self) -> int:
        """Times that the network has to agree, one after another."""
        return sum(step.rounds for step in self.steps)

    def check(self) -> None:
        """Go on only with a plan that nothing speaks against.

        Raises:
            PreconditionError: It is refused, or leaves a question open; the hint names the options
                that answer the first of them.
        """
        for refusal in (*self.refusals, *self.asks):
            hint = f"say {' or '.join(refusal.flags)}" if refusal.flags else ""
            raise PreconditionError(refusal.text, code=refusal.code, hint=hint)

    def to_json(self) -> Json:
        """The members that all plans share."""
        return {
            "steps": [step.to_json() for step in self.steps],
            "refusals": [refusal.to_json() for refusal in self.refusals],
            "asks": [ask.to_json() for ask in self.asks],
            "warnings": [remark.to_json() for remark in self.warnings],
            "update_calls": self.update_calls,
            "rounds": self.rounds,
            "cycles": self.cycles.to_json(),
        }


OBSERVE: Final = PlannedStep(
    name="observe",
    text="read status, snapshots, chunk store and certified state",
    update_calls=OBSERVE_CALLS,
)
