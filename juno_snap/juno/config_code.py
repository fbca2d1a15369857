"""A ``juno.config`` that is code, through the user's own Node: in a process of its own, bounded.

The process gets our environment without what opens keys (``processes.clean_environment``), no
input, and a private file to write the value into that the configuration exports. What it prints is
looked at only when it fails.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from juno_snap.errors import ConfigError
from juno_snap.juno.config import JunoConfig, parse_config
from juno_snap.processes import CommandResult, clean_environment, run_command
from juno_snap.units import MIB

TIMEOUT_SECONDS: Final = 20.0
"""Node starts in a tenth of a second; a configuration that asks a server may take some more."""
CONFIG_MAX_BYTES: Final = MIB
MESSAGE_MAX_CHARACTERS: Final = 400

READER: Final = Path(__file__).with_name("node") / "read_config.mjs"

HOOKS_SINCE: Final = (18, 19)
"""``module.register``. Source: Node.js documentation, "Modules: node:module API"."""
STRIPS_SINCE: Final = (22, 6)
STRIPS_UNASKED: Final = ((22, 18), (23, 6))
"""Since when types are removed with and without a flag, the latter in 22 and since 23. Source:
Node.js documentation, "Modules: TypeScript"."""
STRIP_FLAG: Final = "--experimental-strip-types"

NAMED_ERROR: Final = re.compile(r"(Uncaught )?\w*(Error|Exception)( \[\w+\])?:")

NOT_A_REASON: Final = ("at ", "Node.js v", "}", "(Use `node ")
"""Beginnings of what Node prints below an error."""

OTHERWISE: Final = (
    "say --module ID, or write the id into juno-snap.toml ([modules.NAME] with canister and role)"
)
CURES: Final[Mapping[str, str]] = {
    "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX": (
        "Node only removes types, and this has to be translated: npm install -D typescript@5, or "
        "write it without enum, namespace and parameter properties"
    ),
    "does not provide an export named": "where only a type is imported, write: import type",
    "outside a module|Unexpected token 'export'": (
        'name it juno.config.mjs, or put "type": "module" into package.json'
    ),
    "MODULE_NOT_FOUND|Cannot find (module|package)": (
        "install what it imports (npm install); a file is imported with its extension"
    ),
}
"""What to do, by what Node says."""


async def run_config(
    file: Path, mode: str, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> JunoConfig:
    """What ``file`` exports; where that is a function, what it gives for ``mode``.

    Runs the file with all it imports: the code of whoever wrote it.

    Raises:
        ConfigError: There is no Node, or one that cannot read this; it took too long, failed, or
            gave nothing of use. Says what to do.
    """
    node, version = await find_node(file)
    strips = version >= STRIPS_SINCE
    with tempfile.TemporaryDirectory(prefix="juno-snap-") as folder:
        result = Path(folder) / "config.json"
        flags = [STRIP_FLAG] if strips and not _strips_unasked(version) else []
        ran = await run_command(
            [node, *flags, str(READER), str(file), mode, str(result), "1" if strips else "0"],
            stdin=b"",
            environment=clean_environment({"NODE_NO_WARNINGS": "1", "NO_COLOR": "1"}),
            timeout_seconds=timeout_seconds,
            cwd=file.parent,
        )
        told = _told(file, result) if ran.exit_code == 0 else None
    if told is None:
        raise _failure(file, ran)
    match told.get("problem"):
        case None:
            return parse_config(told.get("config"), file)
        case "no-typescript":
            raise _error(
                file,
                f"Node {'.'.join(map(str, version))} cannot read TypeScript",
                "use Node 22.6 or later, or: npm install -D typescript@5; or keep it as "
                f"juno.config.json instead; or {OTHERWISE}",
                code="no-typescript",
            )
        case _:
            raise _error(
                file,
                "has no default export",
                "export default defineConfig({…}); in a .cjs file: module.exports = {…}",
            )


async def find_node(file: Path) -> tuple[str, tuple[int, int]]:
    """The program that can read ``file``, and its version; nothing of ``file`` is run.

    Raises:
        ConfigError: There is none of use.
    """
    node = shutil.which("node")
    install = f"install Node 22 or later, or keep it as juno.config.json instead; or {OTHERWISE}"
    if node is None:
        raise _error(file, "is code, and there is no Node to read it with", install, code="no-node")
    ran = await run_command(
        [node, "--version"],
        stdin=b"",
        environment=clean_environment(),
        timeout_seconds=TIMEOUT_SECONDS,
    )
    found = re.search(r"^v(\d+)\.(\d+)\.", ran.output, re.MULTILINE)
    if ran.exit_code != 0 or found is None:
        why = ran.problem or f"ended with exit code {ran.exit_code}"
        raise _error(file, f"is code, and {node} does not work: {why}", install, code="no-node")
    version = int(found[1]), int(found[2])
    if version < HOOKS_SINCE:
        said = found[0].rstrip(".")
        raise _error(file, f"is code, and Node {said} is too old for it", install, code="no-node")
    return node, version


def _strips_unasked(version: tuple[int, int]) -> bool:
    in_22, since_23 = STRIPS_UNASKED
    return version >= since_23 or in_22 <= version < (23, 0)


def _told(file: Path, result: Path) -> dict[str, object] | None:
    """What was written into ``result``; None: nothing."""
    if not result.is_file():
        return None
    if result.stat().st_size > CONFIG_MAX_BYTES:
        raise _error(file, f"gives more than {CONFIG_MAX_BYTES} bytes", "export less")
    try:
        told = json.loads(result.read_bytes())
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _failure(file: Path, ran: CommandResult) -> ConfigError:
    if ran.problem:
        return _error(
            file,
            f"running it with Node failed: it {ran.problem}",
            f"see what it does: cd {file.parent} && node {file.name}; or {OTHERWISE}",
        )
    if ran.exit_code == 0:
        return _error(
            file,
            "its process ended before it gave a configuration",
            "it must not leave with process.exit, and what it waits for must come",
        )
    line = re.search(rf"{re.escape(file.name)}:(\d+)", ran.output)
    cures = (cure for said, cure in CURES.items() if re.search(said, ran.output))
    place = f"line {line[1]}: " if line else ""
    return _error(
        file,
        f"{place}{_reason(ran)}",
        next(cures, f"correct it; or {OTHERWISE}"),
    )


def _reason(ran: CommandResult) -> str:
    """The line of Node's that names the error, else the last one."""
    lines = [line.strip() for line in ran.output.splitlines() if line.strip()]
    named = [line for line in lines if NAMED_ERROR.match(line)]
    uncaught = [line for line in lines if not line.startswith(NOT_A_REASON)]
    said = next(iter(named or reversed(uncaught)), f"Node ended with exit code {ran.exit_code}")
    return said[:MESSAGE_MAX_CHARACTERS]


def _error(file: Path, problem: str, hint: str, *, code: str = "juno-config") -> ConfigError:
    return ConfigError(f"{file}: {problem}", source=str(file), code=code, hint=hint)
