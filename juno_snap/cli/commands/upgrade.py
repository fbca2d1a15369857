"""``juno-snap upgrade``: new code for a module, with a snapshot before and the start after."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from juno_snap.cli.arguments import ArgumentOptions, install_argument
from juno_snap.cli.operations import (
    announce,
    outline_table,
    reported,
    tell_report,
    tell_resumed,
)
from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.releases import ReleaseOptions, passage_table, plans_json, plans_table
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.upgrades import (
    CheckOptions,
    GuardOptions,
    InstallOptions,
    SnapshotOptions,
    for_module,
    request_of,
)
from juno_snap.cli.wiring import Connection, connect
from juno_snap.errors import JunoSnapError
from juno_snap.juno.choice import ModuleChoice
from juno_snap.library.published import releases_of
from juno_snap.pipeline.releases.forecast import forecast
from juno_snap.pipeline.releases.passage import Passage, go_through, prepare_passage
from juno_snap.pipeline.releases.route import Candidate, ReleaseChoice
from juno_snap.pipeline.report import ENDED_BADLY, UpgradeReport
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import (
    PreparedUpgrade,
    planned_anew,
    prepare_upgrade,
    run_upgrade,
)
from juno_snap.pipeline.wasm_file import read_wasm_file
from juno_snap.pipeline.workspace import Workspace


def register(app: typer.Typer, name: str, line: str) -> None:
    """Add the command."""
    app.command(name, help=f"{line}\n\n{upgrade.__doc__}")(upgrade)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """What comes before the upgrade, or in its place."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and stop.")
    ] = False
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="First on a local copy of the module's state; go on only if that passes.",
        ),
    ] = False


