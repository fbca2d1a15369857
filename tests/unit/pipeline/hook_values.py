"""What the tests of hooks share: a context, a command in the shell, whether a process lives."""

import asyncio
from pathlib import Path

from juno_snap.pipeline.hooks.model import HookContext, HookSpec
from tests.unit.pipeline.values import MODULE, OLD_HASH, snapshot_id

NEW_HASH = b"\x0b" * 32


def context(**changes) -> HookContext:
    values = {
        "operation": "20261121-073722-123456",
        "kind": "upgrade",
        "network": "local",
        "module": MODULE,
        "point": "before-upgrade",
        "old_hash": OLD_HASH,
        "new_hash": NEW_HASH,
        "snapshot": snapshot_id(3),
    }
    return HookContext(**(values | changes))


def shell(script: str, *arguments: str, point="before-upgrade", name="hook", **options) -> HookSpec:
    command = ("sh", "-c", script, "hook", *arguments)
    return HookSpec(name=name, point=point, command=command, **options)


def function(text: str, *, point="before-upgrade", name="hook", **options) -> HookSpec:
    where = f"tests.unit.pipeline.hook_functions:{text}"
    return HookSpec(name=name, point=point, function=where, **options)


async def is_gone(pid: int) -> bool:
    """Whether the process ends: a killed one needs a moment."""
    for _ in range(1000):
        if state_of(pid) in "ZX":
            return True
        await asyncio.sleep(0.01)
    return False


def state_of(pid: int) -> str:
    """``R``, ``S`` and so on; ``Z`` is dead but not asked for, ``X`` gone (Linux, proc(5))."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return about.rpartition(")")[2].split()[0]
