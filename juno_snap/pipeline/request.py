"""What a person wants of an upgrade."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, final

from juno_snap.errors import InputError
from juno_snap.juno.guards import Terms
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.notes import check_label
from juno_snap.pipeline.policy import FreeSlot, PersistencePolicy, SnapshotPolicy

NO_ARGUMENT: Final = b"DIDL\x00\x00"
"""Candid of ``()``: what a module gets that asks for nothing."""

STOP_TIMEOUT_SECONDS: Final = 60.0
HEALTH_TIMEOUT_SECONDS: Final = 60.0
ROLLBACK_WINDOW_SECONDS: Final = 600.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what the network refuses for the moment is tried again."""

    pause_seconds: float = 5.0
    stopped_seconds: float = 30.0
    """Between stop and start; then the module is started, and waited for while it serves."""
    serving_seconds: float = 600.0
    serving_pause_seconds: float = 30.0
    load_seconds: float = 120.0
    """For a load that goes back: the code that waits meanwhile is known to be bad."""


FoundStopped: TypeAlias = Literal["ask", "start", "leave-stopped"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRequest:
    """The options of an upgrade.

    Raises:
        InputError: Options that contradict each other.
    """

    snapshots: SnapshotPolicy = field(default_factory=FreeSlot)
    snapshot_label: str | None = None
    """For the snapshot that is taken: no later upgrade gives it up then. One that has the label
    loses it."""
    arg: bytes | None = None
    """Candid for the new code; none where nothing was said."""
    reset: bool = False
    """Reinstall: all data of the module is wiped."""
    discard_configuration: bool = False
    """With a reset: neither save nor set again what a module of Juno's is configured with."""
    skip_pre_upgrade: bool = False
    memory_persistence: PersistencePolicy = "auto"
    stop: bool = True
    """Stop the module around snapshot and install."""
    found_stopped: FoundStopped = "ask"
    """What to do with a module that does not run: it may be an upgrade that died elsewhere."""
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS
    clear_chunks: bool = False
    """Empty the chunk store before, whatever is in it."""
    sha256: bytes | None = None
    """The only Wasm that may be installed."""
    checks: tuple[CheckSpec, ...] = ()
    """What must hold on the new code."""
    health_timeout_seconds: float = HEALTH_TIMEOUT_SECONDS
    """How long it has to become so."""
    goes_back: bool = True
    """Load the snapshot of this run where a check is bad."""
    rollback_window_seconds: float = ROLLBACK_WINDOW_SECONDS
    """How long after the start that may still be done without asking."""
    patience: Patience = field(default_factory=Patience)
    juno: Terms = field(default_factory=Terms)
    """What is known of role and release, and which of Juno's guards are lifted."""
    force: bool = False
    """Go on although the plan speaks against it: too few cycles by the estimate, an interface that
    breaks callers, checks that the new code cannot pass, a heap beyond the module's own limit; and
    replace a protected snapshot that is named. Juno's guards it does not lift."""

    def __post_init__(self) -> None:
        if self.snapshot_label is not None:
            check_label(self.snapshot_label)
        if self.reset and (self.skip_pre_upgrade or self.memory_persistence != "auto"):
            raise InputError(
                "a reset keeps nothing: --skip-pre-upgrade and --wasm-memory-persistence "
                "mean nothing with it",
                value="--reset",
            )
        if self.discard_configuration and not self.reset:
            raise InputError(
                "--discard-configuration goes with --reset", value="--discard-configuration"
            )
        if self.stop_timeout_seconds <= 0:
            raise InputError(
                "the time to wait for the stop must be above zero",
                value=str(self.stop_timeout_seconds),
            )
