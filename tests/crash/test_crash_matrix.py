"""The command line is killed with SIGKILL at every point, and brought to its end afterwards.

The points are before and after each call, and before and after each write into the journal. The
whole matrix: ``pytest -m campaign tests/crash``.
"""

from dataclasses import dataclass

import pytest

from tests.chance import Chance
from tests.crash.crash_world import replica_process
from tests.crash.matrix import AtCall, calls_before, each_of, matrix, survive
from tests.crash.stories import (
    CREATE,
    LARGE,
    RESET,
    RESTORE,
    ROLLBACK,
    SECOND,
    STORIES,
    UPGRADE,
    WRONG,
    Story,
)

pytestmark = pytest.mark.anyio

SAMPLES = {UPGRADE: 6, SECOND: 2, LARGE: 2, WRONG: 3, RESTORE: 2, ROLLBACK: 2, CREATE: 1, RESET: 3}
POINTS_MIN = 20
SEED = 1

STOP, TAKE, INSTALL = "stop_canister", "take_canister_snapshot", "install_code"
START, LOAD, CLEAR = "start_canister", "load_canister_snapshot", "clear_chunk_store"
STEPS = {
    UPGRADE: (STOP, TAKE, INSTALL, START),
    SECOND: ("delete_canister_snapshot",),
    LARGE: ("upload_chunk", "install_chunked_code", CLEAR),
    WRONG: (STOP, TAKE, LOAD, START),
    RESTORE: (STOP, TAKE, LOAD, START),
    ROLLBACK: (STOP, TAKE, LOAD, START),
    CREATE: (TAKE,),
    RESET: (STOP, INSTALL, "set_custom_domain", "set_controllers"),
}
FAULTS = {
    "drop-before=1": "after",
    "drop-after=1": "after",
    "late=1s": "after",
    "late=9s": "during",
}
"""What becomes of a call, and when its sender is killed: when the connection breaks off, when it
was executed late, and before it is."""


@dataclass(frozen=True)
class Loss:
    """A call of a story with which something goes wrong, while its sender dies."""

    story: Story
    method: str
    fault: str

    def __str__(self):
        return f"{self.story.name}, {self.fault}@call:{self.method}"


LOSSES = tuple(
    Loss(story, method, fault)
    for story, methods in STEPS.items()
    for method in methods
    for fault in FAULTS
)


@pytest.mark.parametrize("story", STORIES, ids=str)
async def test_a_killed_command_is_brought_to_its_end(tmp_path, capsys, story):
    async with replica_process(tmp_path) as replica:
        tally = await matrix(
            replica, story, tmp_path, lambda points: Chance(SEED).sample(points, SAMPLES[story])
        )
    tally.show(capsys, f"killed: {story}")
    assert not tally.failures


@pytest.mark.campaign
@pytest.mark.parametrize("story", STORIES, ids=str)
async def test_a_command_killed_at_any_point_is_brought_to_its_end(tmp_path, capsys, story):
    async with replica_process(tmp_path) as replica:
        tally = await matrix(replica, story, tmp_path, list)
    tally.show(capsys, f"killed at every point: {story}")
    assert len(tally.results) >= POINTS_MIN
    assert not tally.failures


async def lose_all(folder, losses):
    """Each loss on a replica of its own, in which the fault happens once."""
    async with replica_process(folder) as replica:
        stories = dict.fromkeys(loss.story for loss in losses)
        before = {story: await calls_before(replica, story, folder) for story in stories}

    async def lose(loss):
        skipped = before[loss.story][loss.method]
        spec = f"{loss.fault}+{skipped}" if skipped else loss.fault
        point = AtCall(method=loss.method, moment=FAULTS[loss.fault])
        async with replica_process(folder, f"{spec}@call:{loss.method}") as replica:
            await survive(replica, loss.story, point, folder)

    return await each_of(losses, lose)


async def test_a_command_that_dies_with_its_call_is_brought_to_its_end(tmp_path, capsys):
    tally = await lose_all(tmp_path, Chance(SEED).sample(LOSSES, 4))
    tally.show(capsys, "killed while the replica loses a call")
    assert not tally.failures


@pytest.mark.campaign
async def test_a_command_that_dies_with_any_call_is_brought_to_its_end(tmp_path, capsys):
    tally = await lose_all(tmp_path, LOSSES)
    tally.show(capsys, "killed while the replica loses any call")
    assert not tally.failures
