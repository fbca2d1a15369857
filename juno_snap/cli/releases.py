"""From what is said of releases on the command line to files that may be installed."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Final, get_args

import typer

from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.cli.session import Session
from juno_snap.cli.wiring import Connection, ModuleChoice
from juno_snap.errors import InputError, PreconditionError, TrustError
from juno_snap.events import Observer
from juno_snap.juno.releases.cache import ReleaseCache
from juno_snap.juno.releases.model import (
    Catalogue,
    Role,
    Version,
    releases_between,
    version_in,
)
from juno_snap.juno.releases.source import Addresses, ReleaseFile, ReleaseSource
from juno_snap.pipeline.observe import PACKAGE_METADATA, module_not_found
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm
from juno_snap.pipeline.workspace import Workspace

RELEASES: Final = "Published releases, in place of a file"

PACKAGES: Final[Mapping[str, Role]] = {
    "@junobuild/satellite": "satellite",
    "@junobuild/mission-control": "mission-control",
    "@junobuild/orbiter": "orbiter",
}
"""Names in ``juno:package``. Source: juno-js, ``packages/admin``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """Which release is installed, and what may be passed over for it."""

    version: Annotated[
        str | None,
        typer.Option(
            "--version", metavar="X.Y.Z", help="This release of Juno.", rich_help_panel=RELEASES
        ),
    ] = None
    latest: Annotated[
        bool, typer.Option("--latest", help="The newest one.", rich_help_panel=RELEASES)
    ] = False
    step: Annotated[
        bool,
        typer.Option(
            "--step",
            help="Through every release on the way, each with its own snapshot and checks.",
            rich_help_panel=RELEASES,
        ),
    ] = False
    allow_skip: Annotated[
        bool,
        typer.Option(
            "--allow-skip",
            help="Straight to it, although releases lie between.",
            rich_help_panel=RELEASES,
        ),
    ] = False
    unverified_release: Annotated[
        bool,
        typer.Option(
            "--unverified-release",
            help="Also where no checksum of it is published.",
            rich_help_panel=RELEASES,
        ),
    ] = False

    @property
    def is_said(self) -> bool:
        """Whether a release is meant."""
        return self.version is not None or self.latest

    def check(self, *, has_file: bool, has_digest: bool, resets: bool) -> None:
        """Accept options that make sense together.

        Raises:
            InputError: They do not.
        """
        if [has_file, self.version is not None, self.latest].count(True) != 1:
            raise InputError("say one of --src, --version and --latest", code="usage")
        if has_file and (self.step or self.allow_skip or self.unverified_release):
            text = "--step, --allow-skip and --unverified-release go with --version or --latest"
            raise InputError(text, code="usage")
        if self.step and (has_digest or resets or self.allow_skip):
            text = "--step goes through several releases: not with --sha256, --reset, --allow-skip"
            raise InputError(text, code="usage")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Code to be installed; ``release`` where it is a published one."""

    wasm: WasmFile
    release: ReleaseFile | None = None

    @property
    def version(self) -> str | None:
        """Of the release."""
        return None if self.release is None else str(self.release.version)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way from what is installed to what is wanted."""

    role: Role
    installed: Version | None
    wanted: Version
    versions: tuple[Version, ...]
    """Those that are installed on the way, the wanted one last."""

    def to_json(self) -> dict[str, object]:
        """The members of a plan."""
        return {
            "version": {
                "from": None if self.installed is None else str(self.installed),
                "to": str(self.wanted),
            },
            "route": list(map(str, self.versions)),
        }


def open_source(session: Session) -> ReleaseSource:
    """The releases that are configured."""
    said = session.settings.releases
    key = MAINNET_ROOT_KEY if said.root_key == "ic" else parse_root_key(said.root_key.hex())
    addresses = Addresses(
        files=said.url, checksums=said.checksums_url, canister=said.canister, root_key=key
    )
    return ReleaseSource(addresses, ReleaseCache(session.state))


