"""Where settings are said: files, the environment, options. Each is read and checked by itself."""

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import BaseModel, ValidationError

from juno_snap.errors import ConfigError, InputError, NotFoundError
from juno_snap.files import read_toml
from juno_snap.settings.schema import (
    CallsTable,
    CheckTable,
    Document,
    HookTable,
    IdentityTable,
    ModuleTable,
    NetworkTable,
    ReleasesTable,
    RetentionTable,
    Spoken,
    UpgradeTable,
)

VARIABLES: Final[Mapping[str, str]] = {
    "JUNO_SNAP_NETWORK": "default_network",
    "JUNO_SNAP_IDENTITY": "default_identity",
    "JUNO_SNAP_ROOT_KEY": "root_key",
    "JUNO_SNAP_STATE": "state_directory",
    "JUNO_SNAP_MODE": "mode",
    "JUNO_SNAP_PROFILE": "profile",
    "JUNO_SNAP_CALL_TTL_SECONDS": "calls.ttl_seconds",
    "JUNO_SNAP_STOP_TIMEOUT_SECONDS": "upgrade.stop_timeout_seconds",
    "JUNO_SNAP_HEALTH_TIMEOUT_SECONDS": "upgrade.health_timeout_seconds",
    "JUNO_SNAP_ROLLBACK_WINDOW_SECONDS": "upgrade.rollback_window_seconds",
    "JUNO_SNAP_REHEARSAL_INSTRUCTION_LIMIT": "upgrade.rehearsal_instruction_limit",
    "JUNO_SNAP_RELEASES_URL": "releases.url",
    "JUNO_SNAP_RELEASES_CHECKSUMS_URL": "releases.checksums_url",
}
"""Each variable and the setting that it says."""

CONFIG_VARIABLE: Final = "JUNO_SNAP_CONFIG"
UNLOCK_VARIABLE: Final = "JUNO_SNAP_IDENTITY_PASSWORD"
UNLOCK_JUNO_VARIABLE: Final = "JUNO_SNAP_JUNO_PASSWORD"

OPTIONS: Final[Mapping[str, str]] = {
    "--network": "default_network",
    "--identity": "default_identity",
    "--root-key": "root_key",
    "--state": "state_directory",
    "--mode": "mode",
    "--profile": "profile",
}
"""Each option and the setting that it says."""

SPOKEN: Final = VARIABLES.keys() | OPTIONS.keys()
"""Sources that say one setting each."""

NAMED_TABLES: Final = frozenset({"network", "modules", "identity", "hooks"})
"""Tables of tables: an entry of a later source replaces an earlier one of that name whole, so that
a network never gets its URL from one file and its root key from another."""

COSTS: Final = "costs"
"""Prefix of the keys under which a layer has the prices of a network; they may be said without
its URL, and are no part of what a later source replaces whole."""

BUILT_IN_NAMES: Final = frozenset({"ic", "local", "juno", "icp", "dfx"})
"""Networks that prices can be said of without saying where they are."""

