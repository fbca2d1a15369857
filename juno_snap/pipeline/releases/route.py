"""From what is said of releases to files that may be installed."""

from dataclasses import dataclass
from typing import Final, get_args

from juno_snap.errors import InputError, PreconditionError, TrustError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.package import read_juno_module
from juno_snap.juno.releases.model import Catalogue, releases_between, version_in
from juno_snap.juno.releases.source import ReleaseFile, ReleaseSource
from juno_snap.juno.roles import JunoModule, Role, Version
from juno_snap.pipeline.explain import module_not_found
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm
from juno_snap.pipeline.workspace import Workspace

ROLES: Final[dict[str | None, Role]] = {role: role for role in get_args(Role)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChoice:
    """Which release is wanted, and how it is gone to."""

    version: Version | None = None
    """None: the newest one."""
    is_stepwise: bool = False
    """Through every release on the way, each with its own snapshot and checks."""
    may_be_unverified: bool = False
    """Also where no checksum of it is published."""

    def check(self, request: UpgradeRequest) -> None:
        """Accept what goes together with ``request``.

        Raises:
            InputError: It speaks of one release, and there may be several.
        """
        speaks_of_one = request.sha256 is not None or request.reset or "skip" in request.juno.lifted
        if self.is_stepwise and speaks_of_one:
            text = "--step goes through several releases: not with --sha256, --reset, --allow-skip"
            raise InputError(text, code="usage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Code to be installed; ``release`` where it is a published one."""

    wasm: WasmFile
    release: ReleaseFile | None = None

    @property
    def version(self) -> str | None:
        """Of the release."""
        return None if self.release is None else str(self.release.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way from what is installed to what is wanted."""

    role: Role
    installed: Version | None
    wanted: Version
    versions: tuple[Version, ...]
    """Those that are installed on the way, the wanted one last."""
    published: tuple[Version, ...]
    """All of the role."""

    def to_json(self) -> dict[str, object]:
        """The members of a plan."""
        return {
            "version": {
                "from": None if self.installed is None else str(self.installed),
                "to": str(self.wanted),
            },
            "route": list(map(str, self.versions)),
        }


async def choose_route(
    workspace: Workspace,
    module: ModuleChoice,
    catalogue: Catalogue,
    choice: ReleaseChoice,
    *,
    may_skip: bool,
) -> Route:
    """Which releases are installed one after another; whether they may be, the plan of each says.

    A run that was interrupted is gone on with first, where it was on its way to one of them.

    Raises:
        InputError: The module's role is not known.
        NotFoundError: No such module, or the release is not published.
        PreconditionError: What is installed is not known, so that releases may be skipped.
    """
    info = await workspace.client.canister_info(module.id)
    if not info.exists:
        raise module_not_found(module.id)
    found = await read_juno_module(workspace.client, module.id)
    role = _role(module, found)
    said, installed = choice.version, found.release
    published = catalogue.versions[role]
    wanted = catalogue.latest(role) if said is None else catalogue.choose(role, said)
    begun = _begun(workspace, module.id, role)
    start = begun if begun is not None and begun <= wanted else None
    versions: tuple[Version, ...] = (wanted,)
    if choice.is_stepwise and start is not None:
        versions = (start, *releases_between(published, start, wanted))
    elif installed is None and start is None and (choice.is_stepwise or not may_skip):
        raise _unknown(module)
    elif choice.is_stepwise and installed is not None:
        versions = releases_between(published, installed, wanted) or (wanted,)
    return Route(
        role=role, installed=installed, wanted=wanted, versions=versions, published=published
    )


async def obtain_candidates(
    source: ReleaseSource,
    catalogue: Catalogue,
    route: Route,
    *,
    may_be_unverified: bool = False,
    pinned: bytes | None = None,
    observer: Observer = ignore_events,
) -> list[Candidate]:
    """The files of a route, all of them before the first is installed.

    Raises:
        TrustError: One is not what was published; and what ``ReleaseSource.obtain`` raises.
    """
    candidates = []
    for version in route.versions:
        release = await source.obtain(
            catalogue,
            route.role,
            version,
            pinned=pinned,
            may_be_unverified=may_be_unverified,
            observer=observer,
        )
        candidates.append(Candidate(wasm=_module(release), release=release))
    return candidates


def _module(release: ReleaseFile) -> WasmFile:
    try:
        return check_wasm(release.data, name=release.name)
    except InputError as error:
        raise TrustError(
            f"what was downloaded is damaged: {error.message}",
            code="release-not-wasm",
            hint="nothing was installed; try again",
        ) from error


def _role(module: ModuleChoice, installed: JunoModule) -> Role:
    """The role that is configured, or said with ``-t``, or that the module itself says."""
    names = (module.role, module.name, installed.role)
    found = next((ROLES[name] for name in names if name in ROLES), None)
    if found is None:
        raise InputError(
            f"the role of {module.label} is not known, so that no release can be chosen",
            value=str(module.id),
            code="role-unknown",
            hint=f'write role = "satellite" under [modules.{module.name or "NAME"}] in '
            "juno-snap.toml, or say -t satellite|mission-control|orbiter",
        )
    return found


def _begun(workspace: Workspace, module: Principal, role: Role) -> Version | None:
    """The release that an interrupted upgrade of this module was about to install."""
    for record in workspace.journal.unfinished(workspace.root_key, module):
        found = version_of(Program.from_json(record.begun.program))
        if found is not None and found[0] == role:
            return found[1]
    return None


def version_of(program: Program) -> tuple[Role, Version] | None:
    """The release that an operation installs, if it does."""
    change = program.change
    return version_in(change.wasm_name) if isinstance(change, InstallChange) else None


def _unknown(module: ModuleChoice) -> PreconditionError:
    return PreconditionError(
        f"{module.label} does not say which release it runs, so that it is not known which ones "
        "would be skipped",
        code="release-unknown",
        hint="start it, if it is stopped: older ones tell it when asked; or say --allow-skip to go "
        "straight to the one you chose",
    )
