"""``juno-snap upgrade``: new code for a module, with a snapshot before and the start after."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from juno_snap.cli.arguments import ArgumentOptions, install_argument
from juno_snap.cli.operations import (
    ENDED_BADLY,
    announce,
    outline_table,
    reported,
    tell_report,
    tell_resumed,
)
from juno_snap.cli.options import CommonOptions, ModuleOptions, spread
from juno_snap.cli.releases import (
    Candidate,
    ReleaseOptions,
    Route,
    choose_route,
    obtain_candidates,
    open_source,
)
from juno_snap.cli.running import reading
from juno_snap.cli.session import Session
from juno_snap.cli.stepping import Passage, keep_first
from juno_snap.cli.targets import ModuleChoice
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
from juno_snap.pipeline.report import UpgradeReport
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
    releases.check(
        has_file=src is not None,
        has_digest=install.sha256 is not None,
        resets=install.reset,
        skips=guards.allow_skip,
    )
    session = Session(common)
    file = None if src is None else Candidate(wasm=read_wasm_file(src))
    arg = install_argument(argument, file.wasm if file else None)
    request = request_of(session, snapshots, install, health, guards, arg)

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
            if file is not None:
                tell_report(session, await run.upgrade(file, asked))
                return
            await _through_releases(run, releases, asked, argument)

    session.run(work())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the upgrades of one command have in common."""

    session: Session
    connection: Connection
    workspace: Workspace
    choice: ModuleChoice
    trial: TrialOptions

    async def upgrade(
        self,
        candidate: Candidate,
        request: UpgradeRequest,
        *,
        route: Route | None = None,
        asks: bool = True,
    ) -> UpgradeReport | None:
        """One upgrade; none where only the plan was shown. ``asks``: nobody has agreed yet.

        Without a ``route`` the report of one that ends badly is shown.
        """
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
        plan = prepared.plan
        if self.trial.dry_run:
            document = {**plan.to_json(), **(route.to_json() if route else {})}
            session.output.show(document, lambda: outline_table(plan.outline, plan.facts))
            return None
        if prepared.resumes is None:
            prepared = self._asked(prepared) if asks else self._announced(prepared)
            if self.trial.rehearse:
                from juno_snap.cli.rehearsals import rehearse_before

                prepared = await rehearse_before(session, workspace, prepared)
        with session.output.watch() as observer:
            running = run_upgrade(workspace, prepared, observer=observer)
            return await (running if route else reported(session, running))

    def _asked(self, prepared: PreparedUpgrade) -> PreparedUpgrade:
        return _ask(self.session, self.connection, self.workspace, self.choice, prepared)

    def _announced(self, prepared: PreparedUpgrade) -> PreparedUpgrade:
        announce(self.session, prepared.plan.outline)
        return prepared


async def _through_releases(
    run: _Run, options: ReleaseOptions, request: UpgradeRequest, argument: ArgumentOptions
) -> None:
    """To the release that is wanted, by way of others where that was said."""
    session = run.session
    source = open_source(session)
    catalogue = await source.catalogue()
    route = await choose_route(
        run.connection,
        run.workspace,
        run.choice,
        catalogue,
        options,
        may_skip=request.juno.allow_skip,
    )
    with session.output.watch() as observer:
        candidates = await obtain_candidates(
            session, source, catalogue, route, options, pinned=request.sha256, observer=observer
        )
    passage = Passage(route=route, is_stepwise=options.step)
    try:
        for candidate in candidates:
            arg = install_argument(argument, candidate.wasm)
            asked = dataclasses.replace(passage.request(request, candidate), arg=arg)
            passage.announce(session, candidate)
            is_first = not passage.passed
            report = await run.upgrade(candidate, asked, route=route, asks=is_first)
            if report is None:
                return
            passage.passed.append((candidate, report))
            if candidate is not candidates[-1]:
                keep_first(run.workspace, run.choice.id, passage)
    except ENDED_BADLY as error:
        if isinstance(error.report, UpgradeReport):
            passage.passed.append((candidates[len(passage.passed)], error.report))
        passage.tell_failure(session)
        raise
    except JunoSnapError:
        passage.tell_failure(session)
        raise
    passage.tell(session)


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
