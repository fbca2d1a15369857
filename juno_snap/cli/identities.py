"""Who signs: from what was said, configured or found to one identity, which is not opened yet."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.errors import IdentityError, NotFoundError
from juno_snap.juno.credentials.login import Login
from juno_snap.juno.credentials.store import TokenStore, find_store, store_file
from juno_snap.juno.credentials.token import TOKEN_VARIABLE
from juno_snap.juno.credentials.tools import ToolKey, tool_key
from juno_snap.library.address import pinned_key
from juno_snap.settings.identities import (
    ANONYMOUS_NAME,
    DEFAULT_NAME,
    JUNO_STORE,
    JUNO_TOKEN,
    StoredIdentity,
    key_file_of,
    stored_identities,
    stored_identity,
)
from juno_snap.settings.model import IdentitySettings, Settings
from juno_snap.settings.networks import Network
from juno_snap.settings.schema import ELSEWHERE_PATTERN
from juno_snap.settings.sources import is_path

STRONGER_THAN_TOKEN: Final = {"--identity", "JUNO_SNAP_IDENTITY"}
HOW_TO_CHOOSE: Final = "say --identity NAME|PATH|anonymous, or set JUNO_SNAP_IDENTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVariable:
    """The key in the variable ``JUNO_TOKEN``."""


Place: TypeAlias = Path | TokenVariable | TokenStore | ToolKey | None
"""Where a key is; None: nobody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An identity that was chosen and not opened yet."""

    name: str
    """A name, ``anonymous``, or the path of a key file."""
    source: str
    """For people: who chose it, or where it lies."""
    place: Place
    is_made: bool = True
    """False: it will be made at its first use."""
    settings: IdentitySettings | None = None
    stored: StoredIdentity | None = None

    @property
    def known(self) -> tuple[str, str] | None:
        """Principal and kind, where they are known without opening it."""
        if self.stored is None or (self.settings and self.settings.delegation_file):
            return None
        return self.stored.principal, self.stored.kind


def login_of(settings: Settings) -> Login:
    """Which login of Juno's CLI is meant."""
    return Login(mode=settings.mode, profile=settings.profile)


def choose(settings: Settings, network: Network | None) -> Reference:
    """Which identity commands sign with; nothing is opened or made.

    Raises:
        IdentityError: None was chosen where one must be, the chosen one does not exist, or it must
            not be used on this network unasked.
    """
    login = login_of(settings)
    origin = settings.origin_of("default_identity")
    chosen = settings.default_identity
    if os.environ.get(TOKEN_VARIABLE) and origin not in STRONGER_THAN_TOKEN:
        chosen, origin = JUNO_TOKEN, TOKEN_VARIABLE
    if chosen is None:
        return _logged_in(settings, network, login) or _default(settings, network, login)
    if chosen == ANONYMOUS_NAME:
        return Reference(name=chosen, source=origin, place=None)
    if network and network.is_impostor_possible and origin != "--identity":
        raise IdentityError(
            f"the identity {chosen} ({origin}) is not used on {network.url}: its root key is "
            "fetched, so nothing proves who answers, and what is signed is valid on mainnet too",
            code="identity-withheld",
            hint=f"say --identity {chosen} if you trust this network, or pin its root key",
        )
    return _named(settings, chosen, origin, login)


def _logged_in(settings: Settings, network: Network | None, login: Login) -> Reference | None:
    """The token store of ``login`` where it is one for this network and has a key."""
    if network is not None and not _is_for(login, network):
        return None
    store = _find_store(login)
    if store is None or (store.content is not None and store.content.key is None):
        return None
    return Reference(
        name=JUNO_STORE,
        source=str(store.file),
        place=store,
        settings=settings_of(settings, JUNO_STORE),
    )


def _is_for(login: Login, network: Network) -> bool:
    """Whether the key of ``login`` belongs to ``network``, which nobody can pose as."""
    is_mainnet = pinned_key(network) == MAINNET_ROOT_KEY
    return login.is_mainnet == is_mainnet and not network.is_impostor_possible


def _default(settings: Settings, network: Network | None, login: Login) -> Reference:
    if network and network.root_key == "ic":
        raise IdentityError(
            f"no identity was chosen for {network.name}, and Juno's CLI is not logged in "
            f"(mode {login.mode}{f', profile {login.profile}' if login.profile else ''})",
            code="no-identity",
            hint=f"{HOW_TO_CHOOSE}, or JUNO_TOKEN",
        )
    stored = stored_identity(settings.state_directory, DEFAULT_NAME)
    return Reference(
        name=DEFAULT_NAME,
        source=str(stored.key_file) if stored else "made at first use",
        place=key_file_of(settings.state_directory, DEFAULT_NAME),
        is_made=stored is not None,
        stored=stored,
    )


def _named(settings: Settings, chosen: str, origin: str, login: Login) -> Reference:
    if is_path(chosen):
        return Reference(name=chosen, source=origin, place=Path(chosen))
    configured = settings.identities.get(chosen)
    if configured and configured.key_file:
        return Reference(
            name=chosen,
            source=f"{configured.key_file} ({origin})",
            place=configured.key_file,
            settings=configured,
        )
    key = configured.key if configured and configured.key else chosen
    if ELSEWHERE_PATTERN.fullmatch(key):
        found, where = _elsewhere(key, login)
        how = configured or settings_of(settings, key)
        return Reference(name=chosen, source=f"{where} ({origin})", place=found, settings=how)
    stored = stored_identity(settings.state_directory, chosen)
    if stored is None:
        known = {stored.name for stored in stored_identities(settings.state_directory)}
        names = ", ".join(sorted({*known, *settings.identities, ANONYMOUS_NAME}))
        raise IdentityError(
            f"there is no identity named {chosen}",
            code="unknown-identity",
            hint=f"known are {names}; a path has a slash, such as ./{chosen}; keys of other tools "
            "are juno:store, juno:token, icp:NAME, dfx:NAME",
        )
    return Reference(
        name=chosen,
        source=f"{stored.key_file} ({origin})",
        place=stored.key_file,
        settings=configured,
        stored=stored,
    )


def _elsewhere(key: str, login: Login) -> tuple[Place, str]:
    """A key that another tool keeps, and where that is.

    Raises:
        IdentityError: There is none.
    """
    if key == JUNO_TOKEN:
        if not os.environ.get(TOKEN_VARIABLE):
            raise IdentityError(
                f"{TOKEN_VARIABLE} is not set", code="identity-not-found", hint=HOW_TO_CHOOSE
            )
        return TokenVariable(), TOKEN_VARIABLE
    if key == JUNO_STORE:
        store = _find_store(login)
        if store is None:
            raise IdentityError(
                f"Juno's CLI has no login here: there is no {store_file(login)}",
                code="identity-not-found",
                hint="log in with it (juno login), or say its --mode and --profile",
            )
        return store, str(store.file)
    tool, _, name = key.partition(":")
    found = tool_key("icp" if tool == "icp" else "dfx", name)
    return found, found.source


def _find_store(login: Login) -> TokenStore | None:
    try:
        return find_store(login)
    except NotFoundError as error:
        raise IdentityError(
            error.message,
            code="identity-not-found",
            hint="it is Juno's login; make it readable for you, or say --identity",
        ) from error


def settings_of(settings: Settings, key: str) -> IdentitySettings | None:
    """What is configured for a key of another tool, under whatever name."""
    return next((each for each in settings.identities.values() if each.key == key), None)
