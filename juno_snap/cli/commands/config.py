"""``juno-snap config``: what is configured, and whether it makes sense.

Both commands tell of every source that is wrong, not of the first only, each with its cure; the
sound ones are shown all the same. A ``juno.config`` that is code is run only with ``-t``.
"""

from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType

from juno_snap.cli.findings import Findings, look, refuse
from juno_snap.cli.options import CommonOptions, Target, spread
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing

group: Final = typer.Typer(no_args_is_help=True)

Named = Annotated[
    Target | None,
    typer.Option("-t", "--target", help="Find this one, too; runs a juno.config that is code."),
]


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the group."""
    app.add_typer(group, name=name, help=line)


@group.command("show")
@spread
def show(
    common: CommonOptions,
    target: Named = None,
    origins: Annotated[bool, typer.Option("--origins", help="Who said each value.")] = False,
) -> None:
    """Every setting as it holds here and now, and every source that is wrong."""
    session, found = _look(common, target)
    rows = [
        {"key": each.key, "value": each.value, **({"origin": each.origin} if origins else {})}
        for each in found.values
    ]
    headings = ["SETTING", "VALUE", "ORIGIN"][: 3 if origins else 2]
    session.output.show(
        {"files": _files(found), "settings": rows, "problems": _problems(found)},
        lambda: _told(listing(headings, [list(row.values()) for row in rows]), found),
    )
    refuse(found)


@group.command("check")
@spread
def check(common: CommonOptions, target: Named = None) -> None:
    """Read every source, look at every file that is named, and say what is wrong."""
    session, found = _look(common, target)
    for warning in found.warnings:
        session.output.warn(warning)
    is_ok = not found.problems and not found.warnings
    files = _files(found)
    session.output.show(
        {
            "ok": is_ok,
            "files": files,
            "problems": _problems(found),
            "warnings": list(found.warnings),
        },
        lambda: _told(facts([("ok", is_ok), ("files", ", ".join(files) or "none")]), found),
    )
    refuse(found)


def _look(common: CommonOptions, target: Target | None) -> tuple[Session, Findings]:
    session = Session(common)
    found = session.run(look(session, target))
    if found.not_run:
        session.output.note(f"{found.not_run} is code and was not run; with -t it is")
    return session, found


def _files(found: Findings) -> list[str]:
    return [str(file) for file in found.files]


def _problems(found: Findings) -> list[dict[str, object]]:
    return [
        {
            "code": each.code,
            "source": each.fields.get("source", ""),
            "key": each.fields.get("key", ""),
            "problem": each.message,
            "cure": each.hint,
        }
        for each in found.problems
    ]


def _told(result: RenderableType, found: Findings) -> RenderableType:
    if not found.problems:
        return result
    rows = [(each.message, each.hint) for each in found.problems]
    return Group(result, "", listing(["PROBLEM", "CURE"], rows))
