"""Puts a replica together from its directory, and its state back into it."""

import contextlib
import resource
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from juno_snap.clock import Clock
from juno_snap.errors import DecodeError, PreconditionError
from juno_snap.replica.background import CACHE_FOLDER
from juno_snap.replica.certify import Certifier
from juno_snap.replica.endpoints_node import Node
from juno_snap.replica.history import History
from juno_snap.replica.keys import ReplicaKeys, keys_from_seed, keys_in, random_keys
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.rounds import Rounds, single_thread
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.replica.rules import Rules
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import CANISTER_RANGES, SubnetState
from juno_snap.replica.storage import Storage, open_storage
from juno_snap.replica.subnet import Subnet

HISTORY_ATTACHMENT: Final = "history"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenState:
    """A replica whose state is in memory and, with a directory, locked on disk."""

    node: Node
    state: SubnetState
    storage: Storage | None

    async def checkpoint(self) -> None:
        """Write the state and the request history down, both or neither."""
        storage = self.storage
        if storage is None:
            return
        attachments = {HISTORY_ATTACHMENT: self.node.rounds.history.to_bytes()}
        await self.node.rounds.on_executor(lambda: storage.save(self.state, attachments))


@contextlib.asynccontextmanager
async def open_state(options: ReplicaOptions, clock: Clock) -> AsyncIterator[OpenState]:
    """The replica of ``options``, as it was left or new. Nothing is written at the end.

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
        node = _node(options, clock, keys, subnet, history, executor)
        await node.rounds.open()
        yield OpenState(node=node, state=state, storage=storage)


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
        history = History.from_bytes(checkpoint.attachments[HISTORY_ATTACHMENT])
    except (KeyError, DecodeError) as error:
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
) -> Node:
    time = SubnetTime(clock, not_before_ns=subnet.time_ns)
    rounds = Rounds(
        subnet, history, executor=executor, clock=clock, time=time, round_ms=options.round_ms
    )
    return Node(
        options=options,
        keys=keys,
        certifier=Certifier(keys, CANISTER_RANGES),
        clock=clock,
        time=time,
        rounds=rounds,
    )
