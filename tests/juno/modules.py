"""Modules as Juno releases them: a satellite, a mission control and an orbiter, in Motoko.

Their code is compiled once for each role; a release differs from the next in its metadata, as it
does for whoever looks from outside. Releases of before there was ``juno:package`` say their version
in a query, and a satellite its build in ``juno:build``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from juno_snap.ids import Principal
from juno_snap.wire.leb128 import encode_unsigned
from tests.motoko import compile_motoko

FOLDER = Path(__file__).parent
Role: TypeAlias = Literal["satellite", "mission-control", "orbiter"]
PACKAGES: Final[Mapping[str, str]] = {
    "satellite": "@junobuild/satellite",
    "mission-control": "@junobuild/mission-control",
    "orbiter": "@junobuild/orbiter",
}


def module(role: Role, version: str) -> bytes:
    """A release with ``juno:package``, as Juno makes it (stock)."""
    return with_package(code_of(role), PACKAGES[role], version)


def extended_satellite(
    juno_version: str, *, name: str = "my-functions", version: str = "1.0.0"
) -> bytes:
    """A developer's own build upon Juno's satellite of ``juno_version``."""
    depends = {PACKAGES["satellite"]: juno_version, "@junobuild/sputnik": "0.1.4"}
    return with_package(code_of("satellite"), name, version, depends)


def older_module(role: Role, version: str, *, build: str | None = None) -> bytes:
    """A release without ``juno:package``; ``build`` is what ``juno:build`` says, if it is there."""
    wasm = code_of(role, version_query=version)
    return wasm if build is None else with_metadata(wasm, "juno:build", build.encode())


def code_of(role: Role, *, version_query: str | None = None, without: str | None = None) -> bytes:
    """The Wasm without Juno's metadata; with the query ``version`` where an answer is given.

    ``without`` is a method that is called otherwise in this build.
    """
    source = FOLDER.joinpath(f"{role.replace('-', '_')}.mo").read_text(encoding="utf-8")
    if without is not None:
        source = source.replace(f"func {without}(", f"func other_{without}(")
    query = ""
    if version_query is not None:
        query = f'public shared query func version() : async Text {{ "{version_query}" }};'
    return compile_motoko(source.replace("//VERSION_QUERY", query))


def with_package(
    wasm: bytes, name: str, version: str, dependencies: Mapping[str, str] | None = None
) -> bytes:
    """The module with ``juno:package``."""
    package: dict[str, object] = {"name": name, "version": version}
    if dependencies is not None:
        package["dependencies"] = dict(dependencies)
    return with_metadata(wasm, "juno:package", json.dumps(package).encode())


def with_metadata(wasm: bytes, name: str, content: bytes, *, visibility: str = "public") -> bytes:
    """The module with a section of metadata more, ``public`` or ``private``."""
    title = f"icp:{visibility} {name}".encode()
    body = encode_unsigned(len(title)) + title + content
    return wasm + b"\x00" + encode_unsigned(len(body)) + body


def install_argument(role: Role, *principals: Principal, memory: str | None = None) -> str:
    """Candid text that a fresh install needs: its controllers, or a mission control's user."""
    texts = [f'principal "{each}"' for each in principals]
    if role == "mission-control":
        return f"(record {{ user = {texts[0]} }})"
    storage = f"storage = opt record {{ system_memory = opt {memory} }}" if memory else ""
    return f"(record {{ controllers = vec {{ {'; '.join(texts)} }}; {storage} }})"
