"""The configuration as the program uses it: complete, frozen, every value with its origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from juno_snap.ids import Principal, SnapshotId

Role: TypeAlias = Literal["satellite", "mission-control", "orbiter"]
"""What a module is for Juno."""

RootKeyChoice: TypeAlias = Literal["ic", "fetch"] | bytes
"""Mainnet's pinned key, the key that the network itself tells (trust on each use), or DER bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """A network as it was configured or built in."""

    name: str
    url: str
    root_key: RootKeyChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """A check of new code; one of ``call``, ``command`` and ``version`` is said."""

    call: str | None
    """Such as ``version() == "2.0"``."""
    command: tuple[str, ...] | None
    version: str | None
    timeout_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSettings:
    """A canister with a name."""

    name: str
    canister: Principal
    role: Role | None
    mode: str
    """The mode of Juno's in which ``-t`` with its role means it."""
    checks: tuple[CheckSettings, ...]
    protected_snapshots: frozenset[SnapshotId]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """Something to be run at a point of an operation."""

    name: str
    point: str
    command: tuple[str, ...] | None
    """A program with a slash in its name is relative to the file that names it."""
    function: str | None
    timeout_seconds: int | None
    pass_variables: tuple[str, ...]
    for_rehearsal: bool
    modules: frozenset[str] | None
    """Names and canister ids of the modules it is for; none: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Where a named key lies and how its passphrase is had; paths are absolute."""

    name: str
    key_file: Path | None
    """None, and no ``key``: the imported key of that name in the state directory."""
    key: str | None
    """One that another tool keeps: ``juno:store``, ``juno:token``, ``icp:NAME``, ``dfx:NAME``."""
    delegation_file: Path | None
    """A chain of delegations for that key, as JSON."""
    password_command: tuple[str, ...] | None
    password_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How many backups of each kind are kept where ``backup prune`` is not told; 0: none by it."""

    keep_last: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSettings:
    """Where the published releases are, and who vouches for them."""

    url: str
    checksums_url: str
    canister: Principal | None
    root_key: Literal["ic"] | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One setting for display: its dotted name, what it is, and who said so."""

    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that was configured."""

    default_network: str | None
    default_identity: str | None
    root_key: RootKeyChoice | None
    """For a network that is given as a URL."""
    state_directory: Path
    mode: str
    """Which of a project's environments is meant, in Juno's sense; any word."""
    profile: str | None
    """Which of Juno's own sets of credentials is meant."""
    networks: Mapping[str, NetworkSettings]
    modules: Mapping[str, ModuleSettings]
    identities: Mapping[str, IdentitySettings]
    hooks: tuple[HookSettings, ...]
    """In the order in which they are said, those of the weakest source first."""
    costs: Mapping[str, Mapping[str, int]]
    """Prices that were said, by network and by name."""
    stop_timeout_seconds: int
    health_timeout_seconds: int
    rollback_window_seconds: int
    rehearsal_instruction_limit: int
    call_ttl_seconds: int
    retention: RetentionSettings
    releases: ReleaseSettings
    files: tuple[Path, ...]
    """The files that were read, in the order in which they were laid over each other."""
    values: tuple[Value, ...]
    """All of the above, flat, in a stable order."""

    def origin_of(self, key: str) -> str:
        """Who said ``key``: a file, a variable, an option (``--network``), ``default``."""
        return next((value.origin for value in self.values if value.key == key), "default")
