"""Upgrades of a module to published releases, in the same way as ``juno-snap upgrade --latest``."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import final

from juno_snap.errors import InputError, JunoSnapError
from juno_snap.events import Observer
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.guards import ALLOWED, Allowed, guards_in
from juno_snap.juno.releases.source import ReleaseSource
from juno_snap.juno.roles import Version
from juno_snap.library.asking import asked_of, check_may_change, forgiving, with_argument
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.releases.forecast import ReleasePlan, forecast
from juno_snap.pipeline.releases.passage import Passage, go_through, prepare_passage
from juno_snap.pipeline.releases.route import Candidate, ReleaseChoice
from juno_snap.pipeline.report import ENDED_BADLY, UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade, upgrade
from juno_snap.pipeline.workspace import Workspace


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """The published releases, for one module; made by ``Module.releases``.

    Every method may raise what those of ``Module`` may, and

        NotFoundError: The release is not published, or a file is not where it should be.
        TrustError: A file is not what was published.
        TransportError: The list or a file does not come.
        InputError: Not one of ``version`` and ``latest``; or the role is not known.

    Arguments of both methods:

        version: That release, such as ``0.1.3``.
        latest: The newest, in its place.
        step: Through every release on the way, each with its own snapshot and checks. The snapshot
            before the first stays, with the label ``before-X.Y.Z``.
        allow: What is refused otherwise, any of ``role-change`` (a Wasm that is of another role, or
            says none), ``stock`` (a stock build over an extended one: its functions are gone),
            ``downgrade`` (an older release), ``skip`` (past releases between the installed one and
            this one) and ``unverified-release`` (one of which no checksum is published).
        request, checks, arg: As for ``Module.upgrade``, for each release.
    """

    module: ModuleChoice
    workspace: Workspace = field(repr=False)
    source: ReleaseSource = field(repr=False)
    defaults: UpgradeRequest = field(repr=False)
    on_event: Observer = field(repr=False)

    async def plan(
        self,
        *,
        version: str | None = None,
        latest: bool = False,
        step: bool = False,
        allow: Collection[Allowed] = (),
        request: UpgradeRequest | None = None,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
    ) -> tuple[ReleasePlan, ...]:
        """What ``upgrade`` with the same arguments would do and cost; nothing is changed.

        One plan for each release on the way. Those after the first are estimates.
        """
        choice = _choice(version, latest=latest, step=step, allow=allow)
        asked = _lifted(asked_of(self.defaults, request, checks), allow)
        passage, candidates = await self._begin(choice, asked, self.on_event)
        requests = [with_argument(asked, each.wasm, arg) for each in candidates]
        first = await prepare_upgrade(
            self.workspace,
            self.module.id,
            passage.request(requests[0], candidates[0]),
            candidates[0].wasm,
        )
        return forecast(self.workspace, passage, candidates, first, requests)

    async def upgrade(
        self,
        *,
        version: str | None = None,
        latest: bool = False,
        step: bool = False,
        allow: Collection[Allowed] = (),
        request: UpgradeRequest | None = None,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
        on_event: Observer | None = None,
    ) -> Passage:
        """The module at a published release, which is downloaded and verified.

        Of the way that is returned ``passed`` has a report for each release, and ``reached`` is
        where the module is.

        Raises:
            PreconditionError: The plan of a release is refused. With ``step``, those before it are
                installed: a note of this error, and of all others, says how far it came.
            OperationFailedError: As for ``Module.upgrade``, of the release that failed.
        """
        check_may_change(self.workspace)
        choice = _choice(version, latest=latest, step=step, allow=allow)
        asked = _lifted(asked_of(self.defaults, request, checks), allow)
        observer = self.on_event if on_event is None else forgiving(on_event)
        passage, candidates = await self._begin(choice, asked, observer)

        async def one(candidate: Candidate, wanted: UpgradeRequest) -> UpgradeReport:
            wanted = with_argument(wanted, candidate.wasm, arg)
            return await upgrade(
                self.workspace, self.module.id, wanted, candidate.wasm, observer=observer
            )

        try:
            await go_through(self.workspace, self.module.id, passage, candidates, asked, one)
        except (*ENDED_BADLY, JunoSnapError) as error:
            if step:
                error.add_note(passage.shortfall)
            raise
        return passage

    async def _begin(
        self, choice: ReleaseChoice, asked: UpgradeRequest, observer: Observer
    ) -> tuple[Passage, list[Candidate]]:
        choice.check(asked)
        return await prepare_passage(
            self.workspace, self.module, self.source, choice, asked, observer=observer
        )


def _choice(
    version: str | None, *, latest: bool, step: bool, allow: Collection[Allowed]
) -> ReleaseChoice:
    if (version is not None) == latest:
        raise InputError("say one of version and latest=True", code="usage")
    unknown = sorted(map(repr, set(allow) - set(ALLOWED)))
    if unknown:
        raise InputError(
            f"allow takes some of {', '.join(map(repr, ALLOWED))}, not {', '.join(unknown)}",
            value=str(allow),
            code="usage",
        )
    return ReleaseChoice(
        version=None if version is None else Version.parse(version),
        is_stepwise=step,
        may_be_unverified="unverified-release" in allow,
    )


def _lifted(request: UpgradeRequest, allow: Collection[Allowed]) -> UpgradeRequest:
    """``request`` with what is allowed beside what it allows itself."""
    lifted = request.juno.lifted | guards_in(allow)
    return replace(request, juno=replace(request.juno, lifted=lifted))
