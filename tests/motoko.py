"""Motoko modules, compiled from source while the tests run.

Needs Node. The compiler comes from npm, as ``tests/interop/package-lock.json`` pins it. What was
compiled is kept in the user's cache, by its source and by the lock file.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs
import pytest

from juno_snap.files import write_atomically

INTEROP = Path(__file__).with_name("interop")
CACHE = platformdirs.user_cache_path("juno-snap-tests") / "motoko"
ENVIRONMENT = dict(os.environ)
"""As it is while tests are collected: a test's own home has no npm configuration."""


def motoko_module(name: str, *, classical: bool = False) -> bytes:
    """The Wasm of ``tests/interop/motoko/{name}.mo``."""
    source = INTEROP.joinpath("motoko", f"{name}.mo").read_text(encoding="utf-8")
    return compile_motoko(source, classical=classical)


@functools.cache
def compile_motoko(source: str, *, classical: bool = False) -> bytes:
    """The Wasm of a Motoko program, with enhanced orthogonal persistence unless ``classical``."""
    require_npm_packages()
    lock = INTEROP.joinpath("package-lock.json").read_bytes()
    digest = hashlib.sha256(f"{classical}\n{source}".encode() + lock).hexdigest()
    kept = CACHE / f"{digest}.wasm"
    if not kept.is_file():
        write_atomically(kept, _compile(source, classical=classical))
    return kept.read_bytes()


@functools.cache
def require_npm_packages() -> Path:
    """The folder of the npm packages that are not ours, installed if they were not.

    Without Node the test is skipped; where ``CI=true`` it fails instead.
    """
    packages = INTEROP / "node_modules"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _unavailable("Node and npm are not installed")
    if not packages.joinpath("motoko", "package.json").is_file():
        ran = _run([npm, "ci"])
        if ran.returncode != 0:
            _unavailable(f"npm ci failed: {ran.stderr.strip()}")
    return packages


def _compile(source: str, *, classical: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        program, wasm = Path(folder, "Main.mo"), Path(folder, "Main.wasm")
        program.write_text(source, encoding="utf-8")
        persistence = ["classical"] if classical else []
        ran = _run(["node", "compile_motoko.cjs", str(program), str(wasm), *persistence])
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return wasm.read_bytes()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=INTEROP,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _unavailable(reason: str) -> None:
    if ENVIRONMENT.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
