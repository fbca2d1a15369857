"""One release after another: what is kept on the way, and what is told of it."""

import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from juno_snap.errors import JunoSnapError
from juno_snap.events import Observer, ignore_events
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.releases.source import ReleaseSource
from juno_snap.juno.roles import Version
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.listing import list_snapshots
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.policy import FreeSlot, ReplaceSnapshot
from juno_snap.pipeline.program import Program
from juno_snap.pipeline.releases.route import (
    Candidate,
    ReleaseChoice,
    Route,
    choose_route,
    obtain_candidates,
    version_of,
)
from juno_snap.pipeline.report import (
    ENDED_BADLY,
    EndedBadly,
    Json,
    OperationFailedError,
    OperationRefusedError,
    UpgradeReport,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.workspace import Workspace

LABEL: Final = "before-"

Upgrade: TypeAlias = Callable[[Candidate, UpgradeRequest], Awaitable[UpgradeReport]]
"""One upgrade of a passage; raises what ``run_upgrade`` raises."""


@final
@dataclass(slots=True, kw_only=True)
class Passage:
    """How far the way through the releases was gone; made by ``prepare_passage``."""

    route: Route
    is_stepwise: bool
    label: str | None = None
    """For the snapshot before the first release; none where it has one, or no other follows."""
    passed: list[tuple[Candidate, UpgradeReport]] = field(default_factory=list)
    """The releases so far; the last one may have ended badly."""

    @property
    def reached(self) -> str | None:
        """The release whose code the module has, as far as that is certified."""
        for candidate, report in reversed(self.passed):
            if report.facts.module_hash == report.new_hash:
                return candidate.version
        installed = self.route.installed
        return None if installed is None else str(installed)

    @property
    def shortfall(self) -> str:
        """For people: what is to be said of a way that ended early."""
        left = f"the module is at {self.reached or 'what it was'}"
        again = "the same command goes on from there"
        return f"not all the way to {self.route.wanted}: {left}; {again}"

    def to_json(self) -> Json:
        """The last upgrade's document, with the releases."""
        installed = self.route.installed
        told = [_told(candidate, report) for candidate, report in self.passed]
        document = {
            **told[-1],
            "version": {
                "from": None if installed is None else str(installed),
                "to": str(self.route.wanted),
                "reached": self.reached,
            },
        }
        return {**document, "releases": told} if self.is_stepwise else document

    def request(self, wanted: UpgradeRequest, candidate: Candidate) -> UpgradeRequest:
        """What is asked of the upgrade to ``candidate``, which is the next one."""
        last = self.passed[-1][1] if self.passed else None
        return self.request_after(
            wanted,
            candidate,
            is_first=last is None,
            is_stopped=last is not None and last.facts.module_status == "stopped",
        )

    def request_after(
        self, wanted: UpgradeRequest, candidate: Candidate, *, is_first: bool, is_stopped: bool
    ) -> UpgradeRequest:
        """The same for any of them; ``is_stopped``: the one before it has left the module so.

        A snapshot that was named is given up once; a module that was to be left stopped stays so.
        """
        release = candidate.release
        juno = dataclasses.replace(
            wanted.juno,
            role=self.route.role,
            version=None if release is None else release.version,
            published=self.route.published,
        )
        if is_first:
            return dataclasses.replace(wanted, juno=juno, snapshot_label=self.label)
        policy = wanted.snapshots
        return dataclasses.replace(
            wanted,
            juno=juno,
            snapshots=FreeSlot() if isinstance(policy, ReplaceSnapshot) else policy,
            found_stopped="leave-stopped" if is_stopped else wanted.found_stopped,
        )


async def prepare_passage(
    workspace: Workspace,
    module: ModuleChoice,
    source: ReleaseSource,
    choice: ReleaseChoice,
    request: UpgradeRequest,
    *,
    observer: Observer = ignore_events,
) -> tuple[Passage, list[Candidate]]:
    """The way to the release that is wanted, and the files of all releases on it, verified.

    Raises:
        InputError: The module's role is not known.
        PreconditionError: What is installed is not known, so that releases may be skipped.
        NotFoundError, TrustError, TransportError: What ``ReleaseSource`` raises.
        JunoSnapError: The snapshots of the module cannot be listed.
    """
    catalogue = await source.catalogue()
    may_skip = "skip" in request.juno.lifted
    route = await choose_route(workspace, module, catalogue, choice, may_skip=may_skip)
    candidates = await obtain_candidates(
        source,
        catalogue,
        route,
        may_be_unverified=choice.may_be_unverified,
        pinned=request.sha256,
        observer=observer,
    )
    passage = await begin_passage(workspace, module.id, route, is_stepwise=choice.is_stepwise)
    return passage, candidates


async def begin_passage(
    workspace: Workspace, module: Principal, route: Route, *, is_stepwise: bool
) -> Passage:
    """The way through ``route``, of which nothing was gone yet.

    A passage that goes on with an earlier one has its first snapshot already. One that begins anew
    at the same place or before takes the label over.

    Raises:
        JunoSnapError: The snapshots of the module cannot be listed.
    """
    label = None
    if is_stepwise and len(route.versions) > 1:
        there = await list_snapshots(workspace, module)
        held = [note_of(there.notes, snapshot.id) for snapshot in there.snapshots]
        label = _label(workspace, route, held)
    return Passage(route=route, is_stepwise=is_stepwise, label=label)


def _label(workspace: Workspace, route: Route, held: Sequence[SnapshotNote]) -> str | None:
    """The label for the first snapshot; another one where a person has given it to theirs."""
    wanted = f"{LABEL}{route.wanted}"
    number, label = 1, wanted
    by_label = {note.label.casefold(): note for note in held if note.label is not None}
    while (note := by_label.get(label.casefold())) is not None:
        first = _first_of(workspace, note.operation)
        if first is not None:
            return None if first < route.versions[0] else label
        number += 1
        label = f"{wanted}-{number}"
    return label


def _first_of(workspace: Workspace, operation: str | None) -> Version | None:
    """The release that an earlier passage began with."""
    if operation is None:
        return None
    found = version_of(Program.from_json(workspace.journal.operation(operation).begun.program))
    return None if found is None else found[1]


async def go_through(
    workspace: Workspace,
    module: Principal,
    passage: Passage,
    candidates: Sequence[Candidate],
    request: UpgradeRequest,
    upgrade: Upgrade,
) -> None:
    """Every candidate in turn; ``passage`` tells how far that went, also where it raises.

    Raises:
        JunoSnapError: What ``upgrade`` raises for the first that does not end well.
    """
    for candidate in candidates:
        asked = passage.request(request, candidate)
        try:
            passage.passed.append((candidate, await upgrade(candidate, asked)))
        except ENDED_BADLY as error:
            if isinstance(error.report, UpgradeReport):
                passage.passed.append((candidate, error.report))
                with contextlib.suppress(JunoSnapError):  # what it ended with is more important
                    _give_up_label(workspace, module, passage, error)
            raise


def _give_up_label(
    workspace: Workspace, module: Principal, passage: Passage, error: EndedBadly
) -> None:
    """A first release that was not reached leaves a snapshot that the next run may give up."""
    report = error.report
    is_over = isinstance(error, OperationFailedError | OperationRefusedError)
    if not is_over or not isinstance(report, UpgradeReport) or len(passage.passed) > 1:
        return
    if report.snapshot is None or report.facts.module_hash != report.old_hash:
        return
    with workspace.lock(module):
        note = note_of(workspace.journal.notes(workspace.root_key, module), report.snapshot)
        if note.label is not None and note.label == passage.label:
            workspace.journal.drop_label(workspace.root_key, module, report.snapshot)


def _told(candidate: Candidate, report: UpgradeReport) -> Json:
    release = candidate.release
    if release is None:
        return report.to_json()
    about = {
        "role": release.role,
        "version": str(release.version),
        "sha256": release.sha256.hex(),
        "verified": release.is_verified,
        "proofs": list(release.proofs),
    }
    return {**report.to_json(), "release": about}
