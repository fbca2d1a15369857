"""Looking at a module right before a step, so that nothing is done to a state nobody planned for.

All of it is read without an update call: certified state, and the status as one node of the subnet
signs it. A node's word only ever ends a run here, it never lets one go on that certified state
forbids.
"""

import asyncio
from collections.abc import Mapping
from typing import TypeAlias

from juno_snap.errors import JunoSnapError, PreconditionError, RejectedError
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterStatus, CertifiedInfo
from juno_snap.pipeline.journal.records import Leg, StepRecord
from juno_snap.pipeline.next_action import DISTURBED
from juno_snap.pipeline.observe import check_controller
from juno_snap.pipeline.program import InstallChange
from juno_snap.pipeline.progress import SAVES, Progress, certified_at_ns

Seen: TypeAlias = Mapping[str, object]


async def look_before(client: ManagementClient, progress: Progress, step: str, leg: Leg) -> Seen:
    """What was there before ``step``, ready for the journal.

    Raises:
        PreconditionError: Somebody else has changed the module (``disturbed``).
        NotFoundError: Before a start: there is no such module any more.
        JunoSnapError: It could not be read.
    """
    if step == "stop":
        check_same(await _info(client, progress), progress, leg)
        return {}
    if step in SAVES:
        return await _before_save(client, progress, leg)
    if step in {"install", "load"}:
        return await _before_change(client, progress, leg)
    if step == "start":
        await _before_start(client, progress, leg)
    return {}


async def _before_start(client: ManagementClient, progress: Progress, leg: Leg) -> None:
    """Do not spend the lifetime of a call on a module that is certified to be out of our hands.

    Only where a step has failed before; what cannot be read keeps nobody from trying.
    """
    if all(record.state == "done" for record in progress.round(leg)):
        return
    try:
        info = await _info(client, progress)
    except JunoSnapError:
        return
    check_controller(info, progress.program.module, client.agent.identity.principal)


async def read_status(
    client: ManagementClient, module: Principal, *, not_before_ns: int
) -> CanisterStatus:
    """The status as one node signs it; by an update call where the network knows no such query."""
    try:
        return await client.canister_status(module, as_query=True, not_before_ns=not_before_ns)
    except RejectedError:
        return await client.canister_status(module)


def check_same(info: CertifiedInfo, progress: Progress, leg: Leg) -> None:
    """Refuse a module whose certified code or controllers are not those that were planned for.

    Raises:
        PreconditionError: They are not.
    """
    before, change = progress.program.before, progress.program.change
    expected = before.module_hash
    if leg == "back" and isinstance(change, InstallChange):
        expected = change.wasm_sha256
    if info.module_hash != expected:
        raise _disturbed("code was changed")
    if set(info.controllers) != set(before.controllers):
        raise _disturbed("controllers were changed")


async def _before_save(client: ManagementClient, progress: Progress, leg: Leg) -> Seen:
    status = await _status(client, progress, leg)
    ids = [*progress.program.before.snapshots, *progress.snapshots]
    return {"version": status.version, "snapshots": [str(each) for each in ids]}


async def _before_change(client: ManagementClient, progress: Progress, leg: Leg) -> Seen:
    info, status = await asyncio.gather(_info(client, progress), _status(client, progress, leg))
    check_same(info, progress, leg)
    save = next((r for r in reversed(progress.round(leg)) if r.name in SAVES), None)
    known = None if save is None else save.seen.get("version")
    if _is_to_be_stopped(progress) and known is not None and status.version != known:
        raise _disturbed("state was changed")
    return {"version": status.version, "last_install_at_ns": info.last_install_at_ns}


async def _status(client: ManagementClient, progress: Progress, leg: Leg) -> CanisterStatus:
    stop = progress.done("stop", leg)
    after_ns = 0 if stop is None else certified_at_ns(stop) or 0
    status = await read_status(client, progress.program.module, not_before_ns=after_ns)
    if _is_to_be_stopped(progress) and status.status != "stopped":
        raise _disturbed(f"status is {status.status}: it was started")
    return status


def _is_to_be_stopped(progress: Progress) -> bool:
    """Whether nothing may run between snapshot and change: we stopped it, or found it so."""
    return progress.program.sends_stop or progress.program.before.status == "stopped"


async def _info(client: ManagementClient, progress: Progress) -> CertifiedInfo:
    after_ns = max((_certified(record) for record in progress.records), default=0)
    return await client.canister_info(progress.program.module, not_before_ns=after_ns)


def _certified(record: StepRecord) -> int:
    return certified_at_ns(record) or 0


def _disturbed(what: str) -> JunoSnapError:
    return PreconditionError(
        f"the module's {what} by somebody else since the plan was made",
        code=DISTURBED,
        hint="find out who did it, then plan again",
    )