@spread
def upgrade(
    common: CommonOptions,
    module: ModuleOptions,
    *,
    trial: TrialOptions,
    releases: ReleaseOptions,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
    guards: GuardOptions,
    argument: ArgumentOptions,
    src: Annotated[
        Path | None,
        typer.Option("-s", "--src", metavar="FILE", help="The new code: .wasm or .wasm.gz."),
    ] = None,
) -> None:
    """Stop, snapshot, install, start, verify, check. Whatever fails, the module is started again.

    A bad check brings code and data back; the same command goes on with an upgrade that was
    interrupted. The new code is a file, or a release of Juno, which is downloaded and verified.
    """
    releases.check(has_file=src is not None)
    choice_of_release = releases.choice
    session = Session(common)
    file = None if src is None else Candidate(wasm=read_wasm_file(src))
    arg = install_argument(argument, file.wasm if file else None)
    request = request_of(session, snapshots, install, health, guards, arg)
    choice_of_release.check(request)

    async def work() -> None:
        async with connect(session, changes=True, dry_run=trial.dry_run) as connection:
            choice = await connection.module(module)
            run = _Run(
                session=session,
                connection=connection,
                workspace=connection.workspace(choice),
                choice=choice,
                trial=trial,
            )
            asked = for_module(session, choice, request)
            if file is None:
                await _through_releases(run, choice_of_release, asked, argument)
            elif trial.dry_run:
                plan = (await run.prepare(file, asked)).plan
                session.output.show(plan.to_json(), lambda: outline_table(plan.outline, plan.facts))
            else:
                tell_report(session, await reported(session, run.upgrade(file, asked)))

    session.run(work())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the upgrades of one command have in common."""

    session: Session
    connection: Connection
    workspace: Workspace
    choice: ModuleChoice
    trial: TrialOptions

    async def prepare(self, candidate: Candidate, request: UpgradeRequest) -> PreparedUpgrade:
        """What would be done, or is gone on with."""
        session, workspace = self.session, self.workspace
        if self.trial.rehearse and not self.trial.dry_run:
            from juno_snap.pipeline.rehearsal_source import end_interrupted

            await end_interrupted(workspace, self.choice.id)
        with session.output.watch() as observer:
            prepared = await reading(
                prepare_upgrade(
                    workspace, self.choice.id, request, candidate.wasm, observer=observer
                )
            )
        tell_resumed(session, prepared.resumes)
        return prepared

    async def upgrade(
        self, candidate: Candidate, request: UpgradeRequest, *, asks: bool = True
    ) -> UpgradeReport:
        """One upgrade. ``asks``: nobody has agreed yet."""
        session, workspace = self.session, self.workspace
        prepared = await self.prepare(candidate, request)
        if prepared.resumes is None:
            prepared = self._asked(prepared) if asks else self._announced(prepared)
            if self.trial.rehearse:
                from juno_snap.cli.rehearsals import rehearse_before

                prepared = await rehearse_before(session, workspace, prepared)
        with session.output.watch() as observer:
            return await run_upgrade(workspace, prepared, observer=observer)

    def _asked(self, prepared: PreparedUpgrade) -> PreparedUpgrade:
        return _ask(self.session, self.connection, self.workspace, self.choice, prepared)

    def _announced(self, prepared: PreparedUpgrade) -> PreparedUpgrade:
        announce(self.session, prepared.plan.outline)
        return prepared


async def _through_releases(
    run: _Run, choice: ReleaseChoice, request: UpgradeRequest, argument: ArgumentOptions
) -> None:
    """To the release that is wanted, by way of others where that was said."""
    session, workspace = run.session, run.workspace
    source = releases_of(session.settings)
    with session.output.watch() as observer:
        passage, candidates = await reading(
            prepare_passage(workspace, run.choice, source, choice, request, observer=observer)
        )
    for each in candidates:
        if each.release is not None:
            session.output.detail(f"{each.release.name}: {'; '.join(each.release.proofs)}")
    if run.trial.dry_run:
        await _show_plans(run, passage, candidates, request, argument)
        return

    async def upgrade(candidate: Candidate, asked: UpgradeRequest) -> UpgradeReport:
        count, done = len(candidates), len(passage.passed)
        if count > 1:
            session.output.note(f"release {candidate.version}, {done + 1} of {count}")
        asked = _with_argument(asked, argument, candidate)
        return await run.upgrade(candidate, asked, asks=not passage.passed)

    try:
        await go_through(workspace, run.choice.id, passage, candidates, request, upgrade)
    except (*ENDED_BADLY, JunoSnapError):
        _tell_passage(session, passage)
        if passage.is_stepwise:
            session.output.warn(passage.shortfall)
        raise
    _tell_passage(session, passage)


def _with_argument(
    request: UpgradeRequest, argument: ArgumentOptions, candidate: Candidate
) -> UpgradeRequest:
    return dataclasses.replace(request, arg=install_argument(argument, candidate.wasm))


def _tell_passage(session: Session, passage: Passage) -> None:
    if passage.passed:
        session.output.report(passage.to_json(), lambda: passage_table(passage))


async def _show_plans(
    run: _Run,
    passage: Passage,
    candidates: Sequence[Candidate],
    request: UpgradeRequest,
    argument: ArgumentOptions,
) -> None:
    requests = [_with_argument(request, argument, candidate) for candidate in candidates]
    first = await run.prepare(candidates[0], passage.request(requests[0], candidates[0]))
    plans = forecast(run.workspace, passage, candidates, first, requests)
    run.session.output.show(plans_json(passage, plans), lambda: plans_table(plans))


def _ask(
    session: Session,
    connection: Connection,
    workspace: Workspace,
    choice: ModuleChoice,
    prepared: PreparedUpgrade,
) -> PreparedUpgrade:
    """Everything that a person has to say before anything is done."""
    output, request = session.output, prepared.request
    if prepared.plan.is_unchanged or prepared.plan.outline.refusals:
        return prepared
    if prepared.plan.outline.asks and output.can_ask:
        output.warn(prepared.plan.outline.asks[0].text)
        starts = session.answer("start it afterwards?")
        request = dataclasses.replace(request, found_stopped="start" if starts else "leave-stopped")
        prepared = planned_anew(workspace, prepared, request)
    plan = prepared.plan
    if connection.is_mainnet and output.can_ask and not session.options.yes:
        output.show_aside(outline_table(plan.outline, plan.facts))
        if not request.reset:
            session.confirm(f"upgrade {choice.label} on mainnet?")
    else:
        announce(session, plan.outline)
    if request.reset:
        session.confirm(f"wipe all data of {choice.label}?")
    return prepared
