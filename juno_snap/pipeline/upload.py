"""Uploading a backup: a new snapshot of a module, filled from disk, and read back.

Decisions:

* The snapshot begins as zeros, so slices of the memories that are nothing but zeros are not sent.
  That saves most of the cycles of a sparse heap.
* A certified reply to an upload says that the network has carried out the call with this request
  id, which is the hash of all that was in it, the data too. So what was certified is there. What is
  read back nevertheless: all metadata, all of the module, and of each memory eight slices spread
  over it. Where a snapshot is to be given up for the new one, everything is.
* Such a sample is sent first, and read as soon as it is there, while the rest still travels:
  otherwise reading it would take a round of its own.
* The call that makes the snapshot takes a slot each time it runs: it is written down with its
  signed bytes before it is sent, and sent again as it is by whoever goes on.
* A snapshot is noted in the journal as ``upload`` until it was read back, then as a person's.
"""

import asyncio
import hashlib
import itertools
import zlib
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar, final

from juno_snap.agent.submission import CertifiedReply, PreparedCall
from juno_snap.backup.layout import Slice
from juno_snap.backup.model import PARTS
from juno_snap.backup.places import damaged
from juno_snap.backup.reader import Backup
from juno_snap.backup.verify import Verification
from juno_snap.errors import (
    JunoSnapError,
    OutcomeUnknownError,
    RejectedError,
    TransportError,
)
from juno_snap.events import BytesMoved, Observer
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.snapshot_data import (
    upload_chunk_call,
    upload_data_call,
    upload_metadata_call,
    uploaded_id_from_reply,
)
from juno_snap.management.types import ManagementCall
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.snapshot_content import described, differences, upload_of
from juno_snap.pipeline.upload_progress import UploadProgress
from juno_snap.pipeline.window import Job, in_window, persistently
from juno_snap.pipeline.workspace import Workspace

T = TypeVar("T")

SAMPLED_SLICES: Final = 8
"""Of each memory, read back where nothing is given up for the new snapshot."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a backup comes to when it is sent."""

    content: bytes
    """SHA-256 over the digests of all files: another backup has another one."""
    slices: tuple[tuple[Slice, int], ...]
    """Those to be sent, each with its CRC-32."""
    chunk_bytes: int

    @property
    def data_bytes(self) -> int:
        """Of the slices to be sent."""
        return sum(each.size for each, _ in self.slices)


