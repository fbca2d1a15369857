"""A replica in a process of its own: starting it, stopping it, and finding out about it.

A replica that is ready writes ``running.json`` into its directory, and takes it away again after
its last checkpoint, in the foreground as in the background. Nothing heavy is imported here: the
command line asks whether a replica runs each time it looks for the network ``local``.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.clock import Clock, system_clock
from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError
from juno_snap.files import lock_file, write_atomically
from juno_snap.replica.options import ReplicaOptions
from juno_snap.units import NS_PER_SECOND

RUNNING_FILE: Final = "running.json"
RUNNING_VERSION: Final = 1
LOG_FILE: Final = "replica.log"
KEYS_FILE: Final = "keys.json"
CACHE_FOLDER: Final = "cache"

FORMAT_FILE: Final = "format.json"
KIND: Final = "juno-snap replica"
LOCK_FILE: Final = "lock"
STATE_NAMES: Final = ("state.json", "blobs")
"""As ``storage`` has them, which is too heavy to import here; a test compares them."""

START_TIMEOUT_SECONDS: Final = 10.0
STOP_TIMEOUT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02
LOG_TAIL_BYTES: Final = 4096


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReplica:
    """A replica that answers."""

    url: str
    host: str
    port: int
    pid: int
    root_key: bytes
    """DER, 133 bytes."""
    started_at_ns: int
    directory: Path | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundStatus:
    """Whether a replica runs in a directory."""

    running: bool
    replica: RunningReplica | None
    uptime_seconds: float | None


@contextlib.contextmanager
def announced(replica: RunningReplica) -> Iterator[None]:
    """Let others find the replica while the block runs."""
    if replica.directory is None:
        yield
        return
    path = replica.directory / RUNNING_FILE
    content = {
        "version": RUNNING_VERSION,
        "url": replica.url,
        "host": replica.host,
        "port": replica.port,
        "pid": replica.pid,
        "process": process_mark(replica.pid),
        "root_key": replica.root_key.hex(),
        "started_at_ns": replica.started_at_ns,
    }
    write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(directory: Path) -> RunningReplica | None:
    """The replica that runs in ``directory``, if one does and is ready."""
    try:
        content = json.loads((directory / RUNNING_FILE).read_bytes())
        replica = RunningReplica(
            url=str(content["url"]),
            host=str(content["host"]),
            port=int(content["port"]),
            pid=int(content["pid"]),
            root_key=bytes.fromhex(content["root_key"]),
            started_at_ns=int(content["started_at_ns"]),
            directory=directory,
        )
        mark = str(content["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A process that was killed leaves the file behind, and its id may be another's by now.
    return replica if process_mark(replica.pid) == mark else None


def background_status(directory: Path, *, clock: Clock | None = None) -> BackgroundStatus:
    """Whether a replica runs in ``directory``, and for how long."""
    replica = find_running(directory)
    if replica is None:
        return BackgroundStatus(running=False, replica=None, uptime_seconds=None)
    age_ns = (clock or system_clock()).now_ns() - replica.started_at_ns
    return BackgroundStatus(
        running=True, replica=replica, uptime_seconds=max(age_ns, 0) / NS_PER_SECOND
    )


async def start_background(
    options: ReplicaOptions,
    *,
    clock: Clock | None = None,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> RunningReplica:
    """Start a replica that outlives this process; return when it answers.

    Raises:
        PreconditionError: One runs there already, or the new one ended at once; says why, which may
            be that the port or the directory is in use; or the directory cannot be written.
        JunoSnapError: It was not ready in time; it is stopped again.
    """
    clock = clock or system_clock()
    directory = _directory_of(options)
    running = find_running(directory)
    if running is not None:
        raise PreconditionError(
            f"a replica runs in {directory} already: {running.url} (pid {running.pid})",
            code="already-running",
            hint="use it, or end it with: juno-snap replica stop",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        pid = _spawn(command_line(options), directory / LOG_FILE)
    except OSError as error:
        raise PreconditionError(
            f"no replica can be started in {directory}: {error.strerror or error}",
            code="replica-directory",
            hint="make it writable for this user, or name another one with --dir",
        ) from error
    deadline_ns = clock.monotonic_ns() + int(timeout_seconds * NS_PER_SECOND)
    while clock.monotonic_ns() < deadline_ns:
        running = find_running(directory)
        if running is not None and running.pid == pid:
            return running
        if _has_ended(pid):
            raise _failed_start(directory / LOG_FILE)
        await clock.sleep(POLL_SECONDS)
    os.kill(pid, signal.SIGTERM)
    raise JunoSnapError(
        f"the replica was not ready within {timeout_seconds:g} s",
        code="replica-start",
        hint=f"read {directory / LOG_FILE}",
    )


async def stop_background(
    directory: Path,
    *,
    clock: Clock | None = None,
    timeout_seconds: float = STOP_TIMEOUT_SECONDS,
) -> RunningReplica:
    """Stop the replica that runs in ``directory``; its state is on disk on return.

    Raises:
        NotFoundError: None runs there.
        JunoSnapError: It did not end in time, or ended without a checkpoint.
    """
    clock = clock or system_clock()
    running = find_running(directory)
    if running is None:
        raise NotFoundError(
            f"no replica runs in {directory}", hint="start one with: juno-snap replica start"
        )
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline_ns = clock.monotonic_ns() + int(timeout_seconds * NS_PER_SECOND)
    while not _has_ended(running.pid):
        if clock.monotonic_ns() > deadline_ns:
            raise JunoSnapError(
                f"the replica (pid {running.pid}) did not end within {timeout_seconds:g} s",
                code="replica-stop",
                hint=f"it may be busy: ask again, or read {directory / LOG_FILE}",
            )
        await clock.sleep(POLL_SECONDS)
    if (directory / RUNNING_FILE).exists():
        raise JunoSnapError(
            f"the replica (pid {running.pid}) ended without a checkpoint",
            code="replica-stop",
            hint=f"read {directory / LOG_FILE}; the next start continues from the last checkpoint",
        )
    return running


def reset_directory(directory: Path) -> None:
    """Remove what a replica wrote into its directory, and the directory if nothing else is in it.

    Raises:
        NotFoundError: There is no such directory.
        PreconditionError: A replica runs there, or it is not a replica's directory.
        LockedError: Another process holds it.
    """
    if not directory.is_dir():
        raise NotFoundError(f"there is no replica directory {directory}")
    running = find_running(directory)
    if running is not None:
        raise PreconditionError(
            f"a replica runs in {directory} (pid {running.pid})",
            code="already-running",
            hint="end it first with: juno-snap replica stop",
        )
    if not _is_replica_directory(directory):
        raise PreconditionError(
            f"{directory} is not a replica's directory; nothing was removed",
            code="not-a-replica-directory",
            hint="name the replica's own directory with --dir",
        )
    with lock_file(directory / LOCK_FILE, purpose=f"the replica in {directory}"):
        for name in (*STATE_NAMES, KEYS_FILE, CACHE_FOLDER, LOG_FILE, RUNNING_FILE):
            _remove(directory / name)
        # Last, so that a reset that was interrupted can be done again.
        _remove(directory / FORMAT_FILE)
        _remove(directory / LOCK_FILE)
    with contextlib.suppress(OSError):  # something else is in it
        directory.rmdir()


def command_line(options: ReplicaOptions) -> list[str]:
    """The command that runs a replica with these options in the foreground."""
    words = [sys.executable, "-m", "juno_snap", "replica", "run", "--json"]
    words += ["--port", str(options.port), "--dir", str(_directory_of(options).absolute())]
    words += ["--round-ms", str(options.round_ms)]
    words += ["--rate-limits" if options.rate_limits else "--no-rate-limits"]
    words += ["--loadable-after", str(options.snapshot_loadable_after_seconds)]
    words += ["--storage-price", str(options.storage_cycles_per_gib_second)]
    if options.request_log is not None:
        words += ["--request-log", str(options.request_log.absolute())]
    if options.seed is not None:
        words += ["--seed", options.seed]
    for fault in options.faults:
        words += ["--fault", str(fault)]
    return words


def process_mark(pid: int) -> str | None:
    """Tells a process from a later one with the same id; None if it has ended.

    The time of its start, in ticks since the machine's (proc(5), ``/proc/PID/stat``).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _is_replica_directory(directory: Path) -> bool:
    try:
        content = json.loads((directory / FORMAT_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _directory_of(options: ReplicaOptions) -> Path:
    if options.directory is None:
        raise PreconditionError(
            "a replica in the background needs a directory", hint="name one with --dir"
        )
    return options.directory


def _spawn(words: list[str], log: Path) -> int:
    """Start a process in a session of its own, so that it outlives this one's terminal."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        words[0],
        words,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _has_ended(pid: int) -> bool:
    if process_mark(pid) is not None:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # it was ours: let the system forget it
    return True


def _failed_start(log: Path) -> JunoSnapError:
    """What the ended process had to say, as its own error where it wrote one."""
    tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
    reason = _reported(tail)
    if reason is None:
        last = tail.splitlines()[-1] if tail else "it wrote nothing"
        return PreconditionError(
            f"the replica ended at once: {last}", code="replica-start", hint=f"read {log}"
        )
    return PreconditionError(
        str(reason.get("message", "the replica ended at once")),
        code=str(reason.get("code", "replica-start")),
        hint=str(reason.get("hint", "")),
    )


def _reported(text: str) -> Mapping[str, object] | None:
    """The error document that ``--json`` put at the end of ``text``."""
    start = text.find('{"error"') if '{"error"' in text else text.find("{")
    with contextlib.suppress(ValueError):
        document = json.loads(text[start:])
        if isinstance(document, dict) and isinstance(document.get("error"), dict):
            return dict(document["error"])
    return None
