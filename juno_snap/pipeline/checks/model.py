"""What a check is, and what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

CheckKind: TypeAlias = Literal["call", "command", "version"]

TIMEOUT_SECONDS: Final = 10.0
"""How long one attempt at a check may take."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check, made by ``parse``. Plain fields: it is part of what the journal keeps."""

    kind: CheckKind
    text: str
    """As a person wrote it; its name in reports."""
    method: str = ""
    args: str = ""
    """Candid text in parentheses."""
    expected: str = ""
    """Of a call the reply as Candid text, of a version the version."""
    command: tuple[str, ...] = ()
    """A program and its arguments."""
    timeout_seconds: float = TIMEOUT_SECONDS
    """For one attempt; an update call that was sent is awaited whatever it takes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check."""

    name: str
    ok: bool | None
    """None: not evaluated."""
    detail: str
    """What was seen, for people; bounded."""

    def to_json(self) -> Mapping[str, object]:
        """An entry of ``checks``."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail}


def worst_of(results: Iterable[CheckResult]) -> CheckResult | None:
    """The first that is bad, else the first that was not evaluated; none where all are ok."""
    failed = [result for result in results if not result.ok]
    return next((result for result in failed if result.ok is False), next(iter(failed), None))
