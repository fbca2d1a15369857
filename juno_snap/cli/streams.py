"""Standard streams that cannot hold up or end an operation.

A module may be stopped while something is written. So text for standard error that nobody takes is
dropped: a closed pipe, a terminal that is gone or paused with Ctrl-S, a full disk. Standard output
carries the result, once, at the end; there a failure to write is told.
"""

import contextlib
import io
import os
import select
import sys
from typing import Final, final

from typing_extensions import Buffer, override

PATIENCE_MS: Final = 1000
"""How long text waits for a reader that is there and takes nothing."""

PIECE_BYTES: Final = 512
"""What can be written without blocking where ``poll`` says so. Source: POSIX, "pathconf": the
least that PIPE_BUF may be."""

NOTHING: Final = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
"""How descriptors are opened that were closed: a result that is lost must be noticed."""


def secure_streams() -> None:
    """Make all three streams usable, whatever this process was started with.

    A descriptor that is closed is opened on nothing, so that no file takes its place and gets what
    is meant for people. A letter that the encoding of a stream does not have is written as its
    number, so that the name of a file does not cost the result.
    """
    for descriptor, mode in NOTHING.items():
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # it gets the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    sys.stderr = io.TextIOWrapper(
        Tolerant(2), encoding=encoding, errors="backslashreplace", write_through=True
    )


def discard_output() -> None:
    """Let what standard output still holds go nowhere, so that leaving does not stumble over it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@final
class Tolerant(io.RawIOBase):
    """Writes to a descriptor as long as somebody takes it, for a second at most."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._patience_ms = PATIENCE_MS

    @override
    def write(self, data: Buffer, /) -> int:
        """Write ``data`` or drop the rest of it; all of it counts as written."""
        view = memoryview(data).cast("B")
        for begin in range(0, len(view), PIECE_BYTES):
            if not self._write(view[begin : begin + PIECE_BYTES]):
                break
        return len(view)

    @override
    def writable(self) -> bool:
        return True

    @override
    def fileno(self) -> int:
        return self._descriptor

    @override
    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def _write(self, piece: memoryview) -> bool:
        try:
            while piece:
                if not self._is_taken():
                    return False
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError:
            return False
        return True

    def _is_taken(self) -> bool:
        """Whether a write would not block; who does not read is waited for only once."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        ready = bool(poll.poll(self._patience_ms))
        self._patience_ms = PATIENCE_MS if ready else 0
        return ready
