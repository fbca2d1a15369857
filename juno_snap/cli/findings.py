"""All that is wrong with a configuration, at once; ``config`` and ``doctor`` tell of it.

A source that is wrong is passed over, so that the others can be looked at. Nothing is changed, no
network is asked, and code is run only for a target that is named.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from juno_snap.cli import identities
from juno_snap.cli.options import SHORT_TARGETS, ModuleOptions, Target
from juno_snap.cli.project import Project
from juno_snap.cli.session import Session
from juno_snap.cli.targets import choose_module, configured_target
from juno_snap.errors import ConfigError, JunoSnapError
from juno_snap.files import is_readable_by_others
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.config import JunoConfig, id_of, is_code, problems_of
from juno_snap.juno.credentials.store import store_file
from juno_snap.library.address import pinned_key
from juno_snap.library.configured import operation_problems, programs
from juno_snap.settings.identities import key_file_of
from juno_snap.settings.model import Role, Settings, Value
from juno_snap.settings.names import names_of_all_networks
from juno_snap.settings.networks import LOCAL, Network, choose_network
from juno_snap.settings.schema import looks_like_principal
from juno_snap.settings.sources import separate, unknown_variables

PLACED: Final = frozenset({"no-target"})
"""What is no mistake as long as nobody asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the sound sources say, and what is wrong with the others."""

    settings: Settings
    files: tuple[Path, ...]
    """Those that were read."""
    not_run: Path | None
    """A ``juno.config`` that is code and was let be."""
    values: tuple[Value, ...]
    """Every value with its origin, those of ``juno.config`` under ``juno.``, and what the targets
    come to in the mode that is set, under ``target.``."""
    problems: tuple[JunoSnapError, ...]
    """Each with what to do."""
    warnings: tuple[str, ...]


async def look(session: Session, role: Target | None) -> Findings:
    """Look at every source; for ``role`` also at where it is, which may run the project's code."""
    examined = session.examine_settings()
    settings = examined.settings
    problems: list[JunoSnapError] = []
    for problem in examined.problems:
        problems += separate(problem) if isinstance(problem, ConfigError) else (problem,)
    problems += _network_and_identity(session, settings)
    problems += operation_problems(settings)
    project = Project(Path.cwd(), settings.mode)
    config, wrong, chosen = await _project(session, project, settings, role)
    problems += wrong
    values = (*settings.values, *_values(settings, config))
    if chosen and f"target.{chosen.role}" not in {each.key for each in values}:
        login = str(store_file(identities.login_of(settings)))
        values += (Value(key=f"target.{chosen.role}", value=str(chosen.id), origin=login),)
    files = (*settings.files, *((config.file,) if config else ()))
    return Findings(
        settings=settings,
        files=files,
        not_run=None if config or wrong else _code_of(project),
        values=values,
        problems=tuple(_each_once(problems)),
        warnings=(*_warnings(settings), *_warnings_of_project(project, settings, config)),
    )


def refuse(found: Findings) -> None:
    """Accept a configuration without problems.

    Raises:
        JunoSnapError: The only problem.
        ConfigError: There are several.
    """
    match found.problems:
        case ():
            return
        case (problem,):
            raise problem
        case problems:
            first = problems[0]
            raise ConfigError(
                f"{len(problems)} things are wrong: {'; '.join(each.message for each in problems)}",
                source=str(first.fields.get("source", "")),
                key=str(first.fields.get("key", "")),
                code="config-problems",
                hint="the result lists each with its cure",
            )


def _each_once(problems: Iterable[JunoSnapError]) -> list[JunoSnapError]:
    """By message: a placeholder may be found as a value and as a target."""
    return list({each.message: each for each in problems}.values())


def _network_and_identity(session: Session, settings: Settings) -> Iterator[JunoSnapError]:
    network: Network | None = None

    def choose() -> None:
        nonlocal network
        if settings.default_network not in {None, LOCAL}:
            network = choose_network(settings, session.find_local)

    def check_identity() -> None:
        if settings.default_identity:
            identities.choose(settings, network)

    judgements: list[Callable[[], object]] = [
        *(
            partial(pinned_key, Network(name=each.name, url=each.url, root_key=each.root_key))
            for each in settings.networks.values()
        ),
        choose,
        check_identity,
        *(partial(configured_target, settings, role) for role in SHORT_TARGETS.values()),
    ]
    for judge in judgements:
        try:
            judge()
        except JunoSnapError as error:
            yield error


