"""What is known of a module before anything is decided: one round of calls, all certified.

Older modules of Juno tell their version in a query only, which is asked then.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final, final

from juno_snap.errors import JunoSnapError, PreconditionError, RejectedError
from juno_snap.events import Observer, StepFinished, StepOutcome, StepStarted
from juno_snap.ids import Principal
from juno_snap.juno.configuration import Configuration, Unreadable
from juno_snap.juno.package import ask_version
from juno_snap.juno.roles import BUILD_METADATA, PACKAGE_METADATA, JunoModule, recognise
from juno_snap.management.candid_call import INTERFACE_METADATA
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterStatus, CertifiedInfo, Snapshot
from juno_snap.pipeline.explain import WHO_CONTROLS, explained, module_not_found
from juno_snap.pipeline.notes import Notes
from juno_snap.pipeline.report import Evidence, StepReport, hex_or_none, rfc3339
from juno_snap.pipeline.resolve import oldest_first
from juno_snap.pipeline.workspace import Workspace
from juno_snap.units import NS_PER_MS

OBSERVE_STEP: Final = "observe"

PERSISTENCE_METADATA: Final = "enhanced-orthogonal-persistence"
"""Name of Motoko's metadata section. Source: interface specification, ``install_code``."""

STABLE_TYPES_METADATA: Final = "motoko:stable-types"
"""Types of the data that a Motoko module keeps. Source: Motoko compiler, metadata sections."""

METADATA: Final = (
    PERSISTENCE_METADATA,
    PACKAGE_METADATA,
    BUILD_METADATA,
    INTERFACE_METADATA,
    STABLE_TYPES_METADATA,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A module as certified within one round."""

    module: Principal
    caller: Principal
    status: CanisterStatus
    info: CertifiedInfo
    snapshots: tuple[Snapshot, ...]
    """The oldest first."""
    stored_chunks: frozenset[bytes]
    """SHA-256 of what is in the chunk store."""
    is_persistent: bool
    """The installed code uses Motoko's enhanced orthogonal persistence."""
    juno: JunoModule = field(default_factory=JunoModule)
    """What it is in Juno's world; certified but for a version that comes from a query."""
    interface: bytes | None = field(default=None, repr=False)
    """Content of ``candid:service``, none where it is proven absent."""
    stable_types: bytes | None = field(default=None, repr=False)
    """Content of ``motoko:stable-types``, none where it is proven absent."""
    configuration: Configuration | Unreadable | None = None
    """What a reset would lose, certified; none where it was not read."""
    notes: Notes = field(default_factory=dict)
    """What this machine knows of the snapshots beyond what is certified."""

    @property
    def module_hash(self) -> bytes | None:
        """SHA-256 of the installed code, none for an empty module."""
        return self.status.module_hash

    @property
    def is_running(self) -> bool:
        """Neither stopped nor about to be."""
        return self.status.status == "running"


async def observe(
    client: ManagementClient, module: Principal, *, notes: Notes | None = None
) -> Observation:
    """The module as it is, after three calls sent at the same time.

    Whether it exists and whether the caller controls it is read from the certified state first, so
    that nothing is sent to a module that would only refuse it.

    Raises:
        NotFoundError: There is no such module.
        PreconditionError: The caller does not control it, or it is frozen for lack of cycles.
        TrustError: A section of metadata is proven neither present nor absent.
    """
    caller = client.agent.identity.principal
    try:
        info = await client.canister_info(module)
        check_controller(info, module, caller)
        status, snapshots, chunks, metadata = await asyncio.gather(
            client.canister_status(module),
            client.list_canister_snapshots(module),
            client.stored_chunks(module),
            client.metadata_sections(module, METADATA),
        )
    except RejectedError as error:
        raise explained(error, module) from error
    package, version = metadata[PACKAGE_METADATA], None
    if package is None and status.status == "running" and status.module_hash is not None:
        version = await ask_version(client.agent, module)
    return Observation(
        module=module,
        caller=caller,
        status=status,
        info=info,
        snapshots=tuple(oldest_first(snapshots)),
        stored_chunks=frozenset(chunks),
        is_persistent=metadata[PERSISTENCE_METADATA] is not None,
        juno=recognise(package=package, build=metadata[BUILD_METADATA], version=version),
        interface=metadata[INTERFACE_METADATA],
        stable_types=metadata[STABLE_TYPES_METADATA],
        notes=notes or {},
    )


async def observe_as_step(
    workspace: Workspace, module: Principal, *, observer: Observer
) -> tuple[Observation, StepReport]:
    """``observe`` as the first step of an operation; raises what that raises."""
    clock = workspace.clock
    began_ns = clock.monotonic_ns()
    observer(StepStarted(step=OBSERVE_STEP))
    error: JunoSnapError | None = None
    try:
        seen = await observe(workspace.client, module, notes=workspace.notes(module))
    except JunoSnapError as problem:
        error = problem
        raise
    finally:
        duration_ms = (clock.monotonic_ns() - began_ns) // NS_PER_MS
        outcome: StepOutcome = "done" if error is None else "failed"
        detail = "" if error is None else str(error)
        observer(
            StepFinished(step=OBSERVE_STEP, outcome=outcome, duration_ms=duration_ms, detail=detail)
        )
    return seen, StepReport(
        name=OBSERVE_STEP, outcome="done", duration_ms=duration_ms, evidence=_evidence(seen)
    )


def _evidence(seen: Observation) -> Evidence:
    return {
        "status": seen.status.status,
        "module_hash": hex_or_none(seen.module_hash),
        "version": seen.status.version,
        "snapshots": [str(snapshot.id) for snapshot in seen.snapshots],
        "stored_chunks": len(seen.stored_chunks),
        "certified_at": rfc3339(seen.info.certified_at_ns),
    }


def check_controller(info: CertifiedInfo, module: Principal, caller: Principal) -> None:
    """Refuse a module that does not exist or that ``caller`` does not control.

    Raises:
        NotFoundError: The certified state has no such module.
        PreconditionError: The caller is not among its controllers.
    """
    if not info.exists:
        raise module_not_found(module)
    if caller not in info.controllers:
        controllers = ", ".join(map(str, info.controllers)) or "nobody"
        raise PreconditionError(
            f"{caller} does not control module {module}",
            code="not-controller",
            hint=f"use one of its controllers: {controllers}; {WHO_CONTROLS}",
        )


async def check_undisturbed(client: ManagementClient, seen: Observation) -> None:
    """Refuse a module whose code or controllers are no longer those that were ``seen``.

    Raises:
        PreconditionError: Somebody else has changed it.
    """
    info = await client.canister_info(seen.module, not_before_ns=seen.info.certified_at_ns)
    is_same_code = info.module_hash == seen.module_hash
    if is_same_code and set(info.controllers) == set(seen.info.controllers):
        return
    what = "controllers were" if is_same_code else "code was"
    raise PreconditionError(
        f"the {what} changed by somebody else since the plan was made",
        code="disturbed",
        hint="find out who did it, then plan again",
    )
