"""The history of a canister: what was changed, when, and by whom.

Only other canisters can read it (``canister_info``). Source of the entries: interface
specification, "Canister history".
"""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from juno_snap.ids import Principal

HISTORY_MAX_CHANGES: Final = 20
"""Newest changes that are kept. Source: interface specification, "Canister history"."""

CHANGE_OVERHEAD_BYTES: Final = 80
"""Counted for each change beside its variable parts. Close to the network's own accounting."""

CodeMode: TypeAlias = Literal["install", "reinstall", "upgrade"]
SnapshotSource: TypeAlias = Literal["taken_from_canister", "metadata_upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """The canister came into being."""

    controllers: tuple[Principal, ...]
    environment_variables_hash: bytes | None = None
    kind: Literal["creation"] = "creation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeUninstall:
    """Its code was removed."""

    kind: Literal["code_uninstall"] = "code_uninstall"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDeployment:
    """Code was installed. ``module_hash`` is the SHA-256 of the bytes as uploaded."""

    mode: CodeMode
    module_hash: bytes
    kind: Literal["code_deployment"] = "code_deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSnapshot:
    """A snapshot was loaded. ``from_canister_id`` is set where it was another canister's."""

    snapshot_id: bytes
    canister_version: int
    taken_at_ns: int
    source: SnapshotSource
    from_canister_id: Principal | None = None
    kind: Literal["load_snapshot"] = "load_snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllersChange:
    """The controllers were set, perhaps to what they were."""

    controllers: tuple[Principal, ...]
    kind: Literal["controllers_change"] = "controllers_change"


ChangeDetails: TypeAlias = (
    Creation | CodeUninstall | CodeDeployment | LoadSnapshot | ControllersChange
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOrigin:
    """Who asked for a change; a canister may say which version it had itself."""

    principal: Principal
    is_canister: bool = False
    canister_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """One change. ``canister_version`` is the one that the change led to."""

    at_ns: int
    canister_version: int
    origin: ChangeOrigin
    details: ChangeDetails


@dataclass(slots=True, kw_only=True)
class History:
    """The newest changes, oldest first, and how many there were in all."""

    changes: list[ChangeRecord] = field(default_factory=list)
    total: int = 0

    def add(self, record: ChangeRecord) -> None:
        """Note a change; the oldest one is forgotten where there are too many."""
        self.changes.append(record)
        self.total += 1
        del self.changes[:-HISTORY_MAX_CHANGES]

    @property
    def size_bytes(self) -> int:
        """What the canister is charged for it as memory."""
        return sum(_change_size_bytes(record.details) for record in self.changes)


def _change_size_bytes(details: ChangeDetails) -> int:
    match details:
        case Creation(controllers=controllers) | ControllersChange(controllers=controllers):
            return CHANGE_OVERHEAD_BYTES + sum(len(each.raw) for each in controllers)
        case CodeDeployment(module_hash=module_hash):
            return CHANGE_OVERHEAD_BYTES + len(module_hash)
        case LoadSnapshot(snapshot_id=snapshot_id):
            return CHANGE_OVERHEAD_BYTES + len(snapshot_id)
        case CodeUninstall():
            return CHANGE_OVERHEAD_BYTES
