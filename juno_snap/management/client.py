"""The management canister of one network, on behalf of one identity."""

from collections.abc import Mapping, Sequence
from typing import final

from juno_snap.agent.agent import Agent
from juno_snap.agent.submission import CertifiedReply, PreparedCall
from juno_snap.ids import MANAGEMENT_CANISTER, Principal, SnapshotId
from juno_snap.management import canister, certified, install, snapshot_data, snapshots
from juno_snap.management.limits import check_message
from juno_snap.management.types import (
    CanisterSettings,
    CanisterStatus,
    CertifiedInfo,
    InstallMode,
    LogRecord,
    ManagementCall,
    Snapshot,
    SnapshotMetadata,
    SnapshotPart,
    SnapshotUpload,
)


@final
class ManagementClient:
    """Methods named as the platform's.

    Each raises what ``Agent.call`` raises, and ``DecodeError`` where a reply is not what it should
    be; further errors are listed.

    Methods that return ``int`` return the certified time, in ns, at which the change was known.
    """

    def __init__(
        self, agent: Agent, *, call_ttl_seconds: int | None = None, settle: bool = False
    ) -> None:
        self.agent = agent
        self._call_ttl_seconds = call_ttl_seconds
        self._settle = settle

    def with_call_ttl(self, seconds: int, *, settle: bool = False) -> "ManagementClient":
        """The same client, whose calls live ``seconds``; for ``settle`` see ``Agent.submit``."""
        return ManagementClient(self.agent, call_ttl_seconds=seconds, settle=settle)

    def prepare(self, call: ManagementCall) -> PreparedCall:
        """The signed call, for whoever writes it down before it is sent (``Agent.submit``).

        Raises:
            PreconditionError: Too large for one message.
            IdentityError: The delegation has expired or does not allow it.
        """
        check_message(call.method, call.arg)
        return self.agent.prepare(
            MANAGEMENT_CANISTER,
            call.method,
            call.arg,
            effective_canister_id=call.effective_canister_id,
            ttl_seconds=self._call_ttl_seconds,
        )

    async def send(self, call: ManagementCall) -> CertifiedReply:
        """``prepare``, then submit."""
        return await self.agent.submit(self.prepare(call), settle=self._settle)

    async def canister_status(
        self, canister_id: Principal, *, as_query: bool = False, not_before_ns: int = 0
    ) -> CanisterStatus:
        """The status, certified; ``as_query``: one node's word, faster and without a round.

        Of a query an answer from before ``not_before_ns`` is asked for again.
        """
        call = canister.plain_call("canister_status", canister_id)
        if as_query:
            reply = await self._query(call, not_before_ns=not_before_ns)
            return canister.status_from_reply(reply)
        return canister.status_from_reply((await self.send(call)).reply)

    async def update_settings(self, canister_id: Principal, settings: CanisterSettings) -> int:
        """Change the settings that are given.

        Raises:
            InputError: They are beyond the network's limits.
        """
        return await self._change(canister.update_settings_call(canister_id, settings))

    async def start_canister(self, canister_id: Principal) -> int:
        """Start it; a stop that is under way is cancelled."""
        return await self._change(canister.plain_call("start_canister", canister_id))

    async def stop_canister(self, canister_id: Principal) -> int:
        """Stop it: returns when every call that was open has ended."""
        return await self._change(canister.plain_call("stop_canister", canister_id))

    async def delete_canister(self, canister_id: Principal) -> int:
        """Delete a stopped canister with its snapshots and cycles."""
        return await self._change(canister.plain_call("delete_canister", canister_id))

    async def provisional_create_canister(
        self,
        *,
        settings: CanisterSettings | None = None,
        cycles: int | None = None,
        specified_id: Principal | None = None,
        effective_canister_id: Principal | None = None,
    ) -> Principal:
        """Create a canister on a development network; the caller controls it by default.

        ``effective_canister_id``, if the network has several subnets, is any canister id of the
        wanted one.

        Raises:
            InputError: The settings are beyond the network's limits.
        """
        call = canister.create_call(
            settings=settings or CanisterSettings(),
            cycles=cycles,
            specified_id=specified_id,
            effective_canister_id=effective_canister_id,
        )
        return canister.created_id((await self.send(call)).reply)

    async def provisional_top_up(self, canister_id: Principal, cycles: int) -> int:
        """Add cycles on a development network.

        Raises:
            InputError: A negative number.
        """
        return await self._change(canister.top_up_call(canister_id, cycles))

    async def install_code(
        self, canister_id: Principal, mode: InstallMode, wasm_module: bytes, arg: bytes
    ) -> int:
        """Install a module in one message. ``arg`` is Candid.

        Raises:
            PreconditionError: Module and argument do not fit into one message.
        """
        return await self._change(install.install_call(canister_id, mode, wasm_module, arg))

    async def upload_chunk(self, canister_id: Principal, chunk: bytes) -> bytes:
        """Put a chunk into the chunk store; returns its SHA-256. Doing it twice is harmless.

        Raises:
            PreconditionError: It is larger than 1 MiB.
        """
        call = install.upload_chunk_call(canister_id, chunk)
        return install.chunk_hash_from_reply((await self.send(call)).reply)

    async def stored_chunks(self, canister_id: Principal) -> tuple[bytes, ...]:
        """SHA-256 of each chunk in the store."""
        call = canister.plain_call("stored_chunks", canister_id)
        return install.chunk_hashes_from_reply((await self.send(call)).reply)

    async def clear_chunk_store(self, canister_id: Principal) -> int:
        """Remove every chunk."""
        return await self._change(canister.plain_call("clear_chunk_store", canister_id))

    async def install_chunked_code(
        self,
        canister_id: Principal,
        mode: InstallMode,
        chunk_hashes: Sequence[bytes],
        wasm_module_hash: bytes,
        arg: bytes,
        *,
        store_canister: Principal | None = None,
    ) -> int:
        """Install the module that the chunks make up, one after the other.

        ``store_canister`` is the one whose store they are in; by default the target itself.

        Raises:
            PreconditionError: No chunks, more than 100, or a hash that is none.
        """
        call = install.install_chunked_call(
            canister_id, mode, chunk_hashes, wasm_module_hash, arg, store_canister=store_canister
        )
        return await self._change(call)

    async def uninstall_code(self, canister_id: Principal) -> int:
        """Remove code and state; settings, cycles and snapshots stay."""
        return await self._change(canister.plain_call("uninstall_code", canister_id))

    async def take_canister_snapshot(
        self,
        canister_id: Principal,
        *,
        replace: SnapshotId | None = None,
        uninstall_code: bool = False,
    ) -> Snapshot:
        """Take a snapshot. The one to ``replace`` is deleted once the new one is taken."""
        call = snapshots.take_call(canister_id, replace=replace, uninstall_code=uninstall_code)
        return snapshots.snapshot_from_reply((await self.send(call)).reply)

    async def load_canister_snapshot(self, canister_id: Principal, snapshot: SnapshotId) -> int:
        """Put code, memories and chunk store back to what they were."""
        return await self._change(
            snapshots.one_snapshot_call("load_canister_snapshot", canister_id, snapshot)
        )

    async def list_canister_snapshots(self, canister_id: Principal) -> list[Snapshot]:
        """Every snapshot, the oldest first."""
        call = canister.plain_call("list_canister_snapshots", canister_id)
        return snapshots.snapshots_from_reply((await self.send(call)).reply)

    async def delete_canister_snapshot(self, canister_id: Principal, snapshot: SnapshotId) -> int:
        """Delete a snapshot."""
        return await self._change(
            snapshots.one_snapshot_call("delete_canister_snapshot", canister_id, snapshot)
        )

    async def read_canister_snapshot_metadata(
        self, canister_id: Principal, snapshot: SnapshotId
    ) -> SnapshotMetadata:
        """What a snapshot is made of."""
        call = snapshots.one_snapshot_call("read_canister_snapshot_metadata", canister_id, snapshot)
        return snapshot_data.metadata_from_reply((await self.send(call)).reply)

    async def read_canister_snapshot_data(
        self,
        canister_id: Principal,
        snapshot: SnapshotId,
        *,
        part: SnapshotPart,
        offset_bytes: int,
        size_bytes: int,
    ) -> bytes:
        """A slice of a snapshot.

        Raises:
            PreconditionError: Larger than 2,000,000 bytes, or empty.
        """
        call = snapshot_data.read_data_call(
            canister_id, snapshot, part=part, offset_bytes=offset_bytes, size_bytes=size_bytes
        )
        return snapshot_data.data_from_reply((await self.send(call)).reply)

    async def read_canister_snapshot_chunk(
        self, canister_id: Principal, snapshot: SnapshotId, chunk_hash: bytes
    ) -> bytes:
        """A stored Wasm chunk of a snapshot, whole (``read_canister_snapshot_data``)."""
        call = snapshot_data.read_chunk_call(canister_id, snapshot, chunk_hash)
        return snapshot_data.data_from_reply((await self.send(call)).reply)

    async def upload_canister_snapshot_metadata(
        self,
        canister_id: Principal,
        upload: SnapshotUpload,
        *,
        replace: SnapshotId | None = None,
    ) -> SnapshotId:
        """Make a snapshot of zeros, to be filled; it takes a slot at once.

        Raises:
            InputError: A number out of its range.
        """
        call = snapshot_data.upload_metadata_call(canister_id, upload, replace=replace)
        return snapshot_data.uploaded_id_from_reply((await self.send(call)).reply)

    async def upload_canister_snapshot_data(
        self,
        canister_id: Principal,
        snapshot: SnapshotId,
        chunk: bytes,
        *,
        part: SnapshotPart,
        offset_bytes: int,
    ) -> int:
        """Write a slice of an uploaded snapshot; in any order, as often as wanted.

        Raises:
            PreconditionError: Larger than 2,000,000 bytes, or empty.
        """
        return await self._change(
            snapshot_data.upload_data_call(
                canister_id, snapshot, chunk, part=part, offset_bytes=offset_bytes
            )
        )

    async def upload_canister_snapshot_chunk(
        self, canister_id: Principal, snapshot: SnapshotId, chunk: bytes
    ) -> int:
        """Put a Wasm chunk into an uploaded snapshot (``upload_canister_snapshot_data``).

        Raises:
            PreconditionError: It is larger than 1 MiB.
        """
        return await self._change(snapshot_data.upload_chunk_call(canister_id, snapshot, chunk))

    async def fetch_canister_logs(self, canister_id: Principal) -> list[LogRecord]:
        """The newest lines of the log, as one node has them; for display."""
        call = canister.plain_call("fetch_canister_logs", canister_id)
        return canister.logs_from_reply(await self._query(call))

    async def canister_info(
        self, canister_id: Principal, *, not_before_ns: int = 0
    ) -> CertifiedInfo:
        """Module hash, controllers and last install from the certified state, without a call.

        Raises:
            TransportError: No answer, or only answers from before ``not_before_ns``.
            TrustError: The answer does not hold, or hides a part.
        """
        return await certified.read_info(self.agent, canister_id, not_before_ns=not_before_ns)

    async def module_hash(self, canister_id: Principal) -> bytes | None:
        """The certified hash of the installed module; None: empty. Raises as ``canister_info``."""
        return (await self.canister_info(canister_id)).module_hash

    async def controllers(self, canister_id: Principal) -> tuple[Principal, ...]:
        """The certified controllers. Raises as ``canister_info``."""
        return (await self.canister_info(canister_id)).controllers

    async def metadata(
        self, canister_id: Principal, name: str, *, not_before_ns: int = 0
    ) -> bytes | None:
        """A metadata section of the installed module; None only where it is proven absent.

        Raises:
            TransportError: No answer, only old ones, or a private section of somebody else's.
            TrustError: The answer does not hold, or shows neither the section nor its absence.
        """
        return await certified.read_metadata(
            self.agent, canister_id, name, not_before_ns=not_before_ns
        )

    async def metadata_sections(
        self, canister_id: Principal, names: Sequence[str], *, not_before_ns: int = 0
    ) -> Mapping[str, bytes | None]:
        """Several sections by name, all of one moment. Raises as ``metadata``."""
        return await certified.read_metadata_sections(
            self.agent, canister_id, names, not_before_ns=not_before_ns
        )

    async def _change(self, call: ManagementCall) -> int:
        return (await self.send(call)).time_ns

    async def _query(self, call: ManagementCall, *, not_before_ns: int = 0) -> bytes:
        return await self.agent.query(
            MANAGEMENT_CANISTER,
            call.method,
            call.arg,
            effective_canister_id=call.effective_canister_id,
            not_before_ns=not_before_ns,
        )
