"""The token store of Juno's CLI: the key of a login, and the modules it was given for.

Format (npm package conf 15): JSON, ``{"token": [public, private], "satellites": [{"p": id, "n":
name}], "orbiters": [{"p": id, "n"?: name}], "missionControl": id}``, each key optional. Encrypted:
16 bytes of IV, ``:``, the JSON in AES-256-CBC (PKCS #7); its key is PBKDF2 of the password with
HMAC-SHA-512, 10000 rounds, salted with the IV. Older versions of conf took the IV as text for
salt: what is no UTF-8 in it became U+FFFD.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from juno_snap.agent.identity import KeyIdentity
from juno_snap.errors import IdentityError, InputError
from juno_snap.files import read_file
from juno_snap.ids import Principal
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.token import Pair, key_of

IV_BYTES: Final = 16
SEPARATOR: Final = b":"
KEY_BYTES: Final = 32
ROUNDS: Final = 10_000

Role: TypeAlias = Literal["satellite", "mission-control", "orbiter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A module that a login was given for."""

    role: Role
    id: Principal
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStore:
    """A store, read as far as it can be without a password."""

    file: Path
    login: Login
    content: "Content | None"
    """None: it is encrypted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a store says; without a key after a logout."""

    key: KeyIdentity | None
    segments: tuple[Segment, ...]


def _check_id(text: str) -> str:
    try:
        Principal.parse(text)
    except InputError as error:
        raise ValueError(error.message) from error
    return text


Id = Annotated[str, AfterValidator(_check_id)]


class _Entry(BaseModel):
    p: Id
    n: str | None = None


class _Store(BaseModel):
    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    token: Pair | None = None
    satellites: list[_Entry] | None = None
    orbiters: list[_Entry] | None = None
    mission_control: Annotated[Id | None, Field(alias="missionControl")] = None


def store_file(
    login: Login, environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform
) -> Path:
    """Where Juno's CLI keeps the store of ``login``.

    Source: npm package env-paths, which conf asks with the suffix "nodejs".
    """
    name, home = f"{login.store_name}-nodejs", Path(environment.get("HOME") or Path.home())
    match platform:
        case "darwin":
            folder = home / "Library" / "Preferences" / name
        case "win32":
            roaming = environment.get("APPDATA") or home / "AppData" / "Roaming"
            folder = Path(roaming, name, "Config")
        case _:
            folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config", name)
    return folder / "config.json"


def find_store(login: Login) -> TokenStore | None:
    """The store of ``login`` on this machine, None where there is none.

    Raises:
        IdentityError: There is one that is damaged.
        NotFoundError: There is one that may not be read.
    """
    file = store_file(login)
    if not file.exists():
        return None
    data = read_file(file)
    if _is_encrypted(data):
        return TokenStore(file=file, login=login, content=None)
    return TokenStore(file=file, login=login, content=_parse(data, file))


def open_store(store: TokenStore, password: Callable[[], bytes]) -> Content:
    """What ``store`` says; ``password`` is asked only where it is encrypted.

    Raises:
        IdentityError: The password is wrong, or the store is damaged.
        NotFoundError: It may not be read any more.
    """
    if store.content is not None:
        return store.content
    data, said = read_file(store.file), password()
    vector, sealed = data[:IV_BYTES], data[IV_BYTES + 1 :]
    for salt in (vector, vector.decode(errors="replace").encode()):
        plain = _decrypt(sealed, vector, hashlib.pbkdf2_hmac("sha512", said, salt, ROUNDS))
        if plain.lstrip()[:1] == b"{":
            return _parse(plain, store.file)
    raise IdentityError(
        f"{store.file}: the password is wrong, or the file is damaged",
        code="identity-passphrase",
        hint="it is the password that Juno's CLI asks for; forgotten: juno login makes a new store",
    )


def segments_of(login: Login, password: Callable[[], bytes]) -> tuple[Segment, ...]:
    """The modules in the store of ``login``: satellites, mission control, orbiters.

    Raises:
        IdentityError: As ``find_store`` and ``open_store``.
        NotFoundError: It may not be read.
    """
    store = find_store(login)
    return open_store(store, password).segments if store else ()


def _is_encrypted(data: bytes) -> bool:
    """Whether ``data`` is a vector, a colon and what is sealed; a vector may begin like JSON."""
    if data[IV_BYTES : IV_BYTES + 1] != SEPARATOR:
        return False
    try:
        json.loads(data)
    except ValueError:
        return True
    return False


def _decrypt(sealed: bytes, vector: bytes, key: bytes) -> bytes:
    """What was encrypted, or something that is no JSON."""
    cipher = Cipher(AES256(key[:KEY_BYTES]), CBC(vector)).decryptor()
    padding = PKCS7(AES256.block_size).unpadder()
    try:
        padded = cipher.update(sealed) + cipher.finalize()
        return padding.update(padded) + padding.finalize()
    except ValueError:
        return b""


def _parse(data: bytes, file: Path) -> Content:
    try:
        parsed = _Store.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise IdentityError(
            f"{file} is no token store of Juno's CLI{': ' + place if place else ''}: "
            f"{first['msg'].removeprefix('Value error, ')}",
            code="identity-malformed",
            hint="juno login makes a new one; or say --identity",
        ) from error
    return Content(
        key=key_of(parsed.token, str(file)) if parsed.token else None,
        segments=(
            *(_segment("satellite", entry.p, entry.n) for entry in parsed.satellites or ()),
            *(_segment("mission-control", each) for each in [parsed.mission_control] if each),
            *(_segment("orbiter", entry.p, entry.n) for entry in parsed.orbiters or ()),
        ),
    )


def _segment(role: Role, text: str, name: str | None = None) -> Segment:
    return Segment(role=role, id=Principal.parse(text), name=name or None)
