"""What an upgrade comes to for the module as it is, and every reason against it. Pure."""

from dataclasses import dataclass, replace
from typing import Final, final

from juno_snap.ids import SnapshotId
from juno_snap.juno.configuration import Configuration
from juno_snap.management.types import InstallMode, Reinstall, Upgrade
from juno_snap.pipeline.costs import (
    CostProfile,
    CyclesEstimate,
    Work,
    cycles_text,
    estimate,
    snapshot_size_bytes,
)
from juno_snap.pipeline.observe import Observation
from juno_snap.pipeline.plan_parts import Refusal
from juno_snap.pipeline.policy import SnapshotChoice, choose_persistence, choose_snapshots
from juno_snap.pipeline.request import NO_ARGUMENT, UpgradeRequest
from juno_snap.pipeline.transfer import (
    HASH_ENTRY_BYTES,
    Staging,
    fits_chunked,
    fits_one_message,
    plan_staging,
)
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.units import SNAPSHOTS_MAX

MESSAGES_WITHOUT_CHUNKS: Final = 8
"""Observe (3), stop, snapshot, install, start, tidy: for the estimate, one more hardly counts."""

REPLACING_FLAGS: Final = ("--replace ID|oldest", "--keep N --any")
"""What lets a new snapshot take the place of one that is there, so that cycles for one suffice."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The choices that a plan consists of."""

    mode: InstallMode
    arg: bytes
    staging: Staging | None
    """None where one message carries the module."""
    snapshot_bytes: int | None
    """Estimated size of the snapshot to be taken, none where none is."""
    replaced: SnapshotId | None
    """Given up by the call that takes the new one, before the new code is verified."""
    delete_after: tuple[SnapshotId, ...]
    """Given up once the new code is verified."""
    sends_stop: bool
    sends_start: bool
    runs_after: bool
    """Whether the module runs at the end, so that it can be checked."""
    cycles: CyclesEstimate

    @property
    def keeps_heap(self) -> bool:
        """Whether the new code gets the heap of the old one."""
        return isinstance(self.mode, Upgrade) and self.mode.wasm_memory_persistence == "keep"

    @property
    def takes_snapshot(self) -> bool:
        """Whether this operation makes a way back."""
        return self.snapshot_bytes is not None


def is_unchanged(seen: Observation, request: UpgradeRequest, wasm: WasmFile) -> bool:
    """Whether the running module has this very code already and nothing else was asked for."""
    is_same = seen.module_hash == wasm.sha256 and request.sha256 in {None, wasm.sha256}
    return is_same and request.arg is None and not request.reset and seen.is_running


def decide(
    seen: Observation, request: UpgradeRequest, wasm: WasmFile, *, costs: CostProfile
) -> tuple[Decision, tuple[Refusal, ...]]:
    """The choices, and the reasons against going on; where there are any, choices are defaults.

    Raises:
        InputError: The snapshot to replace is named ambiguously or malformed.
        NotFoundError: It does not exist.
    """
    arg = _argument(seen, request)
    staging = None
    if not fits_one_message(wasm, arg):
        staging = plan_staging(wasm, seen.stored_chunks, clear=request.clear_chunks)
    refusals = _refusals_by_content(seen, request, wasm, arg)
    choice = choose_snapshots(
        request.snapshots,
        seen.snapshots,
        notes=seen.notes,
        module=seen.module,
        installed_at_ns=seen.info.last_install_at_ns,
        may_touch_protected=request.force,
    )
    if isinstance(choice, Refusal):
        refusals.append(choice)
        choice = SnapshotChoice(take=True)
    mode = _choose_mode(seen, request, wasm)
    if isinstance(mode, Refusal):
        refusals.append(mode)
        mode = Upgrade()
    work = _work(seen, wasm, arg, staging, takes_snapshot=choice.take)
    cycles, replaced = _make_room(seen, choice, work, costs)
    if not cycles.ok and not request.force:
        could_replace = choice.take and bool(seen.snapshots) and replaced is None
        flags = REPLACING_FLAGS if could_replace else ()
        refusals.append(_too_few_cycles(cycles, flags, takes_snapshot=choice.take))
    runs_after = seen.is_running or request.found_stopped == "start"
    decision = Decision(
        mode=mode,
        arg=arg,
        staging=staging,
        snapshot_bytes=work.snapshot_bytes,
        replaced=replaced,
        delete_after=tuple(old for old in choice.give_up if old != replaced),
        sends_stop=request.stop,
        sends_start=runs_after and (request.stop or not seen.is_running),
        runs_after=runs_after,
        cycles=cycles,
    )
    return decision, tuple(refusals)


def _argument(seen: Observation, request: UpgradeRequest) -> bytes:
    """What the new code is given; a module of Juno's is reset with the keys that it has."""
    if request.arg is not None:
        return request.arg
    if isinstance(seen.configuration, Configuration):
        return seen.configuration.install_argument()
    return NO_ARGUMENT


