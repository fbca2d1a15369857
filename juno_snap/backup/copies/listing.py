"""Which files have arrived at a place, and of which backup they are."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from juno_snap.backup import layout
from juno_snap.backup.layout import Digest, FileEntry
from juno_snap.backup.places import damaged

SUFFIX: Final = ".age"

PLAIN_NAME: Final = (
    r"(wasm_module|wasm_memory|stable_memory)\.bin"
    r"|wasm_chunk_store/[0-9a-f]{64}\.bin|metadata\.json|juno-snap(\.begun)?\.json"
)
"""Every file of a backup; none of them leads out of its directory."""

Name = Annotated[str, Field(pattern=rf"^({PLAIN_NAME})(\.age)?$")]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files at a place, as they lie there."""

    backup_sha256: bytes
    """Of the manifest that the source has; for a copy of an encrypted one, of its list."""
    recipients_sha256: bytes | None
    """Of those who can read it; None: as it was."""
    files: tuple[FileEntry, ...]

    def is_of(self, other: "Listing") -> bool:
        """Whether both are of the same backup, for the same people."""
        mine = (self.backup_sha256, self.recipients_sha256)
        return mine == (other.backup_sha256, other.recipients_sha256)


def digest_of_recipients(recipients: tuple[str, ...]) -> bytes:
    """One digest for the same people, however often and in whichever order they are named."""
    return hashlib.sha256("\n".join(sorted(set(recipients))).encode()).digest()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Name
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Digest


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["juno-snap copy"]
    version: Literal[1]
    backup_sha256: Digest
    recipients_sha256: Digest | None
    files: list[_File]
    checksum: Digest


def render_listing(listing: Listing) -> bytes:
    """The list as a file."""
    recipients = listing.recipients_sha256
    return layout.sealed(
        {
            "format": "juno-snap copy",
            "version": layout.VERSION,
            "backup_sha256": listing.backup_sha256.hex(),
            "recipients_sha256": None if recipients is None else recipients.hex(),
            "files": [
                {"name": each.name, "size_bytes": each.size_bytes, "sha256": each.sha256.hex()}
                for each in listing.files
            ],
        }
    )


def parse_listing(data: bytes, place: str) -> Listing:
    """What ``render_listing`` wrote; no name in it leads out of the directory.

    Raises:
        BackupError: It is damaged, of a newer format, or names what no backup has.
    """
    layout.check_seal(data, place)
    try:
        parsed = _Listing.model_validate_json(data)
    except ValidationError as error:
        raise damaged(place, "is malformed: it is no list of the files of a backup") from error
    names = [each.name for each in parsed.files]
    if len(set(names)) != len(names):
        raise damaged(place, "contradicts itself: it lists a file twice")
    recipients = parsed.recipients_sha256
    return Listing(
        backup_sha256=bytes.fromhex(parsed.backup_sha256),
        recipients_sha256=None if recipients is None else bytes.fromhex(recipients),
        files=tuple(
            FileEntry(name=each.name, size_bytes=each.size_bytes, sha256=bytes.fromhex(each.sha256))
            for each in parsed.files
        ),
    )
