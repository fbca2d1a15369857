"""Code for modules, as programs have it: a file, or its content, and an argument for it."""

from pathlib import Path
from typing import Final

from juno_snap.events import Observer
from juno_snap.ids import Principal
from juno_snap.management.candid_call import init_argument
from juno_snap.management.types import Install
from juno_snap.pipeline.install import install
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm, read_wasm_file
from juno_snap.pipeline.workspace import Workspace

INTERFACE_SECTION: Final = "icp:public candid:service"
"""Where compilers put a module's Candid. Source: interface specification, "Canister metadata"."""


async def new_module(
    workspace: Workspace, wasm: Path | str | bytes | None, *, arg: str, observer: Observer
) -> Principal:
    """A new module on a network for development, with the code ``wasm`` if there is one.

    Raises:
        NotFoundError: There is no such file.
        InputError: ``wasm`` or ``arg`` is malformed.
        RejectedError: The network makes no modules for free, or the code was refused.
    """
    code = None if wasm is None else read_code(wasm)
    argument = b"" if code is None else argument_of(code, arg)
    module = await workspace.client.provisional_create_canister()
    if code is not None:
        await install(workspace.client, module, code, Install(), argument, observer=observer)
    return module


def read_code(wasm: Path | str | bytes) -> WasmFile:
    """The Wasm in a file, or its content.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no Wasm module.
    """
    if isinstance(wasm, str | Path):
        return read_wasm_file(Path(wasm))
    return check_wasm(wasm, name="the given module")


def argument_of(code: WasmFile, arg: str | bytes) -> bytes:
    """The argument for ``code``: Candid as it is, or Candid text typed by what the code asks for.

    Raises:
        InputError: The text is no Candid, or does not fit.
    """
    if isinstance(arg, bytes):
        return arg
    return init_argument(arg, code.custom_sections.get(INTERFACE_SECTION))
