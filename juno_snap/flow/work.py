"""The work on one message in one step: begun, tried as often as it may be, ended."""

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from juno_snap.clock import Clock
from juno_snap.errors import FlowError, JunoSnapError
from juno_snap.events import Notice, Observer, Waiting
from juno_snap.flow.calling import call_step
from juno_snap.flow.config import StepConfig, redact
from juno_snap.flow.context import Context
from juno_snap.flow.emitter import Emitter
from juno_snap.flow.flow import Step
from juno_snap.flow.model import (
    Claim,
    TakenOverError,
    Unit,
    UnitState,
    decode,
    encode_data,
)
from juno_snap.flow.retry import call_with_retries
from juno_snap.flow.store import FlowStore, UnitEnd
from juno_snap.waits import Entropy

AT_ONCE: Final = 100
"""Messages that are read at a time; a step may have any number of them."""

ERROR_CHARACTERS: Final = 2000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all work of a run has in common."""

    store: FlowStore
    claim: Claim
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)
    """By step and name."""
    clock: Clock
    observer: Observer
    entropy: Entropy
    stop_grace_seconds: float
    emitter: Emitter = field(init=False)

    def __post_init__(self) -> None:
        emitter = Emitter(self.store, self.claim, now_ns=self.clock.now_ns, warn=self.warn)
        object.__setattr__(self, "emitter", emitter)

    def redacted(self, text: str) -> str:
        """``text`` without any secret of the flow."""
        hidden = [value for of_step in self.secrets.values() for value in of_step.values()]
        return redact(text, hidden)

    def note(self, text: str) -> None:
        """Tell something that a step says."""
        self.observer(Notice(text=self.redacted(text)))

    def warn(self, text: str) -> None:
        """Tell something that should be known."""
        self.observer(Notice(text=self.redacted(text), warning=True))


@final
class OpenUnits:
    """The messages of a step that are not done, in their order, however many there are."""

    def __init__(self, store: FlowStore, run: str, step: str) -> None:
        self._store = store
        self._run = run
        self._step = step
        self._last = 0
        self._read: deque[Unit] = deque()
        self.taken = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is none left."""
        if not self._read:
            found = self._store.units(
                self._run, self._step, after=self._last, limit=AT_ONCE, is_open=True
            )
            self._read.extend(found)
        return not self._read

    def take(self) -> Unit | None:
        """The next one."""
        if self.is_empty:
            return None
        unit = self._read.popleft()
        self._last = unit.position
        self.taken += 1
        return unit


@final
class UnitWork:
    """One message on its way through one step."""

    def __init__(self, scene: Scene, step: Step, next_step: str, unit: Unit) -> None:
        self._scene = scene
        self._step = step
        self._next_step = next_step
        self._unit = unit

    async def do(self) -> None:
        """Call the step until it has done it.

        Raises:
            FlowError: It failed, or was killed in it, as often as it may.
        """
        scene, step = self._scene, self._step
        try:
            await call_with_retries(
                self._attempt,
                step.attempts,
                has_more=lambda: self._unit.attempts < step.attempts.most,
                before_wait=self._tell_of_wait,
                clock=scene.clock,
                entropy=scene.entropy,
            )
        except asyncio.CancelledError:
            attempts = max(0, self._unit.attempts - 1)  # to be stopped is no failure
            self._end(replace(self._unit, attempts=attempts), "pending")
            raise
        except (FlowError, TakenOverError):
            raise
        except Exception as error:  # noqa: BLE001 - code of others: whatever it raises
            failed, cause = self._failed(self._described(error)), self._shown(error)
        else:
            return
        raise failed from cause

    async def _attempt(self) -> None:
        scene, step = self._scene, self._step
        self._unit = scene.store.begin_unit(scene.claim, self._unit)
        if self._unit.attempts > step.attempts.most:
            earlier = self._unit.attempts - 1
            raise self._failed(f"its process ended {earlier} times while it was at work")
        context = Context(
            flow=scene.claim.flow,
            run=scene.claim.run,
            unit=self._unit,
            next_step=self._next_step,
            emitter=scene.emitter,
            is_async=step.is_async,
            log=scene.note,
        )
        try:
            value = await call_step(
                step, self._arguments(), context, stop_grace_seconds=scene.stop_grace_seconds
            )
            if value is not None:
                context.put_data(value)
        except BaseException:
            context.end()
            with contextlib.suppress(JunoSnapError):  # the first error is the one to tell
                scene.emitter.flush()
            raise
        context.end()
        scene.emitter.end(
            step.id,
            context.outbox,
            lambda writes: scene.store.end_unit(
                scene.claim,
                UnitEnd(unit=self._unit, state="done"),
                writes,
                at_ns=scene.clock.now_ns(),
            ),
        )

    def _arguments(self) -> list[object]:
        """``msg``, ``cfg`` and ``snapshot``, each a copy that the step may change."""
        step = self._step
        values = decode(encode_data(dict(step.cfg)))
        cfg = StepConfig(
            values if isinstance(values, dict) else {}, self._scene.secrets.get(step.id, {})
        )
        return [decode(self._unit.message), cfg, self._scene.emitter.value(step.id)]

    def _end(self, unit: Unit, state: UnitState, error: str | None = None) -> None:
        scene = self._scene
        with contextlib.suppress(TakenOverError):  # who has taken over writes its own
            end = UnitEnd(unit=unit, state=state, error=error)
            scene.store.end_unit(scene.claim, end, at_ns=scene.clock.now_ns())

    def _failed(self, why: str) -> FlowError:
        self._end(self._unit, "failed", why)
        claim = self._scene.claim
        return FlowError(
            f"step {self._step.id!r} of flow {claim.flow!r} failed at message "
            f"{self._unit.item}: {why}",
            flow=claim.flow,
            step=self._step.id,
            run=claim.run,
            hint="its step snapshot is kept; mend what is wrong, then: "
            f"juno-snap flow resume {claim.flow}",
        )

    def _tell_of_wait(self, error: BaseException, seconds: float) -> None:
        scene = self._scene
        scene.warn(f"{self._step.id}: attempt {self._unit.attempts}: {self._described(error)}")
        reason = f"{self._step.id} is tried again"
        scene.observer(Waiting(reason=reason, remaining_seconds=seconds))

    def _described(self, error: BaseException) -> str:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        said = said.encode(errors="backslashreplace").decode()  # the name of a file may be no text
        return self._scene.redacted(said)[:ERROR_CHARACTERS]

    def _shown(self, error: Exception) -> Exception | None:
        """``error``, unless a secret would be seen by whoever looks at it or what is behind it."""
        told = "".join(traceback.format_exception(error))
        return error if self._scene.redacted(told) == told else None
