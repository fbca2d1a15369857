"""A backup from one place to another, file by file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from juno_snap.backup import layout
from juno_snap.backup.copies.journey import Item, Journey, plan_journey
from juno_snap.backup.copies.listing import Listing, parse_listing, render_listing
from juno_snap.backup.copies.stores import (
    Incoming,
    Outgoing,
    Store,
    read_all,
    read_small,
    require_same,
)
from juno_snap.backup.layout import FileEntry
from juno_snap.backup.places import damaged
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import BackupError
from juno_snap.events import BytesMoved, Observer, ignore_events

SEALS: Final = (layout.MANIFEST, layout.ENCRYPTED)
"""The file that makes a place a backup: one of these, written last."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What came of a copy."""

    target: str
    is_encrypted: bool
    files: int
    """Without the last one, which says what the others are."""
    sent: int
    """How many of them were sent by this run; the others were there."""
    size_bytes: int
    """Of all files there, the last one left out."""


def copy_backup(
    source: Store,
    target: Store,
    *,
    recipients: tuple[str, ...] = (),
    identity_file: Path | None = None,
    read_back: bool = True,
    observer: Observer = ignore_events,
) -> Copied:
    """Copy a backup; on return all of it is at ``target``, its manifest last.

    A directory is verified before anything is sent. With ``recipients`` the copy is encrypted, with
    ``identity_file`` an encrypted one is decrypted. After a failure the same call goes on.

    Raises:
        NotFoundError: There is no such directory, or no such file of keys.
        InputError: A key is none, or does not fit what is to be done.
        BackupError: The source is not sound, the target has something else, or one of them fails.
        LockedError: Another process copies to the same directory.
    """
    journey = plan_journey(source, recipients, identity_file)
    if source.folder is not None:
        _verify(source, journey, observer)
    with target.hold():
        arrived = _arrived(target, journey)
        if arrived is None:
            return _was_there(target, journey)
        voyage = _Voyage(source, target, journey, arrived, observer)
        voyage.begin()
        for item in journey.items:
            voyage.carry(item, read_back=read_back)
        return voyage.end()


@final
class _Voyage:
    """A copy while it is made."""

    def __init__(
        self,
        source: Store,
        target: Store,
        journey: Journey,
        arrived: dict[str, FileEntry],
        observer: Observer,
    ) -> None:
        self._source = source
        self._target = target
        self._journey = journey
        self._arrived = arrived
        self._observer = observer
        self._read_bytes = 0
        self._sent = 0

    def begin(self) -> None:
        """Mark the place, and make its folders."""
        self._note()
        plain = self._journey.seal_name == layout.MANIFEST
        names = [each.target for each in self._journey.items]
        if plain or any(name.startswith(layout.CHUNKS) for name in names):
            self._target.make_folder(layout.CHUNKS)

    def carry(self, item: Item, *, read_back: bool) -> None:
        """Have one file arrive, unless it is there."""
        known = self._arrived.get(item.target)
        if known is None or self._target.size(item.target) != known.size_bytes:
            try:
                self._arrived[item.target] = self._send(item, read_back=read_back)
                self._note()
            except BackupError as error:
                raise self._with_state(error) from error
            self._sent += 1
        self._read_bytes += item.source.size_bytes
        self._tell(0)

    def end(self) -> Copied:
        """Make it a backup."""
        journey, target = self._journey, self._target
        target.settle()
        seal = render_listing(self._listing()) if journey.seal is None else journey.seal
        try:
            target.write_small(journey.seal_name, seal)
            if read_small(target, journey.seal_name) != seal:
                raise damaged(f"{target.label}/{journey.seal_name}", "is not what was written")
            target.remove(layout.COPYING)
        except BackupError as error:
            raise self._with_state(error) from error
        return _copied(target, journey, self._listing().files, self._sent)

    def _send(self, item: Item, *, read_back: bool) -> FileEntry:
        place = f"{self._source.label}/{item.source.name}"
        with (
            self._source.reading(item.source.name) as source,
            self._target.writing(item.target) as sink,
        ):
            incoming = Incoming(source, self._tell, item.source.size_bytes)
            outgoing = Outgoing(sink)
            self._journey.transform(incoming, outgoing, place)
            incoming.drain()
            outgoing.flush()
            require_same(incoming.entry(item.source.name), item.source, self._source)
        sent = outgoing.entry(item.target)
        if item.plain is not None:
            require_same(sent, item.plain, self._target)
        if read_back:
            require_same(read_all(self._target, item.target), sent, self._target)
        elif (size := self._target.size(item.target)) != sent.size_bytes:
            there = replace(sent, size_bytes=size or 0)
            require_same(there, sent, self._target)
        return sent

    def _listing(self) -> Listing:
        names = [each.target for each in self._journey.items]
        files = tuple(self._arrived[name] for name in names if name in self._arrived)
        return replace(self._journey.identity, files=files)

    def _note(self) -> None:
        self._target.settle()
        self._target.write_small(layout.COPYING, render_listing(self._listing()))

    def _tell(self, more_bytes: int) -> None:
        total_bytes = self._journey.total_bytes
        done_bytes = min(self._read_bytes + more_bytes, total_bytes)
        self._observer(BytesMoved(what="copy", done_bytes=done_bytes, total_bytes=total_bytes))

    def _with_state(self, error: BackupError) -> BackupError:
        """The same error, and what is there now."""
        there, wanted = len(self._listing().files), len(self._journey.items)
        return BackupError(
            f"{error.message}; {there} of {wanted} files have arrived at {self._target.label}, "
            "which is no backup yet",
            path=error.path,
            code=error.code,
            hint=error.hint,
        )


