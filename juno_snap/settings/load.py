"""Lays the sources over each other: defaults, user file, project file, variables, options."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from juno_snap.errors import ConfigError, InputError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.settings import paths
from juno_snap.settings.model import (
    CheckSettings,
    HookSettings,
    IdentitySettings,
    ModuleSettings,
    NetworkSettings,
    ReleaseSettings,
    RetentionSettings,
    RootKeyChoice,
    Settings,
    Value,
)
from juno_snap.settings.schema import (
    CheckTable,
    HookTable,
    IdentityTable,
    ModuleTable,
    NetworkTable,
    RetentionTable,
    Table,
)
from juno_snap.settings.sources import (
    CONFIG_VARIABLE,
    COSTS,
    VARIABLES,
    Layer,
    Said,
    absolute,
    environment_layer,
    file_layer,
    is_path,
    option_layer,
)
from juno_snap.units import INSTALL_INSTRUCTIONS_MAX

STOP_TIMEOUT_SECONDS: Final = 60
HEALTH_TIMEOUT_SECONDS: Final = 60
ROLLBACK_WINDOW_SECONDS: Final = 600
CALL_TTL_SECONDS: Final = 240
"""Below the 300 seconds that the network allows, so that a clock may be off by a minute."""

BUILT_IN: Final = "built in"
"""The origin of networks that nobody has said."""

PRODUCTION: Final = "production"
"""The mode where none is said, as in Juno."""
RELEASES_URL: Final = "https://cdn.juno.build/releases"
"""Source: Juno's CLI, ``JUNO_CDN_URL``."""

CHECKSUMS_URL: Final = "https://github.com/junobuild/juno/releases/download"
"""Source: Juno's documents, "How do I verify an upgrade?"."""

BUILT_IN_NETWORKS: Final[Mapping[str, tuple[str, str]]] = {
    "ic": ("https://icp-api.io", "ic"),
    "juno": ("http://127.0.0.1:5987", "fetch"),
    "icp": ("http://127.0.0.1:8000", "fetch"),
    "dfx": ("http://127.0.0.1:4943", "fetch"),
}
"""Name, URL, root key: mainnet, Juno's emulator, icp-cli's and dfx's local networks.

``local`` is not here: its URL and key are those of the local replica that runs.
"""

NOT_LISTED: Final = {"costs"}
"""What a table holds and a layer has under a key of its own."""

TableT = TypeVar("TableT", bound=Table)


