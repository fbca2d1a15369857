"""Runs a command of the user's within bounds: of time, of output, of what it learns from us.

Nothing here knows what for: hooks, health checks and a project's own configuration run through it.
"""

import asyncio
import contextlib
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias, final

from juno_snap.units import KIB

OUTPUT_MAX_BYTES: Final = 64 * KIB
"""What is kept of a command's output, one half from its beginning and one from its end."""

GRACE_SECONDS: Final = 1.0
"""Between SIGTERM and SIGKILL."""
GRACE_POLLS: Final = 50

READ_BYTES: Final = 64 * KIB
"""The usual capacity of a pipe. Source: Linux, pipe(7)."""
LAST_READS: Final = 16
"""After its end a command's pipe is read so often at most: others may still write into it."""

SECRET_WORDS: Final = (
    "CREDENTIAL", "IDENTITY", "KEY", "MNEMONIC", "PASS", "PEM", "PRIVATE", "SECRET", "SEED",
    "TOKEN",
)  # fmt: skip
"""A variable whose name has one of these is not passed on unless it is asked for by its name."""

HARMLESS: Final = frozenset({"JUNO_SNAP_ROOT_KEY"})
"""Public, whatever their names say."""

NEVER_PASSED: Final = frozenset(
    {"JUNO_TOKEN", "JUNO_SNAP_IDENTITY", "JUNO_SNAP_IDENTITY_PASSWORD", "JUNO_SNAP_JUNO_PASSWORD"}
)
"""What opens an identity of ours; not passed on even if asked for."""

PRIVATE_KEY_MARK: Final = "PRIVATE KEY-----"
"""In the first line of every private key in PEM. Source: RFC 7468, sections 10, 11 and 13."""

Process: TypeAlias = asyncio.subprocess.Process


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    exit_code: int | None
    """None where it never ran, was ended by us, or by a signal."""
    output: str
    """Standard output and standard error as they came; long ones lack their middle."""
    problem: str
    """Why there is no exit code; empty where there is one."""


def clean_environment(
    extra: Mapping[str, str] | None = None, *, passed: Collection[str] = ()
) -> dict[str, str]:
    """Our environment without secrets, and with ``extra``.

    Left out are variables whose name has one of ``SECRET_WORDS``, unless it is in ``passed``, those
    that hold a private key, and always ``NEVER_PASSED``. Characters in ``extra`` that cannot be
    shown (a variable may have no NUL) become U+FFFD.
    """
    kept = {name: value for name, value in os.environ.items() if _is_harmless(name, value, passed)}
    return kept | {name: printable(value) for name, value in (extra or {}).items()}


def printable(text: str) -> str:
    """``text`` without what could steer a terminal: but for tabs and ends of lines, U+FFFD."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


async def run_command(
    argv: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str],
    timeout_seconds: float,
    cwd: Path | None = None,
) -> CommandResult:
    """Run ``argv`` without a shell, in a process group of its own, and wait for its own end.

    A background process that keeps its output open is not waited for. After ``timeout_seconds`` or
    on cancellation the whole group is ended before this returns (or raises). ``environment`` is
    all that it gets: see ``clean_environment``. A command that cannot be run is a ``problem``.
    """
    try:
        return await _run(argv, stdin, environment, timeout_seconds, cwd)
    except (OSError, ValueError) as error:
        return CommandResult(exit_code=None, output="", problem=_why_not(argv, error, cwd))


async def _run(
    argv: Sequence[str],
    stdin: bytes,
    environment: Mapping[str, str],
    timeout_seconds: float,
    cwd: Path | None,
) -> CommandResult:
    with _listening() as (output, pipe):
        starting = asyncio.ensure_future(_start(argv, stdin, pipe, environment, cwd))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, ValueError):
                await _end_group(await starting)
            raise
        finally:
            os.close(pipe)
        problem = await _wait(process, timeout_seconds)
    code = process.returncode
    if not problem and code is not None and code < 0:
        problem = f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return CommandResult(exit_code=None if problem else code, output=output.text(), problem=problem)


@final
class _Output:
    """The beginning and the end of what was written."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped_bytes = 0

    def add(self, data: bytes) -> None:
        room = OUTPUT_MAX_BYTES // 2 - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = max(len(self._tail) - OUTPUT_MAX_BYTES // 2, 0)
        del self._tail[:surplus]
        self._dropped_bytes += surplus

    def text(self) -> str:
        if not self._dropped_bytes:
            return printable((self._head + self._tail).decode(errors="replace"))
        head, tail = (part.decode(errors="replace") for part in (self._head, self._tail))
        return printable(f"{head}\n[{self._dropped_bytes} bytes left out]\n{tail}")


