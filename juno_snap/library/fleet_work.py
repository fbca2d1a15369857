"""From a fleet file to modules, requests and code, as the configuration knows them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol, final

from juno_snap.errors import (
    InputError,
    JunoSnapError,
    LockedError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.events import Observer
from juno_snap.flow.fleet import Fleet, FleetKind, Member, MemberResult, wave_sizes
from juno_snap.flow.fleet_file import FleetFile, ModuleTable, fleet_mistake
from juno_snap.flow.fleet_report import FleetReport, read_report
from juno_snap.flow.fleet_work import (
    back_up_member,
    plan_member_rollback,
    roll_back_member,
    upgrade_member,
)
from juno_snap.flow.model import RunRecord
from juno_snap.flow.space import FlowSpace
from juno_snap.ids import Principal
from juno_snap.juno.discovery import list_segments
from juno_snap.juno.guards import Terms
from juno_snap.library.choice import ModuleChoice
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
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.model import Role, Settings

INTERFACE_SECTION: Final = "icp:public candid:service"


class Modules(Protocol):
    """Who knows the modules of a network, and what is configured for each."""

    @property
    def settings(self) -> Settings:
        """What is configured."""

    async def named(self, which: str) -> ModuleChoice:
        """The module of that id or name."""

    async def target(self, role: Role) -> ModuleChoice:
        """The only module of that role."""

    def choice_of(self, module: Principal) -> ModuleChoice:
        """A module by its id, under its name, if it has one."""

    def workspace(self, choice: ModuleChoice | None = None) -> Workspace:
        """What operations on it need; on none in particular where none is said."""


@final
class FleetWork:
    """A fleet file on a network: what it names, and what is done with each module."""

    def __init__(self, path: Path, file: FleetFile, modules: Modules) -> None:
        self._path = path
        self._file = file
        self._modules = modules
        self._codes: dict[Path, WasmFile] = {}

    @property
    def space(self) -> FlowSpace:
        """Where its runs are."""
        return FlowSpace(state=self._modules.settings.state_directory)

    async def fleet(self, kind: FleetKind) -> Fleet:
        """The modules that are meant, in their order.

        Raises:
            ConfigError: Something in the file can never work; names the file and the key.
            NotFoundError: There is no such module or file; or nothing to go back on.
            LockedError, PreconditionError: The upgrade that is to be gone back on is under way.
        """
        return self._fleet_back() if kind == "rollback" else await self._fleet(kind)

    def _fleet_back(self) -> Fleet:
        """The modules of the last wave of the last upgrade, to go back on it."""
        upgrade = self._last_upgrade()
        request = UpgradeRequest(stop_timeout_seconds=self._settings.stop_timeout_seconds)
        members = tuple(
            Member(
                module=Principal.parse(line.module),
                name=line.name,
                request=request,
                operation=line.result.operation,
                new_hash=line.result.new_hash,
            )
            for line in upgrade.upgraded_in_last_wave()
            if line.result is not None
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

    def _last_upgrade(self) -> FleetReport:
        """The upgrade to go back on, with nothing of it under way."""
        name, space = self._file.fleet.name, self.space
        missing = NotFoundError(
            f"fleet {name!r} was not upgraded yet",
            code="no-such-fleet",
            hint="begin with: juno-snap fleet plan FILE",
        )
        if space.is_empty:
            raise missing
        with space.open() as store:
            try:
                report = read_report(store, space, name, "upgrade")
            except NotFoundError as error:
                raise missing from error
        if report.state == "running":
            raise LockedError(
                f"the upgrade of fleet {name!r} runs",
                hint=f"let it end, or stop it: juno-snap flow stop {report.run.flow}",
            )
        for line in report.lines:
            if line.result is None and (cut := self._unfinished(Principal.parse(line.module))):
                raise PreconditionError(
                    f"the upgrade of {line.name or line.module} is not finished",
                    code="unfinished-operation",
                    hint=f"bring it to its end first: juno-snap resume {cut} --back, or go on "
                    "with all of them: juno-snap fleet resume FILE",
                )
        return report

    def _unfinished(self, module: Principal) -> str | None:
        """The operation on a module that was cut, if there is one."""
        workspace = self._modules.workspace(self._modules.choice_of(module))
        found = workspace.journal.unfinished(workspace.root_key, module)
        return found[0].begun.id if found else None

    async def _fleet(self, kind: FleetKind) -> Fleet:
        """The modules that the file names, in its order."""
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
        workspace = self._modules.workspace(self._modules.choice_of(member.module))
        if member.operation is not None:
            back = await plan_member_rollback(workspace, member)
            return (_inner(back.to_json()), back.outline) if back else ({"unchanged": True}, None)
        if member.wasm is not None:
            prepared = await prepare_upgrade(workspace, member.module, member.request, member.wasm)
            return _inner(prepared.plan.to_json()), prepared.plan.outline
        planned = await plan_backup(workspace, member.module, BackupRequest())
        taking = planned.taking
        return _inner(planned.to_json()), taking.plan.outline if taking else None

    async def work(self, member: Member, run: RunRecord, observer: Observer) -> MemberResult:
        """What a run does with a module."""
        workspace = self._modules.workspace(self._modules.choice_of(member.module))
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
    def _settings(self) -> Settings:
        return self._modules.settings

    @property
    def _backups(self) -> Path:
        said = self._file.backup.directory
        if said is None:
            return self._settings.state_directory / BACKUPS_FOLDER
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
        settings = self._settings
        if table.mission_control is not None:
            return await self._looked_after(table.mission_control, table.role)
        if table.module is not None:
            return [await self._modules.named(table.module)]
        role = table.role
        if role is None:
            raise TypeError(table)  # the file was checked
        found = [
            ModuleChoice(id=each.canister, name=each.name, role=role)
            for each in settings.modules.values()
            if each.mode == settings.mode and (each.role or each.name) == role
        ]
        return found or [await self._modules.target(role)]

    async def _looked_after(self, named: str, role: str | None) -> list[ModuleChoice]:
        """What a mission control looks after, under our own names where we have some."""
        modules = self._modules
        mission_control = await modules.named(named)
        segments = await list_segments(modules.workspace().client.agent, mission_control.id)
        if not segments:
            raise InputError(f"mission control {mission_control.label} looks after no module")
        ours = ((each, modules.choice_of(each.id)) for each in segments)
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
        settings, said = self._settings, self._file.upgrade
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


def _inner(document: Json) -> Json:
    """What the document of a plan says."""
    plan = document["plan"]
    return plan if isinstance(plan, dict) else {}
