"""Small modules for the demo and for tests, built from Wasm text when they are asked for.

``counter`` keeps a number. ``document_store_v1`` keeps documents and calls itself a satellite, as
Juno's modules do; ``v2`` adds a method; ``v3`` loses a document when a canister is upgraded to it.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, final

from juno_snap.replica.runtime import wasm_from_text

_VERSION_ADDRESS: Final = 512
"""Where ``candid.wat`` leaves room for it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """Which texts make a sample; its interface is ``{interface}.did``."""

    fields: tuple[str, ...]
    interface: str
    version: str
    package: str | None = None


_DOCUMENT_STORE: Final = ("candid", "document_store")
_SATELLITE: Final = "@junobuild/satellite"
_RECIPES: Final = {
    "counter": _Recipe(fields=("candid", "counter"), interface="counter", version="1.0.0"),
    "document_store_v1": _Recipe(
        fields=_DOCUMENT_STORE,
        interface="document_store_v1",
        version="0.1.0",
        package=_SATELLITE,
    ),
    "document_store_v2": _Recipe(
        fields=(*_DOCUMENT_STORE, "document_store_count"),
        interface="document_store_v2",
        version="0.2.0",
        package=_SATELLITE,
    ),
    "document_store_v3": _Recipe(
        fields=(*_DOCUMENT_STORE, "document_store_count", "document_store_loss"),
        interface="document_store_v2",
        version="0.3.0",
        package=_SATELLITE,
    ),
}

SAMPLE_NAMES: Final = tuple(_RECIPES)


def sample(name: str) -> bytes:
    """The Wasm of a sample, the same bytes each time.

    Raises:
        KeyError: There is no such sample.
    """
    recipe = _RECIPES[name]
    version = recipe.version.encode()
    parts = [
        *(_text(f"{part}.wat") for part in recipe.fields),
        f"(global $VERSION i32 (i32.const {_VERSION_ADDRESS}))",
        f"(global $VERSION_LENGTH i32 (i32.const {len(version)}))",
        f"(data (i32.const {_VERSION_ADDRESS}) {_quoted(version)})",
        _metadata("candid:service", interface_of(name).encode()),
    ]
    if recipe.package is not None:
        content = {"name": recipe.package, "version": recipe.version}
        parts.append(_metadata("juno:package", json.dumps(content).encode()))
    return wasm_from_text("\n".join(["(module", *parts, ")"]))


def interface_of(name: str) -> str:
    """The Candid interface of a sample, as its module has it.

    Raises:
        KeyError: There is no such sample.
    """
    return _text(f"{_RECIPES[name].interface}.did")


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _metadata(name: str, content: bytes) -> str:
    return f'(@custom "icp:public {name}" {_quoted(content)})'


def _quoted(content: bytes) -> str:
    return '"' + "".join(f"\\{byte:02x}" for byte in content) + '"'
