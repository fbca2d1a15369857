"""What a hook is, what it is told, and what became of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final, get_args

from juno_snap.errors import ConfigError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.pipeline.journal.records import OperationKind
from juno_snap.processes import NEVER_PASSED

HookPoint: TypeAlias = Literal[
    "before-upgrade",
    "before-stop",
    "after-stop",
    "before-snapshot",
    "after-snapshot",
    "before-install",
    "after-install",
    "before-start",
    "after-start",
    "after-upgrade",
    "on-failure",
    "on-rollback",
]
HOOK_POINTS: Final[tuple[HookPoint, ...]] = get_args(HookPoint)
"""In the order in which an upgrade comes to them."""

VETO_POINTS: Final[frozenset[HookPoint]] = frozenset({"before-upgrade", "before-stop"})
"""Where a hook may call the operation off: the module still serves."""

DOWN_POINTS: Final[frozenset[HookPoint]] = frozenset(HOOK_POINTS[2:8])
"""From ``after-stop`` to ``before-start``: the module does not serve."""

HookOutcome: TypeAlias = Literal["done", "failed", "vetoed"]

VETO_EXIT_CODE: Final = 75
"""EX_TEMPFAIL, "try again later". Source: BSD, sysexits(3)."""

TIMEOUT_DOWN_SECONDS: Final = 10.0
TIMEOUT_SECONDS: Final = 300.0
TIMEOUT_MIN_SECONDS: Final = 1.0
TIMEOUT_MAX_SECONDS: Final = 3600.0

SHOWN_OUTPUT_MAX_CHARS: Final = 2_000
"""What of a hook's output is kept in the records of an operation: its end."""

VARIABLE_MAX_CHARS: Final = 2_000
"""A longer error is cut in its variable; on standard input it is whole."""

FUNCTION_PATTERN: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
ENTRY_POINT_PATTERN: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
VARIABLE_PATTERN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@final
class HookVetoError(Exception):
    """Raised by a hook's function: not now. What it says is shown.

    At ``before-upgrade`` and ``before-stop`` it calls the operation off before anything changed;
    elsewhere it is a failure as any other exception.
    """


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """A hook as configured; see ``check_hook``."""

    name: str
    point: HookPoint
    command: tuple[str, ...] = ()
    """Program and arguments; without a slash the program is looked up in PATH."""
    function: str = ""
    """``package.module:function``, or the name of an entry point of ``juno_snap.hooks``."""
    timeout_seconds: float | None = None
    """None: what is usual at its point; see ``limit_seconds``."""
    pass_variables: tuple[str, ...] = ()
    """Environment variables that a command gets though they look like secrets."""
    for_rehearsal: bool = False
    """Runs in rehearsals as well."""

    @property
    def limit_seconds(self) -> float:
        """How long it may run: as configured, else 10 with the module down, 300 elsewhere."""
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        return TIMEOUT_DOWN_SECONDS if self.point in DOWN_POINTS else TIMEOUT_SECONDS


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HookContext:
    """What a hook is told of the operation and of how far it has come."""

    operation: str
    kind: OperationKind
    network: str
    """What ``--network`` takes."""
    module: Principal
    point: HookPoint
    step_outcome: str | None = None
    """How the step ended that the hook runs after; none before one."""
    old_hash: bytes | None = None
    new_hash: bytes | None = None
    """Of the candidate, whether or not it was installed."""
    snapshot: SnapshotId | None = None
    """The one that this operation took or loads."""
    error_code: str = ""
    error_message: str = ""
    """Of the first error, empty where there is none."""
    rehearsal: bool = False
    root_key: bytes = b""
    """DER; empty where it is not told."""
    state: Path | None = None
    """The state directory, where there is one."""

    def to_json(self) -> dict[str, object]:
        """The document that a command reads from its standard input."""
        error = {"code": self.error_code, "message": self.error_message}
        return {
            "schema": 1,
            "operation": self.operation,
            "kind": self.kind,
            "network": self.network,
            "module": str(self.module),
            "point": self.point,
            "step_outcome": self.step_outcome,
            "old_hash": None if self.old_hash is None else self.old_hash.hex(),
            "new_hash": None if self.new_hash is None else self.new_hash.hex(),
            "snapshot": None if self.snapshot is None else str(self.snapshot),
            "error": error if self.error_code or self.error_message else None,
            "rehearsal": self.rehearsal,
        }

    def to_environment(self) -> dict[str, str]:
        """The same as variables; what is not known is empty, and no is empty too.

        With the root key and the state directory a ``juno-snap`` that the hook runs reaches the
        same network and reads the same history.
        """
        variables = {
            "JUNO_SNAP_OPERATION": self.operation,
            "JUNO_SNAP_KIND": self.kind,
            "JUNO_SNAP_NETWORK": self.network,
            "JUNO_SNAP_MODULE": str(self.module),
            "JUNO_SNAP_POINT": self.point,
            "JUNO_SNAP_STEP_OUTCOME": self.step_outcome or "",
            "JUNO_SNAP_OLD_HASH": "" if self.old_hash is None else self.old_hash.hex(),
            "JUNO_SNAP_NEW_HASH": "" if self.new_hash is None else self.new_hash.hex(),
            "JUNO_SNAP_SNAPSHOT": "" if self.snapshot is None else str(self.snapshot),
            "JUNO_SNAP_ERROR_CODE": self.error_code,
            "JUNO_SNAP_ERROR_MESSAGE": self.error_message[:VARIABLE_MAX_CHARS],
            "JUNO_SNAP_REHEARSAL": "1" if self.rehearsal else "",
        }
        if self.root_key:
            variables["JUNO_SNAP_ROOT_KEY"] = self.root_key.hex()
        if self.state is not None:
            variables["JUNO_SNAP_STATE"] = str(self.state)
        return variables


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """What became of one hook."""

    name: str
    point: HookPoint
    outcome: HookOutcome
    duration_ms: int
    detail: str = ""
    """Why it failed or vetoed, in words."""
    output: str = ""
    """What a command wrote, its middle left out where it is long."""

    def evidence(self) -> Mapping[str, object]:
        """For the records of the operation, ready for JSON; ``message`` where it went wrong."""
        shown: dict[str, object] = {
            "point": self.point,
            "name": self.name,
            "duration_ms": self.duration_ms,
        }
        if self.outcome != "done":
            message = f"hook {self.name} {self.outcome}: {self.detail}"
            shown |= {"error": f"hook-{self.outcome}", "message": message}
        if self.output:
            shown["output"] = self.output[-SHOWN_OUTPUT_MAX_CHARS:]
        return shown


