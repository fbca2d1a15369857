"""Which modules a project has, by its ``juno.config``: where that file is and what it says.

Source of names, order and keys: junobuild/juno-js, ``packages/config-loader`` and
``packages/config``; junobuild/cli, ``satellite.utils`` (which id counts).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from juno_snap.errors import ConfigError, InputError, NotFoundError
from juno_snap.files import read_file
from juno_snap.ids import Principal

Target: TypeAlias = Literal["satellite", "orbiter"]
TARGETS: Final[tuple[Target, ...]] = ("satellite", "orbiter")

NAMES: Final = (
    "juno.config.ts",
    "juno.config.js",
    "juno.config.mjs",
    "juno.config.cjs",
    "juno.json",
    "juno.config.json",
)
"""In Juno's order: where a folder has several, the first counts."""

EMULATOR_PORT: Final = 5987
"""Where the emulator answers unless ``emulator`` says otherwise. Source: junobuild/cli."""

PLACEHOLDER: Final = re.compile(r"<.*>|.*YOUR[ _-].*|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", re.IGNORECASE)
"""How templates and guides write an id that is still to be filled in: ``<PROD_SATELLITE_ID>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidId:
    """An id as it stands in the file, right or wrong."""

    key: str
    """Such as ``satellite.ids.production``."""
    mode: str | None
    """None: for every mode that has no id of its own."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JunoConfig:
    """What a project's file says about where its modules are."""

    file: Path
    ids: Mapping[Target, tuple[SaidId, ...]]
    """The one that counts first; a target that is not there has no entry."""
    emulator_port: int | None
    emulator_key: str
    """Where the port stands; empty where it is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundId:
    """The module of a target in a mode, and the key that says so."""

    id: Principal
    key: str


class _Part(BaseModel):
    """Other keys are Juno's own business."""

    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True, frozen=True)


class _Satellite(_Part):
    ids: dict[str, str | None] | None = None
    id: str | None = None
    older: str | None = Field(default=None, alias="satelliteId")


class _Orbiter(_Part):
    ids: dict[str, str | None] | None = None
    id: str | None = None
    older: str | None = Field(default=None, alias="orbiterId")


class _Ports(_Part):
    server: Annotated[int, Field(ge=1, le=65535)] | None = None


class _Image(_Part):
    ports: _Ports | None = None


class _Emulator(_Part):
    satellite: _Image | None = None
    console: _Image | None = None
    skylab: _Image | None = None


class _Document(_Part):
    satellite: _Satellite | None = None
    orbiter: _Orbiter | None = None
    emulator: _Emulator | None = None


def find_configs(working_directory: Path) -> tuple[Path, ...]:
    """The files of the nearest folder that has any; the first counts, the others are passed over.

    Looked at are ``working_directory`` and, in a repository, the folders up to its root.
    """
    for folder in _folders(working_directory):
        found = tuple(folder / name for name in NAMES if (folder / name).is_file())
        if found:
            return found
    return ()


def is_code(file: Path) -> bool:
    """Whether ``file`` has to be run to be read."""
    return file.suffix != ".json"


def read_json(file: Path) -> JunoConfig:
    """What a ``juno.config.json`` or ``juno.json`` says.

    Raises:
        ConfigError: It cannot be read, is no JSON, or says something in the wrong form; names the
            file, and the line or the key.
    """
    try:
        document = json.loads(read_file(file).decode("utf-8-sig"))
    except NotFoundError as error:
        raise ConfigError(error.message, source=str(file)) from error
    except json.JSONDecodeError as error:
        place = f"{file}, line {error.lineno}, column {error.colno}"
        raise ConfigError(
            f"{place}: not JSON: {error.msg}",
            source=str(file),
            code="juno-config",
            hint="correct it there; JSON has no comments and no comma before a closing bracket",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not JSON: {error}",
            source=str(file),
            code="juno-config",
            hint="save it as UTF-8 text",
        ) from error
    return parse_config(document, file)


