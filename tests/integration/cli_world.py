"""The command line as tests use it: in this process and as a child, against a real replica."""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from juno_snap.cli.main import run
from juno_snap.replica.samples import sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def error(self):
        """The error document, the last line of standard error."""
        return json.loads(self.err.splitlines()[-1])["error"]


def juno_snap(*words) -> Ran:
    """Run a command line in this process, without a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(word) for word in words])
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())


def ask(*words):
    """The document of a command that must go well."""
    ran = juno_snap(*words, "--json")
    assert ran.code == 0, ran.err
    return ran.document


def refuse(*words) -> Ran:
    """A command that must not go well, with its error as JSON and nothing as its result."""
    ran = juno_snap(*words, "--json")
    assert ran.code != 0, ran.out
    assert ran.error["exit_code"] == ran.code
    return ran


def child_command(*words) -> list[str]:
    return [sys.executable, "-m", "juno_snap", *map(str, words)]


def run_child(*words, cwd=None, stdin="", program=(sys.executable, "-m", "juno_snap")) -> Ran:
    """The same as a child process, with this process' environment."""
    done = subprocess.run(
        [*program, *map(str, words)],
        env=os.environ,
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


def write_sample(folder: Path, name: str) -> Path:
    """A sample module as a file."""
    file = folder / f"{name}.wasm"
    file.write_bytes(sample(name))
    return file


def create_store(folder: Path, name: str = "docs") -> str:
    """A document store of version 1 with two documents; its id."""
    wasm = write_sample(folder, "document_store_v1")
    module = ask("module", "create", "--name", name, "--wasm", wasm)["module"]
    for key in ("a", "b"):
        ask("module", "call", "set_document", f'("{key}", "text of {key}")', "--module", name)
    return module


def documents(module: str) -> str:
    """The keys of a document store, as Candid."""
    return ask("module", "call", "list_documents", "--module", module)["reply"]


def look(module: str):
    """All of a module that an operation could change, but for cycles and versions."""
    seen = ask("status", "--module", module)
    return {key: seen[key] for key in ("status", "module_hash", "controllers", "snapshots")}
