"""What storage knows of a memory: the digests of its pieces, for as long as they hold.

A memory forgets the digest of a piece when it writes there; a copy begins with all that the
original knew. So a checkpoint looks only at what changed since the one before.
"""

from typing import Final, final

from juno_snap.units import MIB

PIECE_BYTES: Final = MIB
"""Memories are stored in pieces of this size, on multiples of it."""


Piece = tuple[int, bytes]
"""Offset in bytes, a multiple of the size of a piece, and the SHA-256 of the piece."""


@final
class KnownPieces:
    """SHA-256 by the offset of the piece; empty for a piece of zeros. Not for two threads."""

    __slots__ = ("_digests", "all")

    def __init__(self) -> None:
        self._digests: dict[int, bytes] = {}
        self.all: list[Piece] | None = None
        """Every piece that is not zero, in order, while nothing is written."""

    def copy(self) -> "KnownPieces":
        """The same knowledge, for another memory with the same content."""
        twin = KnownPieces()
        twin._digests = dict(self._digests)
        twin.all = self.all
        return twin

    def find(self, offset: int) -> bytes | None:
        """The digest of the piece at ``offset``, if it is known."""
        return self._digests.get(offset)

    def keep(self, offset: int, digest: bytes) -> None:
        """Remember the digest of the piece at ``offset`` as it is now."""
        self._digests[offset] = digest

    def forget(self, offset: int, size_bytes: int) -> None:
        """Forget the pieces of which some of these bytes are part."""
        self.all = None
        first = offset - offset % PIECE_BYTES
        for start in range(first, offset + size_bytes, PIECE_BYTES):
            self._digests.pop(start, None)
