"""The values of flows: step snapshots, runs, units, and what may be in them."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

from typing_extensions import override

from juno_snap.errors import InputError, LockedError, PreconditionError

SNAPSHOT_MAX_BYTES: Final = 5120
"""Of a step snapshot, as it is stored: compact JSON in UTF-8."""

SNAPSHOT_WARN_BYTES: Final = SNAPSHOT_MAX_BYTES * 8 // 10

DATA_MAX_BYTES: Final = 1_048_576
"""Of one message from a step to the next, in the same form."""

DEPTH_MAX: Final = 100
"""Levels of arrays and objects: what can be written must be readable wherever the stack stands."""

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

RunState: TypeAlias = Literal["running", "stopped", "needs-attention", "done", "abandoned"]
"""As it is stored; ``running`` without a process that holds the lock was killed."""

FlowState: TypeAlias = Literal[
    "never-run", "running", "stopped", "interrupted", "needs-attention", "done", "abandoned"
]
UnitState: TypeAlias = Literal["pending", "begun", "done", "failed"]
Change: TypeAlias = Literal["set", "reset", "undo", "drop"]

_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@final
class SnapshotTooLargeError(PreconditionError):
    """A step snapshot above the limit; the one that was stored before stays."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"a step snapshot has at most {SNAPSHOT_MAX_BYTES} bytes as JSON; "
            f"this one has {size_bytes}",
            code="step-snapshot-too-large",
            hint="keep a marker of the last action in it and leave data where they are, or emit "
            "them to the next step",
        )
        self.size_bytes = size_bytes

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """How large it is, and may be."""
        return {"size_bytes": self.size_bytes, "limit_bytes": SNAPSHOT_MAX_BYTES}


@final
class TakenOverError(LockedError):
    """Another run of the flow has begun, or it was changed by hand: this run may not write."""

    default_code = "flow-taken-over"

    def __init__(self, flow: str) -> None:
        super().__init__(
            f"this run of flow {flow!r} has ended or was taken over; it may not write any more",
            hint=f"see: juno-snap flow status {flow}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSnapshot:
    """The marker of a step."""

    step: str
    body: str
    """Compact JSON."""
    epoch: int
    sequence: int
    run: str | None
    """Which run emitted it; none where a person set it."""
    updated_at_ns: int

    @property
    def value(self) -> object:
        """A copy of what was emitted."""
        return decode(self.body)

    @property
    def size_bytes(self) -> int:
        """What counts against the limit."""
        return len(self.body.encode())

    @property
    def version(self) -> str:
        """Differs after every write; for whoever wants to replace only what was read."""
        return f"{self.epoch}.{self.sequence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    """A message for the next step."""

    message: str
    """Compact JSON."""
    item: str | None = None
    """What it is about, if it has a name of its own: one unit of that name in a step of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A message on its way through a step."""

    step: str
    item: str
    position: int
    state: UnitState
    attempts: int
    """Begun since its step snapshot last changed."""
    seen_sequence: int
    """Of the step snapshot when it was last begun."""
    message: str
    error: str | None

    def again(self) -> "Unit":
        """The same, as if it had never been tried."""
        return replace(self, state="pending", attempts=0, error=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run, as far as it has come."""

    id: str
    flow: str
    state: RunState
    began_at_ns: int
    ended_at_ns: int | None
    error: str | None
    units: Mapping[str, Mapping[str, int]]
    """How many in which state, by step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRecord:
    """A flow that was run at least once."""

    name: str
    steps: tuple[str, ...]
    source: str
    """``FILE.py:NAME`` or ``FILE.toml`` with an absolute path; empty for a program of its own."""
    epoch: int
    fence: int
    owner: str
    """Who ran it last, for display."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    """What a person changed last, which is what ``undo`` takes back."""

    kind: Change
    steps: tuple[str, ...]
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one run to write; worth nothing once the flow has another fence or epoch."""

    flow: str
    run: str
    fence: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What is written of a step at once: its marker, and the data that it covers."""

    step: str
    body: str | None
    """None: the marker has not changed."""
    sequence: int
    units: Sequence[tuple[str, NewUnit]] = ()
    """Messages, each with the step that is to take it."""


def version_of(epoch: int, snapshots: Iterable[StepSnapshot]) -> str:
    """Differs after every write to any step of a flow, as ``StepSnapshot.version`` for one."""
    said = [str(epoch), *(f"{each.step}={each.version}" for each in snapshots)]
    return hashlib.sha256(" ".join(said).encode()).hexdigest()[:32]


def encode_snapshot(value: object) -> str:
    """``value`` as it is stored: the one place that measures a step snapshot.

    Raises:
        SnapshotTooLargeError: It has more than ``SNAPSHOT_MAX_BYTES``.
        InputError: It is no JSON (``not-json``).
    """
    body, size_bytes = encode(value)
    if size_bytes > SNAPSHOT_MAX_BYTES:
        raise SnapshotTooLargeError(size_bytes)
    check_members(value)
    return body


def encode_data(value: object) -> str:
    """A message as it is stored.

    Raises:
        PreconditionError: It is too large (``data-too-large``).
        InputError: It is no JSON (``not-json``).
    """
    body, size_bytes = encode(value)
    if size_bytes > DATA_MAX_BYTES:
        raise PreconditionError(
            f"a message has at most {DATA_MAX_BYTES} bytes as JSON; this one has {size_bytes}",
            code="data-too-large",
            hint="emit several, or put the data somewhere and emit where they are",
        )
    check_members(value)
    return body


def encode(value: object) -> tuple[str, int]:
    """Compact JSON, and how many bytes it has in UTF-8.

    Raises:
        InputError: It is no JSON: NaN, bytes, sets, text that is no Unicode, a circle.
    """
    try:
        body = _COMPACT.encode(value)
        return body, len(body) if body.isascii() else len(body.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_json(str(error)) from error


def check_members(value: object) -> None:
    """Accept ``value`` if it comes back as it is: names are text, and it is not too deep.

    Raises:
        InputError: A name is none, or there are more than ``DEPTH_MAX`` levels.
    """
    level: list[object] = [value]
    for _ in range(DEPTH_MAX + 1):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                for name in each:
                    if not isinstance(name, str):
                        raise _not_json(f"the name {name!r} of an object is no text")
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
        if not inner:
            return
        level = inner
    raise _not_json(f"it has more than {DEPTH_MAX} levels")


def decode(text: str) -> object:
    """What JSON ``text`` says.

    Raises:
        InputError: It is no JSON (``not-json``).
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _not_json(str(error), text) from error


def check_name(kind: str, name: object) -> str:
    """``name``, if a flow or a step may be called so.

    Raises:
        InputError: It may not.
    """
    if isinstance(name, str) and NAME_PATTERN.fullmatch(name):
        return name
    raise InputError(
        f"{name!r} is no name for a {kind}",
        value=str(name),
        hint="a name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a "
        "letter or digit",
    )


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _not_json(why: str, text: str = "") -> InputError:
    return InputError(
        f"this cannot be kept as JSON: {why}",
        value=text[:80],
        code="not-json",
        hint="text, numbers, true, false, null, arrays, and objects with names that are text",
    )
