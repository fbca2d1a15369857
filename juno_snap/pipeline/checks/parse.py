"""How a person writes a check.

``METHOD(ARGS) == VALUE``   a query or an update call; ARGS and VALUE are Candid text, VALUE with or
                            without parentheses; METHOD stands in quotes where it is no plain word
``version == X.Y.Z``        the version that the module says it is
``command: PROGRAM ARG...`` split as a shell splits words, and run without one
"""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from juno_snap.errors import InputError
from juno_snap.management.candid_check import read_expectation
from juno_snap.pipeline.checks.model import TIMEOUT_SECONDS, CheckSpec

_COMMAND: Final = re.compile(r"\s*command\s*:", re.ASCII)
_VERSION: Final = re.compile(r"\s*version\s*==", re.ASCII)
_NUMBERS: Final = re.compile(r"v?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)", re.ASCII)
"""Three numbers, and what semantic versioning lets follow."""

_SHOWN_MAX: Final = 200

HINT: Final = (
    "for example: 'count() == 3', 'document(\"a\") == opt \"b\"', 'version == 1.2.3', "
    "'command: ./probe.sh --once'"
)


def parse_check(text: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> CheckSpec:
    """The check that ``text`` spells.

    Raises:
        InputError: It is none; names the text and the place. Or the time is none.
    """
    if start := _COMMAND.match(text):
        return command_check(_words(text, start.end()), timeout_seconds=timeout_seconds)
    if start := _VERSION.match(text):
        said = text[start.end() :].strip()
        unquoted = said[1:-1] if said.startswith('"') and said.endswith('"') else said
        return _version(unquoted, text, place=start.end() + 1, seconds=timeout_seconds)
    return call_check(text, timeout_seconds=timeout_seconds)


def call_check(text: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> CheckSpec:
    """The check of a call: ``METHOD(ARGS) == VALUE``.

    Raises:
        InputError: It does not parse, or the time is none.
    """
    try:
        expectation = read_expectation(text)
    except InputError as error:
        raise _fault(text, error.message) from error
    return CheckSpec(
        kind="call",
        text=text.strip(),
        method=expectation.method,
        args=expectation.args,
        expected=expectation.expected,
        timeout_seconds=_check_seconds(timeout_seconds, text),
    )


def command_check(command: Sequence[str], *, timeout_seconds: float = TIMEOUT_SECONDS) -> CheckSpec:
    """The check of a command: a program and its arguments.

    Raises:
        InputError: No program, a zero byte in it, or the time is none.
    """
    text = f"command: {shlex.join(command)}"
    if not command or not command[0]:
        raise _fault(text, "expected a program at position 10")
    if any("\0" in part for part in command):
        raise _fault(text, "a zero byte cannot stand in a command")
    seconds = _check_seconds(timeout_seconds, text)
    return CheckSpec(kind="command", text=text, command=tuple(command), timeout_seconds=seconds)


def version_check(version: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> CheckSpec:
    """The check that the module says it is of ``version``.

    Raises:
        InputError: It is no version, or the time is none.
    """
    text = f"version == {version}"
    return _version(version, text, place=len("version == ") + 1, seconds=timeout_seconds)


def _version(version: str, text: str, *, place: int, seconds: float) -> CheckSpec:
    numbers = _NUMBERS.fullmatch(version)
    if numbers is None:
        raise _fault(text, f"expected a version like 1.2.3 from position {place} on")
    return CheckSpec(
        kind="version",
        text=text.strip(),
        expected=numbers[1],
        timeout_seconds=_check_seconds(seconds, text),
    )


def _words(text: str, start: int) -> list[str]:
    try:
        return shlex.split(text[start:])
    except ValueError as error:
        raise _fault(text, f"from position {start + 1} on: {str(error).lower()}") from error


def _check_seconds(seconds: float, text: str) -> float:
    # Written so that "not a number" is refused too.
    if not 0 < seconds < float("inf"):
        raise _fault(text, f"its timeout is {seconds} seconds; expected a number above zero")
    return seconds


def _fault(text: str, problem: str) -> InputError:
    shown = repr(text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}...")
    return InputError(f"no check: {shown}: {problem}", value=text, code="invalid-check", hint=HINT)
