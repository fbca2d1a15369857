"""The program: options in, exit code out."""

import gc
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NoReturn

from juno_snap.cli.output import Output, OutputOptions, ResultLostError, traceback_of
from juno_snap.cli.streams import secure_streams
from juno_snap.errors import JunoSnapError
from juno_snap.version import __version__

CANCELLED: Final = 130
"""As in ``juno_snap.cli.exit_codes``, which is not imported for ``--version``."""


def main() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    secure_streams()
    sys.excepthook = tell_unexpected
    gc.disable()  # an import makes many objects and no garbage: a seventh of the start is saved
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before anything was begun; work under way has its own handler
        sys.exit(CANCELLED)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code of ``juno_snap.cli.exit_codes``.

    ``--version`` is answered before anything else is imported.
    """
    if list(arguments) == ["--version"]:
        return _tell_version(Output(OutputOptions()))
    from juno_snap.cli.program import run_program

    return run_program(arguments)


def _tell_version(output: Output) -> int:
    try:
        output.write(f"juno-snap {__version__}")
    except ResultLostError as error:
        output.error(error, 1)
        return 1
    return 0


def tell_unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell of an error that nobody expected; Python then leaves with exit code 1."""
    output = Output(OutputOptions(json="--json" in sys.argv, verbose=True))
    output.detail(traceback_of(error.with_traceback(trace)))
    told = JunoSnapError(
        f"unexpected {kind.__name__}: {error}",
        code="unexpected",
        hint="this is a mistake in juno-snap; please report it with the lines above",
    )
    output.error(told, exit_code=1)
