"""What a rehearsal found, and the error that carries it."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import PreconditionError
from juno_snap.ids import Principal
from juno_snap.pipeline.plan_parts import Refusal
from juno_snap.pipeline.report import SCHEMA, Evidence, Json, StepReport, hex_or_none

UNKNOWABLE: Final = (
    "calls to other canisters fail here: none of them is there",
    "the price in cycles, and whether the module can pay it",
    "the load of the subnet, its limits on how much is changed, and how long calls take there",
    "what is written to the module between this copy and the upgrade",
)
"""What no rehearsal can tell."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CandidVerdict:
    """Whether callers of the old code are served by the new."""

    compatible: bool | None
    """None: an interface is not said, or not understood."""
    breaking: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The ``candid`` of a rehearsal."""
        return {"compatible": self.compatible, "breaking": list(self.breaking)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReport:
    """An upgrade on a copy of a module's state."""

    module: Principal
    passed: bool
    reason: str
    """Why it did not pass; empty where it did."""
    old_hash: bytes | None
    new_hash: bytes
    steps: tuple[StepReport, ...]
    trap: str | None
    """What the network would say of code that trapped or used too many instructions."""
    instructions_estimate: int | None
    """Of pre_upgrade, start and post_upgrade together; None: nothing was installed."""
    instructions_limit: int
    memory_before_bytes: int
    """Heap and stable memory."""
    memory_after_bytes: int
    checks: tuple[Evidence, ...]
    """``name``, ``ok`` (none: not evaluated), ``detail``."""
    candid: CandidVerdict
    refusals: tuple[Refusal, ...]
    """What the plan of the upgrade would be refused for."""
    warnings: tuple[str, ...]
    duration_ms: int
    copy: str | None = None
    """The directory of the copy that stays; it can be given as a backup."""

    def to_json(self) -> Json:
        """The document of ``rehearse``."""
        return {
            "schema": SCHEMA,
            "rehearsal": {
                "outcome": "passed" if self.passed else "failed",
                "reason": self.reason or None,
                "module": str(self.module),
                "old_hash": hex_or_none(self.old_hash),
                "new_hash": self.new_hash.hex(),
                "steps": [step.to_json() for step in self.steps],
                "trap": self.trap,
                "instructions_estimate": self.instructions_estimate,
                "instructions_limit": self.instructions_limit,
                "memory_before_bytes": self.memory_before_bytes,
                "memory_after_bytes": self.memory_after_bytes,
                "checks": [dict(check) for check in self.checks],
                "candid": self.candid.to_json(),
                "refusals": [refusal.to_json() for refusal in self.refusals],
                "warnings": list(self.warnings),
                "not_known": list(UNKNOWABLE),
                "copy": self.copy,
                "duration_ms": self.duration_ms,
            },
        }

    def require_passed(self) -> None:
        """Go on only after a rehearsal that passed.

        Raises:
            RehearsalFailedError: It did not.
        """
        if not self.passed:
            raise RehearsalFailedError(self)


@final
class RehearsalFailedError(PreconditionError):
    """The upgrade failed on a copy; nothing on the network was changed."""

    def __init__(self, report: RehearsalReport) -> None:
        super().__init__(
            f"the rehearsal failed: {report.reason}; the module was not touched",
            code="rehearsal-failed",
            hint="mend the new code, then rehearse again",
        )
        self.report = report
