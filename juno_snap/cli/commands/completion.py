"""``juno-snap completion``: typer's own completion, as commands."""

import os
from typing import Annotated, Final, Literal

import typer

from juno_snap.cli.program import PROGRAM, build

COMPLETE_VARIABLE: Final = "_JUNO_SNAP_COMPLETE"
"""What the shells' scripts set. Source: typer, "CLI completion"."""

group: Final = typer.Typer(no_args_is_help=True)

Shell = Literal["bash", "zsh", "fish", "powershell", "pwsh"]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("show")
def show(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """The script that teaches a shell to complete our commands."""
    os.environ[COMPLETE_VARIABLE] = f"source_{shell}"
    try:
        typer.main.get_command(build([])).main(args=[], prog_name=PROGRAM)
    finally:
        del os.environ[COMPLETE_VARIABLE]


@group.command("install")
def install() -> None:
    """Install completion for the shell that this runs in."""
    typer.main.get_command(build([])).main(args=["--install-completion"], prog_name=PROGRAM)
