"""Installing code: whole, or from chunks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias, cast

from juno_snap.ids import Principal
from juno_snap.replica.accounts import freezing_limit, spend
from juno_snap.replica.execution import (
    Environment,
    InstalledCode,
    Limits,
    Message,
    Outcome,
    compile_module,
    install,
    upgrade,
)
from juno_snap.replica.fees import compile_instructions
from juno_snap.replica.management.access import Access, refusal
from juno_snap.replica.management.arguments import as_arguments
from juno_snap.replica.management.call import Call, Network, canister_not_found
from juno_snap.replica.management.charges import (
    allocated_bytes,
    check_not_frozen,
    paid_installation,
)
from juno_snap.replica.management.chunks import HASH_BYTES, assemble_module
from juno_snap.replica.rate_limits import add_heap_delta, check_install, written_bytes
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import CompiledModule
from juno_snap.replica.state import Canister, memory_use
from juno_snap.replica.state_history import CodeDeployment, CodeMode
from juno_snap.units import CHUNK_MAX_BYTES
from juno_snap.wire.candid import Tagged

Persistence: TypeAlias = Literal["keep", "replace"]


class _Mode(NamedTuple):
    """What is done with the old code and its memory; the last two are for an upgrade."""

    name: CodeMode
    skip_pre_upgrade: bool = False
    persistence: Persistence | None = None


class _Prepared(NamedTuple):
    """A module as it was uploaded, and compiled."""

    wasm: bytes
    module: CompiledModule


def environment_of(
    canister: Canister, network: Network, *, time_ns: int, version: int | None = None
) -> Environment:
    """What a canister's code can learn of its surroundings; ``version`` in place of its own."""
    settings = canister.settings
    return Environment(
        canister_id=canister.canister_id,
        controllers=frozenset(settings.controllers),
        canister_version=canister.version if version is None else version,
        status=canister.status,
        cycles=canister.cycles,
        time_ns=time_ns,
        subnet_id=network.subnet_id,
        root_key_der=network.root_key_der,
        environment_variables=settings.environment_variables,
        wasm_memory_limit=settings.wasm_memory_limit_bytes,
        freezing_limit=lambda grown_bytes: freezing_limit(
            canister, network.rules, memory_use(canister).total + grown_bytes
        ),
    )


def install_code(call: Call) -> tuple[object, ...]:
    """Install, reinstall or upgrade with the module in the arguments."""
    mode = _mode(call.arguments.variant("mode"))
    _deploy(call, mode, lambda: call.arguments.blob("wasm_module"))
    return ()


def install_chunked_code(call: Call) -> tuple[object, ...]:
    """The same with a module put together from chunks; the caller controls their canister too."""
    arguments = call.arguments
    mode = _mode(arguments.variant("mode"))
    store = _store(call)
    module_hash = arguments.blob("wasm_module_hash")
    if len(module_hash) != HASH_BYTES:
        raise Reject("IC0504", f"Invalid wasm hash {list(module_hash)}")
    hashes = [as_arguments(each).blob("hash") for each in arguments.items("chunk_hashes_list")]
    _deploy(
        call,
        mode,
        lambda: assemble_module(store.chunks, hashes, module_hash),
        assembly_instructions=len(hashes) * CHUNK_MAX_BYTES,
    )
    return ()


def _deploy(
    call: Call, mode: _Mode, read_wasm: Callable[[], bytes], *, assembly_instructions: int = 0
) -> None:
    """Replace the code, or leave everything but the cycles and the log as it was.

    The network sets the cycles aside first, for which it looks whether the module is a 64-bit one;
    that it is none at all is said later.

    Raises:
        Reject: The canister cannot pay, the mode does not suit it, the module is invalid, or its
            code trapped.
    """
    canister = call.canister
    prepared = _prepare(call, read_wasm)
    is_64_bit = isinstance(prepared, _Prepared) and prepared.module.shape.memory64
    try:
        with paid_installation(call, is_64_bit=is_64_bit) as meter:
            _check_vacancy(canister, mode)
            check_install(canister, call.network.rules)
            meter.instructions += assembly_instructions
            if isinstance(prepared, Reject):
                raise prepared
            meter.instructions += compile_instructions(prepared.module.shape.code_bytes)
            code, outcome = _run(call, mode, prepared)
            meter.code_instructions += outcome.instructions
        _check_growth(call, code, outcome.logs)
    except Reject as reject:
        canister.log(reject.logs, at_ns=call.time_ns)
        raise
    add_heap_delta(canister, _heap_delta_bytes(canister, code, mode), call.network.rules)
    if mode.name != "upgrade":
        canister.logs.clear()
    canister.log(outcome.logs, at_ns=call.time_ns)
    spend(canister, outcome.cycles_burned, "burned_cycles")
    canister.code = code
    canister.last_install_at_ns = call.time_ns
    deployment = CodeDeployment(mode=mode.name, module_hash=code.module.sha256)
    canister.record(deployment, origin=call.change_origin, at_ns=call.time_ns)
    canister.update_hook_status()


