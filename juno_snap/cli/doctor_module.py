"""What ``juno-snap doctor`` finds out about a module: from the network, and from the journal here.

What is certified for everybody is read first; only a controller sends the three calls that read the
rest, at the same time. Nothing is changed.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, final

from juno_snap.cli.session import Session
from juno_snap.clock import system_clock
from juno_snap.errors import JunoSnapError, RejectedError
from juno_snap.ids import Principal
from juno_snap.juno.choice import ModuleChoice
from juno_snap.juno.package import read_juno_module
from juno_snap.juno.roles import JunoModule
from juno_snap.management.client import ManagementClient
from juno_snap.management.types import CanisterStatus, CertifiedInfo, Snapshot
from juno_snap.pipeline import doctor
from juno_snap.pipeline.doctor import Line, Open, fine, problem, unasked, unknown
from juno_snap.pipeline.explain import explained
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.records import OperationRecord
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.notes import Notes
from juno_snap.pipeline.observe import check_controller

T = TypeVar("T")

OF_CONTROLLERS: Final = ("status", "cycles", "snapshots", "chunks")
OF_MODULE: Final = ("controllers", "code", *OF_CONTROLLERS)
FROZEN: Final = "module-frozen"
MANY: Final = 1000
"""Operations that are looked through for unfinished ones where the network is not known."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the journal tells."""

    operations: tuple[Open, ...]
    notes: Notes
    lines: tuple[Line, ...]


def recall(session: Session, root_key: bytes | None, choice: ModuleChoice | None) -> Past:
    """What the journal of this state directory tells; none is made where there is none."""
    file = session.state / JOURNAL_FILE
    if not file.exists():
        line = fine("journal", f"none yet in {session.state}")
        return Past(operations=(), notes={}, lines=(line, *doctor.judge_operations((), None)))
    try:
        with Journal.open(session.state) as journal:
            if root_key is None:
                records: Sequence[OperationRecord] = [
                    each for each in journal.history(limit=MANY) if each.outcome is None
                ]
            else:
                records = journal.unfinished(root_key)
            notes = journal.notes(root_key, choice.id) if root_key and choice else {}
    except JunoSnapError as error:
        lines = (problem("journal", error), unknown("operations", "the journal tells nothing"))
        return Past(operations=(), notes={}, lines=lines)
    found = tuple(Open(record=each, is_alive=_is_alive(each)) for each in records)
    said = doctor.judge_operations(found, choice.id if choice else None)
    return Past(operations=found, notes=notes, lines=(fine("journal", f"sound: {file}"), *said))


def _is_alive(record: OperationRecord) -> bool:
    if record.host != socket.gethostname():
        return False
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


async def visit(
    client: ManagementClient, choice: ModuleChoice, past: Past, *, is_signing: bool
) -> tuple[CanisterStatus | None, tuple[Line, ...]]:
    """The lines of a module, and its status where that could be read.

    Where there is nobody to sign (not ``is_signing``), what everybody may know.
    """
    info, juno = await asyncio.gather(
        _settled(client.canister_info(choice.id), choice.id),
        _settled(read_juno_module(client, choice.id), choice.id),
    )
    if isinstance(info, JunoSnapError):
        why = "the network does not tell of the module"
        return None, (problem("module", info), *unasked(why, *OF_MODULE))
    if info.exists and not is_signing:
        why = "there is no usable identity"
        return None, (_code(choice, info, juno), *unasked(why, "controllers", *OF_CONTROLLERS))
    try:
        check_controller(info, choice.id, client.agent.identity.principal)
    except JunoSnapError as error:
        if not info.exists:
            why = "there is no such module"
            return None, (problem("module", error), *unasked(why, *OF_MODULE))
        lines = (problem("controllers", error), _code(choice, info, juno))
        return None, (*lines, *unasked("only controllers may know", *OF_CONTROLLERS))
    count = len(info.controllers)
    rights = fine("controllers", f"{client.agent.identity.principal} is one of {count}")
    status, private = await _private(client, choice, info, past)
    return status, (rights, _code(choice, info, juno), *private)


async def _private(
    client: ManagementClient, choice: ModuleChoice, info: CertifiedInfo, past: Past
) -> tuple[CanisterStatus | None, tuple[Line, ...]]:
    """What controllers may know."""
    status, snapshots, chunks = await asyncio.gather(
        _settled(client.canister_status(choice.id), choice.id),
        _settled(client.list_canister_snapshots(choice.id), choice.id),
        _settled(client.stored_chunks(choice.id), choice.id),
    )
    busy = doctor.busy_with(past.operations, choice.id)
    lines: list[Line] = []
    for name, answer in (("status", status), ("snapshots", snapshots), ("chunks", chunks)):
        if isinstance(answer, JunoSnapError):
            lines.append(_unanswered(name, answer, lines))
    if not isinstance(status, JunoSnapError):
        lines.append(doctor.judge_status(status, choice.id, busy))
        lines.append(doctor.judge_freezing(status, choice.id))
    if not isinstance(snapshots, JunoSnapError):
        lines += _snapshots(snapshots, past.notes, choice.id, info)
    if not isinstance(chunks, JunoSnapError):
        lines.append(doctor.judge_chunks(len(chunks), busy))
    return None if isinstance(status, JunoSnapError) else status, tuple(lines)


def _unanswered(name: str, error: JunoSnapError, before: Sequence[Line]) -> Line:
    """A module that is frozen answers no call: that is said once."""
    if any(each.error and each.error.code == error.code for each in before):
        return unknown(name, error.message)
    return problem("cycles" if error.code == FROZEN else name, error)


def _snapshots(
    snapshots: Sequence[Snapshot], notes: Notes, module: Principal, info: CertifiedInfo
) -> Iterator[Line]:
    if info.module_hash is None and not snapshots:
        yield fine("snapshots", "none, and nothing to save")
        return
    now_ns = system_clock().now_ns()
    yield from doctor.judge_snapshots(snapshots, notes, module=module, now_ns=now_ns)


def _code(choice: ModuleChoice, info: CertifiedInfo, juno: JunoModule | JunoSnapError) -> Line:
    if isinstance(juno, JunoSnapError):
        return problem("code", juno)
    return doctor.judge_code(info.module_hash, juno, choice.role)


async def _settled(work: Awaitable[T], module: Principal) -> T | JunoSnapError:
    try:
        return await work
    except RejectedError as error:
        return explained(error, module)
    except JunoSnapError as error:
        return error
