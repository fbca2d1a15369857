"""Installing and upgrading code. A failure at any stage leaves what was there before.

Source: interface specification, "IC method install_code" and "Code upgrade".
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, final

from juno_snap.ids import Principal
from juno_snap.replica.execution.calls import mount, save
from juno_snap.replica.execution.code import InstalledCode
from juno_snap.replica.execution.run import (
    DEFAULT_LIMITS,
    Limits,
    Outcome,
    check_memory_limit,
    logs_with_trap,
    new_session,
    reject_of,
)
from juno_snap.replica.images import HeapImage
from juno_snap.replica.instrument import InvalidWasmError
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import CompiledModule, Engine, Instance
from juno_snap.replica.stable import StableMemory
from juno_snap.replica.system_api.session import Environment, Message, Session
from juno_snap.replica.system_api.signatures import Context
from juno_snap.replica.traps import ExecutionError

MemoryPersistence = Literal["keep", "replace"]

_PRE_UPGRADE: Final = "canister_pre_upgrade"


def compile_module(engine: Engine, wasm: bytes, canister_id: Principal) -> CompiledModule:
    """The compiled module, from the engine's cache where it can be.

    Raises:
        Reject: IC0505, with the reason.
    """
    try:
        return engine.compile(wasm)
    except InvalidWasmError as error:
        raise Reject(
            "IC0505",
            f"Error from Canister {canister_id}: Canister's Wasm module is not valid:"
            f" {error.reason}",
        ) from error


def install(
    module: CompiledModule,
    wasm: bytes,
    environment: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[InstalledCode, Outcome]:
    """Begin with an empty heap and empty stable memory: start function, then ``canister_init``.

    ``wasm`` is the module as uploaded; ``message`` has the argument and the caller. For a reinstall
    the caller of this function drops the old code on success.

    Raises:
        Reject: The code trapped; carries its log lines.
    """
    code = _fresh_code(module, wasm, HeapImage(), StableMemory())
    with _undone_on_failure(code, environment) as progress:
        _begin(code, progress, environment, message, limits, entry="canister_init")
    return code, progress.outcome()


def upgrade(
    old: InstalledCode,
    module: CompiledModule,
    wasm: bytes,
    environment_before: Environment,
    environment_after: Environment,
    message: Message,
    limits: Limits = DEFAULT_LIMITS,
    *,
    skip_pre_upgrade: bool = False,
    memory_persistence: MemoryPersistence | None = None,
) -> tuple[InstalledCode, Outcome]:
    """``canister_pre_upgrade`` of the old code, then start function and ``canister_post_upgrade``.

    Stable memory and certified data are carried over, the heap only with ``keep``; the timer is off
    unless the new code sets it. The environments have the canister version before and after.
    ``old`` stays as it is; on success the caller drops it.

    Raises:
        Reject: A stage trapped, or the persistence does not suit the modules (IC0504); carries the
            log lines.
    """
    _check_persistence(old, module, memory_persistence, environment_before.canister_id)
    keep = memory_persistence == "keep"
    code = _fresh_code(module, wasm, old.heap.copy() if keep else HeapImage(), old.stable.copy())
    code.certified_data = old.certified_data
    with _undone_on_failure(code, environment_after) as progress:
        if not skip_pre_upgrade and _PRE_UPGRADE in old.module.shape.entry_points:
            _run_pre_upgrade(old, code, progress, environment_before, message, limits, keep=keep)
        _begin(code, progress, environment_after, message, limits, entry="canister_post_upgrade")
    return code, progress.outcome()


@final
@dataclass(slots=True, kw_only=True)
class _Progress:
    """What the stages of one installation used and said so far."""

    instructions: int = 0
    cycles_burned: int = 0
    logs: list[bytes] = field(default_factory=list)

    def outcome(self) -> Outcome:
        return Outcome(
            logs=tuple(self.logs),
            instructions=self.instructions,
            cycles_burned=self.cycles_burned,
        )

    @contextlib.contextmanager
    def stage(self, instance: Instance, session: Session) -> Iterator[None]:
        """Run a stage and note what it used, however it ends."""
        try:
            yield
        finally:
            self.instructions = instance.instructions_used()
            self.cycles_burned += session.cycles_burned
            self.logs += session.logs


@contextlib.contextmanager
def _undone_on_failure(code: InstalledCode, environment: Environment) -> Iterator[_Progress]:
    progress = _Progress()
    try:
        yield progress
    except ExecutionError as error:
        code.close()
        raise reject_of(
            environment.canister_id,
            error,
            logs=logs_with_trap(progress.logs, error),
            instructions=progress.instructions,
        ) from error
    except BaseException:
        code.close()
        raise


def _fresh_code(
    module: CompiledModule, wasm: bytes, heap: HeapImage, stable: StableMemory
) -> InstalledCode:
    return InstalledCode(module=module, wasm=wasm, heap=heap, packed_globals=b"", stable=stable)


def _run_pre_upgrade(
    old: InstalledCode,
    new: InstalledCode,
    progress: _Progress,
    environment: Environment,
    message: Message,
    limits: Limits,
    *,
    keep: bool,
) -> None:
    """Run the old code's hook; its effects go to the new code, and the old one stays as it is."""
    caller_only = Message(caller=message.caller)
    with Instance(old.module, instructions=limits.install_instructions) as instance:
        session = new_session(old, instance, Context.PRE_UPGRADE, environment, caller_only)
        with progress.stage(instance, session):
            mount(old, instance)
            instance.call(_PRE_UPGRADE, session)
        new.stable.apply(session.stable)
        new.certified_data = session.certified_data
        if keep:
            instance.save_heap(new.heap)  # which is still equal to the old one


def _begin(
    code: InstalledCode,
    progress: _Progress,
    environment: Environment,
    message: Message,
    limits: Limits,
    *,
    entry: str,
) -> None:
    """Run the start function and ``entry``, and save what they made of the new code."""
    with Instance(
        code.module,
        instructions=limits.install_instructions,
        used_before=progress.instructions,
    ) as instance:
        session = new_session(code, instance, Context.START, environment, message)
        with progress.stage(instance, session):
            instance.mount(code.heap)
            instance.run_start(session)
            session.context = Context.INIT
            if entry in code.module.shape.entry_points:
                instance.call(entry, session)
            check_memory_limit(instance, environment)
        save(code, instance, session)


def _check_persistence(
    old: InstalledCode,
    module: CompiledModule,
    memory_persistence: MemoryPersistence | None,
    canister_id: Principal,
) -> None:
    """Check the rules of enhanced orthogonal persistence.

    Source: interface specification, "IC method install_code"; dfinity/ic, ``install_code.rs``.

    Raises:
        Reject: IC0504.
    """
    if memory_persistence is None and old.module.shape.has_eop:
        problem = (
            "Missing upgrade option: Enhanced orthogonal persistence requires the"
            " `wasm_memory_persistence` upgrade option."
        )
    elif memory_persistence == "keep" and not module.shape.has_eop:
        problem = (
            "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option"
            " requires that the new canister module supports enhanced orthogonal persistence."
        )
    else:
        return
    raise Reject("IC0504", f"Error from Canister {canister_id}: {problem}")
