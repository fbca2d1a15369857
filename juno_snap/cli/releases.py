"""From what is said of releases on the command line to files that may be installed."""

import dataclasses
from typing import Annotated, Final, get_args

import typer

from juno_snap.agent.root_key import MAINNET_ROOT_KEY, parse_root_key
from juno_snap.cli.session import Session
from juno_snap.cli.targets import ModuleChoice
from juno_snap.cli.wiring import Connection
from juno_snap.errors import InputError, PreconditionError, TrustError
from juno_snap.events import Observer
from juno_snap.juno.package import read_juno_module
from juno_snap.juno.releases.cache import ReleaseCache
from juno_snap.juno.releases.model import Catalogue, releases_between, version_in
from juno_snap.juno.releases.source import Addresses, ReleaseFile, ReleaseSource
from juno_snap.juno.roles import JunoModule, Role, Version
from juno_snap.pipeline.observe import module_not_found
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.wasm_file import WasmFile, check_wasm
from juno_snap.pipeline.workspace import Workspace

RELEASES: Final = "Published releases, in place of a file"


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
    unverified_release: Annotated[
        bool,
        typer.Option(
            "--unverified-release",
            help="Also where no checksum of it is published.",
            rich_help_panel=RELEASES,
        ),
    ] = False

    def check(self, *, has_file: bool, has_digest: bool, resets: bool, skips: bool) -> None:
        """Accept options that make sense together.

        Raises:
            InputError: They do not.
        """
        if [has_file, self.version is not None, self.latest].count(True) != 1:
            raise InputError("say one of --src, --version and --latest", code="usage")
        if has_file and (self.step or self.unverified_release):
            text = "--step and --unverified-release go with --version or --latest"
            raise InputError(text, code="usage")
        if self.step and (has_digest or resets or skips):
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
    info = await connection.client.canister_info(choice.id)
    if not info.exists:
        raise module_not_found(choice.id)
    module = await read_juno_module(connection.client, choice.id)
    role = _role(choice, module)
    said, installed = options.version, module.release
    published = catalogue.versions[role]
    wanted = catalogue.latest(role) if said is None else catalogue.choose(role, Version.parse(said))
    begun = _begun(workspace, choice, role)
    start = begun if begun is not None and begun <= wanted else None
    versions: tuple[Version, ...] = (wanted,)
    if options.step and start is not None:
        versions = (start, *releases_between(published, start, wanted))
    elif installed is None and start is None and (options.step or not may_skip):
        raise _unknown(choice)
    elif options.step and installed is not None:
        versions = releases_between(published, installed, wanted) or (wanted,)
    return Route(
        role=role, installed=installed, wanted=wanted, versions=versions, published=published
    )


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


def _role(choice: ModuleChoice, module: JunoModule) -> Role:
    """The role that is configured, or said with ``-t``, or that the module itself says."""
    names = (choice.role, choice.name, module.role)
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


def _begun(workspace: Workspace, choice: ModuleChoice, role: Role) -> Version | None:
    """The release that an interrupted upgrade of this module was about to install."""
    for record in workspace.journal.unfinished(workspace.root_key, choice.id):
        change = Program.from_json(record.begun.program).change
        found = version_in(change.wasm_name) if isinstance(change, InstallChange) else None
        if found is not None and found[0] == role:
            return found[1]
    return None


def _unknown(choice: ModuleChoice) -> PreconditionError:
    return PreconditionError(
        f"{choice.label} does not say which release it runs, so that it is not known which ones "
        "would be skipped",
        code="release-unknown",
        hint="start it, if it is stopped: older ones tell it when asked; or say --allow-skip to go "
        "straight to the one you chose",
    )
