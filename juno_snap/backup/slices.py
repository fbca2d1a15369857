"""Which slices of a part have arrived: on disk, believed only after they were read again.

A line of the log is ``<part> <offset> <CRC-32 in hex>``. It follows the slice and is not synced:
the slice itself is looked at when somebody goes on, so that a line which survived its slice does no
harm, nor a slice which survived its line.
"""

import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, final

from juno_snap.backup.layout import SLICE_BYTES, Slice, slices_of
from juno_snap.backup.model import PARTS, Part
from juno_snap.backup.places import damaged, unwanted, writing

LINE: Final = re.compile(rb"(wasm_module|wasm_memory|stable_memory) (\d{1,20}) ([0-9a-f]{8})")


def log_line(part: Part, offset: int, crc: int) -> bytes:
    """What is written once a slice has been."""
    return f"{part} {offset} {crc:08x}\n".encode()


def logged(data: bytes) -> Mapping[Part, Mapping[int, int]]:
    """What a log claims: the CRC-32 of the slice at each offset. A later line counts.

    Lines that a crash cut or a disk spoilt are no claims.
    """
    claims: dict[Part, dict[int, int]] = {part: {} for part in PARTS}
    for line in data.split(b"\n"):
        match = LINE.fullmatch(line)
        if match:
            part = next(each for each in PARTS if each.encode() == match[1])
            claims[part][int(match[2])] = int(match[3], 16)
    return claims


@final
class PartFile:
    """The file of a part while it fills up, in any order.

    Its SHA-256 grows with it: a slice that comes in turn is hashed as it came, another one is read
    again when its turn has come.
    """

    def __init__(self, place: Path, part: Part, size_bytes: int) -> None:
        """Opens the file, and makes it where it is not there.

        Raises:
            BackupError: It cannot be written.
        """
        self.place = place
        self.part = part
        self.size_bytes = size_bytes
        self.done_bytes = 0
        self._arrived: dict[int, int] = {}
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with writing(place):
            self._descriptor = os.open(place, flags, 0o600)

    def close(self) -> None:
        """Let go of the file; nothing is synced."""
        os.close(self._descriptor)

    def missing(self) -> Iterator[Slice]:
        """What has not arrived, in order."""
        for each in slices_of(self.part, self.size_bytes):
            if each.offset not in self._arrived:
                yield each

    def believe(self, claims: Mapping[int, int]) -> None:
        """Take over the slices that are there as ``claims`` have it: offset and CRC-32."""
        for offset in sorted(claims):
            each = self._slice_at(offset)
            if each is not None:
                data = self._read(each)
                if len(data) == each.size and zlib.crc32(data) == claims[offset]:
                    self._note(each, data, claims[offset])

    def write(self, offset: int, data: bytes) -> int | None:
        """Put a slice at its place; its CRC-32, or None where it was there before.

        Raises:
            BackupError: It is not a slice of this part, or it cannot be written.
        """
        wanted = self._slice_at(offset)
        if wanted is None or wanted.size != len(data):
            raise unwanted(self.place, f"has no slice of {len(data)} bytes at byte {offset}")
        if offset in self._arrived:
            return None
        view = memoryview(data)
        written = 0
        with writing(self.place):
            while written < len(data):
                written += os.pwrite(self._descriptor, view[written:], offset + written)
        crc = zlib.crc32(data)
        self._note(wanted, data, crc)
        return crc

    def finish(self) -> bytes:
        """Everything has arrived: put it on disk; its SHA-256.

        Raises:
            BackupError: It cannot be written, or has another size than what was written.
        """
        with writing(self.place):
            os.fsync(self._descriptor)
            size = os.fstat(self._descriptor).st_size
        if size != self.size_bytes:
            raise damaged(self.place, f"has {size} bytes in place of {self.size_bytes}")
        return self._hash.digest()

    def _note(self, each: Slice, data: bytes, crc: int) -> None:
        self._arrived[each.offset] = crc
        self.done_bytes += each.size
        if each.offset != self._hashed_bytes:
            return
        self._hash.update(data)
        self._hashed_bytes += each.size
        while self._hashed_bytes in self._arrived:
            following = self._slice_at(self._hashed_bytes)
            if following is None or not self._hash_again(following):
                return

    def _hash_again(self, each: Slice) -> bool:
        """Hash a slice that came before its turn; one that is gone meanwhile has not arrived."""
        data = self._read(each)
        if zlib.crc32(data) != self._arrived[each.offset]:
            del self._arrived[each.offset]
            self.done_bytes -= each.size
            return False
        self._hash.update(data)
        self._hashed_bytes += each.size
        return True

    def _slice_at(self, offset: int) -> Slice | None:
        if offset < 0 or offset % SLICE_BYTES or offset >= self.size_bytes:
            return None
        return Slice(self.part, offset, min(SLICE_BYTES, self.size_bytes - offset))

    def _read(self, each: Slice) -> bytes:
        with writing(self.place):
            return os.pread(self._descriptor, each.size, each.offset)
