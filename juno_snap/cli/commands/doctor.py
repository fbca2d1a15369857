"""``juno-snap doctor``: what is wrong here, on the network and with a module, each with a cure."""

import typer
from rich.console import RenderableType

from juno_snap.cli.doctor import examine, refuse
from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import listing
from juno_snap.pipeline.doctor import Line


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{doctor.__doc__}")(doctor)


@spread
def doctor(common: CommonOptions, module: ModuleOptions) -> None:
    """Changes nothing. Without a module it looks at this machine and the network only."""
    session = Session(common)
    examination = session.run(examine(session, module))
    session.output.show(
        {"doctor": [each.to_json() for each in examination.lines]},
        lambda: _told(examination.lines),
    )
    refuse(examination)


def _told(lines: tuple[Line, ...]) -> RenderableType:
    words = {"unknown": "-"}
    rows = [(each.name, words.get(each.level, each.level), each.text, each.cure) for each in lines]
    return listing(["WHAT", "STATE", "FOUND", "WHAT TO DO"], rows)