def parse_config(document: object, file: Path) -> JunoConfig:
    """What ``document``, the content of ``file``, says.

    Raises:
        ConfigError: Something is of the wrong form; names the file and the key.
    """
    if not isinstance(document, dict):
        raise ConfigError(
            f"{file}: does not give an object",
            source=str(file),
            code="juno-config",
            hint='it has to hold or export one, such as {"satellite": {"id": "…"}}',
        )
    try:
        known = _Document.model_validate(document)
    except ValidationError as error:
        item = error.errors(include_url=False, include_context=False, include_input=False)[0]
        key = ".".join(map(str, item["loc"]))
        is_model = item["type"] == "model_type"
        problem = "should be an object" if is_model else item["msg"].removeprefix("Input ")
        raise ConfigError(
            f"{file}: {key}: {problem}",
            source=str(file),
            key=key,
            code="juno-config",
            hint=f"correct {key} in {file.name}",
        ) from error
    port, key = _port(known.emulator)
    return JunoConfig(
        file=file,
        ids={
            target: said
            for target in TARGETS
            if (said := tuple(_said(target, getattr(known, target))))
        },
        emulator_port=port,
        emulator_key=key,
    )


def id_of(config: JunoConfig, target: Target, mode: str) -> FoundId:
    """The module that ``target`` is in ``mode``.

    Raises:
        ConfigError: There is none for that mode, or what stands there is a placeholder or no id;
            names the file, the key, and what to do.
    """
    for said in config.ids.get(target, ()):
        if said.mode in {mode, None}:
            return FoundId(id=_parsed(config.file, said, target), key=said.key)
    modes = [said.mode for said in config.ids.get(target, ()) if said.mode]
    key = f"{target}.ids.{mode}"
    known = f"; it has {', '.join(modes)}" if modes else ""
    raise ConfigError(
        f"{config.file}: there is no {target} for the mode {mode}{known}",
        source=str(config.file),
        key=key,
        code="no-target",
        hint=f"write its id as {key} (or {target}.id, for every mode), choose a mode with "
        "-m/--mode, or say --module ID",
    )


def problems_of(config: JunoConfig) -> Iterator[ConfigError]:
    """Every id in the file that cannot be one, whatever the mode."""
    for target, entries in config.ids.items():
        for said in entries:
            try:
                _parsed(config.file, said, target)
            except ConfigError as error:
                yield error


def _folders(working_directory: Path) -> tuple[Path, ...]:
    """Those to look at, the nearest first."""
    upwards = (working_directory, *working_directory.parents)
    for number, folder in enumerate(upwards, 1):
        if (folder / ".git").exists():
            return upwards[:number]
    return (working_directory,)


def _said(target: Target, part: _Satellite | _Orbiter | None) -> Iterator[SaidId]:
    if part is None:
        return
    for mode, text in (part.ids or {}).items():
        if text is not None:
            yield SaidId(key=f"{target}.ids.{mode}", mode=mode, text=text)
    if part.id is not None:
        yield SaidId(key=f"{target}.id", mode=None, text=part.id)
    if part.older is not None:
        yield SaidId(key=f"{target}.{target}Id", mode=None, text=part.older)


def _port(emulator: _Emulator | None) -> tuple[int | None, str]:
    """The port of the image that Juno would start, which is one of the three."""
    if emulator is None:
        return None, ""
    kinds = ("satellite", "console", "skylab")
    chosen = next((kind for kind in kinds if getattr(emulator, kind) is not None), "skylab")
    image: _Image | None = getattr(emulator, chosen)
    port = image.ports.server if image and image.ports else None
    return port, f"emulator.{chosen}.ports.server" if port else ""


def _parsed(file: Path, said: SaidId, target: Target) -> Principal:
    text = said.text.strip()
    if not text or PLACEHOLDER.fullmatch(text):
        what = f"{said.text!r} is a placeholder" if text else "the id is empty"
        raise ConfigError(
            f"{file}: {said.key}: {what}",
            source=str(file),
            key=said.key,
            code="placeholder",
            hint=f"write the {target}'s id there (the Juno Console shows it; it ends in -cai)"
            + ("" if said.mode is None else ", or choose another mode with -m/--mode"),
        )
    try:
        return Principal.parse(text)
    except InputError as error:
        raise ConfigError(
            f"{file}: {said.key}: {error.message}",
            source=str(file),
            key=said.key,
            code="invalid-principal",
            hint=f"copy the {target}'s id from the Juno Console",
        ) from error
