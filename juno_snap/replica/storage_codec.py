"""From the state to documents and blobs, and back."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from juno_snap.replica.calls import Queued, Request, Response
from juno_snap.replica.execution import InstalledCode
from juno_snap.replica.runtime import Engine
from juno_snap.replica.snapshots import Snapshot
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.replica.storage_blobs import (
    BlobStore,
    get_bytes,
    get_heap,
    get_stable,
    put_bytes,
    put_heap,
    put_stable,
)
from juno_snap.replica.storage_schema import (
    CanisterDocument,
    CodeDocument,
    PiecesDocument,
    RequestDocument,
    ResponseDocument,
    SnapshotDocument,
    StateDocument,
)
from juno_snap.units import KIB

ATTACHMENT_INSIDE_MAX_BYTES: Final = 256 * KIB


def write_state(
    store: BlobStore, state: SubnetState, attachments: dict[str, bytes]
) -> StateDocument:
    """Keep all bytes in ``store``; the document refers to them."""
    return StateDocument(
        time_ns=state.time_ns,
        next_canister_number=state.next_canister_number,
        next_random_number=state.next_random_number,
        last_heartbeat_ns=state.last_heartbeat_ns,
        queue=[_queued_document(store, each) for each in state.queue],
        rounds_counted_until_ns=state.rounds_counted_until_ns,
        canisters=[_canister_document(store, each) for each in state.canisters.values()],
        attachments={name: _attachment(store, data) for name, data in attachments.items()},
    )


def read_state(store: BlobStore, document: StateDocument, engine: Engine) -> SubnetState:
    """The state that was written.

    Raises:
        PreconditionError: A blob is missing or damaged.
        InvalidWasmError: A module is not accepted any more.
    """
    canisters = [_canister(store, each, engine) for each in document.canisters]
    return SubnetState(
        canisters={canister.canister_id: canister for canister in canisters},
        next_canister_number=document.next_canister_number,
        next_random_number=document.next_random_number,
        last_heartbeat_ns=document.last_heartbeat_ns,
        queue=deque(_queued(store, each) for each in document.queue),
        rounds_counted_until_ns=document.rounds_counted_until_ns,
        time_ns=document.time_ns,
    )


def read_attachments(store: BlobStore, document: StateDocument) -> dict[str, bytes]:
    """What the caller stored with the state."""
    return {
        name: part if isinstance(part, bytes) else _read(store, part)
        for name, part in document.attachments.items()
    }


def digests_of(document: StateDocument) -> set[bytes]:
    """The blobs that ``document`` needs."""
    return {digest for part in _all_pieces(document) for _, digest in part.pieces}


def _all_pieces(document: StateDocument) -> Iterator[PiecesDocument]:
    for attachment in document.attachments.values():
        if isinstance(attachment, PiecesDocument):
            yield attachment
    for queued in document.queue:
        yield queued.arg if isinstance(queued, RequestDocument) else queued.reply
    for canister in document.canisters:
        yield from canister.chunks
        contents = [*canister.snapshots, *([] if canister.code is None else [canister.code])]
        for content in contents:
            yield from (content.wasm, content.heap, content.stable)
        for snapshot in canister.snapshots:
            yield from snapshot.chunks


def _canister_document(store: BlobStore, canister: Canister) -> CanisterDocument:
    code = canister.code
    return CanisterDocument(
        canister_id=canister.canister_id,
        settings=canister.settings,
        created_at_ns=canister.created_at_ns,
        cycles=canister.cycles,
        reserved_cycles=canister.reserved_cycles,
        version=canister.version,
        status=canister.status,
        code=None if code is None else _code_document(store, code),
        last_install_at_ns=canister.last_install_at_ns,
        chunks=[_bytes(store, chunk) for chunk in canister.chunks.values()],
        history=canister.history,
        logs=canister.logs,
        snapshots=[_snapshot_document(store, each) for each in canister.snapshots.values()],
        next_snapshot_number=canister.next_snapshot_number,
        calls=canister.calls,
        hook_status=canister.hook_status,
        consumed_cycles=canister.consumed_cycles,
        query_stats=canister.query_stats,
        heap_delta_debit_bytes=canister.heap_delta_debit_bytes,
        install_debit_instructions=canister.install_debit_instructions,
    )


def _code_document(store: BlobStore, code: InstalledCode) -> CodeDocument:
    return CodeDocument(
        wasm=_bytes(store, code.wasm),
        heap=PiecesDocument(size_bytes=code.heap.size_bytes, pieces=put_heap(store, code.heap)),
        stable=PiecesDocument(
            size_bytes=code.stable.size_bytes, pieces=put_stable(store, code.stable)
        ),
        packed_globals=code.packed_globals,
        certified_data=code.certified_data,
        global_timer_ns=code.global_timer_ns,
    )


def _snapshot_document(store: BlobStore, snapshot: Snapshot) -> SnapshotDocument:
    return SnapshotDocument(
        snapshot_id=snapshot.snapshot_id,
        source=snapshot.source,
        taken_at_ns=snapshot.taken_at_ns,
        canister_version=snapshot.canister_version,
        wasm=_bytes(store, snapshot.wasm),
        heap=PiecesDocument(
            size_bytes=snapshot.heap.size_bytes, pieces=put_heap(store, snapshot.heap)
        ),
        stable=PiecesDocument(
            size_bytes=snapshot.stable.size_bytes, pieces=put_stable(store, snapshot.stable)
        ),
        global_types=snapshot.global_types,
        packed_globals=snapshot.packed_globals,
        certified_data=snapshot.certified_data,
        chunks=[_bytes(store, chunk) for chunk in snapshot.chunks.values()],
        changed_at_ns=snapshot.changed_at_ns,
        global_timer_ns=snapshot.global_timer_ns,
        hook_status=snapshot.hook_status,
    )


def _canister(store: BlobStore, document: CanisterDocument, engine: Engine) -> Canister:
    code = document.code
    snapshots = [_snapshot(store, each) for each in document.snapshots]
    return Canister(
        canister_id=document.canister_id,
        settings=document.settings,
        created_at_ns=document.created_at_ns,
        cycles=document.cycles,
        reserved_cycles=document.reserved_cycles,
        version=document.version,
        status=document.status,
        code=None if code is None else _code(store, code, engine),
        last_install_at_ns=document.last_install_at_ns,
        chunks=_chunks(store, document.chunks),
        history=document.history,
        logs=document.logs,
        snapshots={snapshot.snapshot_id: snapshot for snapshot in snapshots},
        next_snapshot_number=document.next_snapshot_number,
        calls=document.calls,
        hook_status=document.hook_status,
        consumed_cycles=dict(document.consumed_cycles),
        query_stats=replace(document.query_stats),
        heap_delta_debit_bytes=document.heap_delta_debit_bytes,
        install_debit_instructions=document.install_debit_instructions,
    )


def _code(store: BlobStore, document: CodeDocument, engine: Engine) -> InstalledCode:
    wasm = _read(store, document.wasm)
    return InstalledCode(
        module=engine.compile(wasm),
        wasm=wasm,
        heap=get_heap(store, document.heap.size_bytes, document.heap.pieces),
        packed_globals=document.packed_globals,
        stable=get_stable(store, document.stable.size_bytes, document.stable.pieces),
        certified_data=document.certified_data,
        global_timer_ns=document.global_timer_ns,
    )


def _snapshot(store: BlobStore, document: SnapshotDocument) -> Snapshot:
    wasm = get_bytes(store, document.wasm.size_bytes, document.wasm.pieces)
    return Snapshot(
        snapshot_id=document.snapshot_id,
        source=document.source,
        taken_at_ns=document.taken_at_ns,
        canister_version=document.canister_version,
        wasm=wasm if document.source == "metadata_upload" else bytes(wasm),
        heap=get_heap(store, document.heap.size_bytes, document.heap.pieces),
        stable=get_stable(store, document.stable.size_bytes, document.stable.pieces),
        global_types=document.global_types,
        packed_globals=document.packed_globals,
        certified_data=document.certified_data,
        chunks=_chunks(store, document.chunks),
        changed_at_ns=(
            document.taken_at_ns if document.changed_at_ns is None else document.changed_at_ns
        ),
        global_timer_ns=document.global_timer_ns,
        hook_status=document.hook_status,
    )


def _attachment(store: BlobStore, data: bytes) -> PiecesDocument | bytes:
    return data if len(data) <= ATTACHMENT_INSIDE_MAX_BYTES else _bytes(store, data)


def _queued_document(store: BlobStore, queued: Queued) -> RequestDocument | ResponseDocument:
    if isinstance(queued, Request):
        return RequestDocument(
            origin=queued.origin,
            receiver=queued.receiver,
            method=queued.method,
            arg=_bytes(store, queued.arg),
            cycles=queued.cycles,
            expires_at_ns=queued.expires_at_ns,
        )
    return ResponseDocument(
        receiver=queued.receiver,
        callback_id=queued.callback_id,
        refund_cycles=queued.refund_cycles,
        reply=_bytes(store, queued.reply),
        reject_code=queued.reject_code,
        reject_message=queued.reject_message,
    )


def _queued(store: BlobStore, document: RequestDocument | ResponseDocument) -> Queued:
    if isinstance(document, RequestDocument):
        return Request(
            origin=document.origin,
            receiver=document.receiver,
            method=document.method,
            arg=_read(store, document.arg),
            cycles=document.cycles,
            expires_at_ns=document.expires_at_ns,
        )
    return Response(
        receiver=document.receiver,
        callback_id=document.callback_id,
        refund_cycles=document.refund_cycles,
        reply=_read(store, document.reply),
        reject_code=document.reject_code,
        reject_message=document.reject_message,
    )


def _bytes(store: BlobStore, data: bytes | bytearray) -> PiecesDocument:
    pieces = store.put_once(data) if isinstance(data, bytes) else put_bytes(store, data)
    return PiecesDocument(size_bytes=len(data), pieces=pieces)


def _read(store: BlobStore, document: PiecesDocument) -> bytes:
    return bytes(get_bytes(store, document.size_bytes, document.pieces))


def _chunks(store: BlobStore, documents: list[PiecesDocument]) -> dict[bytes, bytes]:
    chunks = [_read(store, each) for each in documents]
    return {sha256(chunk).digest(): chunk for chunk in chunks}
