"""What a flow is: steps with ids that stay, in the order in which data go through them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar, final

from juno_snap.errors import InputError
from juno_snap.flow.model import check_name, encode_data

StepFunction: TypeAlias = Callable[..., Any]
Function = TypeVar("Function", bound=StepFunction)

PLAIN_ARGUMENTS: Final = 3
"""``msg``, ``cfg``, ``snapshot``; the context is the fourth, for who wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often a step is tried for one message, and how long is waited in between."""

    most: int = 3
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A component in its place in a flow."""

    id: str
    """Names its step snapshot: a step that is renamed is another one."""
    function: StepFunction = field(repr=False)
    takes_context: bool
    cfg: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Names in ``cfg``, each with the environment variable that holds its value."""
    attempts: Attempts = Attempts()
    concurrency: int = 1
    """How many messages at once; they share the step snapshot."""

    @property
    def is_async(self) -> bool:
        """Whether its function is awaited; a plain one has a thread of its own."""
        return is_async(self.function)


@final
class Flow:
    """A flow under a name of its own.

    ```python
    flow = Flow("orders")


    @flow.step("count")
    def count(msg, cfg, snapshot, ctx):
        ctx.emit("snapshot", {"iteration": snapshot.get("iteration", 0) + 1})
    ```

    The first step gets the message of the run, each other one what the step before has emitted as
    data, a call for each. ``snapshot`` is what the step emitted last as its snapshot, in whichever
    run: at first an empty object. What a function returns is emitted as data, unless it is None.
    """

    def __init__(self, name: str) -> None:
        self.name = check_name("flow", name)
        self._steps: dict[str, Step] = {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """In the order in which they were declared."""
        return tuple(self._steps.values())

    def step(
        self,
        step_id: str,
        *,
        cfg: Mapping[str, object] | None = None,
        secrets: Mapping[str, str] | None = None,
        attempts: Attempts | None = None,
        concurrency: int = 1,
    ) -> Callable[[Function], Function]:
        """Makes a function the next step; it stays what it is.

        Args:
            step_id: Its name in this flow, for good.
            cfg: What the function gets as ``cfg``: JSON.
            secrets: Further names of ``cfg``, each with the environment variable that holds the
                value; shown as ``***``.
            attempts: How often it is tried.
            concurrency: How many messages at once.

        Raises:
            InputError: The id is taken or no name, ``cfg`` is no JSON, or the function takes other
                arguments than ``(msg, cfg, snapshot)`` and ``ctx``.
        """

        def declare(function: Function) -> Function:
            self.add(
                Step(
                    id=step_id,
                    function=function,
                    takes_context=takes_context(step_id, function),
                    cfg=cfg or {},
                    secrets=secrets or {},
                    attempts=attempts or Attempts(),
                    concurrency=concurrency,
                )
            )
            return function

        return declare

    def add(self, step: Step) -> None:
        """Add a step to the end.

        Raises:
            InputError: Its id is taken or no name, or its ``cfg`` is no JSON.
        """
        check_name("step", step.id)
        if step.id in self._steps:
            raise InputError(
                f"flow {self.name!r} has a step {step.id!r} already",
                value=step.id,
                hint="each step has an id of its own, which its step snapshot is kept under",
            )
        if step.attempts.most < 1 or step.concurrency < 1:
            raise InputError(f"attempts and concurrency of step {step.id!r} are at least 1")
        encode_data(dict(step.cfg))
        self._steps[step.id] = step


def is_async(function: StepFunction) -> bool:
    """Whether ``function``, or calling the object that it is, has to be awaited."""
    called = type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def takes_context(step: str, function: StepFunction) -> bool:
    """Whether ``function`` takes a fourth argument.

    Raises:
        InputError: It cannot be called with three, nor with four.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:  # some that are written in C do not say
        raise InputError(
            f"the function of step {step!r} does not say what it takes",
            value=step,
            hint="write one around it that takes msg, cfg and snapshot",
        ) from error
    for takes_context in (True, False):
        try:
            signature.bind(*[None] * (PLAIN_ARGUMENTS + takes_context))
        except TypeError:
            continue
        return takes_context
    raise InputError(
        f"the function of step {step!r} takes {signature}",
        value=step,
        hint="a step is a function of msg, cfg, snapshot and, if it wants, ctx",
    )
