"""Puts a replica together from its directory, and keeps its state in it."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

from juno_snap.clock import Clock
from juno_snap.errors import DecodeError, PreconditionError
from juno_snap.replica.background import CACHE_FOLDER
from juno_snap.replica.certify import Certifier
from juno_snap.replica.checkpoints import Checkpoints
from juno_snap.replica.endpoints_node import Node
from juno_snap.replica.fault_plan import FaultPlan
from juno_snap.replica.faults import longest_look_back_ns
from juno_snap.replica.history import History
from juno_snap.replica.keys import ReplicaKeys, keys_from_seed, keys_in, random_keys
from juno_snap.replica.late_calls import LateCalls
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.past import PastStates
from juno_snap.replica.rounds import Rounds, single_thread
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.replica.rules import Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import CANISTER_RANGES, SubnetState
from juno_snap.replica.storage import Storage, open_storage
from juno_snap.replica.subnet import Subnet


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenState:
    """A replica whose state is in memory and, with a directory, locked on disk."""

    node: Node
    checkpoints: Checkpoints | None

    async def failed(self) -> None:
        """Return when the state could not be written down: the replica has to end."""
        if self.checkpoints is None:
            await asyncio.Event().wait()
        else:
            await self.checkpoints.failed.wait()

    async def finish(self) -> None:
        """Execute what waits for a round, at once; what a fault holds back is dropped."""
        self.node.late_calls.drop()
        await self.node.rounds.finish()

    async def checkpoint(self) -> None:
        """Write the state and the request history down, both or neither.

        Raises:
            PreconditionError: It cannot be written, now or earlier.
        """
        await self.node.rounds.checkpoint()


@contextlib.asynccontextmanager
async def open_state(options: ReplicaOptions, clock: Clock) -> AsyncIterator[OpenState]:
    """The replica of ``options``, as it was left or new; written down while it runs.

    At the end nothing is written: see ``OpenState.checkpoint``.

    Raises:
        LockedError: Another process uses the directory.
        PreconditionError: The directory is of a newer version, damaged, or of something else.
    """
    _allow_many_files()
    with contextlib.ExitStack() as stack:
        storage = None
        if options.directory is not None:
            storage = stack.enter_context(open_storage(options.directory))
        keys = _keys(options)
        executor = stack.enter_context(single_thread())
        engine, state, history = executor.submit(_load, options, storage).result()
        subnet = Subnet(
            state,
            engine,
            root_key_der=keys.root_key_der,
            subnet_id=keys.subnet_id,
            rules=_rules(options),
        )
        checkpoints = None if storage is None else _checkpoints(storage, state, clock)
        node = _node(options, clock, keys, subnet, history, executor, checkpoints)
        await node.rounds.open()
        async with _written_down(node.rounds, checkpoints):
            yield OpenState(node=node, checkpoints=checkpoints)


def _checkpoints(storage: Storage, state: SubnetState, clock: Clock) -> Checkpoints:
    return Checkpoints(lambda attachments: storage.save(state, attachments), clock=clock)


@contextlib.asynccontextmanager
async def _written_down(rounds: Rounds, checkpoints: Checkpoints | None) -> AsyncIterator[None]:
    """Write changes down every now and then while the block runs."""
    if checkpoints is None:
        yield
        return
    keeping_up = asyncio.create_task(checkpoints.keep_up(rounds.checkpoint))
    try:
        yield
    finally:
        async with rounds.between():  # not in the middle of a checkpoint
            keeping_up.cancel()
        with contextlib.suppress(asyncio.CancelledError, PreconditionError):
            await keeping_up


def _allow_many_files() -> None:
    """Each memory, of a canister or a snapshot, is an open file: the usual 1024 are soon gone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _keys(options: ReplicaOptions) -> ReplicaKeys:
    if options.directory is not None:
        return keys_in(options.directory, seed=options.seed)
    return random_keys() if options.seed is None else keys_from_seed(options.seed)


def _load(options: ReplicaOptions, storage: Storage | None) -> tuple[Engine, SubnetState, History]:
    """On the executor thread: what was written down last, or an empty subnet."""
    engine = Engine(_compile_cache(options))
    checkpoint = None if storage is None else storage.load(engine)
    if checkpoint is None:
        return engine, SubnetState(), History()
    try:
        history = History.from_attachments(checkpoint.attachments)
    except DecodeError as error:
        raise PreconditionError(
            f"the request history in {options.directory} is damaged",
            code="replica-state-damaged",
            hint="start over in another --dir, or with: juno-snap replica reset",
        ) from error
    return engine, checkpoint.state, history


def _rules(options: ReplicaOptions) -> Rules:
    return Rules(
        rate_limits=options.rate_limits,
        snapshot_loadable_after_seconds=options.snapshot_loadable_after_seconds,
        storage_cycles_per_gib_second=options.storage_cycles_per_gib_second,
        install_instructions=options.install_instructions,
        takes_any_specified_id=options.takes_any_specified_id,
        on_installation=options.on_installation,
    )


def _compile_cache(options: ReplicaOptions) -> Path | None:
    if options.compile_cache is not None or options.directory is None:
        return options.compile_cache
    return options.directory / CACHE_FOLDER


def _node(
    options: ReplicaOptions,
    clock: Clock,
    keys: ReplicaKeys,
    subnet: Subnet,
    history: History,
    executor: ThreadPoolExecutor,
    checkpoints: Checkpoints | None,
) -> Node:
    time = SubnetTime(clock, not_before_ns=subnet.time_ns)
    rounds = Rounds(
        subnet,
        history,
        executor=executor,
        clock=clock,
        time=time,
        round_ms=options.round_ms,
        checkpoints=checkpoints,
        past=PastStates(longest_look_back_ns(options.faults)),
    )
    return Node(
        options=options,
        keys=keys,
        certifier=Certifier(keys, CANISTER_RANGES),
        clock=clock,
        time=time,
        rounds=rounds,
        late_calls=LateCalls(rounds, clock=clock, time=time),
        faults=FaultPlan(options.faults),
    )
