"""Module snapshots: taking, loading, listing, deleting.

Source of signatures: interface specification, "The IC management canister".
"""

from juno_snap.errors import DecodeError
from juno_snap.ids import SNAPSHOT_ID_MAX_BYTES, SNAPSHOT_ID_MIN_BYTES, Principal, SnapshotId
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import Fields, argument, result_fields, result_records
from juno_snap.management.types import ManagementCall, Snapshot


def take_call(
    canister_id: Principal, *, replace: SnapshotId | None, uninstall_code: bool
) -> ManagementCall:
    """A call that takes a snapshot, in the place of another one or beside all."""
    record = {
        "canister_id": canister_id,
        "replace_snapshot": None if replace is None else replace.raw,
        "uninstall_code": uninstall_code or None,
    }
    return ManagementCall(
        method="take_canister_snapshot",
        arg=argument(types.TAKE_SNAPSHOT, record),
        effective_canister_id=canister_id,
    )


def one_snapshot_call(
    method: str, canister_id: Principal, snapshot_id: SnapshotId
) -> ManagementCall:
    """A call of a method that takes a canister id and a snapshot id."""
    record = {"canister_id": canister_id, "snapshot_id": snapshot_id.raw}
    return ManagementCall(
        method=method,
        arg=argument(types.ONE_SNAPSHOT, record),
        effective_canister_id=canister_id,
    )


def snapshot_from_reply(reply: bytes) -> Snapshot:
    """The result of ``take_canister_snapshot``. Raises ``DecodeError`` where it is none."""
    return _snapshot(result_fields(reply, types.SNAPSHOT))


def snapshots_from_reply(reply: bytes) -> list[Snapshot]:
    """The result of ``list_canister_snapshots``, the oldest first, equal times by id.

    Raises:
        DecodeError: The reply is none.
    """
    snapshots = [_snapshot(record) for record in result_records(reply, types.SNAPSHOTS)]
    return sorted(snapshots, key=lambda snapshot: (snapshot.taken_at_ns, snapshot.id))


def snapshot_id(fields: Fields, name: str) -> SnapshotId:
    """The snapshot id in a field.

    Raises:
        DecodeError: Of an impossible length.
    """
    raw = fields.take(name, bytes)
    if not SNAPSHOT_ID_MIN_BYTES <= len(raw) <= SNAPSHOT_ID_MAX_BYTES:
        raise DecodeError(f"a snapshot id of {len(raw)} bytes")
    return SnapshotId(raw)


def _snapshot(fields: Fields) -> Snapshot:
    return Snapshot(
        id=snapshot_id(fields, "id"),
        taken_at_ns=fields.take("taken_at_timestamp", int),
        total_size_bytes=fields.take("total_size", int),
    )
