"""What a copy has to carry: which files, under which names, as what."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import final

from juno_snap.backup import layout
from juno_snap.backup.copies.age import Transform, decrypting, encrypting
from juno_snap.backup.copies.listing import (
    SUFFIX,
    Listing,
    digest_of_recipients,
    parse_listing,
)
from juno_snap.backup.copies.stores import Incoming, Outgoing, Store, read_small, require_same
from juno_snap.backup.layout import FileEntry, Manifest
from juno_snap.backup.places import damaged, require_directory
from juno_snap.errors import BackupError, InputError


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file on its way."""

    source: FileEntry
    """As it lies at the source."""
    target: str
    """Its name at the target."""
    plain: FileEntry | None = None
    """What has to come of it; None: nothing that is known before."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What is to be done, in order."""

    items: tuple[Item, ...]
    identity: Listing
    """Which backup, for whom; without files."""
    seal_name: str
    seal: bytes | None
    """None: the list of what has arrived."""
    transform: Transform

    @property
    def total_bytes(self) -> int:
        """What has to be read."""
        return sum(each.source.size_bytes for each in self.items)


def plan_journey(source: Store, recipients: tuple[str, ...], identity_file: Path | None) -> Journey:
    """What there is to carry; read from what describes the source, and nothing else.

    Raises:
        NotFoundError: There is no such directory, or no such file of keys.
        InputError: A key is none, or does not fit what is there.
        BackupError: There is no backup that can be copied, or no key for it.
    """
    if source.folder is not None:
        require_directory(source.folder)
    if source.size(layout.MANIFEST) is not None:
        if identity_file is not None:
            raise InputError(
                f"{source.label} is not encrypted",
                code="not-encrypted",
                hint="leave --identity-file out",
            )
        return _from_plain(source, recipients)
    if source.size(layout.ENCRYPTED) is not None:
        if recipients:
            raise InputError(
                f"{source.label} is encrypted already",
                code="encrypted-already",
                hint="leave the recipients out, or decrypt it to a directory first",
            )
        return _from_encrypted(source, identity_file)
    raise _no_backup(source)


def _from_plain(source: Store, recipients: tuple[str, ...]) -> Journey:
    data = read_small(source, layout.MANIFEST)
    manifest = layout.parse_manifest(data, f"{source.label}/{layout.MANIFEST}")
    if recipients:
        files = (*_in_order(manifest), _entry(layout.MANIFEST, data))
        return Journey(
            items=tuple(Item(source=each, target=f"{each.name}{SUFFIX}") for each in files),
            identity=_identity(data, recipients),
            seal_name=layout.ENCRYPTED,
            seal=None,
            transform=encrypting(recipients),
        )
    return Journey(
        items=tuple(Item(source=each, target=each.name) for each in _in_order(manifest)),
        identity=_identity(data),
        seal_name=layout.MANIFEST,
        seal=data,
        transform=_as_it_is,
    )


def _from_encrypted(source: Store, identity_file: Path | None) -> Journey:
    data = read_small(source, layout.ENCRYPTED)
    place = f"{source.label}/{layout.ENCRYPTED}"
    files = parse_listing(data, place).files
    if identity_file is None:
        return Journey(
            items=tuple(Item(source=each, target=each.name) for each in files),
            identity=_identity(data),
            seal_name=layout.ENCRYPTED,
            seal=data,
            transform=_as_it_is,
        )
    decrypt = decrypting(identity_file)
    there = {each.name: each for each in files}
    sealed = there.get(f"{layout.MANIFEST}{SUFFIX}")
    if sealed is None:
        raise damaged(place, "contradicts itself: it lists no manifest")
    plain = _decrypted(source, sealed, decrypt)
    manifest = layout.parse_manifest(plain, f"{source.label}/{sealed.name}")
    wanted = [layout.MANIFEST, *(each.name for each in manifest.files)]
    if sorted(there) != sorted(f"{name}{SUFFIX}" for name in wanted):
        raise damaged(place, "contradicts the manifest: it lists other files")
    return Journey(
        items=tuple(
            Item(source=there[f"{each.name}{SUFFIX}"], target=each.name, plain=each)
            for each in _in_order(manifest)
        ),
        identity=_identity(plain),
        seal_name=layout.MANIFEST,
        seal=plain,
        transform=decrypt,
    )


def _decrypted(source: Store, entry: FileEntry, decrypt: Transform) -> bytes:
    """A small encrypted file, in memory."""
    data, whole = read_small(source, entry.name), io.BytesIO()
    require_same(_entry(entry.name, data), entry, source)
    outgoing = Outgoing(whole)
    decrypt(Incoming(io.BytesIO(data), lambda _: None), outgoing, f"{source.label}/{entry.name}")
    outgoing.flush()
    return whole.getvalue()


def _as_it_is(incoming: Incoming, outgoing: Outgoing, _place: str) -> None:
    while data := incoming.read():
        outgoing.write(data)


def _in_order(manifest: Manifest) -> list[FileEntry]:
    """What other tools and ours take for the mark of a backup comes after its data."""
    late = (layout.METADATA, layout.BEGUN)
    return sorted(manifest.files, key=lambda each: each.name in late)


def _identity(data: bytes, recipients: tuple[str, ...] = ()) -> Listing:
    return Listing(
        backup_sha256=hashlib.sha256(data).digest(),
        recipients_sha256=digest_of_recipients(recipients) if recipients else None,
        files=(),
    )


def _entry(name: str, data: bytes) -> FileEntry:
    return FileEntry(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).digest())


def _no_backup(source: Store) -> BackupError:
    if source.size(layout.COPYING) is not None or source.size(layout.BEGUN) is not None:
        return BackupError(
            f"{source.label} is unfinished",
            path=source.label,
            code="backup-unfinished",
            hint="run the command that began it again",
        )
    if source.size(layout.METADATA) is not None:
        return BackupError(
            f"{source.label} has no {layout.MANIFEST}: another tool made it, or it is lost",
            path=source.label,
            code="backup-format",
            hint="only backups that this program made have a digest for every file",
        )
    return BackupError(
        f"{source.label} is no backup: it has no {layout.MANIFEST}",
        path=source.label,
        code="not-a-backup",
        hint="name the place of one backup",
    )
