"""Whether a check can hold on a new Wasm at all: for the plan, before anything is touched."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from juno_snap.errors import InputError
from juno_snap.juno.roles import PACKAGE_METADATA
from juno_snap.management.candid_call import INTERFACE_METADATA, interface_of
from juno_snap.management.candid_check import Expectation, check_fits
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.wasm_file import WasmFile

VERSION_METHOD: Final = "version"
"""Where a module without metadata of Juno's says its version, by Juno's convention."""

METHOD_KINDS: Final = ("query", "update", "composite_query")
"""Source: interface specification, "Entry points"."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A check that does not fit what the new Wasm says of its methods."""

    check: CheckSpec
    problem: str


def missing_methods(specs: Sequence[CheckSpec], wasm: WasmFile) -> tuple[CheckSpec, ...]:
    """The checks whose method the Wasm does not export.

    A version check is one of them where the Wasm has neither Juno's metadata nor such a method.
    """
    return tuple(spec for spec in specs if not _is_there(spec, wasm))


def misfits(specs: Sequence[CheckSpec], wasm: WasmFile) -> tuple[Misfit, ...]:
    """The calls with arguments or values of other types than the Wasm's own interface has.

    Nothing is said where the Wasm carries no interface, or not that method in it.
    """
    content = _metadata(wasm, INTERFACE_METADATA)
    interface = interface_of(content) if content else None
    if interface is None:
        return ()
    found: list[Misfit] = []
    for spec in specs:
        try:
            if spec.kind == "call":
                check_fits(expectation_of(spec), interface)
        except InputError as error:
            found.append(Misfit(check=spec, problem=error.message))
    return tuple(found)


def expectation_of(spec: CheckSpec) -> Expectation:
    """The call of a check, and what it should reply; of a version check the one of its method."""
    if spec.kind == "version":
        quoted = json.dumps(spec.expected)  # a version has nothing to escape
        return Expectation(method=VERSION_METHOD, args="()", expected=quoted)
    return Expectation(method=spec.method, args=spec.args, expected=spec.expected)


def _is_there(spec: CheckSpec, wasm: WasmFile) -> bool:
    if spec.kind == "command":
        return True
    if spec.kind == "version" and _metadata(wasm, PACKAGE_METADATA):
        return True
    method = expectation_of(spec).method
    return any(f"canister_{kind} {method}" in wasm.entry_points for kind in METHOD_KINDS)


def _metadata(wasm: WasmFile, name: str) -> bytes | None:
    """Source: interface specification, "Canister metadata"."""
    sections = wasm.custom_sections
    return sections.get(f"icp:public {name}") or sections.get(f"icp:private {name}")