def load_settings(
    options: Mapping[str, str | None],
    *,
    config: Path | None = None,
    environment: Mapping[str, str],
    working_directory: Path,
    search: bool = True,
) -> Settings:
    """The settings that hold here and now.

    ``options`` is keyed by the option's name (``--network``); ``config`` stands in place of the
    project file that would be found. Without ``search`` no file is read but ``config``.

    Raises:
        ConfigError: A file or variable says something that may not be said; names it and the key.
        InputError: An option is malformed.
    """
    examined = examine_settings(
        options,
        config=config,
        environment=environment,
        working_directory=working_directory,
        search=search,
    )
    for problem in examined.problems:
        raise problem
    return examined.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What sound sources say, and what is wrong with the others."""

    settings: Settings
    problems: tuple[ConfigError | InputError, ...]
    """In the order of the sources, one for each that is passed over; ``sources.separate``."""


def examine_settings(
    options: Mapping[str, str | None],
    *,
    config: Path | None = None,
    environment: Mapping[str, str],
    working_directory: Path,
    search: bool = True,
) -> Examined:
    """The same where a source may be wrong: it is passed over as a whole, and told of."""
    problems: list[ConfigError | InputError] = []
    merged: dict[str, Said] = dict(_defaults(working_directory))

    def lay(read: Callable[[], Layer]) -> None:
        try:
            merged.update(read())
        except (ConfigError, InputError) as error:
            problems.append(error)

    try:
        files = _files(config, environment, working_directory, search=search)
    except ConfigError as error:
        files = ()
        problems.append(error)
    for file in files:
        lay(partial(file_layer, file))
    for variable in VARIABLES:
        said = {variable: environment.get(variable, "")}
        lay(partial(environment_layer, said, working_directory))
    for option, text in options.items():
        lay(partial(option_layer, {option: text}, working_directory))
    return Examined(settings=_settings(merged, files), problems=tuple(problems))


def _settings(merged: Layer, files: tuple[Path, ...]) -> Settings:
    root_key = _text(merged["root_key"])
    retention = {leaf: _number(merged[f"retention.{leaf}"]) for leaf in RetentionTable.model_fields}
    return Settings(
        default_network=_text(merged["default_network"]),
        default_identity=_identity_reference(merged["default_identity"]),
        root_key=_root_key(root_key) if root_key else None,
        state_directory=_path(merged["state_directory"]),
        mode=_text(merged["mode"]) or PRODUCTION,
        profile=_text(merged["profile"]),
        networks=_networks(merged),
        modules=_modules(merged),
        identities=_identities(merged),
        hooks=tuple(_hooks(merged)),
        costs=dict(_costs(merged)),
        stop_timeout_seconds=_number(merged["upgrade.stop_timeout_seconds"]),
        health_timeout_seconds=_number(merged["upgrade.health_timeout_seconds"]),
        rollback_window_seconds=_number(merged["upgrade.rollback_window_seconds"]),
        rehearsal_instruction_limit=_number(merged["upgrade.rehearsal_instruction_limit"]),
        call_ttl_seconds=_number(merged["calls.ttl_seconds"]),
        retention=RetentionSettings(**retention),
        releases=_releases(merged),
        files=files,
        values=tuple(_values(merged)),
    )


def _files(
    config: Path | None, environment: Mapping[str, str], working_directory: Path, *, search: bool
) -> tuple[Path, ...]:
    """The files to read, the strongest last; one that was named replaces the search."""
    if not search:
        return (absolute(str(config), working_directory),) if config else ()
    user = paths.user_file()
    found = (user,) if user.is_file() else ()
    if config is None and environment.get(CONFIG_VARIABLE):
        config = Path(environment[CONFIG_VARIABLE])
    named = absolute(str(config), working_directory) if config else None
    project = named or paths.find_project_file(working_directory)
    return (*found, project) if project else found


def _defaults(working_directory: Path) -> Layer:
    plain: dict[str, object] = {
        "default_network": None,
        "default_identity": None,
        "root_key": None,
        "state_directory": str(paths.default_state_directory()),
        "mode": PRODUCTION,
        "profile": None,
        "upgrade.stop_timeout_seconds": STOP_TIMEOUT_SECONDS,
        "upgrade.health_timeout_seconds": HEALTH_TIMEOUT_SECONDS,
        "upgrade.rollback_window_seconds": ROLLBACK_WINDOW_SECONDS,
        "upgrade.rehearsal_instruction_limit": INSTALL_INSTRUCTIONS_MAX,
        "calls.ttl_seconds": CALL_TTL_SECONDS,
        **{f"retention.{leaf}": 0 for leaf in RetentionTable.model_fields},
        "releases.url": RELEASES_URL,
        "releases.checksums_url": CHECKSUMS_URL,
        "releases.canister": None,
        "releases.root_key": "ic",
    }
    layer = {
        key: Said(value=value, origin="default", folder=working_directory)
        for key, value in plain.items()
    }
    for name, (url, root_key) in BUILT_IN_NETWORKS.items():
        layer[f"network.{name}"] = Said(
            value=NetworkTable(url=url, root_key=root_key),
            origin=BUILT_IN,
            folder=working_directory,
        )
    return layer


def _text(said: Said) -> str | None:
    return None if said.value is None else str(said.value)


def _number(said: Said) -> int:
    if not isinstance(said.value, int):
        raise ConfigError(f"{said.origin}: not a number: {said.value!r}", source=said.origin)
    return said.value


def _path(said: Said) -> Path:
    return absolute(str(said.value), said.folder)


def _optional_path(text: str | None, folder: Path) -> Path | None:
    return None if text is None else absolute(text, folder)


def _identity_reference(said: Said) -> str | None:
    text = _text(said)
    if text is None or not is_path(text):
        return text
    return str(absolute(text, said.folder))


def _root_key(text: str) -> RootKeyChoice:
    match text:
        case "ic" | "fetch":
            return text
        case _:
            return bytes.fromhex(text)


def _entries(merged: Layer, table: str, kind: type[TableT]) -> Iterator[tuple[str, TableT, Said]]:
    """The entries of a named table, in the order in which they were said."""
    for key, said in merged.items():
        if key.startswith(f"{table}.") and isinstance(said.value, kind):
            yield key.removeprefix(f"{table}."), said.value, said


def _networks(merged: Layer) -> dict[str, NetworkSettings]:
    return {
        name: NetworkSettings(name=name, url=entry.url, root_key=_root_key(entry.root_key))
        for name, entry, _ in _entries(merged, "network", NetworkTable)
        if entry.url is not None and entry.root_key is not None
    }


def _costs(merged: Layer) -> Iterator[tuple[str, Mapping[str, int]]]:
    for key, said in merged.items():
        if key.startswith(f"{COSTS}.") and isinstance(said.value, dict):
            yield key.removeprefix(f"{COSTS}."), said.value


def _modules(merged: Layer) -> dict[str, ModuleSettings]:
    return {
        name: ModuleSettings(
            name=name,
            canister=Principal.parse(entry.canister),
            role=entry.role,
            mode=entry.mode or PRODUCTION,
            checks=tuple(_check(check, said.folder) for check in entry.checks),
            protected_snapshots=frozenset(map(SnapshotId.parse, entry.protected_snapshots)),
        )
        for name, entry, said in _entries(merged, "modules", ModuleTable)
    }


def _releases(merged: Layer) -> ReleaseSettings:
    canister = _text(merged["releases.canister"])
    key = _root_key(str(merged["releases.root_key"].value))
    return ReleaseSettings(
        url=str(merged["releases.url"].value),
        checksums_url=str(merged["releases.checksums_url"].value),
        canister=Principal.parse(canister) if canister else None,
        root_key=key if isinstance(key, bytes) else "ic",
    )


def _check(table: CheckTable, folder: Path) -> CheckSettings:
    return CheckSettings(
        call=table.call,
        command=_command(table.command, folder),
        version=table.version,
        timeout_seconds=table.timeout_seconds,
    )


def _hooks(merged: Layer) -> Iterator[HookSettings]:
    for _, entry, said in _entries(merged, "hooks", HookTable):
        yield HookSettings(
            name=entry.name,
            point=entry.point,
            command=_command(entry.command, said.folder),
            function=entry.function,
            timeout_seconds=entry.timeout_seconds,
            pass_variables=tuple(entry.pass_variables),
            for_rehearsal=entry.for_rehearsal,
            modules=None if entry.modules is None else frozenset(entry.modules),
        )


def _identities(merged: Layer) -> dict[str, IdentitySettings]:
    return {
        name: IdentitySettings(
            name=name,
            key_file=_optional_path(entry.key_file, said.folder),
            key=entry.key,
            delegation_file=_optional_path(entry.delegation_file, said.folder),
            password_command=_command(entry.password_command, said.folder),
            password_file=_optional_path(entry.password_file, said.folder),
        )
        for name, entry, said in _entries(merged, "identity", IdentityTable)
    }


def _command(words: list[str] | None, folder: Path) -> tuple[str, ...] | None:
    """The argument list; a program with a slash is one beside the file, others are looked for."""
    if words is None:
        return None
    program, *arguments = words
    place = str(absolute(program, folder)) if os.sep in program else program
    return (place, *arguments)


def _values(merged: Layer) -> Iterator[Value]:
    """Every value, flat: plain settings first, then the named tables."""
    for key, said in sorted(merged.items(), key=lambda item: ("." in item[0], item[0])):
        if isinstance(said.value, Table):
            leaves = said.value.model_dump(exclude_unset=True, exclude=NOT_LISTED)
            place = key
        elif isinstance(said.value, dict):
            leaves, place = said.value, f"network.{key.removeprefix(f'{COSTS}.')}.{COSTS}"
        else:
            yield Value(key=key, value=said.value, origin=said.origin)
            continue
        for leaf, value in leaves.items():
            yield Value(key=f"{place}.{leaf}", value=value, origin=said.origin)
