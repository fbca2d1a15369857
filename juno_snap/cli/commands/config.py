"""``juno-snap config``: what is configured, and whether it makes sense."""

import os
import shutil
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from juno_snap.cli import identities
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing
from juno_snap.files import is_readable_by_others
from juno_snap.library.address import pinned_key
from juno_snap.library.configured import check_operations, programs
from juno_snap.settings.identities import key_file_of
from juno_snap.settings.model import Settings
from juno_snap.settings.names import names_of_all_networks
from juno_snap.settings.networks import LOCAL, Network, choose_network
from juno_snap.settings.schema import looks_like_principal
from juno_snap.settings.sources import unknown_variables

group: Final = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("show")
@spread
def show(
    common: CommonOptions,
    origins: Annotated[bool, typer.Option("--origins", help="Who said each value.")] = False,
) -> None:
    """Every setting as it holds here and now."""
    session = Session(common)
    settings = session.settings
    rows = [
        {"key": each.key, "value": each.value, **({"origin": each.origin} if origins else {})}
        for each in settings.values
    ]
    headings = ["SETTING", "VALUE", "ORIGIN"][: 3 if origins else 2]
    session.output.show(
        {"files": [str(file) for file in settings.files], "settings": rows},
        lambda: listing(headings, [list(row.values()) for row in rows]),
    )


@group.command("check")
@spread
def check(common: CommonOptions) -> None:
    """Read every source, look at every file that is named, and say what is wrong."""
    session = Session(common)
    settings = session.settings
    for each in settings.networks.values():
        pinned_key(Network(name=each.name, url=each.url, root_key=each.root_key))
    network = None
    if settings.default_network not in {None, LOCAL}:
        network = choose_network(settings, session.find_local)
    if settings.default_identity:
        identities.choose(settings, network)
    check_operations(settings)
    warnings = list(_warnings(settings))
    for warning in warnings:
        session.output.warn(warning)
    files = [str(file) for file in settings.files]
    session.output.show(
        {"ok": not warnings, "files": files, "warnings": warnings},
        lambda: facts([("ok", not warnings), ("files", ", ".join(files) or "none")]),
    )


def _warnings(settings: Settings) -> Iterator[str]:
    for name in unknown_variables(os.environ):
        yield f"nothing reads {name}: is it misspelt?"
    yield from _warnings_of_operations(settings)
    for name, configured in settings.identities.items():
        own = None if configured.key else key_file_of(settings.state_directory, name)
        for file in (
            configured.key_file or own,
            configured.password_file,
            configured.delegation_file,
        ):
            if file is None:
                continue
            if not file.is_file():
                yield f"identity.{name}: there is no file {file}"
            elif is_readable_by_others(file):
                yield f"identity.{name}: others can read {file}"


def _warnings_of_operations(settings: Settings) -> Iterator[str]:
    for key, program in programs(settings):
        if shutil.which(program) is None:
            yield f"{key}: there is no program {program}, or it may not be run"
    known = {*settings.modules, *names_of_all_networks(settings.state_directory)}
    for hook in settings.hooks:
        for module in sorted((hook.modules or frozenset()) - known):
            if not looks_like_principal(module):
                yield f"hooks.{hook.name}.modules: no module is named {module}"
