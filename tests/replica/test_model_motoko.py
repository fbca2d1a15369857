"""Motoko programs over a long random run agree with a model in Python.

Calls, traps at every place, calls between canisters and to themselves, snapshots, restores, good
and failing upgrades, stops and restarts of the replica: after each step every number that the
programs show is the model's. A run repeats: its dice are hashes of a seed.
"""

import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from juno_snap.ids import Principal
from juno_snap.replica.storage import open_storage
from juno_snap.wire.candid import INT32, NAT, TEXT, Vec, decode, encode
from tests.motoko import INTEROP, compile_motoko
from tests.replica.engine import engine
from tests.replica.subnet_world import REINSTALL, World, new_world, refused, upgrade

pytestmark = pytest.mark.interop

CELLS, CANISTERS, SNAPSHOTS = 16, 3, 4
EMPTY = encode([], [])
TRAP_AT_THE_END = "system func postupgrade() { cells[0] := 5; assert false };"
OTHER_TYPE = ("var total : Nat = 0;", 'var total : Text = "";')


class Dice:
    """Numbers that look random, the same each time."""

    def __init__(self, seed):
        self._seed, self._thrown = seed, 0

    def throw(self, sides):
        self._thrown += 1
        digest = sha256(f"{self._seed} {self._thrown}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % sides

    def choose(self, choices):
        return choices[self.throw(len(choices))]


def cells_module(version, *, classical, hook=""):
    source = INTEROP.joinpath("motoko", "cells.mo").read_text(encoding="utf-8")
    source = source.replace("VERSION", version).replace("/*HOOK*/", hook)
    return compile_motoko(source, classical=classical)


def incompatible_module():
    """Fails to be upgraded to with enhanced orthogonal persistence."""
    return compile_motoko(f'persistent actor {{ {OTHER_TYPE[1]} let cells : Text = "" }};')


@dataclass
class Model:
    """What one canister should show."""

    name: Principal
    cells: list[int] = field(default_factory=lambda: [0] * CELLS)
    total: int = 0
    log: str = ""
    version: str = "1"
    snapshots: dict[bytes, tuple] = field(default_factory=dict)

    @property
    def state(self):
        return (list(self.cells), self.total, self.log, self.version)

    @state.setter
    def state(self, state):
        cells, self.total, self.log, self.version = deepcopy(state)
        self.cells = list(cells)


class Run:
    """The subnet, the models of its canisters, and the dice."""

    def __init__(self, *, classical, seed):
        self.classical = classical
        self.dice = Dice(seed)
        self.world: World = new_world(engine=engine())
        self.modules = {name: cells_module(name, classical=classical) for name in ("1", "2")}
        self.bad = [cells_module("3", classical=classical, hook=TRAP_AT_THE_END)]
        if not classical:
            self.bad.append(incompatible_module())
        self.models = [Model(self.world.create()) for _ in range(CANISTERS)]
        for model in self.models:
            self.world.install(model.name, self.modules["1"], arg=EMPTY)

    # What the dice decide.

    def model(self):
        return self.dice.choose(self.models)

    def place(self):
        return self.dice.throw(CELLS), self.dice.throw(10**6)

    # Messages.

    def send(self, model, method, types=(), values=(), result=()):
        return decode(self.world.call(model.name, method, encode(types, values)), result)

    def fail(self, model, method, types, values, code="IC0503"):
        request = encode(types, values)
        reason = refused(lambda: self.world.call(model.name, method, request))
        assert reason.error_code == code, reason

    def put(self):
        model, (at, value) = self.model(), self.place()
        self.send(model, "put", [NAT, NAT], [at, value])
        model.cells[at] = value

    def write(self):
        model, text = self.model(), "x" * self.dice.throw(2000)
        self.send(model, "write", [TEXT], [text])
        model.log += text

    def fall(self):
        model, (at, value) = self.model(), self.place()
        self.fail(model, "put_and_fall", [NAT, NAT], [at, value])

    def reject(self):
        model, (at, value) = self.model(), self.place()
        self.fail(model, "put_and_reject", [NAT, NAT], [at, value], code="IC0406")
        model.cells[at] = value

    def share(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        self.send(model, "share", [TEXT, NAT, NAT], [str(other.name), at, value])
        model.cells[at] = value
        other.cells[at] = value + 1
        model.total += 1

    def share_and_fall(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        self.fail(model, "share_and_fall", [TEXT, NAT, NAT], [str(other.name), at, value])
        model.cells[at] = value
        other.cells[at] = value + 1

    def fall_and_share(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        self.fail(model, "fall_and_share", [TEXT, NAT, NAT], [str(other.name), at, value])

    def expect_a_fall(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        request = [TEXT, NAT, NAT], [str(other.name), at, value]
        assert self.send(model, "expect_a_fall", *request, [INT32]) == [5]
        model.cells[at] = value

    def ask_a_stopped_one(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        if model is other:
            return
        self.manage("stop_canister", other)
        request = [TEXT, NAT, NAT], [str(other.name), at, value]
        assert self.send(model, "expect_a_fall", *request, [INT32]) == [5]
        model.cells[at] = value
        self.manage("start_canister", other)

    def fall_but_clean(self):
        model, other, (at, value) = self.model(), self.model(), self.place()
        self.fail(model, "fall_but_clean", [TEXT, NAT, NAT], [str(other.name), at, value])
        other.cells[at] = value
        model.cells[at] = 7

    def bounce(self):
        model, other, times = self.model(), self.model(), self.dice.throw(8)
        request = [TEXT, TEXT, NAT], [str(model.name), str(other.name), times]
        assert self.send(model, "bounce", *request, [NAT]) == [times]
        for step in range(times + 1):
            (model if step % 2 == 0 else other).total += 1

    def many_at_once(self):
        """Calls that are in the queue together; what they add does not depend on their order."""
        begun = []
        for _ in range(self.dice.throw(6)):
            model, other, by = self.model(), self.model(), self.dice.throw(9)
            if self.dice.throw(2):
                call = self.world.call_content(model.name, "count", encode([NAT], [by]), model.name)
                model.total += by
            else:
                request = encode([TEXT, NAT], [str(other.name), by])
                call = self.world.call_content(model.name, "tell", request, model.name)
                other.total += by
            begun.append(self.world.submit(call))
        self.world.round()
        assert [self.world.ended(each) for each in begun] == [EMPTY] * len(begun)

    # Changes of code and state.

    def manage(self, method, model, **fields):
        return self.world.manage(method, canister_id=model.name, **fields)

    def mode(self):
        return upgrade(persistence=None if self.classical else "keep")

    def upgrade(self):
        model, version = self.model(), self.dice.choose(["1", "2"])
        self.world.install(model.name, self.modules[version], self.mode(), arg=EMPTY)
        model.version = version

    def failing_upgrade(self):
        model, wasm = self.model(), self.dice.choose(self.bad)
        reason = refused(lambda: self.world.install(model.name, wasm, self.mode(), arg=EMPTY))
        assert reason.error_code in {"IC0502", "IC0503"}

    def reinstall(self):
        model = self.model()
        self.world.install(model.name, self.modules["1"], REINSTALL, arg=EMPTY)
        model.state = Model(model.name).state

    def take(self):
        model = self.model()
        replaced = None
        if len(model.snapshots) == SNAPSHOTS:
            replaced = self.dice.choose(list(model.snapshots))
        taken = self.manage("take_canister_snapshot", model, replace_snapshot=replaced)
        model.snapshots.pop(replaced, None)
        model.snapshots[taken["id"]] = model.state

    def load(self):
        model = self.model()
        if model.snapshots:
            chosen = self.dice.choose(list(model.snapshots))
            self.manage("load_canister_snapshot", model, snapshot_id=chosen)
            model.state = model.snapshots[chosen]

    def restart(self):
        with tempfile.TemporaryDirectory() as folder, open_storage(Path(folder)) as storage:
            storage.save(self.world.subnet.state)
            checkpoint = storage.load(engine())
        again = new_world(checkpoint.state, engine())
        again.now_ns = self.world.now_ns
        self.world = again

    # Whether all is as it should be.

    def check(self):
        assert self.world.outcomes == {}
        assert not self.world.subnet.has_work
        for model in self.models:
            reply = self.world.query(model.name, "shown", EMPTY)
            assert tuple(decode(reply, [Vec(NAT), NAT, TEXT, TEXT])) == model.state
            canister = self.world.state_of(model.name)
            assert list(canister.snapshots) == list(model.snapshots)
            assert not canister.calls.are_open


OFTEN = [
    Run.put, Run.fall, Run.reject, Run.share, Run.share_and_fall, Run.fall_and_share,
    Run.expect_a_fall, Run.fall_but_clean, Run.bounce, Run.many_at_once, Run.take, Run.load,
]  # fmt: skip
SOMETIMES = [
    Run.write, Run.ask_a_stopped_one, Run.upgrade, Run.failing_upgrade, Run.reinstall, Run.restart,
]  # fmt: skip
STEPS = [*OFTEN, *OFTEN, *OFTEN, *SOMETIMES]


def follow(*, classical, seed, steps):
    run = Run(classical=classical, seed=seed)
    for _ in range(steps):
        run.dice.choose(STEPS)(run)
        run.check()


@pytest.mark.parametrize("classical", [False, True], ids=["persistent", "classical"])
def test_a_long_run_agrees_with_the_model(classical):
    follow(classical=classical, seed="1", steps=1000)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", ["2", "3", "4", "5"])
@pytest.mark.parametrize("classical", [False, True], ids=["persistent", "classical"])
def test_a_very_long_run_agrees_with_the_model(classical, seed):
    follow(classical=classical, seed=seed, steps=10_000)
