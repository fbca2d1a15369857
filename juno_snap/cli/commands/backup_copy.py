"""``juno-snap backup copy``: a backup at another place, and encrypted if wanted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from juno_snap.backup.copies.age import read_recipients
from juno_snap.backup.copies.copy import copy_backup
from juno_snap.backup.copies.remote import open_store
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """For whom a copy is encrypted, or with which key it is decrypted."""

    recipient: Annotated[
        list[str] | None,
        typer.Option(metavar="AGE1...", help="Encrypt for this age key; may be repeated."),
    ] = None
    recipients_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Encrypt for the age keys in FILE.")
    ] = None
    identity_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Decrypt with the secret age keys in FILE.")
    ] = None


@spread
def copy(
    common: CommonOptions,
    keys: KeyOptions,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A directory or URL.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A directory or URL.")],
    no_read_back: Annotated[
        bool,
        typer.Option("--no-read-back", help="Compare sizes there, and do not read all of it."),
    ] = False,
) -> None:
    """Copy a backup to another place or back. Interrupted, the same command goes on.

    A place is a directory, or a URL with s3, sftp, webdav+https or file. Credentials come from
    FSSPEC_* variables, ~/.config/fsspec, or where the service's own tools have them.
    """
    session = Session(common)
    recipients = tuple(keys.recipient or ())
    if keys.recipients_file is not None:
        recipients += read_recipients(keys.recipients_file)
    with (
        session.output.watch() as observer,
        open_store(source) as origin,
        open_store(target) as destination,
    ):
        copied = copy_backup(
            origin,
            destination,
            recipients=recipients,
            identity_file=keys.identity_file,
            read_back=not no_read_back,
            observer=observer,
        )
    document = {
        "target": copied.target,
        "encrypted": copied.is_encrypted,
        "files": copied.files,
        "sent": copied.sent,
        "total_size_bytes": copied.size_bytes,
    }
    session.output.report({"copy": document}, lambda: facts_of(document))
