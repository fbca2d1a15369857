"""``juno-snap resume``: bring an interrupted operation to its end."""

from dataclasses import dataclass
from typing import Annotated

import typer

from juno_snap.cli.operations import reported, tell_report
from juno_snap.cli.options import ChangeOptions, CommonOptions, ModuleOptions, spread
from juno_snap.cli.past import operation_json, operation_table
from juno_snap.cli.session import Session
from juno_snap.cli.wiring import connect
from juno_snap.errors import InputError
from juno_snap.pipeline.report import Report
from juno_snap.pipeline.resume import Direction, find_unfinished
from juno_snap.pipeline.resume import resume as resume_operation


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{resume.__doc__}")(resume)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionOptions:
    """Where to go on to; at most one is said."""

    forward: Annotated[bool, typer.Option("--forward", help="To the new state, or not at all.")] = (
        False
    )
    back: Annotated[
        bool, typer.Option("--back", help="To the state before it, as far as it has come.")
    ] = False
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Only see that the module runs, and forget the rest.")
    ] = False


@spread
def resume(
    common: CommonOptions,
    module: ModuleOptions,
    change: ChangeOptions,
    where: DirectionOptions,
    operation: Annotated[
        str | None,
        typer.Argument(metavar="[OPERATION]", help="By default the one that is not finished."),
    ] = None,
) -> None:
    """Find out what became of each call that was sent, and go on from there.

    Without a direction it goes on the way it was going. The module is running afterwards.
    """
    session = Session(common)
    direction = _direction(where)

    async def work() -> Report | None:
        async with connect(session, changes=True, dry_run=change.dry_run) as connection:
            named = bool(module.module or module.target)
            chosen = (await connection.module(module)).id if named else None
            record = find_unfinished(connection.workspace(), operation, chosen)
            choice = connection.choice_of(record.begun.module)
            if change.dry_run:
                session.output.show(
                    {"operation": operation_json(record, choice.name), "dry_run": True},
                    lambda: operation_table(record, choice.name),
                )
                return None
            begun = record.begun
            session.output.note(f"going on with {begun.kind} {begun.id} of {choice.label}")
            with session.output.watch() as observer:
                return await reported(
                    session,
                    resume_operation(
                        connection.workspace(choice),
                        operation=begun.id,
                        direction=direction,
                        observer=observer,
                    ),
                )

    tell_report(session, session.run(work()))


def _direction(options: DirectionOptions) -> Direction | None:
    said: dict[Direction, bool] = {
        "forward": options.forward,
        "back": options.back,
        "abandon": options.abandon,
    }
    chosen = [direction for direction, is_said in said.items() if is_said]
    if len(chosen) > 1:
        raise InputError("say one of --forward, --back and --abandon", value=f"--{chosen[1]}")
    return chosen[0] if chosen else None
