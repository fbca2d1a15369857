"""When the state is written, and that nobody hears of what is not on disk yet."""

import asyncio
import threading

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.checkpoints import WRITTEN_AFTER_SECONDS, Checkpoints
from juno_snap.replica.history import History
from juno_snap.replica.management.methods import METHODS, READ_ONLY
from juno_snap.replica.reject import Reject
from juno_snap.replica.rounds import Rounds, single_thread
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.replica.state import Status
from juno_snap.wire.candid import Tagged
from tests.fake_clock import FakeClock
from tests.replica.puppet import begin, held_open, hold, manage, puppet, reply, run
from tests.replica.puppet import call as call_canister
from tests.replica.requests import ALICE, MINUTE_NS, call
from tests.replica.subnet_world import module, new_world, refused

CANISTER = Principal(b"\x00" * 7 + b"\x07\x01\x01")


class Subnet:
    """Replies to every call; ``refuse`` rejects. Who manages what is its own business."""

    def __init__(self):
        self.canisters = {}
        self.executed = []
        self.recent = []
        self.queue = []
        self.managing = {"install_code", "start_canister", "stop_canister"}

    def take_managed(self):
        managed, self.recent = self.managing & set(self.recent), []
        return bool(managed)

    @property
    def has_work(self):
        return bool(self.queue)

    def next_wake_ns(self):
        return None

    def submit(self, request_id, call, time_ns, *, size_bytes=None):
        self.queue.append((request_id, call.method_name))

    def run_round(self, time_ns):
        queue, self.queue = self.queue, []
        self.recent = [method for _, method in queue]
        self.executed += self.recent
        refusal = Reject("IC0503", "refused")
        return [
            (request_id, refusal if method == "refuse" else b"reply")
            for request_id, method in queue
        ]


class Disk:
    """What was written, as the histories that the checkpoints contain."""

    def __init__(self):
        self.written = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.is_full = False

    def __call__(self, attachments):
        self.entered.set()
        assert self.gate.wait(10)
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.written.append(History.from_attachments(attachments))


class World:
    def __init__(self, executor, clock):
        self.subnet, self.disk, self.clock = Subnet(), Disk(), clock
        self.checkpoints = Checkpoints(self.disk, clock=clock)
        self.rounds = Rounds(
            self.subnet,
            History(),
            executor=executor,
            clock=clock,
            time=SubnetTime(clock),
            checkpoints=self.checkpoints,
        )

    def add(self, canister, method, nonce=b""):
        content = call(
            canister,
            method,
            sender=ALICE.principal,
            expiry_ns=self.clock.now_ns() + MINUTE_NS,
            nonce=nonce,
        )
        return content.request_id(), self.rounds.add(content, canister).ended

    def known(self, request_id):
        return self.rounds.history.find(request_id)


class SlowClock(FakeClock):
    """Sleeps until it is told to wake up."""

    def __init__(self):
        super().__init__()
        self.asleep = asyncio.Event()
        self.wake = asyncio.Event()

    async def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.asleep.set()
        await self.wake.wait()
        self.wake.clear()


@pytest.fixture
def world():
    with single_thread() as executor:
        yield World(executor, SlowClock())


async def entered(disk):
    assert await asyncio.to_thread(disk.entered.wait, 10)


@pytest.mark.anyio
async def test_an_outcome_of_a_management_call_is_told_when_it_is_on_disk(world):
    world.disk.gate.clear()
    request_id, ended = world.add(MANAGEMENT_CANISTER, "install_code")
    await entered(world.disk)
    assert world.subnet.executed == ["install_code"]
    assert not ended.done()
    assert world.known(request_id).outcome is None
    assert world.known(request_id).status == "processing"
    world.disk.gate.set()
    await ended
    assert world.known(request_id).outcome == b"reply"
    (written,) = world.disk.written
    assert written.find(request_id).outcome == b"reply"


@pytest.mark.anyio
async def test_calls_of_one_round_share_a_checkpoint_and_are_all_in_it(world):
    ids = [
        world.add(MANAGEMENT_CANISTER, "start_canister"),
        world.add(CANISTER, "update"),
        world.add(MANAGEMENT_CANISTER, "stop_canister"),
    ]
    await asyncio.gather(*(ended for _, ended in ids))
    (written,) = world.disk.written
    assert [written.find(request_id).outcome for request_id, _ in ids] == [b"reply"] * 3


@pytest.mark.parametrize(
    ("canister", "method"),
    [
        pytest.param(CANISTER, "update", id="an update"),
        pytest.param(MANAGEMENT_CANISTER, "refuse", id="a refused call"),
        pytest.param(MANAGEMENT_CANISTER, "canister_status", id="a question"),
    ],
)
@pytest.mark.anyio
async def test_other_calls_do_not_wait_for_the_disk(world, canister, method):
    _, ended = world.add(canister, method)
    await ended
    assert world.disk.written == []


@pytest.mark.anyio
async def test_everything_else_is_written_a_little_later(world):
    keeping_up = asyncio.create_task(world.checkpoints.keep_up(world.rounds.checkpoint))
    request_id, ended = world.add(CANISTER, "update")
    await ended
    await asyncio.wait_for(world.clock.asleep.wait(), 10)
    assert world.clock.sleeps == [WRITTEN_AFTER_SECONDS]
    assert WRITTEN_AFTER_SECONDS < 10
    assert world.disk.written == []
    world.clock.wake.set()
    await entered(world.disk)
    async with world.rounds.between():
        assert world.disk.written[0].find(request_id).outcome == b"reply"
        keeping_up.cancel()


