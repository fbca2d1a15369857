"""Any order of updates, traps, upgrades, snapshots and restarts agrees with a model in Python."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.ids import Principal
from juno_snap.replica.runtime import Engine
from juno_snap.replica.state import PROVISIONAL_CYCLES_DEFAULT
from juno_snap.replica.storage import open_storage
from tests.replica.subnet_world import (
    EOP,
    REINSTALL,
    TRAP_IN_POST_UPGRADE,
    World,
    module,
    new_world,
    refused,
    upgrade,
)

ENGINE = Engine()
GOOD, BAD = module(EOP), module(EOP + TRAP_IN_POST_UPGRADE)
HELD = [ENGINE.compile(GOOD), ENGINE.compile(BAD)]
"""Keeps the compiled modules alive between the runs."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What ``read`` shows, and the certified data."""

    hidden: int = 0
    heap: int = 0
    stable: int = 0
    shown: int = 7
    certified: bytes = b""

    def shows(self) -> bytes:
        return bytes([self.hidden, self.heap, self.stable, self.shown])


@dataclass
class Model:
    """The subnet, and what its one canister should be like."""

    world: World
    canister: Principal
    memory: Memory = Memory()
    snapshots: dict[bytes, Memory] = field(default_factory=dict)

    def bump(self, _: int) -> None:
        self.world.call(self.canister, "bump")
        heap = self.memory.heap + 1
        self.memory = replace(
            self.memory,
            hidden=self.memory.hidden + 1,
            shown=self.memory.shown + 1,
            heap=heap,
            stable=heap,
        )

    def certify(self, number: int) -> None:
        self.world.call(self.canister, "certify", bytes([number]))
        self.memory = replace(self.memory, certified=bytes([number]))

    def trap(self, _: int) -> None:
        refused(lambda: self.world.call(self.canister, "boom"))

    def reject(self, _: int) -> None:
        refused(lambda: self.world.call(self.canister, "refuse"))
        self.memory = replace(self.memory, heap=77)

    def keep_heap(self, _: int) -> None:
        self.world.install(self.canister, GOOD, upgrade(persistence="keep"))
        self.memory = replace(self.memory, hidden=0, shown=7)

    def replace_heap(self, _: int) -> None:
        self.world.install(self.canister, GOOD, upgrade(persistence="replace"))
        self.memory = replace(self.memory, hidden=0, shown=7, heap=0)

    def failing_upgrade(self, number: int) -> None:
        mode = upgrade(persistence=("keep", "replace")[number % 2])
        refused(lambda: self.world.install(self.canister, BAD, mode))

    def reinstall(self, _: int) -> None:
        self.world.install(self.canister, GOOD, REINSTALL)
        self.memory = Memory()

    def take(self, _: int) -> None:
        oldest = next(iter(self.snapshots)) if len(self.snapshots) == 10 else None
        snapshot = self.world.snapshot(self.canister, replace_snapshot=oldest)
        self.snapshots.pop(oldest, None)
        self.snapshots[snapshot["id"]] = self.memory

    def load(self, number: int) -> None:
        if self.snapshots:
            chosen = list(self.snapshots)[number % len(self.snapshots)]
            self.manage("load_canister_snapshot", snapshot_id=chosen)
            self.memory = self.snapshots[chosen]

    def delete(self, number: int) -> None:
        if self.snapshots:
            chosen = list(self.snapshots)[number % len(self.snapshots)]
            self.manage("delete_canister_snapshot", snapshot_id=chosen)
            del self.snapshots[chosen]

    def restart(self, _: int) -> None:
        with tempfile.TemporaryDirectory() as folder, open_storage(Path(folder)) as storage:
            storage.save(self.world.subnet.state)
            checkpoint = storage.load(ENGINE)
        again = new_world(checkpoint.state, ENGINE)
        again.now_ns = self.world.now_ns
        self.world = again

    def manage(self, method: str, **fields: object) -> None:
        self.world.manage(method, canister_id=self.canister, **fields)

    def check(self) -> None:
        state = self.world.state_of(self.canister)
        assert self.world.query(self.canister, "read") == self.memory.shows()
        assert state.certified_data == self.memory.certified
        assert list(state.snapshots) == list(self.snapshots)
        assert state.cycles + sum(state.consumed_cycles.values()) == PROVISIONAL_CYCLES_DEFAULT


STEPS = (
    "bump", "bump", "certify", "trap", "reject", "keep_heap", "replace_heap", "failing_upgrade",
    "reinstall", "take", "take", "load", "load", "delete", "restart",
)  # fmt: skip
RUNS = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 255)), max_size=60)


def follow(run):
    world = new_world(engine=ENGINE)
    model = Model(world=world, canister=world.running(GOOD))
    for step, number in run:
        getattr(model, step)(number)
        model.check()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(run=RUNS)
def test_the_canister_agrees_with_the_model(run):
    follow(run)


@pytest.mark.campaign
@settings(max_examples=2000, deadline=None)
@given(run=RUNS)
def test_the_canister_agrees_with_the_model_for_long(run):
    follow(run)
