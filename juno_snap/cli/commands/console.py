"""``juno-snap console``: the page and the HTTP interface of step snapshots."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli import running
from juno_snap.cli.options import CommonOptions, spread
from juno_snap.cli.output import traceback_of
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts
from juno_snap.flow.space import FlowSpace


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=line)(console)


@spread
def console(
    common: CommonOptions,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any free one.")
    ] = 0,
) -> None:
    """Serve until Ctrl-C."""
    # The server is only for this command.
    from juno_snap.console.server import RunningConsole, serve

    session = Session(common)
    output = session.output

    def tell_ready(ready: RunningConsole) -> None:
        document = {
            "url": ready.url,
            "port": ready.port,
            "pid": ready.pid,
            "header_file": str(ready.header_file),
        }
        rows: list[tuple[str, object]] = [
            ("url", ready.url),
            ("use it", f"curl -H @{ready.header_file} {ready.url}/openapi.json"),
        ]
        told: list[RenderableType] = [facts(rows)]
        if output.is_seen:  # a file or a log would keep the token
            page = f"\nopen this page, it is for you only:\n{ready.page_url}"
            told.append(Text(page, no_wrap=True, overflow="ignore"))
        output.show({"console": document}, lambda: Group(*told))

    def tell_trouble(error: Exception) -> None:
        output.warn(f"a request failed: unexpected {type(error).__name__}: {error}")
        output.detail(traceback_of(error))

    running.collect_garbage()
    serve(FlowSpace(state=session.state), port, on_ready=tell_ready, on_trouble=tell_trouble)
