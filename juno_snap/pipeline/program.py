"""What an operation will do, frozen before it begins and kept in the journal.

A plan is for people; a program is what is left of it when everything is decided. It holds no bytes
of a module, only their hashes, so that a run that continues elsewhere in time does the very same.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias, final

from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from juno_snap.errors import JunoSnapError, PreconditionError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.types import InstallMode, MemoryPersistence, Reinstall, Upgrade
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.journal.records import OperationKind, SnapshotPurpose
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.request import Patience

PrincipalText: TypeAlias = Annotated[
    Principal, PlainValidator(Principal.parse), PlainSerializer(str, return_type=str)
]
SnapshotText: TypeAlias = Annotated[
    SnapshotId, PlainValidator(SnapshotId.parse), PlainSerializer(str, return_type=str)
]
Digest: TypeAlias = Annotated[
    bytes, PlainValidator(bytes.fromhex), PlainSerializer(bytes.hex, return_type=str)
]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The module as it was when the operation was planned."""

    status: Literal["running", "stopping", "stopped"]
    module_hash: Digest | None
    controllers: tuple[PrincipalText, ...]
    snapshots: tuple[SnapshotText, ...]
    last_install_at_ns: int | None

    @classmethod
    def of(cls, seen: Observation) -> "Before":
        """What of ``seen`` matters later."""
        return cls(
            status=seen.status.status,
            module_hash=seen.module_hash,
            controllers=seen.info.controllers,
            snapshots=tuple(old.id for old in seen.snapshots),
            last_install_at_ns=seen.info.last_install_at_ns,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A snapshot that the operation takes."""

    purpose: SnapshotPurpose
    replaced: SnapshotText | None = None
    """Deleted by the call that takes the new one."""
    is_optional: bool = False
    """Go on where the network refuses it."""
    label: str | None = None
    is_protected: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InstallChange:
    """New code."""

    kind: Literal["install"] = "install"
    is_reset: bool = False
    skip_pre_upgrade: bool = False
    memory_persistence: MemoryPersistence | None = None
    wasm_name: str
    wasm_sha256: Digest
    arg_sha256: Digest
    is_chunked: bool = False
    clears_first: bool = False
    """Empty the chunk store before staging."""
    clears_last: bool = False
    """Nothing else is in the chunk store, so it may be emptied at the end."""

    @property
    def mode(self) -> InstallMode:
        """As the network wants it said."""
        if self.is_reset:
            return Reinstall()
        return Upgrade(
            skip_pre_upgrade=self.skip_pre_upgrade, wasm_memory_persistence=self.memory_persistence
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LoadChange:
    """Code and data of a snapshot."""

    kind: Literal["load"] = "load"
    snapshot: SnapshotText


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An operation, decided in all its parts."""

    kind: OperationKind
    module: PrincipalText
    before: Before
    sends_stop: bool
    sends_start: bool
    stop_timeout_seconds: float
    save: Save | None = None
    change: InstallChange | LoadChange | None = None
    checks: tuple[CheckSpec, ...] = ()
    health_timeout_seconds: float = 60.0
    goes_back: bool = False
    """Load this run's snapshot where a check is certified to be bad."""
    rollback_window_seconds: float = 600.0
    delete_after: tuple[SnapshotText, ...] = ()
    """Given up once the new code is verified."""
    versions_passed: int = 0
    """Changes of the module since the snapshot that is loaded was taken, as planned."""
    configuration: Digest | None = None
    """SHA-256 of what was saved of a module that is reset, and is set again afterwards."""
    of_operation: str | None = None
    """The operation that is gone back on."""
    patience: Patience = field(default_factory=Patience)

    def to_json(self) -> dict[str, object]:
        """As the journal keeps it."""
        document: dict[str, object] = _ADAPTER.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Program":
        """Read back what ``to_json`` gave.

        Raises:
            PreconditionError: It was written by another version that means something else.
        """
        try:
            program: Program = _ADAPTER.validate_python(dict(document))
        except (ValidationError, ValueError, TypeError, JunoSnapError) as error:
            raise PreconditionError(
                "the program of this operation cannot be read by this version",
                code="program-unreadable",
                hint="continue with the version that began it: juno-snap history shows it",
            ) from error
        return program


_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(Program)


def digest_of(wanted: Mapping[str, object]) -> bytes:
    """SHA-256 of what was asked for: two runs that ask for the same have the same."""
    text = json.dumps(wanted, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).digest()
