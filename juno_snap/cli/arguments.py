"""Arguments of methods and installations: Candid text, a file, or hex."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from juno_snap.errors import InputError
from juno_snap.files import read_file
from juno_snap.management.candid_call import init_argument
from juno_snap.pipeline.wasm_file import WasmFile

INTERFACE_SECTION: Final = "icp:public candid:service"
CANDID_MAGIC: Final = b"DIDL"
"""Source: Candid specification, "Binary format"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentOptions:
    """The argument that new code gets."""

    arg: Annotated[
        str | None, typer.Option(metavar="CANDID", help="Argument of the new code, as Candid text.")
    ] = None
    arg_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same out of a file: text or binary.")
    ] = None
    arg_hex: Annotated[
        str | None, typer.Option(metavar="HEX", help="The same as the hex of its binary form.")
    ] = None


def install_argument(options: ArgumentOptions, wasm: WasmFile | None) -> bytes | None:
    """The argument that was said, typed by the interface of ``wasm``; None where none was.

    Raises:
        InputError: Said twice, or malformed.
        NotFoundError: The file cannot be read.
    """
    said = [
        value for value in (options.arg, options.arg_file, options.arg_hex) if value is not None
    ]
    if len(said) > 1:
        raise InputError("say one of --arg, --arg-file and --arg-hex", value=str(said[1]))
    section = wasm.custom_sections.get(INTERFACE_SECTION) if wasm else None
    if options.arg is not None:
        return init_argument(options.arg, section)
    if options.arg_file is not None:
        content = read_file(options.arg_file)
        if content.startswith(CANDID_MAGIC):
            return content
        return init_argument(_text(content, options.arg_file), section)
    if options.arg_hex is not None:
        return _from_hex(options.arg_hex)
    return None


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is neither Candid text nor binary Candid", value=str(path)
        ) from error


def _from_hex(text: str) -> bytes:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise InputError("--arg-hex is not hexadecimal", value=text) from error
    if not data.startswith(CANDID_MAGIC):
        raise InputError("--arg-hex is no Candid: it must begin with 4449444c", value=text)
    return data