def asks_of(seen: Observation, request: UpgradeRequest) -> tuple[Refusal, ...]:
    """Questions that have no safe answer and that ``request`` leaves open."""
    if seen.is_running or request.found_stopped != "ask":
        return ()
    return (
        Refusal(
            code="found-stopped",
            text=f"the module is {seen.status.status}: an upgrade of it may have died elsewhere; "
            "say whether it shall run afterwards",
            flags=("--start", "--leave-stopped"),
        ),
    )


def _make_room(
    seen: Observation, choice: SnapshotChoice, work: Work, costs: CostProfile
) -> tuple[CyclesEstimate, SnapshotId | None]:
    """The cost, and the snapshot that the new one replaces at once."""
    beside = estimate(seen.status, work, costs=costs)
    has_room = len(seen.snapshots) < SNAPSHOTS_MAX and beside.ok
    if not choice.give_up or (has_room and not choice.gives_up_at_once):
        return beside, None
    first = next(old for old in seen.snapshots if old.id == choice.give_up[0])
    instead = replace(work, freed_bytes=first.total_size_bytes)
    return estimate(seen.status, instead, costs=costs), first.id


def _work(
    seen: Observation,
    wasm: WasmFile,
    arg: bytes,
    staging: Staging | None,
    *,
    takes_snapshot: bool,
) -> Work:
    payload_bytes = len(arg)
    uploads = 0
    if staging is None:
        payload_bytes += wasm.size_bytes
    else:
        uploads = len(staging.missing)
        sizes = [len(chunk) for chunk in wasm.chunks()]
        payload_bytes += sum(sizes[place] for place in staging.missing)
        payload_bytes += len(sizes) * HASH_ENTRY_BYTES
    memory = seen.status.memory_metrics
    is_cleared = staging is not None and staging.clear_first
    cleared_bytes = memory.wasm_chunk_store_bytes if is_cleared else 0
    size = snapshot_size_bytes(seen.status, extra_chunks=uploads) - cleared_bytes
    return Work(
        messages=MESSAGES_WITHOUT_CHUNKS + uploads,
        payload_bytes=payload_bytes,
        uploads=uploads,
        cleared_bytes=cleared_bytes,
        snapshot_bytes=size if takes_snapshot else None,
        code_bytes=wasm.unpacked_bytes,
        growth_bytes=wasm.size_bytes - memory.wasm_binary_bytes,
        is_memory64=wasm.is_memory64,
        # How the old module was packed is not known; the new one's maker packs it likewise.
        old_code_bytes=memory.wasm_binary_bytes * wasm.unpacked_bytes // wasm.size_bytes,
    )


def _choose_mode(
    seen: Observation, request: UpgradeRequest, wasm: WasmFile
) -> InstallMode | Refusal:
    if request.reset:
        return Reinstall()
    persistence = choose_persistence(
        request.memory_persistence,
        old_is_persistent=seen.is_persistent,
        new_is_persistent=wasm.is_persistent,
    )
    if isinstance(persistence, Refusal):
        return persistence
    return Upgrade(skip_pre_upgrade=request.skip_pre_upgrade, wasm_memory_persistence=persistence)


def _refusals_by_content(
    seen: Observation, request: UpgradeRequest, wasm: WasmFile, arg: bytes
) -> list[Refusal]:
    found = []
    if request.sha256 is not None and request.sha256 != wasm.sha256:
        found.append(
            Refusal(
                code="wrong-sha256",
                text=f"{wasm.name} has SHA-256 {wasm.sha256.hex()}, not {request.sha256.hex()}: "
                "it is another file, or was changed",
            )
        )
    if seen.module_hash is None:
        found.append(
            Refusal(
                code="module-empty",
                text="the module has no code yet, so there is nothing to upgrade: "
                "use juno-snap module install --src FILE",
            )
        )
    if not fits_one_message(wasm, arg) and not fits_chunked(wasm, arg):
        found.append(
            Refusal(
                code="argument-too-large",
                text=f"the argument has {len(arg)} bytes; with it no message to the network has "
                "room for the module",
                flags=("--arg", "--arg-file", "--arg-hex"),
            )
        )
    return found


def _too_few_cycles(
    cycles: CyclesEstimate, flags: tuple[str, ...], *, takes_snapshot: bool
) -> Refusal:
    missing = cycles.required - cycles.available
    return Refusal(
        code="not-enough-cycles",
        text=f"the module has {cycles_text(cycles.available)} and needs about "
        f"{cycles_text(cycles.required)} at a time: top it up with {cycles_text(missing)}",
        flags=(*flags, *(("--no-snapshot",) if takes_snapshot else ()), "--force"),
    )
