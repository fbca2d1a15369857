"""From a chosen identity to a key that can sign; the only place that asks for passphrases."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Final

from juno_snap.agent.delegation import load_delegated
from juno_snap.agent.identity import (
    Identity,
    KeyIdentity,
    anonymous,
    check_not_revoked,
    load_pem,
)
from juno_snap.cli.identities import (
    HOW_TO_CHOOSE,
    Reference,
    TokenVariable,
    login_of,
    settings_of,
)
from juno_snap.cli.output import Output
from juno_snap.cli.running import prompting
from juno_snap.clock import system_clock
from juno_snap.errors import IdentityError, NotFoundError
from juno_snap.files import is_readable_by_others, read_file
from juno_snap.juno.credentials.keyrings import read_keyring
from juno_snap.juno.credentials.store import (
    Segment,
    TokenStore,
    open_store,
    segments_of,
    store_file,
)
from juno_snap.juno.credentials.token import (
    TOKEN_VARIABLE,
    is_key_json,
    read_key_json,
    read_token,
)
from juno_snap.juno.credentials.tools import KeyringEntry, ToolKey
from juno_snap.library.keys import make_default_key
from juno_snap.settings.identities import JUNO_STORE
from juno_snap.settings.model import IdentitySettings, Settings
from juno_snap.settings.sources import UNLOCK_JUNO_VARIABLE, UNLOCK_VARIABLE

PASSWORD_COMMAND_SECONDS: Final = 60


def open_identity(reference: Reference, settings: Settings, output: Output) -> Identity:
    """The chosen identity, ready to sign; asks for a passphrase where one is needed.

    The key of the state directory is made here where there is none yet.

    Raises:
        IdentityError: The key cannot be read, is of a wrong kind or revoked, its delegation has
            expired, or the passphrase is wrong or cannot be asked for.
    """
    if reference.place is None:
        return anonymous()
    if not reference.is_made:
        make_default_key(settings.state_directory)
        output.note(f"made a key for this state directory: {reference.place}")
    key = _open(reference, output)
    file = reference.settings.delegation_file if reference.settings else None
    if file is None and isinstance(reference.place, ToolKey):
        file = reference.place.delegation_file
    identity: Identity = key
    if file is not None:
        try:
            identity = load_delegated(_read(file), key, now_ns=system_clock().now_ns())
        except IdentityError as error:
            raise _located(error, str(file)) from error
    check_not_revoked(identity)
    return identity


def segments_of_login(settings: Settings, output: Output) -> tuple[Segment, ...]:
    """The modules that the login of Juno's CLI is for; asks for a password where it has one.

    Raises:
        IdentityError: The login cannot be read.
    """
    login = login_of(settings)

    def password() -> bytes:
        how = settings_of(settings, JUNO_STORE)
        return _passphrase(_called(store_file(login)), UNLOCK_JUNO_VARIABLE, output, how)

    try:
        return segments_of(login, password)
    except NotFoundError as error:
        raise IdentityError(error.message, code="identity-not-found", hint=HOW_TO_CHOOSE) from error


def open_key_file(
    path: Path, output: Output, settings: IdentitySettings | None = None
) -> KeyIdentity:
    """The key in the file ``path``; a warning when others can read it.

    Raises:
        IdentityError: As ``open_identity``.
    """
    data = _read(path)
    if is_readable_by_others(path):
        output.warn(f"others can read the key file {path}; {_protecting(path)}")
    return _unlock(data, str(path), output, settings)


def read_plain_key(path: Path) -> KeyIdentity:
    """The key in a file that no passphrase protects.

    Raises:
        IdentityError: It cannot be read so.
    """
    data = _read(path)
    return read_key_json(data, str(path)) if is_key_json(data) else load_pem(data)


def _open(reference: Reference, output: Output) -> KeyIdentity:
    settings = reference.settings
    match reference.place:
        case TokenVariable():
            return read_token(os.environ.get(TOKEN_VARIABLE, ""))
        case TokenStore() as store:
            return _open_store(store, output, settings)
        case ToolKey(place=KeyringEntry() as entry) as key:
            return _unlock(read_keyring(entry, key), key.source, output, settings)
        case ToolKey(place=Path() as path) | (Path() as path):
            return open_key_file(path, output, settings)
        case _:
            raise IdentityError(f"there is no key of {reference.name}", code="identity-not-found")


def _open_store(
    store: TokenStore, output: Output, settings: IdentitySettings | None
) -> KeyIdentity:
    file = store.file
    if store.content is not None and is_readable_by_others(file):
        output.warn(
            f"others can read the key in {file}; {_protecting(file.parent, 700)} (Juno's CLI would "
            "undo chmod on the file)"
        )
    what = _called(file)
    content = open_store(store, lambda: _passphrase(what, UNLOCK_JUNO_VARIABLE, output, settings))
    if content.key is None:
        raise IdentityError(
            f"Juno's CLI is logged out: {file} has no key",
            code="identity-not-found",
            hint="log in with it: juno login",
        )
    return content.key


def _called(store: Path) -> str:
    return f"Juno's CLI configuration {store}"


def _unlock(
    data: bytes, source: str, output: Output, settings: IdentitySettings | None
) -> KeyIdentity:
    """The key in ``data``; a passphrase is asked for only where it needs one."""
    if is_key_json(data):
        return read_key_json(data, source)
    try:
        return load_pem(data)
    except IdentityError as error:
        if error.code != "identity-passphrase":
            raise _located(error, source) from error
    passphrase = _passphrase(source, UNLOCK_VARIABLE, output, settings)
    try:
        return load_pem(data, passphrase)
    except IdentityError as error:
        raise _located(error, source) from error


def _passphrase(
    what: str, variable: str, output: Output, settings: IdentitySettings | None
) -> bytes:
    """From the variable, the configured command or file, or the person."""
    said = os.environ.get(variable)
    if said:
        return said.encode()
    return output.find_secret_once(what, lambda: _found(what, variable, output, settings))


def _found(what: str, variable: str, output: Output, settings: IdentitySettings | None) -> bytes:
    if settings and settings.password_command:
        return _printed(settings.password_command)
    if settings and settings.password_file:
        return _written(settings.password_file, output)
    if not output.can_ask:
        raise IdentityError(
            f"{what} is protected by a passphrase, and there is nobody to ask",
            code="identity-passphrase",
            hint=f"set {variable}, or password_command or password_file in juno-snap.toml",
        )
    with prompting():
        return output.ask_secret(f"passphrase of {what}").encode()


def _printed(command: tuple[str, ...]) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  # an argument list out of the person's own files
            command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=PASSWORD_COMMAND_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise IdentityError(
            f"password_command {command[0]} failed: {type(error).__name__}",
            code="identity-passphrase",
            hint="run it by hand to see why",
        ) from error
    return _first_line(done.stdout, command[0])


def _written(file: Path, output: Output) -> bytes:
    text = _read(file)
    if is_readable_by_others(file):
        output.warn(f"others can read the password in {file}; {_protecting(file)}")
    return _first_line(text, str(file))


def _protecting(place: Path, mode: int = 600) -> str:
    return f"protect it with: chmod {mode} {shlex.quote(str(place))}"


def _first_line(text: bytes, source: str) -> bytes:
    line = text.splitlines()[0] if text else b""
    if not line:
        raise IdentityError(f"{source} gave no passphrase", code="identity-passphrase")
    return line


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except NotFoundError as error:
        raise IdentityError(error.message, code="identity-not-found", hint=HOW_TO_CHOOSE) from error


def _located(error: IdentityError, source: str) -> IdentityError:
    return IdentityError(f"{source}: {error.message}", code=error.code, hint=error.hint)