async def choose_route(
    connection: Connection,
    workspace: Workspace,
    choice: ModuleChoice,
    catalogue: Catalogue,
    options: ReleaseOptions,
) -> Route:
    """Which releases are installed one after another.

    A run that was interrupted is gone on with first, where it was on its way to one of them.

    Raises:
        InputError: The module's role is not known.
        NotFoundError: No such module, or the release is not published.
        PreconditionError: Releases would be skipped, or it is older than what is installed.
    """
    package = await _package(connection, choice)
    role = _role(choice, package)
    said = options.version
    wanted = catalogue.latest(role) if said is None else catalogue.choose(role, Version.parse(said))
    installed = _installed(package, role)
    begun = _begun(workspace, choice, role)
    if begun is not None and begun <= wanted:
        versions = (begun, *releases_between(catalogue.versions[role], begun, wanted))
    elif installed is None:
        versions = (wanted,)
        _check_known(choice, options)
    else:
        versions = releases_between(catalogue.versions[role], installed, wanted) or (wanted,)
        if wanted < installed:
            raise _downgrade(role, installed, wanted)
    if not options.step and len(versions) > 1:
        if not options.allow_skip:
            raise _skipped(role, versions)
        versions = (wanted,)
    return Route(role=role, installed=installed, wanted=wanted, versions=versions)


async def obtain_candidates(
    session: Session,
    source: ReleaseSource,
    catalogue: Catalogue,
    route: Route,
    options: ReleaseOptions,
    *,
    pinned: bytes | None,
    observer: Observer,
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
            may_be_unverified=options.unverified_release,
            observer=observer,
        )
        session.output.detail(f"{release.name}: {'; '.join(release.proofs)}")
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


async def _package(connection: Connection, choice: ModuleChoice) -> Mapping[str, object]:
    """What the module says of itself, certified; nothing where it says nothing."""
    info = await connection.client.canister_info(choice.id)
    if not info.exists:
        raise module_not_found(choice.id)
    content = await connection.client.metadata(choice.id, PACKAGE_METADATA)
    try:
        package = json.loads(content or b"{}")
    except ValueError:
        package = {}
    return package if isinstance(package, dict) else {}


def _role(choice: ModuleChoice, package: Mapping[str, object]) -> Role:
    """The role that is configured, or said with ``-t``, or that the module itself says."""
    names = (choice.role, choice.name, PACKAGES.get(str(package.get("name"))))
    roles = {role: role for role in get_args(Role)}
    found: Role | None = next((roles[name] for name in names if name in roles), None)
    if found is None:
        raise InputError(
            f"the role of {choice.label} is not known, so that no release can be chosen",
            value=str(choice.id),
            code="role-unknown",
            hint=f'write role = "satellite" under [modules.{choice.name or "NAME"}] in '
            "juno-snap.toml, or say -t satellite|mission-control|orbiter",
        )
    return found


def _installed(package: Mapping[str, object], role: Role) -> Version | None:
    """The release that is installed, also below functions of the developer's own."""
    dependencies = package.get("dependencies")
    known = dict(dependencies) if isinstance(dependencies, dict) else {}
    known[package.get("name")] = package.get("version")
    named = next((name for name, each in PACKAGES.items() if each == role), "")
    try:
        return Version.parse(str(known[named]))
    except (KeyError, InputError):
        return None


def _begun(workspace: Workspace, choice: ModuleChoice, role: Role) -> Version | None:
    """The release that an interrupted upgrade of this module was about to install."""
    for record in workspace.journal.unfinished(workspace.root_key, choice.id):
        change = Program.from_json(record.begun.program).change
        found = version_in(change.wasm_name) if isinstance(change, InstallChange) else None
        if found is not None and found[0] == role:
            return found[1]
    return None


def _check_known(choice: ModuleChoice, options: ReleaseOptions) -> None:
    if options.step or not options.allow_skip:
        raise PreconditionError(
            f"{choice.label} does not say which release it runs (metadata {PACKAGE_METADATA}), so "
            "that it is not known which ones would be skipped",
            code="release-unknown",
            hint="say --allow-skip to go straight to the one you chose",
        )


def _skipped(role: Role, versions: tuple[Version, ...]) -> PreconditionError:
    between = ", ".join(map(str, versions[:-1]))
    return PreconditionError(
        f"{role} {versions[-1]} is not the next release: {between} would be skipped",
        code="release-skipped",
        hint="say --step to go through all of them, one after another, or --allow-skip",
    )


def _downgrade(role: Role, installed: Version, wanted: Version) -> PreconditionError:
    return PreconditionError(
        f"{role} {wanted} is older than {installed}, which is installed",
        code="downgrade",
        hint="to go back use juno-snap rollback, or a snapshot; data of newer code may not fit "
        "older code",
    )
