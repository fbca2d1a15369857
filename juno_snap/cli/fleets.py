"""From a fleet file to modules, requests and code, as the configuration knows them; and tables."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, final

from rich.console import Group, RenderableType
from rich.text import Text

from juno_snap.cli.options import ModuleOptions
from juno_snap.cli.tables import cycles, facts, listing, moment
from juno_snap.cli.targets import ModuleChoice
from juno_snap.cli.wiring import Connection
from juno_snap.cli.words import seconds
from juno_snap.errors import InputError, JunoSnapError, NotFoundError
from juno_snap.events import Observer
from juno_snap.flow.fleet import Fleet, FleetKind, Member, MemberResult, wave_sizes
from juno_snap.flow.fleet_file import FleetFile, ModuleTable, fleet_mistake
from juno_snap.flow.fleet_plan import FleetPlan
from juno_snap.flow.fleet_report import FleetReport
from juno_snap.flow.fleet_work import back_up_member, roll_back_member, upgrade_member
from juno_snap.flow.model import RunRecord
from juno_snap.ids import Principal
from juno_snap.juno.discovery import list_segments
from juno_snap.juno.guards import Terms
from juno_snap.library.configured import checks_for
from juno_snap.management.candid_call import init_argument
from juno_snap.pipeline.backup_create import BACKUPS_FOLDER, BackupRequest, plan_backup
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.plan_parts import Outline
from juno_snap.pipeline.policy import FreeSlot, KeepNewest
from juno_snap.pipeline.report import Json
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade
from juno_snap.pipeline.wasm_file import WasmFile, read_wasm_file

INTERFACE_SECTION: Final = "icp:public candid:service"


@final
class FleetWork:
    """A fleet file on a network: what it names, and what is done with each module."""

    def __init__(self, path: Path, file: FleetFile, connection: Connection) -> None:
        self._path = path
        self._file = file
        self._connection = connection
        self._codes: dict[Path, WasmFile] = {}

    def fleet_back(self, upgrade: FleetReport) -> Fleet:
        """The modules of the last wave of an upgrade, to go back on it.

        Raises:
            NotFoundError: None of them was upgraded.
        """
        members = tuple(
            Member(
                module=Principal.parse(line.module),
                name=line.name,
                operation=line.result.operation if line.result else None,
            )
            for line in upgrade.upgraded_in_last_wave()
        )
        if not members:
            raise NotFoundError(
                f"no module was upgraded in the last wave of fleet {upgrade.name!r}",
                code="nothing-to-roll-back",
                hint="those whose own check failed went back already: juno-snap fleet status FILE",
            )
        return Fleet(
            name=upgrade.name,
            kind="rollback",
            members=members,
            wave_sizes=(len(members),),
            concurrency=self._file.fleet.concurrency,
            stop_after_failures=len(members) + 1,
        )

    async def fleet(self, kind: FleetKind) -> Fleet:
        """The modules that the file names, in its order.

        Raises:
            ConfigError: Something in the file can never work; names the file and the key.
            NotFoundError: There is no such module or file.
        """
        table, waves = self._file.fleet, self._file.waves
        members = [member async for member in self._members(kind)]
        most = table.stop_after_failures
        if kind == "backup":
            most = self._file.backup.stop_after_failures or len(members) + 1
        try:
            return Fleet(
                name=table.name,
                kind=kind,
                members=tuple(members),
                wave_sizes=wave_sizes(
                    len(members), canary=waves.canary, percentages=waves.percentages
                ),
                concurrency=table.concurrency,
                stop_after_failures=most,
                pause_seconds=waves.pause_seconds,
            )
        except InputError as error:
            raise fleet_mistake(self._path, "modules", error.message) from error

    async def plan(self, member: Member) -> tuple[Json, Outline | None]:
        """A module's own plan."""
        workspace = self._connection.workspace(self._connection.choice_of(member.module))
        if member.wasm is not None:
            prepared = await prepare_upgrade(workspace, member.module, member.request, member.wasm)
            document = prepared.plan.to_json()["plan"]
            outline: Outline | None = prepared.plan.outline
        else:
            planned = await plan_backup(workspace, member.module, BackupRequest())
            document = planned.to_json()["plan"]
            outline = planned.taking.plan.outline if planned.taking else None
        return (document if isinstance(document, dict) else {}), outline

    async def work(self, member: Member, run: RunRecord, observer: Observer) -> MemberResult:
        """What a run does with a module."""
        workspace = self._connection.workspace(self._connection.choice_of(member.module))
        if member.wasm is not None:
            return await upgrade_member(
                workspace, member, member.wasm, since_ns=run.began_at_ns, observer=observer
            )
        if member.operation is not None:
            return await roll_back_member(
                workspace, member, since_ns=run.began_at_ns, observer=observer
            )
        return await back_up_member(
            workspace,
            member,
            directory=self._backups / str(member.module) / run.id.removeprefix(f"{run.flow}-"),
            deletes_snapshot=self._file.backup.delete_snapshot,
            observer=observer,
        )

    @property
    def _backups(self) -> Path:
        said = self._file.backup.directory
        if said is None:
            return self._connection.settings.state_directory / BACKUPS_FOLDER
        return self._path.absolute().parent / said

    async def _members(self, kind: FleetKind) -> AsyncIterator[Member]:
        for number, table in enumerate(self._file.modules):
            key = f"modules.{number}"
            try:
                for choice in await self._choices(table):
                    yield self._member(key, table, choice, kind)
            except InputError as error:
                raise fleet_mistake(self._path, key, error.message, error.hint) from error

    async def _choices(self, table: ModuleTable) -> list[ModuleChoice]:
        """The modules that an entry means: one, or all that are configured for a role."""
        connection, settings = self._connection, self._connection.settings
        if table.mission_control is not None:
            return await self._looked_after(table.mission_control, table.role)
        if table.role is None:
            return [await connection.module(ModuleOptions(module=table.module))]
        found = [
            ModuleChoice(id=each.canister, name=each.name, role=table.role)
            for each in settings.modules.values()
            if each.mode == settings.mode and (each.role or each.name) == table.role
        ]
        return found or [await connection.module(ModuleOptions(target=table.role))]

    async def _looked_after(self, named: str, role: str | None) -> list[ModuleChoice]:
        """What a mission control looks after, under our own names where we have some."""
        connection = self._connection
        mission_control = await connection.module(ModuleOptions(module=named))
        segments = await list_segments(connection.agent, mission_control.id)
        if not segments:
            raise InputError(f"mission control {mission_control.label} looks after no module")
        ours = ((each, connection.choice_of(each.id)) for each in segments)
        return [
            ModuleChoice(id=each.id, name=known.name or each.name, role=each.role)
            for each, known in ours
            if role in {None, each.role}
        ]

    def _member(
        self, key: str, table: ModuleTable, choice: ModuleChoice, kind: FleetKind
    ) -> Member:
        if kind == "backup":
            return Member(module=choice.id, name=choice.name)
        wasm = self._code(key, table)
        return Member(
            module=choice.id,
            name=choice.name,
            wasm=wasm,
            request=self._request(table, choice, wasm),
        )

    def _code(self, key: str, table: ModuleTable) -> WasmFile:
        said, place = table.src, f"{key}.src"
        if said is None:
            said, place = self._file.upgrade.src, "upgrade.src"
        if said is None:
            hint = 'say where the new code is: [upgrade] src = "FILE"'
            raise fleet_mistake(self._path, place, "there is none", hint)
        path = self._path.absolute().parent / said
        if path not in self._codes:
            try:
                self._codes[path] = read_wasm_file(path)
            except JunoSnapError as error:
                raise fleet_mistake(self._path, place, error.message, error.hint) from error
        return self._codes[path]

    def _request(self, table: ModuleTable, choice: ModuleChoice, wasm: WasmFile) -> UpgradeRequest:
        settings, said = self._connection.settings, self._file.upgrade
        checks = [
            *checks_for(settings, choice.id),
            *map(parse_check, (*said.checks, *table.checks)),
        ]
        arg = table.arg if table.arg is not None else said.arg
        section = wasm.custom_sections.get(INTERFACE_SECTION)
        return UpgradeRequest(
            snapshots=FreeSlot() if said.keep is None else KeepNewest(count=said.keep),
            arg=None if arg is None else init_argument(arg, section),
            found_stopped=said.found_stopped,
            juno=Terms(
                role=choice.role,
                allow_role_change="role-change" in said.allow,
                allow_stock="stock" in said.allow,
                allow_downgrade="downgrade" in said.allow,
                allow_skip="skip" in said.allow,
            ),
            sha256=None if said.sha256 is None else bytes.fromhex(said.sha256),
            checks=tuple(dict.fromkeys(checks)),
            stop_timeout_seconds=said.stop_timeout_seconds or settings.stop_timeout_seconds,
            health_timeout_seconds=said.health_timeout_seconds or settings.health_timeout_seconds,
            rollback_window_seconds=settings.rollback_window_seconds,
        )


