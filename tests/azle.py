"""Rust modules, built while the tests run: azle's, which brings Rust as Wasm and no toolchain.

What is built is azle's Rust template (QuickJS inside) with a program in TypeScript put into its
data, by steps that azle does in Node. Needs Node; kept as Motoko's modules are.
"""

import functools
import json
import tempfile
from pathlib import Path

from tests.motoko import INTEROP, compiled, require_npm_packages, run_node

NAME = "store"
AZLE = ["node", "node_modules/tsx/dist/cli.mjs", "node_modules/azle/src/build.ts"]


@functools.cache
def rust_module(name: str) -> bytes:
    """The Wasm of ``tests/interop/azle/{name}.ts``: about 3.5 MB."""
    source = INTEROP.joinpath("azle", f"{name}.ts").read_text(encoding="utf-8")
    return compiled(f"azle {source}", lambda: _build(source))


def _build(source: str) -> bytes:
    packages = require_npm_packages()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        project.joinpath("node_modules").symlink_to(packages)
        project.joinpath("index.ts").write_text(source, encoding="utf-8")
        canisters = {NAME: {"type": "azle", "main": "index.ts"}}
        project.joinpath("dfx.json").write_text(json.dumps({"canisters": canisters}))
        ran = run_node(
            [*AZLE, "build", NAME],
            folder=project,
            CANISTER_CANDID_PATH=str(project / "store.did"),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return project.joinpath(".azle", NAME, f"{NAME}.wasm").read_bytes()