def survey(verification: Verification) -> Survey:
    """Read once more what has just been verified.

    Raises:
        BackupError: It cannot be read.
    """
    backup = verification.backup
    slices = []
    for part in PARTS:
        for piece in backup.slices(part):
            data = backup.read(part, piece.offset, piece.size)
            if part == "wasm_module" or data.count(0) != len(data):
                slices.append((piece, zlib.crc32(data)))
    return Survey(
        content=hashlib.sha256(repr(verification.digests).encode()).digest(),
        slices=tuple(slices),
        chunk_bytes=sum(each.size for each in backup.chunks.values()),
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One backup on its way into one module, whose lock is held."""

    workspace: Workspace
    module: Principal
    backup: Backup
    survey: Survey
    progress: UploadProgress
    seen: tuple[SnapshotId, ...]
    """The snapshots that the module had when the plan was made."""
    reads_all_back: bool
    observer: Observer

    async def run(self) -> SnapshotId:
        """Make the snapshot, fill it, read it back; certified on return.

        Raises:
            RejectedError: The network refused.
            BackupError: The backup changed meanwhile.
            JunoSnapError: What was read back is not what was sent (code ``upload-differs``).
            OutcomeUnknownError, TransportError: The network does not answer; asked for again, the
                upload goes on where it was.
        """
        snapshot = self.progress.snapshot or await self._begin()
        if self.progress.is_complete:
            return snapshot
        self._note(SnapshotNote(id=snapshot, purpose="upload"))
        arrived = {each: asyncio.Event() for each, _ in self.survey.slices}
        chunks = {each: asyncio.Event() for each in self.backup.chunks}
        with ThreadPoolExecutor(max_workers=1) as thread:
            jobs = self._sending(snapshot, thread, arrived, chunks)
            reading_back = self._reading_back(snapshot, arrived, chunks)
            if self.reads_all_back:  # as it is in the end
                await in_window(self.workspace.client.agent, jobs)
                jobs = reading_back
            else:
                jobs = itertools.chain(jobs, reading_back)
            await in_window(self.workspace.client.agent, jobs)
        self._note(SnapshotNote(id=snapshot, purpose="user"))
        self.progress.complete()
        return snapshot

    async def _begin(self) -> SnapshotId:
        """The new snapshot, of zeros; one that an earlier process has made, if it has."""
        earlier = self.progress.call
        if earlier is not None:
            made = await self._settled(earlier)
            if made is not None:
                self.progress.made(made)
                return made
        client = self.workspace.client
        upload = upload_of(self.backup.description.metadata)
        prepared = client.prepare(upload_metadata_call(self.module, upload, replace=None))
        self.progress.begin(prepared, self.seen)
        try:
            reply = await client.agent.submit(prepared)
        except (RejectedError, TransportError) as error:
            if isinstance(error, RejectedError) or not error.maybe_delivered:
                self.progress.forget()
            raise
        made = uploaded_id_from_reply(reply.reply)
        self.progress.made(made)
        return made

    async def _settled(self, call: PreparedCall) -> SnapshotId | None:
        """What became of a call of an earlier process; None: it never ran and never will."""
        try:
            reply = await self.workspace.client.agent.submit(call, settle=True)
        except TransportError as error:
            if error.maybe_delivered:
                raise
            return None
        except RejectedError as error:
            if not error.certified:
                raise
            return None
        except OutcomeUnknownError:
            return await self._found()
        return uploaded_id_from_reply(reply.reply)

    async def _found(self) -> SnapshotId | None:
        """The snapshot that a call has made whose outcome the network has forgotten."""
        client, ours = self.workspace.client, self.backup.description.metadata
        for each in await client.list_canister_snapshots(self.module):
            if each.id not in self.progress.seen:
                there = await client.read_canister_snapshot_metadata(self.module, each.id)
                is_uploaded = there.source == "metadata_upload"
                others = [
                    each
                    for each in differences(described(there), ours, is_copy=True)
                    if not each.is_of_chunks
                ]
                if is_uploaded and not others:
                    return each.id
        return None

    def _sending(
        self,
        snapshot: SnapshotId,
        thread: Executor,
        arrived: Mapping[Slice, asyncio.Event],
        chunks: Mapping[bytes, asyncio.Event],
    ) -> Iterator[Job]:
        """A call for each piece that the network has not; ``arrived`` is set where it has."""
        sent = self.progress.sent()
        crcs = dict(self.survey.slices)
        there = {each for each, crc in crcs.items() if sent[each.part].get(each.offset) == crc}
        done_bytes = 0

        def tell(pieces: Iterable[Slice]) -> None:
            nonlocal done_bytes
            for each in pieces:
                arrived[each].set()
                done_bytes += each.size
            total_bytes = self.survey.data_bytes
            self.observer(BytesMoved(what="upload", done_bytes=done_bytes, total_bytes=total_bytes))

        async def send(piece: Slice, crc: int) -> None:
            await self._persistently(
                lambda: self._send(thread, lambda: self._slice_call(snapshot, piece, crc))
            )
            self.progress.note_sent(piece.part, piece.offset, crc)
            tell([piece])

        async def send_chunk(chunk_hash: bytes) -> None:
            await self._persistently(
                lambda: self._send(thread, lambda: self._chunk_call(snapshot, chunk_hash))
            )
            chunks[chunk_hash].set()

        tell(there)
        for chunk_hash in self.backup.chunks:
            yield partial(send_chunk, chunk_hash)
        read_back = frozenset(self._pieces_to_read())
        for piece in sorted(crcs.keys() - there, key=lambda each: _place(each, read_back)):
            yield partial(send, piece, crcs[piece])

    def _slice_call(self, snapshot: SnapshotId, piece: Slice, crc: int) -> ManagementCall:
        data = self.backup.read(piece.part, piece.offset, piece.size)
        if zlib.crc32(data) != crc:
            raise damaged(self.backup.path / self.backup.parts[piece.part], "changed meanwhile")
        return upload_data_call(
            self.module, snapshot, data, part=piece.part, offset_bytes=piece.offset
        )

    def _chunk_call(self, snapshot: SnapshotId, chunk_hash: bytes) -> ManagementCall:
        return upload_chunk_call(self.module, snapshot, self.backup.chunk(chunk_hash))

    async def _send(self, thread: Executor, make: Callable[[], ManagementCall]) -> CertifiedReply:
        """Reads, signs and sends; while the answer is awaited only the signed bytes are held."""
        client = self.workspace.client
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(thread, lambda: client.prepare(make()))
        return await client.agent.submit(prepared)

    def _reading_back(
        self,
        snapshot: SnapshotId,
        arrived: Mapping[Slice, asyncio.Event],
        chunks: Mapping[bytes, asyncio.Event],
    ) -> Iterator[Job]:
        """A call for each piece to be read back, which waits until the piece is there."""
        client = self.workspace.client
        pieces = tuple(self._pieces_to_read())
        total_bytes, done_bytes = sum(each.size for each in pieces), 0

        async def read_metadata() -> None:
            for chunk in chunks.values():
                await chunk.wait()
            there = described(
                await self._persistently(
                    lambda: client.read_canister_snapshot_metadata(self.module, snapshot)
                )
            )
            for each in differences(there, self.backup.description.metadata, is_copy=True):
                raise _differs(snapshot, each.text)

        async def read(piece: Slice) -> None:
            nonlocal done_bytes
            if piece in arrived:  # zeros are not sent
                await arrived[piece].wait()
            data = await self._persistently(
                lambda: client.read_canister_snapshot_data(
                    self.module,
                    snapshot,
                    part=piece.part,
                    offset_bytes=piece.offset,
                    size_bytes=piece.size,
                )
            )
            if data != self.backup.read(piece.part, piece.offset, piece.size):
                raise _differs(snapshot, f"{piece.part} differs near byte {piece.offset}")
            done_bytes += piece.size
            told = BytesMoved(what="read back", done_bytes=done_bytes, total_bytes=total_bytes)
            self.observer(told)

        yield read_metadata
        for piece in pieces:
            yield partial(read, piece)

    def _pieces_to_read(self) -> Iterator[Slice]:
        for part in PARTS:
            pieces = tuple(self.backup.slices(part))
            if part == "wasm_module" or self.reads_all_back or len(pieces) <= SAMPLED_SLICES:
                yield from pieces
            else:
                last = len(pieces) - 1
                for number in range(SAMPLED_SLICES):
                    yield pieces[number * last // (SAMPLED_SLICES - 1)]

    async def _persistently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await persistently(call, clock=self.workspace.clock, observer=self.observer)

    def _note(self, note: SnapshotNote) -> None:
        self.workspace.journal.note(self.workspace.root_key, self.module, note)


def _place(piece: Slice, read_back: Container[Slice]) -> tuple[bool, int, int]:
    """Where a slice comes among those that are sent."""
    return piece not in read_back, PARTS.index(piece.part), piece.offset


def _differs(snapshot: SnapshotId, problem: str) -> JunoSnapError:
    return JunoSnapError(
        f"snapshot {snapshot} is not what was uploaded: {problem}",
        code="upload-differs",
        hint="nothing was loaded; delete it with juno-snap snapshot delete, and upload again",
    )
