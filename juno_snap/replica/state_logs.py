"""The log of a canister: what it printed and why it trapped, the newest 4 KiB."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LOG_MEMORY_LIMIT_DEFAULT_BYTES: Final = 4096
LOG_MEMORY_LIMIT_MIN_BYTES: Final = 4096
LOG_MEMORY_LIMIT_MAX_BYTES: Final = 2_097_152
"""Zero turns the log off; any other limit lies between these. Source: dfinity/ic,
``canister_log.rs``; the default is also the interface specification's.
"""

RECORD_OVERHEAD_BYTES: Final = 16
"""Counted for a record beside its content: its index and its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line. ``idx`` counts from 0 over the whole life of the log."""

    idx: int
    at_ns: int
    content: bytes

    @property
    def size_bytes(self) -> int:
        """Its part of the log's limit."""
        return RECORD_OVERHEAD_BYTES + len(self.content)


@dataclass(slots=True, kw_only=True)
class Logs:
    """Records, oldest first; the oldest are dropped where the limit is passed."""

    records: deque[LogRecord] = field(default_factory=deque)
    next_idx: int = 0

    def add(self, contents: Iterable[bytes], *, at_ns: int, limit_bytes: int) -> None:
        """Append records; one that is larger than the whole log is cut to fit."""
        if limit_bytes == 0:
            return
        for content in contents:
            kept = content[: limit_bytes - RECORD_OVERHEAD_BYTES]
            self.records.append(LogRecord(idx=self.next_idx, at_ns=at_ns, content=kept))
            self.next_idx += 1
        self.shrink(limit_bytes)

    def shrink(self, limit_bytes: int) -> None:
        """Drop the oldest records until the rest fits."""
        size = self.size_bytes
        while size > limit_bytes:
            size -= self.records.popleft().size_bytes

    def clear(self) -> None:
        """Forget all records; the index goes on."""
        self.records.clear()

    @property
    def size_bytes(self) -> int:
        """All that counts against the limit."""
        contents = sum(len(record.content) for record in self.records)
        return len(self.records) * RECORD_OVERHEAD_BYTES + contents