TABLES: Final = (
    NetworkTable,
    ModuleTable,
    CheckTable,
    HookTable,
    IdentityTable,
    UpgradeTable,
    CallsTable,
    RetentionTable,
    ReleasesTable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One value, who said it, and what paths in it are relative to."""

    value: object
    origin: str
    folder: Path


Layer: TypeAlias = Mapping[str, Said]
"""By dotted key; an entry of a named table is one value, keyed ``modules.NAME``."""


def file_layer(path: Path) -> Layer:
    """What the file ``path`` says.

    Raises:
        ConfigError: It cannot be read, is no TOML, or says something that may not be said.
    """
    try:
        document = Document.model_validate(read_toml(path))
    except NotFoundError as error:
        raise ConfigError(error.message, source=str(path)) from error
    except ValidationError as error:
        raise _config_error(error, source=str(path)) from error
    except ValueError as error:  # TOML's and UTF-8's own
        raise ConfigError(
            f"{path} is not a TOML file: {error}",
            source=str(path),
            hint="correct it there; text stands in quotes",
        ) from error
    for name, entry in document.network.items():
        _check_network(name, entry, path)
    return _flat(document, origin=str(path), folder=path.parent)


def environment_layer(environment: Mapping[str, str], working_directory: Path) -> Layer:
    """What the variables say; an empty one says nothing.

    Raises:
        ConfigError: A value is of the wrong kind; names the variable.
    """
    layer: dict[str, Said] = {}
    for variable, key in VARIABLES.items():
        text = environment.get(variable, "")
        if text:
            layer |= _one(key, text, source=variable, folder=working_directory)
    return layer


def option_layer(said: Mapping[str, str | None], working_directory: Path) -> Layer:
    """What the options say; ``said`` is keyed by the option's name.

    Raises:
        InputError: A value is of the wrong kind; names the option.
    """
    layer: dict[str, Said] = {}
    for option, text in said.items():
        if text is None:
            continue
        try:
            layer |= _one(OPTIONS[option], text, source=option, folder=working_directory)
        except ConfigError as error:
            raise InputError(error.message, value=text) from error
    return layer


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that nothing reads: most likely misspelt."""
    known = VARIABLES.keys() | {CONFIG_VARIABLE, UNLOCK_VARIABLE, UNLOCK_JUNO_VARIABLE}
    return sorted(
        name for name in environment if name.startswith("JUNO_SNAP_") and name not in known
    )


def is_path(text: str) -> bool:
    """Whether an identity is said by path: it has a slash, or ends as key files do."""
    return os.sep in text or text.endswith((".pem", ".json"))


def absolute(text: str, folder: Path) -> Path:
    """``text`` as a path: ``~`` opened, relative to ``folder``; nobody's ``~name`` is a name."""
    with contextlib.suppress(RuntimeError):
        return folder / Path(text).expanduser()
    return folder / text


def _one(key: str, text: str, *, source: str, folder: Path) -> dict[str, Said]:
    content: dict[str, object] = {}
    value: object = text
    for part in reversed(key.split(".")):
        content = {part: value}
        value = content
    try:
        document = Spoken.model_validate_strings(content)
    except ValidationError as error:
        raise _config_error(error, source=source, names_key=False) from error
    return _flat(document, origin=source, folder=folder)


def _check_network(name: str, entry: NetworkTable, path: Path) -> None:
    """Accept a network that is said whole, or prices of one that is built in.

    Raises:
        ConfigError: Neither.
    """
    is_located = entry.url is not None or entry.root_key is not None
    if name == "ic" and is_located:
        raise ConfigError(
            f"{path}: network.ic: mainnet is built in and cannot be redefined",
            source=str(path),
            key="network.ic",
            hint="give the network another name",
        )
    if name in BUILT_IN_NAMES and not is_located:
        return
    for leaf in ("url", "root_key"):
        if getattr(entry, leaf) is None:
            key = f"network.{name}.{leaf}"
            raise ConfigError(f"{path}: {key}: is missing", source=str(path), key=key)


def _networks(tables: Mapping[str, NetworkTable]) -> dict[str, object]:
    """Where networks are, and apart from it what they charge."""
    places = {f"network.{name}": entry for name, entry in tables.items() if entry.url}
    prices = {f"{COSTS}.{name}": entry.costs for name, entry in tables.items() if entry.costs}
    return {**places, **prices}


def _flat(document: BaseModel, *, origin: str, folder: Path) -> dict[str, Said]:
    """What was really said in ``document``, by dotted key."""
    layer: dict[str, Said] = {}
    for key in document.model_fields_set:
        value = getattr(document, key)
        if key == "network":
            entries = _networks(value)
        elif key == "hooks":
            entries = {f"hooks.{hook.name}": hook for hook in value}
        elif key in NAMED_TABLES:
            entries = {f"{key}.{name}": entry for name, entry in value.items()}
        elif isinstance(value, BaseModel):
            entries = {f"{key}.{leaf}": getattr(value, leaf) for leaf in value.model_fields_set}
        else:
            entries = {key: value}
        for place, entry in entries.items():
            layer[place] = Said(value=entry, origin=origin, folder=folder)
    return layer


def separate(error: ConfigError) -> tuple[ConfigError, ...]:
    """What ``error`` says of a whole source, place by place, each with its own cure."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return (error,)
    return tuple(
        ConfigError(f"{error.source}: {key}: {message}", source=error.source, key=key, hint=hint)
        for key, message, hint in _mistakes(cause, error.source)
    )


def _config_error(error: ValidationError, *, source: str, names_key: bool = True) -> ConfigError:
    """The same in our words: every place, and what is wrong there."""
    mistakes = list(_mistakes(error, source))
    texts = [f"{key}: {message}" if names_key else message for key, message, _ in mistakes]
    hints = dict.fromkeys(hint for _, _, hint in mistakes)
    return ConfigError(
        f"{source}: {'; '.join(texts)}", source=source, key=mistakes[0][0], hint="; ".join(hints)
    )


def _mistakes(error: ValidationError, source: str) -> Iterator[tuple[str, str, str]]:
    """Key, mistake and cure of each."""
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"] if part != "[key]")
        message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
        hint = f"correct {key} in {source}" if source not in SPOKEN else f"correct {source}"
        if item["type"] == "extra_forbidden":
            message = "there is no such setting"
            hint = _better(key) or f"remove {key} from {source}"
        elif item["type"] == "model_type":
            message = "should be a table"
        elif item["type"] == "missing":
            message = "is missing"
            hint = f"add {key} to {source}"
        yield key, message, hint


def _better(key: str) -> str:
    """What may have been meant by a setting that there is not, or not there; empty: nothing."""
    leaf = key.rpartition(".")[2]
    known = set(Document.model_fields)
    for table in TABLES:
        known |= set(table.model_fields)
    if leaf not in known:
        similar = difflib.get_close_matches(leaf, sorted(known), n=1)
        return f"did you mean {similar[0]}?" if similar else ""
    for name, field in Document.model_fields.items():
        if leaf in getattr(field.annotation, "model_fields", ()):
            return f"move it to the table {name}"
    return ""
