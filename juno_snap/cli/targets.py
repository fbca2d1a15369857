"""Which module a command is about: from an id, a name or a role to a canister.

``-t satellite`` is, the first that there is:

1. the entry of ``juno-snap.toml`` with that role and the mode (an entry without a mode is
   production's): the tool's own file, and no code has to be run for it;
2. in production, what ``module create --name satellite`` made on this network;
3. the id in the project's ``juno.config`` for the mode;
4. for the mission control, which no ``juno.config`` names: the one that the login of Juno's CLI for
   the mode is for. Satellites of a login are not looked at: it may be for those of many projects.

So a mode that is said never ends at an entry that was written for another one.
"""

from collections.abc import Mapping
from typing import Final

from juno_snap.cli import unlocking
from juno_snap.cli.options import SHORT_TARGETS, ModuleOptions
from juno_snap.cli.output import Output
from juno_snap.cli.project import Project
from juno_snap.errors import ConfigError, InputError, NotFoundError
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.config import TARGETS, id_of
from juno_snap.settings.load import PRODUCTION
from juno_snap.settings.model import ModuleSettings, Role, Settings
from juno_snap.settings.schema import looks_like_principal

ROLES: Final[Mapping[str, Role]] = {role: role for role in SHORT_TARGETS.values()}
"""By their names."""
MISSION_CONTROL: Final = "mission-control"


def is_said(options: ModuleOptions) -> bool:
    """Whether a module was named."""
    return bool(options.module or options.target)


async def choose_module(
    settings: Settings,
    made: Mapping[str, Principal],
    options: ModuleOptions,
    *,
    project: Project,
    output: Output,
) -> ModuleChoice:
    """The module that was said; ``made`` are the names of this state directory.

    A login that is encrypted is opened through ``output`` where its mission control is meant.

    Raises:
        InputError: None was said, two were, or a malformed id.
        NotFoundError: There is no such name.
        ConfigError: No canister is configured for the target, or not in a way that can be used.
        IdentityError: The login that the mission control was looked for in cannot be read.
    """
    if options.module and options.target:
        raise InputError("--module and --target name two modules; say one", value=options.module)
    if options.target:
        role = ROLES[SHORT_TARGETS.get(options.target, options.target)]
        found = await _by_role(settings, made, role, project)
        if found is None and role == MISSION_CONTROL:
            found = _of_login(settings, made, output)
        if found is None:
            raise _no_target(settings, role)
        return found
    if not options.module:
        raise InputError(
            "no module was named",
            code="usage",
            hint="say --module ID|NAME or -t satellite|mission-control|orbiter",
        )
    found = _by_name(settings, made, options.module)
    if found:
        return found
    if looks_like_principal(options.module):
        return named_module(settings, made, Principal.parse(options.module))
    names = sorted({*settings.modules, *made})
    raise NotFoundError(
        f"there is no module named {options.module}",
        code="module-not-found",
        hint=f"known are {', '.join(names)}" if names else "give its canister id",
    )


def named_module(
    settings: Settings, made: Mapping[str, Principal], canister: Principal
) -> ModuleChoice:
    """A module by its id, with its name, if it has one."""
    for name, configured in settings.modules.items():
        if configured.canister == canister:
            return ModuleChoice(id=canister, name=name, role=configured.role)
    names = [name for name, known in made.items() if known == canister]
    return ModuleChoice(id=canister, name=names[0] if names else None, role=None)


def configured_target(settings: Settings, role: Role) -> ModuleSettings | None:
    """The entry of ``juno-snap.toml`` for a role in the mode that is set.

    Raises:
        ConfigError: Several have that role and none of them its name.
    """
    entries = [
        entry
        for entry in settings.modules.values()
        if entry.mode == settings.mode and (entry.role or entry.name) == role
    ]
    named = [entry for entry in entries if entry.name == role]
    if len(entries) > 1 and not named:
        names = ", ".join(entry.name for entry in entries)
        raise ConfigError(
            f"several modules have the role {role} in the mode {settings.mode}: {names}",
            source=settings.origin_of(f"modules.{entries[0].name}.canister"),
            key=f"modules.{entries[0].name}.role",
            code="ambiguous-target",
            hint=f"say which with --module NAME, or call one of them {role}",
        )
    return next(iter(named or entries), None)


async def _by_role(
    settings: Settings, made: Mapping[str, Principal], role: Role, project: Project
) -> ModuleChoice | None:
    entry = configured_target(settings, role)
    if entry:
        return ModuleChoice(id=entry.canister, name=entry.name, role=role)
    if settings.mode == PRODUCTION and role in made:
        return ModuleChoice(id=made[role], name=role, role=role)
    for target in TARGETS:
        if target == role and (config := await project.config()):
            found = id_of(config, target, settings.mode).id
            name = named_module(settings, made, found).name
            return ModuleChoice(id=found, name=name or role, role=role)
    return None


def _of_login(
    settings: Settings, made: Mapping[str, Principal], output: Output
) -> ModuleChoice | None:
    for segment in unlocking.segments_of_login(settings, output):
        if segment.role == MISSION_CONTROL:
            name = named_module(settings, made, segment.id).name
            return ModuleChoice(id=segment.id, name=name or MISSION_CONTROL, role=MISSION_CONTROL)
    return None


def _no_target(settings: Settings, role: str) -> ConfigError:
    mode = "" if settings.mode == PRODUCTION else f" in the mode {settings.mode}"
    said = f'canister = "ID", role = "{role}"' + (mode and f', mode = "{settings.mode}"')
    entry = f"an entry [modules.NAME] in juno-snap.toml ({said})"
    others = [one for one in settings.modules.values() if (one.role or one.name) == role]
    hint = f"add {entry}, or say --module ID"
    if role in TARGETS:
        hint = f"add its id to juno.config, or {entry}, or say --module ID"
    if role == MISSION_CONTROL:
        hint = f"log in to it with Juno's CLI (juno login), or add {entry}, or say --module ID"
    if others:
        hint += f"; {', '.join(one.name for one in others)} is for another mode"
    return ConfigError(
        f"no canister is configured for the {role}{mode}",
        key=f"modules.{role}.canister",
        code="no-target",
        hint=hint,
    )


def _by_name(settings: Settings, made: Mapping[str, Principal], name: str) -> ModuleChoice | None:
    configured = settings.modules.get(name)
    if configured:
        return ModuleChoice(id=configured.canister, name=name, role=configured.role)
    if name in made:
        return ModuleChoice(id=made[name], name=name, role=ROLES.get(name))
    return None
