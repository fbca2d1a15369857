"""Who signs: from what was said, configured or stored to a key that can sign."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from juno_snap.agent.delegation import load_delegated
from juno_snap.agent.identity import Identity, KeyIdentity, anonymous, load_pem
from juno_snap.cli.output import Output
from juno_snap.cli.running import prompting
from juno_snap.clock import system_clock
from juno_snap.errors import IdentityError, NotFoundError
from juno_snap.files import is_readable_by_others, read_file
from juno_snap.library.keys import make_default_key
from juno_snap.settings.identities import (
    ANONYMOUS_NAME,
    DEFAULT_NAME,
    StoredIdentity,
    key_file_of,
    stored_identities,
    stored_identity,
)
from juno_snap.settings.model import IdentitySettings, Settings
from juno_snap.settings.networks import Network
from juno_snap.settings.sources import UNLOCK_VARIABLE, is_path

PASSWORD_COMMAND_SECONDS: Final = 60
STRONGER_THAN_TOKEN: Final = {"--identity", "JUNO_SNAP_IDENTITY"}
HOW_TO_CHOOSE: Final = "say --identity NAME|PATH|anonymous, or set JUNO_SNAP_IDENTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An identity that was chosen and not opened yet."""

    name: str
    """A name, ``anonymous``, or the path of a key file."""
    source: str
    """For people: who chose it, or where it lies."""
    key_file: Path | None
    """None: anonymous."""
    is_made: bool = True
    """False: it will be made at its first use."""
    settings: IdentitySettings | None = None
    stored: StoredIdentity | None = None


def choose(settings: Settings, network: Network | None) -> Reference:
    """Which identity commands sign with; nothing is opened or made.

    Raises:
        IdentityError: None was chosen where one must be, the chosen one does not exist, or it must
            not be used on this network unasked.
    """
    origin = settings.origin_of("default_identity")
    if os.environ.get("JUNO_TOKEN") and origin not in STRONGER_THAN_TOKEN:
        raise IdentityError(
            "JUNO_TOKEN is set, but this version does not read it",
            code="token-not-supported",
            hint=f"{HOW_TO_CHOOSE}; or unset JUNO_TOKEN",
        )
    chosen = settings.default_identity
    if chosen is None:
        return _default(settings, network)
    if chosen == ANONYMOUS_NAME:
        return Reference(name=chosen, source=origin, key_file=None)
    if network and network.is_impostor_possible and origin != "--identity":
        raise IdentityError(
            f"the identity {chosen} ({origin}) is not used on {network.url}: its root key is "
            "fetched, so nothing proves who answers, and what is signed is valid on mainnet too",
            code="identity-withheld",
            hint=f"say --identity {chosen} if you trust this network, or pin its root key",
        )
    return _named(settings, chosen, origin)


def open_identity(reference: Reference, settings: Settings, output: Output) -> Identity:
    """The chosen identity, ready to sign; asks for a passphrase where one is needed.

    The key of the state directory is made here where there is none yet.

    Raises:
        IdentityError: The key cannot be read, is of a wrong kind, or the passphrase is wrong or
            cannot be asked for.
    """
    if reference.key_file is None:
        return anonymous()
    if not reference.is_made:
        output.note(f"made a key for this state directory: {reference.key_file}")
        make_default_key(settings.state_directory)
    key = open_key_file(reference.key_file, output, reference.settings)
    delegation = reference.settings.delegation_file if reference.settings else None
    if delegation is None:
        return key
    return load_delegated(_read(delegation), key, now_ns=system_clock().now_ns())


def open_key_file(
    path: Path, output: Output, settings: IdentitySettings | None = None
) -> KeyIdentity:
    """The key in the file ``path``; a warning when others can read it."""
    data = _read(path)
    if is_readable_by_others(path):
        output.warn(f"others can read the key file {path}; protect it with: chmod 600 {path}")
    try:
        return load_pem(data)
    except IdentityError as error:
        if error.code != "identity-passphrase":
            raise _located(error, path) from error
    try:
        return load_pem(data, _passphrase(path, output, settings))
    except IdentityError as error:
        raise _located(error, path) from error


def read_plain_key(path: Path) -> KeyIdentity:
    """The key in a file that no passphrase protects.

    Raises:
        IdentityError: It cannot be read so.
    """
    return load_pem(_read(path))


def _default(settings: Settings, network: Network | None) -> Reference:
    if network and network.root_key == "ic":
        raise IdentityError(
            f"no identity was chosen for {network.name}", code="no-identity", hint=HOW_TO_CHOOSE
        )
    stored = stored_identity(settings.state_directory, DEFAULT_NAME)
    return Reference(
        name=DEFAULT_NAME,
        source=str(stored.key_file) if stored else "made at first use",
        key_file=key_file_of(settings.state_directory, DEFAULT_NAME),
        is_made=stored is not None,
        stored=stored,
    )


def _named(settings: Settings, chosen: str, origin: str) -> Reference:
    if is_path(chosen):
        return Reference(name=chosen, source=origin, key_file=Path(chosen))
    configured = settings.identities.get(chosen)
    if configured and configured.key_file:
        return Reference(
            name=chosen,
            source=f"{configured.key_file} ({origin})",
            key_file=configured.key_file,
            settings=configured,
        )
    stored = stored_identity(settings.state_directory, chosen)
    if stored is None:
        known = {stored.name for stored in stored_identities(settings.state_directory)}
        names = ", ".join(sorted({*known, *settings.identities, ANONYMOUS_NAME}))
        raise IdentityError(
            f"there is no identity named {chosen}",
            code="unknown-identity",
            hint=f"known are {names}; a path has a slash, such as ./{chosen}",
        )
    return Reference(
        name=chosen,
        source=f"{stored.key_file} ({origin})",
        key_file=stored.key_file,
        settings=configured,
        stored=stored,
    )


def _passphrase(path: Path, output: Output, settings: IdentitySettings | None) -> bytes:
    """From the variable, the configured command or file, or the person."""
    said = os.environ.get(UNLOCK_VARIABLE)
    if said:
        return said.encode()
    if settings and settings.password_command:
        return _printed(settings.password_command)
    if settings and settings.password_file:
        return _first_line(_read(settings.password_file), str(settings.password_file))
    if not output.can_ask:
        raise IdentityError(
            "the key is protected by a passphrase, and there is nobody to ask",
            code="identity-passphrase",
            hint=f"set {UNLOCK_VARIABLE}, or password_command or password_file in juno-snap.toml",
        )
    with prompting():
        return output.ask_secret(f"passphrase of {path}").encode()


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


def _located(error: IdentityError, path: Path) -> IdentityError:
    return IdentityError(f"{path}: {error.message}", code=error.code, hint=error.hint)
