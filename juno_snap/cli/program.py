"""All commands by name, and the one place where errors become exit codes.

An exception that is no ``JunoSnapError`` is a mistake in the program: it goes on to
``juno_snap.cli.main``, which tells of it.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from juno_snap.cli.exit_codes import ExitCode, exit_code_of, help_epilog
from juno_snap.cli.output import Output, OutputOptions, ResultLostError
from juno_snap.errors import InputError, JunoSnapError
from juno_snap.version import __version__

PROGRAM: Final = "juno-snap"

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "The whole story on a local replica in this process, in seconds.",
    "replica": "A local replica: run it here, or in the background.",
    "module": "Create, install, start, stop, delete and call modules.",
    "status": "What a module is, holds and needs.",
    "doctor": "What is wrong here, on the network and with a module, and what to do.",
    "snapshot": "Take, list, show, restore and delete module snapshots.",
    "backup": "Copies of snapshots off the chain: make, verify, restore, list, prune, convert.",
    "releases": "Which releases of Juno's modules are published.",
    "upgrade": "Change a module's code, with a snapshot before and the start after.",
    "rehearse": "An upgrade on a local copy of the module's state; the network stays as it is.",
    "rollback": "Bring a module back to the snapshot that an upgrade took.",
    "resume": "Bring an interrupted operation to its end.",
    "history": "What was done: operations, their steps, and what is unfinished.",
    "flow": "Run flows: steps that are stopped and go on where they were.",
    "console": "The step snapshots of flows: a web page, and an API for programs on this machine.",
    "fleet": "Upgrade or back up many modules, in waves; goes on where it was cut.",
    "identity": "Who signs: list, show and import keys.",
    "config": "What is configured, and whether it makes sense.",
    "completion": "Completion of commands in your shell.",
}
"""Each stands in ``juno_snap.cli.commands`` under its name and is imported only when it is used."""

PARTS: Final[Mapping[str, str]] = {
    "snapshot list": "snapshot_list",
    "snapshot show": "snapshot_list",
}
"""What is asked for often and needs little of its group stands in a module of its own."""

COMPLETION_VARIABLES: Final = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where shells put the line to be completed. Source: typer, "CLI completion"."""


def run_program(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    output = Output(
        OutputOptions(
            json="--json" in arguments,
            verbose=any(word in {"-v", "--verbose"} for word in arguments),
        )
    )
    try:
        result = typer.main.get_command(build(arguments)).main(
            args=list(arguments), prog_name=PROGRAM, standalone_mode=False
        )
    except ResultLostError as error:
        if not error.is_reader_gone:  # who has closed the pipe has read enough
            output.error(error, ExitCode.OTHER)
        return ExitCode.OTHER
    except JunoSnapError as error:
        code = exit_code_of(error)
        output.error(error, code)
        return code
    except TyperException as error:
        return _usage(error, output)
    except SystemExit as leaving:  # completion leaves by itself
        return leaving.code if isinstance(leaving.code, int) else ExitCode.DONE
    except typer.Abort:
        return ExitCode.CANCELLED
    return result if isinstance(result, int) else ExitCode.DONE


def build(arguments: Sequence[str]) -> typer.Typer:
    """The commands; only those that ``arguments`` or a completion names are more than a line."""
    app = typer.Typer(
        name=PROGRAM,
        help="Safe snapshots and upgrades of Juno modules on the Internet Computer.",
        epilog=help_epilog(),
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    words = set(arguments)
    for variable in COMPLETION_VARIABLES:
        words |= set(os.environ.get(variable, "").split())
    part = PARTS.get(" ".join(arguments[:2]))
    for name, line in COMMANDS.items():
        if name in words:
            module = part if part and name == arguments[0] else name
            importlib.import_module(f"juno_snap.cli.commands.{module}").register(app, name, line)
        else:
            app.command(name, help=line)(_not_loaded)
    return app


def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        Output(OutputOptions()).write(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _not_loaded() -> None:
    raise AssertionError("a command that is run was loaded before")


def _usage(error: TyperException, output: Output) -> int:
    """Typer's errors: what was typed is wrong, or only the help was asked for."""
    message = error.format_message()
    if message:  # none: only the help was asked for, and typer has shown it
        hint = f"see {PROGRAM} COMMAND --help"
        output.error(InputError(message, code="usage", hint=hint), ExitCode.USAGE)
    return ExitCode.USAGE
