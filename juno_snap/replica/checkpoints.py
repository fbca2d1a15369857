"""When the state is written down: at a clean stop, with management calls, and every few seconds.

A management call that changed something is told to nobody before it is on disk. Everything else is
there some seconds later: who kills the replica loses these seconds, calls and outcomes alike.
No round runs while the state is written; queries do, as they change nothing that counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias, final

from juno_snap.clock import Clock
from juno_snap.errors import PreconditionError
from juno_snap.replica.history import History, Request

WRITTEN_AFTER_SECONDS: Final = 8.0
"""How long a change may wait. Two seconds are left for the writing: ten are promised."""

Write: TypeAlias = Callable[[Mapping[str, bytes]], None]
"""Puts the state and what is given on disk, both or neither."""


@final
class Checkpoints:
    """Writes the state and the request history. All methods belong to the event loop.

    Once a checkpoint has failed, there is no further one: ``failed`` is set and the replica has to
    end, because what it did since then would be lost.
    """

    def __init__(self, write: Write, *, clock: Clock) -> None:
        self.failed = asyncio.Event()
        self._write = write
        self._clock = clock
        self._changed = asyncio.Event()
        self._failure: PreconditionError | None = None

    def note_change(self) -> None:
        """Something has changed: it will be written before long."""
        self._changed.set()

    async def save(self, history: History, ending: Iterable[Request] = ()) -> None:
        """Write everything; it is on disk on return. No round may run meanwhile.

        ``ending`` have ended in the state that is written, though nobody knows yet.

        Raises:
            PreconditionError: The disk is full or broken, now or at an earlier checkpoint.
        """
        if self._failure is not None:
            raise self._failure
        self._changed.clear()
        attachments = history.to_attachments(ending)
        try:
            await asyncio.to_thread(self._write, attachments)
        except OSError as error:
            self._failure = PreconditionError(
                f"the replica's state cannot be written: {error}",
                code="replica-state-unwritable",
                hint="make room on the disk; the next start continues from the last checkpoint",
            )
            self.failed.set()
            raise self._failure from error

    async def keep_up(self, save: Callable[[], Awaitable[None]]) -> None:
        """Call ``save`` some time after each change, until it fails."""
        while not self.failed.is_set():
            await self._changed.wait()
            await self._clock.sleep(WRITTEN_AFTER_SECONDS)
            if self._changed.is_set():
                await save()