def _verify(source: Store, journey: Journey, observer: Observer) -> None:
    """Every digest of a directory, before anything is sent."""
    if source.folder is not None and source.size(layout.MANIFEST) is not None:
        verify_backup(source.folder, observer=observer).require_sound()
        return
    done_bytes = 0

    def tell(read_bytes: int) -> None:
        observer(
            BytesMoved(
                what="verify",
                done_bytes=min(done_bytes + read_bytes, journey.total_bytes),
                total_bytes=journey.total_bytes,
            )
        )

    for item in journey.items:
        require_same(read_all(source, item.source.name, tell), item.source, source)
        done_bytes += item.source.size_bytes


def _arrived(target: Store, journey: Journey) -> dict[str, FileEntry] | None:
    """What counts of the files that are at the target; None: it is complete.

    Raises:
        BackupError: Something else is there.
    """
    for name in SEALS:
        if target.size(name) is not None:
            if _is_seal(journey, name, read_small(target, name), target):
                return None
            raise _occupied(target, "has another backup, or this one for others")
    if target.size(layout.COPYING) is None:
        if not target.is_empty():
            raise _occupied(target, "has something else in it")
        return {}
    try:
        data = read_small(target, layout.COPYING)
        listing = parse_listing(data, f"{target.label}/{layout.COPYING}")
    except BackupError as error:
        if error.code != "backup-damaged":
            raise
        return {}  # torn by a crash
    if not listing.is_of(journey.identity):
        raise _occupied(target, "has an unfinished copy of another backup, or for others")
    return {each.name: each for each in listing.files}


def _is_seal(journey: Journey, name: str, data: bytes, target: Store) -> bool:
    if name != journey.seal_name:
        return False
    if journey.seal is not None:
        return data == journey.seal
    return parse_listing(data, f"{target.label}/{name}").is_of(journey.identity)


def _was_there(target: Store, journey: Journey) -> Copied:
    """A copy that was complete before, whose files are looked at by size."""
    if journey.seal is None:
        files = parse_listing(read_small(target, layout.ENCRYPTED), target.label).files
    else:
        files = tuple(
            each.plain or replace(each.source, name=each.target) for each in journey.items
        )
    for each in files:
        size = target.size(each.name)
        if size is None:
            raise damaged(f"{target.label}/{each.name}", "is missing")
        require_same(replace(each, size_bytes=size), each, target)
    if target.size(layout.COPYING) is not None:
        target.remove(layout.COPYING)
    return _copied(target, journey, files, 0)


def _copied(target: Store, journey: Journey, files: tuple[FileEntry, ...], sent: int) -> Copied:
    return Copied(
        target=target.label,
        is_encrypted=journey.seal_name == layout.ENCRYPTED,
        files=len(files),
        sent=sent,
        size_bytes=sum(each.size_bytes for each in files),
    )


def _occupied(target: Store, problem: str) -> BackupError:
    return BackupError(
        f"{target.label} {problem}",
        path=target.label,
        code="backup-not-empty",
        hint="name a place where nothing is yet",
    )