async def _project(
    session: Session, project: Project, settings: Settings, role: Target | None
) -> tuple[JunoConfig | None, list[JunoSnapError], ModuleChoice | None]:
    """What ``juno.config`` says as far as it can be read, what is wrong, and who ``role`` is."""
    problems: list[JunoSnapError] = []
    config: JunoConfig | None = None
    chosen: ModuleChoice | None = None
    try:
        config = project.known_config()
        if role is not None:
            config = await project.config()
            options = ModuleOptions(target=role)
            output = session.output
            chosen = await choose_module(settings, {}, options, project=project, output=output)
    except JunoSnapError as error:
        problems.append(error)
    if config is not None:
        for target in config.ids:
            try:
                id_of(config, target, settings.mode)
            except ConfigError as error:
                if error.code not in PLACED:
                    problems.append(error)
    return config, problems, chosen


def _code_of(project: Project) -> Path | None:
    try:
        return next((file for file in project.files[:1] if is_code(file)), None)
    except ConfigError:
        return None


def _values(settings: Settings, config: JunoConfig | None) -> Iterator[Value]:
    if config is not None:
        for entries in config.ids.values():
            for said in entries:
                yield Value(key=f"juno.{said.key}", value=said.text, origin=str(config.file))
        if config.emulator_port is not None:
            key = f"juno.{config.emulator_key}"
            yield Value(key=key, value=config.emulator_port, origin=str(config.file))
    for role in SHORT_TARGETS.values():
        try:
            yield from _target_value(settings, config, role)
        except ConfigError:
            continue  # told of as a problem


def _target_value(settings: Settings, config: JunoConfig | None, role: Role) -> Iterator[Value]:
    entry = configured_target(settings, role)
    if entry is not None:
        key = f"modules.{entry.name}.canister"
        origin = f"{settings.origin_of(key)}: {key}"
        yield Value(key=f"target.{role}", value=str(entry.canister), origin=origin)
        return
    for target in config.ids if config else ():
        if config and target == role:
            found = id_of(config, target, settings.mode)
            origin = f"{config.file}: {found.key}"
            yield Value(key=f"target.{role}", value=str(found.id), origin=origin)


def _warnings(settings: Settings) -> Iterator[str]:
    for name in unknown_variables(os.environ):
        yield f"nothing reads {name}: is it misspelt?"
    yield from _warnings_of_operations(settings)
    for name, configured in settings.identities.items():
        own = None if configured.key else key_file_of(settings.state_directory, name)
        key_file = configured.key_file or own
        for file in (key_file, configured.password_file, configured.delegation_file):
            if file is None:
                continue
            if not file.is_file():
                yield f"identity.{name}: there is no file {file}"
            elif is_readable_by_others(file):
                yield f"identity.{name}: others can read {file}"


def _warnings_of_operations(settings: Settings) -> Iterator[str]:
    for key, program in programs(settings):
        if shutil.which(program) is None:
            yield f"{key}: there is no program {program}, or it may not be run"
    known = {*settings.modules, *names_of_all_networks(settings.state_directory)}
    known |= set(SHORT_TARGETS.values())
    for hook in settings.hooks:
        for module in sorted((hook.modules or frozenset()) - known):
            if not looks_like_principal(module):
                yield f"hooks.{hook.name}.modules: no module is named {module}"


def _warnings_of_project(
    project: Project, settings: Settings, config: JunoConfig | None
) -> Iterator[str]:
    """What is not wrong here and now, but will be, or is not what it seems."""
    try:
        counts, *others = project.files or (None,)
    except ConfigError:
        return
    for other in others:
        yield f"{other} is passed over: {counts} counts"
    if config is None:
        return
    for problem in problems_of(config):
        if problem.key not in _keys_now(config, settings.mode):
            yield f"{problem.message}; {problem.hint}"
    for target in config.ids:
        try:
            entry = configured_target(settings, target)
            found = id_of(config, target, settings.mode)
        except ConfigError:
            continue
        if entry is not None and entry.canister != found.id:
            key = f"modules.{entry.name}.canister"
            said = f"{settings.origin_of(key)}: {key}"
            elsewhere = f"{config.file}: {found.key}"
            yield f"-t {target} is {entry.canister} ({said}), not {found.id} ({elsewhere})"


def _keys_now(config: JunoConfig, mode: str) -> set[str]:
    """The keys that count in this mode: what is wrong there is a problem."""
    firsts = (
        next((said.key for said in entries if said.mode in {mode, None}), "")
        for entries in config.ids.values()
    )
    return set(firsts)
