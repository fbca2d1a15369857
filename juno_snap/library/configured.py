"""What the configuration says about operations, as the pipeline's own values.

Whatever only the pipeline can judge is judged here, so that a mistake in it is the configuration's:
the error names the file and the key.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from juno_snap.errors import ConfigError, InputError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.juno.roles import Role
from juno_snap.pipeline.checks.model import TIMEOUT_SECONDS, CheckSpec
from juno_snap.pipeline.checks.parse import command_check, parse_check, version_check
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.hooks.model import HOOK_POINTS, HookPoint, HookSpec, check_hook
from juno_snap.settings.model import CheckSettings, HookSettings, ModuleSettings, Settings

PRICES: Final = frozenset(each.name for each in dataclasses.fields(CostProfile))


def checks_for(settings: Settings, module: Principal) -> tuple[CheckSpec, ...]:
    """The checks of every entry about ``module``, each once.

    Raises:
        ConfigError: One does not parse.
    """
    specs = (_check(settings, entry, check) for entry, check in _checks(settings, module))
    return tuple(dict.fromkeys(specs))


def role_of(settings: Settings, module: Principal) -> Role | None:
    """The role of ``module``, where an entry says one."""
    return next((entry.role for entry in _entries(settings, module) if entry.role), None)


def protected_for(settings: Settings, module: Principal) -> frozenset[SnapshotId]:
    """The snapshots of ``module`` that are never given up."""
    ids = (entry.protected_snapshots for entry in _entries(settings, module))
    return frozenset().union(*ids)


def hooks_for(settings: Settings, module: Principal, name: str | None) -> tuple[HookSpec, ...]:
    """The hooks for ``module``, in the order in which they are said.

    ``name`` is what the module is called, if not by the configuration.

    Raises:
        ConfigError: One could never run.
    """
    names = {str(module), name, *(entry.name for entry in _entries(settings, module))}
    return tuple(
        _hook(settings, hook)
        for hook in settings.hooks
        if hook.modules is None or not names.isdisjoint(hook.modules)
    )


def costs_of(settings: Settings, network: str) -> CostProfile:
    """What the network of that name charges.

    Raises:
        ConfigError: A price that nothing reckons with.
    """
    said = settings.costs.get(network, {})
    for name in said:
        if name not in PRICES:
            similar = difflib.get_close_matches(name, sorted(PRICES), n=1)
            raise _mistake(
                settings,
                f"network.{network}.costs.{name}",
                "there is no such price",
                hint=f"did you mean {similar[0]}?" if similar else f"there are {_listed(PRICES)}",
            )
    return dataclasses.replace(DEFAULT_COSTS, **said)


def check_operations(settings: Settings) -> None:
    """Accept all that is said about operations.

    Raises:
        ConfigError: Something in it can never work.
    """
    for problem in operation_problems(settings):
        raise problem


def operation_problems(settings: Settings) -> Iterator[ConfigError]:
    """Whatever is said about operations and can never work."""
    judgements: list[Callable[[], object]] = [
        *(partial(checks_for, settings, each.canister) for each in settings.modules.values()),
        *(partial(_hook, settings, hook) for hook in settings.hooks),
        *(partial(costs_of, settings, network) for network in settings.costs),
    ]
    for judge in judgements:
        try:
            judge()
        except ConfigError as error:
            yield error


def programs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every program that hooks and checks run, with the key that says so."""
    for hook in settings.hooks:
        if hook.command:
            yield f"hooks.{hook.name}", hook.command[0]
    for entry in settings.modules.values():
        for check in entry.checks:
            if check.command:
                yield f"modules.{entry.name}.checks", check.command[0]


def _entries(settings: Settings, module: Principal) -> list[ModuleSettings]:
    return [entry for entry in settings.modules.values() if entry.canister == module]


def _checks(
    settings: Settings, module: Principal
) -> Iterator[tuple[ModuleSettings, CheckSettings]]:
    for entry in _entries(settings, module):
        for check in entry.checks:
            yield entry, check


def _check(settings: Settings, entry: ModuleSettings, check: CheckSettings) -> CheckSpec:
    seconds = check.timeout_seconds or TIMEOUT_SECONDS
    try:
        if check.command is not None:
            return command_check(check.command, timeout_seconds=seconds)
        if check.version is not None:
            return version_check(check.version, timeout_seconds=seconds)
        return dataclasses.replace(parse_check(check.call or ""), timeout_seconds=seconds)
    except InputError as error:
        key = f"modules.{entry.name}.checks"
        raise _mistake(settings, key, error.message, hint=error.hint) from error


def _hook(settings: Settings, hook: HookSettings) -> HookSpec:
    key = f"hooks.{hook.name}"
    spec = HookSpec(
        name=hook.name,
        point=_point(settings, hook),
        command=hook.command or (),
        function=hook.function or "",
        timeout_seconds=hook.timeout_seconds,
        pass_variables=hook.pass_variables,
        for_rehearsal=hook.for_rehearsal,
    )
    try:
        check_hook(spec)
    except ConfigError as error:
        origin = settings.origin_of(f"{key}.point")
        message = f"{origin}: {error.message}"
        raise ConfigError(message, source=origin, key=key, hint=error.hint) from error
    return spec


def _point(settings: Settings, hook: HookSettings) -> HookPoint:
    for point in HOOK_POINTS:
        if hook.point == point:
            return point
    key = f"hooks.{hook.name}.point"
    hint = f"the points are {', '.join(HOOK_POINTS)}"
    raise _mistake(settings, key, f"there is no point {hook.point!r}", hint=hint)


def _mistake(settings: Settings, key: str, problem: str, *, hint: str) -> ConfigError:
    origin = settings.origin_of(key)
    return ConfigError(f"{origin}: {key}: {problem}", source=origin, key=key, hint=hint)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