def check_hook(spec: HookSpec) -> None:
    """Refuse a hook that could never run; nothing is imported and no file is looked at.

    Raises:
        ConfigError: Names the hook, what is wrong, and what would be right.
    """
    problem, hint = _problem(spec)
    if problem:
        raise hook_error(spec, problem, hint=hint)


def hook_error(spec: HookSpec, problem: str, *, hint: str = "") -> ConfigError:
    """The error about ``spec``."""
    return ConfigError(f"hook {spec.name!r}: {problem}", key="hooks", code="hook", hint=hint)


def _problem(spec: HookSpec) -> tuple[str, str]:
    if not spec.name or not spec.name.isprintable():
        return "its name is empty or cannot be shown", "give it a name of your own"
    if spec.point not in HOOK_POINTS:
        return f"there is no point {spec.point!r}", f"the points are {', '.join(HOOK_POINTS)}"
    timeout = spec.limit_seconds
    if not TIMEOUT_MIN_SECONDS <= timeout <= TIMEOUT_MAX_SECONDS:
        return f"a timeout of {timeout:g} s is not possible", "say 1 to 3600 seconds"
    if bool(spec.command) == bool(spec.function):
        said = "both a command and a function" if spec.command else "neither command nor function"
        return f"it has {said}", "say exactly one of the two"
    return _command_problem(spec) if spec.command else _function_problem(spec)


def _command_problem(spec: HookSpec) -> tuple[str, str]:
    if not spec.command[0].strip():
        return "its command is empty", 'say a list such as ["./notify.py", "--quiet"]'
    if any("\0" in argument for argument in spec.command):
        return "an argument of its command has a NUL character", ""
    for name in spec.pass_variables:
        if name in NEVER_PASSED:
            return f"{name} is never passed on", "let the hook have a key of its own"
        if not VARIABLE_PATTERN.fullmatch(name):
            return f"{name!r} is not the name of a variable", ""
    return "", ""


def _function_problem(spec: HookSpec) -> tuple[str, str]:
    if spec.pass_variables:
        return "pass_variables is for commands", "a function sees the environment of juno-snap"
    pattern = FUNCTION_PATTERN if ":" in spec.function else ENTRY_POINT_PATTERN
    if not pattern.fullmatch(spec.function):
        return (
            f"{spec.function!r} names no function",
            "write package.module:function, or the name of an entry point of juno_snap.hooks",
        )
    return "", ""
