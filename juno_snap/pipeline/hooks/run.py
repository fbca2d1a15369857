"""Runs the hooks of a point one after another and says what became of each."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Final, final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import ConfigError
from juno_snap.pipeline.hooks.functions import (
    HookFunction,
    call_function,
    describe,
    load_function,
)
from juno_snap.pipeline.hooks.model import (
    VETO_EXIT_CODE,
    VETO_POINTS,
    HookContext,
    HookOutcome,
    HookPoint,
    HookResult,
    HookSpec,
    HookVetoError,
)
from juno_snap.processes import clean_environment, printable, run_command
from juno_snap.units import NS_PER_MS

DETAIL_MAX_CHARS: Final = 1_000


@final
class Hooks:
    """The hooks of an operation, in the order of their configuration."""

    def __init__(self, specs: Iterable[HookSpec] = (), *, clock: Clock | None = None) -> None:
        self._specs = tuple(specs)
        self._clock = clock or system_clock()
        self._functions: dict[str, HookFunction] = {}

    @property
    def specs(self) -> tuple[HookSpec, ...]:
        """All of them, in the order in which they are said."""
        return self._specs

    def at(self, point: HookPoint, *, rehearsal: bool = False) -> tuple[HookSpec, ...]:
        """Those that run at ``point``."""
        return tuple(
            spec
            for spec in self._specs
            if spec.point == point and (spec.for_rehearsal or not rehearsal)
        )

    def check_loadable(self) -> None:
        """Import every function, so that none is found missing with the module down.

        Raises:
            ConfigError: Names the first hook whose function cannot be loaded.
        """
        for spec in self._specs:
            if spec.function:
                self._function(spec)

    async def run(self, point: HookPoint, context: HookContext) -> tuple[HookResult, ...]:
        """Run the hooks of ``point``; raises nothing but a cancellation, which ends them first.

        A ``before-`` point stops at the first that is not done; the others run all. ``context`` is
        told to each with ``point`` as its point.
        """
        told = dataclasses.replace(context, point=point)
        results: list[HookResult] = []
        for spec in self.at(point, rehearsal=context.rehearsal):
            result = await self._run_one(spec, told)
            results.append(result)
            if result.outcome != "done" and point.startswith("before-"):
                break
        return tuple(results)

    async def _run_one(self, spec: HookSpec, context: HookContext) -> HookResult:
        began_ns = self._clock.monotonic_ns()
        run = _run_command if spec.command else self._run_function
        outcome, detail, output = await run(spec, context)
        return HookResult(
            name=spec.name,
            point=spec.point,
            outcome=outcome,
            duration_ms=(self._clock.monotonic_ns() - began_ns) // NS_PER_MS,
            detail=printable(detail)[:DETAIL_MAX_CHARS],
            output=output,
        )

    async def _run_function(
        self, spec: HookSpec, context: HookContext
    ) -> tuple[HookOutcome, str, str]:
        try:
            function = self._function(spec)
        except ConfigError as error:
            return "failed", error.message, ""
        raised = await call_function(function, context, timeout_seconds=spec.limit_seconds)
        match raised:
            case None:
                return "done", "", ""
            case HookVetoError():
                return _refusal(spec), str(raised) or "not now", ""
            case _:
                return "failed", describe(raised), ""

    def _function(self, spec: HookSpec) -> HookFunction:
        if spec.function not in self._functions:
            self._functions[spec.function] = load_function(spec)
        return self._functions[spec.function]


NO_HOOKS: Final = Hooks()


async def _run_command(spec: HookSpec, context: HookContext) -> tuple[HookOutcome, str, str]:
    done = await run_command(
        spec.command,
        stdin=json.dumps(context.to_json()).encode() + b"\n",
        environment=clean_environment(context.to_environment(), passed=spec.pass_variables),
        timeout_seconds=spec.limit_seconds,
    )
    if done.exit_code == 0:
        return "done", "", done.output
    words = done.output.strip().splitlines()
    last = f": {words[-1]}" if words else ""
    if done.exit_code is None:
        return "failed", f"{done.problem}{last}", done.output
    outcome = _refusal(spec) if done.exit_code == VETO_EXIT_CODE else "failed"
    return outcome, f"exit code {done.exit_code}{last}", done.output


def _refusal(spec: HookSpec) -> HookOutcome:
    """What a "not now" is at this point."""
    return "vetoed" if spec.point in VETO_POINTS else "failed"
