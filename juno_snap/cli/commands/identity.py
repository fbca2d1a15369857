"""``juno-snap identity``: who signs. Never prints a secret."""

import contextlib
from pathlib import Path
from typing import Annotated, Final

import typer

from juno_snap.cli import identities
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing
from juno_snap.errors import ConfigError, IdentityError
from juno_snap.files import read_file
from juno_snap.library.keys import kind_of
from juno_snap.settings.identities import (
    key_file_of,
    store_identity,
    stored_identities,
)
from juno_snap.settings.networks import Network

group: Final = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("list")
@spread
def list_identities(common: CommonOptions) -> None:
    """The identities that are stored and configured; no passphrase is asked for."""
    session = Session(common)
    rows: list[dict[str, str | None]] = [
        {
            "name": each.name,
            "principal": each.principal,
            "kind": each.kind,
            "source": str(each.key_file),
        }
        for each in stored_identities(session.state)
    ]
    for name, configured in sorted(session.settings.identities.items()):
        if configured.key_file:
            rows.append({"name": name, **_public(configured.key_file)})
    chosen = session.settings.default_identity
    document = {"identities": rows, "default": chosen}
    session.output.show(
        document,
        lambda: listing(
            ["NAME", "PRINCIPAL", "KIND", "SOURCE"], [list(row.values()) for row in rows]
        ),
    )


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
    if reference.stored and not (reference.settings and reference.settings.delegation_file):
        principal, kind = reference.stored.principal, reference.stored.kind
    else:
        identity = identities.open_identity(reference, session.settings, session.output)
        principal, kind = str(identity.principal), kind_of(identity)
    document = {"principal": principal, "kind": kind, "source": reference.source}
    session.output.show({"name": reference.name, **document}, lambda: facts(list(document.items())))


@group.command("import")
@spread
def import_identity(
    common: CommonOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A private key in PEM form.")],
    name: Annotated[str, typer.Option(help="What to call it.")],
) -> None:
    """Copy a key into the state directory, for you only; an encrypted one stays encrypted."""
    session = Session(common)
    key = identities.open_key_file(file, session.output)
    store_identity(
        session.state,
        name,
        read_file(file),
        principal=str(key.principal),
        kind=kind_of(key),
    )
    document = {
        "name": name,
        "principal": str(key.principal),
        "kind": kind_of(key),
        "source": str(key_file_of(session.state, name)),
    }
    session.output.show({"identity": document}, lambda: facts(list(document.items())))


def _network(session: Session) -> Network | None:
    """The chosen network, which decides whether an identity is needed; none is fine, too."""
    with contextlib.suppress(ConfigError):
        return session.network()
    return None


def _public(key_file: Path) -> dict[str, str | None]:
    """What is public about a configured key, as far as it can be read without a passphrase."""
    source = str(key_file)
    try:
        key = identities.read_plain_key(key_file)
    except IdentityError as error:
        return {"principal": None, "kind": error.code, "source": source}
    return {"principal": str(key.principal), "kind": kind_of(key), "source": source}
