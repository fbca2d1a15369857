"""Who signs, for a program: a key that it has, one in a file, or one of the state directory."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from juno_snap.agent.identity import Identity, KeyIdentity, anonymous, generate_ed25519, load_pem
from juno_snap.errors import IdentityError, NotFoundError, PreconditionError
from juno_snap.files import read_file
from juno_snap.juno.credentials.login import Login
from juno_snap.library.elsewhere import open_elsewhere
from juno_snap.settings.identities import (
    ANONYMOUS_NAME,
    DEFAULT_NAME,
    key_file_of,
    store_identity,
    stored_identity,
)
from juno_snap.settings.schema import ELSEWHERE_PATTERN
from juno_snap.settings.sources import is_path

IdentityChoice: TypeAlias = Identity | Path | str | None
"""A key, a PEM file, the name of a key in the state directory or of one that another tool keeps
(``juno:token``, ``juno:store``, ``icp:NAME``, ``dfx:NAME``), ``anonymous``; or the default."""

SEED_BYTES: Final = 32

KEY_KINDS: Final[Mapping[bytes, str]] = {
    bytes.fromhex("06032b6570"): "ed25519",
    bytes.fromhex("06052b8104000a"): "secp256k1",
    bytes.fromhex("06082a8648ce3d030107"): "p256",
}
"""Object identifiers in the DER form of a public key. Source: RFC 8410; SEC 2, annex A."""


def choose_identity(
    choice: IdentityChoice,
    *,
    state: Path,
    passphrase: str | None,
    needs_choice: bool,
    login: Login | None = None,
) -> Identity:
    """The identity that was chosen, else the key of ``state``, made here where there is none.

    ``needs_choice``: on mainnet nobody signs with a key that was not named. ``login``: the one of
    Juno's CLI that ``juno:store`` means.

    Raises:
        IdentityError: None was chosen where one must be, there is no such key, or it cannot be
            read: of a wrong kind, a wrong or missing passphrase.
    """
    match choice:
        case None if needs_choice:
            raise IdentityError(
                "no identity was chosen",
                code="no-identity",
                hint="pass identity=PATH of a PEM file, the name of an imported key, or anonymous",
            )
        case None:
            make_default_key(state)
            return _open(key_file_of(state, DEFAULT_NAME), None)
        case "anonymous":
            return anonymous()
        case str() if ELSEWHERE_PATTERN.fullmatch(choice):
            return open_elsewhere(choice, login or Login(), passphrase)
        case Path() | str() if is_path(str(choice)) or isinstance(choice, Path):
            return _open(Path(choice), passphrase)
        case str():
            return _open(_stored(state, choice), passphrase)
        case _:
            return choice


def make_default_key(state: Path) -> None:
    """Let ``state`` have a key of its own; one that is there stays.

    Raises:
        PreconditionError: The state directory cannot be written.
    """
    if stored_identity(state, DEFAULT_NAME) is not None:
        return
    key = generate_ed25519(os.urandom(SEED_BYTES))
    try:
        store_identity(
            state, DEFAULT_NAME, key.to_pem(), principal=str(key.principal), kind=kind_of(key)
        )
    except PreconditionError:
        if stored_identity(state, DEFAULT_NAME) is None:
            raise
        # otherwise another process made one just now: use that


def kind_of(identity: Identity) -> str:
    """``anonymous``, ``delegated``, or the kind of key."""
    if identity.public_key_der is None:
        return ANONYMOUS_NAME
    if identity.delegations:
        return "delegated"
    key = identity.public_key_der
    return next((kind for mark, kind in KEY_KINDS.items() if mark in key), "unknown")


def _stored(state: Path, name: str) -> Path:
    stored = stored_identity(state, name)
    if stored is None:
        raise IdentityError(
            f"there is no identity named {name}",
            code="unknown-identity",
            hint=f"import it: juno-snap identity import FILE --name {name}; a path has a slash",
        )
    return stored.key_file


def _open(file: Path, passphrase: str | None) -> KeyIdentity:
    try:
        data = read_file(file)
        return load_pem(data, None if passphrase is None else passphrase.encode())
    except NotFoundError as error:
        raise IdentityError(error.message, code="identity-not-found") from error
    except IdentityError as error:
        raise IdentityError(f"{file}: {error.message}", code=error.code, hint=error.hint) from error
