"""Which code each module of a fleet gets: a file beside the fleet file, or a release of Juno."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias, final

from juno_snap.errors import InputError, JunoSnapError, NotFoundError, PreconditionError
from juno_snap.events import Observer
from juno_snap.flow.fleet_file import CodeTable, FleetFile, fleet_mistake
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.guards import Allowed
from juno_snap.juno.releases.model import Catalogue
from juno_snap.juno.releases.source import ReleaseSource
from juno_snap.juno.roles import Role, Version
from juno_snap.pipeline.releases.route import (
    Candidate,
    ReleaseChoice,
    Route,
    choose_route,
    obtain_candidates,
)
from juno_snap.pipeline.wasm_file import WasmFile, read_wasm_file
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.sources import absolute

LATEST: Final = "latest"

UNVERIFIED: Final = "unverified-release"

Brought: TypeAlias = "asyncio.Task[Candidate]"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What is installed into a module."""

    wasm: WasmFile | None = None
    release: str | None = None
    """As it was asked for: a version, or ``latest``."""
    route: Route | None = None
    """From which release to which."""
    refusal: JunoSnapError | None = None
    """Why no release could be chosen for this module; then there is no ``wasm``."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What is published; made by ``open_releases``."""

    source: ReleaseSource
    catalogue: Catalogue
    until_latest: Catalogue
    """The same up to what ``latest`` means in a run, which is decided once, however long it is."""
    observer: Observer = field(repr=False)
    brought: dict[tuple[Role, Version, bytes | None, bool], Brought] = field(
        default_factory=dict, repr=False
    )
    """Each file once; by the hash that it must have, and whether it may be unverified."""

    @property
    def latest(self) -> Mapping[str, str]:
        """Of each role."""
        known = self.until_latest
        return {role: str(known.latest(role)) for role in sorted(known.versions)}


async def open_releases(
    source: ReleaseSource, latest: Mapping[str, str], observer: Observer
) -> Releases:
    """The list of releases; ``latest`` is what a run that goes on has decided, else empty.

    Raises what ``ReleaseSource.catalogue`` raises.
    """
    catalogue = await source.catalogue()
    until = dict(catalogue.versions)
    for role, versions in catalogue.versions.items():
        if role in latest:
            last = Version.parse(latest[role])
            until[role] = (*(each for each in versions if each < last), last)
    return Releases(
        source=source,
        catalogue=catalogue,
        until_latest=replace(catalogue, versions=until),
        observer=observer,
    )


@final
class Codes:
    """The code that a fleet file names, each file read and each release brought once."""

    def __init__(self, path: Path, file: FleetFile) -> None:
        self._path = path
        self._file = file
        self._files: dict[Path, WasmFile] = {}
        self.releases: Releases | None = None
        """Set before ``of`` is asked, where ``needs_releases``."""
        self._routes: dict[Principal, Route] = {}

    @property
    def needs_releases(self) -> bool:
        """Whether some module gets a release."""
        tables = [self._asked(number)[1] for number, _ in enumerate(self._file.modules)]
        return any(table.version is not None or table.latest for table in tables)

    @property
    def follows_latest(self) -> bool:
        """Whether some module gets the newest release."""
        return any(self._asked(number)[1].latest for number, _ in enumerate(self._file.modules))

    async def of(self, number: int, choice: ModuleChoice, workspace: Workspace) -> Code:
        """The code for a module that entry ``number`` means.

        Raises:
            ConfigError: No code is said, or its file cannot be used.
            TrustError, TransportError: A release is not what was published, or does not come.
        """
        key, table = self._asked(number)
        if table.src is not None:
            return Code(wasm=self._read(f"{key}.src", table.src))
        if table.version is None and not table.latest:
            hint = 'say which: [upgrade] src = "FILE", version = "X.Y.Z" or latest = true'
            raise fleet_mistake(self._path, "upgrade.src", "there is no new code", hint)
        asked = LATEST if table.version is None else table.version
        try:
            return await self._release(number, asked, choice, workspace)
        except (InputError, NotFoundError, PreconditionError) as error:
            return Code(release=asked, refusal=error)

    def route_of(self, module: Principal) -> Route | None:
        """From which release to which a module goes, where it gets one."""
        return self._routes.get(module)

    def allowed(self, number: int) -> frozenset[Allowed]:
        """The guards that are lifted for the modules of an entry."""
        return frozenset((*self._file.upgrade.allow, *self._file.modules[number].allow))

    def sha256_of(self, number: int) -> bytes | None:
        """The hash that the code of an entry must have, where one is said beside it."""
        said = self._asked(number)[1].sha256
        return None if said is None else bytes.fromhex(said)

    def _asked(self, number: int) -> tuple[str, CodeTable]:
        """Where it is said what the modules of an entry get."""
        own = self._file.modules[number]
        return (f"modules.{number}", own) if own.says_code else ("upgrade", self._file.upgrade)

    def _read(self, place: str, said: str) -> WasmFile:
        path = absolute(said, self._path.absolute().parent)
        if path not in self._files:
            try:
                self._files[path] = read_wasm_file(path)
            except JunoSnapError as error:
                raise fleet_mistake(self._path, place, error.message, error.hint) from error
        return self._files[path]

    async def _release(
        self, number: int, asked: str, choice: ModuleChoice, workspace: Workspace
    ) -> Code:
        releases, allowed = self.releases, self.allowed(number)
        if releases is None:
            raise TypeError(asked)  # the caller has forgotten to open them
        catalogue, version = releases.until_latest, None
        if asked != LATEST:
            catalogue, version = releases.catalogue, Version.parse(asked)
        route = await choose_route(
            workspace,
            choice,
            catalogue,
            ReleaseChoice(version=version),
            may_skip="skip" in allowed,
        )
        pinned, is_open = self.sha256_of(number), UNVERIFIED in allowed
        key = (route.role, route.wanted, pinned, is_open)
        if key not in releases.brought:
            bringing = _bring(releases, catalogue, route, pinned=pinned, may_be_unverified=is_open)
            releases.brought[key] = asyncio.ensure_future(bringing)
        candidate = await releases.brought[key]
        self._routes[choice.id] = route
        return Code(wasm=candidate.wasm, release=asked, route=route)


async def _bring(
    releases: Releases,
    catalogue: Catalogue,
    route: Route,
    *,
    pinned: bytes | None,
    may_be_unverified: bool,
) -> Candidate:
    (candidate,) = await obtain_candidates(
        releases.source,
        catalogue,
        route,
        may_be_unverified=may_be_unverified,
        pinned=pinned,
        observer=releases.observer,
    )
    return candidate
