"""The command line is killed with SIGKILL at every point, and brought to its end afterwards.

The points are before and after each call, and before and after each write into the journal. The
whole matrix: ``pytest -m campaign tests/crash``.
"""

import pytest

from tests.chance import Chance
from tests.crash.crash_world import replica_process
from tests.crash.losses import calls_of, lose_all, losses_of, started_with
from tests.crash.matrix import matrix
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
)

pytestmark = pytest.mark.anyio

SAMPLES = {UPGRADE: 6, SECOND: 2, LARGE: 2, WRONG: 3, RESTORE: 2, ROLLBACK: 2, CREATE: 1, RESET: 3}
POINTS_MIN = 20
SEED = 1

STOP, TAKE, INSTALL = "stop_canister", "take_canister_snapshot", "install_code"
START, LOAD, CLEAR = "start_canister", "load_canister_snapshot", "clear_chunk_store"
STEPS = {  # of a reset, every call is lost below
    UPGRADE: (STOP, TAKE, INSTALL, START),
    SECOND: ("delete_canister_snapshot",),
    LARGE: ("upload_chunk", "install_chunked_code", CLEAR),
    WRONG: (STOP, TAKE, LOAD, START),
    RESTORE: (STOP, TAKE, LOAD, START),
    ROLLBACK: (STOP, TAKE, LOAD, START),
    CREATE: (TAKE,),
}
LOSSES = tuple(loss for story, methods in STEPS.items() for loss in losses_of(story, methods))


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


async def test_a_command_that_dies_with_its_call_is_brought_to_its_end(tmp_path, capsys):
    tally = await lose_all(tmp_path, Chance(SEED).sample(LOSSES, 4))
    tally.show(capsys, "killed while the replica loses a call")
    assert not tally.failures


@pytest.mark.campaign
async def test_a_command_that_dies_with_any_call_is_brought_to_its_end(tmp_path, capsys):
    tally = await lose_all(tmp_path, LOSSES)
    tally.show(capsys, "killed while the replica loses any call")
    assert not tally.failures


async def test_a_reset_that_dies_with_its_call_is_brought_to_its_end(tmp_path, capsys):
    start = await started_with(RESET, tmp_path)
    calls = await calls_of(RESET, start, tmp_path)
    chosen = Chance(SEED).sample([*losses_of(RESET, calls)], 3)
    tally = await lose_all(tmp_path, chosen, {RESET: start})
    tally.show(capsys, "reset, killed while the replica loses a call")
    assert not tally.failures


@pytest.mark.campaign
async def test_a_reset_that_dies_with_any_call_of_all_is_brought_to_its_end(tmp_path, capsys):
    start = await started_with(RESET, tmp_path)
    calls = await calls_of(RESET, start, tmp_path)
    assert len(calls) >= POINTS_MIN
    tally = await lose_all(tmp_path, [*losses_of(RESET, calls)], {RESET: start})
    told = f"reset of {len(calls)} calls, killed while the replica loses any of them"
    tally.show(capsys, told)
    assert not tally.failures