def _prepare(call: Call, read_wasm: Callable[[], bytes]) -> "_Prepared | Reject":
    try:
        wasm = read_wasm()
        module = compile_module(call.network.engine, wasm, call.canister.canister_id)
    except Reject as reject:
        return reject
    return _Prepared(wasm, module)


def _check_growth(call: Call, code: InstalledCode, logs: tuple[bytes, ...]) -> None:
    """Check that the canister can pay for what it would be with ``code``, which is dropped if not.

    Raises:
        Reject: IC0532, with the log lines.
    """
    canister = call.canister
    used = memory_use(canister).total
    would_use = memory_use(replace(canister, code=code)).total
    grown = allocated_bytes(canister, would_use) - allocated_bytes(canister, used)
    if grown <= 0:
        return
    limit = freezing_limit(canister, call.network.rules, would_use)
    try:
        check_not_frozen(canister, limit, grown)
    except Reject as reject:
        code.close()
        raise Reject(reject.error_code, reject.message, logs=logs) from reject


def _heap_delta_bytes(canister: Canister, code: InstalledCode, mode: _Mode) -> int:
    """What an installation wrote; memory that is carried over keeps its own count."""
    kept = 0
    if mode.name == "upgrade" and canister.code is not None:
        kept += canister.code.stable.written_bytes
        if mode.persistence == "keep":
            kept += canister.code.heap.written_bytes
    return written_bytes(code) - kept


def _run(call: Call, mode: _Mode, prepared: "_Prepared") -> tuple[InstalledCode, Outcome]:
    module, wasm = prepared.module, prepared.wasm
    canister, network = call.canister, call.network
    before = environment_of(canister, network, time_ns=call.time_ns)
    after = environment_of(canister, network, time_ns=call.time_ns, version=canister.version + 1)
    message = Message(arg=call.arguments.blob("arg"), caller=call.sender)
    limits = Limits(install_instructions=network.rules.install_instructions)
    if mode.name == "upgrade":
        old = canister.code
        if old is None:
            raise no_code(canister.canister_id)
        return upgrade(
            old,
            module,
            wasm,
            before,
            after,
            message,
            limits,
            skip_pre_upgrade=mode.skip_pre_upgrade,
            memory_persistence=mode.persistence,
        )
    return install(module, wasm, after, message, limits)


def no_code(canister_id: Principal) -> Reject:
    """The reject of everything that needs code where there is none."""
    return Reject(
        "IC0537",
        f"Error from Canister {canister_id}: Attempted to execute a message, but the canister "
        "contains no Wasm module.",
    )


def _mode(variant: Tagged) -> _Mode:
    name = cast("CodeMode", variant.tag)
    if name != "upgrade" or variant.value is None:
        return _Mode(name)
    options = as_arguments(variant.value)
    named = "wasm_memory_persistence"
    return _Mode(
        name,
        skip_pre_upgrade=options.flag("skip_pre_upgrade"),
        persistence=cast("Persistence", options.variant(named).tag) if named in options else None,
    )


def _check_vacancy(canister: Canister, mode: _Mode) -> None:
    if mode.name == "install" and canister.code is not None:
        raise Reject(
            "IC0514",
            f"Canister {canister.canister_id} cannot be installed because the canister is not "
            "empty. Try installing with mode='reinstall' instead.",
        )


def _store(call: Call) -> Canister:
    """The canister whose chunks are meant: another one only where the sender controls it."""
    if "store_canister" not in call.arguments:
        return call.canister
    store_id = call.arguments.principal("store_canister")
    store = call.state.canisters.get(store_id)
    if store is None:
        raise canister_not_found(store_id)
    if call.sender not in store.controllers:
        raise refusal(Access.CONTROLLERS, store, call.sender, call.method_name)
    return store
