"""How a local replica is to run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.replica.faults import Fault
from juno_snap.replica.fees import STORAGE_CYCLES_PER_GIB_SECOND
from juno_snap.replica.rules import DEFAULT_RULES, OnInstallation

SYNC_CALL_SECONDS: Final = 10.0
"""How long a synchronous call waits. Source: dfinity/ic, ``rs/config/src/http_handler.rs``."""

RECEIVE_TIMEOUT_SECONDS: Final = 300.0
"""How long a body may take to arrive. Source: dfinity/ic, ``rs/config/src/http_handler.rs``."""

LOOPBACK: Final = "127.0.0.1"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaOptions:
    """What a person decides about a local replica; the defaults suit a test."""

    port: int = 0
    """0 takes a free one."""
    host: str = LOOPBACK
    directory: Path | None = None
    """Where state, keys and compiled modules are kept; None keeps nothing (ephemeral)."""
    round_ms: int = 0
    """How long a round collects calls before it executes them; 0 executes them at once."""
    request_log: Path | None = None
    """Gets one JSON line per request, appended."""
    seed: str | None = None
    """Makes the keys; without it they are random, once per directory."""
    faults: tuple[Fault, ...] = ()
    """What is to go wrong: see ``faults``."""
    sync_call_seconds: float = SYNC_CALL_SECONDS
    receive_timeout_seconds: float = RECEIVE_TIMEOUT_SECONDS
    compile_cache: Path | None = None
    """Where compiled modules are kept; None: inside ``directory``, or nowhere without one."""
    rate_limits: bool = False
    """Whether to refuse, as the network does, to install large modules or change much memory again
    and again (IC0209, IC0210). Off, as in a test that would only mean waiting."""
    snapshot_loadable_after_seconds: int = 0
    """The age at which a snapshot can be loaded onto another canister. On the network that takes
    up to ten minutes, until it has written a checkpoint."""
    storage_cycles_per_gib_second: int = STORAGE_CYCLES_PER_GIB_SECOND
    """What a GiB of memory costs in a second."""
    install_instructions: int = DEFAULT_RULES.install_instructions
    """What all stages of an install or upgrade together may use."""
    takes_any_specified_id: bool = False
    """Whether a canister may be made with an id of those that the replica itself gives out, as the
    copy of a module of another local replica needs. The network refuses that."""
    on_installation: OnInstallation | None = None
    """Watches what installations use."""
