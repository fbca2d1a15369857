"""Names for modules that ``module create --name`` made, kept in the state directory.

Format: one file for each name, ``modules/KEY/NAME.json`` with ``{"schema": 1, "canister": ID}``;
KEY is the first 16 hex digits of the root key's SHA-256, so that a name belongs to one network and
a local replica that begins anew begins without names.
"""

import hashlib
import json
from pathlib import Path
from typing import Final

from juno_snap.errors import ConfigError, InputError, NotFoundError, PreconditionError
from juno_snap.files import read_file, write_atomically, writing_in
from juno_snap.ids import Principal
from juno_snap.settings.schema import NAME_PATTERN, looks_like_principal

SCHEMA: Final = 1
KEY_DIGITS: Final = 16


def check_name(name: str) -> str:
    """``name`` if it may name something.

    Raises:
        InputError: It may not.
    """
    if not NAME_PATTERN.fullmatch(name) or looks_like_principal(name):
        raise InputError(
            f"{name!r} is not a name: letters, digits, '.', '_' and '-', at most 64, "
            "and not like a canister id",
            value=name,
        )
    return name


def check_name_is_free(state: Path, root_key: bytes, name: str) -> None:
    """Accept a name that no module of this network has.

    Raises:
        InputError: It is not a name.
        PreconditionError: It is taken.
    """
    if _file(state, root_key, check_name(name)).exists():
        raise PreconditionError(
            f"a module of this network is already named {name}",
            code="name-taken",
            hint="choose another name",
        )


def remember_module(state: Path, root_key: bytes, name: str, canister: Principal) -> None:
    """Let ``name`` mean ``canister`` from now on; on disk on return.

    Raises:
        PreconditionError: The state directory cannot be written.
    """
    document = json.dumps({"schema": SCHEMA, "canister": str(canister)})
    with writing_in(state):
        write_atomically(_file(state, root_key, check_name(name)), document.encode())


def forget_module(state: Path, root_key: bytes, canister: Principal) -> None:
    """Drop every name of ``canister``."""
    for name, known in named_modules(state, root_key).items():
        if known == canister:
            _file(state, root_key, name).unlink(missing_ok=True)


def named_modules(state: Path, root_key: bytes) -> dict[str, Principal]:
    """All names of this network.

    Raises:
        ConfigError: A file of the state directory is damaged; names it.
    """
    return {
        file.stem: _read(file)
        for file in sorted(_folder(state, root_key).glob("*.json"))
        if not file.name.startswith(".")
    }


def names_of_all_networks(state: Path) -> set[str]:
    """Every name that was ever given in this state directory and not dropped."""
    files = (state / "modules").glob("*/*.json")
    return {file.stem for file in files if not file.name.startswith(".")}


def modules_named(state: Path, name: str) -> dict[str, Principal]:
    """What ``name`` stands for on each network, by ``key_name``.

    Raises:
        ConfigError: A file of the state directory is damaged; names it.
    """
    if not NAME_PATTERN.fullmatch(name):
        return {}
    files = sorted((state / "modules").glob(f"*/{name}.json"))
    return {file.parent.name: _read(file) for file in files}


def key_name(root_key: bytes) -> str:
    """What the folder is called that has the names of a network."""
    return hashlib.sha256(root_key).hexdigest()[:KEY_DIGITS]


def _folder(state: Path, root_key: bytes) -> Path:
    return state / "modules" / key_name(root_key)


def _file(state: Path, root_key: bytes, name: str) -> Path:
    return _folder(state, root_key) / f"{name}.json"


def _read(file: Path) -> Principal:
    try:
        return Principal.parse(str(json.loads(read_file(file))["canister"]))
    except (ValueError, KeyError, TypeError, InputError, NotFoundError) as error:
        raise ConfigError(
            f"{file} is damaged", source=str(file), hint="remove the file; the module stays"
        ) from error
