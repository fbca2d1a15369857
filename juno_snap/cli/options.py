"""Options that many commands share, each set written once as a dataclass.

A command takes such a dataclass as a parameter; ``spread`` shows its fields to typer as options of
the command and hands the command the filled dataclass.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from juno_snap.settings.model import Role

SHARED: Final = "Options of every command"
MODULE: Final = "Which module"

Target = Literal["satellite", "mission-control", "orbiter", "s", "m", "o"]
SHORT_TARGETS: "Final[Mapping[str, Role]]" = {
    "s": "satellite",
    "m": "mission-control",
    "o": "orbiter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    network: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--network",
            metavar="NAME|URL",
            help="ic, local, juno, icp, dfx, a configured name, or a URL. [JUNO_SNAP_NETWORK]",
            rich_help_panel=SHARED,
        ),
    ] = None
    root_key: Annotated[
        str | None,
        typer.Option(
            metavar="ic|fetch|HEX",
            help="The root key of a network given as a URL. [JUNO_SNAP_ROOT_KEY]",
            rich_help_panel=SHARED,
        ),
    ] = None
    identity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Who signs: a name, a key file, or anonymous. [JUNO_SNAP_IDENTITY]",
            rich_help_panel=SHARED,
        ),
    ] = None
    mode: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--mode",
            metavar="NAME",
            help="Which environment of a Juno project: production, if not said. [JUNO_SNAP_MODE]",
            rich_help_panel=SHARED,
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            "-p",
            "--profile",
            metavar="NAME",
            help="Which of the Juno CLI's logins. [JUNO_SNAP_PROFILE]",
            rich_help_panel=SHARED,
        ),
    ] = None
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON document on standard output.", rich_help_panel=SHARED
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option(
            "-q", "--quiet", help="Only results, warnings and errors.", rich_help_panel=SHARED
        ),
    ] = False
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", help="Details of steps and causes.", rich_help_panel=SHARED
        ),
    ] = False
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="In place of the juno-snap.toml that would be found. [JUNO_SNAP_CONFIG]",
            rich_help_panel=SHARED,
        ),
    ] = None
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where state lives. [JUNO_SNAP_STATE]", rich_help_panel=SHARED
        ),
    ] = None
    yes: Annotated[
        bool,
        typer.Option("-y", "--yes", help="Do not ask for confirmation.", rich_help_panel=SHARED),
    ] = False
    headless: Annotated[
        bool,
        typer.Option(
            "--headless",
            help="Never prompt; implied by CI, JUNO_TOKEN, or no terminal.",
            rich_help_panel=SHARED,
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleOptions:
    """Which module a command is about."""

    module: Annotated[
        str | None,
        typer.Option(
            "--module",
            metavar="ID|NAME",
            help="A canister id, a configured name, or one made by module create --name.",
            rich_help_panel=MODULE,
        ),
    ] = None
    target: Annotated[
        Target | None,
        typer.Option(
            "-t",
            "--target",
            help="The one of that role: from juno-snap.toml, juno.config by the mode, or the "
            "login of Juno's CLI (mission control).",
            rich_help_panel=MODULE,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions:
    """What every command takes that changes a module."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and stop.")
    ] = False


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with its dataclass parameters spread into options of their own.

    Where the command has an option of its own by the name of a shared one, that one is left out.
    """
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    taken = {name for name in signature.parameters if not dataclasses.is_dataclass(hints[name])}
    groups: dict[str, type] = {}
    own: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        kind = hints[name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            shared += [each for each in _parameters(kind) if each.name not in taken]
        else:
            plain = inspect.Parameter.KEYWORD_ONLY
            own.append(parameter.replace(annotation=kind, kind=plain))

    @functools.wraps(command)
    def spread_command(**values: object) -> None:
        filled = {
            name: kind(
                **{
                    field.name: values.pop(field.name)
                    for field in dataclasses.fields(kind)
                    if field.name not in taken
                }
            )
            for name, kind in groups.items()
        }
        command(**filled, **values)

    everything = [*own, *shared]
    vars(spread_command)["__signature__"] = signature.replace(parameters=everything)
    spread_command.__annotations__ = {each.name: each.annotation for each in everything}
    return spread_command


def _parameters(kind: type) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
