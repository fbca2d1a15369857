"""From a fleet file to modules, requests and code, as the configuration knows them."""

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import starmap
from pathlib import Path
from typing import Final, Protocol, final

from juno_snap.errors import (
    ConfigError,
    InputError,
    LockedError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.events import Observer, ignore_events
from juno_snap.flow.fleet import Fleet, FleetKind, Member, MemberResult, flow_name, wave_sizes
from juno_snap.flow.fleet_file import FleetFile, ModuleTable, fleet_mistake
from juno_snap.flow.fleet_report import FleetReport, read_report
from juno_snap.flow.fleet_run import copy_folder, ended_of, latest_of, left_behind
from juno_snap.flow.fleet_work import (
    back_up_member,
    plan_member_rollback,
    refuse_member,
    roll_back_member,
    upgrade_member,
)
from juno_snap.flow.model import RunRecord
from juno_snap.flow.space import FlowSpace
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.discovery import list_segments
from juno_snap.juno.guards import Terms, guards_in
from juno_snap.library.configured import checks_for
from juno_snap.library.fleet_code import Code, Codes, open_releases
from juno_snap.library.published import releases_of
from juno_snap.management.candid_call import init_argument
from juno_snap.pipeline.backup_create import BACKUPS_FOLDER, BackupRequest, plan_backup
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.plan_parts import Outline
from juno_snap.pipeline.policy import FreeSlot, KeepNewest
from juno_snap.pipeline.report import Json
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.upgrade import prepare_upgrade
from juno_snap.pipeline.workspace import Workspace
from juno_snap.settings.model import Role, Settings
from juno_snap.settings.sources import absolute

PLANNED: Final = ".planned"
"""In place of the name that a copy gets from its run; it is never made."""

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
        self._codes = Codes(path, file)
        self._ended: dict[str, MemberResult] = {}
        self._left: dict[str, list[Path]] = {}

    @property
    def space(self) -> FlowSpace:
        """Where its runs are."""
        return FlowSpace(state=self._modules.settings.state_directory)

    async def fleet(
        self, kind: FleetKind, *, is_anew: bool = False, observer: Observer = ignore_events
    ) -> Fleet:
        """The modules that are meant, in their order, with the code for each.

        Releases are downloaded and verified here, each once. What is ``latest`` stays what it was
        when the run began that goes on, unless it ``is_anew``.

        Raises:
            ConfigError: Something in the file can never work; names the file and the key.
            NotFoundError: There is no such module or file; or nothing to go back on.
            LockedError, PreconditionError: The upgrade that is to be gone back on is under way.
            TrustError: A release is not what was published.
            TransportError: The list of releases or a file does not come.
        """
        if kind == "rollback":
            return self._fleet_back()
        if kind == "upgrade" and self._codes.needs_releases:
            flow = flow_name(self._file.fleet.name, kind)
            latest = {} if is_anew else latest_of(self.space, flow)
            source = releases_of(self._settings)
            self._codes.releases = await open_releases(source, latest, observer)
        fleet = await self._fleet(kind)
        self._ended = {} if is_anew else ended_of(self.space, fleet)
        self._left = left_behind(self.space, fleet)
        return fleet

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
        members = await self._members(kind)
        releases = self._codes.releases if self._codes.follows_latest else None
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
                latest=releases.latest if releases else {},
                place=str(self._backups) if kind == "backup" else "",
            )
        except InputError as error:
            raise fleet_mistake(self._path, "modules", error.message) from error

    async def plan(self, member: Member) -> tuple[Json, Outline | None]:
        """A module's own plan; of one that the run which goes on has ended, what came of it.

        Raises:
            JunoSnapError: Nothing would be done with it.
        """
        if (ended := self._ended.get(str(member.module))) is not None:
            return {"ended": ended.outcome}, None
        if member.refusal is not None:
            raise member.refusal
        workspace = self._modules.workspace(self._modules.choice_of(member.module))
        if member.operation is not None:
            back = await plan_member_rollback(workspace, member)
            return (_inner(back.to_json()), back.outline) if back else ({"unchanged": True}, None)
        if member.wasm is not None:
            prepared = await prepare_upgrade(workspace, member.module, member.request, member.wasm)
            route = self._codes.route_of(member.module)
            document = _inner(prepared.plan.to_json()) | (route.to_json() if route else {})
            return document, prepared.plan.outline
        folder = self._backups / str(member.module)
        request = BackupRequest(directory=folder / PLANNED)
        planned = await plan_backup(workspace, member.module, request)
        taking = planned.taking
        document = _inner(planned.to_json()) | {"path": str(folder)}
        return document, taking.plan.outline if taking else None

    async def work(self, member: Member, run: RunRecord, observer: Observer) -> MemberResult:
        """What a run does with a module."""
        if member.refusal is not None:
            return refuse_member(member.refusal)
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
            directory=copy_folder(str(self._backups), str(member.module), run),
            deletes_snapshot=self._file.backup.delete_snapshot,
            left=self._left.get(str(member.module), ()),
            observer=observer,
        )

    @property
    def _settings(self) -> Settings:
        return self._modules.settings

    @property
    def _backups(self) -> Path:
        said = self._file.backup.directory
        if said is None:
            return self._settings.state_directory.absolute() / BACKUPS_FOLDER
        return absolute(said, self._path.absolute().parent)

    async def _members(self, kind: FleetKind) -> list[Member]:
        """Each of them; as many at once as the fleet allows ask which release is for them."""
        choices: list[tuple[int, ModuleChoice]] = []
        for number, table in enumerate(self._file.modules):
            try:
                choices += [(number, choice) for choice in await self._choices(table)]
            except InputError as error:
                raise self._mistake(number, error) from error
        if kind == "backup":
            return [Member(module=choice.id, name=choice.name) for _, choice in choices]
        free = asyncio.Semaphore(self._file.fleet.concurrency)

        async def one(number: int, choice: ModuleChoice) -> Member:
            async with free:
                return await self._member(number, choice)

        found = await asyncio.gather(*starmap(one, choices), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return [each for each in found if isinstance(each, Member)]

    @contextlib.contextmanager
    def _naming(self, key: str) -> Iterator[None]:
        """What cannot be in here is a mistake under this key of the file."""
        try:
            yield
        except InputError as error:
            raise fleet_mistake(self._path, key, error.message, error.hint) from error

    def _mistake(self, number: int, error: InputError) -> ConfigError:
        return fleet_mistake(self._path, f"modules.{number}", error.message, error.hint)

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
        ours = [
            (each, modules.choice_of(each.id)) for each in segments if role in {None, each.role}
        ]
        if not ours:
            raise InputError(
                f"mission control {mission_control.label} looks after no {role or 'module'}"
            )
        return [
            ModuleChoice(id=each.id, name=known.name or each.name, role=each.role)
            for each, known in ours
        ]

    async def _member(self, number: int, choice: ModuleChoice) -> Member:
        code = await self._codes.of(number, choice, self._modules.workspace(choice))
        try:
            request = self._request(number, choice, code)
        except InputError as error:
            raise self._mistake(number, error) from error
        return Member(
            module=choice.id,
            name=choice.name,
            request=request,
            wasm=code.wasm,
            release=code.release,
            refusal=code.refusal,
        )

    def _request(self, number: int, choice: ModuleChoice, code: Code) -> UpgradeRequest:
        settings, said, table = self._settings, self._file.upgrade, self._file.modules[number]
        route = code.route
        own, checks = f"modules.{number}", list(checks_for(settings, choice.id))
        for key, texts in ("upgrade", said.checks), (own, table.checks):
            with self._naming(f"{key}.checks"):
                checks += map(parse_check, texts)
        arg, arg_key = (said.arg, "upgrade") if table.arg is None else (table.arg, own)
        section = code.wasm.custom_sections.get(INTERFACE_SECTION) if code.wasm else None
        with self._naming(f"{arg_key}.arg"):
            argument = None if arg is None else init_argument(arg, section)
        return UpgradeRequest(
            snapshots=FreeSlot() if said.keep is None else KeepNewest(count=said.keep),
            arg=argument,
            found_stopped=said.found_stopped,
            juno=Terms(
                role=route.role if route else choice.role,
                version=route.wanted if route else None,
                published=route.published if route else None,
                lifted=guards_in(self._codes.allowed(number)),
            ),
            sha256=self._codes.sha256_of(number),
            checks=tuple(dict.fromkeys(checks)),
            stop_timeout_seconds=said.stop_timeout_seconds or settings.stop_timeout_seconds,
            health_timeout_seconds=said.health_timeout_seconds or settings.health_timeout_seconds,
            rollback_window_seconds=settings.rollback_window_seconds,
        )


def _inner(document: Json) -> Json:
    """What the document of a plan says."""
    plan = document["plan"]
    return plan if isinstance(plan, dict) else {}
