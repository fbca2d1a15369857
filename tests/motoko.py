"""Motoko modules, compiled from source while the tests run; and what any npm package needs.

Needs Node. The compiler comes from npm, as ``tests/interop/package-lock.json`` pins it. What was
compiled is kept in the user's cache, by its source and by the lock file.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from juno_snap.files import write_atomically

INTEROP = Path(__file__).with_name("interop")
LOCK = INTEROP / "package-lock.json"
CACHE = platformdirs.user_cache_path("juno-snap-tests") / "modules"
ENVIRONMENT = dict(os.environ)
"""As it is while tests are collected: a test's own home has no npm configuration."""


def motoko_module(name: str, *, classical: bool = False) -> bytes:
    """The Wasm of ``tests/interop/motoko/{name}.mo``."""
    source = INTEROP.joinpath("motoko", f"{name}.mo").read_text(encoding="utf-8")
    return compile_motoko(source, classical=classical)


@functools.cache
def compile_motoko(source: str, *, classical: bool = False) -> bytes:
    """The Wasm of a Motoko program, with enhanced orthogonal persistence unless ``classical``."""
    script = INTEROP.joinpath("compile_motoko.cjs").read_text(encoding="utf-8")
    return compiled(f"{script} {classical} {source}", lambda: _compile(source, classical=classical))


def compiled(key: str, compile_now: Callable[[], bytes]) -> bytes:
    """What ``compile_now`` makes, or made before from the same key with the same packages."""
    require_npm_packages()
    kept = CACHE / f"{hashlib.sha256(key.encode() + LOCK.read_bytes()).hexdigest()}.wasm"
    if not kept.is_file():
        write_atomically(kept, compile_now())
    return kept.read_bytes()


@functools.cache
def require_npm_packages() -> Path:
    """The folder of the npm packages that are not ours, installed as the lock file has them.

    Without Node the test is skipped; where ``CI=true`` it fails instead.
    """
    packages = INTEROP / "node_modules"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        unavailable("Node and npm are not installed")
    installed = packages / "installed-package-lock.json"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "npm.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # one of the processes that run tests installs
        if not installed.is_file() or installed.read_bytes() != LOCK.read_bytes():
            ran = run_node([npm, "ci"])
            if ran.returncode != 0:
                unavailable(f"npm ci failed: {ran.stderr.strip()}")
            write_atomically(installed, LOCK.read_bytes())
    return packages


def run_node(
    command: list[str], *, folder: Path = INTEROP, task: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program from npm; ``task`` is its input."""
    return subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT | environment,
        input=task,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _compile(source: str, *, classical: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        program, wasm = Path(folder, "Main.mo"), Path(folder, "Main.wasm")
        program.write_text(source, encoding="utf-8")
        persistence = ["classical"] if classical else []
        ran = run_node(["node", "compile_motoko.cjs", str(program), str(wasm), *persistence])
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return wasm.read_bytes()


def unavailable(reason: str) -> None:
    """Skip the test; where ``CI=true`` fail it."""
    if ENVIRONMENT.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
