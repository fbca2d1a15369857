"""Keys that other tools keep, for a program: the same ones that the command line calls so.

Nobody is asked for anything: what is protected opens with the passphrase that was given.
"""

import os

from juno_snap.agent.delegation import load_delegated
from juno_snap.agent.identity import Identity, load_pem
from juno_snap.clock import system_clock
from juno_snap.errors import IdentityError, NotFoundError
from juno_snap.files import read_file
from juno_snap.juno.credentials.keyrings import read_keyring
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import find_store, open_store, store_file
from juno_snap.juno.credentials.token import TOKEN_VARIABLE, read_token
from juno_snap.juno.credentials.tools import KeyringEntry, tool_key
from juno_snap.settings.identities import JUNO_STORE, JUNO_TOKEN


def open_elsewhere(name: str, login: Login, passphrase: str | None) -> Identity:
    """The identity ``juno:token``, ``juno:store`` (of ``login``), ``icp:NAME`` or ``dfx:NAME``.

    Raises:
        IdentityError: There is none, it cannot be read, or it needs another passphrase.
    """
    if name == JUNO_TOKEN:
        token = os.environ.get(TOKEN_VARIABLE)
        if not token:
            raise IdentityError(f"{TOKEN_VARIABLE} is not set", code="identity-not-found")
        return read_token(token)
    try:
        if name == JUNO_STORE:
            return _of_login(login, passphrase)
        return _of_tool(name, passphrase)
    except NotFoundError as error:
        raise IdentityError(error.message, code="identity-not-found") from error


def _of_login(login: Login, passphrase: str | None) -> Identity:
    def password() -> bytes:
        if passphrase is None:
            raise IdentityError(
                f"{store_file(login)} is encrypted",
                code="identity-passphrase",
                hint="pass passphrase=, the password of Juno's CLI",
            )
        return passphrase.encode()

    store = find_store(login)
    key = open_store(store, password).key if store else None
    if key is None:
        raise IdentityError(
            f"Juno's CLI is not logged in: there is no key in {store_file(login)}",
            code="identity-not-found",
            hint="log in with it: juno login",
        )
    return key


def _of_tool(name: str, passphrase: str | None) -> Identity:
    tool, _, own_name = name.partition(":")
    found = tool_key("icp" if tool == "icp" else "dfx", own_name)
    if found.place is None:
        raise IdentityError(f"there is no key of {name}", code="identity-not-found")
    place = found.place
    data = read_keyring(place, found) if isinstance(place, KeyringEntry) else read_file(place)
    key = load_pem(data, None if passphrase is None else passphrase.encode())
    if found.delegation_file is None:
        return key
    chain = read_file(found.delegation_file)
    return load_delegated(chain, key, now_ns=system_clock().now_ns())
