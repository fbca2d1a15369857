"""Processes of the command line that are forked from one that has it imported."""

import asyncio
import atexit
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FORKING = Path(__file__).with_name("forking_cli.py")
ROOT = Path(__file__).parents[2]


class Forked:
    """A process as asyncio has them, as far as it is needed; its output is in files."""

    def __init__(self, pid, out, err, reader, writer):
        self.pid, self.out, self.err = pid, out, err
        self.returncode = None
        self.end = asyncio.ensure_future(self._end(reader, writer))

    async def _end(self, reader, writer):
        try:
            self.returncode = int(await reader.readline())
        finally:
            writer.close()

    async def wait(self):
        await asyncio.shield(self.end)
        return self.returncode

    async def communicate(self):
        await self.wait()
        return self.out.read_bytes(), self.err.read_bytes()


async def fork(words, *, environment, folder, killing=None):
    """A process with these words in ``folder``; ``killing``: the arguments of ``killing_cli``."""
    output = Path(tempfile.mkdtemp(dir=folder, prefix="ran-"))
    out, err = output / "out", output / "err"
    asked = {
        "words": [*map(str, words)],
        "environment": environment,
        "cwd": str(folder),
        "out": str(out),
        "err": str(err),
        "killing": None if killing is None else [*map(str, killing)],
    }
    reader, writer = await asyncio.open_unix_connection(server())
    writer.write(f"{json.dumps(asked)}\n".encode())
    pid = int(await reader.readline())
    return Forked(pid, out, err, reader, writer)


@functools.cache
def server():
    """The path of the socket; it is served until this process ends."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "socket"
    mine = {name: text for name, text in os.environ.items() if not name.startswith("JUNO_")}
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, FORKING, path],
            env=mine | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    )
    assert process.stdout.readline() == b"ready\n"
    return str(path)
