"""What a step has in its hands while it runs: ``ctx``."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Final, Literal, final

from juno_snap.errors import InputError, PreconditionError
from juno_snap.flow.emitter import Emitter, Outbox
from juno_snap.flow.model import NewUnit, Unit, encode_data

OUTPUT: Final = ""
"""Stands in place of the next step for the last one: what comes out of the flow."""

Log = Callable[[str], None]


class StopRequestError(BaseException):
    """Ends a plain step whose flow was asked to stop; not to be caught by ``except Exception``."""


@final
class Emitted:
    """An emit: may be awaited in an async step, and may be dropped.

    With ``durable`` it has ended when what was emitted is on disk; without, at once.
    """

    __slots__ = ("_written",)

    def __init__(self, written: Awaitable[None] | None = None) -> None:
        self._written = written

    def __await__(self) -> Generator[object, None, None]:
        if self._written is None:
            yield from asyncio.sleep(0).__await__()  # others have their turn
        else:
            yield from self._written.__await__()


@final
class Context:
    """The way of one call of a step to the outside."""

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        unit: Unit,
        next_step: str,
        emitter: Emitter,
        is_async: bool,
        log: Log,
    ) -> None:
        self.flow: Final = flow
        self.run: Final = run
        self.step: Final = unit.step
        self.item: Final = unit.item
        """The name of the message: ``#1``, or what was said when it was emitted."""
        self.attempt: Final = unit.attempts
        self.outbox: Final = Outbox()
        self._next_step = next_step
        self._emitter = emitter
        self._is_async = is_async
        self._log = log
        self._is_over = False
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """Whether the flow was asked to stop; a plain step that takes long looks now and then."""
        return self._is_stopping

    def emit(
        self,
        kind: Literal["snapshot", "data"],
        value: object,
        *,
        durable: bool = False,
        item: str | None = None,
    ) -> Emitted:
        """Emit ``value`` as this step's snapshot, in place of the old one, or as data.

        Args:
            kind: ``snapshot`` or ``data``.
            value: JSON. It is copied now.
            durable: On disk when this returns (in an async step: when it has been awaited), with
                all data emitted before. Say it before an act that cannot be taken back.
            item: A name for a message, if what it is about has one: it is taken once in a run.

        Raises:
            InputError: The value is no JSON, or there is no such kind.
            PreconditionError: It is too large (the old snapshot stays), the step has ended, or the
                store cannot be written.
        """
        self._check_open()
        match kind:
            case "snapshot":
                self._emitter.emit(self.step, value, self.outbox)
            case "data":
                if durable:
                    raise InputError(
                        "data are on disk with the next snapshot, or when the step ends",
                        value="durable",
                        hint="emit the data first, then a snapshot with durable=True",
                    )
                self.put_data(value, item)
            case _:
                raise InputError(
                    f"there is no kind {kind!r}", value=str(kind), hint="say snapshot or data"
                )
        return self._emitted(durable=durable)

    def update(self, partial: Mapping[str, object], *, durable: bool = False) -> Emitted:
        """Merge ``partial`` into this step's snapshot, name by name; the whole is stored.

        Raises:
            InputError: The snapshot or ``partial`` is no object; else as ``emit``.
        """
        self._check_open()
        self._emitter.update(self.step, partial, self.outbox)
        return self._emitted(durable=durable)

    def put_data(self, value: object, item: str | None = None) -> None:
        """What ``emit`` does with data.

        Raises:
            InputError: The value is no JSON.
            PreconditionError: It is too large.
        """
        unit = NewUnit(message=encode_data(value), item=_checked(item))
        self.outbox.waiting.append((self._next_step, unit))

    def log(self, text: str, *values: object) -> None:
        """Tell whoever watches the run; secrets of ``cfg`` are shown as ``***``."""
        self._log(text % values if values else text)

    def ask_to_stop(self) -> None:
        """Have a plain step end at its next emit; what it emitted so far is written now."""
        self._is_stopping = True
        with contextlib.suppress(Exception):  # the end of the step meets the same trouble
            self._emitter.flush()

    def end(self) -> None:
        """Take nothing more: whoever still emits works outside of a step."""
        self._is_over = True

    def _check_open(self) -> None:
        if not self._is_over:
            return
        if self._is_stopping:
            raise StopRequestError
        raise PreconditionError(
            f"step {self.step!r} has ended; nothing can be emitted outside of a step",
            code="emit-outside-step",
            hint="end threads and tasks before the step's function returns",
        )

    def _emitted(self, *, durable: bool) -> Emitted:
        if self._is_stopping and not self._is_async:
            raise StopRequestError
        if not durable:
            return Emitted()
        try:
            loop = asyncio.get_running_loop() if self._is_async else None
        except RuntimeError:  # a thread of an async step, which can no more await than a plain one
            loop = None
        if loop is None:
            self._emitter.flush()
            return Emitted()
        written = loop.run_in_executor(None, self._emitter.flush)
        written.add_done_callback(_ignore)
        return Emitted(written)


def _checked(item: str | None) -> str | None:
    if item is not None and (not item or item.startswith("#")):
        raise InputError(
            f"{item!r} is no name of an item",
            value=item,
            hint="it is not empty nor begins with #",
        )
    return item


def _ignore(written: "asyncio.Future[None]") -> None:
    """An awaitable that is dropped leaves no warning; the next emit raises what went wrong."""
    if not written.cancelled():
        written.exception()
