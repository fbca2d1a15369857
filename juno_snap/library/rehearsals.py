"""Rehearsing an upgrade of a module from a program; brings the local replica along."""

import contextlib
from dataclasses import replace
from pathlib import Path

from juno_snap.events import Observer
from juno_snap.ids import Principal
from juno_snap.pipeline.rehearsal import RehearsalReport
from juno_snap.pipeline.rehearsal_source import compiled_folder, live_copy, original_of
from juno_snap.pipeline.rehearse import Stage, rehearse
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace


async def rehearse_module(
    workspace: Workspace,
    module: Principal,
    request: UpgradeRequest,
    wasm: WasmFile,
    *,
    backup: Path | None,
    keep_copy: bool,
    instructions_limit: int,
    observer: Observer,
) -> RehearsalReport:
    """``request`` on a copy of ``backup``, or of the module as it is now.

    Raises what ``original_of``, ``live_copy`` and ``rehearse`` raise.
    """
    state = workspace.state
    stage = Stage(
        hooks=workspace.hooks,
        instructions_limit=instructions_limit,
        compiled=None if state is None else compiled_folder(state),
    )
    original = await original_of(workspace, module)
    source: contextlib.AbstractAsyncContextManager[Path] = (
        live_copy(workspace, module, keep=keep_copy, observer=observer)
        if backup is None
        else contextlib.nullcontext(backup)
    )
    async with source as directory:
        report = await rehearse(original, directory, request, wasm, stage=stage, observer=observer)
    stays = backup is None and keep_copy and state is not None
    return replace(report, copy=str(directory) if stays else None)