@pytest.mark.anyio
async def test_nothing_is_written_while_nothing_changes(world):
    keeping_up = asyncio.create_task(world.checkpoints.keep_up(world.rounds.checkpoint))
    await world.add(MANAGEMENT_CANISTER, "start_canister")[1]
    assert len(world.disk.written) == 1
    await asyncio.sleep(0)
    world.clock.wake.set()
    await asyncio.sleep(0.01)
    assert len(world.disk.written) == 1
    keeping_up.cancel()


@pytest.mark.anyio
async def test_no_round_runs_while_the_state_is_written(world):
    world.disk.gate.clear()
    _, first = world.add(MANAGEMENT_CANISTER, "start_canister")
    await entered(world.disk)
    _, second = world.add(CANISTER, "update")
    await asyncio.sleep(0.01)
    assert world.subnet.executed == ["start_canister"]
    world.disk.gate.set()
    await asyncio.gather(first, second)
    assert world.subnet.executed == ["start_canister", "update"]


@pytest.mark.anyio
async def test_a_full_disk_ends_the_replica_and_nobody_is_told_an_outcome(world):
    world.disk.is_full = True
    world.disk.gate.clear()
    request_id, first = world.add(MANAGEMENT_CANISTER, "install_code")
    await entered(world.disk)
    other_id, second = world.add(CANISTER, "update")
    world.disk.gate.set()
    for ended in (first, second):
        with pytest.raises(PreconditionError, match="No space left") as caught:
            await ended
        assert caught.value.code == "replica-state-unwritable"
        assert "make room" in caught.value.hint
    assert world.checkpoints.failed.is_set()
    assert world.known(request_id).outcome is None
    assert world.known(other_id).outcome is None
    with pytest.raises(PreconditionError):
        await world.rounds.checkpoint()
    assert world.disk.written == []


@pytest.fixture
def subnet():
    """A subnet with real canisters, and with nothing managed since anybody looked."""
    world = new_world()
    canister = world.running(module())
    snapshot_id = world.snapshot(canister)["id"]
    assert world.subnet.take_managed()
    return world, canister, snapshot_id


def test_what_is_called_a_question_changes_nothing(subnet):
    world, canister, snapshot_id = subnet
    kind = Tagged("wasm_module", {"offset": 0, "size": 1})
    more = {
        "read_canister_snapshot_metadata": {"snapshot_id": snapshot_id},
        "read_canister_snapshot_data": {"snapshot_id": snapshot_id, "kind": kind},
    }
    state = world.state_of(canister)
    before = (state.version, state.history.total, set(state.snapshots), dict(state.chunks))
    for method in [each for each in READ_ONLY if METHODS[each].ingress]:
        world.manage(method, canister_id=canister, **more.get(method, {}))
        assert not world.subnet.take_managed()
    assert (state.version, state.history.total, set(state.snapshots), state.chunks) == before
    assert METHODS.keys() > READ_ONLY


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("stop_canister", {}),
        ("start_canister", {}),
        ("upload_chunk", {"chunk": b"chunk"}),
        ("update_settings", {"settings": {}}),
        ("take_canister_snapshot", {}),
        ("uninstall_code", {}),
        ("provisional_top_up_canister", {"amount": 1}),
    ],
)
def test_a_call_that_manages_a_canister_is_noted_once(subnet, method, fields):
    world, canister, _ = subnet
    world.manage(method, canister_id=canister, **fields)
    assert world.subnet.take_managed()
    assert not world.subnet.take_managed()


def test_a_refused_call_and_an_update_manage_nothing(subnet):
    world, canister, _ = subnet
    refused(lambda: world.manage("delete_canister", canister_id=canister))
    world.call(canister, "bump")
    assert not world.subnet.take_managed()


def test_what_a_canister_manages_is_noted_too(subnet):
    world = subnet[0]
    manager = held_open(world)
    world.subnet.take_managed()
    payload = world.payload("canister_status", canister_id=manager)
    run(world, manager, manage("canister_status", payload, on_reply=reply()))
    assert not world.subnet.take_managed()
    payload = world.payload("upload_chunk", canister_id=manager, chunk=b"chunk")
    run(world, manager, manage("upload_chunk", payload, on_reply=reply()))
    assert world.subnet.take_managed()


def test_a_stop_is_noted_when_it_is_asked_for_and_when_it_is_done(subnet):
    world = subnet[0]
    busy, holder = world.running(puppet()), held_open(world)
    begin(world, busy, call_canister(holder, hold(holder), timeout=10, on_reject=reply()))
    world.round()
    world.subnet.take_managed()
    payload = world.payload("stop_canister", canister_id=busy)
    world.submit(world.management_call("stop_canister", payload))
    world.round()
    assert world.subnet.take_managed()
    assert world.state_of(busy).status is Status.STOPPING
    world.round(seconds=10)
    assert world.state_of(busy).status is Status.STOPPED
    assert world.subnet.take_managed()
