"""Encryption with age: to recipients, whose secret keys need not be here.

Format: https://age-encryption.org/v1. Only X25519 keys (``age1…``, ``AGE-SECRET-KEY-1…``).
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

from juno_snap.backup.copies.stores import Incoming, Outgoing
from juno_snap.errors import BackupError, InputError, PreconditionError
from juno_snap.files import read_file

Transform: TypeAlias = Callable[[Incoming, Outgoing, str], None]
"""From one stream to the other; the text names the file, for errors."""

LINES_MAX: Final = 1000


def encrypting(recipients: tuple[str, ...]) -> Transform:
    """A way to encrypt for all of ``recipients``.

    Raises:
        InputError: One of them is none; it is named by its number, as it may be a secret.
    """
    age = _library()
    parsed = [
        _parsed(age.x25519.Recipient.from_str, text, f"recipient {number}", "recipient (age1…)")
        for number, text in enumerate(recipients, 1)
    ]

    def encrypt(incoming: Incoming, outgoing: Outgoing, place: str) -> None:
        try:
            age.encrypt_io(incoming, outgoing, parsed)
        except (age.EncryptError, OSError) as error:
            raise _cause(incoming, outgoing) or _failed(place, "encrypt", error) from error

    return encrypt


def decrypting(identity_file: Path) -> Transform:
    """A way to decrypt with the keys in ``identity_file``.

    Raises:
        NotFoundError: There is no such file.
        InputError: It holds something else than keys, or none.
    """
    age = _library()
    identities = [
        _parsed(age.x25519.Identity.from_str, text, where, "identity (AGE-SECRET-KEY-1…)")
        for where, text in _lines(identity_file)
    ]

    def decrypt(incoming: Incoming, outgoing: Outgoing, place: str) -> None:
        try:
            age.decrypt_io(incoming, outgoing, identities)
        except age.DecryptError as error:
            raise _cause(incoming, outgoing) or _no_key(place, identity_file, error) from error
        except OSError as error:
            raise _cause(incoming, outgoing) or _failed(place, "decrypt", error) from error

    return decrypt


def read_recipients(file: Path) -> tuple[str, ...]:
    """The recipients in a file: one a line, ``#`` before what is a comment.

    Raises:
        NotFoundError: There is no such file.
        InputError: There is none in it.
    """
    return tuple(text for _, text in _lines(file))


def _lines(file: Path) -> list[tuple[str, str]]:
    """What is said in a file, each with the line where; a line is never shown itself."""
    try:
        lines = read_file(file).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} holds no age keys", value=str(file)) from error
    said = [
        (f"line {number} of {file}", text.strip())
        for number, text in enumerate(lines, 1)
        if text.strip() and not text.strip().startswith("#")
    ]
    if not said or len(said) > LINES_MAX or not all(text.isascii() for _, text in said):
        raise InputError(
            f"{file} holds {'too many' if len(said) > LINES_MAX else 'no'} age keys",
            value=str(file),
        )
    return said


def _parsed(parse: Callable[[str], object], text: str, where: str, what: str) -> object:
    try:
        return parse(text)
    except Exception as error:  # its classes are not those that it documents
        raise InputError(
            f"{where} is no age {what}",
            code="not-an-age-key",
            hint="age-keygen makes a pair; keys of SSH and passphrases are not supported",
        ) from error


def _cause(incoming: Incoming, outgoing: Outgoing) -> BaseException | None:
    """Why a stream broke, which age tells as an error of its own."""
    return incoming.problem or outgoing.problem


def _no_key(place: str, identity_file: Path, error: Exception) -> BackupError:
    return BackupError(
        f"{place} cannot be decrypted with {identity_file}: {error}",
        path=place,
        code="backup-wrong-key",
        hint="name the file with the secret key of one of its recipients",
    )


def _failed(place: str, deed: str, error: Exception) -> BackupError:
    return BackupError(
        f"cannot {deed} {place}: {error}",
        path=place,
        code="backup-damaged",
        hint="its content is not what was encrypted; use another copy",
    )


def _library() -> ModuleType:
    """The library, which is installed only where it is wanted."""
    try:
        import pyrage
    except ImportError as error:
        raise PreconditionError(
            "encryption needs a package that is not installed",
            code="missing-package",
            hint="install it with: pip install 'juno-snap[age]'",
        ) from error
    module: ModuleType = pyrage
    return module
