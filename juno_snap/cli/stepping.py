"""One release after another: what is kept on the way, and what is told of it.

The snapshot before the first release stays: it gets the label ``before-X.Y.Z``, with the release
that is wanted, and labelled snapshots are no upgrade's to give up. The others go as with any
upgrade: each in favour of the next, once that is verified.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Final, final

from rich.console import Group, RenderableType

from juno_snap.cli.operations import report_table
from juno_snap.cli.releases import Candidate, Route
from juno_snap.cli.session import Session
from juno_snap.cli.tables import facts, listing
from juno_snap.ids import Principal
from juno_snap.juno.releases.model import version_in
from juno_snap.juno.roles import Version
from juno_snap.pipeline.notes import note_of
from juno_snap.pipeline.policy import FreeSlot, ReplaceSnapshot
from juno_snap.pipeline.program import InstallChange, Program
from juno_snap.pipeline.report import UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.workspace import Workspace

LABEL: Final = "before-"

Document = dict[str, object]


@final
@dataclass(slots=True, kw_only=True)
class Passage:
    """How far the way through the releases was gone."""

    route: Route
    is_stepwise: bool
    passed: list[tuple[Candidate, UpgradeReport]] = field(default_factory=list)

    @property
    def reached(self) -> str | None:
        """The release whose code the module has, as far as that is certified."""
        for candidate, report in reversed(self.passed):
            if report.facts.module_hash == report.new_hash:
                return candidate.version
        installed = self.route.installed
        return None if installed is None else str(installed)

    def to_json(self) -> Document:
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

    def table(self) -> RenderableType:
        """The same for people."""
        _, last = self.passed[-1]
        rows = [
            (candidate.version, report.outcome, report.snapshot, report.facts.downtime_ms)
            for candidate, report in self.passed
        ]
        return Group(
            listing(["RELEASE", "OUTCOME", "SNAPSHOT", "DOWN FOR MS"], rows),
            facts([("release", f"{self.reached}, of {self.route.wanted} that is wanted")]),
            report_table(last),
        )

    def request(self, wanted: UpgradeRequest, candidate: Candidate) -> UpgradeRequest:
        """What is asked of the upgrade to ``candidate``, which is the next one.

        A snapshot that was named is given up once; a module that was to be left stopped stays so.
        """
        release = candidate.release
        juno = dataclasses.replace(
            wanted.juno,
            role=self.route.role,
            version=None if release is None else release.version,
            published=self.route.published,
        )
        if not self.passed:
            return dataclasses.replace(wanted, juno=juno)
        policy = wanted.snapshots
        _, last = self.passed[-1]
        leaves = last.facts.module_status == "stopped"
        return dataclasses.replace(
            wanted,
            juno=juno,
            snapshots=FreeSlot() if isinstance(policy, ReplaceSnapshot) else policy,
            found_stopped="leave-stopped" if leaves else wanted.found_stopped,
        )

    def announce(self, session: Session, candidate: Candidate) -> None:
        """Say which release comes next."""
        if len(self.route.versions) > 1:
            done = len(self.passed)
            session.output.note(
                f"release {candidate.version}, {done + 1} of {len(self.route.versions)}"
            )

    def tell(self, session: Session) -> None:
        """Show how it went, if anything was done."""
        if self.passed:
            session.output.report(self.to_json(), self.table)

    def tell_failure(self, session: Session) -> None:
        """The same, and what was reached, for a way that ended early."""
        self.tell(session)
        if self.is_stepwise:
            left = f"the module is at {self.reached or 'what it was'}"
            again = "the same command goes on from there"
            session.output.warn(f"not all the way to {self.route.wanted}: {left}; {again}")


def keep_first(workspace: Workspace, module: Principal, passage: Passage) -> None:
    """Label the snapshot before the first release, when others follow.

    A passage that goes on with an earlier one has it already. One that begins anew at the same
    place or before takes the label over.
    """
    candidate, report = passage.passed[0]
    if not passage.is_stepwise or len(passage.passed) > 1 or report.snapshot is None:
        return
    label = f"{LABEL}{passage.route.wanted}"
    with workspace.lock(module):
        notes = workspace.journal.notes(workspace.root_key, module)
        for note in notes.values():
            if note.label == label:
                if _first_of(workspace, note.operation) < _version(candidate):
                    return
                bare = dataclasses.replace(note, label=None)
                workspace.journal.note(workspace.root_key, module, bare)
        note = dataclasses.replace(note_of(notes, report.snapshot), label=label)
        workspace.journal.note(workspace.root_key, module, note)


def _first_of(workspace: Workspace, operation: str | None) -> Version:
    """The release that an earlier passage began with."""
    if operation is not None:
        change = Program.from_json(workspace.journal.operation(operation).begun.program).change
        found = version_in(change.wasm_name) if isinstance(change, InstallChange) else None
        if found is not None:
            return found[1]
    return Version(0, 0, 0)


def _version(candidate: Candidate) -> Version:
    return Version.parse(candidate.version or "")


def _told(candidate: Candidate, report: UpgradeReport) -> Document:
    release = candidate.release
    if release is None:
        return report.to_json()
    about: Document = {
        "role": release.role,
        "version": str(release.version),
        "sha256": release.sha256.hex(),
        "verified": release.is_verified,
        "proofs": list(release.proofs),
    }
    return {**report.to_json(), "release": about}
