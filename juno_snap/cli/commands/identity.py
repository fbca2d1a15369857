"""``juno-snap identity``: who signs. Never prints a secret."""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.agent.identity import KeyIdentity, check_not_revoked
from juno_snap.cli import identities, unlocking
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts_of, listing
from juno_snap.cli.unlocking import read_plain_key
from juno_snap.errors import ConfigError, IdentityError, NotFoundError
from juno_snap.files import read_file
from juno_snap.juno.credentials.store import Segment, find_store, store_file
from juno_snap.juno.credentials.token import TOKEN_VARIABLE, is_key_json, read_token
from juno_snap.juno.credentials.tools import Tool, tool_keys
from juno_snap.library.keys import kind_of
from juno_snap.settings.identities import (
    JUNO_STORE,
    JUNO_TOKEN,
    key_file_of,
    store_identity,
    stored_identities,
)
from juno_snap.settings.model import Settings
from juno_snap.settings.networks import Network

Row: TypeAlias = dict[str, str | None]

group: Final = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("list")
@spread
def list_identities(common: CommonOptions) -> None:
    """Keys that are stored, configured, or kept by Juno's CLI, icp and dfx; asks for no passphrase.

    The modules that the login of Juno's CLI was given for are listed too.
    """
    session = Session(common)
    rows = [*_stored(session), *_configured(session)]
    kept, segments = _logins(session.settings)
    rows += [*kept, *_of_tool("icp"), *_of_tool("dfx")]
    document = {
        "identities": rows,
        "default": session.settings.default_identity,
        "segments": [
            {"role": each.role, "module": str(each.id), "name": each.name} for each in segments
        ],
    }
    session.output.show(document, lambda: _tables(rows, segments))


@group.command("show")
@spread
def show(common: CommonOptions) -> None:
    """The identity that commands would sign with. Needs no network and makes no key."""
    session = Session(common)
    reference = identities.choose(session.settings, _network(session))
    if not reference.is_made:
        raise IdentityError(
            "there is no identity yet",
            code="no-identity",
            hint="the first command on another network than ic makes one; or import one with: "
            "juno-snap identity import FILE --name NAME",
        )
    if reference.known:
        principal, kind = reference.known
    else:
        identity = unlocking.open_identity(reference, session.settings, session.output)
        principal, kind = str(identity.principal), kind_of(identity)
    document = {"principal": principal, "kind": kind, "source": reference.source}
    session.output.show({"name": reference.name, **document}, lambda: facts_of(document))


@group.command("import")
@spread
def import_identity(
    common: CommonOptions,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A private key: PEM, or Juno's JSON."),
    ],
    name: Annotated[str, typer.Option(help="What to call it.")],
) -> None:
    """Copy a key into the state directory, for you only; an encrypted one stays encrypted."""
    session = Session(common)
    data = read_file(file)
    key = unlocking.open_key_file(file, session.output)
    check_not_revoked(key)
    store_identity(
        session.state,
        name,
        key.to_pem() if is_key_json(data) else data,
        principal=str(key.principal),
        kind=kind_of(key),
    )
    document = {
        "name": name,
        "principal": str(key.principal),
        "kind": kind_of(key),
        "source": str(key_file_of(session.state, name)),
    }
    session.output.show({"identity": document}, lambda: facts_of(document))


def _network(session: Session) -> Network | None:
    """The chosen network, which decides whether an identity is needed; none is fine, too."""
    with contextlib.suppress(ConfigError):
        return session.network()
    return None


def _stored(session: Session) -> list[Row]:
    return [
        {
            "name": each.name,
            "principal": each.principal,
            "kind": each.kind,
            "source": str(each.key_file),
        }
        for each in stored_identities(session.state)
    ]


def _configured(session: Session) -> Iterator[Row]:
    for name, configured in sorted(session.settings.identities.items()):
        if configured.key_file:
            yield _row(name, str(configured.key_file), partial(read_plain_key, configured.key_file))
        elif configured.key:
            yield _closed(name, "elsewhere", configured.key)


def _logins(settings: Settings) -> tuple[list[Row], tuple[Segment, ...]]:
    """The key in ``JUNO_TOKEN``, that of the login, and the modules that the login is for."""
    rows: list[Row] = []
    token = os.environ.get(TOKEN_VARIABLE)
    if token:
        rows.append(_row(JUNO_TOKEN, TOKEN_VARIABLE, partial(read_token, token)))
    login = identities.login_of(settings)
    source = str(store_file(login))
    try:
        store = find_store(login)
    except (IdentityError, NotFoundError) as error:
        return [*rows, _closed(JUNO_STORE, error.code, source)], ()
    if store is None:
        return rows, ()
    if store.content is None:
        return [*rows, _closed(JUNO_STORE, "identity-passphrase", source)], ()
    key = store.content.key
    if key is not None:
        rows.append(_row(JUNO_STORE, source, lambda: key))
    return rows, store.content.segments


def _of_tool(tool: Tool) -> Iterator[Row]:
    try:
        keys = tool_keys(tool)
    except IdentityError as error:
        yield _closed(f"{tool}:", error.code, error.message)
        return
    for key in keys:
        if key.principal is None and isinstance(key.place, Path):
            yield _row(key.label, key.source, partial(read_plain_key, key.place))
        else:
            yield _closed(key.label, key.storage, key.source) | {"principal": key.principal}


def _tables(rows: list[Row], segments: tuple[Segment, ...]) -> RenderableType:
    keys = listing(["NAME", "PRINCIPAL", "KIND", "SOURCE"], [list(row.values()) for row in rows])
    if not segments:
        return keys
    modules = [[each.role, each.id, each.name] for each in segments]
    return Group(keys, Text(""), listing(["ROLE", "MODULE", "NAME"], modules))


def _closed(name: str, kind: str, source: str) -> Row:
    return {"name": name, "principal": None, "kind": kind, "source": source}


def _row(name: str, source: str, read: Callable[[], KeyIdentity]) -> Row:
    """What is public about a key, as far as it can be read without a passphrase."""
    try:
        key = read()
    except IdentityError as error:
        return _closed(name, error.code, source)
    return {"name": name, "principal": str(key.principal), "kind": kind_of(key), "source": source}