def plan_table(plan: FleetPlan) -> RenderableType:
    """A plan for people."""
    fleet, totals = plan.fleet, plan.totals
    rows = [
        (each.wave, each.member.label, _plan_text(each.document), each.rounds, cycles(each.cycles))
        for each in plan.members
    ]
    sizes = ", then ".join(map(str, fleet.wave_sizes))
    summary: list[tuple[str, object]] = [
        ("fleet", f"{fleet.name}: {fleet.kind} of {len(fleet.members)} modules"),
        ("waves", f"{sizes}; {fleet.concurrency} at once"),
        ("calls", f"{totals['update_calls']} update calls in about {totals['rounds']} rounds"),
        ("cycles", cycles(totals["cycles"])),
        ("refused", plan.refused or None),
    ]
    lines = [
        Text(f"{each.member.label}: {kind}: {text}", style=style)
        for each in plan.members
        for kind, style, texts in (
            ("warning", "yellow", each.warnings),
            ("refused", "red", each.refusals),
        )
        for text in texts
    ]
    headings = ["WAVE", "MODULE", "WHAT", "ROUNDS", "CYCLES"]
    return Group(listing(headings, rows), Text(""), facts(summary), *lines)


def _plan_text(document: Json) -> str:
    if document.get("refusals") or document.get("asks"):
        return "refused"
    if document.get("unchanged"):
        return "nothing: it runs this code"
    new = document.get("new_hash")
    return f"upgrade to {str(new)[:12]}" if new else "back up"


def report_table(report: FleetReport) -> RenderableType:
    """What came of a run, for people."""
    rows = []
    for line in report.lines:
        result = line.result
        said = (result.error or {}).get("message") if result else None
        took = result.duration_ms if result else None
        rows.append(
            (
                line.wave,
                line.name or line.module,
                result.outcome if result else "pending",
                None if took is None else seconds(took),
                (result.backup or result.snapshot) if result else None,
                said,
            )
        )
    outcomes = ", ".join(f"{count} {name}" for name, count in report.outcomes.items())
    summary: list[tuple[str, object]] = [
        ("fleet", f"{report.name}: {report.kind}"),
        ("state", report.state),
        ("began", moment(report.run.began_at_ns)),
        ("modules", outcomes),
    ]
    headings = ["WAVE", "MODULE", "OUTCOME", "TOOK", "SNAPSHOT OR COPY", "WHY"]
    return Group(listing(headings, rows), Text(""), facts(summary))