@contextlib.contextmanager
def _listening() -> Iterator[tuple[_Output, int]]:
    """A pipe's end to write into, which the caller closes, and what arrives in it."""
    loop = asyncio.get_running_loop()
    output = _Output()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def read() -> bool:
        try:
            data = os.read(reading, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            loop.remove_reader(reading)
        output.add(data)
        return bool(data)

    loop.add_reader(reading, read)
    try:
        yield output, writing
    finally:
        loop.remove_reader(reading)
        reads = 0
        while reads < LAST_READS and read():
            reads += 1
        os.close(reading)


async def _start(
    argv: Sequence[str],
    stdin: bytes,
    pipe: int,
    environment: Mapping[str, str],
    cwd: Path | None,
) -> Process:
    with _source(stdin) as source:
        return await asyncio.create_subprocess_exec(
            *(argv or ("",)),
            stdin=source,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )


def _source(content: bytes) -> IO[bytes]:
    """A file with ``content``: unlike a pipe it needs nobody to write while the command reads."""
    if sys.platform == "linux":
        # In memory: a full disk does not keep a hook from telling about it.
        source: IO[bytes] = os.fdopen(os.memfd_create("stdin"), "w+b")
    else:
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        source = os.fdopen(descriptor, "w+b")
    source.write(content)
    source.seek(0)
    return source


async def _wait(process: Process, timeout_seconds: float) -> str:
    """Wait for the end of ``process``, or bring it about; the problem, if any."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await process.wait()
    except TimeoutError:
        await _end_group(process)
        return f"had not ended after {timeout_seconds:g} s and was killed"
    except asyncio.CancelledError:
        await _end_group(process)
        raise
    return ""


async def _end_group(process: Process) -> None:
    """SIGTERM for the process and its descendants; SIGKILL for whoever is left after a while."""
    group = process.pid
    try:
        _signal_group(group, signal.SIGTERM)
        for _ in range(GRACE_POLLS):
            if not _signal_group(group, 0):
                break
            await asyncio.sleep(GRACE_SECONDS / GRACE_POLLS)
    finally:
        _signal_group(group, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Whether there was somebody to get the signal; 0 only asks."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def _is_harmless(name: str, value: str, passed: Collection[str]) -> bool:
    if name in NEVER_PASSED:
        return False
    if name in passed or name in HARMLESS:
        return True
    upper = name.upper()
    return PRIVATE_KEY_MARK not in value and not any(word in upper for word in SECRET_WORDS)


def _why_not(argv: Sequence[str], error: OSError | ValueError, cwd: Path | None) -> str:
    """Why ``argv`` could not be run, and what to do."""
    name = argv[0] if argv else ""
    program = Path(cwd or ".", name)
    has_path = os.sep in name
    match error:
        case FileNotFoundError() if cwd is not None and not cwd.is_dir():
            reason = f"its working directory {cwd} does not exist"
        case FileNotFoundError() if has_path and program.exists():
            reason = "the interpreter that its first line names does not exist"
        case FileNotFoundError():
            reason = "there is no such file" if has_path else "no such program is in PATH"
        case PermissionError():
            reason = "it may not be executed; chmod +x makes it executable"
        case OSError(errno=errno.ENOEXEC):
            reason = "it is no program, nor a script whose first line names an interpreter"
        case OSError():
            reason = error.strerror or str(error)
        case _:
            reason = str(error)
    return printable(f"cannot be run: {name!r}: {reason}")
