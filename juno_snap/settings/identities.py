"""Keys in the state directory: where they lie and what is public about them.

Format: ``identities/NAME.pem`` (mode 0600) is the key as it was imported, an encrypted one still
encrypted, and ``identities/NAME.json`` says ``{"schema": 1, "principal", "kind"}``, so that listing
them opens no key and asks for no passphrase.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from juno_snap.errors import IdentityError, NotFoundError, PreconditionError
from juno_snap.files import read_file, write_private
from juno_snap.settings.names import check_name

SCHEMA: Final = 1
DEFAULT_NAME: Final = "default"
"""The key that is made at first use on a network other than mainnet."""
ANONYMOUS_NAME: Final = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIdentity:
    """A key of the state directory, without its secret."""

    name: str
    key_file: Path
    principal: str
    kind: str


def stored_identities(state: Path) -> list[StoredIdentity]:
    """All of them, by name."""
    folder = state / "identities"
    names = sorted(file.stem for file in folder.glob("*.pem") if not file.name.startswith("."))
    return [found for name in names if (found := stored_identity(state, name))]


def stored_identity(state: Path, name: str) -> StoredIdentity | None:
    """The one of that name, None where there is none.

    Raises:
        IdentityError: What is kept beside the key is damaged; names the file.
    """
    key_file = _key_file(state, name)
    if not key_file.is_file():
        return None
    public_file = key_file.with_name(f"{name}.json")
    try:
        public = json.loads(read_file(public_file))
        return StoredIdentity(
            name=name,
            key_file=key_file,
            principal=str(public["principal"]),
            kind=str(public["kind"]),
        )
    except (ValueError, KeyError, TypeError, NotFoundError) as error:
        raise IdentityError(
            f"{public_file} is damaged or missing",
            hint=f"import the key again under another name: juno-snap identity import {key_file}",
        ) from error


def check_identity_is_free(state: Path, name: str) -> None:
    """Accept a name under which a key may be stored.

    Raises:
        InputError: It is not a name.
        PreconditionError: It is taken or means something else.
    """
    if check_name(name) == ANONYMOUS_NAME or _key_file(state, name).exists():
        raise PreconditionError(
            f"there is already an identity named {name}",
            code="name-taken",
            hint="choose another name",
        )


def store_identity(state: Path, stored: StoredIdentity, pem: bytes) -> None:
    """Keep ``pem`` under its name; the key is on disk last, so that a half-stored one is none."""
    public = json.dumps({"schema": SCHEMA, "principal": stored.principal, "kind": stored.kind})
    key_file = _key_file(state, stored.name)
    write_private(key_file.with_name(f"{stored.name}.json"), public.encode())
    write_private(key_file, pem)


def _key_file(state: Path, name: str) -> Path:
    return state / "identities" / f"{name}.pem"
