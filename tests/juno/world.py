"""Juno's modules on a replica, through the command line."""

from pathlib import Path

from tests.integration.cli_world import ask
from tests.juno.modules import Role, install_argument


def principal() -> str:
    """Who the command line acts for."""
    return str(ask("identity", "show")["principal"])


def create(
    folder: Path, role: Role, wasm: bytes, *, name: str | None = None, argument: str | None = None
) -> Path:
    """A module of that role, named like it, with the caller as its controller; returns ``folder``.

    ``-t`` finds it by that name.
    """
    called = name or role
    file = folder / f"{called}.wasm"
    file.write_bytes(wasm)
    ask("module", "create", "--name", called)  # makes the identity where there is none
    said = argument or install_argument(role, principal())
    ask("module", "install", "--module", called, "--wasm", file, "--arg", said)
    return folder
