"""Keys in the state directory: where they lie and what is public about them.

Format: ``identities/NAME.pem``, mode 0600: the lines ``principal: TEXT`` and ``kind: TEXT``, then
the key as it was imported, an encrypted one still encrypted. PEM readers pass over lines before
the key (RFC 7468, section 2); so listing identities opens no key and asks for no passphrase.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from juno_snap.errors import IdentityError, PreconditionError
from juno_snap.files import read_file, sync_directory, write_private, writing_in
from juno_snap.settings.names import check_name

DEFAULT_NAME: Final = "default"
"""The key that is made at first use on a network other than mainnet."""
ANONYMOUS_NAME: Final = "anonymous"

JUNO_TOKEN: Final = "juno:token"  # noqa: S105  # a name
JUNO_STORE: Final = "juno:store"

HEADER: Final = re.compile(rb"principal: (?P<principal>[a-z0-9-]+)\nkind: (?P<kind>[a-z0-9]+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIdentity:
    """A key of the state directory, without its secret."""

    name: str
    key_file: Path
    principal: str
    kind: str


def stored_identities(state: Path) -> list[StoredIdentity]:
    """All of them, by name."""
    files = (state / "identities").glob("*.pem")
    names = sorted(file.stem for file in files if not file.name.startswith("."))
    return [found for name in names if (found := stored_identity(state, name))]


def stored_identity(state: Path, name: str) -> StoredIdentity | None:
    """The one of that name, None where there is none.

    Raises:
        IdentityError: The file is not one that was stored here; names it.
    """
    key_file = key_file_of(state, name)
    if not key_file.is_file():
        return None
    header = HEADER.match(read_file(key_file))
    if header is None:
        raise IdentityError(
            f"{key_file} was not stored by this program, or is damaged",
            hint=f"move it away and import it: juno-snap identity import FILE --name {name}",
        )
    return StoredIdentity(
        name=name,
        key_file=key_file,
        principal=header["principal"].decode(),
        kind=header["kind"].decode(),
    )


def store_identity(state: Path, name: str, pem: bytes, *, principal: str, kind: str) -> None:
    """Keep ``pem`` under ``name``; whole and on disk on return, and never over another key.

    Raises:
        InputError: It is not a name.
        PreconditionError: The name is taken or means something else, or the state directory cannot
            be written.
    """
    key_file = key_file_of(state, check_name(name))
    if name == ANONYMOUS_NAME:
        raise _taken(name)
    draft = key_file.with_name(f".{name}.{os.getpid()}")
    with writing_in(state):
        write_private(draft, f"principal: {principal}\nkind: {kind}\n".encode() + pem)
    try:
        key_file.hardlink_to(draft)  # unlike a rename, it fails where the name exists
    except FileExistsError as error:
        raise _taken(name) from error
    finally:
        draft.unlink()
    sync_directory(key_file.parent)


def key_file_of(state: Path, name: str) -> Path:
    """Where the key of that name lies, if there is one."""
    return state / "identities" / f"{name}.pem"


def _taken(name: str) -> PreconditionError:
    return PreconditionError(
        f"there is already an identity named {name}",
        code="name-taken",
        hint="choose another name",
    )
