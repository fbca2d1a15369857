"""The only module that writes to the terminal, or asks anything on it.

Results go to standard output, everything else to standard error; ``streams`` keeps the latter from
holding up an operation. With ``--json`` standard output carries exactly one JSON document, and an
error is one line of JSON, the last of standard error.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TextIO, final

from juno_snap.cli.streams import Tolerant, discard_output
from juno_snap.cli.telling import Lines
from juno_snap.cli.words import printable
from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SCHEMA: Final = 1
"""Version of every JSON document."""

PIPE_WIDTH: Final = 1000
"""Columns where there is no terminal: every fact stays on one line, for grep."""

Human = Callable[[], "RenderableType"]


@final
class ResultLostError(JunoSnapError):
    """The result could not be written; what was done is done."""

    default_code: ClassVar[str] = "result-lost"

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the result could not be written: {error.strerror}",
            hint="what was done is done; nothing but the telling failed",
        )
        self.is_reader_gone = isinstance(error, BrokenPipeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How to speak."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    headless: bool = False


class Output:
    """Standard output and standard error of one run."""

    def __init__(self, options: OutputOptions) -> None:
        self.options = options
        self._error_console: Console | None = None
        self._secrets: dict[str, bytes] = {}

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to answer."""
        return not self.options.headless and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def is_seen(self) -> bool:
        """Whether results go to a terminal, in words, and are kept nowhere."""
        return not self.options.json and sys.stdout.isatty()

    def show(self, document: Mapping[str, object], human: Human) -> None:
        """The result of the command, as JSON or for people.

        Raises:
            ResultLostError: It could not be written.
        """
        if self.options.json:
            self.write(json.dumps({"schema": SCHEMA, **document}, indent=2))
        else:
            with _delivering():
                _print(human(), sys.stdout)

    def report(self, document: Mapping[str, object], human: Human) -> None:
        """The same for something that was done: losing the report does not change the outcome."""
        try:
            self.show(document, human)
        except ResultLostError as error:
            self.warn(error.message)

    def show_aside(self, renderable: "RenderableType") -> None:
        """Something for people that is not the result."""
        _print(renderable, sys.stderr)

    def tell(self, text: str) -> None:
        """A part of a result that comes piece by piece; left out where it comes as JSON."""
        if not self.options.json and not self.options.quiet:
            self.write(printable(text))

    def write(self, text: str) -> None:
        """A result that is text in any case.

        Raises:
            ResultLostError: It could not be written.
        """
        with _delivering():
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something good to know; not said when quiet."""
        if not self.options.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """Something for those who asked for details."""
        if self.options.verbose:
            self._say(text, style="dim")

    def warn(self, text: str) -> None:
        """Something that should be known; said even when quiet."""
        self._say(f"warning: {text}", style="yellow")

    def last_word(self, text: str) -> None:
        """Said past everything that is shown just now, by a process that leaves at once."""
        Tolerant(2).write(f"{text}\n".encode())

    def error(self, error: JunoSnapError, exit_code: int) -> None:
        """What went wrong, what to do next, and with ``--verbose`` what caused it."""
        if self.options.verbose:
            for line in causes(error):
                self._say(line, style="dim")
        if self.options.json:
            document = {
                **error.fields,
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "exit_code": exit_code,
            }
            sys.stderr.write(json.dumps({"error": document, "schema": SCHEMA}) + "\n")
            sys.stderr.flush()
            return
        self._say(f"error: {error.message}", style="bold red")
        if error.hint:
            self._say(f"hint: {error.hint}")

    def confirm(self, question: str) -> bool:
        """Whether the person says yes; an empty line or the end of input is a no."""
        sys.stderr.write(f"{printable(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def ask_secret(self, question: str) -> str:
        """What the person types, without showing it."""
        import getpass

        return getpass.getpass(f"{question}: ", stream=sys.stderr)

    def find_secret_once(self, what: str, find: Callable[[], bytes]) -> bytes:
        """What ``find`` gives, which is called once in a run for the same ``what``.

        A login may be who signs and say which module is meant: its password is one question.
        """
        if what not in self._secrets:
            self._secrets[what] = find()
        return self._secrets[what]

    @contextlib.contextmanager
    def watch(self) -> Iterator[Observer]:
        """An observer that shows the steps of an operation while it runs.

        Beside a document only warnings are told, and waits: whoever looks must see that it goes on.
        """
        brief = self.options.json and not self.options.verbose
        if sys.stderr.isatty() and not brief and not self.options.quiet:
            from juno_snap.cli.watching import LiveSteps

            with LiveSteps(self._errors(), verbose=self.options.verbose) as steps:
                yield steps.observe
        else:
            yield Lines(note=self.note, warn=self.warn, steps=not brief).observe

    def _say(self, text: str, style: str = "") -> None:
        if sys.stderr.isatty():
            from rich.text import Text

            self._errors().print(Text(printable(text), style=style))
        else:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()

    def _errors(self) -> "Console":
        """One console for standard error, so that lines and live steps do not mix."""
        if self._error_console is None:
            self._error_console = _console(sys.stderr)
        return self._error_console


def causes(error: BaseException) -> Iterator[str]:
    """The errors behind ``error``, nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield f"caused by {type(cause).__name__}: {cause}"
        cause = cause.__cause__ or cause.__context__


def traceback_of(error: BaseException) -> str:
    """Where an error that nobody expected came from."""
    return "".join(traceback.format_exception(error))


@contextlib.contextmanager
def _delivering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        discard_output()
        raise ResultLostError(error) from error


def _print(renderable: "RenderableType", stream: TextIO) -> None:
    """For a pipe: no padding at the end of lines, and nothing folded."""
    console = _console(stream)
    if stream.isatty():
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    stream.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    stream.flush()


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    is_terminal = stream.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or not is_terminal
    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        color_system=None if plain else "auto",
        width=None if is_terminal else PIPE_WIDTH,
        soft_wrap=True,
    )
