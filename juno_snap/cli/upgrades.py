"""What is said of an upgrade on the command line, for the upgrade and for its rehearsal."""

import dataclasses
import hashlib
from typing import Annotated, Final, Literal

import typer

from juno_snap.cli.session import Session
from juno_snap.errors import InputError
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.guards import Guard, Terms
from juno_snap.library.configured import checks_for
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.policy import (
    FreeSlot,
    KeepNewest,
    NoOverwrite,
    NoSnapshot,
    ReplaceSnapshot,
    SnapshotPolicy,
)
from juno_snap.pipeline.request import FoundStopped, UpgradeRequest

SNAPSHOTS: Final = "Snapshots"
CHECKS: Final = "Checks, and going back"
GUARDS: Final = "Juno's modules"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """What becomes of snapshots; at most one is said."""

    no_snapshot: Annotated[
        bool,
        typer.Option(
            "--no-snapshot", help="Take none: there is no way back.", rich_help_panel=SNAPSHOTS
        ),
    ] = False
    no_overwrite: Annotated[
        bool,
        typer.Option(
            "--no-overwrite",
            help="Take one if a slot is free; never give one up.",
            rich_help_panel=SNAPSHOTS,
        ),
    ] = False
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Afterwards keep at most N snapshots of upgrades.",
            rich_help_panel=SNAPSHOTS,
        ),
    ] = None
    any_maker: Annotated[
        bool,
        typer.Option("--any", help="With --keep: count all of them.", rich_help_panel=SNAPSHOTS),
    ] = False
    replace: Annotated[
        str | None,
        typer.Option(
            metavar="ID|oldest", help="Give this one up for the new one.", rich_help_panel=SNAPSHOTS
        ),
    ] = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """How the new code is installed."""

    start: Annotated[
        bool, typer.Option("--start", help="A module found stopped: start it afterwards.")
    ] = False
    leave_stopped: Annotated[
        bool, typer.Option("--leave-stopped", help="A module found stopped: leave it so.")
    ] = False
    reset: Annotated[
        bool, typer.Option("-r", "--reset", help="Wipe all data of the module (reinstall).")
    ] = False
    discard_configuration: Annotated[
        bool,
        typer.Option(
            "--discard-configuration",
            help="With --reset: do not set again access keys, custom domains, configuration.",
        ),
    ] = False
    clear_chunks: Annotated[
        bool, typer.Option("--clear-chunks", help="Empty the chunk store before.")
    ] = False
    skip_pre_upgrade: Annotated[
        bool, typer.Option("--skip-pre-upgrade", help="Do not run the old code's pre_upgrade.")
    ] = False
    wasm_memory_persistence: Annotated[
        Literal["auto", "keep", "replace"],
        typer.Option(help="What becomes of the heap; auto does not lose it."),
    ] = "auto"
    no_stop: Annotated[
        bool, typer.Option("--no-stop", help="Do not stop the module meanwhile.")
    ] = False
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="The only file that may be installed.")
    ] = None
    stop_timeout_seconds: Annotated[
        int | None,
        typer.Option(min=1, help="How long the stop may take. [default: configured, 60]"),
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Go on where the plan is refused for what you may know better."
        ),
    ] = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """What may be done to a module of Juno's although it is refused; --force lifts none of it."""

    allow_role_change: Annotated[
        bool,
        typer.Option(
            "--allow-role-change",
            help="Install a Wasm that is of another role, or says none.",
            rich_help_panel=GUARDS,
        ),
    ] = False
    allow_stock: Annotated[
        bool,
        typer.Option(
            "--allow-stock",
            help="Install a stock build over an extended one: its functions are gone.",
            rich_help_panel=GUARDS,
        ),
    ] = False
    allow_downgrade: Annotated[
        bool,
        typer.Option("--allow-downgrade", help="Install an older release.", rich_help_panel=GUARDS),
    ] = False
    allow_skip: Annotated[
        bool,
        typer.Option(
            "--allow-skip",
            help="Leave out releases between the installed one and the new one.",
            rich_help_panel=GUARDS,
        ),
    ] = False

    @property
    def lifted(self) -> frozenset[Guard]:
        """The same by their names."""
        said: dict[Guard, bool] = {
            "role-change": self.allow_role_change,
            "stock": self.allow_stock,
            "downgrade": self.allow_downgrade,
            "skip": self.allow_skip,
        }
        return frozenset(guard for guard, is_lifted in said.items() if is_lifted)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What must be true of the new code, and what follows where it is not."""

    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="'METHOD(ARGS) == VALUE'",
            help="What the new code must answer, besides what is configured; or 'version == X.Y.Z',"
            " or 'command: PROGRAM ARG...'. Repeatable.",
            rich_help_panel=CHECKS,
        ),
    ] = None
    health_timeout_seconds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How long it has to become so. [default: configured, 60]",
            rich_help_panel=CHECKS,
        ),
    ] = None
    no_rollback: Annotated[
        bool,
        typer.Option(
            "--no-rollback",
            help="Stay on the new code where a check is bad; go back by hand.",
            rich_help_panel=CHECKS,
        ),
    ] = False


def request_of(
    session: Session,
    snapshots: SnapshotOptions,
    install: InstallOptions,
    health: CheckOptions,
    guards: GuardOptions,
    arg: bytes | None,
) -> UpgradeRequest:
    """The options as the pipeline takes them.

    Raises:
        InputError: They are malformed or contradict each other.
    """
    settings = session.settings
    return UpgradeRequest(
        snapshots=_policy(snapshots),
        arg=arg,
        reset=install.reset,
        discard_configuration=install.discard_configuration,
        skip_pre_upgrade=install.skip_pre_upgrade,
        memory_persistence=install.wasm_memory_persistence,
        stop=not install.no_stop,
        found_stopped=_found_stopped(install),
        stop_timeout_seconds=install.stop_timeout_seconds or settings.stop_timeout_seconds,
        clear_chunks=install.clear_chunks,
        sha256=_digest(install.sha256),
        checks=tuple(map(parse_check, health.check or ())),
        health_timeout_seconds=health.health_timeout_seconds or settings.health_timeout_seconds,
        goes_back=not health.no_rollback,
        rollback_window_seconds=settings.rollback_window_seconds,
        juno=Terms(lifted=guards.lifted),
        force=install.force,
    )


def for_module(session: Session, choice: ModuleChoice, request: UpgradeRequest) -> UpgradeRequest:
    """The same for the module that was chosen: its role, and its configured checks first."""
    checks = dict.fromkeys([*checks_for(session.settings, choice.id), *request.checks])
    juno = dataclasses.replace(request.juno, role=choice.role)
    return dataclasses.replace(request, checks=tuple(checks), juno=juno)


def _policy(options: SnapshotOptions) -> SnapshotPolicy:
    policies: list[SnapshotPolicy] = []
    if options.no_snapshot:
        policies.append(NoSnapshot())
    if options.no_overwrite:
        policies.append(NoOverwrite())
    if options.keep is not None:
        policies.append(KeepNewest(count=options.keep, of_any_maker=options.any_maker))
    elif options.any_maker:
        raise InputError("--any goes with --keep N", value="--any")
    if options.replace is not None:
        policies.append(ReplaceSnapshot(which=options.replace))
    if len(policies) > 1:
        raise InputError(
            "say at most one of --no-snapshot, --no-overwrite, --keep and --replace",
            code="usage",
        )
    return policies[0] if policies else FreeSlot()


def _found_stopped(options: InstallOptions) -> FoundStopped:
    if options.start and options.leave_stopped:
        raise InputError("--start and --leave-stopped contradict each other", value="--start")
    if options.start:
        return "start"
    return "leave-stopped" if options.leave_stopped else "ask"


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise InputError(f"{text!r} is not a SHA-256: 64 hexadecimal digits", value=text)
    return digest
