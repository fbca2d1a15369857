"""What is said of releases on the command line, and how their passage is shown."""

import dataclasses
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.operations import outline_table, report_table
from juno_snap.cli.tables import facts, listing
from juno_snap.errors import InputError
from juno_snap.juno.roles import Version
from juno_snap.pipeline.releases.forecast import ReleasePlan
from juno_snap.pipeline.releases.passage import Passage
from juno_snap.pipeline.releases.route import ReleaseChoice
from juno_snap.pipeline.report import Json

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

    def check(self, *, has_file: bool) -> None:
        """Accept options that make sense together.

        Raises:
            InputError: They do not.
        """
        if [has_file, self.version is not None, self.latest].count(True) != 1:
            raise InputError("say one of --src, --version and --latest", code="usage")
        if has_file and (self.step or self.unverified_release):
            text = "--step and --unverified-release go with --version or --latest"
            raise InputError(text, code="usage")

    @property
    def choice(self) -> ReleaseChoice:
        """The same as the pipeline takes it.

        Raises:
            InputError: The version is none.
        """
        return ReleaseChoice(
            version=None if self.version is None else Version.parse(self.version),
            is_stepwise=self.step,
            may_be_unverified=self.unverified_release,
        )


def passage_table(passage: Passage) -> RenderableType:
    """How a passage went, for people."""
    _, last = passage.passed[-1]
    rows = [
        (candidate.version, report.outcome, report.snapshot, report.facts.downtime_ms)
        for candidate, report in passage.passed
    ]
    wanted = passage.route.wanted
    return Group(
        listing(["RELEASE", "OUTCOME", "SNAPSHOT", "DOWN FOR MS"], rows),
        facts([("release", f"{passage.reached}, of {wanted} that is wanted")]),
        report_table(last),
    )


def plans_json(passage: Passage, plans: tuple[ReleasePlan, ...]) -> Json:
    """The document of a dry run: the first plan as of a single upgrade, then all of them."""
    document = {**plans[0].plan.to_json(), **passage.route.to_json()}
    if passage.is_stepwise:
        document["releases"] = [plan.to_json() for plan in plans]
    return document


def plans_table(plans: tuple[ReleasePlan, ...]) -> RenderableType:
    """The same for people."""
    tables: list[RenderableType] = []
    for number, each in enumerate(plans, 1):
        if len(plans) > 1:
            title = f"release {each.version}, {number} of {len(plans)}"
            tables.append(Text(title + (", an estimate" if each.is_estimate else ""), style="bold"))
        tables.append(outline_table(each.plan.outline, each.plan.facts))
    return Group(*tables)
