"""Upgrades of a module to published releases, in the same way as ``juno-snap upgrade --latest``."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import final

from juno_snap.errors import InputError, JunoSnapError
from juno_snap.events import Observer
from juno_snap.juno.releases.source import ReleaseSource
from juno_snap.juno.roles import Version
from juno_snap.library.asking import asked_of, check_may_change, forgiving, with_argument
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.releases.forecast import ReleasePlan, forecast
from juno_snap.pipeline.releases.passage import Passage, go_through, prepare_passage
from juno_snap.pipeline.releases.route import Candidate, ReleaseChoice, Target
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
        request, checks, arg: As for ``Module.upgrade``, for each release.
        allow_role_change: Also a Wasm that is of another role, or says none.
        allow_stock: Also a stock build over an extended one: its functions are gone.
        allow_downgrade: Also an older release.
        allow_skip: Also past releases between the installed one and this one.
        may_be_unverified: Also where no checksum of the release is published.
    """

    target: Target
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
        request: UpgradeRequest | None = None,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
        allow_role_change: bool = False,
        allow_stock: bool = False,
        allow_downgrade: bool = False,
        allow_skip: bool = False,
        may_be_unverified: bool = False,
    ) -> tuple[ReleasePlan, ...]:
        """What ``upgrade`` with the same arguments would do and cost; nothing is changed.

        One plan for each release on the way. Those after the first are estimates.
        """
        choice = _choice(version, latest=latest, step=step, may_be_unverified=may_be_unverified)
        allowed = (allow_role_change, allow_stock, allow_downgrade, allow_skip)
        asked = _lifted(asked_of(self.defaults, request, checks), allowed)
        passage, candidates = await self._begin(choice, asked, self.on_event)
        requests = [with_argument(asked, each.wasm, arg) for each in candidates]
        first = await prepare_upgrade(
            self.workspace,
            self.target.id,
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
        request: UpgradeRequest | None = None,
        checks: Iterable[str | CheckSpec] = (),
        arg: str | bytes | None = None,
        allow_role_change: bool = False,
        allow_stock: bool = False,
        allow_downgrade: bool = False,
        allow_skip: bool = False,
        may_be_unverified: bool = False,
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
        choice = _choice(version, latest=latest, step=step, may_be_unverified=may_be_unverified)
        allowed = (allow_role_change, allow_stock, allow_downgrade, allow_skip)
        asked = _lifted(asked_of(self.defaults, request, checks), allowed)
        observer = self.on_event if on_event is None else forgiving(on_event)
        passage, candidates = await self._begin(choice, asked, observer)

        async def one(candidate: Candidate, wanted: UpgradeRequest) -> UpgradeReport:
            wanted = with_argument(wanted, candidate.wasm, arg)
            return await upgrade(
                self.workspace, self.target.id, wanted, candidate.wasm, observer=observer
            )

        try:
            await go_through(self.workspace, self.target.id, passage, candidates, asked, one)
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
            self.workspace, self.target, self.source, choice, asked, observer=observer
        )


def _choice(
    version: str | None, *, latest: bool, step: bool, may_be_unverified: bool
) -> ReleaseChoice:
    if (version is not None) == latest:
        raise InputError("say one of version and latest=True", code="usage")
    wanted = None if version is None else Version.parse(version)
    return ReleaseChoice(version=wanted, is_stepwise=step, may_be_unverified=may_be_unverified)


def _lifted(request: UpgradeRequest, allowed: tuple[bool, bool, bool, bool]) -> UpgradeRequest:
    """``request`` with what is allowed beside what it allows itself."""
    terms = request.juno
    role_change, stock, downgrade, skip = allowed
    juno = replace(
        terms,
        allow_role_change=terms.allow_role_change or role_change,
        allow_stock=terms.allow_stock or stock,
        allow_downgrade=terms.allow_downgrade or downgrade,
        allow_skip=terms.allow_skip or skip,
    )
    return replace(request, juno=juno)
